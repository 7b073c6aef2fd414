// Copyright 2026 the Hangup authors. MIT license.

/**
 * Requests without a session: each has a session of its own, which lives for one call.
 *
 * @module
 */

import { makeTransport } from "./_internal/transports/choose.ts";
import type { SessionRequestInit } from "./request.ts";
import { StreamedResponse } from "./response.ts";
import { type RequestInput, type ResponseFor, Session } from "./session.ts";

/**
 * Sends one request in a session of its own. When the promise settles, no socket is open. With
 * `prefetch: false`, the session instead lives as long as the response.
 *
 * Each request has a connection of its own, and so has each redirect. To send more than one request
 * to a server, make a {@linkcode Session}.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Send a request with any method
 * ```ts
 * import { request } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, ({ method }) => new Response(method));
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const response = await request(url, { method: "REPORT" });
 * assertEquals(await response.text(), "REPORT");
 * ```
 */
export function request<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("request", input, init);
}

/** Calls a method of a session that lives for this call. */
async function once<P extends boolean>(
  method: "request" | "get" | "head" | "options" | "post" | "put" | "patch" | "delete",
  input: RequestInput,
  init: SessionRequestInit<P> | undefined,
): Promise<ResponseFor<P>> {
  // No connection is used twice, so the transport keeps none, and opens one at a time. The
  // transport has the limit rather than the pool: with a limit in the pool, a redirect would wait
  // until the slot of the request before it has drained.
  const session = new Session({ pool: { transport: makeTransport({ idleTimeout: 0 }, 1) } });
  let streaming = false;
  try {
    const response = await session[method](input, init);
    streaming = response instanceof StreamedResponse;
    return response;
  } finally {
    const closing = session.close({ grace: streaming ? Infinity : 0 });
    if (!streaming) await closing;
  }
}

/**
 * Sends one GET request, as {@linkcode request} does: RFC 9110, section 9.3.1.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Read JSON
 * ```ts
 * import { get } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => Response.json({ name: "Ada" }));
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const response = await get(url, { timeout: 5000 });
 * assertEquals(response.ok, true);
 * assertEquals(await response.json(), { name: "Ada" });
 * ```
 *
 * @example Stream
 * ```ts
 * import { get } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => new Response("one\ntwo\n"));
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const lines: string[] = [];
 * const response = await get(url, { prefetch: false });
 * for await (const line of response.lines()) lines.push(line);
 * assertEquals(lines, ["one", "two"]);
 * assertEquals(response.closed, true); // the loop has closed the connection
 * ```
 */
export function get<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("get", input, init);
}

/**
 * Sends one HEAD request, as {@linkcode request} does: RFC 9110, section 9.3.2. The response has no
 * body.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Ask for the type
 * ```ts
 * import { head } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => Response.json({}));
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const { headers, content } = await head(url);
 * assertEquals([headers.get("content-type"), content.length], ["application/json", 0]);
 * ```
 */
export function head<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("head", input, init);
}

/**
 * Sends one OPTIONS request, as {@linkcode request} does: RFC 9110, section 9.3.7.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Ask for the methods
 * ```ts
 * import { options } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = () => new Response(null, { status: 204, headers: { allow: "GET" } });
 * await using server = Deno.serve({ port: 0, onListen() {} }, answer);
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * assertEquals((await options(url)).headers.get("allow"), "GET");
 * ```
 */
export function options<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("options", input, init);
}

/**
 * Sends one POST request, as {@linkcode request} does: RFC 9110, section 9.3.3. It reaches the
 * server at most once.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Send JSON
 * ```ts
 * import { post } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = async (request: Request) => Response.json(await request.json());
 * await using server = Deno.serve({ port: 0, onListen() {} }, answer);
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const response = await post(url, { json: { name: "Ada" } });
 * assertEquals(await response.json(), { name: "Ada" });
 * ```
 */
export function post<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("post", input, init);
}

/**
 * Sends one PUT request, as {@linkcode request} does: RFC 9110, section 9.3.4.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Send bytes
 * ```ts
 * import { put } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = async (request: Request) => new Response(await request.text(), { status: 201 });
 * await using server = Deno.serve({ port: 0, onListen() {} }, answer);
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const response = await put(url, { body: new TextEncoder().encode("hello") });
 * assertEquals([response.status, await response.text()], [201, "hello"]);
 * ```
 */
export function put<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("put", input, init);
}

/**
 * Sends one PATCH request, as {@linkcode request} does: RFC 5789. It reaches the server at most
 * once.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Send a change with its own media type
 * ```ts
 * import { patch } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = ({ headers }: Request) => new Response(headers.get("content-type"));
 * await using server = Deno.serve({ port: 0, onListen() {} }, answer);
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * const headers = { "content-type": "application/merge-patch+json" };
 * const response = await patch(url, { json: { age: null }, headers });
 * assertEquals(await response.text(), headers["content-type"]);
 * ```
 */
export function patch<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("patch", input, init);
}

/**
 * Sends one DELETE request, as {@linkcode request} does: RFC 9110, section 9.3.5.
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options. They take precedence over those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 *
 * @example Delete a resource
 * ```ts
 * import { del } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = ({ method }: Request) => new Response(null, { status: method === "DELETE" ? 204 : 405 });
 * await using server = Deno.serve({ port: 0, onListen() {} }, answer);
 * const url = `http://127.0.0.1:${server.addr.port}/`;
 * assertEquals((await del(url)).status, 204);
 * ```
 */
export function del<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return once("delete", input, init);
}
