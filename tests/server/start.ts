// Copyright 2026 the Hangup authors. MIT license.
import { fileURLToPath } from "node:url";
import { findRuntime } from "../harness/runtimes.ts";
import { lines } from "../harness/lines.ts";

/** A running counting server. */
export interface CountingServer extends AsyncDisposable {
  /** The address of its control port, for `HANGUP_CONTROL_URL`. */
  readonly control: string;
  /** Settles when the process has ended, asked to or not. */
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts the counting server in a process of its own, on the pinned Node 26. From Deno only. */
export async function startServer(): Promise<CountingServer> {
  const node = findRuntime("node26");
  if (!node) throw new Error("Cannot start the counting server: no Node 26 is installed");
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = new Deno.Command(node, { args: [main], stdin: "piped", stdout: "piped" }).spawn();
  const output = lines(child.stdout);
  const { value: ready } = await output.next();
  if (!ready) throw new Error("Cannot start the counting server: it ended without a word");
  const rest = output.next();
  const stop = async () => {
    await child.stdin.close();
    await child.status;
    await rest;
  };
  return { control: JSON.parse(ready).control, ended: child.status, stop, [Symbol.asyncDispose]: stop };
}
