// Copyright 2026 the Hangup authors. MIT license.
//
// Measures every row on Deno, Bun and Node 26, prints it, and saves it in results.json.
//
//   deno task bench -- --runtime=deno,node --row=fifty,sockets --rounds=10
//   deno task bench -- --row=first      the first request of cold processes
//   deno task bench -- --no-peers       without the peers
//   deno task bench -- --quick          few rounds
//
// A run with few rounds or without peers is saved only with --out=FILE.
import { cpus, totalmem, type } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { startServer } from "../tests/server/start.ts";
import { equal, PEERS } from "./clients.ts";
import { measureFirst } from "./first.ts";
import { measure, type Plan } from "./measure.ts";
import {
  type Entry,
  type FirstEntry,
  formatEstimate,
  judge,
  judgeImport,
  mergeResults,
  peersAhead,
  RESULTS_FILE,
  type SocketEntry,
} from "./results.ts";
import { type Quantity, type Row, ROWS, RUNTIMES } from "./rows.ts";
import { findTarget, run, type Target } from "./targets.ts";

const text = { type: "string" } as const;
const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    runtime: text,
    row: text,
    rounds: text,
    out: text,
    quick: { type: "boolean", default: false },
    "no-peers": { type: "boolean", default: false },
  },
});
const { quick, "no-peers": alone } = options;
const chosen = (option: string | undefined, name: string) => option?.split(",").includes(name) ?? true;
const out = options.out ?? (quick || alone ? undefined : RESULTS_FILE);

/** The contenders of a row: the platform, ours, and each peer as it comes and at equal work. */
function contendersOf({ base, own, floor, peers, without = [] }: Row): string[] {
  const racing = peers && !alone ? PEERS.filter((peer) => !without.includes(peer)) : [];
  return [base, own, floor, ...racing.flatMap((peer) => [peer, equal(peer)])];
}

/** How often the contenders of a row have a turn. */
function planOf({ fresh }: Row): Plan {
  if (fresh) return { generations: quick ? 1 : 4, rounds: 1, warmups: 0, peerGenerations: quick ? 1 : 2 };
  const rounds = Number(options.rounds ?? (quick ? 9 : 12));
  return quick
    ? { generations: 2, rounds, warmups: 6, peerGenerations: 1 }
    : { generations: 4, rounds, warmups: 40, peerGenerations: 1 };
}

const NAMES: Record<Quantity, string> = { wall: "time", cpu: "CPU", peak: "memory" };

function print(row: Row, entry: Entry) {
  console.log(`\n${row.title.replaceAll("`", "")} · ${entry.runtime} · ${entry.rounds} rounds`);
  for (const [name, { wall, cpu, peak, floor, ms, bytes, failure }] of Object.entries(entry.contenders)) {
    const cells = [
      name.padEnd(24),
      `wall ${formatEstimate(wall)}`.padEnd(18),
      `cpu ${formatEstimate(cpu)}`.padEnd(17),
      `to the platform: wall ${formatEstimate(floor?.wall)}`.padEnd(35),
      `cpu ${formatEstimate(floor?.cpu)}`.padEnd(17),
      ms === undefined ? "" : `${(ms / row.requests * 1000).toFixed(0)} µs each`.padStart(15),
      bytes === undefined
        ? ""
        : `  memory ${formatEstimate(peak)}, to the platform ${formatEstimate(floor?.peak)}, ${
          (bytes / 2 ** 20).toFixed(0)
        } MB`,
      failure ? `  FAILED ${failure}` : "",
    ];
    console.log(`  ${cells.join("")}`.trimEnd());
  }
  for (const { what, bar, measured, reached } of judge(entry)) {
    const to = row.bars.to === "floor" ? "the platform" : row.base;
    console.log(
      `  ${reached ? "reached" : "NOT REACHED"}: ${NAMES[what]} ${formatEstimate(measured)} to ${to}, bar ${bar}`,
    );
  }
  const ahead = peersAhead(entry);
  if (ahead) {
    console.log(ahead.length > 0 ? `  NOT AHEAD OF ${ahead.join(", ")}` : "  ahead of every peer at equal work");
  }
}

async function countSockets(target: Target): Promise<SocketEntry["clients"]> {
  await using server = await startServer();
  const clients = await run<SocketEntry["clients"]>(target, ["sockets.ts"], { HANGUP_CONTROL_URL: server.control });
  console.log(`\nSockets after 20 requests for the status alone · ${target.runtime}`);
  for (const [name, { accepted, open, closed }] of Object.entries(clients)) {
    const rest = closed === undefined ? "" : `, after close ${closed}`;
    console.log(`  ${name.padEnd(18)}accepted ${accepted}, open ${open}${rest}`);
  }
  return clients;
}

const targets = await Promise.all(RUNTIMES.filter((name) => chosen(options.runtime, name)).map(findTarget));
const date = new Date().toISOString().slice(0, 10);
const entries: Entry[] = [];
const sockets: SocketEntry[] = [];
const first: FirstEntry[] = [];
for (const target of targets) {
  const { runtime } = target;
  for (const row of ROWS.filter(({ id }) => chosen(options.row, id))) {
    try {
      const plan = planOf(row);
      const contenders = await measure(row, target, contendersOf(row), plan);
      const entry = { row: row.id, runtime, date, rounds: plan.generations * plan.rounds, contenders };
      print(row, entry);
      entries.push(entry);
    } catch (error) {
      console.error(`\n${row.id} · ${runtime} · ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  if (chosen(options.row, "first")) {
    const clients = await measureFirst(target, quick ? 3 : 15);
    console.log(`\nThe first request of a cold process · ${runtime}`);
    for (const [name, { imported, total, ratio, cpu }] of Object.entries(clients)) {
      console.log(
        `  ${name.padEnd(24)}import ${formatEstimate(imported)} ms, in all ${formatEstimate(total)} ms, ` +
          `ratio ${formatEstimate(ratio)}, CPU of the process ${formatEstimate(cpu)}`,
      );
    }
    const entry = { runtime, date, clients };
    const { own, reached } = judgeImport(entry);
    console.log(`  ${reached ? "reached" : "NOT REACHED"}: to import "${own}" takes no longer than to import ky`);
    first.push(entry);
  }
  if (chosen(options.row, "sockets")) sockets.push({ runtime, date, clients: await countSockets(target) });
}
if (out) {
  const { dependencies } = JSON.parse(await Deno.readTextFile(new URL("package.json", import.meta.url)));
  const versions = {
    ...Object.fromEntries(targets.map(({ runtime, version }) => [runtime, version])),
    ...dependencies,
  };
  const [{ model }] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  const machine = `${model}, ${cpus().length} cores, ${memory}, ${type()}`;
  await mergeResults(out, { machine, versions, entries, sockets, first });
}
