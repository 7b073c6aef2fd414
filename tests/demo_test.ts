// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cp } from "node:fs/promises";
import { delimiter, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { findRuntime } from "./harness/runtimes.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const windows = Deno.build.os === "windows";

/**
 * Runs the demo in a folder, by its task, with only the named folders on PATH. Returns what it
 * prints.
 */
async function runDemo(folder: string, path: string[]): Promise<string> {
  const began = performance.now();
  const env = { ...Deno.env.toObject(), PATH: path.join(delimiter), NO_COLOR: "1" };
  for (const name of Object.keys(env)) if (/^HANGUP_|^DENO_DIR$/.test(name)) delete env[name as keyof typeof env];
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "demo"],
    cwd: folder,
    env,
    clearEnv: true,
  });
  const { code, stdout, stderr } = await command.output();
  assert(performance.now() - began < 30_000);
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout);
}

/**
 * Fails unless bare `fetch` left 20 sockets open on each of `runtimes`, and Hangup none after
 * `close()`.
 */
function assertTable(printed: string, runtimes: number) {
  const rows = printed.split("\n").map((line) => line.split("│").map((cell) => cell.trim()));
  const cellsOf = (way: string) => {
    const cells = rows.find(([name]) => name === way)!.slice(1).map((cell) => cell.split(/ +/));
    assertEquals(cells.length, runtimes, way);
    return cells;
  };
  for (const way of ["fetch, the status alone looked at", "fetch, one chunk read"]) {
    for (const [, open, closed] of cellsOf(way)) assertEquals([open, closed], ["20", "–"], way);
  }
  for (
    const way of [
      "get()",
      "head()",
      "session.get()",
      "session, streamed and dropped",
      "session, streamed and left by break",
    ]
  ) {
    for (const [, , closed] of cellsOf(way)) assertEquals(closed, "0", way);
  }
}

Deno.test("The demo shows that bare fetch leaves sockets open, and Hangup none, within 30 s", async () => {
  const printed = await runDemo(root, []);
  assertTable(printed, 3);
  assert(!printed.includes("Left out"), printed);
});

Deno.test({
  name: "The demo needs nothing but Deno in a fresh clone, and takes Bun and Node from PATH",
  ignore: windows, // makes links to executables
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const left = /^(?:node_modules|\.git|bench|docs)(?:$|\/node_modules)/;
      await cp(root, folder, { recursive: true, filter: (source) => !left.test(relative(root, source)) });

      const alone = await runDemo(folder, []);
      assertTable(alone, 1);
      assertMatch(alone, /^Deno [\d.]+: 20 requests/);
      assertStringIncludes(alone, "Left out: Bun (not found), Node (not found).\nTo see all three, run");

      const bin = `${folder}/bin`;
      await Deno.mkdir(bin);
      await Deno.symlink(findRuntime("bun")!, `${bin}/bun`);
      await Deno.writeTextFile(`${bin}/node`, "#!/bin/sh\necho v20.20.2\n", { mode: 0o755 });
      const old = await runDemo(folder, [bin]);
      assertTable(old, 2);
      assertStringIncludes(old, "Left out: Node (20.20.2 is older than 22.18.0)");

      await Deno.remove(`${bin}/node`);
      await Deno.symlink(findRuntime("node26")!, `${bin}/node`);
      assertTable(await runDemo(folder, [bin]), 3);

      assertEquals([...Deno.readDirSync(folder)].filter(({ name }) => name === "node_modules"), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
