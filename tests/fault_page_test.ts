// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals } from "@std/assert";
import { FAULT_PAGE, formatFaultPage } from "./harness/fault_page.ts";
import { faults } from "./server/faults.ts";

Deno.test("docs/faults.md is up to date", async () => {
  assertEquals(await Deno.readTextFile(FAULT_PAGE), formatFaultPage(), "Run `deno task docs:faults`");
});

Deno.test("every fault has a line of its own", () => {
  const lines = Object.values(faults).map(({ does }) => does);
  assert(lines.length >= 30);
  assertEquals(new Set(lines).size, lines.length);
});
