// Copyright 2026 the Hangup authors. MIT license.
//
// The part of the demo that runs on each runtime: requests in every way, and after each way what is
// still open.
//
//   demo_client.ts           against the counting server of HANGUP_CONTROL_URL, which counts the sockets
//   demo_client.ts URL MS    against any URL, for at most MS milliseconds; only the session knows what is open
//
// Prints one line of JSON, a `Row`, for each way.
import process from "node:process";
import { get, head, Session } from "../mod.ts";
import { openScope } from "../tests/server/client.ts";

/** The result of one way. */
export interface Row {
  way: string;
  cells: (number | string)[];
}

interface Way {
  name: string;
  /** Whether bare `fetch` makes the requests. Then there is nothing to close. */
  bare?: boolean;
  path: string;
  /** One request, with `session` or without. */
  send(url: string, session: Session, signal?: AbortSignal): Promise<unknown>;
}

const REQUESTS = 20;
const SMALL = "/bytes/100000";
/** So large that no runtime reads it to its end by itself. Bun does that with 1 MB. */
const LARGE = "/bytes/10000000";

const ways: Way[] = [
  {
    name: "fetch, the status alone looked at",
    bare: true,
    path: LARGE,
    async send(url) {
      const response = await fetch(url);
      void response.status;
      return response;
    },
  },
  {
    name: "fetch, one chunk read",
    bare: true,
    path: LARGE,
    async send(url) {
      const reader = (await fetch(url)).body!.getReader();
      await reader.read();
      return reader;
    },
  },
  { name: "fetch, read fully", bare: true, path: SMALL, send: async (url) => await (await fetch(url)).bytes() },
  { name: "get()", path: SMALL, send: async (url, _, signal) => await get(url, { signal }) },
  { name: "head()", path: SMALL, send: async (url, _, signal) => await head(url, { signal }) },
  { name: "session.get()", path: SMALL, send: async (url, session, signal) => await session.get(url, { signal }) },
  {
    name: "session, streamed and dropped",
    path: LARGE,
    send: async (url, session, signal) => await session.get(url, { prefetch: false, signal }),
  },
  {
    name: "session, streamed and left by break",
    path: LARGE,
    async send(url, session, signal) {
      const response = await session.get(url, { prefetch: false, signal });
      for await (const _ of response) break;
      return response;
    },
  },
];

/**
 * Counts the sockets that the server sees: accepted, open after the last call, open after close.
 */
async function countSockets({ bare, path, send }: Way): Promise<Row["cells"]> {
  const scope = await openScope();
  const session = new Session();
  // The responses stay referenced until the sockets are counted, so that GC closes none of them.
  const kept: unknown[] = [];
  for (let i = 0; i < REQUESTS; i++) kept.push(await send(scope.url + path, session));
  const called = await settled(scope);
  await session.close();
  const closed = await settled(scope);
  kept.length = 0;
  await scope.close();
  return [called.accepted, called.open, bare ? "–" : closed.open];
}

/**
 * What the server sees as soon as no socket is open, or 250 ms later: a close takes a moment to
 * arrive.
 */
async function settled(scope: Awaited<ReturnType<typeof openScope>>) {
  return await scope.wait({ open: 0 }).catch(() => scope.stats());
}

/**
 * Counts what the session knows: requests answered, exchanges open after the last call and after
 * close, the time.
 */
async function countExchanges({ send }: Way, url: string, signal: AbortSignal): Promise<Row["cells"]> {
  const session = new Session();
  const began = performance.now();
  const results: string[] = [];
  const kept: unknown[] = [];
  while (results.length < REQUESTS && !signal.aborted) {
    try {
      const response = await send(url, session, signal);
      kept.push(response);
      results.push(String((response as Response).status));
    } catch (error) {
      results.push((error as Error).name);
    }
  }
  const ms = Math.round(performance.now() - began);
  const called = session.exchanges().length;
  await session.close();
  return [tally(results), called, session.exchanges().length, ms];
}

/** Such as `20 × 200` or `19 × 200, 1 × TimeoutError`. */
function tally(results: string[]): string {
  const counts = new Map<string, number>();
  for (const result of results) counts.set(result, (counts.get(result) ?? 0) + 1);
  return Array.from(counts, ([result, count]) => `${count} × ${result}`).join(", ") || "no time left";
}

const [url, ms] = process.argv.slice(2);
const signal = AbortSignal.timeout(Number(ms ?? 25_000));
for (const way of ways) {
  if (url && way.bare) continue;
  const cells = url ? await countExchanges(way, url, signal) : await countSockets(way);
  console.log(JSON.stringify({ way: way.name, cells } satisfies Row));
}
