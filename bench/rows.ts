// Copyright 2026 the Hangup authors. MIT license.
//
// What is measured, and the bars: ratios to bare `fetch` in the same round.

/** The runtimes that are measured, in the order of each bar's numbers. */
export const RUNTIMES = ["deno", "bun", "node"] as const;
export type Runtime = typeof RUNTIMES[number];

/** One row: the same requests by each contender. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** What each request asks for, of the client and of the server. */
  readonly call: "text" | "json" | "bytes" | "stream";
  readonly path: "/1k" | "/64k" | "/10m" | "/50m";
  /** Requests in one turn of a contender, in groups of so many at once. */
  readonly requests: number;
  readonly atOnce: number;
  /** What the ratios are to, and what the bars are for: names of clients.ts. */
  readonly base: string;
  readonly own: string;
  /** The platform's share, which a session cannot go below: a name of steps.ts. */
  readonly floor?: string;
  /** Whether the peers are measured too; if so, each that is built on `fetch`, axios and got are to be behind. */
  readonly peers: boolean;
  /** Each turn in a process of its own, for its peak of memory. */
  readonly fresh?: boolean;
  /** The highest ratios that are accepted on Deno, Bun and Node. */
  readonly bars: { readonly wall?: readonly number[]; readonly peak?: readonly number[] };
}

const base = "fetch";
const own = "hangup";

export const ROWS: readonly Row[] = [
  {
    id: "sequential",
    title: "`session.get` + `text()`, 1 KB, sequential",
    call: "text",
    path: "/1k",
    requests: 300,
    atOnce: 1,
    base,
    own,
    floor: "platform",
    peers: true,
    bars: { wall: [1.05, 1.05, 1.05] },
  },
  {
    id: "fifty",
    title: "`session.get` + `text()`, 1 KB, 50 at once",
    call: "text",
    path: "/1k",
    requests: 500,
    atOnce: 50,
    base,
    own,
    floor: "platform",
    peers: true,
    bars: { wall: [1.05, 1.05, 1.05] },
  },
  {
    id: "json",
    title: "`session.get` + `json()`, 64 KB, sequential",
    call: "json",
    path: "/64k",
    requests: 60,
    atOnce: 1,
    base,
    own,
    floor: "platform",
    peers: true,
    bars: { wall: [1.05, 1.05, 1.05] },
  },
  {
    id: "stream",
    title: "Streamed, 10 MB, read by `for await`",
    call: "stream",
    path: "/10m",
    requests: 4,
    atOnce: 1,
    base,
    own,
    peers: false,
    bars: { wall: [1.1, 1.1, 1.1] },
  },
  {
    id: "drop-in",
    title: "`session.fetch` + `text()`, 1 KB, 50 at once",
    call: "text",
    path: "/1k",
    requests: 500,
    atOnce: 50,
    base,
    own: "session.fetch",
    floor: "platform, as a Response",
    peers: true,
    bars: { wall: [1.2, 1.2, 1.2] },
  },
  {
    id: "ephemeral",
    title: "`get()` + `text()`, 1 KB, to `fetch` with `Connection: close`",
    call: "text",
    path: "/1k",
    requests: 50,
    atOnce: 1,
    base: "fetch, closing",
    own: "get()",
    floor: "platform, closing",
    peers: false,
    bars: { wall: [1.1, 1.1, 1.1] },
  },
  {
    id: "burst",
    title: "10,000 requests at once, 1 KB",
    call: "text",
    path: "/1k",
    requests: 10_000,
    atOnce: 10_000,
    base,
    own,
    floor: "platform, 64 at once",
    peers: true,
    fresh: true,
    bars: { wall: [0.2, 1, 0.55], peak: [0.25, 0.8, 0.5] },
  },
  {
    id: "prefetch",
    title: "Prefetch of 50 MB, to `arrayBuffer()`",
    call: "bytes",
    path: "/50m",
    requests: 1,
    atOnce: 1,
    base,
    own,
    peers: false,
    fresh: true,
    bars: { peak: [1.2, 1.2, 1.2] },
  },
];

export function findRow(id: string): Row {
  return ROWS.find((row) => row.id === id)!;
}
