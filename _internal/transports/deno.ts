// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Deno: an HTTP client of its own, and no request that Deno could send twice unasked.
 *
 * @module
 */

import type { Transport } from "../../transport.ts";
import { PLATFORM, type Platform } from "./platform.ts";
import { TurnDrain } from "../drain.ts";
import { isIdempotent } from "../http.ts";

/** What is used of `Deno.HttpClient`. */
interface Client {
  [Symbol.dispose](): void;
}

/** What is used of a client's options. */
interface Options {
  readonly poolIdleTimeout?: number;
  readonly poolMaxIdlePerHost?: number;
}

/** What is used of the `Deno` namespace. */
interface DenoNamespace {
  createHttpClient?(options: Options): Client;
}

/**
 * Up to here in bytes or UTF-16 units, a body is copied into a Blob. That is cheaper than a connection, but its memory
 * is native and freed by garbage collection.
 */
const SMALL_BODY = 64 * 1024;

/** What makes a client keep no idle connection, so that there is no stale one on which Deno would repeat. */
const NO_POOL = { poolMaxIdlePerHost: 0 };

/** How many origins are kept in mind. */
const MAX_ANSWERED = 1000;

/** Closes the clients of transports that were dropped unclosed: Deno never does. Made at the first use. */
let dropped: FinalizationRegistry<Client[]> | undefined;

/**
 * Makes the transport for Deno.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param own Options of `Deno.createHttpClient()`.
 * @returns The transport, or `undefined` on another platform.
 */
export function denoTransport(idleTimeout: number, own: object = {}): Transport | undefined {
  const deno = (globalThis as { Deno?: DenoNamespace }).Deno;
  return typeof deno?.createHttpClient === "function"
    ? new DenoTransport(deno, { ...own, ...(idleTimeout > 0 ? { poolIdleTimeout: Math.ceil(idleTimeout) } : NO_POOL) })
    : undefined;
}

class DenoTransport implements Transport {
  readonly closesSockets = true;
  readonly [PLATFORM]: Platform = {
    fillsBuffers: true,
    decodes: (coding, init) => this.decodes(coding, new Headers(init.headers)),
    drain: (free) => new TurnDrain(free, 6, 128),
  };
  // Of a socket that comes back, or is closed, Deno's side learns some turns later. Fewer do, but not for all.
  readonly coolingTurns = 6;
  readonly closingTurns = 128;
  readonly #deno: DenoNamespace;
  readonly #options: Options;
  readonly #client: Client;
  /** Keeps no idle connection: the same one where that is what was asked for, else made at the first use. */
  #once: Client | undefined;
  /** Both of them. The registry holds this array, never the transport. */
  readonly #clients: Client[];
  /** The origins that have answered over TLS: a connection to another one is not a reused one. */
  readonly #answered = new Set<string>();
  #closed = false;

  constructor(deno: DenoNamespace, options: Options) {
    this.#deno = deno;
    this.#options = options;
    this.#client = deno.createHttpClient!(options);
    this.#clients = [this.#client];
    if (options.poolMaxIdlePerHost === 0) this.#once = this.#client;
    dropped ??= new FinalizationRegistry(dispose);
    dropped.register(this, this.#clients, this);
  }

  /** Not where a user's `fetch` is in its place, which may have cloned the response. */
  get ownsChunks(): boolean {
    return this.fetch === DenoTransport.prototype.fetch;
  }

  async fetch(url: URL, init: RequestInit & { client?: Client }): Promise<Response> {
    const pooled = this.#once !== this.#client;
    const repeatable = pooled && isIdempotent(init.method ?? "GET");
    if (repeatable && isMaterial(init.body)) await materialize(init);
    if (this.#closed) throw new TypeError("Cannot send the request as the transport is closed");
    init.client = repeatable || pooled && disguise(init) ? this.#client : this.#onceClient();
    if (!repeatable || url.protocol === "http:") return await globalThis.fetch(url, init);
    // Over TLS, where the server said no farewell, Deno itself does not repeat.
    const { origin } = url;
    try {
      const response = await globalThis.fetch(url, init);
      if (this.#answered.size >= MAX_ANSWERED) this.#answered.clear();
      this.#answered.add(origin);
      return response;
    } catch (error) {
      const stale = this.#answered.has(origin) && String((error as Error).cause).includes("without sending TLS");
      if (!stale || init.body instanceof ReadableStream || init.signal?.aborted || this.#closed) throw error;
      init.client = this.#onceClient();
      return await globalThis.fetch(url, init);
    }
  }

  /** Deno decodes what it asked for itself, and it does not ask where the request is for a range or names codings. */
  decodes(coding: string, request: Headers): boolean {
    return (coding === "gzip" || coding === "br") && !request.has("range") && !request.has("accept-encoding");
  }

  /** A pool goes once no fetch awaits headers on it: within some 15 ms where they were aborted just before. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    dropped?.unregister(this);
    dispose(this.#clients);
  }

  #onceClient(): Client {
    if (this.#once === undefined) {
      this.#once = this.#deno.createHttpClient!({ ...this.#options, ...NO_POOL });
      this.#clients.push(this.#once);
    }
    return this.#once;
  }
}

function dispose(clients: Client[]) {
  for (const client of clients) client[Symbol.dispose]();
}

function isBytes(body: BodyInit): body is ArrayBuffer | ArrayBufferView<ArrayBuffer> {
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

function isMaterial(body: BodyInit | null | undefined): boolean {
  return body instanceof Blob || body instanceof FormData;
}

/** Gives a request that may be repeated the bytes of its Blob or FormData, which Deno would send once as a stream. */
async function materialize(init: RequestInit) {
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
 * Deno repeats strings, bytes and absent bodies, and none that it reads as a stream: Blobs, FormData, streams.
 *
 * @returns Whether the request may go over a reused connection now.
 */
function disguise(init: RequestInit): boolean {
  const { body } = init;
  if (body instanceof ReadableStream) {
    // Out of the stream of a `Response` or `Request` Deno would recover the string or bytes that it was made from.
    init.body = body.pipeThrough(new TransformStream());
    return true;
  }
  const form = body instanceof URLSearchParams;
  const part = form ? body.toString() : body;
  if (part === null || part === undefined) return false;
  if (typeof part !== "string" && !isBytes(part)) return true;
  const size = typeof part === "string" ? part.length : part.byteLength;
  // An empty Blob would be sent chunked, without the `Content-Length: 0` that some servers insist on.
  if (size === 0 || size > SMALL_BODY) return false;
  // A Blob keeps the Content-Length, which a stream loses. Its type would be lower-cased, so it gets none.
  init.body = new Blob([part]);
  if (typeof part === "string") {
    setType(init, `${form ? "application/x-www-form-urlencoded" : "text/plain"};charset=UTF-8`);
  }
  return true;
}
