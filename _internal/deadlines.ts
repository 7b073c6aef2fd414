// Copyright 2026 the Hangup authors. MIT license.

/**
 * One timer for many deadlines.
 *
 * @module
 */

import { MAX_DELAY } from "./options.ts";
import { isWorkerd } from "./runtime.ts";
import { type Clock, globals, realTimers, takeTurns, Timer } from "./timers.ts";

/**
 * A timer that is late by more than this many milliseconds counts as lost: workerd drops the timers
 * of a request that has ended, and a test may never tick its fakes.
 */
const LOST_AFTER = 1000;

/**
 * How far a timer may be off, in milliseconds. A timer that fires earlier than that runs on another
 * clock than `performance.now()`. One that fires later was held up by a busy event loop.
 */
const TOLERANCE = 2;

/**
 * The number of event-loop turns after which all input that has arrived is read. Deno needs the
 * most: up to 128 for a chunk and the end of a body, and rarely more. 512 turns take a millisecond.
 */
const TURNS_OF_INPUT = 512;

/**
 * The fewest turns to wait for input. In a program that is always busy, hundreds of turns would
 * make its timeouts late by seconds. So once {@linkcode TIME_OF_INPUT} has passed, this many turns
 * are enough.
 */
const LEAST_TURNS_OF_INPUT = 8;

/**
 * How long to wait for input on platforms without turns, in milliseconds. In a browser, an answer
 * passes through several processes. If the machine is busy, that takes longer, so the wait grows
 * with how late the timer is.
 */
const TIME_OF_INPUT = 100;
const PART_OF_LATENESS = 1 / 4;

/** More than the rounding error of a difference of two times, in milliseconds. */
const ROUNDING = 1e-6;

/** After a sweep, the next one waits for at least this many times the sweep's duration. */
const PAUSE_FACTOR = 16;

/**
 * Not used on workerd, because there a callback is dropped with the request that scheduled it, as
 * timers are.
 */
const setImmediate = isWorkerd() ? undefined : takeTurns().setImmediate;

/** What a sweep has found. */
export interface Sweep {
  /** The earliest deadline that has not come, or `Infinity` if there is none. */
  readonly next: number;
  /** Ends everything that is due. */
  readonly end: () => void;
}

/**
 * One timer for many deadlines, because thousands of timers are slow, and workerd forbids them.
 *
 * It knows only the earliest deadline. Once that has come, it calls `sweep`, which returns the next
 * deadline, and how to end everything that is due. If a deadline moves to a later time or is
 * withdrawn, no call is needed: the timer fires, `sweep` finds nothing due, and the timer is armed
 * again. All times are those of its {@linkcode Clock}, in milliseconds.
 *
 * - **Nothing expires early.** `sweep` gets the true time, even if the timer fires too soon.
 * - **Nothing expires unread.** After a busy event loop, input that has arrived is read before
 *   `sweep` is called.
 * - **Any clock will do.** Tests fake timers, clocks, or both, and restore the real ones at any
 *   time. If a timer fires long before the clock says so, the timer is right. If the clock goes
 *   back, this clock stands still instead. If a timer is lost with the fakes, it is made anew.
 * - **No timer without a deadline.** After `clear()`, or after a sweep that returned `Infinity`, no
 *   timer is left.
 * - **Sweeping takes a small part of the time.** A sweep may look at a million requests. After a
 *   sweep, the next one waits for at least 16 times the sweep's duration. So sweeps take at most
 *   1/17 of the time, and a deadline is late by at most that pause. The time that it takes to end
 *   what is due does not count, because each request ends only once.
 */
export class Deadlines {
  readonly #sweep: (now: number) => Sweep;
  #timer: Timer | undefined;
  /** When the timer is due; `Infinity` if there is none. */
  #due = Infinity;
  /** The end of the pause after the last sweep. */
  #pause = -Infinity;
  /** Whether the timer lets the process end. */
  #resting = false;
  /** Whether the previous timer fired slightly too early. */
  #early = false;
  /** Identifies the pass that reads input before a sweep, while there is one. */
  #reading: object | undefined;
  /** Whether `clear()` was called during the sweep, so that the deadline it returns is outdated. */
  #cleared = false;
  readonly #clock: Clock;

  /**
   * @param clock The clock that deadlines are measured by.
   * @param sweep Looks for everything that is due at `now`.
   */
  constructor(clock: Clock, sweep: (now: number) => Sweep) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  /**
   * Makes sure that a sweep runs once `deadline` has come.
   *
   * @param deadline The time, or `Infinity` for none.
   * @param now The present time, if the caller knows it.
   */
  arm(deadline: number, now = this.#clock.now()): void {
    // Only workerd loses real timers. If one seems lost on another platform, the clock has jumped.
    if (now > this.#due + LOST_AFTER && (isWorkerd() || this.#timer?.stopChecking !== undefined)) {
      this.#drop();
      // Sweep at once, without a timer, because workerd could drop a timer of this request as well.
      if (setImmediate === undefined) this.#run();
      else this.#readInput(now);
    }
    // Input is read before a sweep. A deadline that has passed does not cut that short, because the
    // read that continues a body arms its total timeout again. A deadline to come does not wait for
    // the reading, which may take long without turns.
    const earlier = (this.#reading === undefined || deadline > now) && Math.max(deadline, this.#pause) < this.#due;
    if (this.#timer?.isCurrent === false || earlier) this.#start(deadline, now);
    if (!this.#resting) return;
    this.#resting = false;
    this.#timer?.ref();
  }

  /**
   * Lets the process end in spite of the timer, because nobody waits, until a deadline is armed.
   * Returns `false` if that is not possible: for a faked timer, and in browsers and workers.
   */
  unref(): boolean {
    if (!this.#timer?.unref()) return false;
    return this.#resting = true;
  }

  /**
   * Called when there is no deadline. Making and removing a timer for each request would take
   * longer than all other work for the request, so the timer is kept. There are three exceptions: a
   * timer that would keep the process alive, a faked one, which a test would find, and one of
   * zone.js, whose zones wait for it. These are removed.
   */
  rest(): void {
    if ("Zone" in globalThis || !this.unref()) this.clear();
  }

  /** Removes the timer, because nothing waits any longer. */
  clear(): void {
    this.#resting = false;
    this.#cleared = true;
    this.#drop();
  }

  #drop(): void {
    this.#due = Infinity;
    this.#reading = undefined;
    this.#timer?.remove();
    this.#timer = undefined;
  }

  /**
   * Starts the timer in a callback, where an error would end the process: if a mock of
   * `setTimeout()` throws, the real one takes its place.
   */
  #restart(deadline: number, now: number): void {
    try {
      this.#start(deadline, now);
    } catch {
      this.#start(deadline, now, realTimers);
    }
  }

  /** Replaces the timer. If a mock of `setTimeout()` throws, the old timer stays. */
  #start(deadline: number, now: number, functions = globals): void {
    const due = Math.min(Math.max(deadline, this.#pause), this.#due);
    // Round up, and never to 0: timers take whole milliseconds, and an early timer would fire again
    // and again.
    const delay = Math.min(Math.max(Math.ceil(due - now - ROUNDING), 1), MAX_DELAY);
    const restart = () => this.#restart(this.#due, this.#clock.now());
    const timer = new Timer(delay, () => this.#fire(now + delay), restart, functions);
    this.#drop();
    this.#due = due;
    this.#timer = timer;
    if (this.#resting) timer.unref();
  }

  /** Called when the timer that was due at `time` fires. */
  #fire(time: number): void {
    this.#timer?.stopChecking?.();
    this.#timer = undefined;
    const late = this.#clock.now() - time;
    if (late < 0 && (this.#early || late < -TOLERANCE)) this.#clock.advance(-late);
    this.#early = late < 0 && !this.#early;
    if (late > TOLERANCE && this.#reading === undefined) this.#readInput(time + late, late);
    else this.#run();
  }

  /**
   * Lets the runtime read the input that has arrived, then sweeps, unless the timer is removed or
   * replaced meanwhile.
   *
   * @param late How late the timer is, in milliseconds.
   */
  #readInput(now: number, late = 0): void {
    if (setImmediate === undefined) {
      // Wait for one more timer, however late it is: in a background tab, a browser's timers are
      // late by up to a second.
      this.#due = Infinity;
      this.#restart(now + Math.max(TIME_OF_INPUT, late * PART_OF_LATENESS), now);
      this.#reading = {};
      return;
    }
    this.#due = now;
    const reading = this.#reading = {};
    const end = now + TIME_OF_INPUT;
    let turns = 0;
    const next = () => {
      if (this.#reading !== reading) return;
      const most = this.#clock.now() < end ? TURNS_OF_INPUT : LEAST_TURNS_OF_INPUT;
      if (++turns < most) setImmediate(next);
      else this.#run();
    };
    setImmediate(next);
  }

  #run(): void {
    this.#drop();
    this.#cleared = false;
    const start = this.#clock.now();
    let next = start; // if something throws, the rest is due at once
    try {
      const sweep = this.#sweep(start);
      const now = this.#clock.now();
      this.#pause = now + (now - start) * PAUSE_FACTOR;
      sweep.end();
      next = sweep.next;
    } finally {
      if (!this.#cleared && next < this.#due) this.#restart(next, this.#clock.now());
    }
  }
}
