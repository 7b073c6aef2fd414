// Copyright 2026 the Hangup authors. MIT license.
//
// Mixed requests through one session with one long-lived signal, on Deno, Bun and Node: what is
// left of them.
//
//   deno task soak                                      200,000 on each; writes its figures into docs/soak.md
//   deno task soak -- --requests=20000 --runtime=bun    fewer, on these runtimes; writes nothing
//
// Fails if memory grows by more than 5 MB after the first quarter, or a lease, a listener or a
// socket is left, or more sockets were open than the limit allows.
import { fileURLToPath as fromFileUrl } from "node:url";
import { parseArgs } from "node:util";
import { lines } from "./harness/lines.ts";
import { findRuntime } from "./harness/runtimes.ts";
import { openScope } from "./server/client.ts";
import { startServer } from "./server/start.ts";

const RUNTIMES = ["deno", "bun", "node26"] as const;
type Runtime = typeof RUNTIMES[number];
const NAMES: Record<Runtime, string> = { deno: "Deno", bun: "Bun", node26: "Node 26" };

const REQUESTS = 200_000;
const SAMPLES = 20;
const LIMIT = 32;
const MAX_GROWTH = 5e6;
const FILE = new URL("../docs/soak.md", import.meta.url);

/** What the client and the server say after so many requests. */
interface Sample {
  at: number;
  /** In bytes, after a forced garbage collection. */
  heap: number;
  external: number;
  rss: number;
  /** On the signal. */
  listeners: number;
  active: number;
  queued: number;
  /** Of `session.exchanges()`. */
  open: number;
  /** Streams that were dropped and reported. */
  leaks: number;
  /** The most sockets that the server saw open at once, so far. */
  maxOpen: number;
}

interface Summary {
  counts: Record<string, number>;
  failures: string[];
  failed: number;
  cut: number;
  leaks: number;
}

interface Result {
  samples: Sample[];
  summary: Summary;
  /** Sockets that the server has seen in all, and those left at the end. */
  accepted: number;
  left: number;
}

const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    requests: { type: "string", default: String(REQUESTS) },
    runtime: { type: "string", default: RUNTIMES.join() },
  },
});
const requests = Number(options.requests);
if (!(requests > 0)) throw new RangeError(`--requests must be a positive number: received ${options.requests}`);
const chosen = options.runtime.split(",") as Runtime[];
for (const runtime of chosen) if (!RUNTIMES.includes(runtime)) throw new RangeError(`No such runtime: ${runtime}`);

function commandOf(runtime: Runtime): string[] {
  if (runtime === "deno") return [Deno.execPath(), "run", "-A", "--no-check", "--v8-flags=--expose-gc"];
  const executable = findRuntime(runtime);
  if (!executable) throw new Error(`No package of this platform has ${runtime}`);
  return runtime === "bun" ? [executable] : [executable, "--expose-gc"];
}

async function soak(runtime: Runtime): Promise<Result> {
  await using scope = await openScope({ limit: LIMIT });
  const [executable = "", ...args] = commandOf(runtime);
  const script = fromFileUrl(new URL("scripts/soak.ts", import.meta.url));
  const child = new Deno.Command(executable, {
    args: [...args, script, scope.url, String(requests), String(Math.ceil(requests / SAMPLES)), String(LIMIT)],
    stdout: "piped",
  }).spawn();
  const samples: Sample[] = [];
  let summary: Summary | undefined;
  for await (const line of lines(child.stdout)) {
    const said = JSON.parse(line);
    if (said.counts) {
      summary = said;
      continue;
    }
    const { maxOpen } = await scope.stats();
    samples.push({ ...said, maxOpen });
    console.log(runtime, JSON.stringify(samples.at(-1)));
  }
  const { code } = await child.status;
  if (!summary) throw new Error(`${runtime} ended with code ${code} and without a word`);
  const { accepted, open: left } = await scope.wait({ open: 0 }).catch(() => scope.stats());
  return { samples, summary, accepted, left };
}

/** The median of three: a single sample of the resident set is noisy. */
function middle(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** How much more memory there is at the end than after the first quarter. */
function growth(samples: Sample[], what: "heap" | "external" | "rss"): number {
  const settled = samples.filter(({ at }) => at >= requests / 4).map((sample) => sample[what]);
  return middle(settled.slice(-3)) - middle(settled.slice(0, 3));
}

/** What is not as it must be. */
function faults(runtime: Runtime, { samples, summary, left }: Result): string[] {
  const found: string[] = [];
  const require = (holds: boolean, fault: string) => void (holds || found.push(fault));
  for (const { at, listeners, active, queued, open } of samples) {
    const idle = listeners + active + queued + open === 0;
    require(idle, `after ${at}: ${listeners} listeners, ${active} leases, ${queued} waiting, ${open} open`);
  }
  const heap = growth(samples, "heap") + growth(samples, "external");
  require(heap < MAX_GROWTH, `the heap grew by ${mega(heap)} MB`);
  const { maxOpen } = samples.at(-1)!;
  // Bun's own thread takes sockets back, and tells nobody when: docs/soak.md.
  const allowed = runtime === "bun" ? LIMIT + 3 : LIMIT;
  require(maxOpen <= allowed, `${maxOpen} sockets were open at once, of ${allowed} allowed`);
  require(left === 0, `${left} sockets are left`);
  require(summary.cut === 0, `close() had to cut off ${summary.cut} exchanges`);
  require(
    summary.leaks === (summary.counts.dropped ?? 0),
    `${summary.leaks} of ${summary.counts.dropped} leaks reported`,
  );
  require(summary.failed === 0, `${summary.failed} requests did not end as they must:\n${summary.failures.join("\n")}`);
  return found;
}

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

/** What `docs/soak.md` shows. */
function table(results: Map<Runtime, Result>): string {
  const row = (title: string, cells: (string | number)[]) => `| ${[title, ...cells].join(" | ")} |`;
  const all = [...results.values()];
  const both = (heap: number, rss: number) => `${mega(heap)} / ${mega(rss)}`;
  const rows = all[0]!.samples.flatMap(({ at }, i) => {
    if (i > 0 && (i + 1) % 5 > 0) return [];
    const cells = all.map(({ samples }) => both(samples[i]!.heap + samples[i]!.external, samples[i]!.rss));
    return [row(`Heap / resident set after ${at.toLocaleString("en")}, MB`, cells)];
  });
  const grown = ({ samples }: Result) =>
    both(growth(samples, "heap") + growth(samples, "external"), growth(samples, "rss"));
  const left = ({ samples }: Result) =>
    samples.reduce((sum, { listeners, active, open }) => sum + listeners + active + open, 0);
  return [
    row("", [...results.keys()].map((runtime) => NAMES[runtime])),
    row("---", all.map(() => "---")),
    ...rows,
    row("Growth after the first quarter, MB", all.map(grown)),
    row("Listeners, leases and exchanges left, in all samples", all.map(left)),
    row(`Most sockets open at once, of ${LIMIT}`, all.map(({ samples }) => samples.at(-1)!.maxOpen)),
    row("Sockets in all / left", all.map(({ accepted, left }) => `${accepted.toLocaleString("en")} / ${left}`)),
    row("Streams dropped / reported", all.map(({ summary }) => `${summary.counts.dropped ?? 0} / ${summary.leaks}`)),
  ].join("\n");
}

/** Replaces what stands between two markers. */
async function write(figures: string): Promise<void> {
  const page = await Deno.readTextFile(FILE);
  const start = "<!-- soak -->", end = "<!-- /soak -->";
  const [before, after] = [page.split(start)[0], page.split(end)[1]];
  if (after === undefined) throw new Error("docs/soak.md has lost its markers");
  await Deno.writeTextFile(FILE, `${before}${start}\n\n${figures}\n\n${end}${after}`);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", fromFileUrl(FILE)] }).output();
}

const results = new Map<Runtime, Result>();
{
  const server = await startServer();
  Deno.env.set("HANGUP_CONTROL_URL", server.control);
  for (const runtime of chosen) results.set(runtime, await soak(runtime));
  await server.stop();
}
const figures = table(results);
console.log(`\n${figures}\n`);
let failed = false;
for (const [runtime, result] of results) {
  for (const fault of faults(runtime, result)) {
    failed = true;
    console.log(`FAILED on ${runtime}: ${fault}`);
  }
}
if (failed) Deno.exitCode = 1;
if (requests >= REQUESTS && chosen.length === RUNTIMES.length) {
  await write(figures);
  console.log("Written into docs/soak.md");
}
