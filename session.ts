// Copyright 2026 the Hangup authors. MIT license.

/**
 * The session: its lifetime, its defaults and its HTTP policy.
 *
 * @module
 */

import { resultOf } from "./_internal/causes.ts";
import { followPolyfill, nameDisposal, showAs } from "./_internal/classes.ts";
import { Exchange, Exchanges } from "./_internal/exchange.ts";
import { refuseForeign, SESSION_OPTIONS_OF_OTHERS } from "./_internal/foreign.ts";
import { parseHeaders, refuseUndefined } from "./_internal/headers.ts";
import {
  checkFunction,
  checkLimit,
  checkMethods,
  checkNumber,
  isObject,
  isRequest,
  MAX_DELAY,
  own,
  plain,
  refuse,
} from "./_internal/options.ts";
import { NO_REST, type Outgoing, prepare, prepareFetch, type SessionDefaults } from "./_internal/prepare.ts";
import { asFetchError, respond, respondAsFetch } from "./_internal/respond.ts";
import { isWorkerd } from "./_internal/runtime.ts";
import { SLOTS } from "./_internal/slots.ts";
import { after } from "./_internal/timers.ts";
import { type AllTimeouts, DEFAULT_TIMEOUT, mergeTimeouts, UPLOAD_TIMEOUT } from "./_internal/timing.ts";
import { checkRequestOptions } from "./_internal/transports/choose.ts";
import { globalFetch, sessionFetch } from "./_internal/transports/global_fetch.ts";
import { PLATFORM, type Platform } from "./_internal/transports/platform.ts";
import { portable } from "./_internal/transports/portable.ts";
import { isStream } from "./_internal/upload.ts";
import { takeResponse } from "./_internal/web_response.ts";
import type { CookieJar } from "./cookies.ts";
import { SessionClosedError } from "./errors.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import type { ExchangeInfo, SessionRequestInit, StandardRequestInit, Timeouts } from "./request.ts";
import type { PrefetchedResponse, StreamedResponse } from "./response.ts";

/** Options for {@linkcode Session}. */
export interface SessionOptions {
  /**
   * The URL that relative URLs are resolved against, by the rules of the URL standard: a base that
   * ends with `v1/` keeps this part, one that ends with `v1` loses it, and a URL that begins with
   * `/` starts at the host. An absolute URL is left as it is. Without it, relative URLs are
   * resolved against the page, if there is one.
   *
   * @example Use relative URLs
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer = () => Promise.resolve(new Response()); // in place of a server
   * await using session = new Session({ baseUrl: "https://example.com/api/v1/", fetch: answer });
   * assertEquals((await session.get("items")).url, "https://example.com/api/v1/items");
   * assertEquals((await session.get("/items")).url, "https://example.com/items");
   * ```
   */
  baseUrl?: string | URL | undefined;
  /**
   * Headers of every request. A header given with a request, or with its `Request`, replaces the
   * one of the same name. A redirect to another origin drops `Authorization`, `Cookie`, `Host` and
   * `Proxy-Authorization`.
   *
   * @example Replace a header
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer: typeof fetch = (_, init) => Promise.resolve(new Response(null, init)); // in place of a server
   * await using session = new Session({ headers: { accept: "text/html", "x-client": "a" }, fetch: answer });
   * const { headers } = await session.get("https://example.com/", { headers: { accept: "text/plain" } });
   * assertEquals([headers.get("accept"), headers.get("x-client")], ["text/plain", "a"]);
   * ```
   */
  headers?: RequestInit["headers"] | undefined;
  /**
   * Timeouts in milliseconds; a number is the total one.
   *
   * @default {{ queue: 30_000, headers: 30_000, idle: 30_000, total: Infinity }}
   */
  timeout?: number | Timeouts | undefined;
  /**
   * The largest body to hold in memory, in bytes after decoding, or `Infinity`. A longer body
   * causes a {@linkcode BodyTooLargeError}.
   *
   * @default {67_108_864}
   */
  maxBodyBytes?: number | undefined;
  /**
   * Whether a status outside 200 to 299 rejects with {@linkcode StatusError}. It has no effect on
   * `fetch`.
   *
   * @default {false}
   *
   * @example Make every bad status an error
   * ```ts
   * import { Session, StatusError } from "@hangup/session";
   * import { assertRejects } from "@std/assert";
   *
   * const answer = () => Promise.resolve(new Response(null, { status: 404 })); // in place of a server
   * await using session = new Session({ throwIfNotOk: true, fetch: answer });
   * await assertRejects(() => session.get("https://example.com/"), StatusError);
   * ```
   */
  throwIfNotOk?: boolean | undefined;
  /**
   * The largest number of redirects to follow (RFC 9110, section 15.4): an integer of 0 or more, or
   * `Infinity`. One more causes a {@linkcode TooManyRedirectsError}.
   *
   * @default {20}
   */
  maxRedirects?: number | undefined;
  /**
   * The pool, or options for a new one. A `Pool` given here is borrowed: closing the session leaves
   * it open.
   *
   * @default {new Pool()}
   */
  pool?: Pool | PoolOptions | undefined;
  /**
   * The function that sends the requests instead of the runtime's transport: a mock, a service
   * binding, another `fetch`. It then owns its sockets, and `close()` does not close them. To add
   * middleware that uses the session's own sockets, write a {@linkcode Transport}.
   *
   * It is called for each redirect as well, with `redirect: "manual"`. So it must let a redirect
   * pass, and add credentials only for an origin that may have them.
   *
   * @example Answer by URL, in a test
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer: typeof fetch = (url) => Promise.resolve(new Response(String(url).endsWith("/ping") ? "pong" : "?"));
   * await using session = new Session({ baseUrl: "https://example.com/", fetch: answer });
   * assertEquals(await (await session.get("ping")).text(), "pong");
   * ```
   */
  fetch?: Fetch | undefined;
  /**
   * The jar that keeps the cookies. Without it, the session keeps none. The jar is read and updated
   * at every redirect.
   *
   * @example Keep cookies with tough-cookie
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   * import { CookieJar } from "tough-cookie";
   *
   * const answer: typeof fetch = (_, init) => Promise.resolve(new Response(null, init));
   * await using session = new Session({ cookieJar: new CookieJar(), fetch: answer }); // in place of a server
   * await session.get("https://example.com/login", { headers: { "set-cookie": "id=1" } });
   * assertEquals((await session.get("https://example.com/")).headers.get("cookie"), "id=1");
   * ```
   */
  cookieJar?: CookieJar | undefined;
  /**
   * Called when a streamed response was garbage-collected while open. By default, a warning is
   * printed, once.
   *
   * @param exchange The exchange of the dropped response. With `traceLeaks`, its `stack` says where
   * the request was made.
   */
  onLeak?: ((exchange: ExchangeInfo) => void) | undefined;
  /**
   * Whether each request keeps its stack trace while it is open, as {@linkcode ExchangeInfo.stack},
   * so that a leak can be traced to its origin. It costs some microseconds a request.
   *
   * @default {false}
   */
  traceLeaks?: boolean | undefined;
}

/**
 * A function that sends a request, as the standard `fetch` does: Fetch standard, section 5.6. A
 * session gives it a `URL` and options. The type is for functions that a session calls; for one
 * that you call yourself, write `typeof fetch`.
 */
// The type of a method, whose parameters may be narrower or wider: whatever a `fetch` declares.
export type Fetch = { fetch(url: URL, init: RequestInit): Promise<Response> }["fetch"];

/** Options for {@linkcode Session.close}. */
export interface CloseOptions {
  /**
   * How long open exchanges may take to finish before they are aborted, in milliseconds.
   *
   * @default {0}
   */
  grace?: number | undefined;
}

const DEFAULT_TIMEOUTS: AllTimeouts = {
  queue: DEFAULT_TIMEOUT,
  headers: DEFAULT_TIMEOUT,
  idle: DEFAULT_TIMEOUT,
  upload: UPLOAD_TIMEOUT,
  total: Infinity,
};
/**
 * The timeouts of `Session.fetch`. They are those of Node's own `fetch`, because the libraries that
 * call it have deadlines of their own.
 */
const DROP_IN_TIMEOUTS: AllTimeouts = { ...DEFAULT_TIMEOUTS, headers: 300_000, idle: 300_000 };
const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_REDIRECTS = 20;

/**
 * Whether a response may come with a WebSocket, as on workerd. It is the platform's, and outlives
 * the response.
 */
const GIVES_WEB_SOCKETS = isWorkerd();

/** Whether a request asks for a WebSocket. */
function isUpgrade(input: unknown, init: RequestInit | undefined): boolean {
  const headers = init?.headers ?? (input as Partial<Request> | undefined)?.headers;
  return resultOf(() => new Headers(headers).get("upgrade"))?.toLowerCase() === "websocket";
}

/**
 * The target of a request: a URL, by the rules of the URL standard, or a `Request` of the Fetch
 * standard, section 5.4.
 */
export type RequestInput = string | URL | Request;

/**
 * The response to a request with `prefetch: P`.
 *
 * @typeParam P Whether the body is prefetched.
 */
export type ResponseFor<P extends boolean> = P extends false ? StreamedResponse : PrefetchedResponse;

/**
 * Sends requests that share defaults, a pool of connections and a lifetime.
 *
 * - **Nothing outlives it.** When `await close()` returns, nothing of the session is open or
 *   running.
 * - **Nothing waits for ever.** Every phase of a request has a timeout; see {@linkcode Timeouts}.
 * - **Nothing grows for ever.** Bodies in memory, connections and redirects are capped.
 *
 * @example Use a session within a scope
 * ```ts
 * import { Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, ({ url }) => new Response(new URL(url).search));
 * const baseUrl = `http://127.0.0.1:${server.addr.port}/api/`;
 *
 * await using session = new Session({ baseUrl, headers: { accept: "text/plain" }, timeout: 10_000 });
 * const response = await session.get("items", { query: { page: 2 } });
 * assertEquals(await response.throwIfNotOk().text(), "?page=2");
 * ```
 *
 * @example Test code that uses a session
 * ```ts
 * import { Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using session = new Session({ fetch: () => Promise.resolve(Response.json([1, 2])) });
 * assertEquals(await (await session.get("https://example.com/")).json(), [1, 2]);
 * ```
 */
export class Session implements AsyncDisposable {
  /** The pool that grants the session's connections. */
  readonly pool: Pool;
  /**
   * A drop-in for the standard `fetch`, bound to the session, for libraries that take one. The
   * first 64 KiB of a body are read ahead, so that a small body holds no connection even if nobody
   * reads it. The rest is streamed. Because such libraries have deadlines of their own, the
   * `headers` and `idle` timeouts are 300,000 ms unless the session sets them.
   *
   * Its type is that of the global `fetch`, whichever types your project has. On Bun, it also has a
   * `preconnect()`, which does nothing, because a session opens no socket before a request needs
   * it.
   *
   * @example Hand a session to a library
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const load = async (fetch: typeof globalThis.fetch) => await (await fetch("https://example.com/")).text();
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response("hello")) });
   * assertEquals(await load(session.fetch), "hello");
   * ```
   */
  readonly fetch: typeof globalThis.fetch & ((input: RequestInput, init?: StandardRequestInit) => Promise<Response>);
  readonly #borrowed: boolean;
  readonly #exchanges: Exchanges;
  readonly #traceLeaks: boolean;
  readonly #defaults: SessionDefaults;
  /** What `close()` returns; `undefined` while the session is open. */
  #closing: Promise<ExchangeInfo[]> | undefined;
  /** The exchanges that `close()` has aborted. */
  #aborted: ExchangeInfo[] = [];

  /**
   * Creates a session. This opens no connection and starts no timer.
   *
   * @param options The session's defaults, limits and pool.
   * @throws {TypeError} If an option has the wrong type, or two options exclude each other.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(options: SessionOptions = {}) {
    followPolyfill();
    takeResponse();
    if (!isObject(options)) {
      throw new TypeError('Cannot create a session as its options are not an object; a URL is given as "baseUrl"');
    }
    options = own(options);
    refuseForeign(options, SESSION_OPTIONS_OF_OTHERS);
    const { baseUrl, headers, timeout, maxBodyBytes, maxRedirects, throwIfNotOk, cookieJar, onLeak, traceLeaks } =
      options;
    refuseUndefined(headers);
    const defaults: SessionDefaults = {
      baseUrl: baseUrl === undefined ? undefined : parseBaseUrl(baseUrl),
      headers: parseHeaders(headers),
      timeouts: mergeTimeouts(DEFAULT_TIMEOUTS, timeout),
      maxBodyBytes: checkLimit("maxBodyBytes", maxBodyBytes, DEFAULT_MAX_BODY_BYTES),
      maxRedirects: checkLimit("maxRedirects", maxRedirects, DEFAULT_MAX_REDIRECTS),
      throwIfNotOk: throwIfNotOk === true,
      jar: cookieJar,
    };
    const dropInDefaults = { ...defaults, throwIfNotOk: false, timeouts: mergeTimeouts(DROP_IN_TIMEOUTS, timeout) };
    if (cookieJar) checkMethods('"cookieJar"', cookieJar, "getCookieString", "setCookie");
    this.#defaults = defaults;
    this.#traceLeaks = traceLeaks === true;
    const report = onLeak ?? warnOfLeak;
    checkFunction('"onLeak"', report);
    this.#borrowed = options.pool instanceof Pool;
    const fetch = options.fetch as typeof globalThis.fetch | undefined;
    this.pool = choosePool(options.pool, fetch);
    this.#exchanges = new Exchanges(this.pool[SLOTS].clock, report);
    this.pool[PLATFORM].onDropped?.(warnOfDrop);
    this.fetch = sessionFetch((input, init) => {
      // Only the runtime can read these URLs, and they need no connection. A URL's parser ignores
      // control characters and spaces at its start, and line breaks and tabs anywhere: URL
      // standard, section 4.4.
      const url = String(isRequest(input) ? input.url : input).replace(/[\t\n\r]/g, "");
      if (/^[\0- ]*(?:data|blob):/i.test(url)) return globalFetch()(input, init);
      if (GIVES_WEB_SOCKETS && isUpgrade(input, init)) return (fetch ?? globalFetch())(input, init);
      return this.#perform(() => prepareFetch(input, init, dropInDefaults), respondAsFetch, asFetchError);
    }, fetch) as Session["fetch"];
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Lists the open exchanges, like `lsof` for the session.
   *
   * @returns Plain data, the oldest exchange first.
   *
   * @example List the open exchanges
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => new Promise(() => {}) });
   * session.get("https://example.com/?secret=1").catch(() => {});
   * await new Promise((resolve) => setTimeout(resolve, 0));
   * const [{ method, url, state }] = session.exchanges();
   * assertEquals([method, url, state], ["GET", "https://example.com/?…", "headers"]);
   * ```
   */
  exchanges(): ExchangeInfo[] {
    return this.#exchanges.list();
  }

  /**
   * Sends a request. The response is complete and in memory. With `prefetch: false`, it owns its
   * connection instead.
   *
   * @typeParam P Whether the body is prefetched.
   * @param input The URL, relative to `baseUrl` if there is one, or a `Request`.
   * @param init The request's options. They take precedence over those of a `Request` and of the
   * session.
   * @returns The response, whatever its status.
   * @throws {TypeError} If an argument has a wrong type or form, or two arguments exclude each
   * other.
   * @throws {RangeError} If a number is out of its range.
   * @throws {SessionClosedError} If the session is closed, or was closed meanwhile.
   * @throws {PoolClosedError} If the pool is closed, or was closed meanwhile.
   * @throws {QueueFullError} If the pool's queue is full.
   * @throws {TimeoutError} If a timeout passed.
   * @throws {BodyTooLargeError} If the body is longer than `maxBodyBytes`.
   * @throws {TooManyRedirectsError} If there are more redirects than `maxRedirects`.
   * @throws {NetworkError} If the network, the peer or the protocol failed.
   * @throws The reason of `init.signal`, unchanged, if that signal aborted.
   *
   * @example Give one request its own limits
   * ```ts
   * import { BodyTooLargeError, Session } from "@hangup/session";
   * import { assertRejects } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response("x".repeat(2000))) });
   * const init = { method: "GET", maxBodyBytes: 1000, timeout: { headers: 5000 } };
   * await assertRejects(() => session.request("https://example.com/", init), BodyTooLargeError);
   * ```
   */
  request<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init);
  }

  /**
   * Sends a GET request: RFC 9110, section 9.3.1. Otherwise it is like {@linkcode Session.request}.
   *
   * @example Ask for a page of a list
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer = () => Promise.resolve(Response.json([])); // in place of a server
   * await using session = new Session({ baseUrl: "https://example.com/", fetch: answer });
   * const response = await session.get("users", { query: { page: 2 } });
   * assertEquals([response.url, await response.json()], ["https://example.com/users?page=2", []]);
   * ```
   */
  get<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "GET");
  }

  /**
   * Sends a HEAD request: RFC 9110, section 9.3.2. The response has no body. Otherwise it is like
   * {@linkcode Session.request}.
   *
   * @example Ask only for the size
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer = () => Promise.resolve(new Response(null, { headers: { "content-length": "1000" } }));
   * await using session = new Session({ fetch: answer });
   * const { headers, content } = await session.head("https://example.com/large.iso");
   * assertEquals([headers.get("content-length"), content.byteLength], ["1000", 0]);
   * ```
   */
  head<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "HEAD");
  }

  /**
   * Sends an OPTIONS request: RFC 9110, section 9.3.7. Otherwise it is like
   * {@linkcode Session.request}.
   *
   * @example Ask whether a method is allowed
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer = () => Promise.resolve(new Response(null, { status: 204, headers: { allow: "GET, PUT" } }));
   * await using session = new Session({ fetch: answer });
   * const { headers } = await session.options("https://example.com/users/1");
   * assertEquals(headers.get("allow")?.split(", ").includes("PUT"), true);
   * ```
   */
  options<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "OPTIONS");
  }

  /**
   * Sends a POST request: RFC 9110, section 9.3.3. It reaches the server at most once. Otherwise it
   * is like {@linkcode Session.request}.
   *
   * @example Send a form
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer: typeof fetch = async (url, init) => new Response(await new Request(url, init).formData());
   * await using session = new Session({ fetch: answer });
   * const response = await session.post("https://example.com/login", { body: new URLSearchParams({ user: "ada" }) });
   * assertEquals((await response.formData()).get("user"), "ada"); // with a FormData, files can be sent too
   * ```
   */
  post<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "POST");
  }

  /**
   * Sends a PUT request: RFC 9110, section 9.3.4. Otherwise it is like {@linkcode Session.request}.
   *
   * @example Replace a resource only if nobody else has changed it
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer = () => Promise.resolve(new Response("changed", { status: 412 }));
   * await using session = new Session({ fetch: answer });
   * const headers = { "if-match": '"etag-1"' };
   * const response = await session.put("https://example.com/users/1", { json: { name: "Ada" }, headers });
   * assertEquals([response.ok, await response.text()], [false, "changed"]);
   * ```
   */
  put<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "PUT");
  }

  /**
   * Sends a PATCH request: RFC 5789. It reaches the server at most once. Otherwise it is like
   * {@linkcode Session.request}.
   *
   * @example Send a JSON Patch with its own media type
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response(null, { status: 204 })) });
   * const headers = { "content-type": "application/json-patch+json" };
   * const json = [{ op: "replace", path: "/name", value: "Ada" }];
   * const { request } = await session.patch("https://example.com/users/1", { json, headers });
   * assertEquals(request.headers.get("content-type"), "application/json-patch+json");
   * ```
   */
  patch<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "PATCH");
  }

  /**
   * Sends a DELETE request: RFC 9110, section 9.3.5. Otherwise it is like
   * {@linkcode Session.request}.
   *
   * @example Delete a resource that may be gone already
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response(null, { status: 404 })) });
   * const response = await session.delete("https://example.com/users/1");
   * if (response.status !== 404) response.throwIfNotOk();
   * assertEquals(response.content.byteLength, 0);
   * ```
   */
  delete<P extends boolean = true>(input: RequestInput, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
    return this.#send(input, init, "DELETE");
  }

  /**
   * Ends the session. New requests are rejected. Open exchanges are aborted once `grace` has
   * passed. The session closes its own pool with its sockets, and leaves a borrowed one open.
   *
   * Every call returns the result of the first one. A later call can only shorten the time that is
   * left.
   *
   * @param options How long to wait for open exchanges.
   * @returns The exchanges that were aborted.
   * @throws {RangeError} If `grace` is negative or not a number.
   *
   * @example Give open exchanges a second to finish
   * ```ts
   * import { Session, SessionClosedError } from "@hangup/session";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const session = new Session();
   * assertEquals(await session.close({ grace: 1000 }), []); // nothing was open, nothing was cut off
   * await assertRejects(() => session.get("https://example.com/"), SessionClosedError);
   * ```
   */
  async close(options: CloseOptions = {}): Promise<ExchangeInfo[]> {
    const { grace = 0 } = own(options);
    checkNumber('"grace"', "a non-negative number of milliseconds", grace);
    this.#closing ??= this.#shutDown();
    if (grace === 0) this.#cutOff();
    else if (grace < Infinity) this.#exchanges.close().then(after(Math.min(grace, MAX_DELAY), () => this.#cutOff()));
    return await this.#closing;
  }

  /**
   * Calls {@linkcode Session.close} without `grace`. `await using` calls this at the end of the
   * scope.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #cutOff(): void {
    // Do not spread these into push(), because an engine's stack holds only some 100,000 arguments.
    for (const info of this.#exchanges.abort((request) => new SessionClosedError(request))) this.#aborted.push(info);
  }

  async #shutDown(): Promise<ExchangeInfo[]> {
    await this.#exchanges.close();
    if (!this.#borrowed) await this.pool.close();
    return this.#aborted;
  }

  #send<P extends boolean>(input: RequestInput, init?: SessionRequestInit<P>, method?: string) {
    const makeOutgoing = () => {
      const outgoing = prepare(input, init, method, this.#defaults);
      const { rest } = outgoing;
      // A `fetch` or a transport of the user's may take any option.
      if (rest !== NO_REST && this.pool[PLATFORM].sender() !== undefined) checkRequestOptions(rest);
      return outgoing;
    };
    return this.#perform(makeOutgoing, respond) as Promise<ResponseFor<P>>;
  }

  /** Sends a request as one exchange. It never throws: wrong arguments reject too. */
  #perform<T>(
    makeOutgoing: () => Outgoing,
    makeResponse: (exchange: Exchange, platform: Platform) => Promise<T>,
    toError?: (error: unknown) => unknown,
  ): Promise<T> {
    let exchange: Exchange | undefined;
    try {
      const outgoing = makeOutgoing();
      const { signal, body, bodyOwner, jar } = outgoing;
      exchange = new Exchange(this.#exchanges, this.pool[SLOTS], outgoing, toError);
      // A user's `Error.prepareStackTrace` may throw, or return something other than a string.
      if (this.#traceLeaks) exchange.stack = resultOf(() => new Error().stack?.replace(/^Error\n/, ""));
      // Take charge of the stream before anything else can fail, so that a stream that is never
      // sent is canceled too.
      if (isStream(body)) exchange.upload(body);
      if (signal) exchange.listenTo(signal);
      if (this.#closing !== undefined) throw new SessionClosedError(exchange);
      // Ask for the lease before the work begins: a request then takes half the memory while it
      // waits. If there is a jar or the body of a `Request`, begin the work first, because reading
      // them must not hold a slot.
      const waiting = jar === undefined && bodyOwner === undefined ? exchange.acquire() : undefined;
      const drive = () => exchange!.drive(makeResponse(exchange!, this.pool[PLATFORM]));
      return waiting === undefined ? drive() : waiting.then(drive, (error) => {
        throw exchange!.endWith(error);
      });
    } catch (error) {
      return Promise.reject(exchange ? exchange.endWith(error) : error);
    }
  }
}

nameDisposal(Session, "asyncDispose");
showAs(Session, "Session", (session) => {
  const exchanges = session.exchanges();
  const queued = exchanges.filter(({ state }) => state === "queued").length;
  return { open: exchanges.length - queued, queued, closed: session.closed };
});

function parseBaseUrl(baseUrl: string | URL): URL {
  const url = resultOf(() => new URL(baseUrl));
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new TypeError('Cannot create a session as "baseUrl" is not an absolute URL of http or https');
  }
  return url;
}

function choosePool(given: Pool | PoolOptions | undefined, fetch: typeof globalThis.fetch | undefined): Pool {
  if (given !== undefined && !isObject(given)) refuse('"pool" must be a Pool or options for one', given);
  const pool = given instanceof Pool ? given : plain(given ?? {});
  if (!(pool instanceof Pool) && "acquire" in pool) {
    throw new TypeError('"pool" must be a Pool or options for one: received a Pool of another copy of the module');
  }
  if (fetch === undefined) return pool instanceof Pool ? pool : new Pool(pool);
  checkFunction('"fetch"', fetch);
  if (pool instanceof Pool || pool.transport) {
    throw new TypeError('Cannot create a session as "fetch" and the pool\'s transport exclude each other');
  }
  return new Pool({ ...pool, transport: portable(fetch) });
}

/** The warnings that were printed. */
const warnings = new Set<string>();

/** Prints a warning, unless it was printed before. */
function warnOnce(warning: string, details = ""): void {
  if (warnings.has(warning)) return;
  warnings.add(warning);
  // A test may make a warning throw. The error would end the process, because nobody waits here.
  resultOf(() => console.warn(`Hangup: ${warning}${details}`));
}

/**
 * Called when a session's transport was garbage-collected before it was closed. It is at module
 * level because a closure would keep the session in memory.
 */
function warnOfDrop(): void {
  warnOnce("a session was dropped without close(); use `await using`, or close it when it is done");
}

function warnOfLeak({ method, url, stack }: ExchangeInfo): void {
  const details = `: ${method} ${url}\n${stack ?? 'A session with "traceLeaks: true" tells where it was made'}`;
  warnOnce("a streamed response was dropped while open; close it, or read it to its end", details);
}
