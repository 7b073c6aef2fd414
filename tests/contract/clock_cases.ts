// Copyright 2026 the Hangup authors. MIT license.
//
// A test may fake the time: all of it or a part, before or after a session was made, and may never tick. Nothing hangs,
// timeouts pass when the faked time has, and no timer is left.
import { assertEquals } from "@std/assert";
import type { Case } from "../harness/case.ts";

const TIMERS = "setTimeout,clearTimeout";
const TURNS = "setImmediate,clearImmediate";

/** What tests fake, as the lists of `toFake` of vitest, jest and sinon have it. */
const FAKED = [
  TIMERS,
  TURNS,
  "Date",
  "performance",
  "Date,performance",
  `${TIMERS},Date`, // node:test, and FakeTime of Deno's standard library
  `${TIMERS},${TURNS}`,
  `${TIMERS},${TURNS},setInterval,clearInterval,Date,performance`, // vitest
];

/** What comes of everything if nothing is faked, or nobody ticks. */
const EXPECTED = {
  "get()": 10,
  "a redirect": 10,
  "a redirect whose body does not end": 10,
  "an error page that does not end": "StatusError",
  "three requests over one connection": [1, 2, 3],
  "aborted requests over one connection": 10,
  "session.fetch()": 10,
  "session.fetch() of a Request with a slow stream": "slow",
  "close()": [1, "SessionClosedError"],
  "a grace that nobody ticks": [1, "SessionClosedError"],
  "a headers timeout after the fakes": "timeout: headers",
  "an idle timeout after the fakes": "timeout: idle",
};

/** What comes of what waits for the faked time to pass. */
const TICKED = {
  "a grace": [1, "SessionClosedError"],
  "a headers timeout": ["nothing", "timeout: headers"],
  "an idle timeout": ["nothing", "timeout: idle"],
  "a total timeout": ["nothing", "timeout: total"],
  "a queue timeout": ["nothing", "timeout: queue"],
};

function under(faked: string, when: "before" | "after"): Case {
  return {
    name: `a session keeps its promises where ${faked || "nothing"} is faked ${when} it was made`,
    needs: ["processes"],
    async run({ scope, run }) {
      const { code, stdout, stderr } = await run("scripts/clock.ts", scope.url, faked, when);
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout), { ...EXPECTED, ...(faked.includes(TIMERS) && TICKED) });
      await scope.wait({ open: 0, pending: 0 }, 10_000);
    },
  };
}

/** Under jest's `fakeTimers: { enableGlobally: true }` the module finds fakes when it is loaded. */
const loaded: Case = {
  name: "a session keeps its promises where the module was loaded while timers and turns were faked",
  needs: ["processes"],
  async run({ scope, run }) {
    const { code, stdout, stderr } = await run("scripts/clock.ts", scope.url, `${TIMERS},${TURNS}`, "loaded");
    assertEquals([code, stderr], [0, ""]);
    const expected = Object.entries(EXPECTED).filter(([ask]) => !ask.includes("after the fakes"));
    assertEquals(JSON.parse(stdout), Object.fromEntries(expected));
    await scope.wait({ open: 0, pending: 0 }, 10_000);
  },
};

export const cases: Case[] = [
  ...FAKED.map((faked) => under(faked, "before")),
  ...[TIMERS, TURNS, FAKED.at(-1)!].map((faked) => under(faked, "after")),
  loaded,
];
