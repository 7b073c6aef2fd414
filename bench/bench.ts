// Copyright 2026 the Hangup authors. MIT license.
//
// Measures every row on Deno, Bun and Node 26, prints it, and saves it in results.json.
//
//   deno task bench -- --runtime=deno,node --row=fifty,sockets --rounds=10
//   deno task bench -- --quick          few rounds; saved only where --out=FILE says so
import { cpus, release, totalmem, type } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { startServer } from "../tests/server/start.ts";
import { PEERS } from "./clients.ts";
import {
  type Entry,
  formatEstimate,
  judge,
  type Measurement,
  mergeResults,
  peersAhead,
  RESULTS_FILE,
  type SocketEntry,
} from "./results.ts";
import { type Row, ROWS, RUNTIMES } from "./rows.ts";
import { median, ratio, round } from "./statistics.ts";
import { findTarget, run, type Target, withServer } from "./targets.ts";
import type { Job, Outcome, Turn } from "./worker.ts";

const text = { type: "string" } as const;
const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { runtime: text, row: text, rounds: text, out: text, quick: { type: "boolean", default: false } },
});
const { quick } = options;
const chosen = (option: string | undefined, name: string) => option?.split(",").includes(name) ?? true;
const out = options.out ?? (quick ? undefined : RESULTS_FILE);

/** Rounds of rows whose turns share a process, and of those whose turns do not. */
const rounds = Number(options.rounds ?? (quick ? 5 : 40));
const freshRounds = Math.min(rounds, quick ? 1 : 5);
/** After so many milliseconds of a row no round begins, and a process that goes on so much longer is killed. */
const budget = quick ? 5_000 : 15_000;
const limit = budget + 60_000;

/** By contender and round, what was measured; `null` where it had no turn, or that failed. */
type Turns = Record<string, (Turn & { peak?: number } | null)[]>;

/** The rounds of one row, in one process or each turn in a process of its own. */
async function measure(row: Row, target: Target): Promise<Entry> {
  const work = (job: Partial<Job>) =>
    withServer(node, async (origin) => {
      const whole = { row, origin, contenders, others, rounds, warmups: quick ? 1 : 4, budget, ...job };
      return await run<Outcome>(target, "worker.ts", { args: [JSON.stringify(whole)], limit });
    });
  const others = row.peers ? PEERS : [];
  const contenders = [row.base, row.own, ...others];
  const entry = { row: row.id, runtime: target.runtime, date };
  if (!row.fresh) {
    const { turns, failures } = await work({});
    return { ...entry, rounds: turns[row.base]!.length, contenders: summarize(row, turns, failures) };
  }
  const failures: Record<string, string> = {};
  const turns: Turns = Object.fromEntries(contenders.map((name) => [name, []]));
  for (let i = 0; i < freshRounds; i++) {
    // Peers take many seconds here, so each has one turn.
    const names = i === 0 ? contenders : [row.base, row.own];
    for (const name of i % 2 ? names.toReversed() : names) {
      try {
        const outcome = await work({ contenders: [name], rounds: 1, warmups: 0 });
        const turn = outcome.turns[name]![0]!;
        turns[name]!.push(turn && { ...turn, peak: outcome.peak });
        Object.assign(failures, outcome.failures);
      } catch (error) {
        turns[name]!.push(null);
        failures[name] = (error as Error).message;
      }
    }
  }
  return { ...entry, rounds: freshRounds, contenders: summarize(row, turns, failures) };
}

function summarize(row: Row, turns: Turns, failures: Record<string, string>): Entry["contenders"] {
  const compare = (name: string, base: string, what: "wall" | "cpu" | "peak") => {
    const pairs = turns[name]!.map((turn, i) => [turn?.[what], turns[base]![i]?.[what]])
      .filter((pair): pair is [number, number] => pair.every((value) => value !== undefined));
    return pairs.length > 0 ? ratio(pairs.map(([value]) => value), pairs.map(([, value]) => value)) : undefined;
  };
  const measurements = Object.entries(turns).map(([name, own]): [string, Measurement] => {
    const done = own.filter((turn) => turn !== null);
    return [name, {
      wall: compare(name, row.base, "wall"),
      cpu: compare(name, row.base, "cpu"),
      peak: compare(name, row.base, "peak"),
      own: name === row.own ? undefined : compare(row.own, name, "wall"),
      ms: done.length > 0 ? round(median(done.map(({ wall }) => wall))) : undefined,
      bytes: row.fresh && done.length > 0 ? median(done.map(({ peak }) => peak!)) : undefined,
      failure: failures[name],
    }];
  });
  return Object.fromEntries(measurements);
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
  const env = { HANGUP_CONTROL_URL: server.control };
  const clients = await run<SocketEntry["clients"]>(target, "sockets.ts", { env, limit });
  console.log(`\nSockets after 20 requests for the status alone · ${target.runtime}`);
  for (const [name, { accepted, open, closed }] of Object.entries(clients)) {
    const rest = closed === undefined ? "" : `, after close ${closed}`;
    console.log(`  ${name.padEnd(18)}accepted ${accepted}, open ${open}${rest}`);
  }
  return clients;
}

const node = await findTarget("node");
const targets = await Promise.all(RUNTIMES.filter((name) => chosen(options.runtime, name)).map(findTarget));
const date = new Date().toISOString().slice(0, 10);
const entries: Entry[] = [];
const sockets: SocketEntry[] = [];
for (const target of targets) {
  const { runtime } = target;
  for (const row of ROWS.filter(({ id }) => chosen(options.row, id))) {
    try {
      const entry = await measure(row, target);
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
  const machine = `${model}, ${cpus().length} cores, ${memory}, ${type()} ${release()}`;
  await mergeResults(out, { machine, versions, entries, sockets });
}
