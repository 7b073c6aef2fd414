// Copyright 2026 the Hangup authors. MIT license.
//
// Reads one body, and prints as JSON how long it was, what went wrong, and by how many bytes the
// process grew meanwhile. Arguments: the counting server's URL, the body's path, the way to read
// it, and the cap.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { type HangupError, Session, StatusError } from "../../mod.ts";

const [url, path, way, cap] = process.argv.slice(2);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * The most memory that the process has had since the last call of `reset()`, where the kernel keeps
 * it.
 */
function peakOfKernel(): number | undefined {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024 || undefined;
  } catch {
    return undefined;
  }
}

function reset(): boolean {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
    return true;
  } catch {
    return false;
  }
}

const session = new Session({ maxBodyBytes: cap === undefined ? undefined : Number(cap), timeout: { idle: 3000 } });

const ways: Record<string, (path: string) => Promise<number>> = {
  "get": async (path) => (await session.get(url + path)).content.byteLength,
  "stream": async (path) => (await (await session.get(url + path, { prefetch: false })).bytes()).byteLength,
  "loop": async (path) => {
    let size = 0;
    for await (const chunk of await session.get(url + path, { prefetch: false })) size += chunk.byteLength;
    return size;
  },
  "fetch": async (path) => (await (await session.fetch(url + path)).arrayBuffer()).byteLength,
  /** What is read ahead while nobody reads. */
  "unread": async (path) => {
    const response = await session.fetch(url + path);
    await pause(700);
    await response.body!.cancel();
    return 0;
  },
  "error": async (path) => {
    const response = await session.get(url + path, { prefetch: false });
    try {
      return (await (await response.throwIfNotOk()).bytes()).byteLength;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return error.response.content.byteLength;
    }
  },
};

/** How long the processor has worked for this process, in milliseconds. */
function busy(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Lets go of each chunk of a body at once, for 0.15 s of the processor's time at most. */
async function discard(path: string): Promise<void> {
  const reader = (await fetch(url + path)).body!.getReader();
  for (const end = busy() + 150; busy() < end;) if ((await reader.read()).done) return;
  await reader.cancel();
}

const read = ways[way!]!;
// What the module loads at its first use, and the garbage that the runtime makes of such a body and
// lets pile up, is not what the session holds.
for (const small of ["/bytes/1000", "/chunked/1000", "/gzip/1000"]) await read(small).catch(() => {});
await discard(path!).catch(() => {}); // Node refuses two lengths
// V8's young generation grows to its full size with the first garbage, whoever makes it.
const garbage: unknown[] = [];
for (let i = 0; i < 1_000_000; i++) garbage[i % 1000] = { i, more: [i, i, i] };
await pause(50);

const known = reset() && peakOfKernel() !== undefined;
const { rss } = process.memoryUsage();
let peak = rss;
const timer = setInterval(() => peak = Math.max(peak, process.memoryUsage().rss), 5);
let bytes: number | undefined;
let error: string | undefined;
await read(path!).then((size) => bytes = size, (thrown: HangupError) => error = `${thrown.name}: ${thrown.message}`);
clearInterval(timer);
peak = Math.max(peak, process.memoryUsage().rss, known ? peakOfKernel()! : 0);
console.log(JSON.stringify({ bytes, error, grown: peak - rss }));
await session.close();
