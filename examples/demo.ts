// Copyright 2026 the Hangup authors. MIT license.
//
// The seed experiment: 20 requests in each way, on Deno, Bun and Node, and the sockets that each way leaves open.
//
//   deno task demo           against the project's counting server
//   deno task demo -- URL    Hangup's half of it against a URL of yours: 300 requests in all
import process from "node:process";
import { fileURLToPath } from "node:url";
import { lines } from "../tests/harness/lines.ts";
import { findRuntime } from "../tests/harness/runtimes.ts";
import { startServer } from "../tests/server/start.ts";
import type { Row } from "./demo_client.ts";

/** The demo ends within 30 s, and starting the processes takes a part of that. */
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

/** The project's own runtimes: what this very Deno is, and what npm has installed here. */
async function findClients(): Promise<{ clients: Client[]; missing: string[] }> {
  const clients: Client[] = [{ title: `Deno ${Deno.version.deno}`, command: [Deno.execPath(), "run", "-A"] }];
  const missing: string[] = [];
  for (const [name, executable] of [["Bun", findRuntime("bun")], ["Node", findRuntime("node26")]]) {
    if (executable) clients.push({ title: `${name} ${await versionOf(executable)}`, command: [executable] });
    else missing.push(name!);
  }
  return { clients, missing };
}

async function versionOf(executable: string): Promise<string> {
  const { stdout } = await new Deno.Command(executable, { args: ["--version"] }).output();
  return new TextDecoder().decode(stdout).trim().replace(/^v/, "");
}

/** Runs the client on one runtime. One that fails, or takes too long, gives the rows that it printed. */
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
if (url) console.log(`20 requests in each of 5 ways on each runtime: ${url}`);
const server = await startServer();
const results = await Promise.all(clients.map((client) => run(client, server.control)));
await server.stop();

const columns = url ? ["answered", "open", "closed", "ms"] : ["accepted", "open", "closed"];
console.log(`\n${formatTable(columns, clients, results)}\n`);
console.log(
  url
    ? "open and closed: exchanges of the session that were open when the last call had returned, and after close().\n" +
      "The sockets are known to the server alone."
    : "accepted: sockets that the server accepted for 20 requests. open: those still open when the last call had\n" +
      "returned. closed: those still open after close(), which get() and head() do themselves.",
);
if (missing.length > 0) {
  console.log(
    `\nLeft out, as not installed: ${missing.join(" and ")}. With npm on this machine, the task installs them.`,
  );
}
