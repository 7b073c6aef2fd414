// Copyright 2026 the Hangup authors. MIT license.

/**
 * The timers and turns of the process, whatever a test does to the global ones.
 *
 * @module
 */

/** What a platform has of timers and turns of the event loop. */
interface Timers {
  setTimeout: typeof setTimeout;
  clearTimeout: typeof clearTimeout;
  setImmediate?: (callback: () => void) => unknown;
  clearImmediate?: (timer: unknown) => void;
}

const globals = globalThis as unknown as Timers;

type Process = { getBuiltinModule?(name: string): Timers | undefined };

/**
 * The timers of the process as far as they can be had: jest may load the module when the global ones are fakes of
 * `@sinonjs/fake-timers`, which have a `clock`.
 */
function find(name: "setTimeout" | "setImmediate"): Timers {
  if (!isFake(globals[name])) return globals;
  const { process } = globalThis as { process?: Process };
  return process?.getBuiltinModule?.("node:timers") ?? globals;
}

function isFake(made: unknown): boolean {
  return typeof made === "function" && "clock" in made;
}

const { setTimeout: set, clearTimeout: clear } = find("setTimeout");
const { setImmediate } = globals;

/**
 * Taken at load, for short waits that a user knows nothing of: a test that fakes timers may never tick, and a redirect
 * would hang in it. To be called without `this`, because browsers refuse another one than the global object.
 */
export const realTimers: Pick<Timers, "setTimeout" | "clearTimeout"> = { setTimeout: set, clearTimeout: clear };

/** The turns of the event loop. They are taken at load, because a test may fake them and never tick. */
export function takeTurns(): Pick<Timers, "setImmediate" | "clearImmediate"> {
  const turns = find("setImmediate");
  return isFake(turns.setImmediate) ? {} : turns;
}

/** Whether a test fakes timers now. */
export function areTimersFaked(): boolean {
  return globals.setTimeout !== realTimers.setTimeout;
}

/** Whether a test fakes turns now. */
export function areTurnsFaked(): boolean {
  const { setImmediate: now } = globals;
  return now !== setImmediate || isFake(now);
}

/**
 * Calls back after a time, in real time or in that of a test that fakes timers, whichever comes first.
 *
 * @returns What removes the timers.
 */
export function after(ms: number, callback: () => void): () => void {
  const timers = areTimersFaked() ? [globals, realTimers] : [realTimers];
  const removes = timers.map(({ setTimeout, clearTimeout }) => {
    const timer = setTimeout(() => {
      remove();
      callback();
    }, ms);
    return () => clearTimeout(timer);
  });
  const remove = () => removes.forEach((remove) => remove());
  return remove;
}
