// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals } from "@std/assert";
import { reasons } from "./differential/differences.ts";
import recorded from "./differential/recorded.json" with { type: "json" };
import { situations } from "./differential/situations.ts";
import { FETCH_PAGE, formatFetchPage, type Recorded } from "./harness/fetch_page.ts";

Deno.test("docs/fetch.md is up to date", async () => {
  assertEquals(await Deno.readTextFile(FETCH_PAGE), formatFetchPage(), "Run `deno task docs:fetch`");
});

Deno.test("every situation has a name of its own", () => {
  const names = situations.map(({ name }) => name);
  assert(names.length >= 200);
  assertEquals(names.filter((name, i) => names.indexOf(name) !== i), []);
});

Deno.test("every difference that is meant shows somewhere, and has a reason", () => {
  const record: Recorded = recorded;
  const shown = new Set(Object.values(record).flatMap((byRuntime) => Object.values(byRuntime).flat()));
  assertEquals([...shown].sort(), reasons.map(({ id }) => id).sort());
  const known = new Set(situations.map(({ name }) => name));
  assertEquals(Object.keys(record).filter((name) => !known.has(name)), []);
});
