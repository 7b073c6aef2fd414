// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for Node and Bun: `<runtime> process.ts NAME ONLY FILE…`. It does not call exit():
// a process that the cases keep alive has leaked something, and the runner says so.
import process from "node:process";
import { runCase, runSuites, type Runtime } from "./case.ts";
import { runScript } from "./run_script.ts";
import { serve } from "./serve.ts";
import { importSuites } from "./suites.ts";

const [name, only = "", ...files] = process.argv.slice(2);
const runtime = name as Runtime;
await runSuites(await importSuites(files), runtime, only, (test) => runCase(test, { runtime, run: runScript, serve }));
