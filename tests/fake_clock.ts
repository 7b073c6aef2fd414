// Copyright 2026 the Hangup authors. MIT license.

/**
 * A clock that moves when a test says so.
 *
 * @module
 */

import { realTimers } from "../_internal/timers.ts";

/** What the module tells real functions from stubs by, if they are in place when it is loaded. */
const REAL = { [Symbol.for("nodejs.util.promisify.custom")]: () => {} };

interface FakeTimer {
  readonly due: number;
  readonly callback: () => void;
}

/**
 * Replaces the global `setTimeout`, `clearTimeout` and `performance.now` while installed, and the
 * timers that the module took at load: for the module it is the real clock.
 */
export class FakeClock {
  /**
   * How many milliseconds too early timers fire, as real ones may, measured by `performance.now()`.
   */
  early = 0;
  /** How often a timer fired. */
  fired = 0;
  /** The delays given to `setTimeout`, in order. */
  readonly delays: number[] = [];
  #now = 1000;
  #lastId = 0;
  readonly #timers = new Map<number, FakeTimer>();
  #restore: (() => void) | undefined;

  /** The time of `performance.now()`. */
  get now(): number {
    return this.#now;
  }

  /** The number of timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Replaces the globals. */
  install(): this {
    if (this.#restore !== undefined) throw new TypeError("Cannot install the clock as it is installed already");
    const { setTimeout, clearTimeout } = globalThis;
    this.#restore = () => {
      for (const timers of [globalThis, realTimers]) Object.assign(timers, { setTimeout, clearTimeout });
      Reflect.deleteProperty(performance, "now");
    };
    const fakeSetTimeout = (callback: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) => {
      this.delays.push(delay);
      // As on every runtime: what does not fit in 31 bits fires at once.
      const actual = delay >= 1 && delay < 2 ** 31 ? delay : 1;
      const id = ++this.#lastId;
      this.#timers.set(id, { due: this.#now + actual - this.early, callback: () => callback(...args) });
      return id;
    };
    const fakeClearTimeout = (id?: number) => {
      if (id !== undefined) this.#timers.delete(id);
    };
    Object.assign(fakeSetTimeout, REAL);
    for (const timers of [globalThis, realTimers]) {
      Object.assign(timers, { setTimeout: fakeSetTimeout, clearTimeout: fakeClearTimeout });
    }
    Object.defineProperty(performance, "now", { configurable: true, value: () => this.#now });
    return this;
  }

  /** Puts the globals back. */
  restore(): void {
    this.#restore?.();
    this.#restore = undefined;
  }

  [Symbol.dispose](): void {
    this.restore();
  }

  /** Moves the time without firing timers, as a busy event loop does. */
  advance(ms: number): void {
    this.#now += ms;
  }

  /**
   * Moves the time by `ms`, then fires what has come due, in order, before any pending promise
   * runs.
   */
  jump(ms: number): void {
    this.#now += ms;
    while (this.#fireNext(this.#now));
  }

  /** Drops all timers, as workerd does with those of a request that has ended. */
  lose(): void {
    this.#timers.clear();
  }

  /**
   * Moves the time by `ms`, firing the timers that come due, in order, with what follows from each
   * before the next.
   *
   * @param ms The time in milliseconds; 0 lets pending promises run.
   */
  async tick(ms = 0): Promise<void> {
    const end = this.#now + ms;
    await settle();
    while (this.#fireNext(end)) await settle();
    this.#now = Math.max(this.#now, end);
  }

  /** Fires the timer that is due first, unless that is after `end`. */
  #fireNext(end: number): boolean {
    let id = 0;
    let due = Infinity;
    for (const [key, timer] of this.#timers) if (timer.due < due) [id, due] = [key, timer.due];
    if (due > end) return false;
    const { callback } = this.#timers.get(id)!;
    this.#timers.delete(id);
    this.#now = Math.max(this.#now, due);
    this.fired++;
    callback();
    return true;
  }
}

/**
 * Replaces the global `setImmediate` and `clearImmediate` until it is disposed of: a turn comes
 * when a test says so.
 */
export class FakeTurns implements Disposable {
  readonly #waiting = new Map<number, () => void>();
  readonly #real = { setImmediate, clearImmediate };
  #last = 0;

  constructor() {
    const fakes = {
      setImmediate: (callback: () => void) => {
        this.#waiting.set(++this.#last, callback);
        return this.#last;
      },
      clearImmediate: (id: number) => this.#waiting.delete(id),
    };
    for (const fake of Object.values(fakes)) Object.assign(fake, REAL);
    Object.assign(globalThis, fakes);
  }

  /** The number of callbacks that wait for the next turn. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Lets a turn pass. */
  take(): void {
    const callbacks = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}

/**
 * Lets pending promise reactions run, chains of up to `turns` included.
 *
 * @param turns The number of turns of the microtask queue.
 */
export async function settle(turns = 24): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
}

/** Replaces `performance.now()` while `work` runs. */
export async function withNow(now: () => number, work: () => Promise<void> | void): Promise<void> {
  Object.defineProperty(performance, "now", { configurable: true, value: now });
  try {
    await work();
  } finally {
    Reflect.deleteProperty(performance, "now");
  }
}
