// Copyright 2026 the Hangup authors. MIT license.
//
// The seed experiment: 20 requests in each way, and the sockets that each way leaves open. It needs
// only the Deno that runs it: nothing is installed, and the server is its own. Bun and Node take
// part where they are on the machine.
//
//   deno task demo           against the project's counting server
//   deno task demo -- URL    only Hangup's ways, against your URL: 100 requests on each runtime
import process from "node:process";
import { fileURLToPath } from "node:url";
import { lines } from "../tests/harness/lines.ts";
import { findRuntime } from "../tests/harness/runtimes.ts";
import { startServer } from "../tests/server/start.ts";
import type { Row } from "./demo_client.ts";

/** The whole demo ends within 30 s, including the time to start the processes. */
const LIMIT_MS = 25_000;

const client = fileURLToPath(new URL("demo_client.ts", import.meta.url));
const url = Deno.args.filter((arg) => arg !== "--")[0];
if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
  console.error(`Not a URL of http or https: ${url}`);
  Deno.exit(1);
}

interface Client {
  /** Such as `Bun 1.4.5`. */
  title: string;
  command: string[];
}

interface Candidate {
  name: string;
  /** Where to look for it, in this order. */
  executables: (string | undefined)[];
  /** The first version whose sockets Hangup can close. */
  oldest: [major: number, minor: number, patch: number];
}

/**
 * The pinned runtimes come first, because the tests run on them. Those on PATH serve where none is
 * installed.
 */
const CANDIDATES: Candidate[] = [
  { name: "Bun", executables: [findRuntime("bun"), "bun"], oldest: [1, 4, 3] },
  { name: "Node", executables: [findRuntime("node26"), "node"], oldest: [22, 18, 0] },
];

/** The runtimes on this machine: the Deno that runs this, and what else is found. */
async function findClients(): Promise<{ clients: Client[]; missing: string[] }> {
  const clients: Client[] = [{ title: `Deno ${Deno.version.deno}`, command: [Deno.execPath(), "run", "-A"] }];
  const missing: string[] = [];
  for (const { name, executables, oldest } of CANDIDATES) {
    let reason = "not found";
    for (const executable of executables) {
      const version = executable && await versionOf(executable);
      if (!version) continue;
      if (isAtLeast(version, oldest)) {
        clients.push({ title: `${name} ${version}`, command: [executable] });
        reason = "";
        break;
      }
      reason = `${version} is older than ${oldest.join(".")}`;
    }
    if (reason) missing.push(`${name} (${reason})`);
  }
  return { clients, missing };
}

/**
 * Such as `1.4.5`; `undefined` if the executable does not exist or does not run. Without Node on
 * the machine, `deno task` puts a "node" on PATH that is Deno, whose answer begins with its name.
 */
async function versionOf(executable: string): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(executable, { args: ["--version"] }).output();
    return success ? /^v?(\d+\.\d+\.\d+)/.exec(new TextDecoder().decode(stdout))?.[1] : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isAtLeast(version: string, oldest: readonly number[]): boolean {
  const parts = version.split(".").map(Number);
  const i = oldest.findIndex((part, i) => part !== parts[i]);
  return i < 0 || parts[i]! > oldest[i]!;
}

/**
 * Runs the client on one runtime. One that fails, or takes too long, gives the rows that it
 * printed.
 */
async function run({ title, command }: Client, control: string): Promise<Row[]> {
  const [executable, ...args] = [...command, client, ...(url ? [url, String(LIMIT_MS - 3000)] : [])];
  const env = { HANGUP_CONTROL_URL: control, NO_COLOR: "1" };
  const child = new Deno.Command(executable, { args, env, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const errors = new Response(child.stderr).text();
  const rows: Row[] = [];
  for await (const line of lines(child.stdout)) rows.push(JSON.parse(line));
  const { success } = await child.status;
  clearTimeout(timer);
  if (!success) {
    process.exitCode = 1;
    console.error(`${title} did not finish within ${LIMIT_MS / 1000} s, or failed:\n${await errors}`);
  }
  return rows;
}

/** One table: a row for each way, and for each runtime a group of columns. */
function formatTable(columns: string[], clients: Client[], results: Row[][]): string {
  const ways = [...new Set(results.flat().map(({ way }) => way))];
  const groups = results.map((rows) => {
    const cells = [columns, ...ways.map((way) => rows.find((row) => row.way === way)?.cells ?? columns.map(() => "?"))];
    const widths = columns.map((_, i) => Math.max(...cells.map((row) => String(row[i]).length)));
    return cells.map((row) => row.map((cell, i) => String(cell).padStart(widths[i])).join("  "));
  });
  const width = Math.max(...ways.map((way) => way.length));
  const body = ["", ...ways].map((way, i) => [way.padEnd(width), ...groups.map((group) => group[i])]);
  const titles = ["".padEnd(width), ...clients.map(({ title }, i) => title.padEnd(groups[i][0].length))];
  return [titles, ...body].map((row) => row.join("  │  ").trimEnd()).join("\n");
}

const { clients, missing } = await findClients();
const titles = clients.map(({ title }) => title).join(", ");
console.log(`${titles}: 20 requests in each of ${url ? `5 ways, to ${url}` : "8 ways"} …`);
const server = await startServer();
const results = await Promise.all(clients.map((client) => run(client, server.control)));
await server.stop();

const columns = url ? ["answered", "open", "closed", "ms"] : ["accepted", "open", "closed"];
console.log(`\n${formatTable(columns, clients, results)}\n`);
console.log(
  url
    ? "open: exchanges of the session that were open after the last call. closed: the same after close().\n" +
      "Only the server knows the sockets."
    : "accepted: sockets that the server accepted for 20 requests. open: sockets still open after the last call.\n" +
      "closed: sockets still open after close(). get() and head() close by themselves.",
);
if (missing.length > 0) {
  console.log(
    `\nLeft out: ${missing.join(", ")}.\n` +
      'To see all three, run "deno task install" (it needs npm, and takes about 1 GB), then the demo again.',
  );
}
