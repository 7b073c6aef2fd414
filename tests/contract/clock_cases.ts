// Copyright 2026 the Hangup authors. MIT license.
//
// A test may fake the time: all of it or a part, before or after a session was made, and may never
// tick. Nothing hangs, timeouts pass when the faked time has, and no timer is left.
import { assertEquals } from "@std/assert";
import { Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { expectedUnder } from "../harness/fake_time.ts";
import { mocking } from "../harness/mocking.ts";
import { catchingAll } from "../harness/uncaught.ts";

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

/**
 * Under jest's `fakeTimers: { enableGlobally: true }` the module finds fakes when it is loaded,
 * under others stubs.
 */
function loaded(what: string, ...rest: string[]): Case {
  return {
    name: `a session keeps its promises where the module was loaded while timers and turns were ${what}`,
    needs: ["processes"],
    async run({ scope, run }) {
      const { code, stdout, stderr } = await run(
        "scripts/clock.ts",
        scope.url,
        `${TIMERS},${TURNS}`,
        "loaded",
        ...rest,
      );
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout), expectedUnder({ when: "loaded" }));
      await scope.wait({ open: 0, pending: 0 }, 10_000);
    },
  };
}

/** Mocks of `setTimeout()` that are no fakes of the time. */
const TIMERS_MOCKS: Record<string, (callback: () => void) => unknown> = {
  "returns nothing": () => undefined,
  "returns null": () => null,
  "calls at once": (callback) => callback(),
};

/** Mocks of `performance.now()` that give no time. */
const CLOCK_MOCKS: Record<string, () => unknown> = {
  "returns nothing": () => undefined,
  "returns NaN": () => NaN,
  "returns a text": () => "1",
  "returns always the same": () => 0,
};

/** Answers, unless it is asked to hang. */
const answer = (url: URL) => url.pathname === "/hang" ? new Promise<never>(() => {}) : Promise.resolve(new Response());

const nameOf = (request: Promise<{ status: number }>) => request.then(({ status }) => status, ({ name }) => name);

const mocks: Case[] = [
  ...Object.entries(TIMERS_MOCKS).map(([how, mock]): Case => ({
    name: `a session keeps its promises where a mock of setTimeout() ${how}`,
    async run() {
      const session = new Session({ baseUrl: "http://x.test", fetch: answer });
      const results = mocking(globalThis, "setTimeout", mock, async () => {
        const done = [await nameOf(session.get("/")), await nameOf(session.fetch("http://x.test/"))];
        const hanging = nameOf(session.get("/hang"));
        const aborted = await session.close({ grace: 20 });
        return [...done, aborted.length, await hanging];
      });
      assertEquals(await catchingAll(() => results), [200, 200, 1, "SessionClosedError"]);
    },
  })),
  {
    name: "a request rejects where a mock of setTimeout() throws, and is not sent",
    async run() {
      const throwing = () => {
        throw new RangeError("The timer is a mock");
      };
      // The timeout that comes first is that of the headers, of the whole request, or of the queue.
      for (const options of [{}, { timeout: 10_000 }, { pool: { maxConnections: 1 } }]) {
        let sent = 0;
        const fetch = () => Promise.reject(new Error(`Sent ${++sent}`));
        const session = new Session({ fetch, ...options });
        const held = "pool" in options ? await session.pool.acquire("http://x.test") : undefined;
        const result = await catchingAll(() =>
          mocking(globalThis, "setTimeout", throwing, () => nameOf(session.get("http://x.test/")))
        );
        held?.release();
        const { active, queued } = session.pool.stats();
        assertEquals([result, sent, session.exchanges(), active, queued], ["RangeError", 0, [], 0, 0]);
        await session.close();
      }
    },
  },
  {
    name: "a clock that jumps by an hour ends no request: its timer has not fired",
    async run() {
      const { promise: answered, resolve } = Promise.withResolvers<Response>();
      const fetch = (url: URL) => url.pathname === "/later" ? answered : answer(url);
      const session = new Session({ baseUrl: "http://x.test", fetch: fetch as typeof globalThis.fetch });
      const later = nameOf(session.get("/later"));
      const now = performance.now();
      const result = mocking(performance, "now", () => now + 3_600_000, async () => {
        const other = await nameOf(session.get("/"));
        await new Promise((resolve) => setTimeout(resolve)); // in which what is due would end
        resolve(new Response());
        return [other, await later];
      });
      assertEquals(await result, [200, 200]);
      await session.close();
    },
  },
  {
    name: "a request goes over the network where the global performance is missing",
    async run({ scope }) {
      const session = new Session({ baseUrl: scope.url });
      const result = mocking(globalThis, "performance", undefined, () => nameOf(session.get("/echo")));
      assertEquals(await result, 200);
      await session.close();
    },
  },
  ...["before", "after"].flatMap((when) =>
    Object.entries(CLOCK_MOCKS).map(([how, mock]): Case => ({
      name: `a timeout passes where a mock of performance.now(), set ${when} the session was made, ${how}`,
      async run() {
        const make = () => new Session({ baseUrl: "http://x.test", fetch: answer, timeout: { headers: 20 } });
        const made = when === "after" ? make() : undefined;
        await made?.get("/");
        const result = mocking(performance, "now", mock, async () => {
          const session = made ?? make();
          const results = [await nameOf(session.get("/")), await nameOf(session.get("/hang"))];
          await session.close();
          return results;
        });
        assertEquals(await result, [200, "TimeoutError"]);
      },
    }))
  ),
];

export const cases: Case[] = [
  ...mocks,
  ...FAKED.map((faked) => under(faked, "before")),
  ...[TIMERS, TURNS, FAKED.at(-1)!].map((faked) => under(faked, "after")),
  loaded("faked"),
  loaded("stubs", "stubs"),
];
