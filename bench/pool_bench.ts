// Copyright 2026 the Hangup authors. MIT license.

/**
 * What a waiter costs: 1,000 to 1,000,000 of them over 1 and 10,000 origins.
 *
 * Runs on every runtime, best with forced GC for the memory: `deno run --v8-flags=--expose-gc
 * bench/pool_bench.ts`, `bun bench/pool_bench.ts`, `node --expose-gc bench/pool_bench.ts`.
 *
 * @module
 */

import { type Lease, Pool } from "../pool.ts";
import type { Transport } from "../transport.ts";

interface Runtime {
  Bun?: { gc(force: boolean): void; version: string };
  Deno?: { version: { deno: string } };
  gc?: () => void;
  process: { memoryUsage(): { heapUsed: number; rss: number }; versions: Record<string, string>; exitCode: unknown };
}

const runtime = globalThis as unknown as Runtime;

function gc(): void {
  for (let i = 0; i < 3; i++) runtime.Bun ? runtime.Bun.gc(true) : runtime.gc?.();
}

const transport: Transport = { closesSockets: false, fetch: () => Promise.reject(new TypeError("unused")), close() {} };

/** Lets the reactions of a million promises run. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

interface Result {
  acquire: number;
  abort: number;
  release: number;
  bytes: number;
}

/**
 * Everything in nanoseconds for one waiter: to begin to wait, to be aborted (every second, by one
 * signal), to get a lease and release it. And the bytes for one, with its promise, and for every
 * second the signal's callback.
 *
 * In `pools` pools one after the other, but all waiting at once: with as many waiters in all, the
 * garbage collector has the same to do, whatever the length of the queues.
 */
async function measure(waiters: number, origins: number, pools: number): Promise<Result> {
  const names = Array.from({ length: origins }, (_, i) => `https://${i}.test`);
  const total = waiters * pools;
  const promises: (Promise<Lease> | undefined)[] = new Array(total).fill(undefined);
  const all = await Promise.all(Array.from({ length: pools }, async () => {
    const pool = new Pool({ maxConnections: 4, transport });
    const held = await Promise.all([1, 2, 3, 4].map(() => pool.acquire("https://held.test")));
    const controller = new AbortController();
    return { pool, held, controller, options: { signal: controller.signal } };
  }));
  gc();

  const before = runtime.process.memoryUsage().heapUsed;
  let start = performance.now();
  let count = 0;
  for (const { pool, options } of all) {
    for (let i = 0; i < waiters; i++) {
      // Every second, of each origin too.
      const turn = waiters > origins ? Math.floor(i / origins) : i;
      promises[count++] = pool.acquire(names[i % origins]!, turn % 2 === 1 ? options : undefined);
    }
  }
  const acquire = performance.now() - start;
  gc();
  const bytes = runtime.process.memoryUsage().heapUsed - before;

  let granted = 0;
  let rejected = 0;
  let left = 0;
  let done = () => {};
  const onGrant = (lease: Lease) => {
    granted++;
    lease.release();
    if (--left === 0) done();
  };
  const onReject = () => void rejected++;
  for (const promise of promises) promise!.then(onGrant, onReject);
  promises.length = 0;
  gc();

  start = performance.now();
  for (const { controller } of all) controller.abort();
  const abort = performance.now() - start;
  await turn();

  start = performance.now();
  for (const { pool, held } of all) {
    left = pool.stats().queued;
    const finished = new Promise<void>((resolve) => done = resolve);
    // Each release grants to the next, in a chain of promise reactions.
    for (const lease of held) lease.release();
    await finished;
  }
  const release = performance.now() - start;
  if (granted + rejected !== total) throw new RangeError("Lost a waiter");
  for (const { pool } of all) await pool.close();
  return {
    acquire: acquire / total * 1e6,
    abort: abort / rejected * 1e6,
    release: release / granted * 1e6,
    bytes: bytes / total,
  };
}

/** Nanoseconds to make and keep a bare promise with its functions, for comparison. */
function measureBare(promises: number): number {
  gc();
  const kept: unknown[] = new Array(promises).fill(undefined);
  const start = performance.now();
  for (let i = 0; i < promises; i++) {
    const waiter: Record<string, unknown> = { promise: undefined, resolve: undefined, reject: undefined };
    waiter.promise = new Promise((resolve, reject) => {
      waiter.resolve = resolve;
      waiter.reject = reject;
    });
    kept[i] = waiter;
  }
  return (performance.now() - start) / promises * 1e6;
}

/** Nanoseconds for an acquire and release that need not wait. */
async function measureFastPath(): Promise<number> {
  const pool = new Pool({ transport });
  const times: number[] = [];
  for (let round = 0; round < 10; round++) {
    const start = performance.now();
    for (let i = 0; i < 100_000; i++) (await pool.acquire("https://a.test")).release();
    times.push((performance.now() - start) / 100_000 * 1e6);
  }
  await pool.close();
  return Math.min(...times);
}

/**
 * The best of several measurements, each column of its own: what remains is the cost without the
 * noise.
 */
async function best(rounds: number, ...args: Parameters<typeof measure>): Promise<Result> {
  const result: Result = { acquire: Infinity, abort: Infinity, release: Infinity, bytes: Infinity };
  for (let i = 0; i < rounds; i++) {
    const { acquire, abort, release, bytes } = await measure(...args);
    result.acquire = Math.min(result.acquire, acquire);
    result.abort = Math.min(result.abort, abort);
    result.release = Math.min(result.release, release);
    result.bytes = Math.min(result.bytes, bytes);
  }
  return result;
}

const MILLION = 1_000_000;
const { Bun, Deno, process } = runtime;
const failures: string[] = [];

function row(waiters: number, pools: number, origins: number, { acquire, abort, release, bytes }: Result): number {
  // A waiter is acquired, and then either aborted or released.
  const total = acquire + (abort + release) / 2;
  // The growth of a small heap is noise.
  const memory = waiters * pools < MILLION ? "" : bytes.toFixed(0);
  // Where each waiter has an origin of its own, that origin's entry is counted too.
  if (memory !== "" && waiters >= origins && bytes >= 500) {
    failures.push(`${origins} origins: ${memory} bytes for a waiter`);
  }
  const cells = [waiters, pools, origins, ...[acquire, abort, release, total].map(Math.round), memory];
  console.log(cells.map((cell) => cell.toLocaleString("en").padStart(9)).join(" "));
  return total;
}

const HEAD = ["waiters", "pools", "origins", "acquire", "abort", "release", "total", "bytes"];
const head = HEAD.map((cell) => cell.padStart(9)).join(" ");

console.log(Deno ? `Deno ${Deno.version.deno}` : Bun ? `Bun ${Bun.version}` : `Node ${process.versions.node}`);
for (let i = 0; i < 20; i++) await measure(5_000, i % 2 ? 1 : 500, 1);
console.log(`Without waiting, to acquire and release: ${(await measureFastPath()).toFixed(0)} ns`);

console.log("\nns and bytes for a waiter, a million in all, half of them aborted");
console.log(head);
for (const origins of [1, 10_000]) {
  const totals: number[] = [];
  for (const waiters of [1_000, 100_000, MILLION]) {
    const pools = MILLION / waiters;
    totals.push(row(waiters, pools, origins, await best(3, waiters, origins, pools)));
  }
  const growth = totals.at(-1)! / totals[0]!;
  console.log(`${growth.toFixed(2)} times from the smallest to the largest`);
  if (growth >= 2) failures.push(`${origins} origins: cost grows ${growth.toFixed(2)} times`);
}

console.log("\nOne pool alone: what grows here is the garbage collector's part, that of the promises themselves");
console.log(head);
for (const waiters of [1_000, MILLION]) {
  row(waiters, 1, 1, await best(waiters === MILLION ? 1 : 100, waiters, 1, 1));
  const bare = Array.from({ length: waiters === MILLION ? 3 : 100 }, () => measureBare(waiters));
  console.log(`${waiters.toLocaleString("en").padStart(9)} bare promises: ${Math.min(...bare).toFixed(0)}`);
}
for (const failure of failures) console.log(`FAILED ${failure}`);
if (failures.length > 0) process.exitCode = 1;
