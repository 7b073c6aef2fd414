// Copyright 2026 the Hangup authors. MIT license.
//
// What was measured, as it is saved, printed and drawn.
import { fileURLToPath } from "node:url";
import { equal, mustBeBehind, PEERS } from "./clients.ts";
import { findRow, QUANTITIES, type Quantity, ROWS, type Runtime, RUNTIMES } from "./rows.ts";
import type { Estimate } from "./statistics.ts";

/** Ratios of a contender's turns to another's in the same round, absent if one of them failed. */
export type Ratios = { readonly [quantity in Quantity]?: Estimate };

/** One contender in one row on one runtime: the ratios to the row's base, and more. */
export interface Measurement extends Ratios {
  /** The ratios to the platform's share. */
  readonly floor?: Ratios;
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

/** The first request of a process on one runtime. */
export interface FirstEntry {
  readonly runtime: Runtime;
  readonly date: string;
  readonly clients: Readonly<Record<string, FirstRequest>>;
}

/** Medians over cold processes: milliseconds, and the ratio to bare `fetch` in the same round. */
export interface FirstRequest {
  /** To import the client. */
  readonly imported: Estimate;
  /** To import it, make what it needs, and read the first response. */
  readonly total: Estimate;
  readonly ratio: Estimate;
  /** The CPU time of the whole process, its start included, as a ratio. */
  readonly cpu: Estimate;
}

export interface Results {
  machine: string;
  versions: Record<string, string>;
  entries: Entry[];
  sockets: SocketEntry[];
  first: FirstEntry[];
}

export const RESULTS_FILE = fileURLToPath(new URL("results.json", import.meta.url));

export async function readResults(file: string): Promise<Results> {
  try {
    return { first: [], ...JSON.parse(await Deno.readTextFile(file)) };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { machine: "", versions: {}, entries: [], sockets: [], first: [] };
  }
}

/** Puts what is new into a file: what it has of other rows and runtimes stays. */
export async function mergeResults(file: string, results: Results) {
  const old = await readResults(file);
  const isNew = ({ row, runtime }: Entry) => results.entries.some((e) => e.row === row && e.runtime === runtime);
  const merge = <T extends { runtime: Runtime }>(old: readonly T[], own: readonly T[]): T[] =>
    [
      ...old.filter(({ runtime }) => !own.some((entry) => entry.runtime === runtime)),
      ...own,
    ].sort((a, b) => RUNTIMES.indexOf(a.runtime) - RUNTIMES.indexOf(b.runtime));
  const entries = [...old.entries.filter((entry) => !isNew(entry)), ...results.entries];
  const place = ({ row, runtime }: Entry) => ROWS.findIndex(({ id }) => id === row) * 3 + RUNTIMES.indexOf(runtime);
  const merged: Results = {
    machine: results.machine,
    versions: { ...old.versions, ...results.versions },
    entries: entries.sort((a, b) => place(a) - place(b)),
    sockets: merge(old.sockets, results.sockets),
    first: merge(old.first, results.first),
  };
  await Deno.writeTextFile(file, JSON.stringify(merged, null, 2) + "\n");
}

/** A bar, and what was measured against it. */
export interface Verdict {
  readonly what: Quantity;
  readonly bar: number;
  readonly measured: Estimate | undefined;
  readonly reached: boolean;
}

export function judge({ row: id, runtime, contenders }: Entry): Verdict[] {
  const row = findRow(id);
  const own = contenders[row.own];
  const ratios = row.bars.to === "floor" ? own?.floor : own;
  return QUANTITIES.flatMap((what) => {
    const bar = row.bars[what]?.[RUNTIMES.indexOf(runtime)];
    if (bar === undefined) return [];
    const measured = ratios?.[what];
    return [{ what, bar, measured, reached: measured !== undefined && measured.value <= bar }];
  });
}

/**
 * The peers that are not behind us at equal work, and must be; `undefined` where none was measured.
 */
export function peersAhead({ contenders }: Entry): string[] | undefined {
  const measured = PEERS.filter((peer) => contenders[equal(peer)]?.own);
  if (measured.length === 0) return undefined;
  return measured.filter((peer) => mustBeBehind(peer) && contenders[equal(peer)]!.own!.value >= 1);
}

/**
 * Whether importing the module takes no longer than importing ky, in the form that the runtime's
 * registry serves.
 */
export function judgeImport({ runtime, clients }: FirstEntry): { own: string; reached: boolean } {
  const own = runtime === "deno" ? "hangup" : "hangup, as JavaScript";
  return { own, reached: clients[own]!.imported.value <= clients["ky"]!.imported.value };
}

export function formatEstimate(estimate: Estimate | undefined): string {
  const { value, margin } = estimate ?? {};
  return (value?.toFixed(2) ?? "–") + (margin === undefined ? "" : ` ±${margin.toFixed(2)}`);
}
