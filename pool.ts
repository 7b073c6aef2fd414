// Copyright 2026 the Hangup authors. MIT license.

/**
 * Who may have an exchange open, and who waits.
 *
 * @module
 */

import { Deadlines } from "./_internal/deadlines.ts";
import { showAs } from "./_internal/inspect.ts";
import { List } from "./_internal/list.ts";
import { own, refuse } from "./_internal/options.ts";
import { onAbort } from "./_internal/signals.ts";
import { PoolClosedError, QueueFullError, TimeoutError } from "./errors.ts";
import type { RequestSummary } from "./request.ts";
import { makeTransport, type Transport } from "./transport.ts";

/**
 * Options for {@linkcode Pool}.
 *
 * @example Refuse at once what would have to wait
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
   * The number of exchanges open at once, a positive integer or `Infinity`. Sockets that a runtime keeps idle to other
   * origins, or dials in reserve, are not counted.
   *
   * @default {128}
   */
  maxConnections?: number;
  /**
   * The number of exchanges open at once to one origin (RFC 6454: scheme, host and port), a positive integer or
   * `Infinity`, at most `maxConnections`: one stuck origin cannot starve the rest.
   *
   * @default {64} or `maxConnections`, whichever is less.
   */
  maxConnectionsPerOrigin?: number;
  /**
   * The number of requests that may wait, an integer of 0 or more or `Infinity`. Beyond it there is a
   * {@linkcode QueueFullError} at once; with 0, nothing ever waits.
   *
   * @default {Infinity}
   */
  maxQueued?: number;
  /**
   * The time in milliseconds that an idle socket is kept, where the runtime lets us say. With 0 none is kept: each request
   * has a connection of its own. Not used together with `transport`.
   *
   * @default {30_000}
   */
  idleTimeout?: number;
  /**
   * What sends the requests. The pool owns it and closes it. By default it is what `createTransport()` makes: it goes
   * where the runtime's bare `fetch` would go, through the proxies that the environment names too. Give one to go
   * through another proxy, or to trust an authority of one's own: `{ transport: createTransport(options) }`.
   *
   * Where a user has set a dispatcher on Node (a mock, a proxy, an agent), the default passes requests on to it instead
   * of going around it. That dispatcher owns the sockets then, and {@linkcode Pool.closesSockets} is `false`.
   */
  transport?: Transport;
}

/** Options for {@linkcode Pool.acquire}. */
export interface AcquireOptions {
  /** Ends the wait: `acquire()` rejects with the signal's reason itself. It has no effect on a lease once granted. */
  signal?: AbortSignal | null;
  /**
   * The time in milliseconds that the queue may make no progress at all, or `Infinity`. A long queue that moves is no
   * error.
   *
   * @default {30_000}
   */
  timeout?: number;
  /** What the lease is for: named in errors, also in those of others that wait for it. Read only if there is one. */
  request?: RequestSummary;
  /**
   * Called at most once, if the pool closes while the lease is held: end the exchange and release the lease.
   *
   * @param error The error to end the exchange with.
   */
  onClose?: (error: PoolClosedError) => void;
}

/**
 * The permission to have one exchange open, granted by {@linkcode Pool.acquire}.
 *
 * @example Hold it for a scope
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
   * @param init As for the standard `fetch`. The object belongs to the transport, which may add to it.
   * @returns The response, as soon as its headers are there.
   * @throws {TypeError} If the lease was released.
   * @throws {PoolClosedError} If the pool is closed.
   */
  fetch(url: URL, init: RequestInit): Promise<Response>;
  /** Gives the slot to the next that waits. Later calls do nothing. */
  release(): void;
}

/** A snapshot of a {@linkcode Pool}: plain data. */
export interface PoolStats {
  /** The number of leases held. */
  active: number;
  /** The number of requests that wait. */
  queued: number;
  /** The same for each origin with a lease or a request that waits. The object has no prototype. */
  origins: Record<string, { active: number; queued: number }>;
}

const DEFAULT_MAX_CONNECTIONS = 128;
const DEFAULT_MAX_CONNECTIONS_PER_ORIGIN = 64;
const DEFAULT_IDLE_TIMEOUT = 30_000;
const DEFAULT_QUEUE_TIMEOUT = 30_000;
/** After so many milliseconds a slot is cold, though nobody counted turns. */
const LONGEST_COOLING = 100;

/** What is used of the globals of runtimes whose transports have {@linkcode Transport.coolingTurns}. */
interface Immediates {
  setImmediate(callback: () => void): unknown;
  clearImmediate(timer: unknown): void;
}

/** Throws unless `value` is a number and `valid`: a `TypeError` or `RangeError` that says what was `expected`. */
function assertNumber(value: unknown, action: string, name: string, expected: string, valid: (n: number) => boolean) {
  if (typeof value !== "number" || !valid(value)) refuse(`Cannot ${action} as "${name}"`, expected, value);
}

const isLimit = (n: number) => n >= 1 && (Number.isInteger(n) || n === Infinity);
const isTimeout = (n: number) => n > 0;

/** Who waits for a lease, and is told once. */
interface Waiter {
  /** Must not call back into the pool before it returns. */
  grant(lease: Lease): void;
  /** May call back. */
  refuse(reason: unknown): void;
}

/** Whom a lease is for: told when the pool closes, and named in errors. */
type Holder = Pick<AcquireOptions, "request" | "onClose">;

/**
 * One claim to a slot: in its origin's list, then in the pool's `#held`, maybe in `#cooling` or `#coolingSlowly`, then in none.
 * Once it is granted it is the lease: with a million waiters, everything that they keep counts.
 */
class Ticket implements Lease {
  previous: Ticket | null = null;
  next: Ticket | null = null;
  state: "waiting" | "held" | "cooling" | "closing" | "done" = "waiting";
  readonly queue: Origin;
  /** These two are `undefined` once it is released, so that a lease kept for long does not keep the pool. */
  pool: Pool | undefined;
  holder: Holder | undefined;
  // Of one that waits only; the last two also of one that cools:
  waiter: Waiter | undefined = undefined;
  forgetSignal: (() => void) | undefined = undefined;
  /**
   * When it began to wait, or to cool. In whole milliseconds, rounded up: engines store these in place, and others in an
   * object of their own.
   */
  since = 0;
  /** 0 for none. Of one that cools: the turn in which it is cold. */
  timeout = 0;

  constructor(pool: Pool, queue: Origin, holder: Holder) {
    this.pool = pool;
    this.queue = queue;
    this.holder = holder;
  }

  get origin(): string {
    return this.queue.name;
  }

  get released(): boolean {
    return this.state !== "waiting" && this.state !== "held";
  }

  fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      if (this.state !== "held") throw new TypeError("Cannot send a request as its lease was released");
      return Promise.resolve(send(this.pool!, this, url, init));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param cut Whether the exchange was cut off, so that its socket is closed. */
  release(cut = false): void {
    if (this.state === "held") release(this.pool!, this, cut);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** The promise of the lease, for one that waits. To be called once. */
  wait(): Promise<Lease> {
    return new Promise((grant, refuse) => this.waiter = { grant, refuse });
  }

  /**
   * Who is to be told, and no longer is: a lease may be held for long, and would hold its waiter's promise, and with it
   * what that was resolved with.
   */
  takeWaiter(): Waiter | undefined {
    const { waiter, forgetSignal } = this;
    this.waiter = this.forgetSignal = undefined;
    forgetSignal?.();
    return waiter;
  }

  /** Ends the wait: it is refused with this reason. Once it is granted, this does nothing. */
  cancel(reason: unknown): void {
    if (this.state === "waiting") cancel(this.pool!, this, reason);
  }
}

showAs(Ticket, ({ origin, released }) => ({ origin, released }));

/** An origin and those that wait for it. */
class Origin extends List<Ticket> {
  previous: Origin | null = null;
  next: Origin | null = null;
  /** Whether it is in the pool's `#ready`. */
  ready = false;
  readonly name: string;
  /** How many of its slots are held or cooling. */
  taken = 0;
  /** When the last of its waiters got a lease, 0 if none did. */
  moved = 0;
  /** How many of its sockets are surely idle, of those that went through a slot while it had any. */
  idle = 0;
  /** The turn from which on none is being dialled. */
  settled = 0;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

export type { Ticket };

/**
 * What `Pool.acquire()` does, for a holder that knows what it does: it throws at once, makes no promise, and ends the wait
 * by {@linkcode Ticket.cancel} instead of a signal.
 *
 * @param pool The pool.
 * @param origin The origin to exchange with.
 * @param timeout The time in milliseconds that the queue may make no progress at all.
 * @param holder Whom the lease is for.
 * @returns The lease, or, where its `state` is `"waiting"`, what is to become it: it has to be given a waiter at once.
 */
export let claim: (pool: Pool, origin: string, timeout: number, holder: Holder) => Ticket;
// What tickets ask of their pool.
let send: (pool: Pool, ticket: Ticket, url: URL, init: RequestInit) => Promise<Response>;
let release: (pool: Pool, ticket: Ticket, cut: boolean) => void;
let cancel: (pool: Pool, ticket: Ticket, reason: unknown) => void;

/**
 * Limits the exchanges open at once, makes the others wait, and owns the sockets.
 *
 * Sessions may share a pool. It has no global state, and dies when it is closed.
 *
 * - **Never above a limit.** The leases held are at most `maxConnections`, and `maxConnectionsPerOrigin` for each origin.
 * - **No lost wake-up.** A request waits only while its origin or the pool is full. One that is cancelled passes its turn on.
 * - **Fair.** First come, first served within an origin; in turn between origins. A full origin blocks no other.
 * - **Exactly once.** Releasing a lease again does nothing.
 * - **Closed is closed.** No lease is granted after `close()`, which settles when none is held and the sockets are closed.
 * - **O(1).** Each operation takes constant time, amortised, with a million waiting too.
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
  readonly #maxConnections: number;
  readonly #maxConnectionsPerOrigin: number;
  readonly #maxQueued: number;
  readonly #transport: Transport;
  readonly #deadlines: Deadlines = new Deadlines((now) => this.#sweep(now));

  // Invariants, whenever no method of this class is running:
  // - #held has the leases, #cooling and #coolingSlowly the released slots that nobody gets yet: together #taken, at most
  //   #maxConnections, and for each origin as many as its taken says, at most #maxConnectionsPerOrigin
  // - #queued is the sum of the origins' sizes
  // - #ready has the origins that have a waiter and are below their own limit, in the order of their turns
  // - #taken is below #maxConnections only if #ready is empty
  // - while something waits and something cools, #timer is set
  // - #origins has no origin without a ticket, but for #spare
  // - after close, nothing waits
  readonly #origins = new Map<string, Origin>();
  readonly #ready: List<Origin> = new List();
  readonly #held: List<Ticket> = new List();
  /** In the order of their release, as the next. */
  readonly #cooling: List<Ticket> = new List();
  /** Those that take longer. */
  readonly #coolingSlowly: List<Ticket> = new List();
  #taken = 0;
  /** The origin that was the last to be without a ticket: kept, as sequential requests go to one. */
  #spare: Origin | undefined;
  #queued = 0;

  /** The turns of the event loop that were counted. */
  #turn = 0;
  /** Calls at the end of the turn. */
  #timer: unknown;

  /** When the last waiter of any origin got a lease. */
  #moved = 0;
  /** What `close()` returns; `undefined` while the pool is open. */
  #closing: Promise<void> | undefined;
  /** After `close()`: resolves what waits for the last release. */
  #onIdle: () => void = () => {};

  static {
    claim = (pool, origin, timeout, holder) => pool.#enter(origin, timeout, holder);
    send = (pool, ticket, url, init) => pool.#fetch(ticket, url, init);
    release = (pool, ticket, cut) => pool.#release(ticket, cut);
    cancel = (pool, ticket, reason) => pool.#cancel(ticket, reason);
  }

  /**
   * Creates a pool. Nothing is opened before the first request.
   *
   * @param options The limits, and the transport.
   * @throws {RangeError} If a limit or timeout is out of range.
   * @throws {TypeError} If an option has the wrong type.
   */
  constructor(options: PoolOptions = {}) {
    const {
      maxConnections = DEFAULT_MAX_CONNECTIONS,
      maxConnectionsPerOrigin = Math.min(DEFAULT_MAX_CONNECTIONS_PER_ORIGIN, maxConnections),
      maxQueued = Infinity,
      idleTimeout = DEFAULT_IDLE_TIMEOUT,
      transport,
    } = own(options);
    const action = "create a pool";
    assertNumber(maxConnections, action, "maxConnections", "a positive integer", isLimit);
    assertNumber(maxConnectionsPerOrigin, action, "maxConnectionsPerOrigin", "a positive integer", isLimit);
    if (maxConnectionsPerOrigin > maxConnections) {
      throw new RangeError(
        `Cannot create a pool as "maxConnectionsPerOrigin" must be at most "maxConnections" (${maxConnections}): received ${maxConnectionsPerOrigin}`,
      );
    }
    assertNumber(maxQueued, action, "maxQueued", "a non-negative integer", (n) => n === 0 || isLimit(n));
    assertNumber(idleTimeout, action, "idleTimeout", "a non-negative number of milliseconds", (n) => n >= 0);
    if (transport !== undefined && (typeof transport?.fetch !== "function" || typeof transport.close !== "function")) {
      throw new TypeError(
        `Cannot create a pool as "transport" must have the methods "fetch" and "close": received ${typeof transport}`,
      );
    }
    this.#maxConnections = maxConnections;
    this.#maxConnectionsPerOrigin = maxConnectionsPerOrigin;
    this.#maxQueued = maxQueued;
    this.#transport = transport ?? makeTransport({ idleTimeout }, maxConnectionsPerOrigin);
  }

  /** Whether `close()` closes the sockets. Where the platform owns them, nothing is in flight after it, no more. */
  get closesSockets(): boolean {
    return this.#transport.closesSockets;
  }

  /** Whether the chunks of bodies belong to who reads them; see {@linkcode Transport.ownsChunks}. */
  get ownsChunks(): boolean {
    return this.#transport.ownsChunks ?? false;
  }

  /** Whether the platform follows redirects; see {@linkcode Transport.followsRedirects}. */
  get followsRedirects(): boolean {
    return this.#transport.followsRedirects ?? false;
  }

  /**
   * Whether the transport decodes a body of this coding; see {@linkcode Transport.decodes}.
   *
   * @param coding The response's `content-encoding`, in lower case.
   * @param request The headers of the request.
   */
  decodes(coding: string, request: Headers): boolean {
    return this.#transport.decodes?.(coding, request) ?? /^(?:(?:x-)?gzip|deflate|br|zstd)$/.test(coding);
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Waits for the permission to have one exchange open. Release it in any case, else its slot is lost.
   *
   * It never throws: wrong arguments too reject, before anything waits.
   *
   * @param origin The origin to exchange with, as in `URL.origin`.
   * @param options How to wait.
   * @returns The lease.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If the timeout is not positive.
   * @throws {PoolClosedError} If the pool is closed, or closes meanwhile.
   * @throws {QueueFullError} If it would have to wait, and `maxQueued` wait already.
   * @throws {TimeoutError} If the queue made no progress for so long as `timeout` says. It names who holds the slots.
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
      const { signal, timeout = DEFAULT_QUEUE_TIMEOUT, onClose } = options = own(options);
      if (typeof origin !== "string" || origin === "") {
        throw new TypeError(
          `Cannot acquire a lease as "origin" must be a non-empty string: received ${String(origin)}`,
        );
      }
      if (signal != null && typeof signal.aborted !== "boolean") {
        throw new TypeError(`Cannot acquire a lease as "signal" must be an AbortSignal: received ${String(signal)}`);
      }
      if (onClose !== undefined && typeof onClose !== "function") {
        throw new TypeError(`Cannot acquire a lease as "onClose" must be a function: received ${String(onClose)}`);
      }
      assertNumber(timeout, "acquire a lease", "timeout", "a positive number of milliseconds", isTimeout);
      if (signal?.aborted && !this.closed) throw signal.reason;
      const ticket = this.#enter(origin, timeout, options);
      if (ticket.state === "held") return Promise.resolve(ticket);
      if (signal) ticket.forgetSignal = onAbort(signal, (reason) => ticket.cancel(reason));
      return ticket.wait();
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
    const origins: PoolStats["origins"] = Object.create(null);
    const count = (name: string) => origins[name] ??= { active: 0, queued: 0 };
    for (const { origin } of this.#held) count(origin).active++;
    for (const { name, size } of this.#origins.values()) if (size > 0) count(name).queued = size;
    return { active: this.#held.size, queued: this.#queued, origins };
  }

  /**
   * Closes the pool and its sockets: what waits is rejected with {@linkcode PoolClosedError}, and the holders of leases
   * are told to end.
   *
   * A lease that is never released keeps the promise pending, though the sockets are closed at once.
   *
   * @returns A promise, the same for every call, that settles when no lease is held and the transport is closed. It
   * rejects if the transport, or a holder's `onClose`, failed; all the rest was done nevertheless.
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
    // Both are set before the first callback runs, as that may call back into the pool.
    let settle!: (rest: Promise<void>) => void;
    this.#closing = new Promise<void>((resolve) => settle = resolve);
    const idle = new Promise<void>((resolve) => this.#onIdle = resolve);

    // The pool of a single request is closed when it is empty, and to begin a generator is dear.
    const waiting = this.#queued === 0 ? [] : [...this.#origins.values()].flatMap((origin) => [...origin]);
    const held = this.#held.size === 0 ? [] : [...this.#held];
    const failures: unknown[] = [];
    const errors = waiting.map(({ holder }) => new PoolClosedError(holder?.request));
    for (const ticket of waiting) this.#leave(ticket);
    for (const [i, ticket] of waiting.entries()) ticket.takeWaiter()?.refuse(errors[i]);
    for (const { holder } of held) {
      try {
        holder?.onClose?.(new PoolClosedError(holder.request)); // if not released meanwhile
      } catch (error) {
        failures.push(error);
      }
    }
    if (this.#timer !== undefined) (globalThis as unknown as Immediates).clearImmediate(this.#timer);
    this.#carryOut(null);
    settle(this.#closeTransport(idle, failures));
    return this.#closing;
  }

  /** Closes the pool: see {@linkcode Pool.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Makes a ticket, grants it where a slot is free, and else lets it wait. */
  #enter(name: string, timeout: number, holder: Holder): Ticket {
    if (this.#closing !== undefined) throw new PoolClosedError(holder.request);
    let origin = this.#origins.get(name);
    if (origin === undefined) this.#origins.set(name, origin = new Origin(name));
    const ticket = new Ticket(this, origin, holder);
    const full = this.#queued >= this.#maxQueued;
    if (!this.#isFree(origin) && (full || this.#queued === 0)) {
      // What nobody waited for has been cold for long. And what must not wait does not.
      const coldSince = performance.now() - LONGEST_COOLING;
      this.#thaw(({ since }) => full || since < coldSince);
      this.#carryOut(this.#decide());
      this.#origins.set(name, origin); // as it may be forgotten now
    }
    // By the invariants none waits for these.
    if (this.#isFree(origin)) {
      this.#hold(ticket);
      return ticket;
    }
    if (this.#queued >= this.#maxQueued) {
      this.#updateTurn(origin);
      throw new QueueFullError(this.#maxQueued, holder.request);
    }
    origin.push(ticket);
    this.#queued++;
    this.#updateTurn(origin);
    if (timeout < Infinity) {
      const now = performance.now();
      ticket.since = Math.ceil(now);
      ticket.timeout = timeout;
      this.#deadlines.arm(ticket.since + timeout, now);
    }
    this.#startTurn();
    return ticket;
  }

  #isFree(origin: Origin): boolean {
    return this.#taken < this.#maxConnections && origin.taken < this.#maxConnectionsPerOrigin;
  }

  #hold(ticket: Ticket): void {
    const origin = ticket.queue;
    ticket.state = "held";
    origin.taken++;
    this.#taken++;
    this.#held.push(ticket);
    if (origin.idle > 0) origin.idle--;
    else origin.settled = this.#turn + (this.#transport.closingTurns ?? 0);
  }

  /** Takes a lease back. Its slot cools where the runtime needs time for its socket. */
  #release(ticket: Ticket, cut: boolean): void {
    const { coolingTurns = 0, closingTurns = coolingTurns } = this.#transport;
    const turns = cut ? closingTurns : coolingTurns;
    if (turns === 0 || this.closed) return this.#carryOut(this.#leave(ticket));
    this.#held.remove(ticket);
    ticket.state = cut ? "closing" : "cooling";
    ticket.pool = ticket.holder = undefined;
    this.#cool(ticket, cut ? this.#coolingSlowly : this.#cooling, turns);
    this.#thaw(({ since }) => since < ticket.since - LONGEST_COOLING);
    this.#carryOut(this.#decide());
  }

  #cool(ticket: Ticket, slots: List<Ticket>, turns: number): void {
    slots.push(ticket);
    ticket.since = Math.ceil(performance.now());
    ticket.timeout = this.#turn + turns;
  }

  /** Frees the slots that are cold, the oldest first. */
  #thaw(isCold: (ticket: Ticket) => boolean): void {
    for (const slots of [this.#cooling, this.#coolingSlowly]) {
      for (let ticket = slots.first; ticket !== null && isCold(ticket); ticket = slots.first) {
        slots.remove(ticket);
        const { queue } = ticket;
        if (slots === this.#cooling && ticket.timeout <= this.#turn && this.#turn < queue.settled) {
          // One that was to get a socket that is being dialled may have got this slot's.
          this.#cool(ticket, this.#coolingSlowly, this.#transport.closingTurns ?? 0);
          continue;
        }
        if (ticket.state === "cooling") queue.idle++;
        ticket.state = "done";
        this.#free(queue);
      }
    }
  }

  #free(origin: Origin): void {
    origin.taken--;
    this.#taken--;
    this.#updateTurn(origin);
  }

  /** Counts the turns of the event loop while somebody waits and slots cool. */
  #startTurn(): void {
    if (this.#queued === 0 || this.#taken === this.#held.size || this.#timer !== undefined) return;
    this.#timer = (globalThis as unknown as Immediates).setImmediate(() => {
      this.#timer = undefined;
      this.#turn++;
      this.#thaw(({ timeout }) => timeout <= this.#turn);
      this.#carryOut(this.#decide());
    });
  }

  /** Takes a ticket out, a waiter or a lease, and decides. */
  #leave(ticket: Ticket): Ticket | null {
    const origin = ticket.queue;
    if (ticket.state === "waiting") {
      origin.remove(ticket);
      this.#queued--;
      this.#updateTurn(origin);
    } else {
      this.#held.remove(ticket);
      this.#free(origin);
    }
    ticket.state = "done";
    ticket.pool = ticket.holder = undefined;
    return this.#decide();
  }

  /**
   * Decides who is next. Runs after every change of an origin, and does nothing but to change the state:
   *
   * - the origin has a waiter and a slot of its own: it takes its turn among the others, at the end
   * - it has no waiter, or is full: it has no turn
   * - it has neither waiters nor leases: it is the spare one, and the one before it is forgotten
   * - the pool has a slot, and an origin its turn: its first waiter gets it, and its next turn is at the end
   *
   * @returns The first of the waiters that got a lease, to be told of it; its `next` are the others.
   */
  #decide(): Ticket | null {
    let granted: Ticket | null = null;
    while (this.#taken < this.#maxConnections && this.#ready.first !== null) {
      const origin = this.#ready.first;
      const ticket = origin.first!;
      origin.remove(ticket);
      this.#queued--;
      this.#hold(ticket);
      granted ??= ticket;
      this.#ready.remove(origin);
      origin.ready = false;
      this.#updateTurn(origin);
    }
    return granted;
  }

  #updateTurn(origin: Origin): void {
    const ready = origin.size > 0 && origin.taken < this.#maxConnectionsPerOrigin;
    if (ready && !origin.ready) this.#ready.push(origin);
    if (!ready && origin.ready) this.#ready.remove(origin);
    origin.ready = ready;
    const spare = this.#spare;
    if (origin.size + origin.taken > 0) return;
    origin.idle = origin.settled = 0;
    if (origin === spare) return;
    if (spare !== undefined && spare.size + spare.taken === 0) this.#origins.delete(spare.name);
    this.#spare = origin;
  }

  /** Does what follows from the state, and tells the granted waiters. */
  #carryOut(granted: Ticket | null): void {
    this.#startTurn();
    if (this.#queued === 0) this.#deadlines.clear();
    if (this.#held.size === 0) this.#onIdle();
    const now = granted === null ? 0 : Math.ceil(performance.now());
    for (let ticket = granted; ticket !== null; ticket = ticket.next) {
      ticket.queue.moved = this.#moved = now;
      ticket.takeWaiter()?.grant(ticket);
    }
  }

  #cancel(ticket: Ticket, reason: unknown): void {
    this.#carryOut(this.#leave(ticket));
    ticket.takeWaiter()?.refuse(reason);
  }

  /** Rejects the waiters whose queue stood still for too long, and returns when the next one would be due. */
  #sweep(now: number): number {
    let next = Infinity;
    const expired: { ticket: Ticket; holders: RequestSummary[] }[] = [];
    let all: RequestSummary[] | undefined;
    for (const origin of this.#origins.values()) {
      const full = origin.taken >= this.#maxConnectionsPerOrigin;
      // What the pool is too full for has its turn when the others had theirs: their grants are its progress.
      const moved = full ? origin.moved : Math.max(origin.moved, this.#moved);
      let holders: RequestSummary[] | undefined;
      for (const ticket of origin) {
        if (ticket.timeout === 0) continue;
        const deadline = Math.max(ticket.since, moved) + ticket.timeout;
        if (deadline > now) {
          next = Math.min(next, deadline);
        } else {
          holders ??= full ? this.#holders(origin) : all ??= this.#holders();
          expired.push({ ticket, holders });
        }
      }
    }
    for (const { ticket, holders } of expired) {
      if (ticket.state !== "waiting") continue; // who was refused before it may have ended its wait
      this.#cancel(ticket, new TimeoutError("queue", ticket.timeout, ticket.holder?.request, holders));
    }
    return next;
  }

  /** The requests that hold the leases, or those of one origin. Plain data: an error keeps no exchange alive. */
  #holders(origin?: Origin): RequestSummary[] {
    const holders: RequestSummary[] = [];
    for (const ticket of this.#held) {
      const request = ticket.holder?.request;
      if (request === undefined || (origin !== undefined && ticket.queue !== origin)) continue;
      const { method, url } = request;
      holders.push({ method, url });
    }
    return holders;
  }

  #fetch(ticket: Ticket, url: URL, init: RequestInit): Promise<Response> {
    if (this.#closing !== undefined) throw new PoolClosedError(ticket.holder?.request);
    return this.#transport.fetch(url, init);
  }

  /** Closes the transport once the pool is idle, and before that too if it is not idle at once. */
  async #closeTransport(idle: Promise<void>, failures: unknown[]): Promise<void> {
    const close = async () => {
      try {
        await this.#transport.close();
      } catch (error) {
        failures.push(error);
      }
    };
    // Holders may release in reaction to an abort, a turn of the microtask queue later.
    await undefined;
    // A socket in use now goes back to its runtime's pool when its exchange is over, hence the second time.
    const early = this.#held.size > 0 ? close() : undefined;
    await idle;
    await early;
    await close();
    if (failures.length > 0) throw failures[0];
  }
}

showAs(Pool, (pool) => {
  const { active, queued } = pool.stats();
  return { active, queued, closed: pool.closed };
});
