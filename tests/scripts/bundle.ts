// Copyright 2026 the Hangup authors. MIT license.
//
// Bundles the module for browsers and prints the bundle and what went into it. A process of its
// own, as esbuild's outlasts its calls. Arguments: "minify", for terser to minify it as webpack
// does; a target of esbuild's.
import { build, stop } from "esbuild";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { minify } from "terser";

const [how, target = "es2024"] = process.argv.slice(2);
const { metafile, outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL("../../", import.meta.url)),
  entryPoints: ["mod.ts"],
  bundle: true,
  format: "iife",
  globalName: "hangup",
  platform: "browser",
  target,
  metafile: true,
  write: false,
  logLevel: "error",
});
const { text } = outputFiles[0]!;
const { code } = how === "minify" ? await minify(text, { compress: { passes: 2 } }) : { code: text };
console.log(JSON.stringify({ inputs: metafile.inputs, text: code }));
await stop();
