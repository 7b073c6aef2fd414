// Copyright 2026 the Hangup authors. MIT license.
//
// What a cold process pays before it has its first response: importing the client, making a
// session, one request.
import { pathToFileURL } from "node:url";
import type { First } from "./first_worker.ts";
import type { FirstRequest } from "./results.ts";
import { estimate } from "./statistics.ts";
import { run, type Target, withServer } from "./targets.ts";
import { shuffle } from "./measure.ts";

const root = new URL("../", import.meta.url);

/**
 * Writes the module as JavaScript, file by file, as a registry serves it. Node takes long to strip
 * types.
 */
async function writeJavaScript(folder: URL) {
  const { stop, transform } = await import("esbuild");
  async function visit(path: string) {
    await Deno.mkdir(new URL(path, folder), { recursive: true });
    for await (const { name, isDirectory } of Deno.readDir(new URL(path || ".", root))) {
      if (isDirectory && (path + name).startsWith("_internal")) await visit(`${path}${name}/`);
      if (!name.endsWith(".ts")) continue;
      const source = await Deno.readTextFile(new URL(path + name, root));
      const { code } = await transform(source, { loader: "ts", format: "esm", target: "es2024" });
      const renamed = code.replace(/(\bfrom\s*|\bimport\s*\(?\s*)"(\.[^"]+)\.ts"/g, '$1"$2.js"');
      await Deno.writeTextFile(new URL((path + name).replace(/\.ts$/, ".js"), folder), renamed);
    }
  }
  await Deno.writeTextFile(new URL("package.json", folder), '{ "type": "module" }\n');
  await visit("");
  await stop();
}

/**
 * Has each client make the first request of `rounds` processes, in an order that is new in each
 * round.
 */
export async function measureFirst(target: Target, rounds: number): Promise<Record<string, FirstRequest>> {
  const folder = await Deno.makeTempDir();
  try {
    const compiled = pathToFileURL(`${folder}/`);
    await writeJavaScript(compiled);
    const clients: Record<string, [client: string, module: string]> = {
      "fetch": ["fetch", "none"],
      "hangup": ["hangup", new URL("mod.ts", root).href],
      "hangup, as JavaScript": ["hangup", new URL("mod.js", compiled).href],
      "ky": ["ky", "ky"],
    };
    const names = Object.keys(clients);
    const turns: Record<string, First>[] = [];
    // The first round fills the caches of the disk and of the compilers, and does not count.
    for (let i = -1; i < rounds; i++) {
      const round: Record<string, First> = {};
      for (const name of shuffle(names)) {
        round[name] = await withServer(
          "/1k",
          (origin) => run<First>(target, ["first_worker.ts", ...clients[name]!, `${origin}/1k`], {}),
        );
      }
      if (i >= 0) turns.push(round);
    }
    return Object.fromEntries(names.map((name): [string, FirstRequest] => {
      const summarize = (value: (round: Record<string, First>) => number) =>
        estimate(turns.map((round) => [value(round)]))!;
      return [name, {
        imported: summarize((round) => round[name]!.imported),
        total: summarize((round) => round[name]!.total),
        ratio: summarize((round) => round[name]!.total / round["fetch"]!.total),
        cpu: summarize((round) => round[name]!.cpu / round["fetch"]!.cpu),
      }];
    }));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
