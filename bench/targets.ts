// Copyright 2026 the Hangup authors. MIT license.
//
// The runtimes that are measured, the server, and the processes of both.
import { fileURLToPath } from "node:url";
import { lines } from "../tests/harness/lines.ts";
import { findRuntime } from "../tests/harness/runtimes.ts";
import type { Runtime } from "./rows.ts";

export interface Target {
  readonly runtime: Runtime;
  /** Such as `1.4.5`. */
  readonly version: string;
  readonly command: readonly string[];
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export async function findTarget(runtime: Runtime): Promise<Target> {
  if (runtime === "deno") {
    const flags = ["run", "--no-check", "-A", "--v8-flags=--expose-gc"];
    return { runtime, version: Deno.version.deno, command: [Deno.execPath(), ...flags] };
  }
  const executable = findRuntime(runtime === "node" ? "node26" : runtime);
  if (!executable) throw new Error(`The pinned ${runtime} is not installed: deno task install`);
  const { stdout } = await new Deno.Command(executable, { args: ["--version"] }).output();
  const version = new TextDecoder().decode(stdout).trim().replace(/^v/, "");
  return { runtime, version, command: [executable, ...(runtime === "node" ? ["--expose-gc"] : [])] };
}

/** What else a process is given. */
export interface RunOptions {
  readonly args?: string[];
  readonly env?: Record<string, string>;
  /** After so many milliseconds it is killed. */
  readonly limit: number;
}

/** Runs a script of this directory, and gives what it prints as JSON. */
export async function run<T>({ command }: Target, script: string, { args = [], env, limit }: RunOptions): Promise<T> {
  const [executable, ...flags] = command;
  const child = new Deno.Command(executable!, {
    args: [...flags, path(script), ...args],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), limit);
  const { success, code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  const words = new TextDecoder().decode(stderr).split("\n").find((line) => /error/i.test(line));
  throw new Error(`${script} failed: ${words?.trim() ?? signal ?? code}`);
}

/** Starts a server for `work` alone, so that nobody else's sockets are on it. It runs on Node. */
export async function withServer<T>(node: Target, work: (origin: string) => Promise<T>): Promise<T> {
  const args = [path("server.ts")];
  const server = new Deno.Command(node.command[0]!, { args, stdin: "piped", stdout: "piped" }).spawn();
  const output = lines(server.stdout);
  const { value: port } = await output.next();
  try {
    return await work(`http://127.0.0.1:${port}`);
  } finally {
    await server.stdin.close();
    await output.return();
    await server.status;
  }
}
