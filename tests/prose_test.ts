// Copyright 2026 the Hangup authors. MIT license.
import { assertEquals } from "@std/assert";

/** How wide prose may be, in characters. Code is wider: `deno fmt` wraps it. */
const COLUMNS = 100;

const root = new URL("../", import.meta.url);

/** What stands in no file of ours, or is written by a program. */
const NOT_OURS = /^(?:\.|node_modules$|std$|matrix\.md$|faults\.md$|fetch\.md$)/;

/** The paths of the sources and pages below a folder. */
function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (NOT_OURS.test(name)) continue;
    if (isDirectory) yield* filesBelow(`${folder}${name}/`);
    else if (/\.(?:ts|md)$/.test(name)) yield folder + name;
  }
}

/** What a line of a comment begins with, and in a page nothing. */
const COMMENT = /^ *(?:\/\/|\/\*\*|\*) /;

/** What has no place to wrap: a table, a picture, a message of the module, an indented command. */
const UNBREAKABLE = /^(?:\||!\[|- `.*`\\?\.?$|deno-lint-ignore| )/;

/** The lines of prose that are too wide. Code has none: neither that of examples nor of pages. */
function tooWide(path: string): string[] {
  let isCode = false;
  return Deno.readTextFileSync(new URL(path, root)).split("\n").filter((line) => {
    if (!path.endsWith(".md") && !COMMENT.test(line)) return false;
    const prose = path.endsWith(".md") ? line : line.replace(COMMENT, "");
    if (prose.startsWith("```")) isCode = !isCode;
    return !isCode && [...line].length > COLUMNS && !UNBREAKABLE.test(prose);
  }).map((line) => `${path}: ${line.trim()}`);
}

Deno.test("comments and pages are at most 100 columns wide", () => {
  assertEquals([...filesBelow("")].flatMap(tooWide), []);
});
