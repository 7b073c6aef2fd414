// Copyright 2026 the Hangup authors. MIT license.
//
// The page of the documentation on faults, from the table that the cases of faults run by. Run on
// its own, after those cases have passed everywhere, it writes the page.
import { endOn, expectations } from "../contract/fault_cases.ts";
import { type FaultName, faults } from "../server/faults.ts";
import type { Runtime } from "./case.ts";
import { formatTable } from "./matrix.ts";

const RUNTIMES: Runtime[] = ["deno", "bun", "node22", "node24", "node26", "workerd", "chromium"];

export const FAULT_PAGE: URL = new URL("../../docs/faults.md", import.meta.url);

/** How a fault ends on most runtimes, and on each of the others. */
function ends(name: FaultName): [usual: string, others: string] {
  const all = RUNTIMES.map((runtime) => [runtime, endOn(runtime, expectations[name].ends)] as const);
  const count = (end: string) => all.filter(([, other]) => other === end).length;
  const usual = all.map(([, end]) => end).reduce((a, b) => count(b) > count(a) ? b : a);
  const others = new Map<string, string[]>();
  for (const [runtime, end] of all) if (end !== usual) others.set(end, [...others.get(end) ?? [], runtime]);
  return [usual, [...others].map(([end, runtimes]) => `${end} (${runtimes.join(", ")})`).join("; ")];
}

/** The page. */
export function formatFaultPage(): string {
  const names = Object.keys(faults) as FaultName[];
  const rows = names.map((name) => [faults[name].does, ...ends(name)]);
  return `# What becomes of a request when the peer misbehaves

Written by \`deno task docs:faults\` once every fault ended as this says on every runtime; \`deno task test\` fails when it is
out of date. The server is raw TCP: \`tests/server/faults.ts\`. Each fault meets a prefetched and a streamed request, and
ends within its timeout. After it the session holds no lease, no exchange and no listener, serves three further requests
to the same server, and its close leaves no timer and, within 250 ms, no socket (on workerd and in browsers, where the
platform owns the sockets, nothing in flight).

What follows the colon is the phase. "A or B" is either: there a runtime loses the failure now and then, and the idle
timeout ends the request.

${formatTable([["The server", "The request ends with", "Elsewhere"], ...rows], false)}

Where a runtime takes what is not whole for whole, that is not in this module's hands:

- Node and Chromium decode leniently: of a gzip stream that is truncated or corrupt they give what they could decode. The
  transfer itself is checked everywhere: a body that is cut short by the connection is an error.
- Bun and Node take a reset for the end of a body without a length. Send a length, or chunks.
- Chromium takes a head that is cut off for a whole one, without a body.
- workerd does not repeat a request whose reused connection died.
`;
}

if (import.meta.main) {
  await Deno.mkdir(new URL(".", FAULT_PAGE), { recursive: true });
  await Deno.writeTextFile(FAULT_PAGE, formatFaultPage());
}
