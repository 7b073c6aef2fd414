// Copyright 2026 the Hangup authors. MIT license.
//
// Draws the charts and writes the tables of README.md from results.json, or from `--in=FILE` into the directory
// `--out=DIR`, whose README.md must have the markers.
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { PEERS } from "./clients.ts";
import {
  type Entry,
  formatEstimate,
  judge,
  type Measurement,
  peersAhead,
  readResults,
  type Results,
  RESULTS_FILE,
} from "./results.ts";
import { findRow, ROWS, type Runtime, RUNTIMES } from "./rows.ts";
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
const left = drawChart({
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

/** One line for each bar. */
function barTable(): string {
  const lines = ROWS.flatMap((row) =>
    (["wall", "peak"] as const).filter((what) => row.bars[what]).map((what) => {
      const cells = runtimes.map((runtime) => {
        const entry = entryOf(results, row.id, runtime);
        const verdict = entry && judge(entry).find((verdict) => verdict.what === what);
        if (!verdict) return "–";
        const cpu = what === "wall" ? `, CPU ${entry.contenders[row.own]!.cpu?.value.toFixed(2) ?? "–"}` : "";
        const floor = row.floor ? `<br>platform ${formatEstimate(entry.contenders[row.floor]?.[what])}` : "";
        const mark = verdict.reached ? "✓" : "✗ **not reached:**";
        return `${mark} ${formatEstimate(verdict.measured)}<br>bar ${verdict.bar}${cpu}${floor}`;
      });
      return [`${row.title}: ${what === "wall" ? "time" : "peak memory"}`, ...cells];
    })
  );
  return table([["Ratio to bare `fetch`", ...runtimes.map(titleOf)], ...lines]);
}

/** One line for each contender of the rows where there are peers. */
function peerTables(runtime: Runtime): string {
  const rows = ROWS.filter(({ id, peers }) => peers && entryOf(results, id, runtime));
  const names = ["fetch", "Hangup", ...PEERS];
  const lines = names.map((name) => [
    name === "Hangup" ? "**Hangup**" : name,
    ...rows.map((row) => {
      const { wall, peak } = entryOf(results, row.id, runtime)!.contenders[name === "Hangup" ? row.own : name] ?? {};
      if (!wall) return "failed";
      return row.fresh ? `${wall.value.toFixed(2)}, memory ${peak?.value.toFixed(2)}` : formatEstimate(wall);
    }),
  ]);
  const ahead = rows.map((row) => {
    const peers = peersAhead(entryOf(results, row.id, runtime)!);
    return peers ? peers.length === 0 ? "✓" : `✗ ${peers.join(", ")}` : "";
  });
  const head = ["Time, ratio to `fetch`", ...rows.map(({ title }) => title)];
  return table([head, ...lines, ["Ahead of all but undici", ...ahead]]);
}

const dates = [...new Set(results.entries.map(({ date }) => date))].sort().join(", ");
const peers = PEERS.map((peer) => `${peer} ${versions[peer]}`).join(", ");
const written = [
  START,
  "",
  `Measured on ${dates}: ${machine}; ${runtimes.map(titleOf).join(", ")}; ${peers}.`,
  "",
  barTable(),
  "",
  "![Time of a request by client, as a multiple of bare fetch's](charts/overhead.svg)",
  "",
  "![10,000 requests at once: time and peak memory by client](charts/burst.svg)",
  "",
  "![Sockets left open by 20 requests whose status alone is looked at, by client](charts/sockets.svg)",
  "",
  ...runtimes.flatMap((runtime) => [`### ${titleOf(runtime)}`, "", peerTables(runtime), ""]),
  END,
].join("\n");

await Deno.mkdir(new URL("charts", directory), { recursive: true });
for (const [name, svg] of Object.entries({ overhead, burst, sockets: left })) {
  await Deno.writeTextFile(new URL(`charts/${name}.svg`, directory), svg);
}
const readme = new URL("README.md", directory);
const old = await Deno.readTextFile(readme);
const from = old.indexOf(START);
const to = old.indexOf(END);
if (from < 0 || to < from) throw new Error(`README.md lacks the markers "${START}" and "${END}"`);
await Deno.writeTextFile(readme, old.slice(0, from) + written + old.slice(to + END.length));
