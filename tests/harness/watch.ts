// Copyright 2026 the Hangup authors. MIT license.
//
// What is left behind, on every runtime: timers and listeners, counted at the functions that make
// them.

/** The globals that make and clear timers, taken before any test replaces them. */
const { setTimeout, clearTimeout } = globalThis;

/**
 * Counts the timers that are made from now on and neither fired nor were cleared. Restore it after.
 */
export function watchTimers(): { readonly count: number; restore(): void } {
  const live = new Set<unknown>();
  const set = (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
    const timer = setTimeout(() => {
      live.delete(timer);
      callback(...args);
    }, ms);
    live.add(timer);
    return timer;
  };
  const clear = (timer?: ReturnType<typeof setTimeout>) => {
    live.delete(timer);
    clearTimeout(timer);
  };
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  return {
    get count() {
      return live.size;
    },
    restore: () => void Object.assign(globalThis, { setTimeout, clearTimeout }),
  };
}

/** A signal that counts its listeners. */
export function watchedSignal(): { readonly signal: AbortSignal; readonly listeners: number } {
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(...args: Parameters<AbortSignal["addEventListener"]>) {
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<AbortSignal["removeEventListener"]>) {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    },
  });
  return {
    signal,
    get listeners() {
      return listeners.size;
    },
  };
}
