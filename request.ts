// Copyright 2026 the Hangup authors. MIT license.

/**
 * The options of a request, and the data that describes one. This file has types only.
 *
 * @module
 */

/**
 * The options of `fetch`, as your project's own types define them: the standard's, and those that
 * your runtime adds. `undefined` leaves an option out.
 */
// Deno and Bun have an overload whose options are more than `RequestInit`. Bun's `timeout` is left
// out, because that of a session is another one.
export type StandardRequestInit = typeof globalThis.fetch extends {
  // deno-lint-ignore no-explicit-any -- whatever they take and return
  (input: any, init?: infer Init): any;
  // deno-lint-ignore no-explicit-any -- as above: the options alone are inferred, from both overloads
  (input: any, init?: infer Init): any;
} ? { [Name in Exclude<keyof NonNullable<Init>, "timeout">]?: NonNullable<Init>[Name] | undefined }
  : never;

/**
 * Options for a request: those of the standard `fetch` (Fetch standard, section 5.4,
 * `RequestInit`), and the ones below.
 *
 * If your own function takes `SessionRequestInit` and passes it on, it returns a
 * {@linkcode PrefetchedResponse}. If it should stream too, give it a type parameter:
 * `<P extends boolean = true>(init?: SessionRequestInit<P>)` returns a
 * {@linkcode ResponseFor}`<P>`.
 *
 * @typeParam P The type of `prefetch`, which decides the type of the response. Give it as a
 * boolean, such as `prefetch: !streamed`: if it may be left out, as in
 * `streamed ? { prefetch: false } : {}`, TypeScript takes it for given.
 */
export interface SessionRequestInit<P extends boolean = true> extends StandardRequestInit {
  /**
   * Whether the body is read into memory before the promise resolves. If not, the response owns the
   * connection.
   *
   * @default {true}
   */
  prefetch?: P | undefined;
  /**
   * A value to send as JSON, with `content-type: application/json` unless the headers have one.
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
   * Parameters to add to the URL. The URL's own parameters stay as they are, byte for byte.
   *
   * An object's values are encoded as by `URLSearchParams` (URL standard, section 6.2). An array
   * repeats the name, and `undefined` leaves it out. A string is added as it is.
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
   * Whether a status outside 200 to 299 rejects with {@linkcode StatusError}. If it does, the
   * connection is given back, even that of a streamed response.
   *
   * @default {SessionOptions.throwIfNotOk}
   */
  throwIfNotOk?: boolean | undefined;
  /**
   * Timeouts in milliseconds; a number is the total one. Timeouts that are left out are the
   * session's.
   *
   * @default {SessionOptions.timeout}
   */
  timeout?: number | Timeouts | undefined;
  /**
   * The largest body to hold in memory, in bytes after decoding.
   *
   * @default {SessionOptions.maxBodyBytes}
   */
  maxBodyBytes?: number | undefined;
  /**
   * The largest number of redirects to follow.
   *
   * @default {SessionOptions.maxRedirects}
   */
  maxRedirects?: number | undefined;
}

/**
 * A value of a parameter in {@linkcode SessionRequestInit.query}. `undefined` leaves the parameter
 * out.
 */
export type QueryValue = string | number | bigint | boolean | undefined;

/**
 * Timeouts, in milliseconds. `Infinity` switches one off. When a timeout passes, the request
 * rejects with a {@linkcode TimeoutError}.
 *
 * @example Wait long for the headers and briefly for the body
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
   * How long the request's queue may make no progress at all. A long queue that moves does not time
   * out.
   *
   * @default {30_000}
   */
  queue?: number | undefined;
  /**
   * The time from the grant of a connection to the response's headers. It starts anew at each
   * redirect, and while an upload makes progress. For {@linkcode Session.fetch} the default is
   * 300,000.
   *
   * @default {30_000}
   */
  headers?: number | undefined;
  /**
   * The longest gap between two chunks of the body while a read is pending. A slow reader does not
   * cause a timeout. A prefetched body that announces at most 64 KiB may be read in one step, so
   * this is then the time for the whole body. For {@linkcode Session.fetch} the default is 300,000.
   *
   * @default {30_000}
   */
  idle?: number | undefined;
  /**
   * The time for the whole request: queue, headers, redirects and body together.
   *
   * @default {Infinity}
   */
  total?: number | undefined;
}

/**
 * The state of a request: waiting for a connection (`"queued"`), waiting for the headers
 * (`"headers"`), reading the body into memory (`"prefetch"`), or owned by a
 * {@linkcode StreamedResponse} (`"streaming"`).
 */
export type ExchangeState = "queued" | "headers" | "prefetch" | "streaming";

/** A description of an open exchange: plain data, a row for `console.table`. */
export interface ExchangeInfo {
  /** The request's method. After a redirect, the method of the current request. */
  readonly method: string;
  /**
   * The request's URL without credentials, with `?…` in place of a query. After a redirect, the URL
   * of the current request.
   */
  readonly url: string;
  /** The state of the request. */
  readonly state: ExchangeState;
  /** Time since the request was made, in milliseconds. */
  readonly age: number;
  /**
   * The stack trace of the call that made the request, in the runtime's own format. It is present
   * only if the session has `traceLeaks`.
   */
  readonly stack?: string | undefined;
}

/** The request that an error is about. The URL is without credentials and query values. */
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
 * - `"always"`: yes, because nothing was sent yet, or the request's method is idempotent (RFC 9110,
 *   section 9.2.2).
 * - `"refused"`: only if the server says that it did not act on the request, for example with
 *   status 429.
 * - `"never"`: no. Either the body is a stream or the body of a `Request`, which can be sent only
 *   once. Or a redirect has turned a POST into a GET, so that a new request would be a second POST.
 *   Or a new request would fail in the same way.
 */
export type Repeatable = "always" | "refused" | "never";

/** The request that a response answers: plain data, without a reference to the session. */
export interface SentRequest {
  /** The method. After a redirect, the method of the last request. */
  readonly method: string;
  /** The absolute URL. After a redirect, the URL of the last request. */
  readonly url: string;
  /** The headers, as given to `fetch`, without the cookies of a jar. */
  readonly headers: Headers;
}

/** A redirect on the way to a response: RFC 9110, section 15.4. */
export interface Redirect {
  /** The status: 301, 302, 303, 307 or 308. */
  readonly status: number;
  /** The absolute URL that was redirected. */
  readonly url: string;
  /** The headers of the redirect, including `location`. */
  readonly headers: Headers;
}
