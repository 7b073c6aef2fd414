// Copyright 2026 the Hangup authors. MIT license.

/**
 * The real timers, event-loop turns and time of the process, even if a test replaces the global
 * ones.
 *
 * @module
 */

import { builtin, withResolvers } from "./runtime.ts";

/** The functions of a platform for timers and turns of the event loop. */
interface Timers {
  setTimeout: typeof setTimeout;
  clearTimeout: typeof clearTimeout;
  setImmediate?: (callback: () => void) => unknown;
  clearImmediate?: (timer: unknown) => void;
}

/** The global functions, which a test may replace. */
export const globals: Timers = globalThis as unknown as Timers;

/**
 * Finds the real timers of the process, if possible. When the module is loaded, the global ones may
 * be those of a test: fakes of `@sinonjs/fake-timers`, as jest has them, or stubs.
 */
function findTimers(name: "setTimeout" | "setImmediate"): Timers {
  const made = globals[name];
  if (made === undefined || hasForm(made) && !isFake(made)) return globals;
  const nodes = builtin<Timers>("node:timers");
  // Where there is a `window`, the global functions are those of a DOM, such as jsdom's, which are
  // real but have no such form.
  const isStub = hasForm(nodes?.[name]) && !("window" in globals);
  return nodes && (isFake(made) || isStub) ? nodes : globals;
}

/** Whether a function is one of `@sinonjs/fake-timers`, which have a `clock`. */
function isFake(made: unknown): boolean {
  return typeof made === "function" && "clock" in made;
}

/**
 * Whether a function has a form for `util.promisify()`, as the own timers of Node, Deno and Bun
 * have.
 */
function hasForm(made: unknown): boolean {
  return typeof made === "function" && Symbol.for("nodejs.util.promisify.custom") in made;
}

const { setTimeout: set, clearTimeout: clear } = findTimers("setTimeout");
const { setImmediate } = findTimers("setImmediate");

/**
 * The timers that are real as far as the module knows, taken at load. Call them without `this`,
 * because browsers accept only the global object.
 */
export const realTimers: Pick<Timers, "setTimeout" | "clearTimeout"> = { setTimeout: set, clearTimeout: clear };

/**
 * Returns the real turns of the event loop. Call it at load, because a test may fake them and never
 * tick.
 */
export function takeTurns(): Pick<Timers, "setImmediate" | "clearImmediate"> {
  const turns = findTimers("setImmediate");
  return isFake(turns.setImmediate) ? {} : turns;
}

/** Whether a test is faking timers. Bun's own fakes are the same functions, with a `clock`. */
export function areTimersFaked(): boolean {
  return globals.setTimeout !== realTimers.setTimeout || isFake(globals.setTimeout);
}

/** Whether a test is faking turns. */
export function areTurnsFaked(): boolean {
  return globals.setImmediate !== setImmediate || isFake(globals.setImmediate);
}

/** The time in milliseconds. It stays correct even if a test fakes the process's own clock. */
export class Clock {
  /** The function that told the time last; `undefined` if the clock was never read. */
  #read: unknown;
  #last = 0;
  #ahead = 0;

  /**
   * The time of `performance.now()`. It never goes back, does not jump when a test starts or stops
   * faking the clock, and stands still while a mock gives no time.
   */
  now(): number {
    let read: unknown = null;
    let time = this.#last;
    try {
      const clock = performance;
      read = clock.now;
      const told: unknown = clock.now();
      if (Number.isFinite(told)) time = told as number;
    } catch {
      // The clock is a mock that throws, or there is none.
    }
    const isOther = this.#read !== undefined && read !== this.#read;
    if (time < this.#last || isOther) this.advance(this.#last - time);
    this.#read = read;
    this.#last = time;
    return time + this.#ahead;
  }

  /**
   * Moves the clock by this many milliseconds, because a timer has shown that the clock is behind,
   * or because the process's clock has jumped.
   */
  advance(ms: number): void {
    this.#ahead += ms;
  }
}

/**
 * Removes a timer by the function that belongs to it. If the fakes that made it are gone, the timer
 * never fires anyway. Then the fakes of `@std/testing` throw, and those of `node:test` would remove
 * a timer of the next test that has the same position in their queue.
 */
export function removeTimer(clear: typeof clearTimeout, timer: ReturnType<typeof setTimeout>): void {
  if (clear !== globals.clearTimeout && "priorityQueuePosition" in Object(timer)) return;
  try {
    clear.call(globalThis, timer);
  } catch {
    // There is nothing left to remove.
  }
}

/**
 * While timers are faked: the interval in milliseconds at which to check whether they still are.
 */
const CHECK_INTERVAL = 250;

/** A timer of the kind that is global when it is made. A test may replace that kind meanwhile. */
export class Timer {
  /**
   * What `setTimeout()` returned: an object on Node, a number elsewhere, and nothing from some
   * mocks.
   */
  readonly #id: (ReturnType<Timers["setTimeout"]> & { ref?(): void; unref?(): void }) | undefined;
  readonly #functions: Pick<Timers, "setTimeout" | "clearTimeout">;
  /** Stops the check whether timers are still faked; `undefined` if this timer is no fake. */
  stopChecking: (() => void) | undefined;

  /**
   * @param callback Called after the delay.
   * @param onRestored Called if the timer is a fake and the test has put the real timers back,
   * because nobody ticks the fakes any longer.
   * @throws As a mock of `setTimeout()` does.
   */
  constructor(ms: number, callback: () => void, onRestored: () => void, { setTimeout, clearTimeout }: Timers) {
    let returned = false;
    // A mock may call back at once, and never again. No time has passed then, so ignore the call.
    this.#id = setTimeout(() => returned && callback(), ms);
    returned = true;
    this.#functions = { setTimeout, clearTimeout };
    if (areTimersFaked()) this.#check(onRestored);
  }

  #check(onRestored: () => void): void {
    this.stopChecking = afterReal(CHECK_INTERVAL, () => this.isCurrent ? this.#check(onRestored) : onRestored());
  }

  /** Whether the timer is of the kind that would be made now. */
  get isCurrent(): boolean {
    return this.#functions.setTimeout === globals.setTimeout && areTimersFaked() === (this.stopChecking !== undefined);
  }

  ref(): void {
    this.#id?.ref?.();
  }

  /** Lets the process end. Returns `false` if that is not possible. */
  unref(): boolean {
    if (this.#id?.unref === undefined || this.stopChecking !== undefined) return false;
    this.#id.unref();
    return true;
  }

  remove(): void {
    this.stopChecking?.();
    if (this.#id !== undefined) removeTimer(this.#functions.clearTimeout, this.#id);
  }
}

/**
 * Calls back after a delay in real time, for short waits that the user does not see. A test that
 * fakes timers may never tick them, and a redirect would hang in it.
 *
 * @returns A function that removes the timer.
 */
export function afterReal(ms: number, callback: () => void): () => void {
  const { setTimeout, clearTimeout } = realTimers;
  if (!isFake(setTimeout) || typeof SharedArrayBuffer !== "function" || Atomics.waitAsync === undefined) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  }
  // No library fakes this kind of wait.
  const word = new Int32Array(new SharedArrayBuffer(4));
  Promise.resolve(Atomics.waitAsync(word, 0, 0, ms).value).then((how) => how === "timed-out" && callback());
  return () => void Atomics.notify(word, 0);
}

/**
 * Returns a promise that resolves after a delay in real time, and a function that removes its
 * timer.
 */
export function delay(ms: number): [late: Promise<undefined>, removeTimer: () => void] {
  const { promise, resolve } = withResolvers<undefined>();
  return [promise, afterReal(ms, () => resolve(undefined))];
}

/**
 * Calls back after a delay, measured in real time or in the faked time of a test, whichever ends
 * first.
 *
 * @returns A function that removes the timers.
 */
export function after(ms: number, callback: () => void): () => void {
  const { setTimeout, clearTimeout } = globals;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const remove = () => {
    removeReal();
    if (timer !== undefined) removeTimer(clearTimeout, timer);
  };
  const call = () => {
    remove();
    callback();
  };
  const removeReal = afterReal(ms, call);
  if (areTimersFaked()) timer = setTimeout(call, ms); // a mock may call at once
  return remove;
}
