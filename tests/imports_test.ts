// Copyright 2026 the Hangup authors. MIT license.
import { assertEquals } from "@std/assert";
import { findCircles, findFaults, type Graph, importsOf, resolve } from "./harness/imports.ts";

const graphOf = (imports: Record<string, string[]>): Graph => new Map(Object.entries(imports));

Deno.test("importsOf() finds imports of every form, those of types included, and none in comments", () => {
  const source = `
/**
 * import { no } from "./no.ts";
 */
import { a } from "./a.ts";
import type { B } from "./b.ts";
import {
  type C,
  c,
} from './c.ts';
import * as d from "./d.ts";
import e, { type E } from "./e.ts";
import "./f.ts";
export { g } from "./g.ts";
export type { H } from "./h.ts";
export * from "./i.ts";
// import { no } from "./no.ts";
const j = await import("./j.ts");
let k: import("./k.ts").K;
import { join } from "node:path";
export const from = "./no.ts";
export function no() {
  return "from './no.ts'";
}
`;
  const letters = [..."abcdefghi"].map((letter) => `./${letter}.ts`);
  assertEquals(importsOf(source), [...letters, "node:path", "./j.ts", "./k.ts"]);
});

Deno.test("resolve() makes paths of relative specifiers, and leaves the others", () => {
  assertEquals(resolve("../../transport.ts", "_internal/transports/bun.ts"), "transport.ts");
  assertEquals(resolve("./_internal/list.ts", "pool.ts"), "_internal/list.ts");
  assertEquals(resolve("node:path", "pool.ts"), "node:path");
});

Deno.test("findCircles() finds a shortest circle for each set of files that import each other", () => {
  assertEquals(findCircles(graphOf({ a: ["b", "c"], b: ["c"], c: [] })), []);
  assertEquals(findCircles(graphOf({ a: ["a"] })), [["a", "a"]]);
  assertEquals(findCircles(graphOf({ a: ["b"], b: ["c"], c: ["a", "b"], d: ["a"] })), [["b", "c", "b"]]);
  assertEquals(findCircles(graphOf({ a: ["b"], b: ["c"], c: ["a"], d: ["e"], e: ["d"] })), [
    ["d", "e", "d"],
    ["a", "b", "c", "a"],
  ]);
});

Deno.test("findFaults() finds imports against the layers, from outside, and gaps of the table", () => {
  const layers = [["top.ts"], ["middle.ts", "beside.ts"], ["low/*"]];
  const right = { "top.ts": ["middle.ts"], "middle.ts": ["beside.ts", "low/a.ts"], "beside.ts": [], "low/a.ts": [] };
  assertEquals(findFaults(graphOf(right), layers), []);
  assertEquals(findFaults(graphOf({ ...right, "low/b.ts": ["beside.ts"] }), layers), [
    "low/b.ts imports beside.ts, which is in a layer above it",
  ]);
  assertEquals(findFaults(graphOf({ ...right, "beside.ts": ["node:fs"] }), layers), [
    "beside.ts imports node:fs, which is not shipped",
  ]);
  assertEquals(findFaults(graphOf({ ...right, "new.ts": ["top.ts"] }), layers), ["new.ts has no layer"]);
  assertEquals(findFaults(graphOf(right), [...layers, ["old.ts"]]), ["old.ts has a layer, but does not exist"]);
});
