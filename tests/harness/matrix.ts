// Copyright 2026 the Hangup authors. MIT license.
import { capabilities, type Capability, lacking, type Runtime } from "./case.ts";

/** What became of a case on a runtime, in a few words. */
type Cell = (title: string, runtime: Runtime) => string;

/** A table as Markdown. The first row is its head. Padded, it reads well in a terminal too. */
export function formatTable(rows: string[][], padded: boolean): string {
  const table = rows.map((row) => row.map((text) => text.replaceAll("|", "\\|")));
  const widths = table[0].map((_, column) => padded ? Math.max(3, ...table.map((row) => row[column].length)) : 3);
  const format = (row: string[]) => `| ${row.map((text, column) => text.padEnd(widths[column])).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [format(table[0]), rule, ...table.slice(1).map(format)].join("\n");
}

/** The table of cases and runtimes. */
export function formatMatrix(titles: string[], runtimes: Runtime[], cell: Cell, padded = true): string {
  const rows = titles.map((title) => [title, ...runtimes.map((runtime) => cell(title, runtime))]);
  return formatTable([["Case", ...runtimes], ...rows], padded);
}

/** The page of the documentation that says what was tested where. */
export function formatPage(titles: string[], runtimes: Runtime[], cell: Cell): string {
  const names = Object.keys(capabilities) as Capability[];
  const has = (name: Capability, runtime: Runtime) => lacking[runtime]?.includes(name) ? "–" : "yes";
  const abilities = [["", ...runtimes], ...names.map((name) => [name, ...runtimes.map((each) => has(name, each))])];
  return `# What holds where

Written by \`deno task docs:matrix\` from a run of every case on every runtime; \`deno task test\` fails when it is out of
date. The versions are those of \`package-lock.json\`.

## What a platform can do

${formatTable(abilities, false)}

${names.map((name) => `- \`${name}\`: ${capabilities[name]}`).join("\n")}

## Cases

"passed without …": the case asked for that capability and checked what can be checked without it. "lacks …": the case
cannot be run without it.

${formatMatrix(titles, runtimes, cell, false)}
`;
}

/**
 * Whether the columns of these runtimes in a page say what a run found, with no case more and none
 * less.
 */
export function agrees(page: string, titles: string[], runtimes: Runtime[], cell: Cell): boolean {
  const rows = page.split("\n").map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((text) => text.trim()));
  const head = rows.find(([name]) => name === "Case") ?? [];
  const columns = runtimes.map((runtime) => head.indexOf(runtime));
  const written = rows.filter(([name]) => name?.startsWith("[")).map((row) => [row[0], ...columns.map((i) => row[i])]);
  const found = titles.map((title) => [title, ...runtimes.map((runtime) => cell(title, runtime))]);
  return JSON.stringify(written) === JSON.stringify(found.map((row) => row.map((text) => text.replaceAll("|", "\\|"))));
}
