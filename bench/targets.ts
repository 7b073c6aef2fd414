// Copyright 2026 the Hangup authors. MIT license.
//
// The runtimes that are measured, the server, and the processes of both.
import { fileURLToPath } from "node:url";
import { lines } from "../tests/harness/lines.ts";
import { findRuntime } from "../tests/harness/runtimes.ts";
import type { Path, Row, Runtime } from "./rows.ts";
import type { Answer } from "./worker.ts";

export interface Target {
  readonly runtime: Runtime;
  /** Such as `1.4.5`. */
  readonly version: string;
  readonly command: readonly string[];
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

function findExecutable(runtime: "bun" | "node"): string {
  const executable = findRuntime(runtime === "node" ? "node26" : runtime);
  if (!executable) throw new Error(`The pinned ${runtime} is not installed: deno task install`);
  return executable;
}

export async function findTarget(runtime: Runtime): Promise<Target> {
  if (runtime === "deno") {
    return { runtime, version: Deno.version.deno, command: [Deno.execPath(), "run", "--no-check", "-A"] };
  }
  const executable = findExecutable(runtime);
  const { stdout } = await new Deno.Command(executable, { args: ["--version"] }).output();
  const version = new TextDecoder().decode(stdout).trim().replace(/^v/, "");
  return { runtime, version, command: [executable] };
}

/** The core of the server, and those of the contenders. */
const cores = navigator.hardwareConcurrency;
const canPin = cores > 1 && Deno.build.os === "linux" && canRun("taskset", "-c", "0", "true");

function canRun(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args }).outputSync().success;
  } catch {
    return false;
  }
}

/**
 * A command on cores of its own: to wake a process on the same core or on another one differs by
 * more than a client costs.
 */
function pinned(cpus: string, ...command: string[]): [executable: string, ...args: string[]] {
  return (canPin ? ["taskset", "-c", cpus, ...command] : command) as [string, ...string[]];
}

/** After so many milliseconds a process that owes an answer is killed. */
const LIMIT = 60_000;

/** Runs a script of this directory with its arguments, and gives what it prints as JSON. */
export async function run<T>(
  { command }: Target,
  [script, ...rest]: readonly [string, ...string[]],
  env: Record<string, string>,
): Promise<T> {
  const [executable, ...args] = pinned(`1-${cores - 1}`, ...command, path(script), ...rest);
  const child = new Deno.Command(executable, {
    args,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT);
  const { success, code, signal, stdout } = await child.output();
  clearTimeout(timer);
  if (!success) throw new Error(`${script} failed: ${signal ?? code}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A contender in a process of its own, which waits until it is asked for a turn. */
export interface Contender {
  readonly name: string;
  takeTurn(): Promise<Answer>;
  end(): Promise<void>;
}

/** Starts a contender, and resolves when it is ready for its first turn. */
export async function startContender({ command }: Target, row: Row, name: string, origin: string): Promise<Contender> {
  const [executable, ...args] = pinned(`1-${cores - 1}`, ...command, path("worker.ts"), row.id, name, origin);
  const child = new Deno.Command(executable, { args, stdin: "piped", stdout: "piped" }).spawn();
  const input = child.stdin.getWriter();
  const output = lines(child.stdout);
  const nextLine = async () => {
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT);
    const { value } = await output.next();
    clearTimeout(timer);
    return value;
  };
  await nextLine();
  return {
    name,
    async takeTurn() {
      // A process that has ended takes no line, and prints none.
      await input.write(new TextEncoder().encode("turn\n")).catch(() => {});
      return JSON.parse(await nextLine() ?? '{ "failure": "Its process ended without an answer" }');
    },
    async end() {
      await input.close().catch(() => {});
      await output.return();
      await child.status;
    },
  };
}

/**
 * Starts a server on Node for `work` alone, so that nobody else's sockets are on it. It is ready
 * for `answer`.
 */
export async function withServer<T>(answer: Path, work: (origin: string) => Promise<T>): Promise<T> {
  const [executable, ...args] = pinned("0", findExecutable("node"), path("server.ts"), answer);
  const server = new Deno.Command(executable, { args, stdin: "piped", stdout: "piped" }).spawn();
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
