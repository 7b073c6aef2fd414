// Copyright 2026 the Hangup authors. MIT license.
//
// Garbage collection is only the safety net, and it works: what was dropped while open is aborted
// and reported once, and what is still in use is not cut off.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ExchangeInfo } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";

/** Drops or keeps each of these in one process, as most of the time goes into its start. */
async function collectedAll({ run, scope }: TestContext, whats: string[], ...last: string[]) {
  const { code, stdout, stderr } = await run("scripts/gc.ts", scope.url, whats.join("|"), ...last);
  assertEquals(code, 0, stderr);
  return { results: JSON.parse(stdout), stderr };
}

async function collected(t: TestContext, what: string, ...last: string[]) {
  const { results: [result], stderr } = await collectedAll(t, [what], ...last);
  return { ...result, stderr };
}

/** Ways to drop a response while it is open, and what its URL ends with. */
const DROPPED: Record<string, string> = {
  "an unread response": "/endless?…",
  "a response that had to wait": "/endless?…",
  "a half-read iterator": "/endless?…",
  "a half-read body": "/endless?…",
  "lines()": "/lines?…",
  "a toResponse()": "/endless?…",
  "a Response of session.fetch": "/endless?…",
  "an unread Response of session.fetch": "/endless?…",
  "a Response of session.fetch whose start is read ahead": "/drip?…",
  "a half-read Response of session.fetch whose start is read ahead": "/drip?…",
  "a Response of session.fetch of which a clone is read ahead": "/drip?…",
};

const ofErrors: Case = {
  name: "an error that is kept holds nothing of the request's body",
  needs: ["processes"],
  async run(t) {
    const { names, held } = await collected(t, "error of an upload");
    assertEquals([names, held], [["TimeoutError", "NetworkError"], 0]);
  },
};

const dropping: Case = {
  name: "a stream that is dropped while open is aborted and reported once, whatever was dropped of it",
  needs: ["processes"],
  async run(t) {
    const { results, stderr } = await collectedAll(t, Object.keys(DROPPED));
    assertEquals(stderr, "");
    Object.entries(DROPPED).forEach(([what, url], i) => {
      const { before, leaks, open, active } = results[i];
      assertEquals([before, open, active, leaks.length], [1, 0, 0, 1], what);
      const [{ method, url: shown, state, age, ...rest }] = leaks;
      assertEquals([method, shown, state, rest], ["GET", t.scope.url + url, "streaming", {}], what);
      assert(age >= 0, what);
    });
    await t.scope.wait({ open: 0, aborted: results.length }, 10_000);
  },
};

/** What nobody closes leaves no socket, though the process goes on. */
function ends(name: string, what: string): Case {
  return {
    name,
    needs: ["processes"],
    async run(t) {
      const gate = await t.openScope();
      const running = collected(t, what, `${gate.url}/hold?key=end`);
      await Promise.race([running, gate.wait({ pending: 1 }, 10_000)]);
      await t.scope.wait({ requests: 1, open: 0, pending: 0 }, 10_000);
      await gate.release("end");
      const { leaks } = await running;
      assertEquals(leaks?.length ?? 0, what === "an idle session" ? 0 : 1);
    },
  };
}

/** The length of lines 0 to 19,999 of `/lines`, each with its end. */
const LINES = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join("").length;

/** What is kept of a stream, and how many bytes can be read with it. */
const KEPT: Record<string, number> = {
  "iterator": 1_000_000,
  "loop": 1_000_000,
  "body": 1_000_000,
  "reader": 1_000_000,
  "pipe": LINES,
  "lines()": LINES - 20_000 - "line 0".length,
  "Response of session.fetch": 1_000_000,
  "body of session.fetch": 1_000_000,
  "toResponse()": 1_000_000,
  "clone": 1_000_000,
  "promise": 100,
};

/** How a callback may misbehave that is called when something was collected. */
const MISBEHAVIORS = ["throws", "rejects", "hangs", "calls get()", "calls close()"];

/**
 * Where a request is when the signal of its `Request` aborts, after the `Request` was collected.
 */
const SIGNALED = [
  "session.fetch",
  "session.get",
  "get()",
  "a POST",
  "a Request as init",
  "a redirect",
  "the body of session.fetch",
  "a short body of session.fetch",
  "a stream",
  "the stream of get()",
];

export const cases: Case[] = [
  ofErrors,
  {
    name: "the signal of a Request that was collected aborts the request, wherever it is",
    needs: ["processes"],
    async run(t) {
      const all = (end: string) => Object.fromEntries(SIGNALED.map((how) => [how, end]));
      const expected = { before: all("not ended"), ends: all("AbortError"), stderr: "" };
      assertEquals(await collected(t, "the signals of Requests"), expected);
    },
  },
  dropping,
  {
    name: "a leak is traced to its origin where the session has traceLeaks",
    needs: ["processes"],
    async run(t) {
      const { leaks } = await collected(t, "a response, traced");
      assertEquals(leaks.length, 1);
      const { stack }: ExchangeInfo = leaks[0];
      assertStringIncludes(stack!, "culprit");
      assertStringIncludes(stack!, "gc.ts");
      assert(!stack!.includes("secret"), stack);
    },
  },
  {
    name: "a leak is warned of once where nobody asked to be told",
    needs: ["processes"],
    async run(t) {
      const { open, stderr } = await collected(t, "a response without onLeak");
      assertEquals(open, 0);
      const url = `${t.scope.url}/endless?…`;
      const warning =
        `Hangup: a streamed response was dropped while open; close it, or read it to its end: GET ${url}\n` +
        'A session with "traceLeaks: true" tells where it was made\n';
      assertEquals(stderr, warning);
      await t.scope.wait({ open: 0, aborted: 2 }, 10_000);
    },
  },
  {
    name: "a stream does not keep the body that was sent",
    needs: ["processes"],
    async run(t) {
      const { kept } = await collected(t, "what was sent");
      assertEquals(kept, [false, false]);
    },
  },
  {
    name: "a response that is kept keeps neither its session nor the pool",
    needs: ["processes"],
    async run(t) {
      const { kept } = await collected(t, "what has responses");
      assertEquals(kept, { prefetched: false, streamed: false, fetched: false });
    },
  },
  ends("a stream of get() that is dropped while open is closed with its session", "a response of get()"),
  ends("a session that is dropped unclosed leaves no socket", "an idle session"),
  ends(
    "a session that is dropped unclosed with an open stream leaves no socket",
    "a session with an open response",
  ),
  {
    name: "a stream that is still in use is not cut off, whatever is kept of it",
    needs: ["processes"],
    async run(t) {
      const { results, stderr } = await collectedAll(t, Object.keys(KEPT).map((what) => `kept ${what}`));
      assertEquals(stderr, "");
      Object.entries(KEPT).forEach(([what, bytes], i) => assertEquals(results[i], { bytes, leaks: 0 }, what));
    },
  },
  {
    name: "a session survives an onLeak that throws, rejects, hangs, or calls get() or close()",
    needs: ["processes"],
    async run(t) {
      const { results } = await collectedAll(t, MISBEHAVIORS.map((how) => `onLeak ${how}`));
      MISBEHAVIORS.forEach((how, i) => {
        const { calls, open, active, status } = results[i];
        // A close() ends what was not collected in the same round.
        assert(calls === 2 || how === "calls close()" && calls === 1, `${how}: ${calls} calls`);
        assertEquals([open, active, status], [0, 0, 200], how);
      });
      await t.scope.wait({ open: 0, pending: 0 }, 10_000);
    },
  },
  {
    name: "a session that is dropped unclosed is warned of, once",
    needs: ["processes"],
    async run(t) {
      const { stderr } = await collected(t, "an idle session");
      assertMatch(stderr, /^Hangup: .*\bsession\b.*\bclose/);
      assertEquals(stderr.split("Hangup: ").length - 1, 1, stderr);
    },
  },
  {
    name: "a session that was closed, or never used, is no leak",
    needs: ["processes"],
    async run(t) {
      assertEquals((await collected(t, "a closed session")).stderr, "");
    },
  },
];
