// Copyright 2026 the Hangup authors. MIT license.
//
// Measures one row on the runtime that runs this: `worker.ts JOB`, a `Job` as JSON. Prints an `Outcome` as JSON.
//
// In each round every contender has one turn, in random order, so that what the machine does besides meets them all
// alike. Before each turn the heap is swept, so that nobody pays for another's garbage.
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Call, loadClient } from "./clients.ts";
import type { Row } from "./rows.ts";

export interface Job {
  readonly row: Row;
  readonly origin: string;
  readonly contenders: readonly string[];
  /** Those of them that have a turn in every third round only: the bars are not for them. */
  readonly others: readonly string[];
  readonly rounds: number;
  /** Rounds that are not counted. */
  readonly warmups: number;
  /** After so many milliseconds no round begins. */
  readonly budget: number;
}

/** A contender's turn: the time that passed and the time of all cores, in milliseconds. */
export interface Turn {
  readonly wall: number;
  readonly cpu: number;
}

export interface Outcome {
  /** For each contender its turns by round, `null` where it had none. */
  readonly turns: Record<string, (Turn | null)[]>;
  /** What ended a contender's part: after that it had no turn. */
  readonly failures: Record<string, string>;
  /** The most memory that the process ever held, in bytes, and what it held before the first turn. */
  readonly peak: number;
  readonly before: number;
}

const { row, origin, contenders, others, rounds, warmups, budget } = JSON.parse(process.argv[2]!) as Job;
const url = origin + row.path;

const collectGarbage = "Bun" in globalThis
  ? () => (globalThis as unknown as { Bun: { gc(sync: boolean): void } }).Bun.gc(true)
  : (globalThis as { gc?: () => void }).gc ?? (() => {});

/** The high-water mark of resident memory. `maxRSS` may be inherited from the parent, so Linux's own is preferred. */
function peakMemory(): number {
  try {
    return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "latin1"))![1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

/** How long the results are: strings, bytes, arrays, or the count of a stream. */
const expected: Record<string, unknown> = {};

function check(name: string, result: unknown) {
  const kind = typeof result;
  const size = typeof result === "number" ? result : (result as { length?: unknown }).length;
  if (size === undefined || size !== (expected[kind] ??= size)) {
    throw new RangeError(`${name} got ${kind} of ${size}, and others of ${expected[kind]}`);
  }
}

async function takeTurn(name: string, call: Call): Promise<Turn> {
  collectGarbage();
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let sent = 0; sent < row.requests; sent += row.atOnce) {
    const results = await Promise.all(Array.from({ length: row.atOnce }, () => call(url)));
    for (const result of results) check(name, result);
  }
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: (user + system) / 1000 };
}

function shuffle<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

const calls: [string, Call][] = [];
for (const name of contenders) calls.push([name, (await loadClient(name))[row.call]!]);
const turns: Record<string, (Turn | null)[]> = Object.fromEntries(contenders.map((name) => [name, []]));
const failures: Record<string, string> = {};
const before = process.memoryUsage().rss;
const end = performance.now() + budget;
for (let round = -warmups; round < rounds && (round < 1 || performance.now() < end); round++) {
  for (const [name, call] of shuffle([...calls])) {
    let turn: Turn | null = null;
    const skipped = round > 0 && round % 3 > 0 && others.includes(name);
    if (!skipped && failures[name] === undefined) {
      try {
        turn = await takeTurn(name, call);
      } catch (error) {
        failures[name] = String(error);
      }
    }
    if (round >= 0) turns[name]!.push(turn);
  }
}
console.log(JSON.stringify({ turns, failures, peak: peakMemory(), before } satisfies Outcome));
// Peers keep sockets, and with them the process.
process.exit(0);
