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
 * A transport does not end exchanges: the session aborts each one through `init.signal` before it
 * calls `close()`.
 *
 * @example Log every request, over sockets that the session still closes
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
   * Whether `close()` closes the sockets. Otherwise it only ensures that nothing is in flight. The
   * value may change: it is `false` while the global `fetch` is a mock or a wrapper, and, on Node,
   * while the user has set a dispatcher for the process. Those then own the sockets.
   */
  readonly closesSockets: boolean;
  /**
   * Sends one request. The promise resolves when the response's headers have arrived. It follows no
   * redirect, because `init.redirect` is `"manual"`. Browsers are the exception, because there
   * `"manual"` hides the redirect.
   *
   * A wrapper passes `init.signal` on, alone or in an `AbortSignal.any()`: otherwise neither a
   * timeout nor `close()` ends the request.
   *
   * A wrapper that sends a request more than once reads or cancels the bodies of all responses that
   * it does not return. As with bare `fetch`, each of them holds a socket until then.
   *
   * @param url The absolute URL, `http:` or `https:`.
   * @param init The options of the standard `fetch`. The object belongs to the transport, which may
   * add to it.
   * @returns The response. If the promise rejects, its reason becomes the `cause` of a
   * {@linkcode NetworkError}. But an error of a class of your own reaches the caller as it is,
   * unless its `code` looks like one of Node's, such as `ECONNRESET` or `ERR_TLS_…`. So does what
   * frameworks throw to redirect.
   */
  fetch(url: URL, init: RequestInit): Promise<Response>;
  /**
   * Closes the transport's sockets. It must be idempotent, because the pool may call it before and
   * after the last exchange has ended.
   */
  close(): void | Promise<void>;
}

/**
 * Options for {@linkcode createTransport}. Except `idleTimeout`, they are the runtime's own and are
 * passed on unchanged. Those of another runtime are refused.
 *
 * - On Deno, the options of `Deno.createHttpClient()`, such as `caCerts` and `proxy`.
 * - On Bun, the options of its `fetch()`, such as `tls` and `proxy`.
 * - On Node, the options of undici's `Agent`, such as `connect: { ca }`. Or your own `dispatcher`,
 *   such as a `ProxyAgent` of the version of undici that `process.versions.undici` names. The
 *   transport owns it and closes it.
 * - Elsewhere, further options of `fetch()`, such as `cf` on workerd.
 *
 * The options of a request take precedence: a `client` on Deno, a `dispatcher` on Node, any option
 * of `fetch()` on Bun. That client or dispatcher then owns the sockets. On Deno, such a client may
 * repeat a POST without a body if it keeps idle connections.
 * `Deno.createHttpClient({ poolMaxIdlePerHost: 0 })` keeps none.
 */
export interface TransportOptions {
  /**
   * How long an idle socket is kept, in milliseconds, if the runtime has such a setting; at most 25
   * days. With 0, none is kept: each request has a connection of its own.
   *
   * @default {30_000}
   */
  idleTimeout?: number | undefined;
  /** An option of the runtime's own. */
  // deno-lint-ignore no-explicit-any -- with `unknown`, an interface such as `Agent.Options` would not fit
  [option: string]: any;
}

/**
 * Makes the transport that suits the platform. It owns its sockets if the runtime allows that. A
 * pool makes one by itself; make one only to set options of the runtime.
 *
 * @param options The options for its sockets.
 * @returns The transport; its `closesSockets` says whether it owns its sockets.
 * @throws {TypeError} If `idleTimeout` is not a number, or an option has no effect on this runtime.
 * On Node, options have no effect if the user has set a dispatcher for the process. If the user
 * sets one later, requests are rejected.
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
