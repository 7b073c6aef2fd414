// Copyright 2026 the Hangup authors. MIT license.
//
// Draws the charts and writes the tables of README.md from results.json, or from `--in=FILE` into
// the directory `--out=DIR`, whose README.md must have the markers.
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { equal, PEERS } from "./clients.ts";
import {
  type Entry,
  formatEstimate,
  judge,
  judgeImport,
  type Measurement,
  peersAhead,
  type Ratios,
  readResults,
  type Results,
  RESULTS_FILE,
} from "./results.ts";
import { findRow, QUANTITIES, type Quantity, ROWS, type Runtime, RUNTIMES } from "./rows.ts";
import { type Bar, drawChart, type Panel } from "./svg.ts";

const START = "<!-- results: written by `deno task bench:charts` -->";
const END = "<!-- end of results -->";
const NAMES: Record<Runtime, string> = { deno: "Deno", bun: "Bun", node: "Node" };

const text = { type: "string" } as const;
const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { in: text, out: text },
});
const results = await readResults(options.in ?? RESULTS_FILE);
if (results.entries.length === 0) throw new Error("Nothing was measured yet: deno task bench");
const directory = options.out ? pathToFileURL(`${options.out}/`) : new URL("./", import.meta.url);
const { machine, versions, sockets } = results;
const runtimes = RUNTIMES.filter((runtime) => results.entries.some((entry) => entry.runtime === runtime));
const titleOf = (runtime: Runtime) => `${NAMES[runtime]} ${versions[runtime]}`;

function entryOf({ entries }: Results, row: string, runtime: Runtime): Entry | undefined {
  return entries.find((entry) => entry.row === row && entry.runtime === runtime);
}

/** A panel for each runtime with a bar for each client. */
function panels(
  row: string,
  names: readonly string[],
  measure: (measurement: Measurement) => [value: number | undefined, text: string],
  suffix = "",
): Panel[] {
  return runtimes.map((runtime) => {
    const entry = entryOf(results, row, runtime);
    const bars = names.map((label): Bar => {
      const [value, end] = measure(entry?.contenders[label] ?? {});
      return { label, value, text: value === undefined ? "failed" : end, own: label === findRow(row).own };
    });
    return { title: titleOf(runtime) + suffix, bars, line: bars.find(({ label }) => label === "fetch")?.value };
  });
}

const clients = ["fetch", "hangup", ...PEERS];
const ratioOf = ({ wall }: Measurement): [number | undefined, string] => [wall?.value, `${wall?.value.toFixed(2)}×`];
const overhead = drawChart({
  title: "Time of a request, as a multiple of bare fetch's",
  subtitle: "get and text(), 1 KB, 50 at once. Less is better; the line is bare fetch",
  rows: [panels("fifty", clients, ratioOf)],
});
const burst = drawChart({
  title: "10,000 requests at once",
  subtitle: "Time until the last body is read, and peak memory of the process. Less is better; the line is bare fetch",
  rows: [
    panels("burst", clients, ({ ms }) => [ms, `${((ms ?? 0) / 1000).toFixed(2)} s`], ", time"),
    panels("burst", clients, ({ bytes }) => [bytes, `${((bytes ?? 0) / 2 ** 20).toFixed(0)} MB`], ", memory"),
  ],
});
/** What a program writes, where that says more than the contender's name. */
const SOCKET_LABELS: Record<string, string> = { "hangup": "session.get()", "hangup, streamed": "session, streamed" };
const OURS = /^(?:get\(\)|session)/;
const socketPanels = sockets.map(({ runtime, clients }): Panel => ({
  title: titleOf(runtime),
  bars: Object.entries(clients).map(([name, { open, closed }]) => {
    const label = SOCKET_LABELS[name] ?? name;
    const text = closed === undefined ? `${open}` : `${open} → ${closed}`;
    return { label, value: closed ?? open, before: open, text, own: OURS.test(label) };
  }),
}));
const left = sockets.length > 0 && drawChart({
  title: "Sockets left open by 20 requests whose status alone is read",
  subtitle: "Counted by the server, while the program still holds the 20 responses of 4 MB",
  legend: [
    { own: false, text: "still open after the last call" },
    { own: true, pale: true, text: "open until session.close(), which leaves none" },
  ],
  rows: [socketPanels],
});

/** A table in Markdown, its first row the head. */
function table(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows;
  return [head!, head!.map((_, i) => i === 0 ? "---" : "---:"), ...body].map((row) => `| ${row.join(" | ")} |`).join(
    "\n",
  );
}

const QUANTITY_NAMES: Record<Quantity, string> = { wall: "time", cpu: "CPU", peak: "memory" };

/** Such as `time 1.08 ±0.02, CPU 1.10 ±0.03`. */
function formatRatios(ratios: Ratios | undefined): string {
  const measured = QUANTITIES.filter((what) => ratios?.[what]);
  return measured.map((what) => `${QUANTITY_NAMES[what]} ${formatEstimate(ratios![what])}`).join(", ") || "–";
}

/** One line for each row: its bars, and the ratios that they are not for. */
function barTable(): string {
  const lines = ROWS.map((row) => {
    const toFloor = row.bars.to === "floor";
    const cells = runtimes.map((runtime) => {
      const entry = entryOf(results, row.id, runtime);
      const own = entry?.contenders[row.own];
      if (!own) return "–";
      const verdicts = judge(entry).filter(({ measured }) => measured).map(({ what, bar, measured, reached }) =>
        `${reached ? "✓" : "✗ **not reached:**"} ${QUANTITY_NAMES[what]} ${formatEstimate(measured)}, bar ${bar}`
      );
      const other = toFloor ? `to \`fetch\`: ${formatRatios(own)}` : `to the platform: ${formatRatios(own.floor)}`;
      return [...verdicts, other].join("<br>");
    });
    return [`${row.title}<br>bars to ${toFloor ? "the platform" : "`fetch`"}`, ...cells];
  });
  return table([["Ratio", ...runtimes.map(titleOf)], ...lines]);
}

/**
 * One line for each row where there are peers: the time of each as it comes, and below it at equal
 * work.
 */
function peerTable(runtime: Runtime): string {
  const lines = ROWS.flatMap((row) => {
    const entry = entryOf(results, row.id, runtime);
    if (!row.peers || !entry) return [];
    const cell = (name: string) => {
      const { wall, peak, failure } = entry.contenders[name] ?? {};
      if (!wall) return failure ? "failed" : "–";
      return formatEstimate(wall) + (peak ? `, memory ${formatEstimate(peak)}` : "");
    };
    const ahead = peersAhead(entry);
    const verdict = ahead === undefined ? "–" : ahead.length === 0 ? "✓" : `✗ ${ahead.join(", ")}`;
    return [[row.title, cell(row.own), ...PEERS.map((peer) => `${cell(peer)}<br>${cell(equal(peer))}`), verdict]];
  });
  return table([["Time, ratio to `fetch`", "**Hangup**", ...PEERS, "Ahead at equal work"], ...lines]);
}

/** One line for each client: the first request of a cold process. */
function firstTable(): string[] {
  const { first } = results;
  if (first.length === 0) return [];
  const names = Object.keys(first[0]!.clients);
  const lines = names.map((name) => [
    name,
    ...first.map((entry) => {
      const { imported, total, ratio } = entry.clients[name]!;
      const { own, reached } = judgeImport(entry);
      const mark = name !== own ? "" : reached ? "✓ " : "✗ **longer than ky:** ";
      const times = `${formatEstimate(total)} ms, ratio ${formatEstimate(ratio)}`;
      return name === "fetch" ? times : `${times}<br>${mark}import ${formatEstimate(imported)} ms`;
    }),
  ]);
  return [
    "### The first request of a cold process",
    "",
    table([["Import, session and one request", ...first.map(({ runtime }) => titleOf(runtime))], ...lines]),
    "",
  ];
}

const dates = [...new Set(results.entries.map(({ date }) => date))].sort().join(", ");
const peers = PEERS.map((peer) => `${peer} ${versions[peer]}`).join(", ");
const written = [
  START,
  "",
  `Measured on ${dates}: ${machine};`,
  `${runtimes.map(titleOf).join(", ")};`,
  `${peers}.`,
  "",
  barTable(),
  "",
  "![Time of a request by client, as a multiple of bare fetch's](charts/overhead.svg)",
  "",
  "![10,000 requests at once: time and peak memory by client](charts/burst.svg)",
  "",
  "![Sockets left open by 20 requests whose status alone is looked at, by client](charts/sockets.svg)",
  "",
  ...firstTable(),
  ...runtimes.flatMap((runtime) => [`### Peers on ${titleOf(runtime)}`, "", peerTable(runtime), ""]),
  END,
].join("\n");

await Deno.mkdir(new URL("charts", directory), { recursive: true });
for (const [name, svg] of Object.entries({ overhead, burst, sockets: left })) {
  if (svg) await Deno.writeTextFile(new URL(`charts/${name}.svg`, directory), svg);
}
const readme = new URL("README.md", directory);
const old = await Deno.readTextFile(readme);
const from = old.indexOf(START);
const to = old.indexOf(END);
if (from < 0 || to < from) throw new Error(`README.md lacks the markers "${START}" and "${END}"`);
await Deno.writeTextFile(readme, old.slice(0, from) + written + old.slice(to + END.length));
