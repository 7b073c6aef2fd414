// Copyright 2026 the Hangup authors. MIT license.

/**
 * The slots of a pool: which requests hold a slot, which requests wait, and which one is next.
 *
 * @module
 */

import { PoolClosedError, QueueFullError, TimeoutError } from "../errors.ts";
import type { RequestSummary } from "../request.ts";
import { nameDisposal, showAs } from "./classes.ts";
import { Deadlines, type Sweep } from "./deadlines.ts";
import type { Drain, Slot } from "./drain.ts";
import { type Linked, List } from "./list.ts";
import { Clock } from "./timers.ts";

/**
 * The key under which a pool keeps its {@linkcode Slots}. It is internal: only the session uses it.
 */
export const SLOTS: unique symbol = Symbol("hangup.slots");

/** The user of a lease. */
export interface Holder {
  /** The request that errors name. */
  readonly request?: RequestSummary | undefined;
  /**
   * When the holder last made progress towards its end, on the pool's clock. `undefined` if the
   * holder may never end.
   */
  readonly progress?: number | undefined;
  /** Called if the pool closes while the lease is held. */
  onClose?: ((error: PoolClosedError) => unknown) | undefined;
}

/** Learns the outcome of a lease request: exactly one of the two methods is called, once. */
export interface Waiter {
  /** Must not call back into the pool before it returns. */
  grant(lease: Lease): void;
  /** May call back into the pool. */
  refuse(reason: unknown): void;
}

/** A request for a lease, while it waits. It is in its origin's queue. */
export interface LeaseRequest extends Linked<LeaseRequest> {
  readonly queue: Queue;
  readonly holder: Holder;
  readonly waiter: Waiter;
  /** When the wait began. */
  readonly since: number;
  /** How long the queue may make no progress, in milliseconds. */
  readonly timeout: number;
  /** Whether the request has waited before, because it follows a redirect. */
  readonly again: boolean;
  /** Whether the request is neither granted nor refused yet. */
  waiting: boolean;
}

/** Sends a request over the pool's transport. */
type Send = (url: URL, init: RequestInit) => Promise<Response>;

/**
 * The permission to have one exchange open. Its public documentation is that of `Lease` in pool.ts.
 */
export class Lease {
  previous: Lease | null = null;
  next: Lease | null = null;
  /**
   * `slots` and `holder` are `undefined` after the release. So a lease that is kept for a long time
   * keeps neither the pool nor its holder in memory.
   */
  slots: Slots | undefined;
  holder: Holder | undefined;
  readonly queue: Queue;
  /** The drain's slot, once a request was sent. */
  slot: Slot | undefined;
  /** The signal of the request that was sent. */
  signal: AbortSignal | null | undefined;

  constructor(slots: Slots, queue: Queue, holder: Holder) {
    this.slots = slots;
    this.queue = queue;
    this.holder = holder;
  }

  get origin(): string {
    return this.queue.origin;
  }

  get released(): boolean {
    return this.slots === undefined;
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    if (this.slots === undefined) throw new TypeError("Cannot send a request as its lease was released");
    return await this.slots.send(this, url, init);
  }

  release(): void {
    this.slots?.release(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

nameDisposal(Lease, "dispose");
showAs(Lease, "Lease", ({ origin, released }) => ({ origin, released }));

/** The queue of an origin: the requests that wait for its slots. */
export class Queue extends List<LeaseRequest> {
  previous: Queue | null = null;
  next: Queue | null = null;
  readonly origin: string;
  /** Whether the queue is in the list `#ready`. */
  ready = false;
  /** The number of the origin's slots that are held or draining. */
  taken = 0;
  /** When a slot of the origin was last released or granted, or a holder last made progress. */
  lastProgress = 0;

  constructor(origin: string) {
    super();
    this.origin = origin;
  }
}

/** The limits of a pool. */
export interface Limits {
  readonly maxConnections: number;
  readonly maxConnectionsPerOrigin: number;
  readonly maxQueued: number;
}

/**
 * The slots of a pool.
 *
 * Invariants, whenever no method of this class is running:
 *
 * - `#held` lists the leases. `#taken` counts the leases and the draining slots; it is at most
 *   `maxConnections`. Each queue's `taken` counts its origin's share, and is at most
 *   `maxConnectionsPerOrigin`.
 * - `queued` is the sum of the queues' sizes.
 * - `#ready` lists the queues that have both a waiting request and a free slot of their own. The
 *   first one is served next.
 * - `#taken` is below `maxConnections` only if `#ready` is empty.
 * - The drain runs if and only if a request waits.
 * - Every queue in `#queues`, except `#latest`, has a waiting request or a taken slot.
 * - After `close()` no request waits.
 */
export class Slots {
  readonly #limits: Limits;
  readonly #send: Send;
  readonly #drain: Drain | undefined;
  readonly #deadlines: Deadlines;
  /** The clock of all deadlines of the pool and its sessions. */
  readonly clock: Clock = new Clock();
  readonly #queues = new Map<string, Queue>();
  readonly #ready: List<Queue> = new List();
  readonly #held: List<Lease> = new List();
  #taken = 0;
  /** The number of requests that wait. */
  queued = 0;
  /**
   * The queue of the last request's origin. It stays in `#queues` even if it is unused, because
   * sequential requests mostly go to one origin.
   */
  #latest: Queue | undefined;
  /** When a slot of any origin was last released or granted, or a holder last made progress. */
  #lastProgress = 0;
  /** Called when no lease is held. Set when the pool closes. */
  #onIdle: (() => void) | undefined;

  /**
   * @param limits The pool's limits.
   * @param send Sends a request.
   * @param makeDrain Makes the drain, which decides when a released slot is free. Without it, a
   * slot is free as soon as it is released.
   */
  constructor(limits: Limits, send: Send, makeDrain?: (free: (origins: string[]) => void, limit: number) => Drain) {
    this.#limits = limits;
    this.#send = send;
    this.#deadlines = new Deadlines(this.clock, (now) => this.#sweep(now));
    // Without a limit per origin, no request waits for an origin's slots, so no drain is needed.
    const limit = limits.maxConnectionsPerOrigin;
    if (limit < Infinity) this.#drain = makeDrain?.((origins) => this.#drained(origins), limit);
  }

  get active(): number {
    return this.#held.size;
  }

  /**
   * The counts of each origin that has a lease or a waiting request. The object has no prototype.
   */
  count(): Record<string, { active: number; queued: number }> {
    const origins: Record<string, { active: number; queued: number }> = Object.create(null);
    const countsOf = (origin: string) => origins[origin] ??= { active: 0, queued: 0 };
    for (const { origin } of this.#held) countsOf(origin).active++;
    for (const { origin, size } of this.#queues.values()) if (size > 0) countsOf(origin).queued = size;
    return origins;
  }

  /**
   * Returns a lease if a slot is free, and otherwise `undefined`.
   *
   * @throws {PoolClosedError} If the pool is closed.
   * @throws {QueueFullError} If no slot is free and the queue is full.
   */
  tryAcquire(origin: string, holder: Holder): Lease | undefined {
    if (this.#onIdle !== undefined) throw new PoolClosedError(holder.request);
    const { maxQueued } = this.#limits;
    const queue = this.#queueOf(origin);
    // Free all draining slots rather than refuse the request.
    if (this.queued >= maxQueued && !this.#isFree(queue)) this.#drain?.flush();
    // No request can be waiting for a free slot here: see the invariants.
    if (this.#isFree(queue)) return this.#hold(queue, holder);
    if (this.queued >= maxQueued) throw new QueueFullError(maxQueued, holder.request);
    return undefined;
  }

  /**
   * Adds a request to the queue. Call it right after `tryAcquire()` found no free slot.
   *
   * @param again Whether it has waited before, because it follows a redirect. Then it goes before
   * all requests of its origin that have not.
   */
  enqueue(origin: string, timeout: number, holder: Holder, waiter: Waiter, again = false): LeaseRequest {
    const since = this.clock.now();
    // The timer comes first, because a mock of `setTimeout` may throw.
    this.#deadlines.arm(since + timeout, since);
    const queue = this.#queueOf(origin);
    const request: LeaseRequest = {
      previous: null,
      next: null,
      queue,
      holder,
      waiter,
      since,
      timeout,
      again,
      waiting: true,
    };
    let next = again ? queue.first : null;
    while (next?.again) next = next.next;
    queue.insert(request, next);
    if (this.queued++ === 0) this.#drain?.start();
    this.#update(queue);
    return request;
  }

  /**
   * Refuses a waiting request with this reason. Does nothing if it was granted or refused before.
   */
  cancel(request: LeaseRequest, reason: unknown): void {
    if (!request.waiting) return;
    this.#remove(request);
    request.waiter.refuse(reason);
  }

  /** Sends a request over a lease. */
  send(lease: Lease, url: URL, init: RequestInit): Promise<Response> {
    if (this.#onIdle !== undefined) throw new PoolClosedError(lease.holder?.request);
    lease.slot = this.#drain?.sent(lease.origin, init, lease.slot);
    lease.signal = init.signal;
    return this.#send(url, init);
  }

  /** Takes a lease back. Its slot drains before it is free, if a request was sent. */
  release(lease: Lease): void {
    const { queue } = lease;
    this.#held.remove(lease);
    lease.slots = lease.holder = undefined;
    if (this.queued > 0) queue.lastProgress = this.#lastProgress = this.clock.now();
    if (lease.slot === undefined) this.#free(queue);
    else this.#drain!.add(lease.slot, lease.signal?.aborted === true);
    this.#assign();
  }

  /**
   * Closes the pool: refuses all waiting requests and calls `onClose` of each lease's holder.
   *
   * @param onIdle Called when no lease is held. It may be called more than once.
   * @param failures The list to add the holders' errors to.
   */
  close(onIdle: () => void, failures: unknown[]): void {
    this.#onIdle = onIdle;
    const waiting = this.queued === 0 ? [] : [...this.#queues.values()].flatMap((queue) => [...queue]);
    const held = this.#held.size === 0 ? [] : [...this.#held];
    for (const request of waiting) this.#remove(request);
    this.#assign();
    for (const { waiter, holder } of waiting) waiter.refuse(new PoolClosedError(holder.request));
    for (const { holder } of held) {
      try {
        // A lease that was released meanwhile has no holder. If `onClose` returns a promise, it is
        // not awaited.
        Promise.resolve(holder?.onClose?.(new PoolClosedError(holder.request))).catch((error) => failures.push(error));
      } catch (error) {
        failures.push(error);
      }
    }
  }

  #queueOf(origin: string): Queue {
    const latest = this.#latest;
    if (latest?.origin === origin) return latest;
    let queue = this.#queues.get(origin);
    if (queue === undefined) this.#queues.set(origin, queue = new Queue(origin));
    this.#latest = queue;
    if (latest !== undefined) this.#update(latest);
    return queue;
  }

  #isFree(queue: Queue): boolean {
    return this.#taken < this.#limits.maxConnections && queue.taken < this.#limits.maxConnectionsPerOrigin;
  }

  #hold(queue: Queue, holder: Holder): Lease {
    const lease = new Lease(this, queue, holder);
    queue.taken++;
    this.#taken++;
    this.#held.push(lease);
    return lease;
  }

  /** Called by the drain when slots become free. */
  #drained(origins: string[]): void {
    for (const origin of origins) this.#free(this.#queues.get(origin)!);
    this.#assign();
  }

  #free(queue: Queue): void {
    queue.taken--;
    this.#taken--;
    this.#update(queue);
  }

  /**
   * Takes a request out of the queue. Stops the timer and the drain if no request waits any longer.
   */
  #remove(request: LeaseRequest): void {
    const { queue } = request;
    queue.remove(request);
    request.waiting = false;
    this.#update(queue);
    if (--this.queued > 0) return;
    this.#deadlines.clear();
    this.#drain?.stop();
  }

  /**
   * Decides which requests get a lease. Runs after every change of a slot. It calls the waiters
   * once its decisions are made.
   *
   * - While the pool has a free slot and a queue is ready, the queue's first request gets the slot.
   *   If the queue is still ready, it moves to the end of the list.
   * - Otherwise nothing happens, because no waiting request could have a slot (see the invariants).
   */
  #assign(): void {
    if (this.#held.size === 0) this.#onIdle?.();
    if (this.#ready.first === null) return;
    const granted: [LeaseRequest, Lease][] = [];
    const now = this.clock.now();
    while (this.#taken < this.#limits.maxConnections && this.#ready.first !== null) {
      const queue = this.#ready.first;
      const request = queue.first!;
      this.#ready.remove(queue);
      queue.ready = false;
      granted.push([request, this.#hold(queue, request.holder)]);
      // The new holder has had no time to make progress yet.
      queue.lastProgress = this.#lastProgress = now;
      this.#remove(request);
    }
    for (const [request, lease] of granted) request.waiter.grant(lease);
  }

  /**
   * Updates `#ready` and `#queues` after a change of a queue:
   *
   * - If it has a waiting request and a free slot of its own, it joins the end of `#ready`, unless
   *   it is in that list already.
   * - If it has no waiting request, or no free slot, it leaves `#ready`.
   * - If it has neither waiting requests nor taken slots, it is forgotten, unless it is the latest
   *   one.
   */
  #update(queue: Queue): void {
    const ready = queue.size > 0 && queue.taken < this.#limits.maxConnectionsPerOrigin;
    if (ready && !queue.ready) this.#ready.push(queue);
    if (!ready && queue.ready) this.#ready.remove(queue);
    queue.ready = ready;
    if (queue.size + queue.taken === 0 && queue !== this.#latest) this.#queues.delete(queue.origin);
  }

  /** Looks for the requests whose queue made no progress for too long, to refuse them. */
  #sweep(now: number): Sweep {
    for (const { holder, queue } of this.#held) {
      const progress = holder?.progress ?? 0;
      queue.lastProgress = Math.max(queue.lastProgress, progress);
      this.#lastProgress = Math.max(this.#lastProgress, progress);
    }
    let next = Infinity;
    const due: [LeaseRequest, RequestSummary[]][] = [];
    let all: RequestSummary[] | undefined;
    for (const queue of this.#queues.values()) {
      const full = queue.taken >= this.#limits.maxConnectionsPerOrigin;
      // If the whole pool is full, progress at any origin brings this origin's requests closer to a
      // slot.
      const lastProgress = full ? queue.lastProgress : this.#lastProgress;
      let holders: RequestSummary[] | undefined;
      for (const request of queue) {
        const deadline = Math.max(request.since, lastProgress) + request.timeout;
        if (deadline > now) {
          next = Math.min(next, deadline);
        } else {
          holders ??= full ? this.#holders(queue) : all ??= this.#holders();
          due.push([request, holders]);
        }
      }
    }
    const refuse = ([request, holders]: (typeof due)[number]) =>
      this.cancel(request, new TimeoutError("queue", request.timeout, request.holder.request, holders));
    return { next, end: () => due.forEach(refuse) };
  }

  /**
   * The requests that hold leases: all of them, or those of one origin. They are plain data, so
   * that an error keeps no exchange in memory.
   */
  #holders(only?: Queue): RequestSummary[] {
    const holders: RequestSummary[] = [];
    for (const { holder, queue } of this.#held) {
      if (holder?.request === undefined || (only !== undefined && queue !== only)) continue;
      const { method, url } = holder.request;
      holders.push({ method, url });
    }
    return holders;
  }
}
