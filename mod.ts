// Copyright 2026 the Hangup authors. MIT license.

/**
 * HTTP sessions that hang up: on Deno, Bun, Node, edge workers and in browsers.
 *
 * When {@linkcode get} returns, no socket is open. When {@linkcode Session.close} returns, nothing of the session is open
 * or running. A streamed response holds its connection until its first end, and no longer.
 *
 * @example One request
 * ```ts no-assert
 * import { get } from "@hangup/session";
 *
 * async function title(url: string) {
 *   const response = await get(url);
 *   return (await response.throwIfNotOk().text()).match(/<title>(.*?)<\/title>/)?.[1];
 * }
 * ```
 *
 * @module
 */

export { del, get, head, options, patch, post, put, request } from "./ephemeral.ts";
export {
  BodyTooLargeError,
  HangupError,
  NetworkError,
  PoolClosedError,
  QueueFullError,
  type RequestLine,
  SessionClosedError,
  StatusError,
  TimeoutError,
  type TimeoutPhase,
  TooManyRedirectsError,
} from "./errors.ts";
export type { ExchangeInfo, ExchangeState, Timeouts } from "./exchange.ts";
export { type AcquireOptions, type Lease, Pool, type PoolOptions, type PoolStats } from "./pool.ts";
export type { SessionRequestInit } from "./request.ts";
export { type Hop, PrefetchedResponse, type ResponseHead, type SentRequest, StreamedResponse } from "./response.ts";
export {
  type CloseOptions,
  type CookieJar,
  type RequestInput,
  type ResponseFor,
  Session,
  type SessionOptions,
} from "./session.ts";
export type { Transport } from "./transport.ts";
