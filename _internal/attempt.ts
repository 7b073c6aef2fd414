// Copyright 2026 the Hangup authors. MIT license.

/**
 * One request on its way over one lease.
 *
 * @module
 */

import type { Holder, Lease, LeaseRequest, Slots, Waiter } from "./slots.ts";
import type { Upload } from "./upload.ts";

/**
 * Everything that one request holds on its way: first a place in the queue, then a lease, and
 * finally a controller and a response as well.
 */
export class Attempt implements Waiter {
  /** The upload, if the request's body is a stream. */
  upload: Upload | undefined;
  readonly #slots: Slots;
  readonly #holder: Holder & { refuse(reason: unknown): void };
  #leaseRequest: LeaseRequest | undefined;
  #granted: (() => void) | undefined;
  #lease: Lease | undefined;
  #controller: AbortController | undefined;
  /**
   * A reference that prevents garbage collection, because on Deno an abort does not reach a
   * collected response.
   */
  #response: Response | undefined;

  /**
   * @param holder The user of the lease. Its `refuse()` is called if the pool refuses the request.
   */
  constructor(slots: Slots, holder: Holder & { refuse(reason: unknown): void }) {
    this.#slots = slots;
    this.#holder = holder;
  }

  get hasLease(): boolean {
    return this.#lease !== undefined;
  }

  /** Takes a lease, if a slot is free. */
  tryAcquire(origin: string): boolean {
    this.#lease = this.#slots.tryAcquire(origin, this.#holder);
    return this.hasLease;
  }

  /** Waits for a lease. */
  enqueue(origin: string, timeout: number, granted: () => void): void {
    this.#granted = granted;
    this.#leaseRequest = this.#slots.enqueue(origin, timeout, this.#holder, this);
  }

  grant(lease: Lease): void {
    this.#lease = lease;
    this.#leaseRequest = undefined;
    this.#granted!();
    this.#granted = undefined;
  }

  refuse(reason: unknown): void {
    this.#leaseRequest = undefined;
    this.#holder.refuse(reason);
  }

  /** Sends the request. */
  fetch(url: URL, init: RequestInit): Promise<Response> {
    init.signal = (this.#controller = new AbortController()).signal;
    return this.#lease!.fetch(url, init);
  }

  /** Takes charge of the response. */
  hold(response: Response): void {
    this.#response = response;
  }

  /**
   * Aborts the request. Call it before the release, so that the next holder of the slot does not
   * find the socket still open.
   */
  abort(reason: unknown): void {
    this.#controller?.abort(reason);
    if (this.#leaseRequest !== undefined) this.#slots.cancel(this.#leaseRequest, reason);
  }

  /**
   * Gives everything back. Later calls do nothing.
   *
   * @param reuse Whether the body was read to its end, so that the connection can be used again. If
   * an upload is still running, the connection is closed nevertheless.
   * @param reason The reason for closing the connection, if there is one.
   */
  release(reuse: boolean, reason: unknown): void {
    if (!reuse || this.upload?.ended === false) this.#controller?.abort(reason);
    this.upload?.end(reason);
    this.#lease?.release();
    this.upload =
      this.#lease =
      this.#response =
      this.#controller =
        undefined;
  }
}
