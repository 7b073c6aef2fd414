// Copyright 2026 the Hangup authors. MIT license.

/**
 * HTTP sessions that hang up: on Deno, Bun, Node, edge workers and in browsers.
 *
 * When {@linkcode get} returns, no socket is open. When {@linkcode Session.close} returns, nothing
 * of the session is open or running. A streamed response holds its connection until its body ends,
 * fails or is closed, and no longer.
 *
 * @example One request
 * ```ts
 * import { get } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => Response.json({ name: "Ada" }));
 *
 * const response = await get(`http://127.0.0.1:${server.addr.port}/`);
 * assertEquals(await response.throwIfNotOk().json(), { name: "Ada" });
 * ```
 *
 * @example A session
 * ```ts
 * import { Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, ({ method }) => new Response(method));
 *
 * await using session = new Session({ baseUrl: `http://127.0.0.1:${server.addr.port}/`, timeout: 10_000 });
 * const responses = await Promise.all([session.get("users"), session.delete("users/1")]);
 * assertEquals(await Promise.all(responses.map((response) => response.text())), ["GET", "DELETE"]);
 * ```
 *
 * @module
 */

export type { CookieJar } from "./cookies.ts";
export { del, get, head, options, patch, post, put, request } from "./ephemeral.ts";
export {
  BodyTooLargeError,
  HangupError,
  NetworkError,
  PoolClosedError,
  QueueFullError,
  SessionClosedError,
  TimeoutError,
  type TimeoutPhase,
  TooManyRedirectsError,
} from "./errors.ts";
export { type AcquireOptions, type Lease, Pool, type PoolOptions, type PoolStats } from "./pool.ts";
export type {
  ExchangeInfo,
  ExchangeState,
  QueryValue,
  Redirect,
  Repeatable,
  RequestSummary,
  SentRequest,
  SessionRequestInit,
  StandardRequestInit,
  Timeouts,
} from "./request.ts";
export { type HangupResponse, PrefetchedResponse, StatusError, StreamedResponse } from "./response.ts";
export { isRetriable, retryAfter } from "./retry.ts";
export {
  type CloseOptions,
  type Fetch,
  type RequestInput,
  type ResponseFor,
  Session,
  type SessionOptions,
} from "./session.ts";
export { createTransport, type Transport, type TransportOptions } from "./transport.ts";
