// Copyright 2026 the Hangup authors. MIT license.
//
// Whatever the peer does, a request ends in time with the right result or an error that says what
// happened, and leaves nothing behind: the session serves the next request, and its close closes
// every socket.
import { assert, assertEquals } from "@std/assert";
import { HangupError, Session, type SessionRequestInit, TimeoutError } from "../../mod.ts";
import type { Capability, Case, Runtime } from "../harness/case.ts";
import { watchedSignal, watchTimers } from "../harness/watch.ts";
import { pause, readEcho } from "../harness/with_session.ts";
import { type FaultName, faults } from "../server/faults.ts";

/**
 * How a request ends, in a few words: `200 "hello"`, `NetworkError: body`. Where runtimes differ,
 * each has its own.
 */
type Ends = string | ({ all: string } & Partial<Record<Runtime | "node" | "browser", string>>);

interface Expectation {
  ends: Ends;
  init?: SessionRequestInit;
  needs?: Capability[];
  /** A request goes before, so that the connection is reused. */
  reused?: true;
  /** Time in ms until the next request, for what the peer does later. */
  gap?: number;
}

/** Long enough for a busy machine, so that only what has a short one of its own times out. */
const PATIENT = { queue: 5000, headers: 5000, idle: 5000, total: 8000 };
const HEADERS = { init: { timeout: { headers: 150 } } };
/**
 * For what only some platforms wait for: also on a busy machine, the others see what is wrong
 * before this has passed.
 */
const LATE = { init: { timeout: { headers: 1000 } } };
const IDLE = { init: { timeout: { idle: 150 } } };
const TOTAL = { init: { timeout: { total: 300 } } };
const CAPPED = { init: { maxBodyBytes: 1_000_000 } };
const UPLOAD = { init: { method: "POST", body: "x".repeat(10_000_000) } };

const MESSAGES: [phase: string, message: RegExp][] = [
  ["headers", /^The connection failed before the response's headers|^Cannot connect to the server/],
  ["body", /^The connection failed before the end of the body|bytes of the body arrived where/],
  ["redirect", /^Cannot follow the redirect/],
];

function describeError(error: unknown): string {
  if (!(error instanceof HangupError)) return `untyped: ${error}`;
  if (error instanceof TimeoutError) return `TimeoutError: ${error.phase}`;
  const phase = MESSAGES.find(([, message]) => message.test(error.message))?.[0];
  return phase ? `${error.name}: ${phase}` : error.name;
}

/** What each fault comes to. */
export const expectations: Record<FaultName, Expectation> = {
  "never-accepts": { ends: "TimeoutError: headers", ...HEADERS },
  "closes-at-accept": { ends: "NetworkError: headers" },
  "resets-at-accept": { ends: "NetworkError: headers" },
  "silent-at-accept": { ends: "TimeoutError: headers", ...HEADERS },
  "speaks-first": { ends: { all: "NetworkError: headers", webkit: "TimeoutError: headers" }, ...LATE },
  "stalls-before-status": { ends: "TimeoutError: headers", ...HEADERS },
  "closes-before-status": { ends: "NetworkError: headers" },
  "resets-before-status": { ends: "NetworkError: headers" },
  "half-closes-before-status": { ends: "NetworkError: headers" },
  "stalls-in-status": { ends: "TimeoutError: headers", ...HEADERS },
  "stalls-in-headers": { ends: "TimeoutError: headers", ...HEADERS },
  "drips-headers": { ends: "TimeoutError: headers", ...HEADERS },
  "closes-in-headers": {
    ends: {
      all: "NetworkError: headers",
      chromium: "200, 0 bytes",
      firefox: "200, 0 bytes",
      webkit: "NetworkError: body",
    },
  },
  "resets-in-headers": { ends: "NetworkError: headers" },
  "garbage": { ends: "NetworkError: headers" },
  "http-0.9": { ends: "NetworkError: headers" },
  "http-2.0": {
    ends: { all: "NetworkError: headers", node: '200 "hello"', chromium: '200 "hello"', firefox: '200 "hello"' },
  },
  "http-1.0": { ends: '200 "hello"' },
  "status-of-four-digits": { ends: { all: "NetworkError: headers", chromium: '2000 "hello"' } },
  "status-99": {
    ends: { all: "NetworkError: headers", bun: '99 "hello"', chromium: '99 "hello"', firefox: '99 "hello"' },
  },
  "endless-header": { ends: "NetworkError: headers" },
  "endless-headers": { ends: "NetworkError: headers" },
  "ten-thousand-headers": {
    ends: { all: "NetworkError: headers", workerd: '200 "hello"', chromium: '200 "hello"', firefox: '200 "hello"' },
  },
  "large-headers": {
    ends: {
      all: "NetworkError: headers",
      bun: '200 "hello"',
      workerd: '200 "hello"',
      chromium: '200 "hello"',
      firefox: '200 "hello"',
    },
  },
  "header-without-colon": { ends: { all: "NetworkError: headers", browser: '200 "hello"' } },
  "header-with-nul": { ends: "NetworkError: headers" },
  "header-folded": { ends: { all: "NetworkError: headers", node22: '200 "hello"', browser: '200 "hello"' } },
  "space-before-colon": { ends: { all: "NetworkError: headers", browser: '200 "hello"' } },
  "lf-only": { ends: { all: '200 "hello"', node: "NetworkError: headers" } },
  "early-hints": { ends: '200 "hello"' },
  "continue-flood": { ends: { all: "TimeoutError: headers", node: "NetworkError: headers" }, ...LATE },
  "switches-protocols": {
    ends: {
      all: "NetworkError: headers",
      deno: "101, 0 bytes",
      workerd: "101, 0 bytes",
      chromium: "TimeoutError: headers",
      webkit: "TimeoutError: headers",
    },
    ...LATE,
  },
  "stalls-in-body": { ends: "TimeoutError: idle", ...IDLE },
  "stalls-before-body": {
    ends: { all: "TimeoutError: idle", firefox: "TimeoutError: headers" },
    init: { timeout: { headers: 1500, idle: 150 } },
  },
  "drips-slowly": { ends: "TimeoutError: idle", ...IDLE },
  "drips-for-ever": { ends: "TimeoutError: total", ...TOTAL },
  "length-too-long": { ends: "NetworkError: body" },
  "resets-in-body": { ends: "NetworkError: body" },
  "length-too-short": { ends: '200 "hello"' },
  "two-lengths": { ends: { all: "NetworkError: headers", webkit: "200, 10 bytes" } },
  "two-equal-lengths": { ends: { all: '200 "hello"', node: "NetworkError: headers" } },
  "length-and-chunked": { ends: { all: "NetworkError: body", node: "NetworkError: headers", browser: '200 "hello"' } },
  "length-negative": {
    ends: {
      all: "NetworkError: headers",
      chromium: "TimeoutError: idle",
      firefox: "TimeoutError: idle",
      webkit: "200, 0 bytes",
    },
    ...IDLE,
  },
  "length-not-a-number": {
    ends: { all: "NetworkError: headers", chromium: "TimeoutError: idle", firefox: "TimeoutError: idle" },
    ...IDLE,
  },
  "length-huge": { ends: { all: "BodyTooLargeError", browser: "TimeoutError: idle" }, ...IDLE },
  "no-length": { ends: '200 "hello"' },
  "no-length-reset": {
    ends: {
      all: '200 "hello"',
      deno: "NetworkError: body",
      workerd: "NetworkError: body",
      browser: "NetworkError: body",
    },
  },
  "chunk-size-bad": { ends: { all: "NetworkError: body", firefox: "NetworkError: headers", webkit: '200 "hello"' } },
  "chunk-size-huge": { ends: { all: "NetworkError: body", firefox: "NetworkError: headers", webkit: '200 "hello"' } },
  "chunk-size-negative": {
    ends: { all: "NetworkError: body", firefox: "NetworkError: headers", webkit: '200 "hello"' },
  },
  "chunk-too-long": { ends: { all: "NetworkError: body", firefox: "NetworkError: headers", webkit: '200 "hello"' } },
  "chunk-missing-end": { ends: { all: "NetworkError: body", webkit: '200 "hello"' } },
  "chunk-cut": { ends: "NetworkError: body" },
  "chunk-stalls": { ends: "TimeoutError: idle", ...IDLE },
  "chunk-stalls-at-end": { ends: "TimeoutError: idle", ...IDLE },
  "endless-chunks": { ends: "BodyTooLargeError", ...CAPPED },
  "endless-chunk-extension": {
    ends: {
      all: "TimeoutError: idle",
      deno: "NetworkError: body",
      workerd: "NetworkError: body",
      chromium: "NetworkError: body",
      webkit: "NetworkError: body",
    },
    ...IDLE,
  },
  "endless-trailers": {
    ends: {
      all: "NetworkError: body",
      bun: "TimeoutError: idle",
      chromium: "TimeoutError: idle",
      firefox: "TimeoutError: idle",
      webkit: '200 "hello"',
    },
    init: { timeout: { idle: 1500 } },
  },
  "gzip-bomb": { ends: "BodyTooLargeError", ...CAPPED },
  "gzip-bomb-upper-case": {
    ends: { all: "BodyTooLargeError", workerd: "200, 48622 bytes", webkit: "200, 48622 bytes" },
    ...CAPPED,
  },
  "gzip-bomb-twice": {
    ends: { all: "200, 251 bytes", node: "BodyTooLargeError", browser: "BodyTooLargeError" },
    ...CAPPED,
  },
  "gzip-bomb-and-identity": {
    ends: { all: "200, 48622 bytes", bun: "BodyTooLargeError", firefox: "BodyTooLargeError" },
    ...CAPPED,
  },
  "gzip-truncated": { ends: { all: "NetworkError: body", node: "200, 42336 bytes", browser: "200, 42336 bytes" } },
  "gzip-without-trailer": {
    ends: { all: "NetworkError: body", node: "200, 100000 bytes", browser: "200, 100000 bytes" },
  },
  "gzip-corrupt": { ends: { all: "NetworkError: body", node: "200, 23896 bytes", browser: "200, 23896 bytes" } },
  // Node loses the failure now and then.
  "gzip-wrong-checksum": {
    ends: {
      all: "NetworkError: body",
      node: "NetworkError: body or TimeoutError: idle",
      chromium: "200, 100000 bytes",
      firefox: "200, 100000 bytes",
    },
    ...IDLE,
  },
  "gzip-not": {
    ends: { all: "NetworkError: body", node: "NetworkError: body or TimeoutError: idle", webkit: '200 "hello"' },
    ...IDLE,
  },
  "gzip-empty": { ends: { all: "200, 0 bytes", workerd: "NetworkError: body" } },
  "unknown-encoding": { ends: '200 "hello"' },
  "head-with-body": { ends: "200, 0 bytes", init: { method: "HEAD" } },
  "no-content-with-body": { ends: "204, 0 bytes" },
  "not-modified-with-body": { ends: "304, 0 bytes" },
  "extra-response": { ends: '200 "hello"' },
  "late-response": { ends: '200 "hello"', gap: 60 },
  "early-response": { ends: '413 "large"', ...UPLOAD },
  "early-response-close": { ends: '413 "large"', ...UPLOAD },
  "early-reset": { ends: "NetworkError: headers", ...UPLOAD },
  "stops-reading": { ends: "TimeoutError: headers", init: { ...UPLOAD.init, ...HEADERS.init } },
  "redirect-loop": { ends: { all: "TooManyRedirectsError", browser: "NetworkError: headers" } },
  "redirect-to-file": { ends: { all: "NetworkError: redirect", browser: "NetworkError: headers" } },
  "redirect-to-javascript": { ends: { all: "NetworkError: redirect", browser: "NetworkError: headers" } },
  "redirect-to-data": { ends: { all: "NetworkError: redirect", browser: "NetworkError: headers" } },
  "redirect-malformed": { ends: { all: "NetworkError: redirect", browser: "NetworkError: headers" } },
  "redirect-twice": {
    ends: { all: "404, 17 bytes", chromium: "NetworkError: headers", firefox: "NetworkError: headers" },
  },
  "redirect-with-endless-body": {
    ends: { all: '200 "abcde"', webkit: "TimeoutError: headers" },
    init: { timeout: { headers: 2500 }, ...CAPPED.init },
  },
  "redirect-with-stalled-body": {
    ends: { all: '200 "abcde"', webkit: "TimeoutError: headers" },
    init: { timeout: { headers: 2500 } },
  },
  "redirect-with-reset": { ends: { all: '200 "abcde"', webkit: "NetworkError: headers" } },
  "closes-unannounced": { ends: '200 "hello"', gap: 60 },
  "stays-open": { ends: '200 "hello"' },
  "closes-while-idle": { ends: '200 "hello"', gap: 60 },
  "resets-while-idle": { ends: '200 "hello"', gap: 60 },
  "closes-when-reused": {
    // The second try of WebKit may meet another such connection.
    ends: {
      all: '200 "hello"',
      workerd: "NetworkError: headers",
      webkit: '200 "hello" or NetworkError: headers',
    },
    reused: true,
  },
  "resets-when-reused": {
    // The second try of WebKit may meet another such connection.
    ends: {
      all: '200 "hello"',
      workerd: "NetworkError: headers",
      webkit: '200 "hello" or NetworkError: headers',
    },
    reused: true,
  },
  "half-answers-when-reused": {
    ends: { all: "NetworkError: headers", deno: '200 "hello"', bun: '200 "hello"' },
    reused: true,
  },
};

/** The ways to ask. They end alike. */
const WAYS: Record<string, (session: Session, url: string, init: SessionRequestInit) => Promise<[number, Uint8Array]>> =
  {
    async prefetched(session, url, init) {
      const { status, content } = await session.request(url, { ...init, prefetch: true });
      return [status, content];
    },
    async streamed(session, url, init) {
      const response = await session.request(url, { ...init, prefetch: false });
      return [response.status, await response.bytes()];
    },
  };

async function outcome(work: Promise<[number, Uint8Array]>): Promise<string> {
  try {
    const [status, content] = await work;
    const { byteLength } = content;
    // So short a body is shown, as one that belongs to another request would be as long.
    return byteLength === 5 ? `${status} "${new TextDecoder().decode(content)}"` : `${status}, ${byteLength} bytes`;
  } catch (error) {
    return describeError(error);
  }
}

const BROWSERS = new Set<Runtime>(["chromium", "firefox", "webkit"]);

/** How a request ends on a runtime. */
export function endOn(runtime: Runtime, ends: Ends): string {
  if (typeof ends === "string") return ends;
  const kind = runtime.startsWith("node") ? "node" : BROWSERS.has(runtime) ? "browser" : "all";
  return ends[runtime] ?? ends[kind] ?? ends.all;
}

function faultCase(name: FaultName, { ends, init, needs, reused, gap = 0 }: Expectation): Case {
  return {
    name: `a server that ${faults[name].does}`,
    needs,
    async run({ runtime, scope, openScope, can }) {
      const timers = watchTimers();
      const watched = watchedSignal();
      const bad = "atAccept" in faults[name] ? await openScope({ fault: name }) : scope;
      const session = new Session();
      try {
        for (const [way, ask] of Object.entries(WAYS)) {
          const url = `${bad.url}/fault/${name}`;
          if (reused) {
            await session.get(`${scope.url}/bytes/1`);
            await pause(20); // Node hands out the end of a body before the socket
          }
          const { signal } = watched;
          const began = performance.now();
          const ended = await outcome(
            ask(session, url, { ...init, signal, timeout: { ...PATIENT, ...init?.timeout as object } }),
          );
          const took = performance.now() - began;
          const expected = endOn(runtime, ends);
          // The one way to be uncertain: two ends that are stated.
          assert(expected.split(" or ").includes(ended), `${way}: ${ended} where ${expected} was expected`);
          assert(took < 15_000, `it took ${took} ms`);
          assertEquals([session.pool.stats().active, session.exchanges(), watched.listeners], [0, [], 0]);
          if (gap > 0) {
            // On a busy machine the fault does its work late, and a busy client notices it late.
            await bad.wait({ pending: 0 }, 10_000);
            // Node, and a browser in any case, may have another connection open.
            if (!BROWSERS.has(runtime)) await bad.wait({ open: 0 }, 1000).catch(() => {});
            await pause(gap);
          }
          // What the fault left on a connection must not reach the next request.
          for (const i of [1, 2, 3]) {
            const response = await session.get(`${scope.url}/echo?${way}=${i}`, { timeout: PATIENT });
            assertEquals((await readEcho(response)).url, `/echo?${way}=${i}`);
          }
        }
      } finally {
        await session.close();
        timers.restore();
      }
      assertEquals(timers.count, 0, "timers");
      for (const each of new Set([scope, bad])) {
        if (can("closesSockets")) await each.wait({ open: 0, pending: 0 }, name === "stops-reading" ? 1500 : 250);
        else if (can("seesClientsLeave")) await each.wait({ pending: 0 }, 10_000);
      }
    },
  };
}

export const cases: Case[] = Object.entries(expectations).map(([name, expectation]) =>
  faultCase(name as FaultName, expectation)
);
