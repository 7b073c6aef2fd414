// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Deno. It has its own HTTP client, and keeps Deno from sending requests twice on
 * its own.
 *
 * @module
 */

import { type Bytes, isWebStream } from "../bytes.ts";
import { resultOf } from "../causes.ts";
import { passTurns } from "../drain.ts";
import { isIdempotent, SMALL_BODY } from "../http.ts";
import { hide, MAX_DELAY, own, plain } from "../options.ts";
import type { BodyInit } from "../runtime.ts";
import { type Client, CONNECTION, Connection, ConnectionDrain, Origin, RETURN_TURNS, TURNS } from "./connections.ts";
import { dropped, type Remains } from "./dropped.ts";
import { setContent, setType, toContent } from "./forms.ts";
import { type Fetch, globalFetch, isRuntimeFetch, sendThrough } from "./global_fetch.ts";
import { type Adapter, makePlatform, PLATFORM, type Platform, refuseClosed } from "./platform.ts";

/** The part of a client's options that is used here. */
interface Options {
  readonly poolIdleTimeout?: number;
  readonly poolMaxIdlePerHost?: number;
  readonly http2?: boolean;
}

/** The part of the `Deno` namespace that is used here. */
export interface DenoNamespace {
  createHttpClient?(options: Options): Client;
  readonly permissions?: {
    querySync(descriptor: { name: "net"; host?: string }): { state: string; partial?: boolean };
  };
}

/**
 * The options that make a client keep no idle connection. Then there is no stale connection that
 * could make Deno repeat a request.
 */
const NO_POOL = { poolMaxIdlePerHost: 0 };

/** The options that make a client keep one idle connection to an origin. */
const ONE = { poolMaxIdlePerHost: 1 };

/** Matches what Deno says of a connection that the server has closed or reset. */
const DEAD = /closed before message completed|os error (?:32|104|10053|10054)/;

/**
 * Matches what Deno says of a request that a server has not processed, over HTTP/2: it refused the
 * stream, or went away without an error before it. RFC 9113, section 8.7. What the server itself
 * says of an error, which Deno puts in quotes at the end, does not count.
 */
const UNPROCESSED = /^[^"]*(?:refused stream before|connection error received: not a result of an error)/;

/**
 * The time in milliseconds after which a program may have been busy for so long that the server has
 * closed an idle connection, and Deno has not seen it.
 */
const UNSEEN = 100;

/**
 * The number of turns after which Deno has seen it. Its scheduler looks at the sockets once in 61
 * turns if it never waits, and takes a few more to close the connection. All of this takes half a
 * millisecond, and a timer takes several.
 */
const TURNS_OF_SOCKETS = 80;

/** The largest number of origins to remember. */
const MAX_ORIGINS = 1000;

/** The options of a request, including those that are not in the standard. */
type Init = RequestInit & { client?: Client | null; [CONNECTION]?: Connection };

/**
 * Makes the transport for Deno.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param options Options of `Deno.createHttpClient()`.
 * @returns The transport, or `undefined` on another platform.
 */
export function denoTransport(idleTimeout: number, options: object = {}): Adapter | undefined {
  const deno = (globalThis as { Deno?: DenoNamespace }).Deno;
  if (typeof deno?.createHttpClient !== "function") return undefined;
  // Deno takes the time modulo 2 ** 32.
  const poolIdleTimeout = Math.min(Math.ceil(idleTimeout), MAX_DELAY);
  const all = idleTimeout > 0 ? { poolIdleTimeout, ...options } : { ...options, ...NO_POOL };
  return new DenoTransport(deno, all, Object.keys(options).length > 0);
}

class DenoTransport implements Adapter {
  readonly [PLATFORM]: Platform;
  readonly #deno: DenoNamespace;
  readonly #options: Options;
  /**
   * Whether the user has given options. If so, a wrapper of `fetch` must not replace the client
   * with a default of its own.
   */
  readonly #configured: boolean;
  /** Whether idle connections are kept. */
  readonly #pools: boolean;
  /**
   * All clients that were made and not disposed of. Deno never closes one that was
   * garbage-collected.
   */
  readonly #clients = new Set<Client>();
  readonly #remains: Remains<Client> = { used: false, owners: this.#clients, release: dispose };
  /**
   * What is known of the connections to each origin, for requests that have no connection of their
   * own: they were not sent over a pool, or over one that limits no origin.
   */
  readonly #known = new Map<string, Connection>();
  /**
   * The client of the requests that have no connection of their own. Like any other, it is made at
   * its first use, because the environment may name a proxy until then.
   */
  #common: Client | undefined;
  /** The client that keeps no idle connection. */
  #fresh: Client | undefined;
  #closed = false;

  constructor(deno: DenoNamespace, options: Options, configured: boolean) {
    this.#deno = deno;
    this.#options = options;
    this.#configured = configured;
    this.#pools = options.poolMaxIdlePerHost !== 0;
    if (configured) this.#client(this.#knownOf("")); // refuses wrong options
    this[PLATFORM] = makePlatform(this, this.#remains, {
      prefersByob: true,
      drain: (free, limit) =>
        new ConnectionDrain(free, limit, options.http2 !== false, (connection) => this.#discard(connection)),
    });
  }

  get closesSockets(): boolean {
    return isRuntimeFetch();
  }

  fetch(url: URL, given: Init): Promise<Response> {
    // A copy, because a wrapper of this transport may use the options once more. They may also be a
    // `Request`.
    const init = own({ ...plain(given) });
    if (this.#closed) return refuseClosed();
    this.#remains.used = true;
    const fetch = globalFetch();
    const idempotent = isIdempotent(init.method ?? "GET");
    const connection = init[CONNECTION] ?? this.#knownOf(url.origin);
    if (!isRuntimeFetch(fetch)) {
      // The body stays as it is, because a mock may look at it.
      delete init[CONNECTION];
      const client = this.#client(this.#pools && idempotent ? connection : undefined);
      if (this.#configured) init.client ??= client;
      else if (init.client == null) hide(init, "client", client);
      return sendThrough(fetch, url, init);
    }
    if (init.client != null) {
      // The client may have idle connections. On those, Deno still repeats a request without a
      // body.
      if (!idempotent && this.#mayConnect(url, connection)) disguise(init, Infinity);
      return fetch(url, init);
    }
    if (!this.#pools || !idempotent) return this.#fetchOnce(fetch, url, init, connection);
    init.client = this.#client(connection);
    const { body } = init;
    // Deno itself repeats the other requests if their connection was stale.
    if (
      !url.href.startsWith("http:") || connection.disguised || connection.late ||
      body != null && (isWebStream(body) || needsBuffer(body))
    ) {
      return this.#fetchTwice(fetch, url, init, connection);
    }
    const { method, ...rest } = init;
    // Deno takes some time to check a method, even the default one.
    return fetch(url.href, method === "GET" ? own(rest) : init).then((response) => connection.learn(response));
  }

  /** Sends a request that must arrive at most once. */
  async #fetchOnce(fetch: Fetch, url: URL, init: Init, connection: Connection): Promise<Response> {
    const reuses = this.#pools && this.#mayConnect(url, connection) && disguise(init);
    const { alone, late } = connection;
    if (!reuses && alone) await this.#closeIdle(connection);
    else if (connection.idleTime > UNSEEN) await passTurns(TURNS_OF_SOCKETS);
    else if (alone && late) await passTurns(RETURN_TURNS);
    if (this.#closed) return refuseClosed();
    init.client = this.#client(reuses || alone ? connection : undefined);
    try {
      const response = await fetch(url, init);
      connection.disguised ||= reuses;
      connection.answered ||= reuses || alone;
      return connection.learn(response);
    } catch (error) {
      if (!UNPROCESSED.test(causeOf(error)) || !this.#isRepeatable(init)) throw error;
      return await fetch(url, init);
    }
  }

  /**
   * Sends a request, and once more if its reused connection was stale and Deno does not repeat it:
   * after a body that Deno read as a stream, and if the server closed a TLS connection without a
   * close alert.
   */
  async #fetchTwice(fetch: Fetch, url: URL, init: Init, connection: Connection): Promise<Response> {
    if (needsBuffer(init.body)) await setContent(init, toContent(init.body));
    if (connection.alone && connection.late) await passTurns(RETURN_TURNS);
    if (this.#closed) return refuseClosed();
    const { answered, disguised } = connection;
    try {
      const response = await fetch(url, init);
      connection.answered = true;
      connection.disguised = isWebStream(init.body);
      return connection.learn(response);
    } catch (error) {
      const cause = causeOf(error);
      const stale = answered && cause.includes("without sending TLS") || disguised && DEAD.test(cause);
      if (!stale || !this.#isRepeatable(init)) throw error;
      init.client = this.#client();
      return await fetch(url, init);
    }
  }

  /**
   * Whether the program may connect to the server. Otherwise Deno refuses the request, and leaves
   * a body that it would read as a stream open, so that the process does not end.
   */
  #mayConnect({ hostname, port, protocol }: URL, { disguised }: Connection): boolean {
    if (disguised) return true; // it could before, and asking takes some time
    const allows = (query: { host?: string }) => {
      const { state, partial } = this.#deno.permissions?.querySync({ name: "net", ...query }) ?? { state: "granted" };
      return state === "granted" && !partial;
    };
    // Deno keeps each answer about a host in memory, so most programs need only the first one.
    return allows({}) || allows({ host: `${hostname}:${port || (protocol === "https:" ? 443 : 80)}` });
  }

  /** Whether a request that failed can be sent once more. */
  #isRepeatable({ body, signal }: Init): boolean {
    return !isWebStream(body) && !signal?.aborted && !this.#closed;
  }

  /**
   * Deno closes a client's sockets once no `fetch` awaits headers on it. If such a `fetch` was
   * aborted just before, that takes some 15 ms.
   */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    dropped?.unregister(this);
    this.#clients.forEach(dispose);
  }

  /** What is known of the connections to an origin, for requests that have none of their own. */
  #knownOf(origin: string): Connection {
    let connection = this.#known.get(origin);
    if (connection === undefined) {
      if (this.#known.size >= MAX_ORIGINS) this.#known.clear();
      this.#known.set(origin, connection = new Connection(new Origin(origin, true)));
    }
    return connection;
  }

  /** The client of a connection. Without one, the client that keeps no connection. */
  #client(connection?: Connection): Client {
    if (!this.#pools || connection === undefined) return this.#fresh ??= this.#makeClient(NO_POOL);
    if (connection.slots === 0) return this.#common ??= this.#makeClient({}); // one of `#known`
    // Over TLS, requests may come to share the client, and may turn out to need a socket each.
    return connection.client ??= this.#makeClient(connection.origin.http1 ? ONE : {});
  }

  /**
   * Closes the idle socket of a connection for a request that must have a new one, so that there
   * are not two.
   */
  async #closeIdle(connection: Connection): Promise<void> {
    if (connection.client === undefined) return;
    this.#discard(connection);
    connection.client = undefined;
    connection.disguised = connection.answered = false;
    await passTurns(TURNS);
  }

  #makeClient(options: Options): Client {
    const client = this.#deno.createHttpClient!(own({ ...this.#options, ...options }));
    this.#clients.add(client);
    return client;
  }

  #discard({ client }: Connection) {
    if (client !== undefined && this.#clients.delete(client)) dispose(client);
  }
}

/** What Deno says about why a request failed. */
function causeOf(error: unknown): string {
  return String((error as Error).cause);
}

function dispose(client: Client) {
  client[Symbol.dispose]();
}

/**
 * Whether Deno reads a body that is no stream as one, and so can send it only once. If the request
 * is repeatable, its body is replaced with the bytes.
 */
function needsBuffer(body: BodyInit | null | undefined): body is Blob | FormData {
  return body instanceof Blob || body instanceof FormData;
}

/**
 * Whether properties were added to all objects. Deno would then send others in place of a Blob's
 * bytes.
 */
function isPolluted(): boolean {
  for (const _ in {}) return true;
  return "body" in {} || "size" in {}; // what Deno reads, even if it is not enumerable
}

/** The last global `Blob` that {@linkcode isPlatformBlob} found to be the platform's. */
let platformBlob: typeof Blob | undefined;

/**
 * Whether the global `Blob` is the platform's. Deno sends those of a library as text, which has a
 * type.
 */
function isPlatformBlob(): boolean {
  if (Blob !== platformBlob && !toContent(new Blob([])).headers.has("content-type")) platformBlob = Blob;
  return Blob === platformBlob;
}

/**
 * Replaces the body of a request that must arrive at most once with one that Deno does not keep for
 * a second try.
 *
 * Deno repeats requests whose body is a string, bytes or absent. It repeats none whose body it
 * reads as a stream: Blobs, FormData and streams.
 *
 * @param max The largest body to copy into a Blob, in bytes or UTF-16 units. A copy is cheaper than
 * a new connection, but its memory is native and is freed only by garbage collection.
 * @returns Whether the request may now use a reused connection.
 */
function disguise(init: RequestInit, max = SMALL_BODY): boolean {
  const { body } = init;
  if (isWebStream(body)) {
    // From the stream of a `Response` or `Request`, Deno would recover the string or bytes that it
    // was made from. The pipe prevents that.
    init.body = resultOf(() => body.pipeThrough(new TransformStream())) ?? body; // not with a polyfill's
    return true;
  }
  if (needsBuffer(body)) return true;
  const form = body instanceof URLSearchParams;
  const part = form ? body.toString() : body;
  // Deno may make a string of what is not known here.
  if (typeof part !== "string" && !(part instanceof ArrayBuffer) && !ArrayBuffer.isView(part)) return false;
  const size = typeof part === "string" ? part.length : part.byteLength;
  // An empty Blob would be sent chunked, without the `Content-Length: 0` that some servers insist
  // on.
  if (size === 0 || size > max) return false;
  if (isPolluted() || !isPlatformBlob()) return false;
  // A Blob keeps the Content-Length, which a stream loses. Its type would be lower-cased, so it
  // gets none.
  init.body = new Blob([part as Exclude<typeof part, ArrayBufferView> | Bytes]);
  if (typeof part === "string") {
    setType(init, `${form ? "application/x-www-form-urlencoded" : "text/plain"};charset=UTF-8`);
  }
  return true;
}
