// Copyright 2026 the Hangup authors. MIT license.

/**
 * One timer for many deadlines, and the time that they are measured in.
 *
 * @module
 */

import { MAX_DELAY } from "./options.ts";
import { areTimersFaked, realTimers, takeTurns } from "./timers.ts";
import { isWorkerd } from "./workerd.ts";

/** A timer that is late by more than this, in milliseconds, is lost: workerd drops those of a request that has ended. */
const LOST_AFTER = 1000;

/** A timer that fires earlier than this, in milliseconds, runs on another clock than `performance.now()`. */
const EARLY = 2;

/** A timer that fires later than this, in milliseconds, was held up by a busy event loop. */
const LATE = 2;

/** How many turns of the event loop it takes until what has arrived meanwhile is read. Deno needs the most. */
const TURNS_OF_INPUT = 32;

/** While timers are faked: how soon it is noticed that they no longer are, in milliseconds. */
const NOTICE = 250;

/** A sweep is followed by a pause of at least this many times its own duration. */
const PAUSE_FACTOR = 16;

/** On workerd it ends with the request that made it, as timers do. */
const setImmediate = isWorkerd() ? undefined : takeTurns().setImmediate;

/** The part of a timer that is used here. On Deno a timer is a number. */
type Timer = ReturnType<typeof setTimeout> & { ref?(): void; unref?(): void };

/** The time in milliseconds, whatever a test does to the process's own clock. */
export class Clock {
  #read = performance.now;
  #last: number = performance.now();
  #ahead = 0;

  /** The time of `performance.now()`, but never less than before, and without a leap when a test fakes it or stops to. */
  now(): number {
    const time = performance.now();
    if (time < this.#last || performance.now !== this.#read) this.skip(this.#last - time);
    this.#read = performance.now;
    this.#last = time;
    return time + this.#ahead;
  }

  /** Moves the clock on, because a timer shows that it is late. */
  skip(ms: number): void {
    this.#ahead += ms;
  }
}

/**
 * One timer for many deadlines, because thousands of timers are slow, and on workerd forbidden.
 *
 * It knows the earliest deadline only. Once that has come it calls `sweep`, which ends what is due and returns the
 * next deadline. A deadline that moves to a later time, or is withdrawn, needs no call: the timer fires, `sweep` finds
 * nothing due, and the timer is armed again. All times are those of its {@linkcode Clock}, in milliseconds.
 *
 * - **Nothing expires early.** `sweep` gets the true time, even if the timer fires too soon.
 * - **Nothing expires unread.** After a busy event loop, what has arrived is read before `sweep` is called.
 * - **Any clock will do.** Tests fake timers, clocks, or both, and put the real ones back at any time. A timer that fires
 *   long before the clock says so is right; a clock that goes back stands still instead; a timer that is lost with the
 *   faked ones is made anew.
 * - **No timer without a deadline.** After `clear()`, or a sweep that returned `Infinity`, none is left.
 * - **Sweeping takes a small part of the time.** A sweep may look at a million requests. The next one comes no sooner
 *   than 16 times its duration later, so sweeps take at most 1/17 of the time, and a deadline is late by that pause at most.
 */
export class Deadlines {
  readonly #sweep: (now: number) => number;
  #timer: Timer | undefined;
  /** The `setTimeout` that made the timer, and the function that removes it. */
  #made: typeof setTimeout | undefined;
  #remove: (timer: Timer) => void = clearTimeout;
  /** While timers are faked: a real timer that checks whether they still are. */
  #check: Timer | undefined;
  /** When the timer is to fire; `Infinity` without one. */
  #due = Infinity;
  /** The end of the pause after the last sweep. */
  #pause = -Infinity;
  /** Whether the timer does not keep the process alive. */
  #resting = false;
  /** Whether the timer has fired a little too early, once. */
  #early = false;
  /** While what has arrived is read: the turns that are left for it. */
  #reading: { turns: number } | undefined;
  #sweeping = false;
  /** The earliest deadline that was armed during a sweep. */
  #armed = Infinity;
  /** Whether `clear()` was called during a sweep, so that what the sweep returns is out of date. */
  #cleared = false;
  readonly #clock: Clock;

  /**
   * @param clock The clock that deadlines are measured by.
   * @param sweep Ends what is due at `now` and returns the earliest deadline left, `Infinity` without one.
   */
  constructor(clock: Clock, sweep: (now: number) => number) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  /**
   * Makes sure that there is a sweep once `deadline` has come.
   *
   * @param deadline The time, or `Infinity` for none.
   * @param now The present time, if the caller knows it.
   */
  arm(deadline: number, now = this.#clock.now()): void {
    if (this.#sweeping) {
      this.#armed = Math.min(this.#armed, deadline);
      return;
    }
    if (now > this.#due + LOST_AFTER) {
      this.#drop();
      // No timer, because one of this request could be lost as well.
      if (setImmediate === undefined) this.#run();
      else this.#readInput(now);
    }
    if (Math.max(deadline, this.#pause) < this.#due || this.#made !== setTimeout && this.#timer !== undefined) {
      this.#start(deadline, now);
    }
    if (!this.#resting) return;
    this.#resting = false;
    this.#timer?.ref?.();
  }

  /**
   * Keeps the timer from holding the process, because nothing waits. A timer that cannot do that is removed, and so is a
   * faked one, which a test would find. Making and removing a timer for each request takes longer than everything else
   * that is done for it.
   */
  rest(): void {
    if (this.#timer?.unref === undefined || this.#check !== undefined) return this.clear();
    this.#timer.unref();
    this.#resting = true;
  }

  /** Removes the timer, because nothing waits any more. */
  clear(): void {
    this.#resting = false;
    this.#armed = Infinity;
    this.#cleared = this.#sweeping;
    this.#drop();
  }

  #drop(): void {
    this.#due = Infinity;
    this.#reading = undefined;
    this.#stopChecking();
    if (this.#timer === undefined) return;
    this.#remove.call(globalThis, this.#timer);
    this.#timer = undefined;
  }

  #stopChecking(): void {
    if (this.#check === undefined) return;
    const { clearTimeout } = realTimers;
    clearTimeout(this.#check);
    this.#check = undefined;
  }

  /** Makes the timer anew if it is a faked one, and fakes are no longer ticked because the real ones are back. */
  #checkFakes(): void {
    const { setTimeout: set } = realTimers;
    this.#check = set(() => {
      if (setTimeout === this.#made) this.#checkFakes();
      else this.#start(this.#due, this.#clock.now());
    }, NOTICE);
    this.#check.unref?.();
  }

  #start(deadline: number, now: number): void {
    const due = Math.min(Math.max(deadline, this.#pause), this.#due);
    if (due === Infinity) return;
    this.#drop();
    this.#due = due;
    // Rounded up, and never 0: timers have whole milliseconds, and one that is early would fire again and again.
    const delay = Math.min(Math.max(Math.ceil(due - now), 1), MAX_DELAY);
    this.#made = setTimeout;
    this.#remove = clearTimeout;
    this.#timer = setTimeout(() => this.#fire(now + delay), delay);
    if (areTimersFaked()) this.#checkFakes();
  }

  /** The timer has fired, which was to be at `time`. */
  #fire(time: number): void {
    this.#timer = undefined;
    this.#stopChecking();
    const late = this.#clock.now() - time;
    if (late < 0 && (this.#early || late < -EARLY)) this.#clock.skip(-late);
    this.#early = late < 0 && !this.#early;
    if (late > LATE && this.#reading === undefined) this.#readInput(time + late);
    else this.#run();
  }

  /** Lets what has arrived be read, then sweeps, unless the timer is removed or made anew meanwhile. */
  #readInput(now: number): void {
    if (setImmediate === undefined) {
      // One timer more, however late it is: in the background a browser's timers are late by up to a second.
      this.#start(now, now);
      this.#reading = { turns: 0 };
      return;
    }
    this.#due = now;
    const reading = this.#reading = { turns: TURNS_OF_INPUT };
    const next = () => {
      if (this.#reading !== reading) return;
      if (--reading.turns > 0) setImmediate(next);
      else this.#run();
    };
    setImmediate(next);
  }

  #run(): void {
    this.#due = Infinity;
    this.#reading = undefined;
    this.#armed = Infinity;
    this.#cleared = false;
    this.#sweeping = true;
    const start = this.#clock.now();
    let next = start;
    try {
      next = this.#sweep(start);
    } finally {
      const end = this.#clock.now();
      this.#sweeping = false;
      this.#pause = end + (end - start) * PAUSE_FACTOR;
      next = this.#cleared ? this.#armed : Math.min(next, this.#armed);
      if (next < Infinity) this.#start(next, end);
    }
  }
}
