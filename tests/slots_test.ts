// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Holder, type Lease, type LeaseRequest, type Limits, Slots } from "../_internal/slots.ts";
import { PoolClosedError, QueueFullError, TimeoutError } from "../errors.ts";
import { FakeClock } from "./fake_clock.ts";
import { FakeDrain } from "./fake_drain.ts";

const A = "https://a.test";
const B = "https://b.test";
const C = "https://c.test";

/**
 * Slots, with a log of what becomes of those that wait: `+name` for a lease, `-name` for a refusal.
 */
class Bench {
  readonly slots: Slots;
  drain: FakeDrain | undefined;
  readonly log: string[] = [];
  readonly leases = new Map<string, Lease>();
  readonly requests = new Map<string, LeaseRequest>();
  readonly reasons = new Map<string, unknown>();
  readonly sent: [url: string, init: RequestInit][] = [];
  /** Called when a request is refused. */
  onRefuse: (name: string) => void = () => {};

  constructor(limits: Partial<Limits> = {}, drains = false) {
    const { maxConnections = Infinity, maxConnectionsPerOrigin = maxConnections, maxQueued = Infinity } = limits;
    const send = (url: URL, init: RequestInit) => {
      this.sent.push([url.href, init]);
      return Promise.resolve(new Response());
    };
    const makeDrain = (free: (origins: string[]) => void) => this.drain = new FakeDrain(free);
    const all = { maxConnections, maxConnectionsPerOrigin, maxQueued };
    this.slots = new Slots(all, send, drains ? makeDrain : undefined);
  }

  /** Takes a slot or waits for one. Without a timeout it waits for ever. */
  acquire(name: string, origin: string, holder: Holder = {}, timeout = Infinity, first = false): void {
    const lease = this.slots.tryAcquire(origin, holder);
    if (lease !== undefined) {
      this.leases.set(name, lease);
      this.log.push(`+${name}`);
      return;
    }
    const request = this.slots.enqueue(origin, timeout, holder, {
      grant: (lease) => {
        this.leases.set(name, lease);
        this.log.push(`+${name}`);
      },
      refuse: (reason) => {
        this.reasons.set(name, reason);
        this.log.push(`-${name}`);
        this.onRefuse(name);
      },
    }, first);
    this.requests.set(name, request);
  }

  release(...names: string[]): void {
    for (const name of names) this.leases.get(name)!.release();
  }

  cancel(name: string, reason?: unknown): void {
    this.slots.cancel(this.requests.get(name)!, reason);
  }

  /** What has happened since the last call. */
  take(): string {
    return this.log.splice(0).join(" ");
  }

  /** How many leases are held, and how many requests wait. */
  get counts(): [active: number, queued: number] {
    return [this.slots.active, this.slots.queued];
  }
}

function named(path: string, rest: Partial<Holder> = {}): Holder {
  return { request: { method: "GET", url: `${A}/${path}` }, ...rest };
}

/** Runs a test on a fake clock, which must be left without a timer. */
function onClock(test: (clock: FakeClock) => Promise<void>): () => Promise<void> {
  return async () => {
    using clock = new FakeClock().install();
    await test(clock);
    assertEquals(clock.pending, 0);
  };
}

Deno.test("Slots grants synchronously: a free slot at once, another on its release", () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.acquire("1", A);
  bench.acquire("2", A);
  assertEquals([bench.take(), bench.counts], ["+1", [1, 1]]);
  bench.release("1");
  assertEquals([bench.take(), bench.counts], ["+2", [1, 0]]);
  bench.release("2");
  assertEquals(bench.counts, [0, 0]);
});

Deno.test("Slots never holds more than its limits, in total and for each origin", () => {
  const bench = new Bench({ maxConnections: 3, maxConnectionsPerOrigin: 2 });
  for (const name of ["a1", "a2", "a3"]) bench.acquire(name, A);
  for (const name of ["b1", "b2"]) bench.acquire(name, B);
  assertEquals([bench.take(), bench.counts], ["+a1 +a2 +b1", [3, 2]]);
  bench.release("b1");
  assertEquals(bench.take(), "+b2"); // a.test is full
  bench.release("a2");
  assertEquals([bench.take(), bench.counts], ["+a3", [3, 0]]);
});

Deno.test("Slots serves an origin's requests in their order, and the origins in turn", () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.acquire("held", C);
  for (const name of ["a1", "a2", "a3"]) bench.acquire(name, A);
  for (const name of ["b1", "b2"]) bench.acquire(name, B);
  bench.acquire("c1", C);
  let last = "held";
  const order: string[] = [];
  bench.take();
  while (bench.counts[0] > 0) {
    bench.release(last);
    const granted = bench.take();
    if (granted !== "") order.push(last = granted.slice(1));
  }
  assertEquals(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
});

Deno.test("Slots serves a request first that has waited before, unless it was refused or granted", () => {
  const bench = new Bench({ maxConnections: 1 });
  for (const name of ["1", "2", "3"]) bench.acquire(name, A);
  bench.acquire("first", A, {}, Infinity, true);
  assertEquals([bench.take(), bench.counts], ["+1", [1, 3]]);
  bench.release("1");
  assertEquals(bench.take(), "+first");
  for (const name of ["gone", "a", "b"]) bench.acquire(name, A, {}, Infinity, true);
  bench.cancel("gone");
  for (const name of ["first", "a", "b", "2"]) bench.release(name);
  assertEquals([bench.take(), bench.counts], ["-gone +a +b +2 +3", [1, 0]]);
});

Deno.test("Slots serves requests in their order, though their slots become free at once", async () => {
  const bench = new Bench({ maxConnections: 3 }, true);
  for (const name of ["a", "b", "c"]) {
    bench.acquire(name, A);
    await bench.leases.get(name)!.fetch(new URL(A), {});
  }
  for (const name of ["1", "2", "3"]) bench.acquire(name, A);
  bench.release("a", "b", "c");
  bench.drain!.flush();
  assertEquals(bench.take(), "+a +b +c +1 +2 +3");
});

Deno.test("Slots serves the origins in turn, though one of them may have several slots", () => {
  const bench = new Bench({ maxConnections: 3 });
  for (const name of ["c1", "c2", "c3"]) bench.acquire(name, C);
  for (const name of ["a1", "a2", "a3"]) bench.acquire(name, A);
  for (const name of ["b1", "b2"]) bench.acquire(name, B);
  bench.take();
  bench.release("c1", "c2", "c3");
  assertEquals(bench.take(), "+a1 +b1 +a2");
  bench.release("a1", "b1");
  assertEquals(bench.take(), "+b2 +a3");
});

Deno.test("Slots passes the turn of a canceled request on, wherever it stands", () => {
  for (const canceled of ["1", "2", "3"]) {
    const bench = new Bench({ maxConnections: 1 });
    bench.acquire("held", A);
    for (const name of ["1", "2", "3"]) bench.acquire(name, A);
    const reason = new Error("enough");
    bench.cancel(canceled, reason);
    assertEquals(bench.take(), `+held -${canceled}`);
    assertStrictEquals(bench.reasons.get(canceled), reason);
    const rest = ["1", "2", "3"].filter((name) => name !== canceled);
    bench.release("held");
    bench.release(rest[0]!);
    assertEquals(bench.take(), `+${rest[0]} +${rest[1]}`);
  }
});

Deno.test("Slots.cancel() does nothing to a request that was granted or refused", () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.acquire("held", A);
  bench.acquire("1", A);
  bench.acquire("2", A);
  bench.cancel("2");
  bench.cancel("2");
  bench.release("held");
  bench.cancel("1");
  assertEquals([bench.take(), bench.counts], ["+held -2 +1", [1, 0]]);
});

Deno.test("Slots tells a request that it is refused when all else is decided", () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.acquire("held", A);
  for (const name of ["1", "2"]) bench.acquire(name, A);
  bench.onRefuse = () => {
    assertEquals(bench.counts, [1, 1]);
    bench.onRefuse = () => {};
    bench.release("held");
    bench.acquire("3", A);
  };
  bench.cancel("1");
  assertEquals([bench.take(), bench.counts], ["+held -1 +2", [1, 1]]);
});

Deno.test("Slots refuses a request that may not wait", () => {
  const bench = new Bench({ maxConnections: 1, maxQueued: 1 });
  bench.acquire("1", A);
  bench.acquire("2", A);
  const error = assertThrows(() => bench.slots.tryAcquire(B, named("third")), QueueFullError);
  assertEquals([error.maxQueued, error.url], [1, `${A}/third`]);
  assertEquals(bench.slots.count(), Object.assign(Object.create(null), { [A]: { active: 1, queued: 1 } }));
});

Deno.test("Lease.release() acts once, also as Symbol.dispose", () => {
  const bench = new Bench({ maxConnections: 1 });
  for (const name of ["1", "2", "3"]) bench.acquire(name, A);
  const lease = bench.leases.get("1")!;
  assertEquals([lease.origin, lease.released], [A, false]);
  lease.release();
  lease.release();
  lease[Symbol.dispose]();
  assertEquals([lease.released, bench.take(), bench.counts], [true, "+1 +2", [1, 1]]);
});

Deno.test("Lease keeps neither its slots nor its holder once it is released", () => {
  const bench = new Bench();
  const holder = named("one");
  bench.acquire("1", A, holder);
  const lease = bench.leases.get("1")!;
  assertStrictEquals(lease.holder, holder);
  lease.release();
  assertEquals([lease.slots, lease.holder], [undefined, undefined]);
});

Deno.test("Lease.fetch() sends as it is told, and rejects once the lease is released", async () => {
  const bench = new Bench();
  bench.acquire("1", A);
  const lease = bench.leases.get("1")!;
  const init = { method: "PUT" };
  const response = await lease.fetch(new URL(`${A}/path`), init);
  assertEquals([response.status, bench.sent[0]![0]], [200, `${A}/path`]);
  assertStrictEquals(bench.sent[0]![1], init);
  lease.release();
  await assertRejects(() => lease.fetch(new URL(A), {}), TypeError, "its lease was released");
  assertEquals(bench.sent.length, 1);
});

Deno.test("Lease.fetch() rejects what the transport throws", async () => {
  const failure = new Error("broken");
  const slots = new Slots({ maxConnections: 1, maxConnectionsPerOrigin: 1, maxQueued: 0 }, () => {
    throw failure;
  });
  using lease = slots.tryAcquire(A, {})!;
  assertStrictEquals(await assertRejects(() => lease.fetch(new URL(A), {})), failure);
});

Deno.test("Slots hands a slot to its drain only if something was sent over it", async () => {
  const bench = new Bench({ maxConnections: 2 }, true);
  bench.acquire("unused", A);
  bench.acquire("used", A);
  await bench.leases.get("used")!.fetch(new URL(A), {});
  bench.release("unused", "used");
  assertEquals(bench.drain!.draining, "a.test");
  bench.acquire("1", A);
  assertEquals([bench.take(), bench.drain!.wanted], ["+unused +used +1", false]);
});

Deno.test("Slots tells its drain whether the signal was aborted by the time of the release", async () => {
  const bench = new Bench({ maxConnections: 3 }, true);
  const controllers = ["1", "2", "3"].map((name) => {
    const controller = new AbortController();
    bench.acquire(name, A);
    bench.leases.get(name)!.fetch(new URL(A), { signal: controller.signal });
    return controller;
  });
  await bench.leases.get("3")!.fetch(new URL(A), {}); // the last request that was sent counts
  controllers[1]!.abort();
  controllers[2]!.abort();
  bench.release("1", "2", "3");
  assertEquals(bench.drain!.draining, "a.test a.test! a.test");
});

Deno.test("Slots counts a slot that drains as taken, and its drain runs exactly while something waits", async () => {
  const bench = new Bench({ maxConnections: 2, maxConnectionsPerOrigin: 1 }, true);
  const { drain, slots } = bench;
  for (const [name, origin] of [["a", A], ["b", B]] as const) {
    bench.acquire(name, origin);
    await bench.leases.get(name)!.fetch(new URL(origin), {});
  }
  bench.release("a", "b");
  assertEquals([bench.counts, drain!.wanted], [[0, 0], false]);
  assertEquals(Object.keys(slots.count()), []);
  bench.acquire("a2", A);
  bench.acquire("b2", B);
  bench.acquire("c", C);
  assertEquals([bench.take(), bench.counts, drain!.wanted], ["+a +b", [0, 3], true]);
  bench.cancel("a2");
  drain!.free(1); // that of a.test, which c.test may have
  assertEquals([bench.take(), drain!.wanted], ["-a2 +c", true]);
  drain!.free(1);
  assertEquals([bench.take(), drain!.wanted], ["+b2", false]);
});

Deno.test("Slots has its drain run for one that takes the place of those that a flush granted slots", async () => {
  const bench = new Bench({ maxConnections: 2, maxConnectionsPerOrigin: 1, maxQueued: 1 }, true);
  for (const [name, origin] of [["a", A], ["b", B]] as const) {
    bench.acquire(name, origin);
    await bench.leases.get(name)!.fetch(new URL(origin), {});
  }
  bench.release("b");
  bench.acquire("b2", B);
  bench.acquire("a2", A); // b2 gets the slot that drains, and so a2 may wait
  assertEquals([bench.take(), bench.counts, bench.drain!.wanted], ["+a +b +b2", [2, 1], true]);
});

Deno.test("Slots has no drain if no origin has a limit", () => {
  const bench = new Bench({}, true);
  assertEquals(bench.drain, undefined);
});

Deno.test("Slots has those that drain freed for a request that must not wait", async () => {
  const bench = new Bench({ maxConnections: 1, maxQueued: 0 }, true);
  bench.acquire("1", A);
  await bench.leases.get("1")!.fetch(new URL(A), {});
  bench.release("1");
  bench.acquire("2", B);
  assertEquals([bench.take(), bench.drain!.draining], ["+1 +2", ""]);
  assertThrows(() => bench.slots.tryAcquire(B, {}), QueueFullError);
});

Deno.test(
  "Slots refuses what waits when nothing that holds a slot has made progress for so long",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 2, maxConnectionsPerOrigin: 1 });
    let progress: number | undefined = undefined;
    const holder = {
      request: { method: "PUT", url: `${A}/held` },
      get progress() {
        return progress;
      },
    };
    bench.acquire("held", A, holder);
    bench.acquire("other", B, named("other"));
    bench.acquire("waits", A, named("waits"), 100);
    await clock.tick(60);
    progress = clock.now;
    await clock.tick(99);
    assertEquals(bench.take(), "+held +other");
    await clock.tick(1);
    assertEquals(bench.take(), "-waits");
    const error = bench.reasons.get("waits");
    assertInstanceOf(error, TimeoutError);
    assertEquals([error.phase, error.timeout, error.url], ["queue", 100, `${A}/waits`]);
    assertEquals(error.holders, [{ method: "PUT", url: `${A}/held` }]);
    assert(error.holders[0] !== holder.request, "an error keeps a holder's request alive");
  }),
);

Deno.test(
  "Slots refuses each request once, though one cancels another while both run out of time",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 1 });
    bench.acquire("held", A);
    for (const name of ["1", "2", "3"]) bench.acquire(name, A, {}, 100);
    const reason = new Error("one of the batch failed");
    bench.onRefuse = (name) => {
      if (name === "1") bench.cancel("2", reason);
      if (name === "3") bench.release("held");
    };
    await clock.tick(100);
    assertEquals([bench.take(), bench.counts], ["+held -1 -2 -3", [0, 0]]);
    assertStrictEquals(bench.reasons.get("2"), reason);
  }),
);

Deno.test(
  "Slots does not count the progress of another origin for one that is full",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 2, maxConnectionsPerOrigin: 1 });
    bench.acquire("a", A);
    bench.acquire("b", B, {
      get progress() {
        return clock.now;
      },
    });
    bench.acquire("waits", A, {}, 100);
    await clock.tick(100);
    assertEquals(bench.take(), "+a +b -waits");
  }),
);

Deno.test(
  "Slots counts progress of any origin if the pool is full",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 2, maxConnectionsPerOrigin: 1 });
    let moves = true;
    bench.acquire("a", A);
    let last = 0;
    bench.acquire("b", B, {
      get progress() {
        return moves ? last = clock.now : last;
      },
    });
    bench.acquire("waits", C, {}, 100);
    await clock.tick(1000);
    assertEquals(bench.take(), "+a +b");
    moves = false;
    await clock.tick(100);
    assertEquals(bench.take(), "-waits");
  }),
);

Deno.test(
  "Slots counts a slot that is given back as progress, though the slot still drains",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 1 }, true);
    bench.acquire("1", A);
    await bench.leases.get("1")!.fetch(new URL(A), {});
    bench.acquire("2", A, {}, 100);
    await clock.tick(99);
    bench.release("1");
    await clock.tick(99);
    assertEquals(bench.take(), "+1");
    await clock.tick(1);
    assertEquals(bench.take(), "-2");
  }),
);

Deno.test(
  "Slots counts a slot that is granted as progress of its origin and of the pool, though it drained for long",
  onClock(async (clock) => {
    for (const [maxConnections, next, last] of [[2, A, A], [1, B, C]] as const) {
      const bench = new Bench({ maxConnections, maxConnectionsPerOrigin: 1 }, true);
      bench.acquire("1", A);
      await bench.leases.get("1")!.fetch(new URL(A), {});
      bench.acquire("2", next, {}, 100);
      bench.acquire("3", last, {}, 100);
      bench.release("1");
      await clock.tick(99);
      bench.drain!.free(1);
      await clock.tick(99);
      assertEquals(bench.take(), "+1 +2");
      await clock.tick(1);
      assertEquals(bench.take(), "-3");
    }
  }),
);

Deno.test(
  "Slots reads the progress of a holder only when something is about to time out",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 1 });
    let reads = 0;
    bench.acquire("held", A, {
      get progress() {
        reads++;
        return undefined;
      },
    });
    for (let i = 0; i < 10; i++) bench.acquire(`${i}`, A, {}, 100);
    await clock.tick(99);
    assertEquals(reads, 0);
    await clock.tick(1);
    assertEquals(reads, 1);
  }),
);

Deno.test(
  "Slots leaves no timer when nothing waits",
  onClock(async (clock) => {
    const bench = new Bench({ maxConnections: 1 });
    bench.acquire("1", A);
    assertEquals(clock.pending, 0);
    bench.acquire("2", A, {}, 100);
    bench.acquire("3", A, {}, 100);
    assertEquals(clock.pending, 1);
    bench.cancel("2");
    assertEquals(clock.pending, 1);
    bench.release("1");
    assertEquals(clock.pending, 0);
    bench.release("3");
    await clock.tick(1000);
  }),
);

Deno.test("Slots.close() refuses what waits, tells who holds, and grants nothing any more", () => {
  const bench = new Bench({ maxConnections: 1 });
  const told: string[] = [];
  let idle = 0;
  bench.acquire("1", A, named("one", { onClose: (error) => told.push(String(error.url)) }));
  bench.acquire("2", B, named("two", { onClose: () => told.push("a holder that never was") }));
  bench.slots.close(() => idle++, []);
  assertEquals([bench.take(), told, idle], ["+1 -2", [`${A}/one`], 0]);
  const error = bench.reasons.get("2");
  assertInstanceOf(error, PoolClosedError);
  assertEquals(error.url, `${A}/two`);
  assertThrows(() => bench.slots.tryAcquire(A, named("late")), PoolClosedError);
  bench.release("1");
  assert(idle > 0);
  assertEquals(bench.counts, [0, 0]);
  assertThrows(() => bench.slots.tryAcquire(A, named("late")), PoolClosedError);
});

Deno.test("Slots.close() is idle at once if nothing is held", () => {
  const bench = new Bench();
  let idle = 0;
  bench.slots.close(() => idle++, []);
  assert(idle > 0);
});

Deno.test("Slots.close() collects what holders throw, and tells the others", () => {
  const bench = new Bench();
  const told: string[] = [];
  const failures: unknown[] = [];
  const failure = new Error("holder");
  bench.acquire("1", A, {
    onClose() {
      throw failure;
    },
  });
  bench.acquire("2", A, { onClose: () => told.push("2") });
  bench.slots.close(() => {}, failures);
  assertEquals([failures.length, told], [1, ["2"]]);
  assertStrictEquals(failures[0], failure);
});

Deno.test("Slots.close() lets a lease end that is held, but sends nothing more over it", async () => {
  const bench = new Bench({ maxConnections: 1 }, true);
  bench.acquire("1", A, named("one"));
  const lease = bench.leases.get("1")!;
  await lease.fetch(new URL(A), {});
  bench.slots.close(() => {}, []);
  await assertRejects(() => lease.fetch(new URL(A), {}), PoolClosedError, `${A}/one`);
  lease.release();
  assertEquals([bench.sent.length, bench.drain!.draining, bench.drain!.wanted], [1, "a.test", false]);
});

Deno.test("Slots keeps an idle origin until another one is idle", () => {
  const bench = new Bench();
  const originOf = (name: string, origin: string) => {
    bench.acquire(name, origin);
    const { queue } = bench.leases.get(name)!;
    bench.release(name);
    return queue;
  };
  const first = originOf("1", A);
  assertStrictEquals(originOf("2", A), first);
  originOf("3", B);
  assert(originOf("4", A) !== first);
});

Deno.test("Slots keeps no origin of a request that it refused", () => {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  const bench = new Bench({ maxConnections: 1, maxQueued: 0 });
  bench.acquire("holder", A);
  gc();
  const before = Deno.memoryUsage().heapUsed;
  for (let i = 0; i < 200; i++) {
    assertThrows(() => bench.acquire("refused", `https://${i}.${"x".repeat(100_000)}.test`), QueueFullError);
  }
  gc();
  const grown = Deno.memoryUsage().heapUsed - before;
  assert(grown < 5_000_000, `${grown} of some 20,000,000 bytes`);
});
