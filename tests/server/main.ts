// Copyright 2026 the Hangup authors. MIT license.
//
// The counting server, a process of its own: what it counts is what the other side of the wire
// really saw. Prints `{"control":"http://127.0.0.1:PORT","ca":"PEM","cert":"PEM","spki":"HASH"}`
// when it is ready: where it is controlled, and what to trust; and exits when its standard input
// closes, so that it never outlives who started it.
//
// Control port:
//   POST /open?count=1&host=::1    fresh listening ports with counters of their own: [{ id, url, port }]; with `tls=1` each
//                                  speaks TLS, with `tls=untrusted` by a certificate of nobody's, `tls=self-signed`
//                                  by one that is its own issuer, with `h2=1` HTTP/2, with `handshake=20` each handshake
//                                  takes another time up to 20 ms;
//                                  with `unix=1` on a Unix socket: its `path`, too; with `fault=NAME` it misbehaves from
//                                  the accept on, as faults.ts says; with `slow=1` what has no end comes slowly
//   GET  /stats?id=                what it has counted (scope.ts, Stats)
//   GET  /wait?id=&open=0&within=  answers as soon as every condition holds, or after `within` ms (250) as things are:
//                                  { met, stats }. open and pending mean exactly; accepted, requests, aborted and
//                                  killed mean at least
//   POST /note                     keeps the body for whoever started the server
//   GET  /notes                    the texts that were kept
//   POST /release?id=&key=         lets /hold?key= go on
//   POST /drop?id=                 destroys the sockets that are idle now
//   POST /close?id=&open=0&within= waits as /wait does, then closes the port and destroys its sockets: { met, stats,
//                                  arrivals }, which are what arrived in a scope opened with `record=1`, once the bodies
//                                  have, or after 300 ms
//   GET  /blank                    an empty page for browsers to start from
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { makeCertificate } from "./certificate.ts";
import { Scope, type Stats } from "./scope.ts";

const scopes = new Map<string, Scope>();
let opened = 0;
const notes: string[] = [];
const trusted = makeCertificate("Hangup test authority");
const untrusted = makeCertificate("Nobody's authority");
const selfSigned = makeCertificate("Nobody", true);

const EXACT = ["open", "pending"] as const;
const AT_LEAST = ["accepted", "requests", "aborted", "killed"] as const;

async function control(method: string, url: URL, response: ServerResponse): Promise<unknown> {
  const query = url.searchParams;
  if (method === "POST" && url.pathname === "/open") {
    return await Promise.all(Array.from({ length: Number(query.get("count")) }, () => open(url)));
  }
  if (`${method} ${url.pathname}` === "GET /notes") return notes;
  const scope = scopes.get(query.get("id") ?? "");
  if (!scope) return undefined;
  switch (`${method} ${url.pathname}`) {
    case "GET /stats":
      return scope.stats;
    case "GET /wait":
      return { met: await wait(scope, query, response), stats: scope.stats };
    case "POST /release":
      scope.release(query.get("key") ?? "");
      return {};
    case "POST /drop":
      scope.drop();
      return {};
    case "POST /close": {
      scopes.delete(scope.id);
      const { arrivals = [] } = scope;
      const met = await wait(scope, query, response);
      const stats = { ...scope.stats };
      await scope.until(() => arrivals.every(({ whole }) => whole !== undefined), 300, response);
      await scope.close();
      return { met, stats, arrivals };
    }
  }
}

async function open(url: URL) {
  const query = url.searchParams;
  const made = { "1": trusted, untrusted, "self-signed": selfSigned }[query.get("tls") ?? ""];
  const certificate = made?.certificate;
  const fault = query.get("fault") ?? undefined;
  const limit = query.has("limit") ? Number(query.get("limit")) : undefined;
  const handshake = Number(query.get("handshake") ?? 0);
  const [h2, record, slow] = ["h2", "record", "slow"].map((name) => query.has(name));
  const scope = new Scope(String(++opened), { certificate, handshake, h2, fault, limit, record, slow });
  const address = fault === "never-accepts"
    ? await scope.listenDeaf()
    : query.has("refuses")
    ? await scope.refuse(Number(url.port))
    : query.has("unix")
    ? await scope.listenAt(join(tmpdir(), `hangup-${process.pid}-${scope.id}.sock`))
    : await scope.listen(query.get("host") ?? "127.0.0.1");
  scopes.set(scope.id, scope);
  const { ca } = made ?? trusted;
  return { id: scope.id, ca, recording: process.env.HANGUP_RECORDING !== undefined, ...address };
}

function wait(scope: Scope, query: URLSearchParams, client: ServerResponse): Promise<boolean> {
  return scope.until(conditionOf(query), Number(query.get("within") ?? 250), client);
}

async function keepNote(request: IncomingMessage) {
  let text = "";
  for await (const piece of request.setEncoding("utf8")) text += piece;
  notes.push(text);
  return {};
}

function conditionOf(query: URLSearchParams): (stats: Stats) => boolean {
  const exact = EXACT.filter((name) => query.has(name));
  const atLeast = AT_LEAST.filter((name) => query.has(name));
  return (stats) =>
    exact.every((name) => stats[name] === Number(query.get(name))) &&
    atLeast.every((name) => stats[name] >= Number(query.get(name)));
}

async function handle(request: IncomingMessage, response: ServerResponse) {
  // "close": an idle control socket would trip the sanitizers of the tests, and stay in the pools
  // they count.
  response.setHeader("connection", "close");
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-methods", "*");
  response.setHeader("access-control-allow-headers", "*");
  response.setHeader("access-control-allow-private-network", "true");
  const url = new URL(request.url ?? "/", `http://control:${request.socket.localPort}`);
  if (request.method === "OPTIONS") return void response.writeHead(204).end();
  if (url.pathname === "/blank") {
    return void response.setHeader("content-type", "text/html").end("<!doctype html><title>Hangup</title>");
  }
  const isNote = request.method === "POST" && url.pathname === "/note";
  const result = isNote ? await keepNote(request) : await control(request.method ?? "GET", url, response);
  response.statusCode = result === undefined ? 404 : 200;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(result ?? { error: `No scope or no such call: ${request.method} ${request.url}` }));
}

const server = createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen(0, "127.0.0.1", 1024, () => {
  const { port } = server.address() as AddressInfo;
  const { ca, certificate: { cert, spki } } = trusted;
  console.log(JSON.stringify({ control: `http://127.0.0.1:${port}`, ca, cert, spki }));
});

process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
