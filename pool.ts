// Copyright 2026 the Hangup authors. MIT license.

/**
 * Who may have an exchange open, and who waits.
 *
 * @module
 */

import { Deadlines } from "./deadlines.ts";
import { PoolClosedError, QueueFullError, type RequestLine, TimeoutError } from "./errors.ts";
import { showAs } from "./inspect.ts";
import { own } from "./options.ts";
import { offAbort, onAbort } from "./signals.ts";
import { createTransport, type Transport } from "./transport.ts";

/** Options for {@linkcode Pool}. */
export interface PoolOptions {
  /**
   * The number of exchanges open at once, a positive integer or `Infinity`.
   *
   * @default {128}
   */
  maxConnections?: number;
  /**
   * The number of exchanges open at once to one origin, a positive integer or `Infinity`, at most `maxConnections`: one
   * stuck origin cannot starve the rest.
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
  request?: RequestLine;
  /**
   * Called at most once, if the pool closes while the lease is held: end the exchange and release the lease.
   *
   * @param error The error to end the exchange with.
   */
  onClose?: (error: PoolClosedError) => void;
}

/** The permission to have one exchange open, granted by {@linkcode Pool.acquire}. */
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
  /** The same for each origin that has any. The object has no prototype. */
  origins: Record<string, { active: number; queued: number }>;
}

const DEFAULT_MAX_CONNECTIONS = 128;
const DEFAULT_MAX_CONNECTIONS_PER_ORIGIN = 64;
const DEFAULT_IDLE_TIMEOUT = 30_000;
const DEFAULT_QUEUE_TIMEOUT = 30_000;

/** Throws unless `value` is a number and `valid`: a `TypeError` or `RangeError` that says what was `expected`. */
function assertNumber(value: unknown, action: string, name: string, expected: string, valid: (n: number) => boolean) {
  if (typeof value === "number" && valid(value)) return;
  const message = `Cannot ${action} as "${name}" must be ${expected}: received ${String(value)}`;
  throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

const isLimit = (n: number) => n >= 1 && (Number.isInteger(n) || n === Infinity);
const isTimeout = (n: number) => n > 0;

/** A doubly linked list whose links are in its items: removing from the middle is O(1), and nothing is allocated. */
class List<T extends { previous: T | null; next: T | null }> {
  first: T | null = null;
  last: T | null = null;
  size = 0;

  push(item: T): void {
    item.previous = this.last;
    if (this.last === null) this.first = item;
    else this.last.next = item;
    this.last = item;
    this.size++;
  }

  remove(item: T): void {
    if (item.previous === null) this.first = item.next;
    else item.previous.next = item.next;
    if (item.next === null) this.last = item.previous;
    else item.next.previous = item.previous;
    item.previous = item.next = null;
    this.size--;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (let item = this.first; item !== null; item = item.next) yield item;
  }
}

/** One call of `acquire()`: in its origin's `waiting`, then in the pool's `#held`, then in neither. */
class Ticket {
  previous: Ticket | null = null;
  next: Ticket | null = null;
  state: "new" | "waiting" | "held" | "done" = "new";
  readonly origin: Origin;
  readonly request: RequestLine | undefined;
  readonly onClose: ((error: PoolClosedError) => void) | undefined;
  // Of a waiter only:
  resolve: ((lease: Lease) => void) | undefined = undefined;
  reject: ((reason: unknown) => void) | undefined = undefined;
  signal: AbortSignal | undefined = undefined;
  onAbort: ((reason: unknown) => void) | undefined = undefined;
  /** In whole milliseconds, rounded up: engines store these in place, and others in an object of their own. */
  since = 0;
  /** 0 for none. */
  timeout = 0;

  constructor(origin: Origin, { request, onClose }: AcquireOptions) {
    this.origin = origin;
    this.request = request;
    this.onClose = onClose;
  }
}

/** An origin that has tickets. */
class Origin {
  previous: Origin | null = null;
  next: Origin | null = null;
  /** Whether it is in the pool's `#ready`. */
  ready = false;
  readonly name: string;
  readonly waiting: List<Ticket> = new List();
  /** How many of its leases are held. */
  active = 0;
  /** When the last of its waiters got a lease, 0 if none did. */
  moved = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** What a lease may ask of its pool. */
interface Desk {
  fetch(ticket: Ticket, url: URL, init: RequestInit): Promise<Response>;
  release(ticket: Ticket): void;
}

class HeldLease implements Lease {
  readonly #ticket: Ticket;
  /** `undefined` once released, so that a lease kept for long does not keep the pool. */
  #desk: Desk | undefined;

  constructor(ticket: Ticket, desk: Desk) {
    this.#ticket = ticket;
    this.#desk = desk;
  }

  get origin(): string {
    return this.#ticket.origin.name;
  }

  get released(): boolean {
    return this.#desk === undefined;
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    if (this.#desk === undefined) throw new TypeError("Cannot send a request as its lease was released");
    return await this.#desk.fetch(this.#ticket, url, init);
  }

  release(): void {
    const desk = this.#desk;
    this.#desk = undefined;
    desk?.release(this.#ticket);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

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
  readonly #desk: Desk;
  readonly #deadlines: Deadlines = new Deadlines((now) => this.#sweep(now));

  // Invariants, whenever no method of this class is running:
  // - #held has the leases, at most #maxConnections, and for each origin as many as its active says, at most
  //   #maxConnectionsPerOrigin
  // - #queued is the sum of the origins' waiting
  // - #ready has the origins that have a waiter and are below their own limit, in the order of their turns
  // - #held is below #maxConnections only if #ready is empty
  // - #origins has no origin without a ticket
  // - after close, nothing waits
  readonly #origins = new Map<string, Origin>();
  readonly #ready: List<Origin> = new List();
  readonly #held: List<Ticket> = new List();
  #queued = 0;

  /** When the last waiter of any origin got a lease. */
  #moved = 0;
  /** What `close()` returns; `undefined` while the pool is open. */
  #closing: Promise<void> | undefined;
  /** After `close()`: resolves what waits for the last release. */
  #onIdle: () => void = () => {};

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
    this.#transport = transport ?? createTransport({ idleTimeout });
    this.#desk = {
      fetch: (ticket, url, init) => this.#fetch(ticket, url, init),
      release: (ticket) => this.#carryOut(this.#leave(ticket)),
    };
  }

  /** Whether `close()` closes the sockets. Where the platform owns them, nothing is in flight after it, no more. */
  get closesSockets(): boolean {
    return this.#transport.closesSockets;
  }

  /** Whether the platform follows redirects; see {@linkcode Transport.followsRedirects}. */
  get followsRedirects(): boolean {
    return this.#transport.followsRedirects ?? false;
  }

  /** Whether the transport decodes a body of this coding; see {@linkcode Transport.decodes}. */
  decodes(coding: string, request: Headers): boolean {
    return this.#transport.decodes?.(coding, request) ?? /^(?:x-)?gzip$|^deflate$|^br$|^zstd$/.test(coding);
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
      options = own(options);
      const { signal, timeout = DEFAULT_QUEUE_TIMEOUT } = options;
      const ticket = this.#enter(origin, timeout, options);
      if (ticket.state === "held") return Promise.resolve(new HeldLease(ticket, this.#desk));
      if (timeout < Infinity) {
        ticket.since = Math.ceil(performance.now());
        ticket.timeout = timeout;
        this.#deadlines.arm(ticket.since + timeout);
      }
      return this.#wait(ticket, signal);
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
    for (const { name, active, waiting } of this.#origins.values()) {
      origins[name] = { active, queued: waiting.size };
    }
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

    const waiting = [...this.#origins.values()].flatMap((origin) => [...origin.waiting]);
    const held = [...this.#held];
    for (const ticket of waiting) this.#leave(ticket);
    for (const ticket of waiting) this.#reject(ticket, new PoolClosedError(ticket.request));
    const failures: unknown[] = [];
    for (const ticket of held) {
      if (ticket.state !== "held" || ticket.onClose === undefined) continue;
      try {
        ticket.onClose(new PoolClosedError(ticket.request));
      } catch (error) {
        failures.push(error);
      }
    }
    this.#carryOut([]);
    settle(this.#closeTransport(idle, failures));
    return this.#closing;
  }

  /** Closes the pool: see {@linkcode Pool.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Checks the arguments, lets a new ticket wait, and decides. */
  #enter(name: string, timeout: number, options: AcquireOptions): Ticket {
    const { signal, onClose } = options;
    if (typeof name !== "string" || name === "") {
      throw new TypeError(`Cannot acquire a lease as "origin" must be a non-empty string: received ${String(name)}`);
    }
    if (signal != null && typeof signal.aborted !== "boolean") {
      throw new TypeError(`Cannot acquire a lease as "signal" must be an AbortSignal: received ${String(signal)}`);
    }
    if (onClose !== undefined && typeof onClose !== "function") {
      throw new TypeError(`Cannot acquire a lease as "onClose" must be a function: received ${String(onClose)}`);
    }
    assertNumber(timeout, "acquire a lease", "timeout", "a positive number of milliseconds", isTimeout);
    if (this.#closing !== undefined) throw new PoolClosedError(options.request);
    if (signal?.aborted) throw signal.reason;

    let origin = this.#origins.get(name);
    if (origin === undefined) this.#origins.set(name, origin = new Origin(name));
    const ticket = new Ticket(origin, options);
    ticket.state = "waiting";
    origin.waiting.push(ticket);
    this.#queued++;
    // By the invariants none but the new ticket can be granted by this.
    this.#decide(origin);
    if (this.#queued > this.#maxQueued) {
      this.#leave(ticket);
      throw new QueueFullError(this.#maxQueued, options.request);
    }
    return ticket;
  }

  /** Its closures keep the ticket alone: with a million waiters, everything that they keep counts. */
  #wait(ticket: Ticket, signal: AbortSignal | null | undefined): Promise<Lease> {
    if (signal) {
      ticket.signal = signal;
      ticket.onAbort = (reason) => this.#cancel(ticket, reason);
      onAbort(signal, ticket.onAbort);
    }
    return new Promise((resolve, reject) => {
      ticket.resolve = resolve;
      ticket.reject = reject;
    });
  }

  /** Takes a ticket out, a waiter or a lease, and decides. */
  #leave(ticket: Ticket): Ticket[] {
    const { origin } = ticket;
    if (ticket.state === "waiting") {
      origin.waiting.remove(ticket);
      this.#queued--;
    } else {
      this.#held.remove(ticket);
      origin.active--;
    }
    ticket.state = "done";
    return this.#decide(origin);
  }

  /**
   * Decides who is next. Runs after every change of an origin, and does nothing but to change the state:
   *
   * - the origin has a waiter and a slot of its own: it takes its turn among the others, at the end
   * - it has no waiter, or is full: it has no turn
   * - it has neither waiters nor leases: it is forgotten
   * - the pool has a slot, and an origin its turn: its first waiter gets it, and its next turn is at the end
   *
   * @returns The waiters that got a lease, to be told of it.
   */
  #decide(changed: Origin): Ticket[] {
    this.#updateTurn(changed);
    const granted: Ticket[] = [];
    while (this.#held.size < this.#maxConnections && this.#ready.first !== null) {
      const origin = this.#ready.first;
      const ticket = origin.waiting.first!;
      origin.waiting.remove(ticket);
      this.#queued--;
      this.#held.push(ticket);
      origin.active++;
      ticket.state = "held";
      granted.push(ticket);
      this.#ready.remove(origin);
      origin.ready = false;
      this.#updateTurn(origin);
    }
    return granted;
  }

  #updateTurn(origin: Origin): void {
    const ready = origin.waiting.size > 0 && origin.active < this.#maxConnectionsPerOrigin;
    if (ready && !origin.ready) this.#ready.push(origin);
    if (!ready && origin.ready) this.#ready.remove(origin);
    origin.ready = ready;
    if (origin.waiting.size === 0 && origin.active === 0) this.#origins.delete(origin.name);
  }

  /** Tells the granted waiters, and does what follows from the state. */
  #carryOut(granted: Ticket[]): void {
    const now = granted.length > 0 ? Math.ceil(performance.now()) : 0;
    for (const ticket of granted) {
      ticket.origin.moved = this.#moved = now;
      this.#unlisten(ticket);
      ticket.resolve!(new HeldLease(ticket, this.#desk));
    }
    if (this.#queued === 0) this.#deadlines.clear();
    if (this.#held.size === 0) this.#onIdle();
  }

  #reject(ticket: Ticket, reason: unknown): void {
    this.#unlisten(ticket);
    ticket.reject!(reason);
  }

  #unlisten({ signal, onAbort }: Ticket): void {
    if (signal !== undefined && onAbort !== undefined) offAbort(signal, onAbort);
  }

  #cancel(ticket: Ticket, reason: unknown): void {
    this.#carryOut(this.#leave(ticket));
    this.#reject(ticket, reason);
  }

  /** Rejects the waiters whose queue stood still for too long, and returns when the next one would be due. */
  #sweep(now: number): number {
    let next = Infinity;
    const expired: { ticket: Ticket; holders: RequestLine[] }[] = [];
    let all: RequestLine[] | undefined;
    for (const origin of this.#origins.values()) {
      const full = origin.active >= this.#maxConnectionsPerOrigin;
      // What the pool is too full for has its turn when the others had theirs: their grants are its progress.
      const moved = full ? origin.moved : Math.max(origin.moved, this.#moved);
      let holders: RequestLine[] | undefined;
      for (const ticket of origin.waiting) {
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
      this.#cancel(ticket, new TimeoutError("queue", ticket.timeout, ticket.request, holders));
    }
    return next;
  }

  /** The requests that hold the leases, or those of one origin. Plain data: an error keeps no exchange alive. */
  #holders(origin?: Origin): RequestLine[] {
    const holders: RequestLine[] = [];
    for (const ticket of this.#held) {
      if (ticket.request === undefined || (origin !== undefined && ticket.origin !== origin)) continue;
      const { method, url } = ticket.request;
      holders.push({ method, url });
    }
    return holders;
  }

  #fetch(ticket: Ticket, url: URL, init: RequestInit): Promise<Response> {
    if (this.#closing !== undefined) throw new PoolClosedError(ticket.request);
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
