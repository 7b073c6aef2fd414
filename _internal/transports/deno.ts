// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Deno: an HTTP client of its own, and no request that Deno could send twice
 * unasked.
 *
 * @module
 */

import { TurnDrain } from "../drain.ts";
import { isIdempotent } from "../http.ts";
import type { BodyInit } from "../web.ts";
import { type Remains, unwatch, watch } from "./dropped.ts";
import { type Fetch, globalFetch, isRuntimes, sendThrough } from "./global_fetch.ts";
import { type Adapter, hide, makePlatform, MAX_TIMEOUT, PLATFORM, type Platform, refuseClosed } from "./platform.ts";

/** The part of `Deno.HttpClient` that is used here. */
interface Client {
  [Symbol.dispose](): void;
}

/** The part of a client's options that is used here. */
interface Options {
  readonly poolIdleTimeout?: number;
  readonly poolMaxIdlePerHost?: number;
}

/** The part of the `Deno` namespace that is used here. */
interface DenoNamespace {
  createHttpClient?(options: Options): Client;
}

/**
 * Up to here in bytes or UTF-16 units, a body is copied into a Blob. That is cheaper than a
 * connection, but its memory is native and freed by garbage collection.
 */
const SMALL_BODY = 64 * 1024;

/**
 * What makes a client keep no idle connection, so that there is no stale one on which Deno would
 * repeat.
 */
const NO_POOL = { poolMaxIdlePerHost: 0 };

/** How many origins are kept in mind. */
const MAX_ANSWERED = 1000;

/** What Deno's `fetch()` takes besides the standard's options. */
type Init = RequestInit & { client?: Client };

/**
 * Makes the transport for Deno.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param own Options of `Deno.createHttpClient()`.
 * @returns The transport, or `undefined` on another platform.
 */
export function denoTransport(idleTimeout: number, own: object = {}): Adapter | undefined {
  const deno = (globalThis as { Deno?: DenoNamespace }).Deno;
  if (typeof deno?.createHttpClient !== "function") return undefined;
  // Deno takes the time modulo 2 ** 32.
  const idle = idleTimeout > 0 ? { poolIdleTimeout: Math.min(Math.ceil(idleTimeout), MAX_TIMEOUT) } : NO_POOL;
  return new DenoTransport(deno, { ...own, ...idle }, Object.keys(own).length > 0);
}

class DenoTransport implements Adapter {
  readonly [PLATFORM]: Platform;
  readonly #deno: DenoNamespace;
  readonly #options: Options;
  /** Whether the user has given options, which no `fetch` may leave out. */
  readonly #configured: boolean;
  readonly #client: Client;
  /**
   * Keeps no idle connection. The same client if no other is asked for, otherwise made at its first
   * use.
   */
  #once: Client | undefined;
  /** Both clients. */
  readonly #clients: Client[];
  readonly #remains: Remains<Client>;
  /** The origins that have answered over TLS: a connection to another one is not a reused one. */
  readonly #answered = new Set<string>();
  #closed = false;

  constructor(deno: DenoNamespace, options: Options, configured: boolean) {
    this.#deno = deno;
    this.#options = options;
    this.#configured = configured;
    this.#client = deno.createHttpClient!(options);
    this.#clients = [this.#client];
    if (options.poolMaxIdlePerHost === 0) this.#once = this.#client;
    // Deno never closes a client that was collected.
    watch(this, this.#remains = { used: false, owners: this.#clients, release: dispose });
    this[PLATFORM] = makePlatform(() => this.fetch === DenoTransport.prototype.fetch && this.closesSockets, {
      fillsBuffers: true,
      // Deno's side learns some turns later that a socket comes back, or is closed. Fewer do, but
      // not for all.
      drain: (free) => new TurnDrain(free, 6, 128),
      decodes: (coding, { headers }) => decodes(coding, new Headers(headers)),
      onDropped: (report) => this.#remains.report = report,
    });
  }

  get closesSockets(): boolean {
    return isRuntimes(globalFetch());
  }

  fetch(url: URL, init: Init): Promise<Response> {
    if (this.#closed) return refuseClosed();
    this.#remains.used = true;
    const fetch = globalFetch();
    const pooled = this.#once !== this.#client;
    const repeatable = pooled && isIdempotent(init.method ?? "GET");
    if (!isRuntimes(fetch)) {
      // A mock gets the body as it is.
      const client = repeatable ? this.#client : this.#onceClient();
      if (this.#configured) init.client ??= client;
      else if (init.client === undefined) hide(init, "client", client);
      return sendThrough(fetch, url, init);
    }
    if (init.client !== undefined) {
      // The client may have idle connections. Deno repeats a request without a body there all the
      // same.
      if (!isIdempotent(init.method ?? "GET")) disguise(init, Infinity);
      return fetch(url, init);
    }
    if (!repeatable) {
      init.client = pooled && disguise(init) ? this.#client : this.#onceClient();
      return fetch(url, init);
    }
    init.client = this.#client;
    return url.protocol === "http:" && !needsBuffer(init.body) ? fetch(url, init) : this.#fetchTwice(fetch, url, init);
  }

  /** Over TLS, where the server said no farewell, Deno itself does not repeat. */
  async #fetchTwice(fetch: Fetch, url: URL, init: Init): Promise<Response> {
    if (needsBuffer(init.body)) await bufferBody(init);
    if (this.#closed) return refuseClosed();
    const { origin } = url;
    try {
      const response = await fetch(url, init);
      if (this.#answered.size >= MAX_ANSWERED) this.#answered.clear();
      this.#answered.add(origin);
      return response;
    } catch (error) {
      const stale = this.#answered.has(origin) && String((error as Error).cause).includes("without sending TLS");
      if (!stale || init.body instanceof ReadableStream || init.signal?.aborted || this.#closed) throw error;
      init.client = this.#onceClient();
      return await fetch(url, init);
    }
  }

  /**
   * A pool goes once no fetch awaits headers on it: within some 15 ms where they were aborted just
   * before.
   */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    unwatch(this);
    this.#clients.forEach(dispose);
  }

  #onceClient(): Client {
    if (this.#once === undefined) {
      this.#once = this.#deno.createHttpClient!({ ...this.#options, ...NO_POOL });
      this.#clients.push(this.#once);
    }
    return this.#once;
  }
}

function dispose(client: Client) {
  client[Symbol.dispose]();
}

/**
 * Deno decodes what it asked for itself. It asks for nothing if the request is for a range or names
 * codings.
 */
function decodes(coding: string, request: Headers): boolean {
  return (coding === "gzip" || coding === "br") && !request.has("range") && !request.has("accept-encoding");
}

function isBytes(body: unknown): body is ArrayBuffer | ArrayBufferView<ArrayBuffer> {
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

function needsBuffer(body: BodyInit | null | undefined): boolean {
  return body instanceof Blob || body instanceof FormData;
}

/**
 * Gives a request that may be repeated the bytes of its Blob or FormData, which Deno would send
 * once as a stream.
 */
async function bufferBody(init: RequestInit) {
  const source = new Response(init.body);
  setType(init, source.headers.get("content-type"));
  init.body = await source.arrayBuffer();
}

/** Says of what type the body is, unless the headers do. */
function setType(init: RequestInit, type: string | null) {
  const headers = init.headers = new Headers(init.headers);
  if (type && !headers.has("content-type")) headers.set("content-type", type);
}

/**
 * Gives a request that must arrive at most once a body that Deno does not keep for a second try.
 *
 * Deno repeats strings, bytes and absent bodies, and none that it reads as a stream: Blobs,
 * FormData, streams.
 *
 * @param max The size of the largest body to copy.
 * @returns Whether the request may go over a reused connection now.
 */
function disguise(init: RequestInit, max = SMALL_BODY): boolean {
  const { body } = init;
  if (body instanceof ReadableStream) {
    // Out of the stream of a `Response` or `Request` Deno would recover the string or bytes that it
    // was made from.
    init.body = body.pipeThrough(new TransformStream());
    return true;
  }
  const form = body instanceof URLSearchParams;
  const part = form ? body.toString() : body;
  if (part === null || part === undefined) return false;
  if (typeof part !== "string" && !isBytes(part)) return true;
  const size = typeof part === "string" ? part.length : part.byteLength;
  // An empty Blob would be sent chunked, without the `Content-Length: 0` that some servers insist
  // on.
  if (size === 0 || size > max) return false;
  // A Blob keeps the Content-Length, which a stream loses. Its type would be lower-cased, so it
  // gets none.
  init.body = new Blob([part]);
  if (typeof part === "string") {
    setType(init, `${form ? "application/x-www-form-urlencoded" : "text/plain"};charset=UTF-8`);
  }
  return true;
}
