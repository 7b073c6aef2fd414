// Copyright 2026 the Hangup authors. MIT license.

/**
 * Every error that this module throws of its own:
 *
 * ```text
 * Error
 * └── HangupError              method and url where there is a request
 *     ├── SessionClosedError   the session was closed before the request was done
 *     ├── PoolClosedError      the pool was closed before the request was done
 *     ├── QueueFullError       `maxQueued` requests wait already
 *     ├── TimeoutError         phase: "queue" | "headers" | "idle" | "total"
 *     ├── BodyTooLargeError    the body is longer than `maxBodyBytes`
 *     ├── StatusError          `throwIfNotOk()` met a status outside 200 to 299
 *     ├── TooManyRedirectsError
 *     └── NetworkError         cause: the runtime's own error
 * ```
 *
 * Besides these there are `TypeError` and `RangeError` for wrong arguments, thrown before anything is sent, and the
 * reason of the caller's own signal, which is passed on as it is.
 *
 * @module
 */

import { displayUrl } from "./_internal/http.ts";
import type { ExchangeState, RequestSummary } from "./request.ts";
import type { PrefetchedResponse } from "./response.ts";

/**
 * The base of this module's errors: catch it to catch them all.
 *
 * @example Tell the module's errors from others
 * ```ts
 * import { HangupError, Session } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using session = new Session({ fetch: () => Promise.reject(new Error("unplugged")) });
 * const error = await assertRejects(() => session.get("https://example.com/items?key=1"), HangupError);
 * assertEquals([error.method, error.url], ["GET", "https://example.com/items?…"]);
 * ```
 */
export class HangupError extends Error {
  /** The request's method, where there is a request. */
  readonly method: string | undefined;
  /** The request's URL without credentials and query values, where there is a request. */
  readonly url: string | undefined;

  /**
   * Creates the error.
   *
   * @param message What happened.
   * @param request The request that it happened to; named at the end of the message.
   * @param options The error's `cause`.
   */
  constructor(message: string, request?: RequestSummary, options?: ErrorOptions) {
    super(request === undefined ? message : `${message}: ${request.method} ${request.url}`, options);
    this.name = "HangupError";
    this.method = request?.method;
    this.url = request?.url;
  }
}

/**
 * The session was closed before the request was done, or before it was made.
 *
 * @example Be cut off
 * ```ts
 * import { Session, SessionClosedError } from "@hangup/session";
 * import { assertRejects } from "@std/assert";
 *
 * const session = new Session({ fetch: () => new Promise(() => {}) });
 * const response = session.get("https://example.com/");
 * await Promise.all([session.close(), assertRejects(() => response, SessionClosedError)]);
 * ```
 */
export class SessionClosedError extends HangupError {
  /**
   * Creates the error.
   *
   * @param request The request that was cut off.
   */
  constructor(request?: RequestSummary) {
    super("Cannot complete the request as the session is closed", request);
    this.name = "SessionClosedError";
  }
}

/**
 * The pool was closed before the request was done, or before it was made.
 *
 * @example Use a pool too late
 * ```ts
 * import { Pool, PoolClosedError, Session } from "@hangup/session";
 * import { assertRejects } from "@std/assert";
 *
 * const pool = new Pool();
 * await using session = new Session({ pool });
 * await pool.close();
 * await assertRejects(() => session.get("https://example.com/"), PoolClosedError);
 * ```
 */
export class PoolClosedError extends HangupError {
  /**
   * Creates the error.
   *
   * @param request The request that was cut off.
   */
  constructor(request?: RequestSummary) {
    super(`Cannot ${request ? "complete the request" : "open a connection"} as the pool is closed`, request);
    this.name = "PoolClosedError";
  }
}

/**
 * As many requests as the pool's `maxQueued` allows are waiting already.
 *
 * @example Refuse load early
 * ```ts
 * import { Pool, QueueFullError } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pool = new Pool({ maxConnections: 1, maxQueued: 0 });
 * using _lease = await pool.acquire("https://example.com");
 * const error = await assertRejects(() => pool.acquire("https://example.com"), QueueFullError);
 * assertEquals(error.maxQueued, 0);
 * ```
 */
export class QueueFullError extends HangupError {
  /** The pool's `maxQueued`. */
  readonly maxQueued: number;

  /**
   * Creates the error.
   *
   * @param maxQueued The pool's `maxQueued`.
   * @param request The request that found the queue full.
   */
  constructor(maxQueued: number, request?: RequestSummary) {
    super(`Cannot wait for a connection as ${maxQueued} requests wait already`, request);
    this.name = "QueueFullError";
    this.maxQueued = maxQueued;
  }
}

/** The part of a request's life that a {@linkcode TimeoutError} ended. */
export type TimeoutPhase = "queue" | "headers" | "idle" | "total";

/** What each phase's timeout says; each is followed by the limit and the request. */
const TIMEOUT_MESSAGES: Readonly<Record<TimeoutPhase, string>> = {
  queue: "No connection became free",
  headers: "No response headers arrived",
  idle: "No bytes of the body arrived",
  total: "The request was not done",
};

/**
 * A timeout passed. It is no `DOMException`, as the one of `AbortSignal.timeout()` is.
 *
 * @example Learn which timeout passed
 * ```ts
 * import { Session, TimeoutError } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using session = new Session({ fetch: () => new Promise(() => {}), timeout: { headers: 10 } });
 * const error = await assertRejects(() => session.get("https://example.com/"), TimeoutError);
 * assertEquals([error.phase, error.timeout], ["headers", 10]);
 * ```
 */
export class TimeoutError extends HangupError {
  /** The phase that took too long. */
  readonly phase: TimeoutPhase;
  /** The timeout that passed, in milliseconds. */
  readonly timeout: number;
  /** For the phase `"queue"`, the requests that hold the slots; else empty. */
  readonly holders: readonly RequestSummary[];

  /**
   * Creates the error.
   *
   * @param phase The phase that took too long.
   * @param timeout The timeout that passed, in milliseconds.
   * @param request The request that it happened to.
   * @param holders For the phase `"queue"`, the requests that hold the slots.
   * @param state For the phase `"total"`, where the request was in its life.
   * @param queued For the phase `"total"`, how long the request had queued, in milliseconds.
   */
  constructor(
    phase: TimeoutPhase,
    timeout: number,
    request?: RequestSummary,
    holders: readonly RequestSummary[] = [],
    state?: ExchangeState,
    queued = 0,
  ) {
    const held = holders.slice(0, 5).map(({ method, url }) => `${method} ${url}`).join(", ");
    const more = holders.length > 5 ? ` and ${holders.length - 5} more` : "";
    const why = held && `, as the slots are held by ${held}${more}`;
    const wait = queued > 0 ? ` after it had queued for ${queued} ms` : "";
    const when = phase === "total" && state ? `, when its state was "${state}"${wait}` : "";
    super(`${TIMEOUT_MESSAGES[phase]} within ${timeout} ms${why}${when}`, request);
    this.name = "TimeoutError";
    this.phase = phase;
    this.timeout = timeout;
    this.holders = holders;
  }
}

/**
 * The body, counted after decoding, is longer than `maxBodyBytes`.
 *
 * @example Cap a body
 * ```ts
 * import { BodyTooLargeError, Session } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using session = new Session({ fetch: () => Promise.resolve(new Response("hello")), maxBodyBytes: 4 });
 * const error = await assertRejects(() => session.get("https://example.com/"), BodyTooLargeError);
 * assertEquals(error.maxBodyBytes, 4);
 * ```
 */
export class BodyTooLargeError extends HangupError {
  /** The cap that was exceeded, in bytes. */
  readonly maxBodyBytes: number;

  /**
   * Creates the error.
   *
   * @param maxBodyBytes The cap, in bytes.
   * @param request The request whose response was too large.
   */
  constructor(maxBodyBytes: number, request?: RequestSummary) {
    super(`Cannot keep more than ${maxBodyBytes} bytes of the body in memory`, request);
    this.name = "BodyTooLargeError";
    this.maxBodyBytes = maxBodyBytes;
  }
}

/**
 * A response's status is outside 200 to 299, and `throwIfNotOk()` was called.
 *
 * @example Read the body of an error
 * ```ts
 * import { Session, StatusError } from "@hangup/session";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * await using session = new Session({ fetch: () => Promise.resolve(new Response("down", { status: 503 })) });
 * const response = await session.get("https://example.com/");
 * const error = assertThrows(() => response.throwIfNotOk(), StatusError);
 * assertEquals(await error.response.text(), "down");
 * ```
 */
export class StatusError extends HangupError {
  // No field: Bun prints those of errors whole, and it has headers.
  #response: PrefetchedResponse;

  /**
   * Creates the error.
   *
   * @param response The response, in memory.
   */
  constructor(response: PrefetchedResponse) {
    const status = `${response.status} ${response.statusText}`.trimEnd();
    const { method, url } = response.request;
    super(`The response's status is ${status}`, { method, url: displayUrl(new URL(url)) });
    this.name = "StatusError";
    this.#response = response;
  }

  /** The response, in memory: of a streamed one the first 64 KiB of the body. */
  get response(): PrefetchedResponse {
    return this.#response;
  }
}

/**
 * The chain of redirects is longer than `maxRedirects`.
 *
 * @example Cap the redirects
 * ```ts
 * import { Session, TooManyRedirectsError } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const fetch = () => Promise.resolve(new Response(null, { status: 302, headers: { location: "/again" } }));
 * await using session = new Session({ fetch, maxRedirects: 5 });
 * const error = await assertRejects(() => session.get("https://example.com/"), TooManyRedirectsError);
 * assertEquals(error.maxRedirects, 5);
 * ```
 */
export class TooManyRedirectsError extends HangupError {
  /** The limit that was exceeded. */
  readonly maxRedirects: number;

  /**
   * Creates the error.
   *
   * @param maxRedirects The limit that was exceeded.
   * @param request The request whose response was one redirect too many.
   */
  constructor(maxRedirects: number, request?: RequestSummary) {
    super(`Cannot follow more than ${maxRedirects} redirects`, request);
    this.name = "TooManyRedirectsError";
    this.maxRedirects = maxRedirects;
  }
}

/**
 * The network, the peer or the protocol failed; `cause` is the runtime's own error.
 *
 * @example Find the cause
 * ```ts
 * import { NetworkError, Session } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const cause = new TypeError("unplugged");
 * await using session = new Session({ fetch: () => Promise.reject(cause) });
 * const error = await assertRejects(() => session.get("https://example.com/"), NetworkError);
 * assertEquals(error.cause, cause);
 * ```
 */
export class NetworkError extends HangupError {
  /**
   * Creates the error.
   *
   * @param message What failed.
   * @param request The request that it happened to.
   * @param cause The runtime's own error.
   */
  constructor(message: string, request?: RequestSummary, cause?: unknown) {
    super(message, request, { cause });
    this.name = "NetworkError";
  }
}
