// Copyright 2026 the Hangup authors. MIT license.
import type { Runtime } from "./case.ts";

/** The table of cases and runtimes, as Markdown that reads well in a terminal too. */
export function formatMatrix(
  titles: string[],
  runtimes: Runtime[],
  cell: (title: string, runtime: Runtime) => string,
): string {
  const table = [
    ["Case", ...runtimes],
    ...titles.map((title) => [title, ...runtimes.map((runtime) => cell(title, runtime))]),
  ];
  const widths = table[0].map((_, column) => Math.max(3, ...table.map((row) => row[column].length)));
  const format = (row: string[]) => `| ${row.map((text, column) => text.padEnd(widths[column])).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [format(table[0]), rule, ...table.slice(1).map(format)].join("\n");
}
