// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals, assertStrictEquals } from "@std/assert";
import { Clock } from "../_internal/timers.ts";
import { mergeTimeouts, Timing } from "../_internal/timing.ts";
import { FakeClock } from "./fake_clock.ts";
import { assertRefuses } from "./refusing.ts";

const START = 1000;
const TIMEOUTS = { queue: 50, headers: 100, idle: 200, total: 1000, upload: 300 };

/** A request that was made now, and the clock that moves on. */
function withTiming(test: (timing: Timing, clock: FakeClock) => void, timeouts = TIMEOUTS): () => void {
  return () => {
    using clock = new FakeClock().install();
    test(new Timing(new Clock(), timeouts), clock);
  };
}

/** A wait for headers that took this many milliseconds. */
function waitForHeaders(timing: Timing, clock: FakeClock, ms: number): void {
  timing.begin("headers");
  clock.advance(ms);
  timing.finish();
}

Deno.test(
  "Timing has only the total timeout while nothing is waited for",
  withTiming((timing, clock) => {
    assertEquals([timing.deadline, timing.age], [START + 1000, 0]);
    clock.advance(12.4);
    assertEquals([timing.deadline, timing.age], [START + 1000, 12]);
  }),
);

Deno.test(
  "Timing has no deadline without a timeout",
  withTiming((timing) => {
    assertEquals(timing.deadline, Infinity);
    timing.begin("headers");
    assertEquals(timing.deadline, Infinity);
  }, { ...TIMEOUTS, headers: Infinity, idle: Infinity, total: Infinity }),
);

Deno.test(
  "Timing.begin() starts the timeout of its phase and returns the time, and finish() ends it",
  withTiming((timing, clock) => {
    assertEquals(timing.begin("headers"), START);
    assertEquals(timing.deadline, START + 100);
    clock.advance(60);
    timing.finish();
    assertEquals(timing.deadline, START + 1000);
    timing.begin("idle");
    assertEquals(timing.deadline, START + 260);
    assertEquals(timing.expired(), { phase: "idle", timeout: 200, queued: 0 });
  }),
);

Deno.test(
  "Timing.begin() reads the clock again once the caller decides when to wait",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 30);
    timing.handOver();
    for (const time of [80, 130]) {
      clock.advance(50); // the caller does something else
      assertEquals(timing.begin("idle"), START + time);
      assertEquals(timing.deadline, START + time + 200);
      timing.finish();
    }
  }),
);

Deno.test(
  "Timing.begin() reads the clock again after a wait that began at a known time",
  withTiming((timing, clock) => {
    assertEquals(timing.begin("idle"), START);
    clock.advance(30);
    assertEquals(timing.begin("idle"), START + 30); // a second read at once
  }),
);

Deno.test(
  "Timing never goes beyond the total timeout",
  withTiming((timing, clock) => {
    timing.handOver();
    clock.advance(950);
    timing.begin("headers");
    assertEquals(timing.deadline, START + 1000);
    timing.uploaded();
    assertEquals(timing.deadline, START + 1000);
    timing.finish();
    timing.begin("idle");
    timing.begin("idle");
    timing.finish();
    assertEquals(timing.deadline, START + 1000);
  }),
);

Deno.test(
  "Timing.begin() waits for the headers after a large body as long as the timeout of the upload",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 30); // for the cookie jar
    timing.begin("upload");
    assertEquals(timing.deadline, START + 700);
    assertEquals(timing.expired(), { phase: "headers", timeout: 700, queued: 0 });
    clock.advance(500);
    timing.finish();
    timing.begin("headers"); // for the cookie jar again
    assertEquals(timing.deadline, START + 30 + 500 + 100);
  }, { ...TIMEOUTS, upload: 700 }),
);

Deno.test(
  "Timing gives all waits for the same headers one timeout",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 30); // for the cookie jar
    timing.queue();
    clock.advance(500); // the queue, which has a timeout of its own
    timing.dequeue();
    timing.begin("headers");
    assertEquals(timing.deadline, START + 600);
    clock.advance(60);
    timing.finish();
    timing.begin("headers");
    assertEquals(timing.deadline, START + 600);
  }),
);

Deno.test(
  "Timing counts no wait for a body towards the timeout of the headers, nor against it",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 30);
    timing.begin("idle");
    clock.advance(40);
    timing.finish();
    timing.begin("headers"); // for the cookie jar, which is told last
    assertEquals(timing.deadline, START + 140);
  }),
);

Deno.test(
  "Timing.redirect() gives the next headers the whole timeout",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 90);
    timing.redirect();
    timing.begin("headers");
    assertEquals(timing.deadline, START + 190);
  }),
);

Deno.test(
  "Timing.uploaded() restarts the timeout for the headers",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 50);
    timing.begin("headers");
    clock.advance(30);
    timing.uploaded();
    assertEquals(timing.deadline, START + 180);
    clock.advance(99);
    timing.uploaded();
    assertEquals(timing.deadline, START + 279);
    clock.advance(10);
    timing.finish();
    timing.begin("headers");
    assertEquals(timing.deadline, START + 279);
  }),
);

Deno.test(
  "Timing.uploaded() starts the idle time anew if the headers have come before, and nothing if nobody waits",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 0);
    timing.uploaded();
    assertEquals(timing.deadline, START + 1000);
    timing.begin("idle");
    clock.advance(50);
    timing.uploaded();
    assertEquals(timing.deadline, START + 250);
  }),
);

Deno.test(
  "Timing counts the idle time from the last bytes if several reads are pending",
  withTiming((timing, clock) => {
    timing.begin("idle");
    clock.advance(100);
    timing.begin("idle");
    assertEquals(timing.deadline, START + 200);
    clock.advance(50);
    timing.finish();
    assertEquals(timing.deadline, START + 350);
    timing.finish();
    assertEquals(timing.deadline, START + 1000);
  }),
);

Deno.test(
  "Timing.moved is when bytes of a body last arrived, or were taken",
  withTiming((timing, clock) => {
    waitForHeaders(timing, clock, 10);
    assertEquals(timing.moved, 0);
    timing.begin("idle");
    clock.advance(10);
    assertEquals(timing.moved, 0);
    timing.finish();
    assertEquals(timing.moved, START + 20);
    timing.begin("headers");
    clock.advance(10);
    timing.uploaded();
    assertEquals(timing.moved, START + 30);
  }),
);

Deno.test(
  "Timing.expired() names the total timeout once that has passed",
  withTiming((timing, clock) => {
    timing.begin("headers");
    clock.advance(999);
    assertEquals(timing.expired(), { phase: "headers", timeout: 100, queued: 0 });
    clock.advance(1);
    assertEquals(timing.expired(), { phase: "total", timeout: 1000, queued: 0 });
  }),
);

Deno.test(
  "Timing.expired() says how long the request has queued, each time that it did",
  withTiming((timing, clock) => {
    timing.queue();
    clock.advance(300.4);
    assertEquals(timing.expired().queued, 300);
    timing.dequeue();
    clock.advance(100);
    assertEquals(timing.expired().queued, 300);
    assertEquals(timing.expired().queued, 300); // after a redirect, before it queues again
    waitForHeaders(timing, clock, 10);
    timing.queue();
    clock.advance(200.2);
    assertEquals(timing.expired().queued, 501);
    timing.dequeue();
    clock.advance(1000);
    assertEquals(timing.expired(), { phase: "total", timeout: 1000, queued: 501 });
  }),
);

Deno.test(
  "Timing counts nothing for a request that did not queue",
  withTiming((timing, clock) => {
    timing.dequeue();
    waitForHeaders(timing, clock, 30);
    assertEquals(timing.expired().queued, 0);
  }),
);

Deno.test("Timing.expired() says how long the request has queued on a clock that begins at 0", () => {
  using clock = new FakeClock().install();
  clock.advance(-clock.now);
  const timing = new Timing(new Clock(), TIMEOUTS);
  timing.queue();
  clock.advance(1000);
  assertEquals(timing.expired(), { phase: "total", timeout: 1000, queued: 1000 });
});

Deno.test("mergeTimeouts() takes a number for the total, and keeps what is not given", () => {
  assertStrictEquals(mergeTimeouts(TIMEOUTS, undefined), TIMEOUTS);
  assertEquals(mergeTimeouts(TIMEOUTS, 9), { ...TIMEOUTS, total: 9 });
  assertEquals(mergeTimeouts(TIMEOUTS, Infinity), { ...TIMEOUTS, total: Infinity });
  assertEquals(mergeTimeouts(TIMEOUTS, { idle: 9, headers: undefined }), { ...TIMEOUTS, idle: 9 });
  assertEquals(mergeTimeouts(TIMEOUTS, { headers: 9 }), { ...TIMEOUTS, headers: 9, upload: 9 });
  assertEquals(mergeTimeouts(TIMEOUTS, {}), TIMEOUTS);
});

Deno.test("mergeTimeouts() reads accessors of a class, and nothing that all objects inherit", () => {
  class Times {
    get headers() {
      return 9;
    }
    describe() {}
  }
  assertEquals(mergeTimeouts(TIMEOUTS, new Times()), { ...TIMEOUTS, headers: 9, upload: 9 });
  Object.assign(Object.prototype, { headers: 9 });
  try {
    assertEquals(mergeTimeouts(TIMEOUTS, 5).upload, TIMEOUTS.upload);
  } finally {
    Reflect.deleteProperty(Object.prototype, "headers");
  }
});

Deno.test("mergeTimeouts() refuses what is no time, and phases that it does not know", () => {
  for (const value of [0, -1, NaN]) {
    assertRefuses(() => mergeTimeouts(TIMEOUTS, value), '"timeout" must be a positive number', RangeError);
    assertRefuses(() => mergeTimeouts(TIMEOUTS, { idle: value }), '"timeout.idle" must be a positive', RangeError);
  }
  for (const value of ["5", null, true]) {
    assertRefuses(() => mergeTimeouts(TIMEOUTS, value as never), '"timeout" must be a positive number');
    assertRefuses(() => mergeTimeouts(TIMEOUTS, { idle: value as never }), '"timeout.idle" must be a positive number');
  }
  for (const phase of ["connect", "upload"]) {
    assertRefuses(() => mergeTimeouts(TIMEOUTS, { [phase]: 5 } as never), `"timeout.${phase}" is not known`);
  }
});
