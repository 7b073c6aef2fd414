// Copyright 2026 the Hangup authors. MIT license.
//
// The model tests for longer than a suite may take: round after round, each with a seed of its own,
// until the time is over or a run fails; before them, once, every pair of disturbances at every
// pair of turns of `cancel_test.ts`.
//
//   deno task fuzz                     for ten minutes
//   deno task fuzz -- --seconds=60     for a minute
//   deno task fuzz -- --runs=1000000   until each model has had so many runs
//
// What failed is printed with its seed and path, and how to replay it.
import { fileURLToPath as fromFileUrl } from "node:url";
import { parseArgs } from "node:util";

const ROUND = 50_000;

const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    seconds: { type: "string" },
    runs: { type: "string" },
  },
});
const end = performance.now() + 1000 * Number(options.seconds ?? (options.runs ? Infinity : 600));
const maxRuns = Number(options.runs ?? Infinity);
if (Number.isNaN(end + maxRuns)) throw new RangeError("--seconds and --runs must be numbers");

/** Runs a test's file; prints what it says if it fails. */
async function passes(file: string, env: Record<string, string>): Promise<boolean> {
  const path = fromFileUrl(new URL(file, import.meta.url));
  const test = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", path],
    env: { ...env, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await test.output();
  if (success) return true;
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  console.log(said);
  const [, seed, counterexample] = /\{ seed: (-?\d+), path: "([\d:]+)"/.exec(said) ?? [];
  if (seed) console.log(`Replay: HANGUP_SEED=${seed} HANGUP_PATH=${counterexample} deno test -A tests/${file}`);
  return false;
}

/** Runs a model until the time is over; tells whether nothing failed. */
async function fuzz(file: string): Promise<boolean> {
  let runs = 0;
  while (runs < maxRuns && performance.now() < end) {
    const round = Math.min(ROUND, maxRuns - runs);
    if (!await passes(file, { HANGUP_RUNS: String(round) })) return false;
    runs += round;
    console.log(`${file}: ${runs.toLocaleString("en")} runs`);
  }
  return true;
}

let passed = await passes("cancel_test.ts", { HANGUP_EXHAUSTIVE: "1" });
if (passed) console.log("cancel_test.ts: every pair");
for (const result of await Promise.all([fuzz("pool_model_test.ts"), fuzz("session_model_test.ts")])) passed &&= result;
if (!passed) Deno.exit(1);
