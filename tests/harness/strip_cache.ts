// Copyright 2026 the Hangup authors. MIT license.
//
// Loaded before each script on Node 22. Most of a script's time goes into taking the types out of
// the module, and the compile cache of Node 22 does not keep the result. So it is kept here, for
// one run of the tests.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import process from "node:process";

const folder = process.env.NODE_COMPILE_CACHE;

/** A file without its types, in which every position is the same. */
function strip(url: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {}; // that this is experimental
  try {
    return stripTypeScriptTypes(readFileSync(new URL(url), "utf8"));
  } finally {
    process.emitWarning = emitWarning;
  }
}

registerHooks({
  load(url, context, nextLoad) {
    if (folder === undefined || !url.startsWith("file:") || !url.endsWith(".ts")) return nextLoad(url, context);
    const kept = `${folder}/${url.slice("file:".length).replaceAll("/", "+")}.js`;
    let source: string;
    try {
      source = readFileSync(kept, "utf8");
    } catch {
      source = strip(url);
      writeFileSync(`${kept}.${process.pid}`, source);
      renameSync(`${kept}.${process.pid}`, kept); // another process may read it meanwhile
    }
    return { format: "module", source, shortCircuit: true };
  },
});
