// Copyright 2026 the Hangup authors. MIT license.
//
// One contender in one row, on the runtime that runs this: `worker.ts ROW NAME ORIGIN`. Prints a
// line when it is ready; then takes a turn for each line of its standard input, and prints an
// `Answer` as JSON in a line. Between its turns it waits. Exits when its standard input closes.
import { readFileSync } from "node:fs";
import process from "node:process";
import { loadClient } from "./clients.ts";
import { findRow } from "./rows.ts";

export interface Turn {
  /** The time that passed, and that of all cores, in milliseconds. */
  readonly wall: number;
  readonly cpu: number;
  /** The most memory that the process ever held, in bytes. */
  readonly peak: number;
  /** What each result was, and how long: a string, an array or bytes, or the count of a stream. */
  readonly kind: string;
  readonly size: number;
}

export type Answer = Turn | { readonly failure: string };

const [id, name, origin] = process.argv.slice(2);
const row = findRow(id!);
const call = (await loadClient(name!))[row.call]!;
const url = origin + row.path;

/**
 * What a program holds besides, some 8 MB: see README.md. Exported, as engines may drop what
 * nothing can reach.
 */
export const ballast = Array.from({ length: row.fresh ? 0 : 100_000 }, (_, id) => ({ id, name: `record ${id}` }));

/**
 * The high-water mark of resident memory. `maxRSS` may be inherited from the parent, so Linux's own
 * is preferred.
 */
function peakMemory(): number {
  try {
    return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "latin1"))![1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

async function takeTurn(): Promise<Turn> {
  const sizes = new Set<number>();
  let kind = "";
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let sent = 0; sent < row.requests; sent += row.atOnce) {
    const results = await Promise.all(Array.from({ length: row.atOnce }, () => call(url)));
    for (const result of results) {
      kind = typeof result;
      sizes.add(typeof result === "number" ? result : (result as { length: number }).length);
    }
  }
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  if (sizes.size > 1) throw new RangeError(`Got results of different sizes: ${[...sizes].join(", ")}`);
  const [size = NaN] = sizes;
  return { wall, cpu: (user + system) / 1000, peak: peakMemory(), kind, size };
}

process.stdin.on("data", async () => {
  const answer: Answer = await takeTurn().catch((error) => ({ failure: String(error) }));
  console.log(JSON.stringify(answer));
});
// Peers keep sockets, and with them the process.
process.stdin.on("end", () => process.exit(0));
console.log("ready");
