// Copyright 2026 the Hangup authors. MIT license.
import { fileURLToPath } from "node:url";
import { findRuntime } from "../harness/runtimes.ts";
import { lines } from "../harness/lines.ts";

/** A running counting server. */
export interface CountingServer extends AsyncDisposable {
  /** The address of its control port, for `HANGUP_CONTROL_URL`. */
  readonly control: string;
  /** The certificate of the authority to trust, in PEM. */
  readonly ca: string;
  /** The server's own certificate, in PEM, for WebKit. */
  readonly cert: string;
  /** The hash of its public key, for Chromium. */
  readonly spki: string;
  /** Settles when the process has ended, asked to or not. */
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * Starts the counting server in a process of its own, on the pinned Node 26 or else on Deno. From
 * Deno only.
 */
export async function startServer(): Promise<CountingServer> {
  const [executable, ...args] = [findRuntime("node26") ?? [Deno.execPath(), "run", "-A"]].flat();
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = new Deno.Command(executable, { args: [...args, main], stdin: "piped", stdout: "piped" }).spawn();
  const output = lines(child.stdout);
  const { value: ready } = await output.next();
  if (!ready) throw new Error("Cannot start the counting server: it ended without a word");
  const rest = output.next();
  const stop = async () => {
    await child.stdin.close();
    await child.status;
    await rest;
  };
  return { ...JSON.parse(ready), ended: child.status, stop, [Symbol.asyncDispose]: stop };
}
