// Copyright 2026 the Hangup authors. MIT license.
//
// A test may fake the time: all of it or a part, before or after a session was made, and may never tick. Nothing hangs,
// timeouts pass when the faked time has, and no timer is left.
import { assertEquals } from "@std/assert";
import type { Case } from "../harness/case.ts";
import { expectedUnder } from "../harness/fake_time.ts";

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

function under(faked: string, when: "before" | "after"): Case {
  return {
    name: `a session keeps its promises where ${faked || "nothing"} is faked ${when} it was made`,
    needs: ["processes"],
    async run({ scope, run }) {
      const { code, stdout, stderr } = await run("scripts/clock.ts", scope.url, faked, when);
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout), expectedUnder({ toFake: faked.split(","), when }));
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
    assertEquals(JSON.parse(stdout), expectedUnder({ when: "loaded" }));
    await scope.wait({ open: 0, pending: 0 }, 10_000);
  },
};

export const cases: Case[] = [
  ...FAKED.map((faked) => under(faked, "before")),
  ...[TIMERS, TURNS, FAKED.at(-1)!].map((faked) => under(faked, "after")),
  loaded,
];
