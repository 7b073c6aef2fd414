// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

/** What no browser has. */
// Not `setImmediate`: it is taken at load, before a test may fake it.
const FOREIGN = ["Deno", "Bun", "process", "Buffer", "require", "global"];

/** What `scripts/bundle.ts` prints. */
interface Bundle {
  inputs: Record<string, { imports: { path: string; external?: boolean }[] }>;
  text: string;
}

Deno.test("the module bundled for browsers is the module alone, and reads no global of other runtimes at load", async () => {
  const script = fileURLToPath(new URL("scripts/bundle.ts", import.meta.url));
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--no-check", script] })
    .output();
  assert(success);
  const { inputs, text }: Bundle = JSON.parse(new TextDecoder().decode(stdout));
  for (const [path, { imports }] of Object.entries(inputs)) {
    assert(/^(_internal\/(transports\/)?)?\w+\.ts$/.test(path), path);
    for (const { path, external } of imports) assert(!external, path);
  }
  const read: string[] = [];
  const note = (name: string) => void read.push(name);
  const traps = Object.create(
    globalThis,
    Object.fromEntries(FOREIGN.map((name) => [name, { get: () => note(name) }])),
  );
  // `with` takes free names from the traps too.
  const load = new Function("traps", `with (traps) { const globalThis = traps; ${text}; return hangup; }`);
  assertEquals(typeof load(traps).Session, "function");
  assertEquals(read, []);
});
