// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { findRuntime } from "./harness/runtimes.ts";
import { startSnippetServer } from "./snippet_server.ts";

const pages = [
  "README.md",
  "SECURITY.md",
  "docs/coming-from.md",
  "docs/errors.md",
  "docs/limits.md",
  "docs/recipes.md",
  "docs/runtimes.md",
  "docs/testing.md",
];

/** Their programs run on Node and Bun as well. */
const everywhere = new Set(["docs/recipes.md"]);

/**
 * The programs for another runtime are written here, so that they find this package and those that
 * it installs.
 */
const folder = new URL("../.tmp/snippets/", import.meta.url);

const consoleLine = /console\.log\(.*\); \/\/ (.*)/g;

/** What the comments say that a program logs. */
function expectedOf(code: string): string[] {
  return Array.from(code.matchAll(consoleLine), ([, comment]) => comment!);
}

/** Imports a program, asks it if it is a worker, and returns what it logged. */
async function runHere(code: string, origin: string): Promise<string[]> {
  const logged: string[] = [];
  const { log } = console;
  console.log = (...values) => {
    logged.push(values.map((value) => typeof value === "string" ? value : Deno.inspect(value)).join(" "));
  };
  try {
    const resolved = code.replace(/(?<= from )"([^"]+)"/g, (_, name) => JSON.stringify(import.meta.resolve(name)));
    const { default: worker } = await import(`data:application/typescript,${encodeURIComponent(resolved)}`);
    if (worker) assertMatch(await (await worker.fetch(new Request(origin))).text(), /^first\n/);
  } finally {
    console.log = log;
  }
  return logged;
}

/** Runs a program on Node or Bun, and returns the lines that it printed. Its tests must pass. */
async function runOn(runtime: "Node" | "Bun", code: string, name: string): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  const file = fileURLToPath(new URL(`${name}.test.ts`, folder));
  await Deno.writeTextFile(file, code);
  const executable = findRuntime(runtime === "Node" ? "node26" : "bun");
  const args = code.includes('"bun:test"') ? ["test", file] : [file];
  const command = new Deno.Command(executable!, { args, env: { NO_COLOR: "1" }, signal: AbortSignal.timeout(30_000) });
  const { code: status, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  assertEquals(status, 0, decoder.decode(stdout) + decoder.decode(stderr));
  return decoder.decode(stdout).trimEnd().split("\n");
}

for (const page of pages) {
  const text = await Deno.readTextFile(new URL(`../${page}`, import.meta.url));
  for (const [i, { 1: code, index }] of [...text.matchAll(/^ *```ts\n(.*?)^ *```$/gms)].entries()) {
    const [, heading] = [...text.slice(0, index).matchAll(/^#+ (.*)$/gm)].at(-1) ?? [];
    const [, only] = /^\/\/ on (Node|Bun)$/m.exec(code!) ?? [];
    const runtimes = only !== undefined ? [only] : everywhere.has(page) ? ["Deno", "Node", "Bun"] : ["Deno"];
    for (const runtime of runtimes) {
      Deno.test(`${page}'s example ${i + 1}, under "${heading}", logs what its comments say on ${runtime}`, async () => {
        const over = Promise.withResolvers<void>();
        await using server = startSnippetServer(over.promise);
        const origin = `http://127.0.0.1:${server.addr.port}`;
        const program = code!.replaceAll(/https:\/\/example\.com(?=.*["`])/g, origin);
        try {
          const logged = runtime === "Deno"
            ? await runHere(program, origin)
            : await runOn(runtime as "Node" | "Bun", program, `${page.replaceAll(/\W/g, "_")}_${i + 1}`);
          const shown = logged.map((line) => line.replaceAll(origin, "https://example.com"));
          const expected = expectedOf(code!);
          // A test runner prints lines of its own.
          if (/"(?:node|bun):test"/.test(code!)) { for (const line of expected) assert(shown.includes(line), line); }
          else assertEquals(shown.filter((line) => runtime === "Deno" || line !== ""), expected);
        } finally {
          over.resolve();
        }
      });
    }
  }
}

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\d _-]/gu, "").replaceAll(" ", "-");
}

for (const page of pages) {
  Deno.test(`${page} links to what is there, and is published with it`, async () => {
    const root = new URL("../", import.meta.url);
    const { publish } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
    const text = await Deno.readTextFile(new URL(page, root));
    for (const [, link] of text.matchAll(/\]\(([^)]+)\)/g)) {
      const { href, hash } = new URL(link, new URL(page, root));
      if (!href.startsWith(root.href)) continue; // another site's
      const path = href.slice(root.href.length).replace(/#.*/, "");
      const isPublished = publish.include.some((included: string) => `${path}/`.startsWith(`${included}/`));
      assert(isPublished, `Not published: ${link}`);
      const target = await Deno.readTextFile(new URL(path, root));
      const anchors = Array.from(target.matchAll(/^#+ (.*)$/gm), ([, heading]) => anchorOf(heading));
      assert(hash === "" || anchors.includes(hash.slice(1)), `No such heading: ${link}`);
    }
  });
}

Deno.test("README.md has at most 330 lines: the rest stands in docs/", async () => {
  const text = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  assert(text.trimEnd().split("\n").length <= 330);
});
