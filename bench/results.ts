// Copyright 2026 the Hangup authors. MIT license.
//
// What was measured, as it is saved, printed and drawn.
import { fileURLToPath } from "node:url";
import { mustBeBehind, PEERS } from "./clients.ts";
import { findRow, ROWS, type Runtime, RUNTIMES } from "./rows.ts";
import type { Estimate } from "./statistics.ts";

/** One contender in one row on one runtime. */
export interface Measurement {
  /** Ratios to the row's base, absent where a turn of its failed. */
  readonly wall?: Estimate;
  readonly cpu?: Estimate;
  readonly peak?: Estimate;
  /** Ours to this one: below 1 where we are ahead. */
  readonly own?: Estimate;
  /** Medians of the turns: milliseconds, and bytes. */
  readonly ms?: number;
  readonly bytes?: number;
  readonly failure?: string;
}

/** One row on one runtime. */
export interface Entry {
  readonly row: string;
  readonly runtime: Runtime;
  readonly date: string;
  readonly rounds: number;
  readonly contenders: Readonly<Record<string, Measurement>>;
}

/** The sockets that 20 requests for the status alone left on one runtime. */
export interface SocketEntry {
  readonly runtime: Runtime;
  readonly date: string;
  readonly clients: Readonly<Record<string, SocketCounts>>;
}

/** What the server saw. */
export interface SocketCounts {
  readonly accepted: number;
  /** Open after the last call. */
  readonly open: number;
  /** Open after the client was closed, where it has such an end. */
  readonly closed?: number;
}

export interface Results {
  machine: string;
  versions: Record<string, string>;
  entries: Entry[];
  sockets: SocketEntry[];
}

export const RESULTS_FILE = fileURLToPath(new URL("results.json", import.meta.url));

export async function readResults(file: string): Promise<Results> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { machine: "", versions: {}, entries: [], sockets: [] };
  }
}

/** Puts what is new into a file: what it has of other rows and runtimes stays. */
export async function mergeResults(file: string, results: Results) {
  const old = await readResults(file);
  const isNew = ({ row, runtime }: Entry) => results.entries.some((e) => e.row === row && e.runtime === runtime);
  const counted = ({ runtime }: SocketEntry) => results.sockets.some((entry) => entry.runtime === runtime);
  const entries = [...old.entries.filter((entry) => !isNew(entry)), ...results.entries];
  const place = ({ row, runtime }: Entry) => ROWS.findIndex(({ id }) => id === row) * 3 + RUNTIMES.indexOf(runtime);
  const merged: Results = {
    machine: results.machine,
    versions: { ...old.versions, ...results.versions },
    entries: entries.sort((a, b) => place(a) - place(b)),
    sockets: [...old.sockets.filter((entry) => !counted(entry)), ...results.sockets],
  };
  await Deno.writeTextFile(file, JSON.stringify(merged, null, 2) + "\n");
}

/** A bar, and what was measured against it. */
export interface Verdict {
  readonly what: "wall" | "peak";
  readonly bar: number;
  readonly measured: Estimate | undefined;
  readonly reached: boolean;
}

export function judge({ row: id, runtime, contenders }: Entry): Verdict[] {
  const row = findRow(id);
  return (["wall", "peak"] as const).flatMap((what) => {
    const bar = row.bars[what]?.[RUNTIMES.indexOf(runtime)];
    if (bar === undefined) return [];
    const measured = contenders[row.own]?.[what];
    return [{ what, bar, measured, reached: measured !== undefined && measured.value <= bar }];
  });
}

/** The peers that are not behind us in a row of small bodies, and must be; `undefined` where there is no race. */
export function peersAhead({ row: id, contenders }: Entry): string[] | undefined {
  const row = findRow(id);
  if (!row.peers || row.fresh) return undefined;
  return PEERS.filter((peer) => mustBeBehind(peer) && !((contenders[peer]?.own?.value ?? 1) < 1));
}

export function formatEstimate(estimate: Estimate | undefined): string {
  const { value, margin } = estimate ?? {};
  return (value?.toFixed(2) ?? "–") + (margin === undefined ? "" : ` ±${margin.toFixed(2)}`);
}
