// Copyright 2026 the Hangup authors. MIT license.
//
// What the counting server answers. Every route that is not about time answers at once; those that
// are about time wait for an event: a release over the control port, or the client's leaving.
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { brotliCompress, deflate, gzip } from "node:zlib";
import type { Exchange, Header } from "./exchange.ts";
import { pattern } from "./pattern.ts";
import {
  anthropic,
  flaky,
  github,
  graphql,
  mcp,
  openai,
  postgrest,
  rest,
  stripe,
  supabase,
  trpc,
} from "./protocols.ts";
import type { Scope } from "./scope.ts";

type Route = (exchange: Exchange, arg: string, query: URLSearchParams, scope: Scope) => Promise<void>;

const PIECE = 64 * 1024;
const BINARY: Header = ["content-type", "application/octet-stream"];
const TEXT: Header = ["content-type", "text/plain; charset=utf-8"];
const JSON_TYPE: Header = ["content-type", "application/json"];

const codings: Record<string, (data: Uint8Array) => Promise<Uint8Array>> = {
  gzip: promisify(gzip),
  deflate: promisify(deflate),
  br: promisify(brotliCompress),
};

/** Bombs take a while to build: each is built once. */
const bombs = new Map<number, Promise<Uint8Array>>();

const routes: Record<string, Route> = {
  /** `/bytes/N`: N bytes with Content-Length. */
  "bytes": async (exchange, arg) => await sendPattern(exchange, 200, Number(arg), [BINARY]),

  /** `/chunked/N`: N bytes in at least three chunks, without Content-Length. */
  "chunked": async (exchange, arg) => {
    await exchange.head(200, [BINARY]);
    const length = Number(arg);
    await writePattern(exchange, length, Math.max(1, Math.min(PIECE / 4, Math.ceil(length / 3))));
    await exchange.end();
  },

  /** `/status/S?body=N`: status S with a body of N bytes (10). */
  "status": async (exchange, arg, query) => {
    const bodiless = arg === "204" || arg === "304";
    if (!bodiless) return await sendPattern(exchange, Number(arg), Number(query.get("body") ?? 10), [BINARY]);
    await exchange.head(Number(arg));
    await exchange.end();
  },

  /** `/hang`: headers never come. */
  "hang": async (exchange) => await exchange.gone,

  /** `/later/MS`: 100 bytes, after `MS` milliseconds. */
  "later": async (exchange, arg) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pause = new Promise<void>((resolve) => timer = setTimeout(resolve, Number(arg)));
    await Promise.race([pause, exchange.gone]).finally(() => clearTimeout(timer));
    await sendPattern(exchange, 200, 100, [BINARY]);
  },

  /** `/stall/N?of=M&status=200`: declares M bytes (N + 1), sends N, then nothing. */
  "stall": async (exchange, arg, query) => {
    await exchange.head(Number(query.get("status") ?? 200), [BINARY], Number(query.get("of") ?? Number(arg) + 1));
    await writePattern(exchange, Number(arg));
    await exchange.gone;
  },

  /**
   * `/endless`: chunks without end, as fast as the client reads; in a scope with `slow`, 20 MB in a
   * second.
   */
  "endless": async (exchange, _, __, scope) => {
    await exchange.head(200, [BINARY]);
    if (!scope.slow) return await writePattern(exchange, Infinity);
    await paced(exchange, new URLSearchParams("n=Infinity&gap=5"), (i) => pattern(100_000, i * 100_000));
  },

  /**
   * `/drip?n=10&gap=10`: n bytes, one each gap ms; n may be Infinity. With `size` n times so many,
   * with `length` that many are announced.
   */
  "drip": async (exchange, _, query) => {
    const length = query.get("length");
    await exchange.head(200, [BINARY], length === null ? undefined : Number(length));
    const size = Number(query.get("size") ?? 1);
    await paced(exchange, query, (i) => pattern(size, i * size));
    await exchange.end();
  },

  /** `/truncate/N?of=M`: declares M bytes (N + 1), sends N, closes the socket. */
  "truncate": async (exchange, arg, query) => {
    await exchange.head(200, [BINARY], Number(query.get("of") ?? Number(arg) + 1));
    await writePattern(exchange, Number(arg));
    exchange.kill("flushed");
  },

  /** `/truncate-chunked/N`: N bytes in chunks, then closes the socket without the last chunk. */
  "truncate-chunked": async (exchange, arg) => {
    await exchange.head(200, [BINARY]);
    await writePattern(exchange, Number(arg));
    exchange.kill("flushed");
  },

  /**
   * `/encoded/C/N`: N bytes in the content coding C: gzip, deflate or br. `/gzip/N` is short for
   * `/encoded/gzip/N`.
   */
  "encoded": async (exchange, arg) => {
    const [coding = "", length] = arg.split("/");
    const encode = codings[coding];
    if (!encode) return await notFound(exchange);
    await sendBytes(exchange, 200, await encode(pattern(Number(length))), [BINARY, ["content-encoding", coding]]);
  },
  "gzip": async (exchange, arg, query, scope) => await routes.encoded(exchange, `gzip/${arg}`, query, scope),

  /** `/gzip-bomb/N`: N zeros, gzipped. */
  "gzip-bomb": async (exchange, arg) => {
    const length = Number(arg);
    let bomb = bombs.get(length);
    if (!bomb) bombs.set(length, bomb = codings.gzip(new Uint8Array(length)));
    await sendBytes(exchange, 200, await bomb, [BINARY, ["content-encoding", "gzip"]]);
  },

  /**
   * `/redirect/S?to=URL&body=N&h=Name:value`: status S, Location, more headers, a body of N bytes
   * (0); with `chunked` in chunks, with `stall` never ending.
   */
  "redirect": async (exchange, arg, query) => {
    const location = query.get("to");
    const headers = [BINARY, ...headersOf(query)];
    if (location !== null) headers.push(["location", location]);
    const length = Number(query.get("body") ?? 0);
    if (!query.has("chunked") && !query.has("stall")) return await sendPattern(exchange, Number(arg), length, headers);
    await exchange.head(Number(arg), headers);
    await writePattern(exchange, length);
    if (query.has("stall")) await exchange.gone;
    await exchange.end();
  },

  /** `/chain/N?status=302&body=0`: N redirects, then a 200 with the body "end". */
  "chain": async (exchange, arg, query) => {
    if (Number(arg) <= 0) return await sendBytes(exchange, 200, Buffer.from("end"), [TEXT]);
    const status = Number(query.get("status") ?? 302);
    const location = `/chain/${Number(arg) - 1}${exchange.url.search}`;
    await sendPattern(exchange, status, Number(query.get("body") ?? 0), [BINARY, ["location", location]]);
  },

  /** `/echo`: the request as JSON. */
  "echo": async (exchange) => {
    const body = Buffer.from(await exchange.body());
    await sendJson(exchange, {
      method: exchange.method,
      url: exchange.url.pathname + exchange.url.search,
      headers: exchange.headers,
      body: body.toString(),
      bodyLength: body.length,
      socketId: exchange.socketId,
      requestOnSocket: exchange.requestOnSocket,
    });
  },

  /** `/ok`, and whatever follows: "ok", once the request has arrived. */
  "ok": async (exchange) => {
    await exchange.body();
    await sendBytes(exchange, 200, Buffer.from("ok"), [TEXT]);
  },

  /**
   * `/upload`: reads the whole body and answers with its length, and whether it was the pattern.
   */
  "upload": async (exchange) => {
    const body = Buffer.from(await exchange.body());
    await sendJson(exchange, { bodyLength: body.length, isPattern: body.equals(pattern(body.length)) });
  },

  /** `/early?status=413`: answers before the request's body was read, and closes. */
  "early": async (exchange, _, query) => {
    await sendPattern(exchange, Number(query.get("status") ?? 413), 10, [BINARY]);
    exchange.kill("flushed");
  },

  /** `/set-cookie?a=1&b=2`: one Set-Cookie of path / for each; for attributes use `/headers`. */
  "set-cookie": async (exchange, _, query) => {
    const cookies = [...query].map(([name, value]): Header => ["set-cookie", `${name}=${value}; Path=/`]);
    await sendPattern(exchange, 200, 10, [BINARY, ...cookies]);
  },

  /** `/headers?h=Name:value&h=…`: a response with exactly these headers added. */
  "headers": async (exchange, _, query) => {
    await sendPattern(exchange, 200, 10, headersOf(query));
  },

  /** `/lines?n=10&gap=0`: n lines, "line 0" and so on; n may be Infinity. */
  "lines": async (exchange, _, query) => {
    await exchange.head(200, [TEXT]);
    await paced(exchange, query, (i) => Buffer.from(`line ${i}\n`));
    await exchange.end();
  },

  /** `/sse?n=10&gap=0`: n events, their data "0" and so on; n may be Infinity. */
  "sse": async (exchange, _, query) => {
    await exchange.head(200, [["content-type", "text/event-stream"], ["cache-control", "no-store"]]);
    await paced(exchange, query, (i) => Buffer.from(`id: ${i}\ndata: ${i}\n\n`));
    await exchange.end();
  },

  /**
   * `/hold?key=K&sent=N`: answers "released" once the control port released K. With `sent`, the
   * head and N bytes are sent before.
   */
  "hold": async (exchange, _, query, scope) => {
    const release = Promise.race([scope.held(query.get("key") ?? ""), exchange.gone]);
    release.catch(() => {}); // the client may leave while the first bytes are written
    const sent = query.get("sent");
    if (sent !== null) {
      await exchange.head(200, [TEXT]);
      await writePattern(exchange, Number(sent));
    }
    await release;
    if (sent === null) await exchange.head(200, [TEXT]);
    await exchange.write(Buffer.from("released"));
    await exchange.end();
  },

  /**
   * `/kill?read=1`: drops the socket without a byte, with `read` after the request's body was read.
   */
  "kill": (exchange) => {
    exchange.kill("now");
    return Promise.resolve();
  },

  /**
   * `/kill-reused?read=1`: as `/kill` when the request is not the first on its socket; else
   * answers.
   */
  "kill-reused": async (exchange) => {
    if (exchange.requestOnSocket > 1) exchange.kill("now");
    else await sendPattern(exchange, 200, 10, [BINARY]);
  },

  /**
   * `/kill-first/N`: reads the request and drops the socket the first N times, by method; then
   * answers.
   */
  "kill-first": async (exchange, arg, _, scope) => {
    await exchange.body();
    if (scope.stats.paths[`${exchange.method} ${exchange.url.pathname}`]! <= Number(arg)) exchange.kill("now");
    else await sendPattern(exchange, 200, 10, [BINARY]);
  },

  /**
   * `/refuse-first/N`: over HTTP/2, refuses the first N requests unprocessed, by method; then
   * answers.
   */
  "refuse-first": async (exchange, arg, _, scope) => {
    if (scope.stats.paths[`${exchange.method} ${exchange.url.pathname}`]! <= Number(arg)) exchange.kill("refused");
    else await sendPattern(exchange, 200, 10, [BINARY]);
  },

  /**
   * `/leave-first/N`: over HTTP/2, goes away from the first N requests, by method, unless they are
   * the first of their connection; then answers.
   */
  "leave-first": async (exchange, arg, _, scope) => {
    if (scope.stats.paths[`${exchange.method} ${exchange.url.pathname}`]! <= Number(arg)) exchange.kill("left");
    else await sendPattern(exchange, 200, 10, [BINARY]);
  },

  // What clients of services ask for: protocols.ts.
  openai,
  github,
  rest,
  flaky,
  postgrest,
  graphql,
  anthropic,
  v1: stripe,
  supabase,
  trpc,
  mcp,
};

/**
 * Answers an exchange. A query parameter `close` on any route closes the socket after the response;
 * `read` has the request's body read before.
 */
export async function answer(exchange: Exchange, scope: Scope): Promise<void> {
  const [, name = "", arg = ""] = /^\/([^/]*)\/?(.*)$/.exec(exchange.url.pathname) ?? [];
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  if (exchange.url.searchParams.has("read")) await exchange.body();
  await (route ?? notFound)(exchange, arg, exchange.url.searchParams, scope);
}

async function notFound(exchange: Exchange) {
  await sendBytes(exchange, 404, Buffer.from(`No route ${exchange.url.pathname}`), [TEXT]);
}

/** What `h=Name:value` asks for. */
function headersOf(query: URLSearchParams): Header[] {
  return query.getAll("h").map((pair) => {
    const colon = pair.indexOf(":");
    return [pair.slice(0, colon), pair.slice(colon + 1)];
  });
}

async function sendJson(exchange: Exchange, value: unknown) {
  await sendBytes(exchange, 200, Buffer.from(JSON.stringify(value)), [JSON_TYPE]);
}

async function sendPattern(exchange: Exchange, status: number, length: number, headers: Header[]) {
  await exchange.head(status, headers, length);
  await writePattern(exchange, length);
  await exchange.end();
}

async function sendBytes(exchange: Exchange, status: number, bytes: Uint8Array, headers: Header[]) {
  await exchange.head(status, headers, bytes.length);
  for (let at = 0; at < bytes.length; at += PIECE) await exchange.write(bytes.subarray(at, at + PIECE));
  await exchange.end();
}

async function writePattern(exchange: Exchange, length: number, piece = PIECE) {
  for (let at = 0; at < length; at += piece) await exchange.write(pattern(Math.min(piece, length - at), at));
}

/**
 * Sends `n` pieces, and waits `gap` milliseconds before each next one. If the client leaves, it
 * throws `Gone`.
 */
async function paced(exchange: Exchange, query: URLSearchParams, piece: (i: number) => Uint8Array) {
  const n = Number(query.get("n") ?? 10);
  const gap = Number(query.get("gap") ?? (exchange.url.pathname === "/drip" ? 10 : 0));
  for (let i = 0; i < n; i++) {
    if (i > 0 && gap > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const pause = new Promise<void>((resolve) => timer = setTimeout(resolve, gap));
      await Promise.race([pause, exchange.gone]).finally(() => clearTimeout(timer));
    }
    await exchange.write(piece(i));
  }
}
