// Copyright 2026 the Hangup authors. MIT license.
//
// Where the time of a small request goes: for each runtime a table in Markdown, of the median
// ratios to bare `fetch`.
//
//   deno task bench:profile -- --runtime=deno,node
import { parseArgs } from "node:util";
import { measure } from "./measure.ts";
import { formatEstimate } from "./results.ts";
import { findRow, RUNTIMES } from "./rows.ts";
import { STEPS } from "./steps.ts";
import { findTarget } from "./targets.ts";

const { values: { runtime: only } } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { runtime: { type: "string" } },
});
const plan = { generations: 4, rounds: 15, warmups: 12, peerGenerations: 0 };
const steps = Object.keys(STEPS);
const [base, own] = [steps[0]!, steps.at(-1)!];

for (const runtime of RUNTIMES.filter((runtime) => only?.split(",").includes(runtime) ?? true)) {
  const target = await findTarget(runtime);
  const sequential = await measure({ ...findRow("sequential"), base, own }, target, steps, plan);
  const fifty = await measure({ ...findRow("fifty"), base, own }, target, steps, plan);
  console.log(`\n| ${runtime} ${target.version}, 1 KB | sequential: time | CPU | 50 at once: time | CPU |`);
  console.log("| --- | ---: | ---: | ---: | ---: |");
  for (const step of steps) {
    const cells = [sequential, fifty].flatMap((row) => [row[step]!.wall, row[step]!.cpu]).map(formatEstimate);
    console.log(`| ${[step, ...cells].join(" | ")} |`);
  }
}
