// Copyright 2026 the Hangup authors. MIT license.

/**
 * The pool: it limits the exchanges that are open at once, queues requests, and owns the sockets.
 *
 * @module
 */

import { followPolyfill, nameDisposal, showAs } from "./_internal/classes.ts";
import { checkFunction, checkMethods, checkNumber, isObject, own, refuse } from "./_internal/options.ts";
import { withResolvers } from "./_internal/runtime.ts";
import { addAbortListener, checkSignal, removeAbortListener, throwIfAborted } from "./_internal/signals.ts";
import { SLOTS, Slots } from "./_internal/slots.ts";
import { DEFAULT_TIMEOUT } from "./_internal/timing.ts";
import { DEFAULT_IDLE_TIMEOUT, makeTransport } from "./_internal/transports/choose.ts";
import { type Adapter, facts, PLATFORM, type Platform } from "./_internal/transports/platform.ts";
import type { PoolClosedError } from "./errors.ts";
import type { RequestSummary } from "./request.ts";
import type { Transport } from "./transport.ts";

/**
 * Options for {@linkcode Pool}.
 *
 * @example Reject requests that would have to wait
 * ```ts
 * import { QueueFullError, Session } from "@hangup/session";
 * import { assertRejects } from "@std/assert";
 *
 * const pool = { maxConnections: 1, maxQueued: 0 };
 * await using session = new Session({ pool, fetch: () => new Promise(() => {}) });
 * session.get("https://example.com/slow").catch(() => {});
 * await assertRejects(() => session.get("https://example.com/"), QueueFullError);
 * ```
 */
export interface PoolOptions {
  /**
   * The largest number of exchanges open at once: a positive integer or `Infinity`. Sockets that
   * the runtime keeps idle to other origins, or opens in advance, do not count.
   *
   * @default {128}
   */
  maxConnections?: number | undefined;
  /**
   * The largest number of exchanges open at once to one origin (RFC 6454: scheme, host and port): a
   * positive integer or `Infinity`, at most `maxConnections`. So one stuck origin cannot starve the
   * rest.
   *
   * @default {64} or `maxConnections`, whichever is less.
   */
  maxConnectionsPerOrigin?: number | undefined;
  /**
   * The largest number of requests that may wait: an integer of 0 or more, or `Infinity`. One more
   * is rejected at once with a {@linkcode QueueFullError}. With 0, no request ever waits.
   *
   * @default {Infinity}
   */
  maxQueued?: number | undefined;
  /**
   * How long an idle socket is kept, in milliseconds, if the runtime has such a setting. With 0,
   * none is kept: each request has a connection of its own. It has no effect if there is a
   * `transport`.
   *
   * @default {30_000}
   */
  idleTimeout?: number | undefined;
  /**
   * The transport that sends the requests. The pool owns it and closes it. The default is a
   * transport made by `createTransport()`. It goes where the runtime's bare `fetch` would go,
   * including through the proxies that the environment names. To use another proxy, or to trust
   * your own certificate authority, give one: `{ transport: createTransport(options) }`.
   *
   * If the user has set a dispatcher on Node (a mock, a proxy, an agent), the default transport
   * passes requests on to it. That dispatcher then owns the sockets, and
   * {@linkcode Pool.closesSockets} is `false`.
   */
  transport?: Transport | undefined;
}

/** Options for {@linkcode Pool.acquire}. */
export interface AcquireOptions {
  /**
   * Ends the wait when it aborts: `acquire()` rejects with the signal's reason, unchanged. It has
   * no effect on a lease that has been granted.
   */
  signal?: AbortSignal | null | undefined;
  /**
   * How long the queue may make no progress at all, in milliseconds, or `Infinity`. A long queue
   * that moves does not time out.
   *
   * @default {30_000}
   */
  timeout?: number | undefined;
  /**
   * The request that the lease is for. Errors show it, including those of requests that are queued
   * behind it.
   */
  request?: RequestSummary | undefined;
  /**
   * Called at most once, if the pool closes while the lease is held. It should end the exchange and
   * release the lease.
   *
   * @param error The error to end the exchange with.
   */
  onClose?: ((error: PoolClosedError) => void) | undefined;
}

/**
 * The permission to have one exchange open, granted by {@linkcode Pool.acquire}.
 *
 * @example Hold a lease for a scope
 * ```ts
 * import { Pool } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => new Response("hello"));
 * const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
 *
 * await using pool = new Pool();
 * {
 *   using lease = await pool.acquire(url.origin);
 *   assertEquals(await (await lease.fetch(url, {})).text(), "hello"); // read before the lease is released
 * }
 * assertEquals(pool.stats().active, 0);
 * ```
 */
export interface Lease extends Disposable {
  /** The origin that the lease is for. */
  readonly origin: string;
  /** Whether the lease was released. */
  readonly released: boolean;
  /**
   * Sends a request through the pool's transport.
   *
   * @param url The absolute URL.
   * @param init The options of the standard `fetch`. The object belongs to the transport, which may
   * add to it.
   * @returns The response, as soon as its headers have arrived.
   * @throws {TypeError} If the lease was released.
   * @throws {PoolClosedError} If the pool is closed.
   */
  fetch(url: URL, init: RequestInit): Promise<Response>;
  /** Gives the slot to the next waiting request. Later calls do nothing. */
  release(): void;
}

/** A snapshot of a {@linkcode Pool}: plain data. */
export interface PoolStats {
  /** The number of leases held. */
  active: number;
  /** The number of requests that wait. */
  queued: number;
  /**
   * The same two numbers for each origin with a lease or a waiting request. The object has no
   * prototype.
   */
  origins: Record<string, { active: number; queued: number }>;
}

const DEFAULT_MAX_CONNECTIONS = 128;
const DEFAULT_MAX_CONNECTIONS_PER_ORIGIN = 64;

/**
 * Limits the exchanges open at once, queues the other requests, and owns the sockets.
 *
 * Sessions may share a pool. It has no global state, and nothing of it is left once it is closed.
 *
 * - **Never above a limit.** The leases held are at most `maxConnections`, and at most
 *   `maxConnectionsPerOrigin` for each origin.
 * - **No lost wake-up.** A request waits only while its origin or the pool is full. If a waiting
 *   request is aborted, the next one gets its place.
 * - **Fair.** Within an origin, first come, first served. Origins take turns. A full origin never
 *   blocks another.
 * - **Exactly once.** Releasing a lease again does nothing.
 * - **Closed is closed.** No lease is granted after `close()`. Its promise settles when no lease is
 *   held and the sockets are closed.
 * - **O(1).** Each operation takes amortized constant time, even if a million requests wait.
 *
 * @example Lend a connection
 * ```ts
 * import { Pool } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool({ maxConnections: 1 });
 * const lease = await pool.acquire("https://example.com");
 * const next = pool.acquire("https://example.org");
 * assertEquals([pool.stats().active, pool.stats().queued], [1, 1]);
 *
 * lease.release();
 * assertEquals((await next).origin, "https://example.org");
 * (await next).release();
 * ```
 *
 * @example Share a pool between sessions
 * ```ts
 * import { Pool, Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool({ maxConnectionsPerOrigin: 8 });
 * const session = new Session({ pool });
 * await session.close();
 * assertEquals(pool.closed, false);
 * ```
 */
export class Pool implements AsyncDisposable {
  readonly #transport: Transport;
  /** The promise that `close()` returns; `undefined` while the pool is open. */
  #closing: Promise<void> | undefined;
  /** @ignore */
  readonly [SLOTS]: Slots;
  /** @ignore */
  readonly [PLATFORM]: Platform;

  /**
   * Creates a pool. It opens no connection before the first request.
   *
   * @param options The limits, and the transport.
   * @throws {RangeError} If a limit or timeout is out of range.
   * @throws {TypeError} If an option has the wrong type.
   */
  constructor(options: PoolOptions = {}) {
    followPolyfill();
    if (!isObject(options)) refuse("A pool's options must be an object", options);
    const {
      maxConnections = DEFAULT_MAX_CONNECTIONS,
      maxConnectionsPerOrigin = Math.min(DEFAULT_MAX_CONNECTIONS_PER_ORIGIN, Number(maxConnections)),
      maxQueued = Infinity,
      idleTimeout = DEFAULT_IDLE_TIMEOUT,
      transport,
    } = own(options);
    const subject = (option: string) => `Cannot create a pool as "${option}"`;
    checkNumber(subject("maxConnections"), "a positive integer or Infinity", maxConnections);
    checkNumber(subject("maxConnectionsPerOrigin"), "a positive integer or Infinity", maxConnectionsPerOrigin);
    if (maxConnectionsPerOrigin > maxConnections) {
      const limit = `at most "maxConnections" (${maxConnections})`;
      refuse(`${subject("maxConnectionsPerOrigin")} must be ${limit}`, maxConnectionsPerOrigin, RangeError);
    }
    checkNumber(subject("maxQueued"), "a non-negative integer or Infinity", maxQueued);
    checkNumber(subject("idleTimeout"), "a non-negative number of milliseconds", idleTimeout);
    if (transport !== undefined) checkMethods(subject("transport"), transport, "fetch", "close");
    this.#transport = transport ?? makeTransport({ idleTimeout });
    const platform = (this.#transport as Partial<Adapter>)[PLATFORM];
    this[PLATFORM] = platform?.transport === this.#transport ? platform : facts();
    this[PLATFORM].limit?.(maxConnectionsPerOrigin);
    const send = (url: URL, init: RequestInit) => this.#transport.fetch(url, init);
    this[SLOTS] = new Slots({ maxConnections, maxConnectionsPerOrigin, maxQueued }, send, this[PLATFORM].drain);
  }

  /**
   * Whether `close()` closes the sockets. If the platform owns them, `close()` only ensures that
   * nothing is in flight.
   */
  get closesSockets(): boolean {
    return this.#transport.closesSockets;
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Waits for the permission to have one exchange open. Always release it; otherwise its slot is
   * lost.
   *
   * It never throws: wrong arguments reject too, before any wait.
   *
   * @param origin The origin of the request, as in `URL.origin`.
   * @param options How to wait.
   * @returns The lease.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If the timeout is not positive.
   * @throws {PoolClosedError} If the pool is closed, or closes meanwhile.
   * @throws {QueueFullError} If the request would have to wait, but `maxQueued` requests are
   * waiting already.
   * @throws {TimeoutError} If the queue made no progress within `timeout`. The error names the
   * requests that hold the slots.
   *
   * @example Give up waiting
   * ```ts
   * import { Pool, TimeoutError } from "@hangup/session";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * await using pool = new Pool({ maxConnections: 1 });
   * const request = { method: "GET", url: "https://example.com/slow" };
   * const lease = await pool.acquire("https://example.com", { request });
   * const error = await assertRejects(() => pool.acquire("https://example.com", { timeout: 10 }), TimeoutError);
   * assertEquals(error.holders, [request]);
   * lease.release();
   * ```
   */
  acquire(origin: string, options: AcquireOptions = {}): Promise<Lease> {
    try {
      const { signal, timeout = DEFAULT_TIMEOUT, request, onClose } = own(options);
      const subject = (option: string) => `Cannot acquire a lease as "${option}"`;
      if (typeof origin !== "string" || origin === "") {
        refuse(`${subject("origin")} must be a non-empty string`, origin);
      }
      checkSignal(subject("signal"), signal);
      if (onClose !== undefined) checkFunction(subject("onClose"), onClose);
      checkNumber(subject("timeout"), "a positive number of milliseconds", timeout);
      if (!this.closed) throwIfAborted(signal);
      const slots = this[SLOTS];
      const holder = { request, onClose: onClose?.bind(options) };
      const lease = slots.tryAcquire(origin, holder);
      if (lease !== undefined) return Promise.resolve(lease);
      const { promise, resolve, reject } = withResolvers<Lease>();
      const listener = { onAbort: (reason: unknown) => slots.cancel(leaseRequest, reason) };
      // Stops listening before it settles the promise.
      const ending = <T>(settle: (value: T) => void) => (value: T) => {
        if (signal) removeAbortListener(signal, listener);
        settle(value);
      };
      const leaseRequest = slots.enqueue(origin, timeout, holder, { grant: ending(resolve), refuse: ending(reject) });
      try {
        if (signal) addAbortListener(signal, listener);
      } catch (error) {
        // The signal is not the platform's own. Cancel the request; otherwise nobody would own its
        // lease.
        slots.cancel(leaseRequest, error);
      }
      return promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Counts the leases and the waiting requests.
   *
   * @returns A snapshot.
   *
   * @example Watch a pool
   * ```ts
   * import { Pool } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool();
   * const lease = await pool.acquire("https://example.com");
   * const { active, queued, origins } = pool.stats();
   * assertEquals([active, queued], [1, 0]);
   * assertEquals(origins["https://example.com"], { active: 1, queued: 0 });
   * lease.release();
   * ```
   */
  stats(): PoolStats {
    const { active, queued } = this[SLOTS];
    return { active, queued, origins: this[SLOTS].count() };
  }

  /**
   * Closes the pool and its sockets. Waiting requests are rejected with
   * {@linkcode PoolClosedError}, and the `onClose` of each lease's holder is called.
   *
   * If a lease is never released, the promise stays pending, but the sockets are closed at once.
   *
   * @returns A promise, the same one for every call. It settles when no lease is held and the
   * transport is closed. It rejects if the transport or an `onClose` failed; everything else was
   * done nevertheless.
   *
   * @example Close explicitly
   * ```ts
   * import { Pool, PoolClosedError } from "@hangup/session";
   * import { assertRejects } from "@std/assert";
   *
   * const pool = new Pool();
   * await pool.close();
   * await assertRejects(() => pool.acquire("https://example.com"), PoolClosedError);
   * ```
   */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    // Set `#closing` before the first callback runs, because the callback may call back into the
    // pool.
    const { promise, resolve } = withResolvers<void>();
    this.#closing = promise;
    const failures: unknown[] = [];
    const idle = withResolvers<void>();
    this[SLOTS].close(idle.resolve, failures);
    resolve(this.#closeTransport(idle.promise, failures));
    return promise;
  }

  /** Closes the pool: see {@linkcode Pool.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes the transport once no lease is held. If leases are held now, also closes it at once. */
  async #closeTransport(idle: Promise<void>, failures: unknown[]): Promise<void> {
    const close = () => (async () => await this.#transport.close())().catch((error) => failures.push(error));
    // Wait for one microtask, because holders may release their leases in reaction to an abort.
    await undefined;
    // A socket that is in use now goes back to the runtime's pool when its exchange ends. So the
    // transport is closed a second time then.
    const early = this[SLOTS].active > 0 ? close() : undefined;
    await idle;
    await early;
    await close();
    if (failures.length > 0) throw failures[0];
  }
}

nameDisposal(Pool, "asyncDispose");
showAs(Pool, "Pool", (pool) => {
  const { active, queued } = pool.stats();
  return { active, queued, closed: pool.closed };
});
