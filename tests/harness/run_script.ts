// Copyright 2026 the Hangup authors. MIT license.
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Exit, Script } from "./case.ts";

/** Runs a script of `tests/` with the runtime that runs this; Deno, Bun and Node alike. */
export function runScript(given: string | Script, ...args: string[]): Promise<Exit> {
  const { script, env, v8: options = [], tests = false }: Script = typeof given === "string"
    ? { script: given }
    : given;
  const file = fileURLToPath(new URL(`../${script}`, import.meta.url));
  // So that a script can force a garbage collection. Bun needs no flag for it.
  const v8 = ["--expose-gc", ...options];
  const cache = process.versions.node?.startsWith("22.")
    ? [`--import=${new URL("strip_cache.ts", import.meta.url)}`]
    : [];
  const flags = "deno" in process.versions
    ? tests
      ? ["test", "--no-check", "-A", "--sanitize-ops", "--sanitize-resources"]
      : ["run", "--no-check", "-A", `--v8-flags=${v8}`]
    : "bun" in process.versions
    ? tests ? ["test"] : []
    : [...cache, ...tests ? ["--test"] : v8];
  const child = spawn(process.execPath, [...flags, file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let stdout = "", stderr = "", last = performance.now();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    last = performance.now();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  // Less than a case's limit, so that a process that hangs is reported as such.
  const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr, rest: Math.round(performance.now() - last) });
    });
  });
}
