// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals } from "@std/assert";
import {
  after,
  afterReal,
  areTimersFaked,
  areTurnsFaked,
  Clock,
  realTimers,
  removeTimer,
  takeTurns,
} from "../_internal/timers.ts";
import { FakeClock, withNow } from "./fake_clock.ts";

/** Replaces globals, and what the module holds for real timers, until it is disposed of. */
function replace(globals: object, real: object = {}): Disposable {
  const { setTimeout, clearTimeout, setImmediate } = globalThis;
  const alive = setInterval(() => {}, 1000); // as a request keeps the process alive
  Object.assign(globalThis, globals);
  Object.assign(realTimers, real);
  return {
    [Symbol.dispose]() {
      clearInterval(alive);
      Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate });
      Object.assign(realTimers, { setTimeout, clearTimeout });
    },
  };
}

/**
 * A fake that nobody ticks, as those of `@sinonjs/fake-timers` and Bun's own are told from real
 * ones.
 */
function fake() {
  return Object.assign(() => 1, { clock: true });
}

Deno.test("areTimersFaked() and areTurnsFaked() know other functions, and the same ones with a clock", () => {
  assertEquals([areTimersFaked(), areTurnsFaked()], [false, false]);
  {
    using _ = replace({ setTimeout: () => 1, setImmediate: () => 1 });
    assertEquals([areTimersFaked(), areTurnsFaked()], [true, true]);
  }
  {
    const setTimeout = fake();
    using _ = replace({ setTimeout }, { setTimeout });
    assertEquals(areTimersFaked(), true);
  }
  assertEquals([areTimersFaked(), areTurnsFaked()], [false, false]);
});

Deno.test("takeTurns() takes the runtime's own turns if the global ones are fakes", async () => {
  using _ = replace({ setImmediate: fake() });
  await new Promise<void>((resolve) => takeTurns().setImmediate!(resolve));
});

Deno.test("afterReal() calls back in real time though nobody ticks", async () => {
  const setTimeout = fake();
  for (const real of [{}, { setTimeout }]) { // the second as Bun's own fakes
    using _ = replace({ setTimeout }, real);
    const start = performance.now();
    await new Promise<void>((resolve) => afterReal(20, resolve));
    assertEquals(performance.now() - start >= 19, true);
  }
});

Deno.test("afterReal() does not call back once its timer is removed", async () => {
  const setTimeout = fake();
  for (const real of [{}, { setTimeout }]) {
    using _ = replace({ setTimeout }, real);
    const calls: string[] = [];
    const remove = afterReal(5, () => calls.push("removed"));
    remove();
    remove();
    await new Promise<void>((resolve) => afterReal(30, resolve));
    assertEquals(calls, []);
  }
});

Deno.test("removeTimer() does not mind fakes that throw once they are gone", () => {
  const removed: unknown[] = [];
  const timer = setTimeout(() => {}, 1000);
  removeTimer((timer) => removed.push(timer), timer);
  removeTimer(() => {
    throw new TypeError("The time is not faked");
  }, timer);
  clearTimeout(timer);
  assertEquals(removed, [timer]);
});

Deno.test("removeTimer() removes no timer of the next test that mocks the time of node:test", () => {
  const timer = { priorityQueuePosition: 1 } as unknown as ReturnType<typeof setTimeout>;
  const removed: unknown[] = [];
  const clear = (timer: unknown) => void removed.push(timer);
  {
    using _ = replace({ clearTimeout: clear });
    removeTimer(clear, timer);
  }
  removeTimer(clear, timer);
  assertEquals(removed, [timer]);
});

Deno.test("after() calls back once, in real time or in faked time, whichever comes first", async () => {
  using clock = new FakeClock().install(); // for the module it is the real one
  const calls: string[] = [];
  const made: (() => void)[] = [];
  let removed = 0;
  const fakes = { setTimeout: (callback: () => void) => made.push(callback), clearTimeout: () => removed++ };
  Object.assign(globalThis, fakes);
  after(100, () => calls.push("faked"));
  made.pop()!();
  assertEquals([calls.splice(0), clock.pending, removed], [["faked"], 0, 1]);
  after(100, () => calls.push("real"));
  await clock.tick(100);
  assertEquals([calls.splice(0), clock.pending, removed], [["real"], 0, 2]);
  after(100, () => calls.push("none"))();
  assertEquals([clock.pending, removed], [0, 3]);
});

Deno.test("Clock.now() stands still instead of going back, and goes on from there", async () => {
  let time = 1000;
  await withNow(() => time, () => {
    const clock = new Clock();
    const times: number[] = [];
    for (time of [1000, 1010, 1e9, 1020, 1025, 3, 5, 5]) times.push(clock.now());
    assertEquals(times, [1000, 1010, 1e9, 1e9, 1e9 + 5, 1e9 + 5, 1e9 + 7, 1e9 + 7]);
  });
});

Deno.test("Clock.now() stands still while a mock gives no time", () => {
  using fake = new FakeClock().install();
  const clock = new Clock();
  const start = clock.now();
  const { now } = performance;
  const throwing = () => {
    throw new Error("The clock is a mock");
  };
  for (const value of [throwing, () => undefined, () => "1", undefined]) {
    Object.defineProperty(performance, "now", { configurable: true, value });
    assertEquals([clock.now(), Number.isFinite(new Clock().now())], [start, true]);
  }
  Object.defineProperty(performance, "now", { configurable: true, value: now });
  assertEquals(clock.now(), start);
  fake.advance(10);
  assertEquals(clock.now(), start + 10);
});

Deno.test("Clock.advance() moves the time on", async () => {
  await withNow(() => 1000, () => {
    const clock = new Clock();
    clock.advance(250);
    assertEquals(clock.now(), 1250);
    assertEquals(clock.now(), 1250);
  });
});
