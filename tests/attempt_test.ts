// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Attempt } from "../_internal/attempt.ts";
import { Cancellation } from "../_internal/cancellation.ts";
import { Slots } from "../_internal/slots.ts";
import { Upload } from "../_internal/upload.ts";
import { PoolClosedError } from "../errors.ts";
import { settle } from "./fake_clock.ts";

const ORIGIN = "https://a.test";
const URL_OF_ORIGIN = new URL(ORIGIN);

/** A cancellation that knows how many waits it would reject. */
class CountingCancellation extends Cancellation {
  readonly waits = new Set<(reason: unknown) => void>();
  override add(reject: (reason: unknown) => void): void {
    this.waits.add(reject);
    super.add(reject);
  }
  override forget(reject: (reason: unknown) => void): void {
    this.waits.delete(reject);
    super.forget(reject);
  }
}

/** An exchange, as far as an attempt knows it. */
class Owner {
  readonly cancellation = new CountingCancellation();
  abort(reason: unknown): void {
    this.cancellation.abort(reason);
  }
}

/** One slot, and the options of what was sent over it. */
function setUp() {
  const sent: RequestInit[] = [];
  const send = (_url: URL, init: RequestInit) => {
    sent.push(init);
    return Promise.resolve(new Response());
  };
  const slots = new Slots({ maxConnections: 1, maxConnectionsPerOrigin: 1, maxQueued: Infinity }, send);
  const owner = new Owner();
  return { slots, sent, owner, attempt: new Attempt(slots, owner) };
}

/** An attempt that waits because another one holds the slot. */
function setUpWaiting() {
  const { slots, owner, attempt } = setUp();
  const holder = new Attempt(slots, new Owner());
  assertEquals(holder.acquire(ORIGIN, Infinity), undefined);
  const wait = attempt.acquire(ORIGIN, Infinity)!;
  wait.catch(() => {});
  assertEquals([slots.active, slots.queued], [1, 1]);
  return { slots, owner, attempt, holder, wait };
}

Deno.test("Attempt takes a free slot, sends over it, and gives it back once", () => {
  const { slots, sent, attempt } = setUp();
  assertEquals(attempt.acquire(ORIGIN, Infinity), undefined);
  attempt.fetch(URL_OF_ORIGIN, {});
  attempt.release(true, undefined);
  attempt.release(false, "too late");
  assertEquals(slots.active, 0);
  assertEquals(sent.map(({ signal }) => signal!.aborted), [false]);
});

Deno.test("Attempt.acquire() resolves with the grant, and an abort that comes later rejects nothing", async () => {
  const { slots, owner, attempt, holder, wait } = setUpWaiting();
  assertEquals(owner.cancellation.waits.size, 1);
  holder.release(true, undefined);
  assertEquals([slots.active, owner.cancellation.waits.size], [1, 0]);
  owner.cancellation.abort(new Error("too late"));
  await wait;
  attempt.release(true, undefined);
  assertEquals([slots.active, slots.queued], [0, 0]);
});

Deno.test("Attempt.acquire() rejects with the reason of an abort, and leaves the queue", async () => {
  const { slots, owner, attempt, holder, wait } = setUpWaiting();
  const reason = new Error("enough");
  owner.cancellation.abort(reason);
  attempt.release(false, reason);
  assertEquals(slots.queued, 0);
  assertStrictEquals(await assertRejects(() => wait), reason);
  holder.release(true, undefined);
  assertEquals(slots.active, 0);
});

Deno.test("Attempt.acquire() rejects if the pool refuses the request", async () => {
  const { slots, wait } = setUpWaiting();
  slots.close(() => {}, []);
  await assertRejects(() => wait, PoolClosedError);
});

Deno.test("Attempt.release() aborts what was sent, unless its body was read to the end", () => {
  const { slots, sent, attempt } = setUp();
  assertEquals(attempt.acquire(ORIGIN, Infinity), undefined);
  attempt.fetch(URL_OF_ORIGIN, {});
  attempt.release(false, "enough");
  assertEquals(slots.active, 0);
  assertEquals([sent[0]!.signal!.aborted, sent[0]!.signal!.reason], [true, "enough"]);
});

Deno.test("Attempt.release() aborts what was sent if the upload is still running, and ends the upload", () => {
  const { sent, attempt } = setUp();
  assertEquals(attempt.acquire(ORIGIN, Infinity), undefined);
  const upload = attempt.upload = new Upload(new ReadableStream(), () => {}, () => {});
  attempt.fetch(URL_OF_ORIGIN, {});
  attempt.release(true, undefined);
  assertEquals([sent[0]!.signal!.aborted, upload.ended], [true, true]);
});

Deno.test("Attempt waits before the others once more at the origin that it was sent to, and behind them elsewhere", async () => {
  for (const [origin, next] of [[ORIGIN, "redirected"], ["https://b.test", "other"]] as const) {
    const { slots, attempt } = setUp();
    assertEquals(attempt.acquire(ORIGIN, Infinity), undefined);
    await attempt.fetch(URL_OF_ORIGIN, {});
    attempt.release(true, undefined);
    const holder = new Attempt(slots, new Owner());
    assertEquals(holder.acquire(origin, Infinity), undefined);
    const granted: string[] = [];
    const other = new Attempt(slots, new Owner());
    for (const [name, waiter] of [["other", other], ["redirected", attempt]] as const) {
      waiter.acquire(origin, Infinity)!.then(() => granted.push(name));
    }
    holder.release(true, undefined);
    await settle();
    assertEquals(granted, [next]);
    for (const waiter of next === "other" ? [other, attempt] : [attempt, other]) {
      await settle();
      waiter.release(true, undefined);
    }
    assertEquals([slots.active, slots.queued], [0, 0]);
  }
});
