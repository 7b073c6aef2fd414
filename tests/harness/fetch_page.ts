// Copyright 2026 the Hangup authors. MIT license.
//
// The page of the documentation on `session.fetch`, from the reasons for its differences and the
// record of where they show. Run on its own, `fetch_page.ts FILE`, it makes the record anew of what
// the suite "differential" noted into the file, and writes the page.
import type { Difference } from "../differential/compare.ts";
import { reasons } from "../differential/differences.ts";
import recorded from "../differential/recorded.json" with { type: "json" };
import { situations } from "../differential/situations.ts";
import type { Runtime } from "./case.ts";
import { formatTable } from "./matrix.ts";

const RUNTIMES: Runtime[] = ["deno", "bun", "node22", "node24", "node26", "workerd"];
const RECORD = new URL("../differential/recorded.json", import.meta.url);

export const FETCH_PAGE: URL = new URL("../../docs/fetch.md", import.meta.url);

/** The ids of reasons by runtime by situation. */
export type Recorded = Record<string, Record<string, string[]>>;

/** What the suite notes of a situation on a runtime. */
interface Note {
  name: string;
  runtime: Runtime;
  differences: (Difference & { id?: string })[];
}

/**
 * The record of what was noted, in the order of the situations and runtimes. Throws at a difference
 * without a reason.
 */
function recordOf(notes: Note[]): Recorded {
  const record: Recorded = {};
  const unmeant = notes.filter(({ differences }) => differences.some(({ id }) => id === undefined));
  if (unmeant.length > 0) {
    const names = unmeant.map(({ name, runtime }) => `${runtime}: ${name}`).join("\n");
    throw new Error(`Differences without a reason in tests/differential/differences.ts:\n${names}`);
  }
  for (const { name } of situations) {
    for (const runtime of RUNTIMES) {
      const note = notes.find((note) => note.name === name && note.runtime === runtime);
      if (!note) throw new Error(`Nothing was noted of ${JSON.stringify(name)} on ${runtime}`);
      const ids = [...new Set(note.differences.flatMap(({ id }) => id ?? []))].sort();
      if (ids.length > 0) (record[name] ??= {})[runtime] = ids;
    }
  }
  return record;
}

/** The page. */
export function formatFetchPage(record: Recorded = recorded): string {
  const groups = new Map<string, number>();
  for (const { name } of situations) {
    const group = name.slice(0, name.indexOf(":"));
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  const sections = reasons.map(({ id, what, reason }) => {
    const shown = Object.entries(record).flatMap(([name, byRuntime]) => {
      const where = RUNTIMES.filter((runtime) => byRuntime[runtime]?.includes(id));
      if (where.length === 0) return [];
      return [[name, where.length === RUNTIMES.length ? "everywhere" : where.join(", ")]];
    });
    return `## ${what}\n\n${reason}\n\n${formatTable([["Situation", "Where"], ...shown], false)}\n`;
  });
  return `# \`session.fetch\` and \`fetch\`

Written by \`deno task docs:fetch\`; \`deno task test\` fails when it is out of date. Each of ${situations.length} situations
(\`tests/differential/\`) is met by the runtime's own \`fetch\` and by a session's, on Deno, Bun, Node 22, 24 and 26, and
workerd. Status, reason, headers, type, URL, body, errors with their classes, when something fails, and what arrives at the
server are the same, but for the differences below. They are meant; any other is a fault.

The situations do not compare the order of the headers that arrive, which has no meaning for names that differ (RFC 9110,
section 5.3). On Deno, a session sends them sorted by name.

${formatTable([["Group", "Situations"], ...[...groups].map(([name, count]) => [name, `${count}`])], false)}

${sections.join("\n")}`;
}

if (import.meta.main) {
  const notes: Note[] = JSON.parse(await Deno.readTextFile(Deno.args[0]));
  const record = recordOf(notes);
  await Deno.writeTextFile(RECORD, JSON.stringify(record, null, 2) + "\n");
  await Deno.writeTextFile(FETCH_PAGE, formatFetchPage(record));
}
