// Copyright 2026 the Hangup authors. MIT license.

/**
 * Why a request is aborted, and which waits end because of it.
 *
 * @module
 */

import { withResolvers } from "./runtime.ts";

/** Rejects the promise of a pending wait. */
type Reject = (reason: unknown) => void;

/**
 * Holds the first reason to abort a request, and the pending waits that it ends.
 *
 * Whoever aborts, the code after a wait continues in the async context in which the wait began, as
 * with any promise. On workerd, that includes the incoming request that made the wait. Therefore a
 * promise that another request may settle is always made by `Promise.withResolvers()`: code that V8
 * has compiled for speed makes `new Promise()` without a note of the request it belongs to.
 */
export class Cancellation {
  /** Whether the request is aborted. */
  aborted = false;
  /** The first reason, unchanged. The reason of a signal may be `undefined`. */
  reason: unknown;
  /** The pending waits: mostly one, so that it needs no set. */
  #wait: Reject | undefined;
  #others: Set<Reject> | undefined;

  /**
   * Aborts with a reason: rejects all pending waits with it.
   *
   * @returns Whether this reason is the first one. A later reason has no effect.
   */
  abort(reason: unknown): boolean {
    if (this.aborted) return false;
    this.aborted = true;
    this.reason = reason;
    this.#wait?.(reason);
    this.#others?.forEach((reject) => reject(reason));
    this.forgetWaits();
    return true;
  }

  /** Throws the reason if the request is aborted. */
  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Settles as `work` does, or rejects as soon as the request is aborted. */
  race<T>(work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = withResolvers<T>();
    this.add(reject);
    work.then((value) => {
      this.forget(reject);
      resolve(value);
    }, (error) => {
      this.forget(reject);
      reject(error);
    });
    return promise;
  }

  /** Adds a wait. It is rejected as soon as the request is aborted. */
  add(reject: Reject): void {
    if (this.aborted) reject(this.reason);
    else if (this.#wait === undefined) this.#wait = reject;
    else (this.#others ??= new Set()).add(reject);
  }

  /** Drops a wait that is over, so that its result can be garbage-collected. */
  forget(reject: Reject): void {
    if (this.#wait === reject) this.#wait = undefined;
    else this.#others?.delete(reject);
  }

  /** Makes an abort no longer end the waits that have begun. */
  forgetWaits(): void {
    this.#wait = this.#others = undefined;
  }
}
