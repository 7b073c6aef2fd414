// Copyright 2026 the Hangup authors. MIT license.
import { assert } from "@std/assert";
import type { Runtime } from "./harness/case.ts";
import { agrees, formatPage } from "./harness/matrix.ts";

Deno.test("agrees() compares the columns of some runtimes with the page", () => {
  const titles = ["[close] a | b", "[close] c"];
  const cell = (title: string, runtime: Runtime) =>
    title.endsWith("c") && runtime === "bun" ? "lacks serves" : "passed";
  const page = formatPage(titles, ["deno", "bun", "node26"], cell);
  assert(agrees(page, titles, ["bun"], cell));
  assert(agrees(page, titles, ["node26", "deno"], cell));
  assert(!agrees(page, titles, ["bun"], () => "passed"), "a cell differs");
  assert(!agrees(page, titles.slice(1), ["deno"], cell), "a case is gone");
  assert(!agrees(page, [...titles, "[close] d"], ["deno"], cell), "a case is new");
  assert(!agrees("", titles, ["deno"], cell), "there is no page");
});
