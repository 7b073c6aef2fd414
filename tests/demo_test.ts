// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

Deno.test("The demo shows that bare fetch leaves sockets open, and Hangup none, within 30 s", async () => {
  const demo = fileURLToPath(new URL("../examples/demo.ts", import.meta.url));
  const began = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", demo] }).output();
  assert(performance.now() - began < 30_000);
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);

  const rows = new TextDecoder().decode(stdout).split("\n").map((line) => line.split("│").map((cell) => cell.trim()));
  const cellsOf = (way: string) => rows.find(([name]) => name === way)!.slice(1).map((cell) => cell.split(/ +/));
  for (const way of ["fetch, the status alone looked at", "fetch, one chunk read"]) {
    for (const [, open, closed] of cellsOf(way)) assertEquals([open, closed], ["20", "–"], way);
  }
  for (const way of ["get()", "head()", "session.get()", "session, streamed and dropped"]) {
    for (const [, , closed] of cellsOf(way)) assertEquals(closed, "0", way);
  }
  for (const [, , closed] of cellsOf("session, streamed and left by break")) assertEquals(closed, "0");
});
