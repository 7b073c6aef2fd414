// Copyright 2026 the Hangup authors. MIT license.

/**
 * The errors that this module defines:
 *
 * ```text
 * Error
 * └── HangupError              method, url, repeatable: the request that failed, if there is one
 *     ├── SessionClosedError   the session was closed before the request was done
 *     ├── PoolClosedError      the pool was closed before the request was done
 *     ├── QueueFullError       `maxQueued` requests are waiting already
 *     ├── TimeoutError         phase: "queue" | "headers" | "idle" | "total"
 *     ├── BodyTooLargeError    the body is longer than `maxBodyBytes`
 *     ├── StatusError          response: its status is outside 200 to 299
 *     ├── TooManyRedirectsError
 *     └── NetworkError         code: "ECONNRESET" and the like; cause: the runtime's own error
 * ```
 *
 * The module also throws a `TypeError` or `RangeError` for a wrong argument, before it sends
 * anything, and a `SyntaxError` for a body that is not JSON. If the caller's own signal aborts, the
 * module throws the signal's reason, unchanged.
 *
 * `StatusError` is in response.ts, because it holds a response.
 *
 * @module
 */

import { findCode } from "./_internal/causes.ts";
import { printable } from "./_internal/options.ts";
import type { ExchangeState, Repeatable, RequestSummary } from "./request.ts";

/**
 * The base class of this module's errors.
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
  /** The name of the error's class. */
  // A field, because an assignment fails if `Error.prototype` is frozen, as under SES. The classes
  // below assign to the field.
  override name: string = "HangupError";
  /**
   * The request's method, if there is a request. After a redirect, the method of the last request
   * that was sent.
   */
  readonly method: string | undefined;
  /** The request's URL without credentials and query values, if there is a request. */
  readonly url: string | undefined;
  /**
   * Whether the same request can be sent again, if that is known. {@linkcode isRetriable} uses it.
   */
  readonly repeatable: Repeatable | undefined;

  /**
   * Creates the error.
   *
   * @param message What happened. Control characters are escaped, so that a server cannot write to
   * a log or terminal.
   * @param request The request that failed. The message ends with it.
   * @param options The error's `cause`.
   */
  constructor(message: string, request?: RequestSummary, options?: ErrorOptions) {
    super(printable(request === undefined ? message : `${message}: ${request.method} ${request.url}`), options);
    this.method = request?.method;
    this.url = request?.url;
    this.repeatable = request?.repeatable;
  }
}

/**
 * The session was closed before the request was done, or before it was made.
 *
 * @example Close a session while a request is open
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
   * @param request The request that was aborted.
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
   * @param request The request that was aborted.
   */
  constructor(request?: RequestSummary) {
    super(`Cannot ${request ? "complete the request" : "open a connection"} as the pool is closed`, request);
    this.name = "PoolClosedError";
  }
}

/**
 * The pool's queue is full: as many requests as `maxQueued` allows are waiting already.
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

/** The first words of each phase's message. The timeout and the request follow. */
const TIMEOUT_MESSAGES: Readonly<Record<TimeoutPhase, string>> = {
  queue: "No connection became free",
  headers: "No response headers arrived",
  idle: "No bytes of the body arrived",
  total: "The request was not done",
};

/**
 * A timeout passed. This is not the `DOMException` of the same name that `AbortSignal.timeout()`
 * aborts with.
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
  /** For the phase `"queue"`, the requests that hold the slots. Otherwise empty. */
  readonly holders: readonly RequestSummary[];

  /**
   * Creates the error.
   *
   * @param phase The phase that took too long.
   * @param timeout The timeout that passed, in milliseconds.
   * @param request The request that failed.
   * @param holders For the phase `"queue"`, the requests that hold the slots.
   * @param state For the phase `"total"`, the request's state when the timeout passed.
   * @param queued For the phase `"total"`, how long the request had waited for a connection, in
   * milliseconds.
   */
  constructor(
    phase: TimeoutPhase,
    timeout: number,
    request?: RequestSummary,
    holders: readonly RequestSummary[] = [],
    state?: ExchangeState,
    queued?: number,
  ) {
    const held = holders.slice(0, 5).map(({ method, url }) => `${method} ${url}`).join(", ");
    const more = holders.length > 5 ? ` and ${holders.length - 5} more` : "";
    const why = held && `, as the slots are held by ${held}${more}`;
    const waited = phase === "total" && queued !== undefined ? `, of which it queued for ${Math.round(queued)} ms` : "";
    const when = phase === "total" && state ? `, when its state was "${state}"` : "";
    super(`${TIMEOUT_MESSAGES[phase]} within ${timeout} ms${why}${waited}${when}`, request);
    this.name = "TimeoutError";
    this.phase = phase;
    this.timeout = timeout;
    this.holders = holders;
  }
}

/**
 * The decoded body is longer than `maxBodyBytes`.
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
 * There are more redirects than `maxRedirects` allows.
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
   * @param request The request whose response is one redirect too many.
   */
  constructor(maxRedirects: number, request?: RequestSummary) {
    super(`Cannot follow more than ${maxRedirects} redirects`, request);
    this.name = "TooManyRedirectsError";
    this.maxRedirects = maxRedirects;
  }
}

/**
 * The network, the server or the protocol failed. `cause` is the runtime's own error, if there is
 * one.
 *
 * @example Tell failures apart, the same way on every runtime
 * ```ts
 * import { NetworkError, Session } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:80"), { code: "ECONNREFUSED" });
 * await using session = new Session({ fetch: () => Promise.reject(cause) });
 * const error = await assertRejects(() => session.get("https://example.com/"), NetworkError);
 * assertEquals([error.code, error.cause], ["ECONNREFUSED", cause]);
 * ```
 */
export class NetworkError extends HangupError {
  /**
   * What failed, as Node's error code, if the runtime tells: `ECONNREFUSED`, `ENOTFOUND`,
   * `EAI_AGAIN`, `ECONNRESET`, `ETIMEDOUT`, `EHOSTUNREACH`, `EPIPE`, `EPROTO`, `CERT_HAS_EXPIRED`,
   * `DEPTH_ZERO_SELF_SIGNED_CERT` and the like. Workers and browsers never tell. Deno does not tell
   * why a body broke off. Deno also reports a self-signed certificate like one of an unknown
   * issuer, as `UNABLE_TO_VERIFY_LEAF_SIGNATURE`.
   */
  readonly code: string | undefined;

  /**
   * Creates the error.
   *
   * @param message What failed.
   * @param request The request that failed.
   * @param cause The runtime's own error. The error's `code` is taken from it, or from its causes.
   */
  constructor(message: string, request?: RequestSummary, cause?: unknown) {
    super(message, request, { cause });
    this.name = "NetworkError";
    this.code = findCode(cause);
  }
}
