// Copyright 2026 the Hangup authors. MIT license.
//
// The size of the module bundled for a browser, minified and gzipped: fails above the goal, or above
// `--limit=BYTES`, which the gate gives so that it does not grow unseen. With `--detail` also what each file adds to it before compression.
import { build, stop } from "esbuild";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const GOAL = 6144;
const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { limit: { type: "string", default: String(GOAL) }, detail: { type: "boolean", default: false } },
});
const limit = Number(options.limit);

const { metafile, outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL("../", import.meta.url)),
  entryPoints: ["mod.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2024",
  metafile: true,
  write: false,
  logLevel: "error",
});
await stop();
const [{ contents }] = outputFiles;
const size = gzipSync(contents, { level: 9 }).length;

if (options.detail) {
  const [{ inputs }] = Object.values(metafile.outputs);
  const files = Object.entries(inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
  for (const [file, { bytesInOutput }] of files) console.log(`${String(bytesInOutput).padStart(7)}  ${file}`);
}
console.log(`mod.ts for browsers: ${contents.length} bytes minified, ${size} gzipped, limit ${limit}, goal ${GOAL}`);
if (!(size <= limit)) Deno.exit(1);
