// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for Deno: every contract case is a test of its own, with every sanitizer on.
import { fileURLToPath } from "node:url";
import { lacks, runCase, titleOf } from "./harness/case.ts";
import { runScript } from "./harness/run_script.ts";
import { serve } from "./harness/serve.ts";
import { importSuites } from "./harness/suites.ts";

// The runner names the files; without it, such as from an editor, it is all of them.
const directory = new URL("contract/", import.meta.url);
const files = Deno.env.get("HANGUP_CASES")?.split("\n") ??
  [...Deno.readDirSync(directory)].map(({ name }) => fileURLToPath(new URL(name, directory))).sort();
for (const suite of await importSuites(files.filter((file) => file.endsWith("_cases.ts")))) {
  for (const test of suite.cases) {
    const missing = lacks(test, "deno");
    Deno.test({
      name: titleOf(suite.name, test) + (missing ? ` (lacks ${missing})` : ""),
      ignore: missing !== undefined,
      sanitizeOps: !test.leaks,
      sanitizeResources: !test.leaks,
      sanitizeExit: true,
      fn: async () => void await runCase(test, { runtime: "deno", run: runScript, serve }),
    });
  }
}
