// Copyright 2026 the Hangup authors. MIT license.

/**
 * How long a request may take, in total and in each phase.
 *
 * @module
 */

import type { TimeoutPhase } from "../errors.ts";
import type { Timeouts } from "../request.ts";
import { checkNumber, isObject, own, plain, printable } from "./options.ts";
import type { Clock } from "./timers.ts";

/**
 * The phases of a request that have a timeout here. "upload" takes the place of "headers" while a
 * large body in memory is sent. The pool applies the timeout of the queue.
 */
export type Phase = "headers" | "upload" | "idle";

/** A timeout for every phase. */
export type AllTimeouts = { readonly [Name in keyof Timeouts]-?: number } & {
  /** The timeout of the headers if a large body in memory is sent. */
  readonly upload: number;
};

/**
 * The timeout of the queue, of the headers and between bytes, in milliseconds, if the caller sets
 * none.
 */
export const DEFAULT_TIMEOUT = 30_000;

/**
 * The timeout of the headers after a large body in memory, in milliseconds, if the caller sets none
 * for the headers. No platform tells how much of a body in memory was sent. So the request gets as
 * much time as Node's own `fetch` allows from the end of an upload to the headers.
 */
export const UPLOAD_TIMEOUT = 300_000;

/** The names of the timeouts. */
const PHASES: readonly (keyof Timeouts)[] = ["queue", "headers", "idle", "total"];

/**
 * Checks timeouts and completes them.
 *
 * @throws {TypeError} If a timeout is not a number, or its phase is unknown.
 * @throws {RangeError} If a timeout is not positive.
 */
export function mergeTimeouts(defaults: AllTimeouts, timeout: number | Timeouts | undefined): AllTimeouts {
  if (timeout === undefined) return defaults;
  const given: Timeouts = isObject(timeout) ? plain(timeout) : own({ total: timeout });
  const merged: { -readonly [Name in keyof AllTimeouts]: number } = { ...defaults };
  const option = (phase: string) => isObject(timeout) ? `"timeout.${printable(phase)}"` : '"timeout"';
  for (const phase of isObject(timeout) ? Object.keys(timeout) : []) {
    if (PHASES.some((known) => known === phase)) continue;
    throw new TypeError(`${option(phase)} is not known: the timeouts are "queue", "headers", "idle" and "total"`);
  }
  for (const phase of PHASES) {
    const value = given[phase];
    if (value !== undefined) merged[phase] = checkNumber(option(phase), "a positive number of milliseconds", value);
  }
  merged.upload = given.headers ?? defaults.upload;
  return merged;
}

/** The times of one request, on the clock of its pool. */
export class Timing {
  /** When the timeout of the current phase or the total timeout passes, whichever is first. */
  deadline: number;
  /** When bytes of a body last arrived, or were taken by the transport. */
  moved = 0;
  readonly #clock: Clock;
  readonly #timeouts: AllTimeouts;
  readonly #started: number;
  #phase: Phase = "headers";
  /** The number of pending waits in the phase. Several reads of the body may be pending at once. */
  #pending = 0;
  /** When the pending wait began. */
  #begun = 0;
  /** How long the finished waits for the current headers took together. */
  #waited = 0;
  /**
   * `#queuedSince` is when the request joined the queue. `#queued` is how long it had queued before
   * that.
   */
  #queuedSince: number | undefined;
  #queued = 0;
  /**
   * The time that was read last, while only microtasks have run since. Reading it again takes a
   * noticeable part of a small request's time.
   */
  #now: number | undefined;
  /** Whether the caller decides when the next wait begins. */
  #isWithCaller = false;

  constructor(clock: Clock, timeouts: AllTimeouts) {
    this.#clock = clock;
    this.#timeouts = timeouts;
    this.#started = this.#now = clock.now();
    this.deadline = this.#end;
  }

  /** When the total timeout passes. */
  get #end(): number {
    return this.#started + this.#timeouts.total;
  }

  /** The time since the request was made, in whole milliseconds. */
  get age(): number {
    return Math.round(this.#clock.now() - this.#started);
  }

  /** Whether somebody waits: for the response, or for bytes of its body. */
  get awaited(): boolean {
    return !this.#isWithCaller || this.#pending > 0;
  }

  /** Starts a wait. Returns the present time. */
  begin(phase: Phase): number {
    const now = this.#now ?? this.#clock.now();
    this.#now = undefined;
    // A read that comes while another one waits must not prolong that one's wait.
    if (this.#pending++ > 0) return now;
    this.#phase = phase;
    this.#begun = now;
    this.deadline = Math.min(this.#end, now + this.#timeouts[phase] - (phase === "idle" ? 0 : this.#waited));
    return now;
  }

  /** Ends a wait, because its result has arrived. */
  finish(): void {
    const now = this.#clock.now();
    this.deadline = --this.#pending > 0 ? Math.min(this.#end, now + this.#timeouts.idle) : this.#end;
    if (this.#phase === "idle") this.moved = now;
    // A large upload has a longer timeout, so its wait does not count against the cookie jar's.
    else this.#waited = this.#phase === "upload" ? 0 : this.#waited + now - this.#begun;
    if (!this.#isWithCaller) this.#now = now;
  }

  /** Called when the caller gets the response, and decides when to read. */
  handOver(): void {
    this.#isWithCaller = true;
    this.#now = undefined;
  }

  /**
   * Called when the transport takes a chunk of an upload. The timeout of the headers, or of the
   * body if the headers have come before, starts anew, because only a stalled upload should time
   * out.
   */
  uploaded(): void {
    if (this.#pending === 0) return;
    const now = this.moved = this.#begun = this.#clock.now();
    this.#waited = 0;
    this.deadline = Math.min(this.#end, now + this.#timeouts[this.#phase]);
  }

  /** Called when the request joins the queue. */
  queue(): void {
    this.#queuedSince = this.#now;
  }

  /** Called when the request has a lease, whether or not it had to queue. */
  dequeue(): void {
    if (this.#queuedSince === undefined) return;
    this.#now = this.#clock.now();
    this.#queued += this.#now - this.#queuedSince;
    this.#queuedSince = undefined;
  }

  /** Called when a redirect is followed. The timeout of the headers starts anew. */
  redirect(): void {
    this.#waited = 0;
  }

  /**
   * Returns which timeout has passed, its length, and how long the request had queued, in whole
   * milliseconds.
   */
  expired(): { phase: TimeoutPhase; timeout: number; queued: number } {
    const now = this.#clock.now();
    const passed = now >= this.#end ? "total" : this.#phase;
    const queued = this.#queued + (now - (this.#queuedSince ?? now));
    const phase = passed === "upload" ? "headers" : passed;
    return { phase, timeout: this.#timeouts[passed], queued: Math.round(queued) };
  }
}
