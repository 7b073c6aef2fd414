// Copyright 2026 the Hangup authors. MIT license.

/**
 * What a caller may ask of a request, and what is said of one: types alone.
 *
 * @module
 */

/** The options of the standard `fetch`, as the project's own types have them. `undefined` leaves one out. */
export type StandardRequestInit = { [Name in keyof RequestInit]?: RequestInit[Name] | undefined };

/**
 * Options for a request: those of the standard `fetch` (Fetch standard, section 5.4, `RequestInit`), and these.
 *
 * A function of yours that takes `SessionRequestInit` and passes it on returns a {@linkcode PrefetchedResponse}. One that
 * streams as well has a type parameter: `<P extends boolean = true>(init?: SessionRequestInit<P>)` for a
 * {@linkcode ResponseFor}`<P>`.
 *
 * @typeParam P The type of `prefetch`, which decides the type of the response.
 */
export interface SessionRequestInit<P extends boolean = true> extends StandardRequestInit {
  /**
   * Whether the body is read into memory before the promise resolves. If not, the response owns the connection.
   *
   * @default {true}
   */
  prefetch?: P | undefined;
  /**
   * A value that is sent as JSON, with `content-type: application/json` unless the headers say otherwise.
   *
   * @example Send JSON
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer: typeof fetch = (_, init) => Promise.resolve(new Response(init?.body, init));
   * await using session = new Session({ fetch: answer }); // in place of a server
   * const response = await session.post("https://example.com/items", { json: { name: "an item" } });
   * assertEquals(response.headers.get("content-type"), "application/json");
   * assertEquals(await response.json(), { name: "an item" });
   * ```
   */
  json?: unknown;
  /**
   * Parameters that are added to the URL. Its own stay as they are, byte for byte.
   *
   * An object's values are encoded as by `URLSearchParams` (URL standard, section 6.2). An array repeats the name, and
   * `undefined` leaves it out. A string is added as it is.
   *
   * @example Add parameters
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response()) }); // in place of a server
   * const { url } = await session.get("https://example.com/items?sort=name", { query: { page: 2, tag: undefined } });
   * assertEquals(url, "https://example.com/items?sort=name&page=2");
   * ```
   */
  query?: Record<string, QueryValue | readonly QueryValue[]> | URLSearchParams | string | undefined;
  /**
   * Whether a status outside 200 to 299 rejects with {@linkcode StatusError}. The connection is given back then, also that
   * of a streamed response.
   *
   * @default {SessionOptions.throwIfNotOk}
   */
  throwIfNotOk?: boolean | undefined;
  /**
   * Timeouts in milliseconds; a number is the total one. Those that are left out are the session's.
   *
   * @default {SessionOptions.timeout}
   */
  timeout?: number | Timeouts | undefined;
  /**
   * The cap of a body in memory, in bytes, counted after decoding.
   *
   * @default {SessionOptions.maxBodyBytes}
   */
  maxBodyBytes?: number | undefined;
  /**
   * How many redirects are followed.
   *
   * @default {SessionOptions.maxRedirects}
   */
  maxRedirects?: number | undefined;
}

/** A value of a parameter in {@linkcode SessionRequestInit.query}. `undefined` leaves the parameter out. */
export type QueryValue = string | number | bigint | boolean | undefined;

/**
 * Timeouts, in milliseconds. `Infinity` switches one off. When one has passed, there is a {@linkcode TimeoutError}.
 *
 * @example Be patient with the headers, and not with the body
 * ```ts
 * import { Session, TimeoutError } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const silent = () => Promise.resolve(new Response(new ReadableStream()));
 * await using session = new Session({ fetch: silent, timeout: { headers: 60_000, idle: 10 } });
 * const error = await assertRejects(() => session.get("https://example.com/"), TimeoutError);
 * assertEquals(error.phase, "idle"); // the headers came, the body did not
 * ```
 */
export interface Timeouts {
  /**
   * Time that the request's queue may make no progress at all. A long burst that moves is no error.
   *
   * @default {30_000}
   */
  queue?: number | undefined;
  /**
   * Time from the grant of a connection to the response's headers. It starts anew at each redirect. For
   * {@linkcode Session.fetch} the default is 300,000.
   *
   * @default {30_000}
   */
  headers?: number | undefined;
  /**
   * Gap between two chunks of the body while a read is pending: a slow reader is no error. A body in memory that is
   * announced with at most 64 KiB is read at once, so for it this is the time of the whole. For
   * {@linkcode Session.fetch} the default is 300,000.
   *
   * @default {30_000}
   */
  idle?: number | undefined;
  /**
   * Time for the whole request: queue, headers, redirects and body together.
   *
   * @default {Infinity}
   */
  total?: number | undefined;
}

/**
 * Where a request is in its life: waiting for a connection, for the headers, for the body that is read into memory, or in
 * the hands of a {@linkcode StreamedResponse}.
 */
export type ExchangeState = "queued" | "headers" | "prefetch" | "streaming";

/** What is known of an open exchange: plain data, a row for `console.table`. */
export interface ExchangeInfo {
  /** The request's method. After a redirect, that of the request under way. */
  readonly method: string;
  /** The request's URL without credentials, with `?…` in place of a query. After a redirect, that of the request under way. */
  readonly url: string;
  /** Where the request is in its life. */
  readonly state: ExchangeState;
  /** Time since the request was made, in milliseconds. */
  readonly age: number;
  /** Where the request was made, in the runtime's own words; there only if the session has `traceLeaks`. */
  readonly stack?: string | undefined;
}

/** The request that an error speaks of. The URL is without credentials and query values. */
export interface RequestSummary {
  /** The request's method, in upper case. */
  readonly method: string;
  /** The request's URL without credentials, with `?…` in place of a query. */
  readonly url: string;
  /** Whether the request can be sent again, if that is known. */
  readonly repeatable?: Repeatable | undefined;
}

/**
 * Whether the same request can be sent again without the risk that a server carries it out twice:
 *
 * - `"always"`: nothing was sent yet, or the request's method is idempotent (RFC 9110, section 9.2.2).
 * - `"refused"`: only if the server says that it did not act on the request, as with the status 429.
 * - `"never"`: its body is a stream, which is gone once it was sent, or the body of a `Request`, which can be used once;
 *   or a redirect has turned a POST into a GET, so that a new request would be a second POST; or a new request would
 *   fail in the same way.
 */
export type Repeatable = "always" | "refused" | "never";

/** The request that a response answers: plain data, with no way back to a session. */
export interface SentRequest {
  /** The method. After a redirect, that of the last request. */
  readonly method: string;
  /** The absolute URL. After a redirect, that of the last request. */
  readonly url: string;
  /** The headers, as given to `fetch`. */
  readonly headers: Headers;
}

/** A redirect on the way to a response: RFC 9110, section 15.4. */
export interface Redirect {
  /** The status: 301, 302, 303, 307 or 308. */
  readonly status: number;
  /** The absolute URL that was redirected. */
  readonly url: string;
  /** The headers of the redirect, `location` among them. */
  readonly headers: Headers;
}
