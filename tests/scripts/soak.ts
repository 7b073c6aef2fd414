// Copyright 2026 the Hangup authors. MIT license.
//
// One long life: so many mixed requests through one session, with one signal. Arguments: the
// counting server's URL, the number of requests, of those between two samples, and the limit of
// connections. Prints a sample a line, as JSON, when nothing is open and garbage was collected;
// then what came of the requests.
import process from "node:process";
import { BodyTooLargeError, NetworkError, Session, StatusError, TimeoutError } from "../../mod.ts";
import { CountingController } from "../scripted_transport.ts";

const [url = "", total = "", between = "", limit = ""] = process.argv.slice(2);

/** Tasks at a time: more than connections, so that some always wait. */
const WORKERS = Number(limit) * 1.5;

interface Runtimes {
  gc?(): void;
  Bun?: { gc(force: boolean): void };
}
const { gc, Bun } = globalThis as Runtimes;

const life = new CountingController();
const { signal } = life;

let leaks = 0;
const session = new Session({
  baseUrl: url,
  pool: { maxConnections: Number(limit) },
  timeout: 20_000,
  onLeak: () => void leaks++,
});

type Ending = new (...args: never[]) => Error;

/** Awaits a failure of this class. */
async function failing(Expected: Ending, work: Promise<unknown>): Promise<void> {
  const error = await work.then(() => undefined, (error) => error);
  if (!(error instanceof Expected)) throw new Error(`Not a ${Expected.name} but: ${error?.stack ?? error}`);
}

/** Requests that a controller of their own aborts when `work` has told it to. */
async function aborting(path: string, after: number): Promise<void> {
  const controller = new AbortController();
  const reason = new RangeError("enough");
  const request = session.get(path, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), after);
  await failing(RangeError, request);
}

/** Each kind of request, and how many of a thousand are of it. */
const kinds: Record<string, [share: number, run: (i: number) => Promise<unknown>]> = {
  ok: [390, () => session.get("/bytes/100", { signal })],
  chunked: [60, () => session.get("/chunked/3000", { signal })],
  gzip: [40, () => session.get("/gzip/3000", { signal })],
  large: [50, () => session.get("/bytes/100000", { signal })],
  head: [40, () => session.head("/bytes/1000", { signal })],
  redirects: [40, () => session.get("/chain/2?body=100", { signal })],
  post: [40, async (i) => await (await session.post("/echo", { signal, json: { i } })).json()],
  upload: [20, (i) => session.post("/upload", { signal, body: new Blob([`${i}`.repeat(1000)]).stream() })],
  fetch: [40, async () => await (await session.fetch(`${url}/chunked/3000`, { signal })).text()],
  status: [50, () => failing(StatusError, session.get("/status/404", { signal }).then((r) => r.throwIfNotOk()))],
  killed: [30, () => failing(NetworkError, session.get("/kill", { signal }))],
  truncated: [20, () => failing(NetworkError, session.get("/truncate/1000", { signal }))],
  tooLarge: [20, () => failing(BodyTooLargeError, session.get("/chunked/50000", { signal, maxBodyBytes: 1000 }))],
  headersTimeout: [20, () => failing(TimeoutError, session.get("/hang", { signal, timeout: { headers: 20 } }))],
  idleTimeout: [10, () => failing(TimeoutError, session.get("/stall/10", { signal, timeout: { idle: 20 } }))],
  abortedAtOnce: [10, () => aborting("/bytes/100?", 0).catch(() => {})], // or answered before
  abortedWaiting: [20, () => aborting("/hang", 5)],
  abortedReading: [10, () => aborting("/stall/100000", 5)],
  streamed: [40, async () => await (await session.get("/chunked/3000", { signal, prefetch: false })).text()],
  left: [20, async () => {
    for await (const _ of await session.get("/stall/100000", { signal, prefetch: false })) break;
  }],
  closed: [20, async () => await (await session.get("/stall/100000", { signal, prefetch: false })).close()],
  canceled: [8, async () => await (await session.fetch(`${url}/stall/100000`, { signal })).body?.cancel()],
  dropped: [2, async () => void await session.get("/stall/100000", { signal, prefetch: false })],
};

const wheel = Object.entries(kinds).flatMap(([name, [share]]) => Array.from({ length: share }, () => name));
const counts: Record<string, number> = {};
const failures: string[] = [];

async function perform(i: number): Promise<void> {
  // A prime step: each thousand has every kind in its share, well mixed.
  const name = wheel[i * 619 % wheel.length]!;
  counts[name] = (counts[name] ?? 0) + 1;
  try {
    await kinds[name]![1](i);
  } catch (error) {
    failures.push(`${name}: ${error instanceof Error ? error.stack : error}`);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function collect(): Promise<void> {
  for (let turn = 0; turn < 8 || turn < 200 && session.exchanges().length > 0; turn++) {
    if (Bun) Bun.gc(true);
    else gc!();
    await pause(10);
  }
}

async function sample(at: number): Promise<void> {
  await collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  const { active, queued } = session.pool.stats();
  const open = session.exchanges().length;
  console.log(
    JSON.stringify({ at, heap: heapUsed, external, rss, listeners: life.listeners, active, queued, open, leaks }),
  );
}

let started = 0;
for (let end = Number(between); started < Number(total); end += Number(between)) {
  const work = async () => {
    while (started < Math.min(end, Number(total))) await perform(started++);
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  await sample(started);
}
const cut = await session.close();
console.log(
  JSON.stringify({ counts, failures: failures.slice(0, 20), failed: failures.length, cut: cut.length, leaks }),
);
