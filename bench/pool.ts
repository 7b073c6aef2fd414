// Copyright 2026 the Hangup authors. MIT license.
//
// Runs pool_bench.ts on Deno, Bun and Node, one after the other, with garbage collection that can
// be forced.
import { fileURLToPath } from "node:url";
import { RUNTIMES } from "./rows.ts";
import { findTarget } from "./targets.ts";

const script = fileURLToPath(new URL("pool_bench.ts", import.meta.url));
const FLAGS = { deno: ["--v8-flags=--expose-gc"], bun: [], node: ["--expose-gc"] };

for (const runtime of RUNTIMES) {
  const { command: [executable, ...args] } = await findTarget(runtime);
  const { success } = await new Deno.Command(executable!, { args: [...args, ...FLAGS[runtime], script] }).spawn()
    .status;
  if (!success) Deno.exitCode = 1;
}
