// Copyright 2026 the Hangup authors. MIT license.
//
// Measures every row on Deno, Bun and Node 26, prints it, and saves it in results.json.
//
//   deno task bench -- --runtime=deno,node --row=fifty,sockets --rounds=10
//   deno task bench -- --quick          few rounds; saved only where --out=FILE says so
import { cpus, totalmem, type } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { startServer } from "../tests/server/start.ts";
import { PEERS } from "./clients.ts";
import { measure, type Plan } from "./measure.ts";
import {
  type Entry,
  formatEstimate,
  judge,
  mergeResults,
  peersAhead,
  RESULTS_FILE,
  type SocketEntry,
} from "./results.ts";
import { type Row, ROWS, RUNTIMES } from "./rows.ts";
import { findTarget, run, type Target } from "./targets.ts";

const text = { type: "string" } as const;
const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { runtime: text, row: text, rounds: text, out: text, quick: { type: "boolean", default: false } },
});
const { quick } = options;
const chosen = (option: string | undefined, name: string) => option?.split(",").includes(name) ?? true;
const out = options.out ?? (quick ? undefined : RESULTS_FILE);

/** How often the contenders of a row have a turn. */
function planOf({ fresh }: Row): Plan {
  if (fresh) return { generations: quick ? 1 : 5, rounds: 1, warmups: 0, peerGenerations: 1 };
  const rounds = Number(options.rounds ?? (quick ? 9 : 12));
  return quick
    ? { generations: 2, rounds, warmups: 6, peerGenerations: 1 }
    : { generations: 5, rounds, warmups: 40, peerGenerations: 2 };
}

function print(row: Row, entry: Entry) {
  console.log(`\n${row.title.replaceAll("`", "")} · ${entry.runtime} · ${entry.rounds} rounds`);
  for (const [name, { wall, cpu, peak, ms, bytes, failure }] of Object.entries(entry.contenders)) {
    const cells = [
      name.padEnd(15),
      `wall ${formatEstimate(wall)}`.padEnd(18),
      `cpu ${formatEstimate(cpu)}`.padEnd(17),
      ms === undefined ? "" : `${(ms / row.requests * 1000).toFixed(0)} µs each`.padStart(15),
      bytes === undefined ? "" : `  memory ${formatEstimate(peak)}  ${(bytes / 2 ** 20).toFixed(0)} MB`,
      failure ? `  FAILED ${failure}` : "",
    ];
    console.log(`  ${cells.join("")}`.trimEnd());
  }
  for (const { what, bar, measured, reached } of judge(entry)) {
    const name = what === "wall" ? "time" : "memory";
    console.log(`  ${reached ? "reached" : "NOT REACHED"}: ${name} ${formatEstimate(measured)}, bar ${bar}`);
  }
  const ahead = peersAhead(entry);
  if (ahead) console.log(ahead.length > 0 ? `  NOT AHEAD OF ${ahead.join(", ")}` : "  ahead of every peer");
}

async function countSockets(target: Target): Promise<SocketEntry["clients"]> {
  await using server = await startServer();
  const clients = await run<SocketEntry["clients"]>(target, "sockets.ts", { HANGUP_CONTROL_URL: server.control });
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
for (const target of targets) {
  const { runtime } = target;
  for (const row of ROWS.filter(({ id }) => chosen(options.row, id))) {
    try {
      const plan = planOf(row);
      const names = [row.base, row.own, ...(row.floor ? [row.floor] : []), ...(row.peers ? PEERS : [])];
      const contenders = await measure(row, target, names, plan);
      const entry = { row: row.id, runtime, date, rounds: plan.generations * plan.rounds, contenders };
      print(row, entry);
      entries.push(entry);
    } catch (error) {
      console.error(`\n${row.id} · ${runtime} · ${(error as Error).message}`);
      process.exitCode = 1;
    }
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
  await mergeResults(out, { machine, versions, entries, sockets });
}
