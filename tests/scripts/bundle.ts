// Copyright 2026 the Hangup authors. MIT license.
//
// Bundles the module for browsers and prints the bundle and what went into it. A process of its
// own, as esbuild's outlasts its calls.
import { build, stop } from "esbuild";
import { fileURLToPath } from "node:url";

const { metafile, outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL("../../", import.meta.url)),
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
console.log(JSON.stringify({ inputs: metafile.inputs, text: outputFiles[0]!.text }));
await stop();
