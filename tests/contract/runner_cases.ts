// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 7 in a user's tests: under the test runner of the runtime, and on Node under vitest and
// jest, each run as it is.
import { assert, assertEquals } from "@std/assert";
import type { Case, Runtime } from "../harness/case.ts";

/**
 * What tests/runners/promises.ts has, and the number of ways in which each runner fakes the time.
 */
const PROMISES = 5;

/** What scripts/runner.ts prints. */
interface Outcome {
  passed: Record<string, number>;
  failed: string[];
}

/**
 * Runs tests/runners/vitest.ts or jest.ts on these versions of Node. `expected` are the tests of
 * each project.
 */
function onNode(runner: "vitest" | "jest", runtimes: Runtime[], name: string, expected: Record<string, number>): Case {
  return {
    name,
    needs: ["processes"],
    async run({ run, runtime }) {
      if (!runtimes.includes(runtime)) return; // each takes seconds
      const { code, stdout, stderr } = await run("scripts/runner.ts", runner, `.tmp/${runner}-${runtime}`);
      assertEquals(code, 0, stdout + stderr);
      const { passed, failed }: Outcome = JSON.parse(stdout);
      assert(failed.length === 0, failed.join("\n\n"));
      assertEquals(passed, expected, stderr);
    },
  };
}

/** A test for each promise, and one for each way in which the runner fakes the time. */
const ALL = PROMISES + 3;

export const cases: Case[] = [
  {
    name: "a session keeps its promises under the runtime's own test runner and its fake timers",
    needs: ["processes"],
    async run({ run, runtime }) {
      const { code, stdout, stderr } = await run({ script: "runners/native.ts", tests: true });
      const printed = stdout + stderr;
      assertEquals(code, 0, printed);
      const [, before, after] = /\b(\d+) pass|\bpass (\d+)/.exec(printed) ?? [];
      assertEquals(Number(before ?? after), runtime === "deno" ? ALL - 1 : ALL, printed);
    },
  },
  onNode(
    "vitest",
    ["node24"],
    "a session keeps its promises under vitest, in each of its pools, with its fake timers, happy-dom and jsdom",
    { threads: ALL, forks: ALL, vmThreads: ALL, vmForks: ALL, jsdom: ALL, "happy-dom": PROMISES },
  ),
  onNode(
    "jest",
    ["node26"],
    "a session keeps its promises under jest, in its realm, with its fake timers",
    { jest: ALL, "fakes everywhere": PROMISES + 1 },
  ),
];
