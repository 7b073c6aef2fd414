// Copyright 2026 the Hangup authors. MIT license.
//
// The size of the module bundled for a browser, minified and gzipped, and what each room takes of
// it. Fails above the goal, or above `--limit=BYTES`, which the gate sets so that the module does
// not grow unseen. `--detail` shows each file.
import { build, stop } from "esbuild";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const GOAL = 15 * 1024;
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

/** The rooms of the house, by what a path begins with. The first that fits has the file. */
const ROOMS = { "_internal/transports/": "transports", "_internal/": "_internal", "": "top" };
const roomOf = (path: string) => Object.entries(ROOMS).find(([start]) => path.startsWith(start))![1];

const [{ inputs }] = Object.values(metafile.outputs);
const files = Object.entries(inputs).map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }))
  .sort((a, b) => b.bytes - a.bytes);
console.log("  bytes   part  (minified, before compression)");
for (const room of Object.values(ROOMS).toReversed()) {
  const own = files.filter(({ path }) => roomOf(path) === room);
  const bytes = own.reduce((sum, file) => sum + file.bytes, 0);
  const part = `${(100 * bytes / contents.length).toFixed(1)} %`;
  console.log(`${String(bytes).padStart(7)} ${part.padStart(6)}  ${room}, ${own.length} files`);
  if (!options.detail) continue;
  for (const { path, bytes } of own) console.log(`${String(bytes).padStart(7)}         ${path}`);
}
console.log(`mod.ts for browsers: ${contents.length} bytes minified, ${size} gzipped, limit ${limit}, goal ${GOAL}`);
if (!(size <= limit)) Deno.exit(1);
