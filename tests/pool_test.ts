// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { PoolClosedError, QueueFullError, TimeoutError } from "../errors.ts";
import { facts, PLATFORM, type Platform } from "../_internal/transports/platform.ts";
import { type AcquireOptions, type Lease, Pool, type PoolOptions } from "../pool.ts";
import type { RequestSummary } from "../request.ts";
import type { Transport } from "../transport.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { FakeDrain } from "./fake_drain.ts";
import { CountingController } from "./scripted_transport.ts";

const A = "https://a.test";
const B = "https://b.test";
const C = "https://c.test";

/** A transport that records what it is asked to do, and waits where the test says so. */
class ScriptedTransport implements Transport {
  readonly closesSockets = true;
  readonly [PLATFORM]: Platform;
  /** What says when a slot is free, if the transport has such a thing. */
  drain!: FakeDrain;
  readonly log: string[] = [];
  onFetch: () => Response | Promise<Response> = () => new Response("ok");
  onClose: () => void | Promise<void> = () => {};

  constructor(drains = false) {
    const drain: Platform["drain"] = (free) => this.drain = new FakeDrain(free);
    this[PLATFORM] = facts({ transport: this, ...(drains && { drain }) });
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    this.log.push(`${init.method ?? "GET"} ${url.href}`);
    return await this.onFetch();
  }

  close(): void | Promise<void> {
    this.log.push("close");
    return this.onClose();
  }
}

function create(options: PoolOptions = {}): { pool: Pool; transport: ScriptedTransport } {
  const transport = new ScriptedTransport();
  return { pool: new Pool({ transport, ...options }), transport };
}

/** The same over a transport whose slots are free when the test says so. */
function createDraining(options: PoolOptions = {}): { pool: Pool; drain: FakeDrain; transport: ScriptedTransport } {
  const transport = new ScriptedTransport(true);
  const pool = new Pool({ transport, ...options });
  return { pool, drain: transport.drain, transport };
}

/** Sends a request over a lease. */
async function send(lease: Lease, init: RequestInit = {}): Promise<void> {
  await lease.fetch(new URL(lease.origin), init);
}

/** The state in one line: `2 active, 1 queued: a.test 1+1, b.test 1`. */
function snapshot(pool: Pool): string {
  const { active, queued, origins } = pool.stats();
  const each = Object.entries(origins).map(([origin, counts]) =>
    `${origin.slice(8)} ${counts.active}${counts.queued > 0 ? `+${counts.queued}` : ""}`
  );
  return `${active} active, ${queued} queued${each.length > 0 ? `: ${each.join(", ")}` : ""}`;
}

/**
 * Acquires and records the outcome under `name`: `+name` for a lease, `-name: error` for a
 * rejection.
 */
class Recorder {
  readonly log: string[] = [];
  readonly leases = new Map<string, Lease>();
  readonly errors = new Map<string, unknown>();
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  acquire(name: string, origin: string, options?: AcquireOptions): void {
    this.#pool.acquire(origin, options).then((lease) => {
      this.leases.set(name, lease);
      this.log.push(`+${name}`);
    }, (error) => {
      this.errors.set(name, error);
      this.log.push(`-${name}: ${error instanceof Error ? error.name : error}`);
    });
  }

  release(...names: string[]): void {
    for (const name of names) this.leases.get(name)!.release();
  }

  /** What happened since the last call. */
  async take(): Promise<string> {
    await settle();
    return this.log.splice(0).join(" ");
  }
}

function line(path: string, method = "GET"): RequestSummary {
  return { method, url: `${A}/${path}` };
}

async function withClock(test: (clock: FakeClock) => Promise<void>): Promise<void> {
  const clock = new FakeClock().install();
  try {
    await test(clock);
    assertEquals(clock.pending, 0);
  } finally {
    clock.restore();
  }
}

Deno.test("Pool() refuses limits and timeouts that make no sense", () => {
  const cases: [PoolOptions, typeof RangeError | typeof TypeError, string][] = [
    [{ maxConnections: -1 }, RangeError, `"maxConnections" must be a positive integer or Infinity: received -1`],
    [{ maxConnections: 0 }, RangeError, `"maxConnections" must be a positive integer or Infinity: received 0`],
    [{ maxConnections: NaN }, RangeError, `"maxConnections" must be a positive integer or Infinity: received NaN`],
    [{ maxConnections: 1.5 }, RangeError, `"maxConnections" must be a positive integer or Infinity: received 1.5`],
    [
      { maxConnections: "8" as never },
      TypeError,
      `"maxConnections" must be a positive integer or Infinity: received "8"`,
    ],
    [
      { maxConnections: null as never },
      TypeError,
      `"maxConnections" must be a positive integer or Infinity: received null`,
    ],
    [
      { maxConnections: 8n as never },
      TypeError,
      `"maxConnections" must be a positive integer or Infinity: received 8n`,
    ],
    [
      { maxConnectionsPerOrigin: 0 },
      RangeError,
      `"maxConnectionsPerOrigin" must be a positive integer or Infinity: received 0`,
    ],
    [
      { maxConnectionsPerOrigin: {} as never },
      TypeError,
      `"maxConnectionsPerOrigin" must be a positive integer or Infinity`,
    ],
    [
      { maxConnections: 2, maxConnectionsPerOrigin: 3 },
      RangeError,
      `"maxConnectionsPerOrigin" must be at most "maxConnections" (2): received 3`,
    ],
    [{ maxQueued: -1 }, RangeError, `"maxQueued" must be a non-negative integer or Infinity: received -1`],
    [{ maxQueued: NaN }, RangeError, `"maxQueued" must be a non-negative integer or Infinity: received NaN`],
    [{ maxQueued: true as never }, TypeError, `"maxQueued" must be a non-negative integer or Infinity: received true`],
    [{ idleTimeout: -1 }, RangeError, `"idleTimeout" must be a non-negative number of milliseconds: received -1`],
    [{ idleTimeout: NaN }, RangeError, `"idleTimeout" must be a non-negative number of milliseconds: received NaN`],
    [{ transport: {} as never }, TypeError, `"transport" must have the methods "fetch" and "close"`],
    [{ transport: null as never }, TypeError, `"transport" must have the methods "fetch" and "close"`],
  ];
  for (const [options, ErrorClass, message] of cases) {
    assertThrows(() => create(options), ErrorClass, `Cannot create a pool as ${message}`);
  }
  for (const limit of [1, 64, Infinity]) create({ maxConnections: limit, maxQueued: Infinity, idleTimeout: Infinity });
  create({ idleTimeout: 0 });
});

Deno.test("Pool() limits to 128 connections, and 64 to one origin, unless told otherwise", async () => {
  const { pool } = create();
  for (const origin of [A, B, C]) for (let i = 0; i < 100; i++) pool.acquire(origin).catch(() => {});
  assertEquals(snapshot(pool), "128 active, 172 queued: a.test 64+36, b.test 64+36, c.test 0+100");
  pool.close();

  const { pool: narrow } = create({ maxConnections: 3 });
  for (let i = 0; i < 5; i++) narrow.acquire(A).catch(() => {});
  assertEquals(snapshot(narrow), "3 active, 2 queued: a.test 3+2");
  narrow.close();
  await settle();
});

Deno.test("Pool.acquire() rejects wrong arguments before anything waits", async () => {
  const { pool } = create({ maxConnections: 1 });
  const cases: [unknown, unknown, typeof RangeError | typeof TypeError, string][] = [
    ["", {}, TypeError, `"origin" must be a non-empty string: received `],
    [undefined, {}, TypeError, `"origin" must be a non-empty string: received undefined`],
    [A, { timeout: 0 }, RangeError, `"timeout" must be a positive number of milliseconds: received 0`],
    [A, { timeout: -5 }, RangeError, `"timeout" must be a positive number of milliseconds: received -5`],
    [A, { timeout: NaN }, RangeError, `"timeout" must be a positive number of milliseconds: received NaN`],
    [A, { timeout: "1" }, TypeError, `"timeout" must be a positive number of milliseconds: received "1"`],
    [A, { signal: {} }, TypeError, `"signal" must be an AbortSignal: received object`],
    [A, { onClose: 1 }, TypeError, `"onClose" must be a function: received 1`],
  ];
  for (const [origin, options, ErrorClass, message] of cases) {
    const error = await assertRejects(() => pool.acquire(origin as string, options as AcquireOptions), ErrorClass);
    assert(error.message.startsWith(`Cannot acquire a lease as ${message}`), error.message);
    assertEquals(snapshot(pool), "0 active, 0 queued");
  }
});

Deno.test("Pool.acquire() grants at once, without a timer or listener, while a slot is free", async () => {
  await withClock(async (clock) => {
    const { pool } = create();
    const { signal } = new AbortController();
    signal.addEventListener = () => {
      throw new TypeError("no listener is needed");
    };
    const lease = await pool.acquire(A, { signal });
    assertEquals([lease.origin, lease.released], [A, false]);
    assertEquals(clock.delays, []);
    assertEquals(snapshot(pool), "1 active, 0 queued: a.test 1");
    lease.release();
    assertEquals(lease.released, true);
    assertEquals(snapshot(pool), "0 active, 0 queued");
  });
});

Deno.test("Pool.acquire() serves an origin's waiters in their order", async () => {
  const { pool } = create({ maxConnections: 1 });
  const record = new Recorder(pool);
  for (const name of ["1", "2", "3"]) record.acquire(name, A);
  assertEquals(await record.take(), "+1");
  assertEquals(snapshot(pool), "1 active, 2 queued: a.test 1+2");
  record.release("1");
  assertEquals(await record.take(), "+2");
  record.release("2");
  record.acquire("4", A);
  assertEquals(await record.take(), "+3");
  record.release("3");
  record.release("3", "2", "1");
  assertEquals(await record.take(), "+4");
  record.release("4");
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.acquire() lets no full origin block another", async () => {
  const { pool } = create({ maxConnections: 3, maxConnectionsPerOrigin: 1 });
  const record = new Recorder(pool);
  for (const name of ["a1", "a2", "a3"]) record.acquire(name, A);
  record.acquire("b1", B);
  assertEquals(await record.take(), "+a1 +b1");
  assertEquals(snapshot(pool), "2 active, 2 queued: a.test 1+2, b.test 1");
  record.release("a1");
  assertEquals(await record.take(), "+a2");
  record.release("a2", "b1");
  assertEquals(await record.take(), "+a3");
  record.release("a3");
});

Deno.test("Pool.acquire() serves origins in turn", async () => {
  const { pool } = create({ maxConnections: 1 });
  const record = new Recorder(pool);
  record.acquire("a1", A);
  for (const name of ["a2", "a3", "a4"]) record.acquire(name, A);
  for (const name of ["b1", "b2"]) record.acquire(name, B);
  record.acquire("c1", C);
  let order = await record.take();
  while (pool.stats().active > 0) {
    record.release(order.slice(-2));
    order += ` ${await record.take()}`;
  }
  assertEquals(order.trim(), "+a1 +b1 +c1 +a2 +b2 +a3 +a4");
});

Deno.test("Pool.acquire() serves origins in turn, though one has several slots free", async () => {
  const { pool } = create({ maxConnections: 3 });
  const record = new Recorder(pool);
  for (const name of ["c1", "c2", "c3"]) record.acquire(name, C);
  for (const name of ["a1", "a2", "a3"]) record.acquire(name, A);
  for (const name of ["b1", "b2"]) record.acquire(name, B);
  await record.take();
  record.release("c1", "c2", "c3");
  assertEquals(await record.take(), "+a1 +b1 +a2");
  record.release("a1", "b1", "a2");
  assertEquals(await record.take(), "+b2 +a3");
  record.release("b2", "a3");
});

Deno.test("Pool.acquire() keeps its turn of an origin that was full meanwhile", async () => {
  const { pool } = create({ maxConnections: 2, maxConnectionsPerOrigin: 1 });
  const record = new Recorder(pool);
  record.acquire("a1", A);
  record.acquire("a2", A);
  record.acquire("b1", B);
  record.acquire("c1", C);
  record.acquire("b2", B);
  assertEquals(await record.take(), "+a1 +b1");
  record.release("b1");
  // b.test has a slot of its own again, but c.test is before it.
  assertEquals(await record.take(), "+c1");
  record.release("a1");
  assertEquals(await record.take(), "+b2");
  record.release("b2");
  assertEquals(await record.take(), "+a2");
  record.release("a2", "c1");
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.acquire() rejects a waiter when its signal aborts", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    const controller = new AbortController();
    record.acquire("1", A);
    record.acquire("2", A, { signal: controller.signal });
    record.acquire("3", A);
    assertEquals(clock.pending, 1);
    const reason = { why: "enough" };
    controller.abort(reason);
    assertEquals(snapshot(pool), "1 active, 1 queued: a.test 1+1");
    assertEquals(await record.take(), "+1 -2: [object Object]");
    assertStrictEquals(record.errors.get("2"), reason);
    record.release("1");
    assertEquals(await record.take(), "+3");
    record.release("3");
  });
});

Deno.test("Pool.acquire() leaves nobody in the queue if its signal cannot be listened to", async () => {
  const { pool } = create({ maxConnections: 1 });
  const held = await pool.acquire(A);
  const { signal } = new AbortController();
  signal.addEventListener = () => {
    throw new RangeError("No listener");
  };
  await assertRejects(() => pool.acquire(A, { signal }), RangeError, "No listener");
  assertEquals(snapshot(pool), "1 active, 0 queued: a.test 1");
  held.release();
  assertEquals(pool.stats().active, 0);
  await pool.close();
});

Deno.test("Pool.acquire() rejects at once when its signal is aborted already", async () => {
  const { pool } = create();
  const reason = new Error("before");
  const error = await assertRejects(() => pool.acquire(A, { signal: AbortSignal.abort(reason) }));
  assertStrictEquals(error, reason);
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.acquire() loses no lease when the grant and the abort fall together", async () => {
  for (const abortFirst of [false, true]) {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    const controller = new AbortController();
    record.acquire("1", A);
    record.acquire("2", A, { signal: controller.signal });
    record.acquire("3", A);
    await settle();
    if (abortFirst) controller.abort("stop");
    record.release("1");
    if (!abortFirst) controller.abort("stop");
    assertEquals(await record.take(), abortFirst ? "+1 -2: stop +3" : "+1 +2");
    assertEquals(snapshot(pool), `1 active, ${abortFirst ? 0 : 1} queued: a.test 1${abortFirst ? "" : "+1"}`);
    pool.close();
    await settle();
  }
});

Deno.test("Pool.acquire() survives a release from within the abort of the same signal", async () => {
  const { pool } = create({ maxConnections: 1 });
  const record = new Recorder(pool);
  const controller = new AbortController();
  const { signal } = controller;
  record.acquire("1", A);
  await settle();
  signal.addEventListener("abort", () => record.release("1"));
  record.acquire("2", A, { signal });
  record.acquire("3", A, { signal });
  record.acquire("4", A);
  controller.abort("stop");
  // The second was granted before its own turn to be aborted: its holder finds the signal aborted.
  assertEquals(await record.take(), "+1 +2 -3: stop");
  record.release("2");
  assertEquals(await record.take(), "+4");
  record.release("4");
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.acquire() leaves one listener on a shared signal while requests wait, and none after", async () => {
  const { pool } = create({ maxConnections: 1 });
  const record = new Recorder(pool);
  const controller = new CountingController();
  const { signal } = controller;
  for (let i = 0; i < 100; i++) record.acquire(`${i}`, A, { signal });
  assertEquals(controller.listeners, 1);
  for (let i = 0; i < 100; i++) {
    await settle();
    record.release(`${i}`);
  }
  assertEquals(controller.listeners, 0);
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool calls what its options and its transport have as their methods, also those set later", async () => {
  const sent: unknown[] = [];
  const transport = { closesSockets: false, fetch: () => Promise.reject(new TypeError("replaced")), close() {} };
  const pool = new Pool({ transport });
  const options = {
    onClose() {
      sent.push(this);
    },
  };
  const lease = await pool.acquire(A, options);
  Object.assign(transport, {
    fetch(this: unknown) {
      sent.push(this);
      return Promise.resolve(new Response());
    },
  });
  await lease.fetch(new URL(A), {});
  const closing = pool.close();
  lease.release();
  await closing;
  assertEquals(sent.map((value) => [value === transport, value === options]), [[true, false], [false, true]]);
});

Deno.test("Pool.acquire() leaves no listener on a shared signal after requests that were refused", async () => {
  using clock = new FakeClock().install();
  const { pool } = create({ maxConnections: 1 });
  const record = new Recorder(pool);
  const controller = new CountingController();
  const { signal } = controller;
  record.acquire("held", A);
  record.acquire("1", A, { signal, timeout: 100 });
  record.acquire("2", A, { signal });
  await clock.tick(100);
  assertEquals([await record.take(), controller.listeners], ["+held -1: TimeoutError", 1]);
  const closing = pool.close();
  assertEquals([await record.take(), controller.listeners], ["-2: PoolClosedError", 0]);
  record.release("held");
  await closing;
});

Deno.test("Pool.acquire() rejects when maxQueued requests wait already", async () => {
  const { pool } = create({ maxConnections: 1, maxQueued: 1 });
  const record = new Recorder(pool);
  record.acquire("1", A);
  record.acquire("2", A);
  record.acquire("3", B, { request: line("three") });
  assertEquals(await record.take(), "+1 -3: QueueFullError");
  const error = record.errors.get("3");
  assertInstanceOf(error, QueueFullError);
  assertEquals(error.maxQueued, 1);
  assertEquals(error.message, `Cannot wait for a connection as 1 requests wait already: GET ${A}/three`);
  assertEquals(snapshot(pool), "1 active, 1 queued: a.test 1+1");
  record.release("1");
  assertEquals(await record.take(), "+2");
  record.acquire("4", B);
  record.release("2");
  assertEquals(await record.take(), "+4");
  record.release("4");
});

Deno.test("Pool.acquire() never waits when maxQueued is 0", async () => {
  await withClock(async () => {
    const { pool } = create({ maxConnections: 1, maxQueued: 0 });
    const lease = await pool.acquire(A);
    await assertRejects(() => pool.acquire(A), QueueFullError);
    assertEquals(snapshot(pool), "1 active, 0 queued: a.test 1");
    lease.release();
    (await pool.acquire(A)).release();
  });
});

Deno.test("Pool.acquire() rejects a starved waiter, naming who holds the slots", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 3, maxConnectionsPerOrigin: 2 });
    const record = new Recorder(pool);
    record.acquire("1", A, { request: line("one") });
    record.acquire("2", A, { request: line("two", "PUT") });
    record.acquire("3", B, { request: { method: "GET", url: B } });
    record.acquire("4", A, { request: line("four"), timeout: 100 });
    record.acquire("5", C, { timeout: 101 });
    await clock.tick(99);
    assertEquals(await record.take(), "+1 +2 +3");
    await clock.tick(1);
    assertEquals(await record.take(), "-4: TimeoutError");
    const full = record.errors.get("4");
    assertInstanceOf(full, TimeoutError);
    assertEquals([full.phase, full.timeout, full.url], ["queue", 100, `${A}/four`]);
    assertEquals(full.holders, [line("one"), line("two", "PUT")]);
    assertEquals(
      full.message,
      `No connection became free within 100 ms, as the slots are held by GET ${A}/one, PUT ${A}/two: GET ${A}/four`,
    );
    await clock.tick(1);
    const starved = record.errors.get("5");
    assertInstanceOf(starved, TimeoutError);
    assertEquals(starved.holders, [line("one"), line("two", "PUT"), { method: "GET", url: B }]);
    assertEquals(snapshot(pool), "3 active, 0 queued: a.test 2, b.test 1");
    assertEquals(clock.pending, 0);
    record.release("1", "2", "3");
  });
});

Deno.test("Pool.acquire() waits for 30 s unless told otherwise, and for ever with Infinity", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    record.acquire("1", A);
    record.acquire("2", A);
    record.acquire("3", A, { timeout: Infinity });
    await clock.tick(29_999);
    assertEquals(await record.take(), "+1");
    await clock.tick(1);
    assertEquals(await record.take(), "-2: TimeoutError");
    assertEquals(clock.pending, 0);
    await clock.tick(2 ** 33);
    record.release("1");
    assertEquals(await record.take(), "+3");
    record.release("3");
  });
});

Deno.test("Pool.acquire() rejects no waiter before its time, fractions of a millisecond included", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    record.acquire("1", A);
    clock.advance(0.75);
    clock.early = 0.5;
    record.acquire("2", A, { timeout: 10 });
    await clock.tick(9.9);
    assertEquals(await record.take(), "+1");
    await clock.tick(1);
    assertEquals(await record.take(), "-2: TimeoutError");
    assertEquals(clock.fired, 2); // the first time too early
    record.release("1");
  });
});

Deno.test("Pool.acquire() reads a request's line only for an error", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    let reads = 0;
    const request = {
      method: "GET",
      get url() {
        reads++;
        return A;
      },
    };
    record.acquire("1", A, { request });
    record.acquire("2", A, { timeout: 10 });
    record.acquire("3", A, { request });
    assertEquals(reads, 0);
    await clock.tick(10);
    assertEquals(reads, 1);
    record.release("1");
    await settle();
    record.release("3");
    assertEquals(reads, 1);
  });
});

Deno.test("Pool.acquire() never times out in a long burst that moves", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 2 });
    const record = new Recorder(pool);
    for (let i = 0; i < 50; i++) record.acquire(`${i}`, A, { timeout: 100 });
    // 25 times 90 ms, more than 20 timeouts.
    for (let i = 0; i < 50; i += 2) {
      assertEquals(await record.take(), `+${i} +${i + 1}`);
      await clock.tick(90);
      record.release(`${i}`, `${i + 1}`);
    }
    assertEquals(snapshot(pool), "0 active, 0 queued");
    assert(clock.fired <= 30, `${clock.fired}`);
  });
});

Deno.test("Pool.acquire() never times out in a burst over many origins that moves", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    for (let i = 0; i < 50; i++) record.acquire(`${i}`, `https://${i}.test`, { timeout: 100 });
    for (let i = 0; i < 50; i++) {
      assertEquals(await record.take(), `+${i}`);
      await clock.tick(90);
      record.release(`${i}`);
    }
    assertEquals(snapshot(pool), "0 active, 0 queued");
  });
});

Deno.test("Pool.acquire() rejects a waiter of a stuck origin though others move", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 2, maxConnectionsPerOrigin: 1 });
    const record = new Recorder(pool);
    record.acquire("a1", A);
    record.acquire("a2", A, { timeout: 100 });
    for (let i = 0; i < 4; i++) record.acquire(`b${i}`, B);
    for (let i = 0; i < 4; i++) {
      await clock.tick(30);
      record.release(`b${i}`);
    }
    assertEquals(await record.take(), "+a1 +b0 +b1 +b2 +b3 -a2: TimeoutError");
    record.release("a1");
  });
});

for (const [which, first] of [["each slot that is given back", A], ["each slot that another origin gives back", B]]) {
  Deno.test(`Pool.acquire() restarts the timeout with ${which}`, async () => {
    await withClock(async (clock) => {
      const { pool } = create({ maxConnections: 1 });
      const record = new Recorder(pool);
      record.acquire("1", first!);
      record.acquire("2", A, { timeout: 100 });
      record.acquire("3", A, { timeout: 100 });
      await clock.tick(99);
      record.release("1");
      await clock.tick(99);
      assertEquals(await record.take(), "+1 +2");
      await clock.tick(1);
      assertEquals(await record.take(), "-3: TimeoutError");
      record.release("2");
    });
  });
}

Deno.test("Pool.acquire() leaves no timer when nothing waits", async () => {
  await withClock(async (clock) => {
    const { pool } = create({ maxConnections: 1 });
    const record = new Recorder(pool);
    const controller = new AbortController();
    record.acquire("1", A);
    record.acquire("2", A);
    await settle();
    assertEquals(clock.pending, 1);
    record.release("1");
    assertEquals(clock.pending, 0);
    record.acquire("3", A, { signal: controller.signal });
    assertEquals(clock.pending, 1);
    controller.abort("stop");
    assertEquals(clock.pending, 0);
    record.acquire("4", A);
    pool.close();
    assertEquals(clock.pending, 0);
    await settle();
    record.release("2");
  });
});

Deno.test("Pool.acquire() grants a slot again only when its socket is free, and asks for that only while one waits", async () => {
  const { pool, drain } = createDraining({ maxConnections: 2 });
  const record = new Recorder(pool);
  record.acquire("1", A);
  record.acquire("2", A);
  await record.take();
  await send(record.leases.get("1")!);
  await send(record.leases.get("2")!);
  record.release("1", "2");
  assertEquals([snapshot(pool), drain.draining, drain.wanted], ["0 active, 0 queued", "a.test a.test", false]);
  record.acquire("3", A);
  record.acquire("4", B);
  record.acquire("5", A);
  assertEquals([snapshot(pool), drain.wanted], ["0 active, 3 queued: a.test 0+2, b.test 0+1", true]);
  assertEquals(await record.take(), "");
  drain.free(1);
  // a.test had no slot of its own when b.test took its turn.
  assertEquals(await record.take(), "+4");
  drain.free(1);
  assertEquals([await record.take(), drain.wanted], ["+3", true]);
  record.release("4");
  assertEquals([await record.take(), drain.wanted], ["+5", false]);
  record.release("3", "5");
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.acquire() grants at once a slot over which nothing was sent", async () => {
  const { pool, drain } = createDraining({ maxConnections: 1 });
  const record = new Recorder(pool);
  const lease = await pool.acquire(A);
  record.acquire("1", A);
  lease.release();
  assertEquals([await record.take(), drain.draining], ["+1", ""]);
  record.release("1");
});

Deno.test("Pool tells its transport which exchanges were aborted", async () => {
  const { pool, drain } = createDraining({ maxConnections: 3 });
  const finished = await pool.acquire(A);
  const aborted = await pool.acquire(B);
  const unsignaled = await pool.acquire(C);
  const controllers = [new AbortController(), new AbortController()];
  await send(finished, { signal: controllers[0]!.signal });
  await send(aborted, { signal: controllers[1]!.signal });
  await send(unsignaled);
  controllers[1]!.abort();
  for (const lease of [finished, aborted, unsignaled]) lease.release();
  controllers[0]!.abort(); // too late to matter
  assertEquals(drain.draining, "a.test b.test! c.test");
});

Deno.test("Pool tells its transport of a lease over which several requests were sent once", async () => {
  const { pool, drain } = createDraining();
  const lease = await pool.acquire(A);
  await send(lease);
  await send(lease);
  assertEquals(drain.inUse.get(A), 1);
  lease.release();
  lease.release();
  assertEquals([drain.inUse.get(A), drain.draining], [0, "a.test"]);
});

Deno.test("Pool.acquire() grants a slot that still drains to one that must not wait", async () => {
  const { pool, drain } = createDraining({ maxConnections: 1, maxQueued: 0 });
  const first = await pool.acquire(A);
  await send(first);
  first.release();
  assertEquals(drain.draining, "a.test");
  const lease = await pool.acquire(A);
  assertEquals([drain.draining, drain.wanted], ["", false]);
  await assertRejects(() => pool.acquire(A), QueueFullError);
  lease.release();
});

Deno.test("Pool.acquire() lets those that wait go first when slots must not drain any longer", async () => {
  const { pool, drain } = createDraining({ maxConnections: 1, maxQueued: 1 });
  const record = new Recorder(pool);
  const first = await pool.acquire(A);
  await send(first);
  record.acquire("1", A);
  first.release();
  assertEquals(await record.take(), "");
  record.acquire("2", A);
  assertEquals([await record.take(), drain.draining], ["+1", ""]);
  assertEquals(snapshot(pool), "1 active, 1 queued: a.test 1+1");
  record.acquire("3", A);
  assertEquals(await record.take(), "-3: QueueFullError");
  record.release("1");
  assertEquals(await record.take(), "+2");
  record.release("2");
});

Deno.test("Pool.acquire() holds an origin's draining slots against that origin alone", async () => {
  const { pool, drain } = createDraining({ maxConnections: 3, maxConnectionsPerOrigin: 1 });
  const record = new Recorder(pool);
  record.acquire("a1", A);
  await record.take();
  await send(record.leases.get("a1")!);
  record.release("a1");
  record.acquire("a2", A);
  record.acquire("b1", B);
  assertEquals(await record.take(), "+b1");
  drain.free(1);
  assertEquals(await record.take(), "+a2");
  record.release("a2", "b1");
});

Deno.test("Pool.close() does not wait for slots that drain", async () => {
  const { pool, drain, transport } = createDraining({ maxConnections: 1 });
  const record = new Recorder(pool);
  record.acquire("1", A);
  record.acquire("2", A);
  await record.take();
  await send(record.leases.get("1")!);
  record.release("1");
  assertEquals([drain.draining, drain.wanted], ["a.test", true]);
  await pool.close();
  assertEquals([await record.take(), drain.wanted], ["-2: PoolClosedError", false]);
  assertEquals(transport.log.at(-1), "close");
  drain.free(1); // nobody gets it
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.stats() is a plain snapshot in which no origin's name is special", async () => {
  const { pool } = create();
  const leases = [await pool.acquire("__proto__"), await pool.acquire("constructor")];
  const stats = pool.stats();
  assertEquals(Object.keys(stats.origins), ["__proto__", "constructor"]);
  assertEquals(stats.origins["__proto__"], { active: 1, queued: 0 });
  assertEquals(Object.getPrototypeOf(stats.origins), null);
  assertEquals(({} as Record<string, unknown>).active, undefined);
  for (const lease of leases) lease.release();
  assertEquals([stats.active, pool.stats().active], [2, 0]);
});

Deno.test("Lease.fetch() goes through the pool's transport", async () => {
  const { pool, transport } = create();
  const lease = await pool.acquire(A);
  const response = await lease.fetch(new URL(`${A}/x`), { method: "PUT" });
  assertEquals(await response.text(), "ok");
  assertEquals(transport.log, [`PUT ${A}/x`]);
  assertEquals(pool.closesSockets, true);
  lease.release();
});

Deno.test("Lease.fetch() rejects when the transport throws", async () => {
  const failure = new Error("no network");
  const transport: Transport = {
    closesSockets: false,
    fetch() {
      throw failure;
    },
    close() {},
  };
  const { pool } = create({ transport });
  const lease = await pool.acquire(A);
  assertStrictEquals(await assertRejects(() => lease.fetch(new URL(A), {})), failure);
  assertEquals(snapshot(pool), "1 active, 0 queued: a.test 1");
  lease.release();
  assertEquals(pool.closesSockets, false);
});

Deno.test("Lease.fetch() rejects once the lease is released or the pool is closed", async () => {
  const { pool, transport } = create();
  const released = await pool.acquire(A);
  released.release();
  await assertRejects(() => released.fetch(new URL(A), {}), TypeError, "its lease was released");
  const held = await pool.acquire(A, { request: line("held") });
  const closing = pool.close();
  const error = await assertRejects(() => held.fetch(new URL(A), {}), PoolClosedError);
  assertEquals(error.url, `${A}/held`);
  held.release();
  await closing;
  assertEquals(transport.log, ["close", "close"]);
});

Deno.test("Lease.release() acts once, also as Symbol.dispose", async () => {
  const { pool } = create({ maxConnections: 2 });
  const first = await pool.acquire(A);
  const second = await pool.acquire(A);
  first.release();
  first.release();
  first[Symbol.dispose]();
  assertEquals(snapshot(pool), "1 active, 0 queued: a.test 1");
  second[Symbol.dispose]();
  second.release();
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.close() closes the transport and refuses what comes after", async () => {
  const { pool, transport } = create();
  assertEquals(pool.closed, false);
  const closing = pool.close();
  assertEquals(pool.closed, true);
  assertStrictEquals(pool.close(), closing);
  assertStrictEquals(pool[Symbol.asyncDispose](), closing);
  const error = await assertRejects(() => pool.acquire(A, { request: line("late") }), PoolClosedError);
  assertEquals(error.message, `Cannot complete the request as the pool is closed: GET ${A}/late`);
  assertEquals(await closing, undefined);
  assertStrictEquals(pool.close(), closing);
  assertEquals(transport.log, ["close"]);
});

Deno.test("Pool.close() rejects the waiters and tells the holders", async () => {
  await withClock(async () => {
    const { pool, transport } = create({ maxConnections: 2 });
    const record = new Recorder(pool);
    const told: string[] = [];
    const { signal } = new AbortController();
    for (const name of ["1", "2", "3", "4"]) {
      record.acquire(name, A, {
        signal,
        request: line(name),
        onClose(error) {
          told.push(`${name}: ${error.url}`);
          record.release(name);
        },
      });
    }
    await record.take();
    const closing = pool.close();
    assertEquals(told, [`1: ${A}/1`, `2: ${A}/2`]);
    assertEquals(snapshot(pool), "0 active, 0 queued");
    await closing;
    assertEquals(await record.take(), "-3: PoolClosedError -4: PoolClosedError");
    assertEquals((record.errors.get("4") as PoolClosedError).url, `${A}/4`);
    assertEquals(told.length, 2);
    assertEquals(transport.log, ["close"]);
  });
});

Deno.test("Pool.close() tells the holder of a lease that was granted but not yet seen", async () => {
  const { pool } = create({ maxConnections: 1 });
  const told: string[] = [];
  const first = await pool.acquire(A);
  const second = pool.acquire(A, { onClose: () => told.push("second") });
  first.release();
  const closing = pool.close();
  assertEquals(told, ["second"]);
  (await second).release();
  await closing;
});

Deno.test("Pool.close() settles only when no lease is held", async () => {
  const { pool, transport } = create();
  const first = await pool.acquire(A);
  const second = await pool.acquire(B);
  let settled = false;
  const closing = pool.close().then(() => settled = true);
  await settle();
  // The sockets are closed at once, whatever the holders do.
  assertEquals(transport.log, ["close"]);
  first.release();
  first.release();
  await settle();
  assertEquals([settled, snapshot(pool)], [false, "1 active, 0 queued: b.test 1"]);
  second.release();
  await closing;
  assertEquals(transport.log, ["close", "close"]);
});

Deno.test("Pool.close() closes the transport once when the holders release within a microtask", async () => {
  const { pool, transport } = create();
  const lease: Lease = await pool.acquire(A, { onClose: () => void Promise.resolve().then(() => lease.release()) });
  await pool.close();
  assertEquals(transport.log, ["close"]);
  assertEquals(snapshot(pool), "0 active, 0 queued");
});

Deno.test("Pool.close() waits for the transport", async () => {
  const { pool, transport } = create();
  let finish = () => {};
  transport.onClose = () => new Promise((resolve) => finish = resolve);
  let settled = false;
  const closing = pool.close().then(() => settled = true);
  await settle();
  assertEquals(settled, false);
  finish();
  await closing;
});

Deno.test("Pool.close() rejects when the transport fails, after everything else is done", async () => {
  const failure = new Error("cannot close");
  for (
    const fail of [() => Promise.reject(failure), () => {
      throw failure;
    }]
  ) {
    const { pool, transport } = create();
    transport.onClose = fail;
    const lease = await pool.acquire(A);
    const closing = pool.close();
    let settled = false;
    closing.catch(() => settled = true);
    await settle();
    assertEquals([settled, transport.log.length], [false, 1]);
    lease.release();
    assertStrictEquals(await assertRejects(() => closing), failure);
    assertStrictEquals(pool.close(), closing);
    assertEquals(transport.log, ["close", "close"]);
  }
});

Deno.test("Pool.close() tells the other holders though one's onClose throws", async () => {
  const { pool, transport } = create();
  const failure = new Error("holder");
  const told: string[] = [];
  const first: Lease = await pool.acquire(A, {
    onClose() {
      told.push("first");
      first.release();
      throw failure;
    },
  });
  const second: Lease = await pool.acquire(A, {
    onClose() {
      told.push("second");
      second.release();
    },
  });
  assertStrictEquals(await assertRejects(() => pool.close()), failure);
  assertEquals([told, transport.log], [["first", "second"], ["close"]]);
});

Deno.test("Pool.close() may be called back into by the holders that it tells", async () => {
  const { pool, transport } = create({ maxConnections: 2 });
  const told: string[] = [];
  const outcomes: Promise<unknown>[] = [];
  const inner: Promise<void>[] = [];
  const first: Lease = await pool.acquire(A, {
    onClose() {
      told.push("first");
      inner.push(pool.close());
      outcomes.push(pool.acquire(A));
      second.release();
      first.release();
    },
  });
  const second = await pool.acquire(A, { onClose: () => told.push("second") });
  outcomes.push(pool.acquire(A));
  const closing = pool.close();
  assertStrictEquals(inner[0], closing);
  for (const outcome of outcomes) await assertRejects(() => outcome, PoolClosedError);
  await closing;
  // The second was released when its turn came.
  assertEquals([told, transport.log], [["first"], ["close"]]);
});

Deno.test("Pool.close() may be called from within an abort or a transport's close", async () => {
  const { pool, transport } = create({ maxConnections: 1 });
  const record = new Recorder(pool);
  const controller = new AbortController();
  transport.onClose = () => void pool.close();
  record.acquire("1", A, { onClose: () => record.release("1") });
  await settle();
  controller.signal.addEventListener("abort", () => void pool.close());
  record.acquire("2", A, { signal: controller.signal });
  controller.abort("stop");
  await pool.close();
  assertEquals(await record.take(), "+1 -2: PoolClosedError");
  assertEquals(transport.log, ["close"]);
});
