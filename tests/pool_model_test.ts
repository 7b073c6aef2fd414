// Copyright 2026 the Hangup authors. MIT license.

/**
 * The pool against a model of plain arrays: random operations, everything compared after every
 * step.
 *
 * `HANGUP_RUNS` sets the number of runs. A failure prints its seed and path: set `HANGUP_SEED` and
 * `HANGUP_PATH` to them to replay it.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import * as fc from "fast-check";
import { PoolClosedError, QueueFullError, TimeoutError } from "../errors.ts";
import { addAbortListener, removeAbortListener } from "../_internal/signals.ts";
import { type Holder, type Lease as Slot, SLOTS } from "../_internal/slots.ts";
import { type Adapter, facts, PLATFORM, type Platform } from "../_internal/transports/platform.ts";
import { type Lease, Pool } from "../pool.ts";
import type { Transport } from "../transport.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { FakeDrain } from "./fake_drain.ts";
import { checkModel } from "./model.ts";

const ORIGINS = ["https://a.test", "https://b.test", "https://c.test", "__proto__"];
const SIGNALS = 3;

type OnClose = "none" | "release" | "acquire" | "close" | "throw";

type Operation =
  | { type: "acquire"; origin: number; timeout: number; signal: number; onClose: OnClose; internal: boolean }
  | { type: "send"; which: number }
  | { type: "progress"; which: number }
  | { type: "abort exchange"; which: number }
  | { type: "release"; which: number }
  | { type: "release again"; which: number }
  | { type: "abort"; signal: number }
  | { type: "tick"; ms: number }
  | { type: "free"; count: number }
  | { type: "settle" }
  | { type: "close" };

interface Run {
  maxConnections: number;
  maxConnectionsPerOrigin: number;
  maxQueued: number;
  drains: boolean;
  operations: Operation[];
}

/** One call of `acquire()`, as the model sees it. */
interface Call {
  id: number;
  origin: string;
  timeout: number;
  signal: number;
  onClose: OnClose;
  since: number;
  /**
   * Whether it is made past the pool's public face, as sessions do: such a holder can tell of its
   * progress.
   */
  internal: boolean;
  progress: number | undefined;
  /** Whether a request was sent, and what aborts it. */
  sent: AbortController | undefined;
  /** What has to come of it, once the promise reactions ran. */
  expected: "lease" | "closed" | "full" | { abort: unknown } | { timeout: number; holders: string[] } | undefined;
}

/** What came of it. */
type Outcome = { lease: Lease } | { error: unknown };

class Model {
  now = 1000;
  closed = false;
  waiting: Call[] = [];
  held: Call[] = [];
  /** The slots that drain, in the order in which they were released. */
  draining: { origin: string; aborted: boolean }[] = [];
  /** The origins that have a waiter and a slot of their own, in the order of their turns. */
  turns: string[] = [];
  lastProgress = -Infinity;
  lastProgressOf: Record<string, number> = Object.create(null);
  readonly run: Run;

  constructor(run: Run) {
    this.run = run;
  }

  heldOf(origin: string): Call[] {
    return this.held.filter((call) => call.origin === origin);
  }

  waitingOf(origin: string): Call[] {
    return this.waiting.filter((call) => call.origin === origin);
  }

  drainingOf(origin: string): number {
    return this.draining.filter((slot) => slot.origin === origin).length;
  }

  isFull(origin: string): boolean {
    return this.heldOf(origin).length + this.drainingOf(origin) >= this.run.maxConnectionsPerOrigin;
  }

  get taken(): number {
    return this.held.length + this.draining.length;
  }

  isFree(origin: string): boolean {
    return this.taken < this.run.maxConnections && !this.isFull(origin);
  }

  /** The sockets of some slots are free, one after the other. */
  free(count: number): void {
    for (let freed = 0; freed < count && this.draining.length > 0; freed++) {
      this.draining.shift();
      this.updateTurns();
    }
    this.update();
  }

  acquire(call: Call, aborted: { reason: unknown } | undefined): void {
    if (this.closed) return void (call.expected = "closed");
    if (aborted !== undefined) return void (call.expected = { abort: aborted.reason });
    // A slot that still drains is better than no slot for one that must not wait.
    if (!this.isFree(call.origin) && this.waiting.length >= this.run.maxQueued) this.free(Infinity);
    if (this.isFree(call.origin)) {
      call.expected = "lease";
      this.held.push(call);
    } else if (this.waiting.length >= this.run.maxQueued) call.expected = "full";
    else {
      this.waiting.push(call);
      this.update();
    }
  }

  release(call: Call): void {
    this.held = this.held.filter((held) => held !== call);
    this.lastProgress = this.lastProgressOf[call.origin] = this.now;
    if (call.sent !== undefined && this.run.drains) {
      this.draining.push({ origin: call.origin, aborted: call.sent.signal.aborted });
    }
    this.update();
  }

  reject(calls: Call[], expected: (call: Call) => Call["expected"]): void {
    for (const call of calls) call.expected = expected(call);
    this.waiting = this.waiting.filter((call) => !calls.includes(call));
    this.update();
  }

  updateTurns(): void {
    const ready = (origin: string) => this.waitingOf(origin).length > 0 && !this.isFull(origin);
    this.turns = this.turns.filter(ready);
    for (const { origin } of this.waiting) if (ready(origin) && !this.turns.includes(origin)) this.turns.push(origin);
  }

  update(): void {
    while (true) {
      this.updateTurns();
      if (this.turns.length === 0 || this.taken >= this.run.maxConnections) break;
      const origin = this.turns.shift()!;
      const call = this.waitingOf(origin)[0]!;
      this.waiting = this.waiting.filter((waiter) => waiter !== call);
      this.held.push(call);
      call.expected = "lease";
      this.lastProgress = this.lastProgressOf[origin] = this.now;
    }
  }

  tick(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now++;
      const expired = this.waiting.filter((call) => {
        // If the origin has a slot of its own, it waits for any slot of the pool.
        const full = this.isFull(call.origin);
        const holders = full ? this.heldOf(call.origin) : this.held;
        const lastProgress = Math.max(
          full ? this.lastProgressOf[call.origin] ?? -Infinity : this.lastProgress,
          ...holders.map(({ progress = -Infinity }) => progress),
        );
        return Math.max(call.since, lastProgress) + call.timeout <= this.now;
      });
      this.reject(expired, ({ origin, timeout }) => {
        const holders = this.isFull(origin) ? this.heldOf(origin) : this.held;
        return { timeout, holders: holders.map(({ id }) => `https://test/${id}`).sort() };
      });
    }
  }

  stats() {
    const origins: Record<string, { active: number; queued: number }> = Object.create(null);
    for (const origin of ORIGINS) {
      const counts = { active: this.heldOf(origin).length, queued: this.waitingOf(origin).length };
      if (counts.active + counts.queued > 0) origins[origin] = counts;
    }
    return { active: this.held.length, queued: this.waiting.length, origins };
  }
}

/** The pool and its model side by side. */
class Bench {
  readonly model: Model;
  readonly pool: Pool;
  readonly clock: FakeClock;
  drain: FakeDrain | undefined;
  readonly calls: Call[] = [];
  readonly outcomes: Map<Call, Outcome> = new Map();
  readonly released: Call[] = [];
  readonly controllers: AbortController[] = Array.from({ length: SIGNALS }, () => this.controller());
  readonly told: Call[] = [];
  listeners = 0;
  transportClosed = 0;
  closing: Promise<void> | undefined;
  closeOutcome: "pending" | "resolved" | { error: unknown } = "pending";
  closeFailure: Error | undefined;

  constructor(run: Run, clock: FakeClock) {
    const { operations: _, drains, ...options } = run;
    this.clock = clock;
    this.model = new Model(run);
    const drain: Platform["drain"] = (free) => this.drain = new FakeDrain(free);
    const transport: Transport & Adapter = {
      closesSockets: true,
      get [PLATFORM]() {
        return facts({ transport, ...(drains && { drain }) });
      },
      fetch: () => Promise.resolve(new Response()),
      close: () => void this.transportClosed++,
    };
    this.pool = new Pool({ ...options, transport });
  }

  /** A controller whose signal's listeners are counted. */
  controller(): AbortController {
    const controller = new AbortController();
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.listeners--;
      remove(...args);
    };
    return controller;
  }

  async step(operation: Operation): Promise<void> {
    switch (operation.type) {
      case "acquire":
        this.acquire(operation);
        break;
      case "send":
        this.withHeld(operation.which, (call) => this.send(call));
        break;
      case "progress":
        this.withHeld(operation.which, (call) => {
          if (call.internal) call.progress = this.model.now;
        });
        break;
      case "abort exchange":
        this.withHeld(operation.which, ({ sent }) => sent?.abort());
        break;
      case "release":
        this.withHeld(operation.which, (call) => this.release(call));
        break;
      case "release again":
        if (this.released.length > 0) this.lease(this.released[operation.which % this.released.length]!).release();
        break;
      case "abort": {
        const reason = { aborted: operation.signal };
        const waiting = this.model.waiting.filter((call) => call.signal === operation.signal);
        const controller = this.controllers[operation.signal]!;
        if (controller.signal.aborted) {
          this.controllers[operation.signal] = this.controller();
          break;
        }
        this.model.reject(waiting, () => ({ abort: reason }));
        controller.abort(reason);
        break;
      }
      case "tick":
        this.model.tick(operation.ms);
        await this.clock.tick(operation.ms);
        break;
      case "free":
        this.model.free(operation.count);
        this.drain?.free(operation.count);
        break;
      case "settle":
        await settle();
        this.checkOutcomes();
        break;
      case "close":
        this.close();
        break;
    }
    this.check();
  }

  /** Does something with a lease that is held and known. */
  withHeld(which: number, work: (call: Call) => void): void {
    const held = this.model.held.filter((call) => this.outcomes.has(call));
    if (held.length > 0) work(held[which % held.length]!);
  }

  acquire({ origin, timeout, signal, onClose, internal }: Extract<Operation, { type: "acquire" }>): void {
    const call: Call = {
      id: this.calls.length,
      origin: ORIGINS[origin]!,
      timeout,
      signal,
      onClose,
      since: this.model.now,
      internal,
      progress: undefined,
      sent: undefined,
      expected: undefined,
    };
    const abortSignal = this.controllers[signal]?.signal;
    this.calls.push(call);
    this.model.acquire(call, abortSignal?.aborted ? { reason: abortSignal.reason } : undefined);
    const request = { method: "GET", url: `https://test/${call.id}` };
    const tell = onClose === "none" ? undefined : (error: PoolClosedError) => this.onClose(call, error);
    const lease = internal
      ? this.acquireInside(call, abortSignal, request, tell)
      : this.pool.acquire(call.origin, { timeout, signal: abortSignal, request, onClose: tell });
    lease.then((lease) => this.settled(call, { lease }), (error) => this.settled(call, { error }));
  }

  /** Does what a session does, which has a holder that tells of its progress. */
  async acquireInside(
    call: Call,
    signal: AbortSignal | undefined,
    request: { method: string; url: string },
    tell: ((error: PoolClosedError) => void) | undefined,
  ): Promise<Lease> {
    const slots = this.pool[SLOTS];
    const holder: Holder = {
      request,
      get progress() {
        return call.progress;
      },
      onClose: tell,
    };
    // The pool is asked first, as in the public method.
    if (signal?.aborted && !this.pool.closed) throw signal.reason;
    const lease = slots.tryAcquire(call.origin, holder);
    if (lease !== undefined) return lease;
    const { promise, resolve, reject } = Promise.withResolvers<Slot>();
    const listener = { onAbort: (reason: unknown) => slots.cancel(waiting, reason) };
    const forget = () => signal && removeAbortListener(signal, listener);
    const waiter = {
      grant(lease: Slot) {
        forget();
        resolve(lease);
      },
      refuse(reason: unknown) {
        forget();
        reject(reason);
      },
    };
    const waiting = slots.enqueue(call.origin, call.timeout, holder, waiter);
    if (signal) addAbortListener(signal, listener);
    return await promise;
  }

  settled(call: Call, outcome: Outcome): void {
    assert(!this.outcomes.has(call));
    this.outcomes.set(call, outcome);
  }

  lease(call: Call): Lease {
    const outcome = this.outcomes.get(call);
    assert(outcome !== undefined && "lease" in outcome);
    return outcome.lease;
  }

  send(call: Call): void {
    const { sent } = call;
    call.sent ??= new AbortController();
    const init = { signal: call.sent.signal };
    const response = this.lease(call).fetch(new URL("https://test/"), init);
    if (!this.model.closed) return void response.catch(() => assert(false, "the pool does not send"));
    call.sent = sent;
    response.then(() => assert(false, "a closed pool sends"), (error) => assertInstanceOf(error, PoolClosedError));
  }

  release(call: Call): void {
    const lease = this.lease(call);
    assertEquals([lease.released, lease.origin], [false, call.origin]);
    this.model.release(call);
    this.released.push(call);
    lease.release();
    assertEquals(lease.released, true);
  }

  onClose(call: Call, error: PoolClosedError): void {
    assertInstanceOf(error, PoolClosedError);
    assertEquals(error.url, `https://test/${call.id}`);
    this.told.push(call);
    switch (call.onClose) {
      case "release":
        if (this.outcomes.has(call)) this.release(call);
        break;
      case "acquire":
        this.acquire({ type: "acquire", origin: 0, timeout: 10, signal: -1, onClose: "none", internal: false });
        break;
      case "close":
        this.close();
        break;
      case "throw":
        this.closeFailure ??= new Error(`holder ${call.id}`);
        throw this.closeFailure;
    }
  }

  close(): void {
    // Else it is called again, maybe by a holder that the first call tells.
    const first = !this.model.closed;
    const toTell = first ? this.model.held.filter((call) => call.onClose !== "none") : [];
    this.model.closed = true;
    this.model.reject([...this.model.waiting], () => "closed");
    const closing = this.pool.close();
    this.closing ??= closing;
    assertStrictEquals(closing, this.closing);
    if (!first) return;
    assertEquals(new Set(this.told), new Set(toTell));
    assertEquals(this.told.length, toTell.length);
    closing.then(() => this.closeOutcome = "resolved", (error) => this.closeOutcome = { error });
  }

  /** What has to hold at any time. */
  check(): void {
    const { model, pool } = this;
    const stats = pool.stats();
    assertEquals(stats, model.stats());
    assertEquals(pool.closed, model.closed);
    // The invariants, said without the model:
    const { maxConnections, maxConnectionsPerOrigin, maxQueued } = model.run;
    const counts = Object.values(stats.origins);
    assertEquals(stats.active, counts.reduce((sum, { active }) => sum + active, 0));
    assertEquals(stats.queued, counts.reduce((sum, { queued }) => sum + queued, 0));
    const draining = this.drain?.slots ?? [];
    assertEquals(draining, model.draining);
    assert(stats.active + draining.length <= maxConnections && stats.queued <= maxQueued);
    for (const [origin, { active, queued }] of Object.entries(stats.origins)) {
      const taken = active + draining.filter((slot) => slot.origin === origin).length;
      assert(taken <= maxConnectionsPerOrigin);
      const full = taken === maxConnectionsPerOrigin || stats.active + draining.length === maxConnections;
      assert(queued === 0 || full, "lost wake-up");
      assert(active + queued > 0, "an idle origin is kept");
    }
    if (pool.closed) assertEquals(stats.queued, 0);
    if (this.drain) assertEquals(this.drain.wanted, stats.queued > 0, "the drain runs exactly while something waits");
    if (stats.queued === 0) assertEquals(this.clock.pending, 0, "a timer without waiters");
    const signals = new Set(model.waiting.map(({ signal }) => signal).filter((signal) => signal >= 0));
    assertEquals(this.listeners, signals.size);
  }

  /** What has to have come of each call, once the promise reactions ran. */
  checkOutcomes(): void {
    for (const call of this.calls) {
      const outcome = this.outcomes.get(call);
      if (call.expected === undefined) {
        assertEquals(outcome, undefined);
        continue;
      }
      assert(outcome !== undefined, `call ${call.id} is still pending`);
      if (call.expected === "lease") {
        assert("lease" in outcome, `call ${call.id} has no lease`);
        assertEquals(outcome.lease.released, !this.model.held.includes(call));
        continue;
      }
      assert("error" in outcome, `call ${call.id} has a lease`);
      const { error } = outcome;
      if (call.expected === "closed") assertInstanceOf(error, PoolClosedError);
      else if (call.expected === "full") assertInstanceOf(error, QueueFullError);
      else if ("abort" in call.expected) assertStrictEquals(error, call.expected.abort);
      else {
        assertInstanceOf(error, TimeoutError);
        assertEquals(error.timeout, call.expected.timeout);
        assertEquals(error.holders.map(({ url }) => url).sort(), call.expected.holders);
      }
    }
    if (this.closing === undefined) return;
    const idle = this.model.held.length === 0;
    assertEquals(this.closeOutcome === "pending", !idle, "close() settles when no lease is held");
    if (idle) assertEquals(this.closeOutcome, this.closeFailure ? { error: this.closeFailure } : "resolved");
    assert(this.transportClosed >= 1);
  }

  async finish(): Promise<void> {
    await this.step({ type: "settle" });
    await this.step({ type: "close" });
    await this.step({ type: "settle" });
    while (this.model.held.length > 0) await this.step({ type: "release", which: 0 });
    await this.step({ type: "settle" });
    assertEquals(this.pool.stats(), { active: 0, queued: 0, origins: Object.create(null) });
    assertEquals([this.listeners, this.clock.pending, this.closeOutcome !== "pending"], [0, 0, true]);
  }
}

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("acquire" as const),
      origin: fc.nat(ORIGINS.length - 1),
      timeout: fc.constantFrom(10, 25, 60, Infinity),
      signal: fc.integer({ min: -1, max: SIGNALS - 1 }),
      onClose: fc.constantFrom<OnClose>("none", "release", "acquire", "close", "throw"),
      internal: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("release" as const), which: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("send" as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("progress" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("abort exchange" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("release again" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("abort" as const), signal: fc.nat(SIGNALS - 1) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("tick" as const), ms: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("free" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.constant<Operation>({ type: "settle" }) },
);

const runs: fc.Arbitrary<Run> = fc.integer({ min: 1, max: 4 }).chain((maxConnections) =>
  fc.record({
    maxConnections: fc.constant(maxConnections),
    maxConnectionsPerOrigin: fc.integer({ min: 1, max: maxConnections }),
    maxQueued: fc.oneof({ weight: 3, arbitrary: fc.constant(Infinity) }, { weight: 1, arbitrary: fc.nat(4) }),
    drains: fc.boolean(),
    operations: fc.tuple(
      fc.array(operation, { maxLength: 60, size: "max" }),
      // Half of the runs end with what happens around a close.
      fc.oneof(fc.constant([]), fc.array(operation, { maxLength: 10, size: "max" })),
    ).map(([before, after]): Operation[] => after.length > 0 ? [...before, { type: "close" }, ...after] : before),
  })
);

Deno.test("Pool keeps its invariants under random operations, and does what its model does", async () => {
  await checkModel(runs, 6_000, async (run) => {
    const clock = new FakeClock().install();
    try {
      const bench = new Bench(run, clock);
      for (const operation of run.operations) await bench.step(operation);
      await bench.finish();
    } finally {
      clock.restore();
    }
  });
});
