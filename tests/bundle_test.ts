// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript59";

const root = new URL("../", import.meta.url);

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
