// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { pathToFileURL } from "node:url";
import ts from "typescript59";
import { runScript } from "./harness/run_script.ts";

const root = new URL("../", import.meta.url);

/** What no browser has. */
// Not `setImmediate`: it is taken at load, before a test may fake it.
const FOREIGN = ["Deno", "Bun", "process", "Buffer", "require", "global"];

/** What `scripts/bundle.ts` prints. */
interface Bundle {
  inputs: Record<string, { imports: { path: string; external?: boolean }[] }>;
  text: string;
}

async function bundle(...args: string[]): Promise<Bundle> {
  return JSON.parse((await runScript("scripts/bundle.ts", ...args)).stdout);
}

Deno.test("the module bundled for browsers is the module alone, and reads no global of other runtimes at load", async () => {
  const { inputs, text } = await bundle();
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

Deno.test("the module minified by terser, as webpack's is, keeps its promises of garbage and its classes' names", async () => {
  const file = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(file, (await bundle("minify")).text);
  const { stdout } = await runScript("scripts/minified.ts", file);
  await Deno.remove(file);
  assertEquals(JSON.parse(stdout), {
    shown: [
      "Session { open: 0, queued: 0, closed: false }",
      "[object Session]",
      "Pool { active: 0, queued: 0, closed: false }",
      'StreamedResponse { status: 200, url: "http://x.test/", closed: false }',
    ],
    leaks: 11,
    open: 0,
  });
});

Deno.test("the module works where async functions are compiled for another Promise, as Angular does for zone.js", async () => {
  class OldPromise<T> extends Promise<T> {
    static override withResolvers = undefined as never;
  }
  const { text } = await bundle("as it is", "es2016");
  const { Session }: typeof import("../mod.ts") = new Function("Promise", `${text}; return hangup`)(OldPromise);
  const session = new Session({ pool: { maxConnections: 1 }, fetch: () => Promise.resolve(new Response("hello")) });
  const sent = session.get("http://x.test/");
  assert(sent instanceof OldPromise);
  const texts = await Promise.all([sent, session.fetch("http://x.test/")].map(async (sent) => (await sent).text()));
  assertEquals([await Promise.all(texts), await session.close()], [["hello", "hello"], []]);
});

/** The shipped files, relative to the root. */
function* shippedFiles(): Generator<string> {
  for (const folder of ["", "_internal/", "_internal/transports/"]) {
    for (const { name } of Deno.readDirSync(new URL(folder, root))) if (name.endsWith(".ts")) yield folder + name;
  }
}

Deno.test("TypeScript compiles the module for ES2020, as ts-jest and old projects do", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const file of shippedFiles()) {
      const source = await Deno.readTextFile(new URL(file, root));
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: {
          target: ts.ScriptTarget.ES2020,
          module: ts.ModuleKind.ESNext,
          rewriteRelativeImportExtensions: true,
        },
      });
      await Deno.mkdir(`${folder}/_internal/transports`, { recursive: true });
      await Deno.writeTextFile(`${folder}/${file.replace(/\.ts$/, ".js")}`, outputText);
    }
    const { Session }: typeof import("../mod.ts") = await import(`${pathToFileURL(folder)}/mod.js`);
    const session = new Session({ fetch: () => Promise.resolve(new Response("hello")) });
    assertEquals(await (await session.fetch("http://x.test/")).text(), "hello");
    await session.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
