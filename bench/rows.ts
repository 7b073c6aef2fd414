// Copyright 2026 the Hangup authors. MIT license.
//
// What is measured, and the bars: ratios to the platform's share or to bare `fetch`, in the same
// round.

/** The runtimes that are measured, in the order of each bar's numbers. */
export const RUNTIMES = ["deno", "bun", "node"] as const;
export type Runtime = typeof RUNTIMES[number];

/** What the server can be asked for: see server.ts. */
export type Path =
  | "/1k"
  | "/64k"
  | "/10m"
  | "/50m"
  | "/2k-chunked"
  | "/2k-chunked-gzip"
  | "/200k-gzip"
  | "/20m-in-1k-chunks"
  | "/32k-in-1-byte-chunks"
  | "/1k-after-1ms"
  | "/1k-after-20ms";

/** One row: the same requests by each contender. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** What each request asks for, of the client and of the server. */
  readonly call: "text" | "json" | "bytes" | "stream";
  readonly path: Path;
  /** The requests in one turn of a contender, `atOnce` of them at a time. */
  readonly requests: number;
  readonly atOnce: number;
  /**
   * The contender that the ratios are to, and the one that the bars are for: names of clients.ts.
   */
  readonly base: string;
  readonly own: string;
  /**
   * The platform's share, which a session cannot go below: a name of steps.ts. There are ratios to
   * it, too.
   */
  readonly floor: string;
  /** Whether the peers are measured too. */
  readonly peers: boolean;
  /** Peers that cannot do it. */
  readonly without?: readonly string[];
  /** Each turn in a process of its own, for its peak of memory. */
  readonly fresh?: boolean;
  /** The highest ratios that are accepted on Deno, Bun and Node, and what they are to. */
  readonly bars: Bars;
}

export const QUANTITIES = ["wall", "cpu", "peak"] as const;
export type Quantity = typeof QUANTITIES[number];
export type Bars = { readonly to: "base" | "floor" } & { readonly [quantity in Quantity]?: readonly number[] };

const base = "fetch";
const own = "hangup";
const floor = "platform";
/** What most rows have in common. */
const usual = { base, own, floor, peers: true } as const;

/** The same bar for the time and for the CPU time, to the platform's share. */
const toFloor = (...bars: number[]): Bars => ({ to: "floor", wall: bars, cpu: bars });
/** A bar for the time alone, to bare `fetch`. */
const toFetch = (...bars: number[]): Bars => ({ to: "base", wall: bars });
/** undici's `request()` decodes no body. */
const coded = { without: ["undici"] } as const;

export const ROWS: readonly Row[] = [
  {
    ...usual,
    id: "sequential",
    title: "`session.get` + `text()`, 1 KB, sequential",
    call: "text",
    path: "/1k",
    requests: 300,
    atOnce: 1,
    bars: toFloor(1.15, 1.15, 1.08),
  },
  {
    ...usual,
    id: "fifty",
    title: "`session.get` + `text()`, 1 KB, 50 at once",
    call: "text",
    path: "/1k",
    requests: 500,
    atOnce: 50,
    bars: toFloor(1.10, 1.20, 1.06),
  },
  {
    ...usual,
    id: "drop-in",
    title: "`session.fetch` + `text()`, 1 KB, 50 at once",
    call: "text",
    path: "/1k",
    requests: 500,
    atOnce: 50,
    own: "session.fetch",
    floor: "platform, as a Response",
    bars: toFloor(1.15, 1.20, 1.10),
  },
  {
    ...usual,
    id: "json",
    title: "`session.get` + `json()`, 64 KB, sequential",
    call: "json",
    path: "/64k",
    requests: 60,
    atOnce: 1,
    bars: toFloor(1.06, 1.06, 1.04),
  },
  {
    ...usual,
    id: "ephemeral",
    title: "`get()` + `text()`, 1 KB, to `fetch` with `Connection: close`",
    call: "text",
    path: "/1k",
    requests: 50,
    atOnce: 1,
    base: "fetch, closing",
    own: "get()",
    floor: "platform, closing",
    peers: false, // none closes its connection
    bars: toFloor(1.15, 1.15, 1.10),
  },
  {
    ...usual,
    id: "chunked",
    title: "`session.get` + `json()`, 2 KB, chunked, sequential",
    call: "json",
    path: "/2k-chunked",
    requests: 300,
    atOnce: 1,
    bars: toFetch(1.15, 1.3, 1.08),
  },
  {
    ...usual,
    id: "chunked-fifty",
    title: "`session.get` + `json()`, 2 KB, chunked, 50 at once",
    call: "json",
    path: "/2k-chunked",
    requests: 500,
    atOnce: 50,
    bars: toFetch(1, 1.35, 1.08),
  },
  {
    ...usual,
    ...coded,
    id: "gzip",
    title: "`session.get` + `json()`, 2 KB, chunked and gzip, sequential",
    call: "json",
    path: "/2k-chunked-gzip",
    requests: 300,
    atOnce: 1,
    bars: toFetch(1.10, 1.3, 1.08),
  },
  {
    ...usual,
    ...coded,
    id: "gzip-fifty",
    title: "`session.get` + `json()`, 2 KB, chunked and gzip, 50 at once",
    call: "json",
    path: "/2k-chunked-gzip",
    requests: 500,
    atOnce: 50,
    bars: toFetch(0.80, 1.35, 1.08),
  },
  {
    ...usual,
    ...coded,
    id: "gzip-large",
    title: "`session.get` + `json()`, 200 KB, gzip with its length, 50 at once",
    call: "json",
    path: "/200k-gzip",
    requests: 50,
    atOnce: 50,
    bars: toFetch(0.80, 1.35, 1.08),
  },
  {
    ...usual,
    id: "near",
    title: "1 KB from a server 1 ms away, 50 at once",
    call: "text",
    path: "/1k-after-1ms",
    requests: 500,
    atOnce: 50,
    bars: toFetch(1.02, 1.02, 1.02),
  },
  {
    ...usual,
    id: "far",
    title: "1 KB from a server 20 ms away, 50 at once",
    call: "text",
    path: "/1k-after-20ms",
    requests: 100,
    atOnce: 50,
    bars: toFetch(1.02, 1.02, 1.02),
  },
  {
    ...usual,
    id: "stream",
    title: "Streamed, 10 MB, read by `for await`",
    call: "stream",
    path: "/10m",
    requests: 4,
    atOnce: 1,
    bars: toFetch(1.1, 1.1, 1.1),
  },
  {
    ...usual,
    id: "burst",
    title: "10,000 requests at once, 1 KB",
    call: "text",
    path: "/1k",
    requests: 10_000,
    atOnce: 10_000,
    floor: "platform, 64 at once",
    fresh: true,
    bars: { to: "floor", wall: [1.25, 1.5, 1.05], peak: [1.2, 1.4, 1.1] },
  },
  {
    ...usual,
    id: "prefetch",
    title: "Prefetch of 50 MB, to `arrayBuffer()`",
    call: "bytes",
    path: "/50m",
    requests: 1,
    atOnce: 1,
    fresh: true,
    bars: { to: "base", peak: [1.2, 1.2, 1.2] },
  },
  {
    ...usual,
    id: "chunks",
    title: "Prefetch of 20 MB in chunks of 1 KB, to `arrayBuffer()`",
    call: "bytes",
    path: "/20m-in-1k-chunks",
    requests: 1,
    atOnce: 1,
    fresh: true,
    bars: { to: "floor", wall: [3, 1.3, 1.2], peak: [1.5, 1.5, 1.5] },
  },
  {
    ...usual,
    id: "bytes",
    title: "Prefetch of 32 KB in chunks of one byte, to `arrayBuffer()`",
    call: "bytes",
    path: "/32k-in-1-byte-chunks",
    requests: 1,
    atOnce: 1,
    fresh: true,
    bars: { to: "floor", peak: [1.5, 1.5, 1.5] },
  },
];

export function findRow(id: string): Row {
  return ROWS.find((row) => row.id === id)!;
}
