// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { build, stop } from "esbuild";
import { fileURLToPath } from "node:url";

/** What no browser has. */
const FOREIGN = ["Deno", "Bun", "process", "Buffer", "require", "global", "setImmediate"];

Deno.test({
  name: "the module bundled for browsers is the module alone, and reads no global of other runtimes at load",
  // esbuild does not say when its process has ended.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const { metafile, outputFiles } = await build({
      absWorkingDir: fileURLToPath(new URL("../", import.meta.url)),
      entryPoints: ["mod.ts"],
      bundle: true,
      format: "iife",
      globalName: "hangup",
      platform: "browser",
      target: "es2024",
      metafile: true,
      write: false,
      logLevel: "error",
    });
    await stop();
    for (const [path, { imports }] of Object.entries(metafile.inputs)) {
      assert(/^\w+\.ts$/.test(path), path);
      for (const { path, external } of imports) assert(!external, path);
    }
    const read: string[] = [];
    const note = (name: string) => void read.push(name);
    const traps = Object.create(
      globalThis,
      Object.fromEntries(FOREIGN.map((name) => [name, { get: () => note(name) }])),
    );
    // `with` takes free names from the traps too.
    const load = new Function(
      "traps",
      `with (traps) { const globalThis = traps; ${outputFiles[0]!.text}; return hangup; }`,
    );
    assertEquals(typeof load(traps).Session, "function");
    assertEquals(read, []);
  },
});
