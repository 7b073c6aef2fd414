// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Clock, Deadlines } from "../_internal/deadlines.ts";
import { FakeClock } from "./fake_clock.ts";

/** Runs `test` with a fake clock and a `Deadlines` whose deadlines are the entries of `left`. */
function withDeadlines(
  test: (context: { clock: FakeClock; deadlines: Deadlines; left: Set<number>; sweeps: number[] }) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const clock = new FakeClock().install();
    try {
      const left = new Set<number>();
      const sweeps: number[] = [];
      const deadlines = new Deadlines(new Clock(), (now) => {
        sweeps.push(now);
        let next = Infinity;
        for (const deadline of left) {
          if (deadline <= now) left.delete(deadline);
          else next = Math.min(next, deadline);
        }
        return next;
      });
      await test({ clock, deadlines, left, sweeps });
      assertEquals(clock.pending, 0);
    } finally {
      clock.restore();
    }
  };
}

Deno.test(
  "Deadlines.arm() sweeps when the deadline has come, and leaves no timer",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    await clock.tick(99);
    assertEquals(sweeps, []);
    await clock.tick(1);
    assertEquals(sweeps, [1100]);
  }),
);

Deno.test(
  "Deadlines.arm() sets a timer only for a deadline earlier than the one armed",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    for (const deadline of [1100, 1200, 1100, 1050]) {
      left.add(deadline);
      deadlines.arm(deadline);
      assertEquals(clock.pending, 1);
    }
    assertEquals(clock.delays, [100, 50]);
    await clock.tick(1000);
    assertEquals(sweeps, [1050, 1100, 1200]);
  }),
);

Deno.test(
  "Deadlines.arm() rounds up, so that the timer fires once",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100.5);
    deadlines.arm(1100.5);
    assertEquals(clock.delays, [101]);
    await clock.tick(1000);
    assertEquals(sweeps, [1101]);
  }),
);

Deno.test(
  "Deadlines.arm() sets no timer for Infinity",
  withDeadlines(async ({ clock, deadlines }) => {
    deadlines.arm(Infinity);
    assertEquals(clock.pending, 0);
    await clock.tick(1000);
  }),
);

Deno.test(
  "Deadlines.arm() sweeps soon for a deadline in the past",
  withDeadlines(async ({ clock, deadlines, sweeps }) => {
    deadlines.arm(5);
    await clock.tick(1);
    assertEquals(sweeps, [1001]);
  }),
);

Deno.test(
  "Deadlines.clear() removes the timer, and arm() sets it again",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    deadlines.arm(1100);
    deadlines.clear();
    deadlines.clear();
    assertEquals(clock.pending, 0);
    left.add(1200);
    deadlines.arm(1200);
    await clock.tick(1000);
    assertEquals(sweeps, [1200]);
  }),
);

Deno.test(
  "Deadlines expires nothing before its time, nor spins, when timers fire early",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    clock.early = 0.75;
    left.add(1100);
    deadlines.arm(1100);
    await clock.tick(99.5);
    assertEquals([...left], [1100]);
    await clock.tick(10);
    assertEquals([...left], []);
    assert(sweeps.length <= 5, `${sweeps}`);
    assert(clock.delays.every((delay) => delay >= 1 && Number.isInteger(delay)), `${clock.delays}`);
  }),
);

Deno.test(
  "Deadlines waits in steps for what is longer than setTimeout can wait",
  withDeadlines(async ({ clock, deadlines, left }) => {
    const deadline = 1000 + 2 ** 33;
    left.add(deadline);
    deadlines.arm(deadline);
    await clock.tick(2 ** 33 - 1);
    assertEquals([left.size, clock.fired], [1, 4]);
    await clock.tick(2);
    assertEquals([left.size, clock.fired], [0, 5]);
    assert(clock.delays.every((delay) => delay < 2 ** 31));
  }),
);

Deno.test("Deadlines pauses for 16 times as long as a sweep takes", async () => {
  const clock = new FakeClock().install();
  try {
    let left = 1000;
    let sweeps = 0;
    const deadlines = new Deadlines(new Clock(), (now) => {
      sweeps++;
      left = Math.max(0, 1000 - (now - 1010));
      clock.advance(10);
      return left > 0 ? now + 1 : Infinity;
    });
    deadlines.arm(1010);
    deadlines.arm(1009);
    await clock.tick(2000);
    assertEquals([left, sweeps], [0, 7]);
    // A new deadline waits for the end of the pause too.
    const { length } = clock.delays;
    deadlines.arm(clock.now + 5);
    assertEquals(clock.delays.slice(length), [5]);
    await clock.tick(5);
    deadlines.arm(clock.now + 5);
    deadlines.arm(clock.now + 1);
    assertEquals(clock.delays.slice(length), [5, 160]);
    deadlines.clear();
    assertEquals(clock.pending, 0);
  } finally {
    clock.restore();
  }
});

Deno.test("Deadlines heeds arm() and clear() called while it sweeps", async () => {
  const clock = new FakeClock().install();
  try {
    let during = () => {};
    let next = Infinity;
    let sweeps = 0;
    const deadlines: Deadlines = new Deadlines(new Clock(), () => {
      sweeps++;
      const result = next;
      next = Infinity;
      during();
      return result;
    });
    during = () => deadlines.arm(1150);
    next = 1400;
    deadlines.arm(1100);
    await clock.tick(100);
    assertEquals(clock.delays, [100, 50]);

    during = () => deadlines.clear();
    next = 1400;
    await clock.tick(50);
    assertEquals([sweeps, clock.pending], [2, 0]);

    during = () => {
      deadlines.clear();
      deadlines.arm(1300);
    };
    next = 1200;
    deadlines.arm(1160);
    await clock.tick(10);
    assertEquals([sweeps, clock.pending, clock.delays.at(-1)], [3, 1, 140]);
    during = () => {};
    await clock.tick(140);
    assertEquals([sweeps, clock.pending], [4, 0]);
  } finally {
    clock.restore();
  }
});

Deno.test("Deadlines tries again after a sweep that threw", () => {
  const { setTimeout, clearTimeout } = globalThis;
  const timers: (() => void)[] = [];
  Object.assign(globalThis, { setTimeout: (callback: () => void) => timers.push(callback), clearTimeout: () => {} });
  try {
    let sweeps = 0;
    const deadlines = new Deadlines(new Clock(), () => {
      if (++sweeps === 1) throw new RangeError("once");
      return Infinity;
    });
    deadlines.arm(0);
    assertThrows(() => timers.shift()!(), RangeError, "once");
    timers.shift()!();
    assertEquals([sweeps, timers.length], [2, 0]);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
});

Deno.test(
  "Deadlines.arm() starts a timer that was lost anew, even for a later deadline",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.lose();
    left.add(2500);
    await clock.tick(1000);
    deadlines.arm(2500); // so late a busy event loop can be
    assertEquals(clock.pending, 0);
    await clock.tick(101);
    deadlines.arm(2500);
    assertEquals([sweeps, [...left]], [[2101], [2500]]);
    await clock.tick(1000);
    assertEquals(sweeps, [2101, 2500]);
  }),
);
