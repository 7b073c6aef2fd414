// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Cancellation } from "../_internal/cancellation.ts";
import { settle } from "./fake_clock.ts";

/** The reason with which a promise rejects, or what it resolves to. */
function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then((value) => ({ value }), (reason) => ({ reason }));
}

Deno.test("Cancellation keeps the first reason, as it is", () => {
  const cancellation = new Cancellation();
  assertEquals([cancellation.aborted, cancellation.reason], [false, undefined]);
  const first = { not: "an error" };
  assert(cancellation.abort(first));
  assert(!cancellation.abort(new Error("second")));
  assertEquals(cancellation.aborted, true);
  assertStrictEquals(cancellation.reason, first);
});

Deno.test("Cancellation takes undefined for a reason too", async () => {
  const cancellation = new Cancellation();
  const wait = outcomeOf(cancellation.race(new Promise(() => {})));
  assert(cancellation.abort(undefined));
  assert(!cancellation.abort("later"));
  assertEquals([cancellation.aborted, cancellation.reason], [true, undefined]);
  assertEquals(await wait, { reason: undefined });
  let thrown: unknown = "nothing";
  try {
    cancellation.throwIfAborted();
  } catch (error) {
    thrown = error;
  }
  assertEquals(thrown, undefined);
});

Deno.test("Cancellation.throwIfAborted() throws the reason, if there is one", () => {
  const cancellation = new Cancellation();
  cancellation.throwIfAborted();
  const reason = new RangeError("enough");
  cancellation.abort(reason);
  assertStrictEquals(assertThrows(() => cancellation.throwIfAborted()), reason);
});

Deno.test("Cancellation.race() rejects every wait with the reason, and at once if there is one", async () => {
  const cancellation = new Cancellation();
  const waits = [1, 2, 3].map(() => outcomeOf(cancellation.race(new Promise(() => {}))));
  const reason = new Error("enough");
  cancellation.abort(reason);
  waits.push(outcomeOf(cancellation.race(new Promise(() => {}))));
  waits.push(outcomeOf(cancellation.race(new Promise(() => {}))));
  waits.push(outcomeOf(cancellation.race(Promise.resolve("too late"))));
  for (const outcome of await Promise.all(waits)) assertStrictEquals((outcome as { reason: Error }).reason, reason);
});

Deno.test("Cancellation.race() leaves the others waiting when one is over", async () => {
  const cancellation = new Cancellation();
  const resolves: ((value: string) => void)[] = [];
  const outcomes: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    outcomeOf(cancellation.race(new Promise<string>((resolve) => resolves.push(resolve)))).then((outcome) =>
      outcomes[i] = outcome
    );
  }
  resolves[1]!("middle");
  resolves[1]!("again");
  await settle();
  assertEquals(outcomes, [, { value: "middle" }]);
  cancellation.abort("enough");
  resolves[0]!("too late");
  await settle();
  assertEquals(outcomes, [{ reason: "enough" }, { value: "middle" }, { reason: "enough" }]);
});

Deno.test("Cancellation.race() may be called by who is rejected", async () => {
  const cancellation = new Cancellation();
  const again = cancellation.race(new Promise(() => {})).catch(() => cancellation.race(new Promise(() => {})));
  cancellation.abort("enough");
  assertEquals(await outcomeOf(again), { reason: "enough" });
});

Deno.test("Cancellation.race() settles as the work does, whatever comes later", async () => {
  const cancellation = new Cancellation();
  const failure = new Error("failed");
  assertEquals(await cancellation.race(Promise.resolve(1)), 1);
  assertStrictEquals(await assertRejects(() => cancellation.race(Promise.reject(failure))), failure);
  cancellation.abort("later");
});

Deno.test("Cancellation.race() leaves no rejection unhandled when the work fails after the abort", async () => {
  const unhandled: unknown[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  const cancellation = new Cancellation();
  const { promise, reject } = Promise.withResolvers();
  const race = outcomeOf(cancellation.race(promise));
  cancellation.abort("enough");
  reject(new Error("too late"));
  assertEquals(await race, { reason: "enough" });
  await new Promise((resolve) => setTimeout(resolve, 0)); // when the platform reports them
  globalThis.removeEventListener("unhandledrejection", listener);
  assertEquals(unhandled, []);
});

Deno.test("Cancellation has those who wait go on in the async context of their own", async () => {
  const storage = new AsyncLocalStorage<string>();
  const cancellation = new Cancellation();
  const context = storage.run("who waits", async () => {
    await cancellation.race(new Promise(() => {})).catch(() => {});
    return storage.getStore();
  });
  storage.run("who aborts", () => cancellation.abort("enough"));
  assertEquals(await context, "who waits");
});

Deno.test("Cancellation.forgetWaits() leaves the waits before it to whoever waits", async () => {
  const cancellation = new Cancellation();
  const { promise, resolve } = Promise.withResolvers<string>();
  const before = [1, 2].map(() => outcomeOf(cancellation.race(promise)));
  cancellation.forgetWaits();
  const after = outcomeOf(cancellation.race(promise));
  cancellation.abort("enough");
  assertEquals(await after, { reason: "enough" });
  resolve("done");
  assertEquals(await Promise.all(before), [{ value: "done" }, { value: "done" }]);
});

Deno.test("Cancellation keeps nothing of what a wait has ended with, though another one goes on", async () => {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  for (const others of [0, 1]) {
    for (const settled of [Promise.resolve.bind(Promise), Promise.reject.bind(Promise)]) {
      const cancellation = new Cancellation();
      for (let i = 0; i < others; i++) cancellation.race(new Promise(() => {}));
      const values: WeakRef<object>[] = [];
      for (let i = 0; i < 100; i++) {
        const value = new Array(1000).fill(i);
        values.push(new WeakRef(value));
        await cancellation.race(settled(value)).catch(() => {});
      }
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 0)); // a WeakRef holds until the end of the turn
        gc();
      }
      const kept = values.filter((value) => value.deref() !== undefined).length;
      assert(kept <= 2, `${kept}`); // the stack may hold the last ones
      assert(!cancellation.aborted);
    }
  }
});
