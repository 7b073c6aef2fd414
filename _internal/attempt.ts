// Copyright 2026 the Hangup authors. MIT license.

/**
 * One request on its way over one lease.
 *
 * @module
 */

import { HangupError } from "../errors.ts";
import type { Cancellation } from "./cancellation.ts";
import { resultOf } from "./causes.ts";
import { builtin, type Resolvers, withResolvers } from "./runtime.ts";
import type { Holder, Lease, LeaseRequest, Slots, Waiter } from "./slots.ts";
import { undiciVersion } from "./transports/undici.ts";
import type { Upload } from "./upload.ts";

/** The part of `node:util` that is used here. */
interface Util {
  transferableAbortController(): AbortController;
}

/**
 * Taken at load, because a test may replace the global class, and `fetch` refuses the signals of
 * any other class.
 */
const GlobalController = AbortController;

let Controller: typeof AbortController | undefined;

/**
 * Returns the platform's class. On Node, a library may have replaced the global class before this
 * module was loaded.
 */
function findController(): typeof AbortController {
  const util = undiciVersion() > 0 ? builtin<Util>("node:util") : undefined;
  return (util?.transferableAbortController().constructor ?? GlobalController) as typeof AbortController;
}

/**
 * Returns the reason to abort a request with. Node's `fetch` empties the stack of the reason that
 * it rejects with, so it gets a copy of an error of this module.
 */
function standIn(reason: unknown): unknown {
  return resultOf(() => {
    if (!(undiciVersion() > 0 && reason instanceof HangupError)) return reason;
    const { message, cause } = reason;
    return Object.setPrototypeOf(Object.assign(new Error(message, { cause }), reason), Object.getPrototypeOf(reason));
  }) ?? reason;
}

/** The exchange that an attempt belongs to, which is the user of its lease. */
interface Owner extends Holder {
  readonly cancellation: Cancellation;
  /** Called if the pool refuses the request. */
  abort(reason: unknown): void;
}

/**
 * Everything that one request holds on its way: first a place in the queue, then a lease, and
 * finally a controller as well.
 */
export class Attempt implements Waiter {
  /** The upload, if the request's body is a stream. */
  upload: Upload | undefined;
  /**
   * Whether nobody wants the rest of the response. The request is then aborted without a reason, so
   * that its signal has an `AbortError`: tracers take any other for a failure.
   */
  unwanted = false;
  /**
   * `undefined` once the exchange has ended, so that a response that is kept does not keep the
   * pool.
   */
  #slots: Slots | undefined;
  readonly #owner: Owner;
  /** The request for a lease, and the wait for it. */
  #leaseRequest: LeaseRequest | undefined;
  #wait: Resolvers<void> | undefined;
  #lease: Lease | undefined;
  /**
   * The origin of the last request that was sent. If a redirect leads to the same origin, the
   * exchange has waited in its queue already.
   */
  #lastOrigin: string | undefined;
  #controller: AbortController | undefined;

  constructor(slots: Slots, owner: Owner) {
    this.#slots = slots;
    this.#owner = owner;
  }

  /**
   * Takes a lease, unless there is one. Returns `undefined` if a slot is free, and otherwise a
   * promise that resolves when the pool grants a lease, or rejects if the exchange is aborted.
   */
  acquire(origin: string, timeout: number): Promise<void> | undefined {
    this.#lease ??= this.#slots!.tryAcquire(origin, this.#owner);
    if (this.#lease !== undefined) return undefined;
    const again = origin === this.#lastOrigin;
    this.#leaseRequest = this.#slots!.enqueue(origin, timeout, this.#owner, this, again);
    const wait = this.#wait = withResolvers<void>();
    this.#owner.cancellation.add(wait.reject);
    return wait.promise;
  }

  grant(lease: Lease): void {
    const { resolve, reject } = this.#wait!;
    this.#lease = lease;
    this.#leaseRequest = this.#wait = undefined;
    this.#owner.cancellation.forget(reject);
    resolve();
  }

  refuse(reason: unknown): void {
    this.#owner.abort(reason);
  }

  /** Sends the request. */
  fetch(url: URL, init: RequestInit): Promise<Response> {
    init.signal = (this.#controller = new (Controller ??= findController())()).signal;
    this.#lastOrigin = this.#lease!.origin;
    return this.#slots!.send(this.#lease!, url, init);
  }

  /**
   * Called when the runtime's own `fetch` has rejected, so that there is nothing to abort. On Node
   * 24, an abort would still cancel the stream of a form, and an error that nobody can catch would
   * end the process.
   */
  failed(): void {
    this.#controller = undefined;
  }

  /**
   * Gives everything back. Later calls do nothing. The request is aborted before its lease is
   * released, so that the next holder of the slot does not find the socket still open.
   *
   * @param reuse Whether the body was read to its end, so that the connection can be used again. If
   * an upload is still running, the connection is closed nevertheless.
   * @param reason The reason for closing the connection, if there is one.
   */
  release(reuse: boolean, reason: unknown): void {
    if (!reuse || this.upload?.ended === false) this.#controller?.abort(this.unwanted ? undefined : standIn(reason));
    this.upload?.end(reason);
    if (this.#leaseRequest !== undefined) this.#slots?.cancel(this.#leaseRequest, reason);
    this.#lease?.release();
    this.upload = this.#lease = this.#controller = undefined;
  }

  /** Gives everything back for good. */
  end(reuse: boolean, reason: unknown): void {
    this.release(reuse, reason);
    this.#slots = undefined;
  }
}
