// Copyright 2026 the Hangup authors. MIT license.

import { turns } from "./fake_turns.ts"; // before the module that takes setImmediate
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Deadlines, type Sweep } from "../_internal/deadlines.ts";
import { Clock, realTimers } from "../_internal/timers.ts";
import { FakeClock, withNow } from "./fake_clock.ts";

/** How many turns of the event loop it may take at most until what has arrived is read. */
const TURNS_OF_INPUT = 512;

/** What a sweep finds if nothing is due, and no deadline is left. */
const NOTHING: Sweep = { next: Infinity, end: () => {} };

/** What one test has. */
interface Context {
  clock: FakeClock;
  deadlines: Deadlines;
  /** The deadlines that have not come. */
  left: Set<number>;
  /** The times of the sweeps. */
  sweeps: number[];
}

/** The module on a platform without turns, as in browsers. */
async function loadWithoutTurns(): Promise<{ Clock: typeof Clock; Deadlines: typeof Deadlines }> {
  const { setImmediate } = globalThis;
  Object.assign(globalThis, { setImmediate: undefined });
  try {
    return await import(`${new URL("../_internal/deadlines.ts", import.meta.url)}?without-turns`);
  } finally {
    Object.assign(globalThis, { setImmediate });
  }
}

const withoutTurns = await loadWithoutTurns();

/** Runs `test` with a fake clock and a `Deadlines` whose deadlines are the entries of `left`. */
function withDeadlines(test: (context: Context) => Promise<void>, module = { Deadlines }): () => Promise<void> {
  return async () => {
    const clock = new FakeClock().install();
    try {
      const left = new Set<number>();
      const sweeps: number[] = [];
      const deadlines = new module.Deadlines(new Clock(), (now) => {
        sweeps.push(now);
        let next = Infinity;
        for (const deadline of left) {
          if (deadline > now) next = Math.min(next, deadline);
        }
        return { next, end: () => left.forEach((deadline) => deadline <= now && left.delete(deadline)) };
      });
      await test({ clock, deadlines, left, sweeps });
      assertEquals([clock.pending, turns.pending], [0, 0]);
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
  "Deadlines expires nothing before its time, nor spins, when a timer fires a little early",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    clock.early = 0.75;
    deadlines.arm(1100);
    clock.early = 0;
    await clock.tick(99.5);
    assertEquals([[...left], sweeps], [[1100], [1099.25]]);
    await clock.tick(10);
    assertEquals([...left], []);
    assert(sweeps.length <= 3, `${sweeps}`);
    assert(clock.delays.every((delay) => delay >= 1 && Number.isInteger(delay)), `${clock.delays}`);
  }),
);

Deno.test(
  "Deadlines takes a timer's word for the time if timers are always a little early",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    clock.early = 0.95;
    deadlines.arm(1100);
    await clock.tick(101);
    assertEquals([...left], []);
    assert(sweeps.length <= 3, `${sweeps}`);
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
      return { next: left > 0 ? now + 1 : Infinity, end: () => {} };
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
    assertEquals([clock.delays[length + 1], clock.delays.at(-1), clock.pending], [160, 160, 1]);
    deadlines.clear();
    assertEquals(clock.pending, 0);
  } finally {
    clock.restore();
  }
});

Deno.test("Deadlines makes no pause for the time that it takes to end what is due", async () => {
  const clock = new FakeClock().install();
  try {
    let next = 1200;
    const deadlines = new Deadlines(new Clock(), () => ({ next, end: () => clock.advance(50) }));
    deadlines.arm(1100);
    await clock.tick(100);
    assertEquals(clock.delays, [100, 50]);
    next = Infinity;
    await clock.tick(50);
    assertEquals(clock.pending, 0);
  } finally {
    clock.restore();
  }
});

Deno.test(
  "Deadlines keeps its timer where a mock of setTimeout() throws, and sweeps by the real one from then on",
  withDeadlines(async ({ clock, deadlines, left }) => {
    left.add(1100).add(1200);
    deadlines.arm(1100);
    const { setTimeout } = globalThis;
    globalThis.setTimeout = (() => {
      throw new RangeError("The timer is a mock");
    }) as unknown as typeof setTimeout;
    try {
      assertThrows(() => deadlines.arm(1050), RangeError);
      await clock.tick(100);
      assertEquals([...left], [1200]);
      await clock.tick(100);
      assertEquals([...left], []);
    } finally {
      globalThis.setTimeout = setTimeout;
    }
  }),
);

Deno.test("Deadlines heeds arm() and clear() called while it sweeps", async () => {
  const clock = new FakeClock().install();
  try {
    let during = () => {};
    let next = Infinity;
    let sweeps = 0;
    const deadlines: Deadlines = new Deadlines(new Clock(), () => {
      sweeps++;
      const result = { next, end: during };
      next = Infinity;
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
  using clock = new FakeClock().install();
  let sweeps = 0;
  const end = () => {
    if (++sweeps === 1) throw new RangeError("once");
  };
  const deadlines = new Deadlines(new Clock(), () => ({ next: Infinity, end }));
  deadlines.arm(0);
  assertThrows(() => clock.jump(1), RangeError, "once");
  clock.jump(1);
  assertEquals([sweeps, clock.pending], [2, 0]);
});

Deno.test(
  "Deadlines.arm() notices that a faked timer was lost, and sweeps after turns of input, without a timer",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    using _ = fakeTimers(); // nobody ticks them
    for (const deadline of [1100, 2500]) left.add(deadline);
    deadlines.arm(1100);
    await clock.tick(1100);
    deadlines.arm(2500); // so late a busy event loop can be
    assertEquals(turns.pending, 0);
    await clock.tick(1);
    deadlines.arm(2500);
    assertEquals([turns.pending, sweeps], [1, []]);
    takeTurns();
    assertEquals([sweeps, [...left]], [[2101], [2500]]);
    deadlines.clear();
  }),
);

Deno.test(
  "Deadlines.arm() lets turns of input pass before it sweeps, though the fakes that lost its timer are gone",
  withDeadlines(({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    {
      using _ = fakeTimers();
      deadlines.arm(1100);
    }
    clock.advance(1101); // a busy event loop, so that nothing has noticed yet
    deadlines.arm(9000);
    assertEquals([turns.pending, clock.pending, sweeps], [1, 0, []]);
    takeTurns();
    assertEquals([sweeps, [...left]], [[2101], []]);
    deadlines.clear();
    return Promise.resolve();
  }),
);

Deno.test(
  "Deadlines.arm() sweeps at once if its timer was lost on workerd",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.lose();
    left.add(2500);
    await clock.tick(1101);
    const { userAgent } = navigator;
    Object.defineProperty(navigator, "userAgent", { value: "Cloudflare-Workers", configurable: true });
    deadlines.arm(2500);
    Object.defineProperty(navigator, "userAgent", { value: userAgent, configurable: true });
    assertEquals([sweeps, [...left], clock.pending], [[2101], [2500], 1]);
    await clock.tick(1000);
    assertEquals(sweeps, [2101, 2500]);
  }, withoutTurns),
);

Deno.test(
  "Deadlines.arm() takes no real timer for lost because the clock has jumped",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    for (const deadline of [1100, 9000]) left.add(deadline);
    deadlines.arm(1100);
    clock.advance(5000);
    deadlines.arm(9000);
    assertEquals([sweeps, turns.pending, clock.pending], [[], 0, 1]);
    deadlines.clear();
    await clock.tick();
  }),
);

/** Lets turns pass until nobody counts them. */
function takeTurns(): number {
  let count = 0;
  for (; turns.pending > 0; count++) turns.take();
  return count;
}

Deno.test(
  "Deadlines lets a busy event loop read what has arrived before anything expires",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    for (const deadline of [1100, 1200]) left.add(deadline);
    deadlines.arm(1100);
    clock.jump(150);
    assertEquals([sweeps, turns.pending], [[], 1]);
    turns.take();
    // What has arrived moves the deadline.
    left.delete(1100);
    assertEquals(sweeps, []);
    const count = 1 + takeTurns();
    assert(count > 1 && count <= TURNS_OF_INPUT, `${count}`);
    assertEquals([sweeps, [...left]], [[1150], [1200]]);
    await clock.tick(50);
    assertEquals(sweeps, [1150, 1200]);
  }),
);

Deno.test(
  "Deadlines reads input for 100 ms and 8 turns at most in a program whose turns are long",
  withDeadlines(async ({ clock, deadlines, left }) => {
    for (const [turn, expected] of [[1, 100], [20, 8], [500, 8], [0.1, TURNS_OF_INPUT]] as const) {
      const deadline = clock.now + 100;
      left.add(deadline);
      deadlines.arm(deadline);
      clock.jump(150);
      let count = 0;
      for (; left.size > 0; count++) {
        clock.advance(turn);
        turns.take();
      }
      assertEquals(count, expected, `with turns of ${turn} ms`);
      await clock.tick();
    }
  }),
);

Deno.test(
  "Deadlines sweeps at once when its timer is on time",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.jump(101);
    assertEquals([sweeps, turns.pending], [[1101], 0]);
    await clock.tick();
  }),
);

Deno.test(
  "Deadlines.clear() ends the turns of input too",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    deadlines.arm(1100);
    clock.jump(150);
    turns.take();
    deadlines.clear();
    takeTurns();
    assertEquals(sweeps, []);
    left.add(1300);
    deadlines.arm(1300);
    await clock.tick(150);
    assertEquals(sweeps, [1300]);
  }),
);

Deno.test(
  "Deadlines.arm() during the turns of input sets a timer for nothing, and loses nothing",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.jump(150);
    left.add(1200);
    deadlines.arm(1200);
    assertEquals([clock.pending, turns.pending], [0, 1]);
    takeTurns();
    assertEquals([sweeps, [...left], clock.pending], [[1150], [1200], 1]);
    await clock.tick(50);
    assertEquals(left.size, 0);
  }),
);

for (const module of [undefined, withoutTurns]) {
  Deno.test(
    `Deadlines goes on reading what has arrived though a read arms the past deadline ${
      module ? "without turns" : "again"
    }`,
    withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
      left.add(1100);
      deadlines.arm(1100);
      clock.jump(150);
      turns.take();
      deadlines.arm(1100); // the next chunk of a body that has a total timeout
      await clock.tick(50);
      assertEquals(sweeps, []);
      if (module) await clock.tick(50);
      else takeTurns();
      assertEquals([sweeps.length, left.size], [1, 0]);
    }, module),
  );
}

Deno.test(
  "Deadlines without turns expires a new deadline in time while it goes on reading what has arrived",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.jump(40_000); // a frozen tab: the timer is late by 39.9 s, so reading takes some 10 s
    left.add(41_500);
    deadlines.arm(41_500);
    await clock.tick(499);
    assertEquals(sweeps, []);
    await clock.tick(1);
    assertEquals([sweeps, left.size], [[41_500], 0]);
  }, withoutTurns),
);

Deno.test(
  "Deadlines.rest() without a timer, or with one that holds the process in any case, leaves none",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    deadlines.rest();
    deadlines.arm(1100);
    deadlines.rest(); // the fake timers have no unref()
    assertEquals(clock.pending, 0);
    deadlines.arm(1100);
    clock.jump(150);
    deadlines.rest();
    takeTurns();
    assertEquals(sweeps, []);
    left.add(1200);
    deadlines.arm(1200);
    await clock.tick(50);
    assertEquals([sweeps, left.size], [[1200], 0]);
  }),
);

Deno.test("Deadlines.rest() keeps the timer, and arm() has it hold the process again", () => {
  const { setTimeout, clearTimeout } = globalThis;
  const log: string[] = [];
  let made = 0;
  const fakes = {
    setTimeout: () => {
      const id = ++made;
      log.push(`set ${id}`);
      return { ref: () => log.push(`ref ${id}`), unref: () => log.push(`unref ${id}`), id };
    },
    clearTimeout: (timer: { id: number }) => log.push(`clear ${timer.id}`),
  };
  for (const timers of [globalThis, realTimers]) Object.assign(timers, fakes); // as a platform has them
  try {
    const clock = new Clock();
    const deadlines = new Deadlines(clock, () => NOTHING);
    const deadline = clock.now() + 60_000;
    deadlines.arm(deadline);
    deadlines.rest();
    assertEquals(log.splice(0), ["set 1", "unref 1"]);
    deadlines.arm(deadline + 1);
    assertEquals(log.splice(0), ["ref 1"]);
    deadlines.arm(deadline + 1);
    assertEquals(log.splice(0), []);
    deadlines.rest();
    deadlines.clear();
    deadlines.arm(deadline);
    assertEquals(log.splice(0).filter((entry) => !entry.startsWith("ref")), ["unref 1", "clear 1", "set 2"]);
    Object.assign(globalThis, { Zone: {} }); // zone.js, for which a program is not idle before its timers are gone
    deadlines.rest();
    assertEquals(log.splice(0), ["clear 2"]);
  } finally {
    for (const timers of [globalThis, realTimers]) Object.assign(timers, { setTimeout, clearTimeout });
    Reflect.deleteProperty(globalThis, "Zone");
  }
});

/** Replaces the global timers alone, as a test does that fakes them. */
function fakeTimers() {
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new Map<number, () => void>();
  let last = 0;
  const fakes = {
    setTimeout: (callback: () => void) => timers.set(++last, callback) && last,
    clearTimeout: (id: number) => timers.delete(id),
  };
  Object.assign(globalThis, fakes);
  return { timers, [Symbol.dispose]: () => Object.assign(globalThis, { setTimeout, clearTimeout }) };
}

Deno.test(
  "Deadlines makes a timer anew that is lost because timers are no longer faked",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(3000);
    {
      using fakes = fakeTimers();
      deadlines.arm(3000);
      assertEquals([fakes.timers.size, clock.pending], [1, 1]);
      await clock.tick(1000); // nobody ticks the fakes
      assertEquals([fakes.timers.size, clock.pending, sweeps], [1, 1, []]);
    }
    await clock.tick(999);
    assertEquals(sweeps, []);
    await clock.tick(1);
    assertEquals([sweeps, clock.pending], [[3000], 0]);
  }),
);

Deno.test(
  "Deadlines leaves no timer of either kind when timers are faked",
  withDeadlines(({ clock, deadlines }) => {
    using fakes = fakeTimers();
    for (const end of [() => deadlines.clear(), () => deadlines.rest(), () => [...fakes.timers.values()][0]!()]) {
      deadlines.arm(3000);
      assertEquals([fakes.timers.size, clock.pending], [1, 1]);
      end();
      assertEquals(clock.pending, 0);
      deadlines.clear();
      fakes.timers.clear();
    }
    return Promise.resolve();
  }),
);

Deno.test("Clock does not leap when a test fakes the time or no longer does", () => {
  const clock = new Clock();
  const before = clock.now();
  {
    using fake = new FakeClock().install();
    fake.advance(10_000_000);
    const first = clock.now();
    assert(Math.abs(first - before) < 1000, `${first - before}`);
    fake.advance(500);
    assertEquals(Math.round(clock.now() - first), 500);
  }
  const after = clock.now();
  assert(after > before + 499 && after < before + 2000, `${after - before}`);
});

Deno.test(
  "Deadlines expires in time on a busy platform without turns",
  withDeadlines(async ({ clock, deadlines, left }) => {
    left.add(1100);
    deadlines.arm(1100);
    // Every timer is late: the page is busy, or is in the background, where timers fire once in a
    // second.
    for (let fired = 0; fired < 5 && left.size > 0; fired++) {
      clock.jump(1000);
      await clock.tick();
    }
    assertEquals(left.size, 0, "nothing ever expires");
  }, withoutTurns),
);

Deno.test(
  "Deadlines gives a busy platform without turns 100 ms to read what has arrived, before anything expires",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.jump(500);
    await clock.tick(99);
    assertEquals(sweeps, []);
    await clock.tick(1);
    assertEquals(sweeps, [1600]);
  }, withoutTurns),
);

Deno.test(
  "Deadlines gives a platform without turns more time to read if it was busy for long",
  withDeadlines(async ({ clock, deadlines, left, sweeps }) => {
    left.add(1100);
    deadlines.arm(1100);
    clock.jump(100 + 2000);
    await clock.tick(499);
    assertEquals(sweeps, []);
    await clock.tick(1);
    assertEquals(sweeps, [3600]);
  }, withoutTurns),
);

Deno.test("Deadlines expires in time though the clock went back", async () => {
  const fake = new FakeClock().install();
  try {
    const clock = new Clock();
    const left: number[] = [];
    let now = () => fake.now;
    await withNow(() => now(), async () => {
      const deadlines = new Deadlines(clock, (now) => {
        while (left.length > 0 && left[0]! <= now) left.shift();
        return { ...NOTHING, next: left[0] ?? Infinity };
      });
      const arm = (timeout: number) => {
        left.push(clock.now() + timeout);
        deadlines.arm(left.at(-1)!);
      };
      now = () => fake.now + 1e9; // a test's clock
      arm(5);
      await fake.tick(5);
      assertEquals(left.length, 0);
      now = () => fake.now;
      arm(50);
      await fake.tick(49);
      assertEquals(left.length, 1);
      await fake.tick(1);
      assertEquals([left.length, fake.pending], [0, 0]);
      // It goes back while a deadline is armed.
      arm(50);
      await fake.tick(25);
      now = () => fake.now - 500;
      await fake.tick(60);
      assertEquals([left.length, fake.pending], [0, 0]);
    });
  } finally {
    fake.restore();
  }
});

/** Timers that a test fires by steps of a time of their own. */
class FakeTimers implements Disposable {
  readonly timers = new Map<number, { due: number; callback: () => void }>();
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  #now = 0;
  #last = 0;

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, delay: number) => {
        this.timers.set(++this.#last, { due: this.#now + delay, callback });
        return this.#last;
      },
      clearTimeout: (id: number) => {
        assert(this.timers.has(id), `not a timer of this clock: ${id}`);
        this.timers.delete(id);
      },
    });
  }

  tick(ms: number): void {
    this.#now += ms;
    for (const [id, { due, callback }] of [...this.timers]) {
      if (due > this.#now || !this.timers.delete(id)) continue;
      callback();
    }
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}

Deno.test("Deadlines expires when faked timers say so, though performance.now() is real", async () => {
  for (const step of [60_000, 5000, 100, 1]) {
    using timers = new FakeTimers();
    await withNow(() => 1000, () => {
      let expired = 0;
      const deadlines = new Deadlines(new Clock(), (now) => {
        const isDue = now >= 6000;
        return { next: isDue ? Infinity : 6000, end: () => isDue && (expired = now) };
      });
      deadlines.arm(6000);
      let ticks = 0;
      for (; expired === 0 && ticks < 20_000 / step; ticks++) timers.tick(step);
      assert(expired >= 6000, `steps of ${step} ms: ${expired}`);
      assert(ticks * step >= 5000 && ticks <= Math.ceil(5000 / step) + 2, `${ticks} steps of ${step} ms`);
      assertEquals([timers.timers.size, turns.pending], [0, 0]);
    });
  }
});

Deno.test("Deadlines.clear() removes a timer by the function of the clock that made it", () => {
  const first = new FakeTimers();
  const deadlines = new Deadlines(new Clock(), () => NOTHING);
  deadlines.arm(performance.now() + 1000);
  {
    using second = new FakeTimers();
    deadlines.clear();
    assertEquals([first.timers.size, second.timers.size], [0, 0]);
  }
  first[Symbol.dispose]();
});

Deno.test("Deadlines.arm() sets its timer anew when timers were replaced", () => {
  let sweeps = 0;
  using first = new FakeTimers();
  const clock = new Clock();
  const deadline = clock.now() + 60_000;
  const deadlines = new Deadlines(clock, () => {
    sweeps++;
    return NOTHING;
  });
  deadlines.arm(deadline);
  {
    using second = new FakeTimers();
    deadlines.arm(deadline + 1); // a later one, and yet the test's clock must end the earlier one
    assertEquals([first.timers.size, second.timers.size], [0, 1]);
    second.tick(60_000);
    assertEquals([sweeps, second.timers.size], [1, 0]);
    deadlines.arm(clock.now() + 60_000);
    assertEquals(second.timers.size, 1);
  }
  deadlines.arm(clock.now() + 60_000);
  assertEquals(first.timers.size, 1);
  first.tick(60_001);
  assertEquals([sweeps, first.timers.size], [2, 0]);
});
