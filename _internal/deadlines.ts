// Copyright 2026 the Hangup authors. MIT license.

/**
 * One timer for many deadlines.
 *
 * @module
 */

/** The longest delay that `setTimeout` takes, in milliseconds: a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** A timer that is so late, in milliseconds, will not fire at all: workerd drops those of a request that has ended. */
const LOST_AFTER = 1000;

/** A sweep is followed by a pause of at least so many times its own duration. */
const PAUSE_FACTOR = 16;

/**
 * One timer for many deadlines, as thousands of timers are slow, and on workerd forbidden.
 *
 * It knows the earliest deadline only. When that has come it calls `sweep`, which expires what is due and says what
 * is left. Deadlines that move later, or are withdrawn, need no call: the timer fires, nothing is found due, and it is
 * armed again. All times are those of `performance.now()`, in milliseconds.
 *
 * - **Nothing expires early.** `sweep` gets the true time, even when the timer fires before its time.
 * - **No timer without a deadline.** After `clear()`, or a sweep that returned `Infinity`, none is left.
 * - **Sweeping takes a small part of the time.** A sweep may look at a million waiters, each with a deadline of its
 *   own. Its duration is therefore measured, and the next one comes no sooner than 16 times as long after it: sweeps
 *   take 1/17 of the time at most, and a deadline is late by no more than that pause.
 */
export class Deadlines {
  readonly #sweep: (now: number) => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer is to fire; `Infinity` without one. */
  #due = Infinity;
  /** The end of the pause after the last sweep. */
  #pause = -Infinity;
  /** Whether the timer was told not to hold the process. */
  #resting = false;
  #sweeping = false;
  /** The earliest deadline that was armed while sweeping. */
  #armed = Infinity;
  /** Whether `clear()` was called while sweeping: what the sweep returns is out of date then. */
  #cleared = false;

  /** @param sweep Expires what is due at `now` and returns the earliest deadline left, `Infinity` without one. */
  constructor(sweep: (now: number) => number) {
    this.#sweep = sweep;
  }

  /**
   * Makes sure that there is a sweep once `deadline` has come.
   *
   * @param deadline The time, or `Infinity` for none.
   * @param now The present time, where the caller knows it.
   */
  arm(deadline: number, now = performance.now()): void {
    if (this.#sweeping) {
      this.#armed = Math.min(this.#armed, deadline);
      return;
    }
    if (now > this.#due + LOST_AFTER) {
      this.clear();
      this.#fire(); // now, as a timer of this request could be lost as well
    }
    if (deadline < this.#due) this.#start(deadline, now);
    if (!this.#resting) return;
    this.#resting = false;
    (this.#timer as { ref?(): void } | undefined)?.ref?.();
  }

  /**
   * Keeps the timer from holding the process, as nothing waits for now. Where it cannot be told so, it is removed. To
   * make and remove a timer for each request takes longer than all else that is done for it.
   */
  rest(): void {
    const timer = this.#timer as { unref?(): void } | undefined;
    if (timer?.unref === undefined) return this.clear();
    timer.unref();
    this.#resting = true;
  }

  /** Removes the timer, as nothing waits any more. */
  clear(): void {
    this.#resting = false;
    this.#armed = Infinity;
    this.#cleared = this.#sweeping;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
  }

  #start(deadline: number, now: number): void {
    const due = Math.max(deadline, this.#pause);
    if (due >= this.#due) return;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#due = due;
    // Rounded up, and never 0: timers have whole milliseconds, and one that is early would fire again and again.
    const delay = Math.min(Math.max(Math.ceil(due - now), 1), MAX_DELAY);
    this.#timer = setTimeout(() => this.#fire(), delay);
  }

  #fire(): void {
    this.#timer = undefined;
    this.#due = Infinity;
    this.#armed = Infinity;
    this.#cleared = false;
    this.#sweeping = true;
    const start = performance.now();
    let next = start;
    try {
      next = this.#sweep(start);
    } finally {
      const end = performance.now();
      this.#sweeping = false;
      this.#pause = end + (end - start) * PAUSE_FACTOR;
      next = this.#cleared ? this.#armed : Math.min(next, this.#armed);
      if (next < Infinity) this.#start(next, end);
    }
  }
}
