// Copyright 2026 the Hangup authors. MIT license.
//
// Checks what the shipped files import: no file imports another in a circle, each file imports only
// from its own layer and those below, and nothing comes from outside. Imports of types count.
//
//   deno run --allow-read tests/harness/imports.ts

/** The layers from top to bottom. `*` stands for every file of a folder. */
export const LAYERS: readonly (readonly string[])[] = [
  ["mod.ts"],
  ["ephemeral.ts", "retry.ts"],
  ["session.ts"],
  ["_internal/respond.ts"],
  ["_internal/send.ts", "response.ts"],
  ["_internal/web_response.ts"],
  ["_internal/body.ts"],
  ["_internal/read_ahead.ts"],
  ["_internal/source.ts"],
  ["_internal/exchange.ts"],
  ["_internal/attempt.ts"],
  ["_internal/redirect.ts", "_internal/jar.ts"],
  ["_internal/prepare.ts"],
  ["pool.ts"],
  ["transport.ts"],
  ["_internal/transports/*", "_internal/upload.ts"],
  ["_internal/slots.ts", "_internal/drain.ts", "_internal/timing.ts"],
  [
    "_internal/cancellation.ts",
    "_internal/deadlines.ts",
    "_internal/signals.ts",
    "_internal/bytes.ts",
  ],
  ["errors.ts", "cookies.ts"],
  ["_internal/url.ts", "_internal/headers.ts"],
  ["_internal/causes.ts", "_internal/foreign.ts"],
  [
    "request.ts",
    "_internal/http.ts",
    "_internal/list.ts",
    "_internal/classes.ts",
    "_internal/options.ts",
  ],
  ["_internal/runtime.ts", "_internal/timers.ts"],
];

/**
 * The files by path, each with the specifiers that it imports. Relative ones are resolved to paths.
 */
export type Graph = ReadonlyMap<string, readonly string[]>;

const STATIC = /^(?:import|export)\b(?:[^;"'`]*?\bfrom)?\s*["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']/g;

/**
 * What a source imports, exports from, and imports by `import()`, of types too. Examples in
 * comments do not count.
 */
export function importsOf(source: string): string[] {
  const code = source.split("\n").filter((line) => !/^\s*(?:\*|\/\/|\/\*)/.test(line)).join("\n");
  return [STATIC, DYNAMIC].flatMap((pattern) => Array.from(code.matchAll(pattern), ([, specifier]) => specifier!));
}

/** Resolves a specifier of a file at `path`. Those of packages stay as they are. */
export function resolve(specifier: string, path: string): string {
  return specifier.startsWith(".") ? new URL(specifier, `root:///${path}`).pathname.slice(1) : specifier;
}

/**
 * A shortest circle of each set of files that import each other, with its first file again at the
 * end.
 */
export function findCircles(graph: Graph): string[][] {
  const seen = new Set<string>();
  const circles: string[][] = [];
  const all = [...graph.keys()].map((file) => shortestCircle(graph, file)).filter((circle) => circle !== undefined);
  for (const circle of all.sort((a, b) => a.length - b.length)) {
    if (!circle.some((file) => seen.has(file))) circles.push(circle);
    for (const file of circle) seen.add(file);
  }
  return circles;
}

/** The shortest way from a file back to itself. */
function shortestCircle(graph: Graph, start: string): string[] | undefined {
  const reached = new Set<string>();
  let ways = [[start]];
  while (ways.length > 0) {
    const next: string[][] = [];
    for (const way of ways) {
      for (const file of graph.get(way.at(-1)!) ?? []) {
        if (file === start) return [...way, file];
        if (reached.has(file)) continue;
        reached.add(file);
        next.push([...way, file]);
      }
    }
    ways = next;
  }
}

/**
 * Imports against the layers, imports from outside, and files that the table lacks or has for
 * nothing.
 */
export function findFaults(graph: Graph, layers = LAYERS): string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  const entryOf = (file: string) => [file, file.replace(/[^/]+$/, "*")].find((entry) => layers.flat().includes(entry));
  const layerOf = (file: string) => layers.findIndex((layer) => layer.includes(entryOf(file) ?? ""));
  for (const [file, imports] of graph) {
    used.add(entryOf(file) ?? "");
    const layer = layerOf(file);
    if (layer < 0) faults.push(`${file} has no layer`);
    for (const imported of imports) {
      if (!graph.has(imported)) faults.push(`${file} imports ${imported}, which is not shipped`);
      else if (layer >= 0 && layerOf(imported) >= 0 && layerOf(imported) < layer) {
        faults.push(`${file} imports ${imported}, which is in a layer above it`);
      }
    }
  }
  for (const entry of layers.flat()) if (!used.has(entry)) faults.push(`${entry} has a layer, but does not exist`);
  return faults;
}

/** Reads the shipped files below `root`: `*.ts` at the top, and everything in `_internal`. */
export async function readGraph(root: URL): Promise<Graph> {
  const graph = new Map<string, string[]>();
  async function visit(folder: string) {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder || ".", root))) {
      const path = folder + name;
      if (isDirectory && path.startsWith("_internal")) await visit(`${path}/`);
      else if (name.endsWith(".ts")) {
        const specifiers = importsOf(await Deno.readTextFile(new URL(path, root)));
        graph.set(path, [...new Set(specifiers.map((specifier) => resolve(specifier, path)))].sort());
      }
    }
  }
  await visit("");
  return new Map([...graph].sort(([a], [b]) => a < b ? -1 : 1));
}

if (import.meta.main) {
  const graph = await readGraph(new URL("../../", import.meta.url));
  const circles = findCircles(graph).map((circle) => `A circle: ${circle.join(" → ")}`);
  const faults = [...circles, ...findFaults(graph)];
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error(`\n${faults.length} faults. The layers are in tests/harness/imports.ts`);
    Deno.exit(1);
  }
  console.log(`${graph.size} files, no circle, no import against the layers`);
}
