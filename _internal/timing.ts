// Copyright 2026 the Hangup authors. MIT license.

/**
 * How long a request may take, in all and phase by phase.
 *
 * @module
 */

import type { Timeouts } from "../request.ts";
import type { Clock } from "./deadlines.ts";

/** What a request waits for under a timeout of its own, besides the queue, whose timeout is the pool's. */
export type Phase = "headers" | "idle";

/** A timeout for every phase. */
export type AllTimeouts = { readonly [Name in keyof Timeouts]-?: number };

/** The times of one request, on the clock of its pool. */
export class Timing {
  /** When the timeout of the current phase passes, or the total one. */
  deadline: number;
  /** When bytes of the body last arrived. */
  arrived = 0;
  readonly #clock: Clock;
  readonly #timeouts: AllTimeouts;
  readonly #started: number;
  /** When the total timeout passes. */
  readonly #end: number;
  #phase: Phase = "headers";
  /** How many waits of the phase are pending: of the body, several reads may be. */
  #pending = 0;
  /** The timeout of the phase, in milliseconds. */
  #timeout = 0;
  /** When the phase began, and how long earlier waits for the same headers took. */
  #since = 0;
  #spent = 0;
  /** When the request began to queue, and for how long it has queued before. */
  #queuedSince: number | undefined;
  #queued = 0;

  constructor(clock: Clock, timeouts: AllTimeouts) {
    this.#clock = clock;
    this.#timeouts = timeouts;
    this.#started = clock.now();
    this.deadline = this.#end = this.#started + timeouts.total;
  }

  /** The time since the request was made, in whole milliseconds. */
  get age(): number {
    return Math.round(this.#clock.now() - this.#started);
  }

  /** A wait begins. Returns the present time. */
  begin(phase: Phase, timeout: number = this.#timeouts[phase]): number {
    const now = this.#clock.now();
    this.#phase = phase;
    this.#timeout = timeout;
    this.#pending++;
    this.#since = now;
    this.deadline = Math.min(this.#end, now + timeout - (phase === "headers" ? this.#spent : 0));
    return now;
  }

  /** What a wait was for is there. */
  finish(): void {
    const now = this.#clock.now();
    if (--this.#pending > 0) {
      this.deadline = Math.min(this.#end, now + this.#timeouts.idle);
    } else {
      this.deadline = this.#end;
    }
    if (this.#phase === "headers") this.#spent += now - this.#since;
    else this.arrived = now;
  }

  /** Part of an upload was taken: only a stall of the upload counts. */
  uploaded(): void {
    if (this.#phase !== "headers" || this.#pending === 0) return;
    this.#since = this.#clock.now();
    this.#spent = 0;
    this.deadline = Math.min(this.#end, this.#since + this.#timeouts.headers);
  }

  /** The request begins to queue. */
  queue(): void {
    this.#queuedSince = this.#clock.now();
  }

  /** The request has a lease, if it had to queue for it or not. */
  dequeue(): void {
    if (this.#queuedSince === undefined) return;
    this.#queued += this.#clock.now() - this.#queuedSince;
    this.#queuedSince = undefined;
  }

  /** A redirect is followed, and has the whole of the timeout for its headers. */
  redirect(): void {
    this.#spent = 0;
  }

  /** Which timeout has passed, with its length, and how long the request had queued in whole milliseconds. */
  expired(): { phase: Phase | "total"; timeout: number; queued: number } {
    const now = this.#clock.now();
    const phase = now >= this.#end ? "total" : this.#phase;
    const queued = this.#queued + (this.#queuedSince === undefined ? 0 : now - this.#queuedSince);
    return { phase, timeout: phase === "total" ? this.#timeouts.total : this.#timeout, queued: Math.round(queued) };
  }
}
