// Copyright 2026 the Hangup authors. MIT license.

/**
 * How exchanges reach the network: the contract, and the choice of a transport.
 *
 * @module
 */

import { makeTransport } from "./_internal/transports/choose.ts";

/**
 * Sends requests and owns the sockets that they use.
 *
 * Ending an exchange is not its task: the session aborts each one through `init.signal` before it
 * calls `close()`.
 *
 * @example Log every request, over sockets that are still closed with the session
 * ```ts
 * import { createTransport, Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => new Response("hello"));
 * const log: string[] = [];
 * const transport = createTransport();
 * const send = transport.fetch.bind(transport);
 * transport.fetch = async (url, init) => {
 *   const response = await send(url, init);
 *   log.push(`${init.method} ${url.pathname} ${response.status}`);
 *   return response;
 * };
 * await using session = new Session({ pool: { transport } });
 * await session.get(`http://127.0.0.1:${server.addr.port}/items`);
 * assertEquals(log, ["GET /items 200"]);
 * ```
 */
export interface Transport {
  /**
   * Whether `close()` closes the sockets. Otherwise it only ensures that nothing is in flight. It
   * may change: while the global `fetch` is a mock or a wrapper, or on Node the user has set a
   * dispatcher for the process, the sockets are theirs.
   */
  readonly closesSockets: boolean;
  /**
   * Sends one request and resolves with the response's headers. It follows no redirect, because
   * `init.redirect` is `"manual"`, except in browsers, which hide redirects from who asks for that.
   *
   * @param url The absolute URL, `http:` or `https:`.
   * @param init As for the standard `fetch`. The object belongs to the transport, which may add to
   * it.
   * @returns The response. What it rejects with becomes the `cause` of a {@linkcode NetworkError}.
   */
  fetch(url: URL, init: RequestInit): Promise<Response>;
  /**
   * Closes the transport's sockets. Called at least once, with every exchange ended; idempotent.
   */
  close(): void | Promise<void>;
}

/**
 * Options for {@linkcode createTransport}. Besides `idleTimeout` they are the runtime's own, passed
 * on as they are:
 *
 * - On Deno those of `Deno.createHttpClient()`, such as `caCerts` and `proxy`.
 * - On Bun those of its `fetch()`, such as `tls` and `proxy`.
 * - On Node those of undici's `Agent`, such as `connect: { ca }`. Or a `dispatcher` of one's own,
 *   such as a `ProxyAgent` of the version of undici that `process.versions.undici` names: the
 *   transport owns it and closes it.
 * - Elsewhere further fields of what `fetch()` takes, such as `cf` on workerd.
 *
 * What a request itself has goes first: a `client` on Deno, a `dispatcher` on Node, any option of
 * `fetch()` on Bun. The sockets are then those of that client or dispatcher. On Deno such a client
 * may repeat a POST without a body if it keeps idle connections: `Deno.createHttpClient({
 * poolMaxIdlePerHost: 0 })` keeps none.
 */
export interface TransportOptions {
  /**
   * Time in milliseconds that an idle socket is kept, where the runtime lets us say, at most 25
   * days. With 0 none is kept: each request has a connection of its own.
   *
   * @default {30_000}
   */
  idleTimeout?: number | undefined;
  /** An option of the runtime's own. */
  [option: string]: unknown;
}

/**
 * Makes the transport that suits the platform: one that owns its sockets where the runtime allows
 * it. A pool makes it for itself; make one to give it options of the runtime's own.
 *
 * @param options The options for its sockets.
 * @returns The transport; its `closesSockets` says whether it owns its sockets.
 * @throws {TypeError} If `idleTimeout` is not a number, or the runtime has no use for an option: on
 * Node also if the user has set a dispatcher for the process. If that is set later, requests are
 * refused.
 * @throws {RangeError} If `idleTimeout` is negative.
 *
 * @example Go through a proxy, on Deno
 * ```ts
 * import { createTransport, Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const transport = createTransport({ proxy: { url: "http://proxy.example:3128" } });
 * await using session = new Session({ pool: { transport } });
 * assertEquals(session.pool.closesSockets, true);
 * ```
 */
export function createTransport(options: TransportOptions = {}): Transport {
  return makeTransport(options);
}
