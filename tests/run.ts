// Copyright 2026 the Hangup authors. MIT license.
//
// The runner: every contract case on every runtime, and Deno's own tests, against one counting
// server.
//
//   deno task test -- --runtime=bun,node22   these runtimes only
//   deno task test -- --runtime=firefox,webkit   browsers of the machine's own, which run only where they are asked for
//   deno task test -- --only=substring       only cases whose "[suite] name" contains it
//   deno task test -- --suite=pool           only files whose name contains it: contract/pool_cases.ts, pool_test.ts
//   deno task test -- --jobs=1               this many processes at a time (12; most of the time is spent waiting)
//   deno task test -- --check-matrix         compares the columns of these runtimes with docs/matrix.md, too
//   deno task test -- --differences=FILE     writes what the suite "differential" notes into a file, and records it as meant
//   deno task test -- --times                says which suites take longest
//   deno task docs:matrix                    writes the matrix into docs/matrix.md, which a whole run compares
//
// Prints the matrix of cases and runtimes, what failed, and `N passed, N failed`.
import process from "node:process";
import { fileURLToPath as fromFileUrl } from "node:url";
import { parseArgs } from "node:util";
import type { Result, Runtime } from "./harness/case.ts";
import { parseJunit } from "./harness/junit.ts";
import { lines } from "./harness/lines.ts";
import { agrees, formatMatrix, formatPage } from "./harness/matrix.ts";
import { findBrowser, findRuntime } from "./harness/runtimes.ts";
import { startServer } from "./server/start.ts";

/**
 * A runtime that says nothing for so long has hung in a way that no case's limit caught. On a busy
 * machine, `deno test` takes a minute to load all files.
 */
const SILENCE_MS = 240_000;
/**
 * How long a process may take to end after its last case. What keeps one alive does so for longer:
 * 30 s and more.
 */
const EXIT_MS = 15_000;

/** Marks a case that a runtime should have reported, and did not. */
const DID_NOT_RUN = "Did not run";

const root = new URL("../", import.meta.url);
const all: Runtime[] = ["deno", "bun", "node22", "node24", "node26", "workerd", "chromium"];
/** Browsers that no package brings. They run if they are named, and have no column in the page. */
const machines = ["firefox", "webkit"] as const;

/** The runtimes whose tests take least time. */
const QUICK: Runtime[] = ["workerd", "chromium"];

interface Row extends Result {
  /** A contract case has a row in the matrix; a test of Deno's own has none. */
  contract: boolean;
}

const { values: options } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    runtime: { type: "string", default: all.join() },
    only: { type: "string", default: "" },
    suite: { type: "string", default: "" },
    jobs: { type: "string", default: "12" },
    "write-matrix": { type: "boolean", default: false },
    "check-matrix": { type: "boolean", default: false },
    differences: { type: "string" },
    times: { type: "boolean", default: false },
  },
});
const chosen = options.runtime.split(",") as Runtime[];
for (const runtime of chosen) {
  if (![...all, ...machines].includes(runtime)) throw new RangeError(`No such runtime: ${runtime}`);
}

/** The files of a folder below `tests/` that end so and were asked for. */
function filesOf(folder: string, end: string): string[] {
  const directory = new URL(`tests/${folder}`, root);
  return [...Deno.readDirSync(directory)].map((entry) => entry.name)
    .filter((name) => name.endsWith(end) && name.includes(options.suite))
    .sort().map((name) => fromFileUrl(new URL(name, directory)));
}

/** The files that one process runs. */
interface Part {
  runtime: Runtime;
  /** Files of cases. */
  contract: string[];
  /** Tests beside the contract, which are Deno's alone. */
  units: string[];
  /** Where `deno test` writes its report. */
  report: string;
}

/**
 * How many processes share the files of a slow runtime. With one, it would go on by itself when the
 * others have ended, and a core would have nothing to do.
 */
const PARTS = 2;

const contract = [...filesOf("contract/", "_cases.ts"), ...filesOf("clients/", "_cases.ts")];
const units = filesOf("", "_test.ts");
if (contract.length === 0 && units.length === 0) throw new RangeError(`No file matches: ${options.suite}`);
const temporary = await Deno.makeTempDir();

function partsOf(runtime: Runtime): Part[] {
  const length = QUICK.includes(runtime) ? 1 : PARTS;
  const parts = Array.from({ length }, (_, part) => {
    const ofPart = (files: string[]) => files.filter((_, i) => i % length === part);
    const report = `${temporary}/${runtime}-${part}.xml`;
    return { runtime, contract: ofPart(contract), units: runtime === "deno" ? ofPart(units) : [], report };
  });
  return parts.filter(({ contract, units }) => contract.length + units.length > 0);
}

/**
 * What to start; each prints the protocol of harness/process.ts, but `deno test` writes JUnit's
 * XML.
 */
function commandOf({ runtime, contract, units, report }: Part): string[] | undefined {
  const harness = fromFileUrl(new URL("tests/harness/", root));
  switch (runtime) {
    case "deno": {
      const filter = options.only ? [`--filter=${options.only}`] : [];
      const sanitizers = ["--sanitize-ops", "--sanitize-resources"];
      const registrar = fromFileUrl(new URL("tests/contract_test.ts", root));
      const tests = new Set(contract.length > 0 ? [registrar, ...units] : units);
      const flags = ["-A", "--no-check", `--junit-path=${report}`, ...sanitizers, ...filter];
      return [Deno.execPath(), "test", ...flags, ...tests];
    }
    case "bun":
    case "node22":
    case "node24":
    case "node26": {
      const executable = findRuntime(runtime);
      if (!executable) return undefined;
      return [executable, `${harness}process.ts`, runtime, options.only, ...contract];
    }
    case "workerd":
    case "chromium":
    case "firefox":
    case "webkit": {
      const node = findRuntime("node26");
      if (!node || machines.some((name) => name === runtime && !findBrowser(name))) return undefined;
      return [node, `${harness}${runtime}.ts`, runtime, options.only, ...contract];
    }
  }
}

/** The suites that take longest, in seconds. */
function slowest(rows: Row[]): string {
  const times = new Map<string, number>();
  for (const { suite, ms } of rows) times.set(suite, (times.get(suite) ?? 0) + ms / 1000);
  const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, 10);
  return `, most of it in ${sorted.map(([suite, time]) => `${suite} ${time.toFixed(0)}`).join(", ")}`;
}

async function runPart(part: Part, surroundings: Record<string, string>): Promise<Row[]> {
  const { runtime } = part;
  const rows: Row[] = [];
  const fail = (name: string, error: string) => {
    rows.push({ suite: runtime, name, error, ms: 0, contract: false });
  };
  const command = commandOf(part);
  if (!command) {
    const missing = machines.some((name) => name === runtime)
      ? "This machine has no"
      : "No package of this platform has";
    fail("is installed", `${missing} ${runtime}: set HANGUP_${runtime.toUpperCase()} to its path`);
    return rows;
  }
  const began = performance.now();
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    cwd: root,
    env: { ...surroundings, HANGUP_CASES: part.contract.join("\n"), NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  let ended = false; // whether its last case was reported
  let killed = "";
  let started = ""; // the case under way
  let timer: ReturnType<typeof setTimeout> | undefined;
  const allow = (ms: number, otherwise: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      killed = otherwise;
      child.kill("SIGKILL");
    }, ms);
  };
  const output: string[] = []; // what is not protocol, shown if the process fails
  const readErrors = (async () => {
    for await (const line of lines(child.stderr)) output.push(line);
  })();
  const heard = () => allow(SILENCE_MS, `Silent for ${SILENCE_MS} ms`);
  heard();
  for await (const line of lines(child.stdout)) {
    heard();
    if (line === "@end") {
      ended = true;
      allow(EXIT_MS, `Still running ${EXIT_MS} ms after its last case: something keeps the process alive`);
    } else if (line.startsWith("@case ")) {
      const event = JSON.parse(line.slice(6));
      started = event.start ?? "";
      if (!event.start) rows.push({ ...event, contract: true });
    } else output.push(line);
  }
  const { code } = await child.status;
  clearTimeout(timer);
  await readErrors;
  if (runtime === "deno" && !killed) {
    // Of a test that the filter left out it says that it was skipped.
    const title = (row: Row) => row.contract ? `[${row.suite}] ${row.name}` : row.name;
    rows.push(...parseJunit(await Deno.readTextFile(part.report)).filter((row) => title(row).includes(options.only)));
    ended = rows.length > 0 || code === 0;
  }

  const said = output.join("\n");
  if (killed || !ended) {
    fail(ended ? "ends by itself" : started || "runs to its end", `${killed || `Exit code ${code}`}\n${said}`);
  } else if (said.includes("(uncaught error)")) {
    // What escapes from a test, or from a file's top level, is in what `deno test` prints, and not
    // in its XML.
    const escaped = said.match(/^\S+ \(uncaught error\)\nerror: .*?\n(?=\n)/gms) ?? [];
    fail("lets no error escape from a test", escaped.join("\n"));
  } else if (code !== 0 && (runtime !== "deno" || !rows.some((row) => row.error))) {
    fail("exits with code 0", `Exit code ${code}\n${said}`);
  }
  if (rows.length === 0 && !options.only && !options.suite) fail("has cases", `No case ran\n${said}`);
  const failed = rows.filter((row) => row.error !== undefined).length;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `${runtime}: ${rows.length - failed} of ${rows.length} in ${seconds} s${options.times ? slowest(rows) : ""}`,
  );
  return rows;
}

/**
 * The row of a case in the page. Situations have a page of their own, `docs/fetch.md`, and share
 * one row for a group.
 */
function rowOf(title: string): string {
  return /^\[differential\] [^:]+/.exec(title)?.[0] ?? title;
}

const results = new Map<Runtime, Row[]>();
{
  if (options.differences) Deno.env.set("HANGUP_RECORDING", "1");
  const server = await startServer();
  const ca = `${temporary}/ca.pem`;
  await Deno.writeTextFile(ca, server.ca);
  const surroundings = {
    // Most of the time of a script on Node would go into taking the types out of the module.
    NODE_COMPILE_CACHE: `${temporary}/cache`,
    HANGUP_CONTROL_URL: server.control,
    HANGUP_SPKI: server.spki,
    HANGUP_CERTIFICATE: server.cert,
    DENO_CERT: ca,
    NODE_EXTRA_CA_CERTS: ca,
  };
  const waiting = chosen.flatMap(partsOf);
  const work = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const rows = await runPart(part, surroundings);
      results.set(part.runtime, [...results.get(part.runtime) ?? [], ...rows]);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, work));
  if (options.differences) {
    const notes: string[] = await (await fetch(`${server.control}/notes`)).json();
    await Deno.mkdir(new URL(".tmp/", root), { recursive: true });
    await Deno.writeTextFile(options.differences, `[\n${notes.join(",\n")}\n]\n`);
  }
  await server.stop();
  await Deno.remove(temporary, { recursive: true });
}

// A case that one runtime reported and another did not was lost there, and that is a failure.
const titles = new Set<string>();
for (const rows of results.values()) {
  for (const row of rows) if (row.contract) titles.add(`[${row.suite}] ${row.name}`);
}
let passed = 0, failed = 0, lacking = 0;
const failures: string[] = []; // printed last, where a log that is cut off at its beginning still has them
for (const runtime of chosen) {
  const rows = results.get(runtime) ?? [];
  const seen = new Set(rows.map((row) => `[${row.suite}] ${row.name}`));
  for (const title of titles) {
    if (seen.has(title)) continue;
    const [, suite = "", name = ""] = /^\[(.*?)\] (.*)$/s.exec(title) ?? [];
    rows.push({ suite, name, error: DID_NOT_RUN, ms: 0, contract: true });
  }
  const missing = rows.filter((row) => row.error === DID_NOT_RUN).length;
  if (missing > 0) failures.push(`FAILED on ${runtime}: ${missing} cases did not run`);
  for (const row of rows) {
    if (row.lacks) lacking++;
    else if (row.error === undefined) passed++;
    else {
      failed++;
      if (row.error === DID_NOT_RUN) continue;
      failures.push(`FAILED on ${runtime}: [${row.suite}] ${row.name}\n${row.error.replace(/^/gm, "  ")}`);
    }
  }
}
if (titles.size > 0) {
  const cell = (title: string, runtime: Runtime) => {
    const row = results.get(runtime)?.find((row) => row.contract && `[${row.suite}] ${row.name}` === title);
    if (row?.lacks) return `lacks ${row.lacks}`;
    if (row?.error !== undefined || !row) return "FAILED";
    return row.without?.length ? `passed without ${row.without.join(", ")}` : "passed";
  };
  const sorted = [...titles].sort();
  console.log(`\n${formatMatrix(sorted, chosen, cell)}`);
  const whole = [...results.values()].every((rows) => rows.every((row) => !row.contract || row.error === undefined));
  const everywhere = chosen.join() === all.join();
  if (whole && !options.only && !options.suite && (everywhere || options["check-matrix"])) {
    const path = new URL("docs/matrix.md", root);
    const written = await Deno.readTextFile(path).catch(() => "");
    const rows = [...new Set(sorted.map(rowOf))];
    const cellOf = (row: string, runtime: Runtime) => {
      const cells = sorted.filter((title) => rowOf(title) === row).map((title) => cell(title, runtime));
      return [...new Set(cells)].join("; ");
    };
    const page = formatPage(rows, chosen, cellOf);
    if (everywhere && options["write-matrix"]) {
      await Deno.mkdir(new URL("docs/", root), { recursive: true });
      await Deno.writeTextFile(path, page);
    } else if (everywhere ? written !== page : !agrees(written, rows, chosen, cellOf)) {
      failed++;
      failures.push("FAILED: docs/matrix.md is out of date: run `deno task docs:matrix`");
    }
  }
}
if (lacking > 0) console.log(`\n${lacking} cells name a capability that the platform lacks`);
for (const failure of failures) console.log(`\n${failure}`);
if (passed + failed === 0) {
  console.log(`\nNo case matches`);
  process.exitCode = 1;
}
console.log(`\n${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
