// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for every other platform, and over a `fetch` of the user's: it owns no socket.
 *
 * @module
 */

import type { Transport } from "../../transport.ts";
import { type Adapter, PLATFORM } from "./platform.ts";

/**
 * Makes a transport over any `fetch`, which works on every platform and owns no socket.
 *
 * @param fetch The function that sends the requests. By default the global one, looked up anew for each request.
 * @returns The transport; its `closesSockets` is `false`.
 */
export function portable(fetch?: (url: URL, init: RequestInit) => Promise<Response>): Transport & Adapter {
  let closed = false;
  return {
    closesSockets: false,
    [PLATFORM]: {
      followsRedirects: hidesRedirects(),
      ...(isWorkerd() && { decodes: (coding: string) => coding === "gzip" || coding === "br" }),
    },
    // An async function, so that a `fetch` that throws rejects instead.
    async fetch(url: URL, init: RequestInit): Promise<Response> {
      if (closed) throw new TypeError("Cannot send the request as the transport is closed");
      return await (fetch === undefined ? globalThis.fetch(url, init) : fetch(url, init));
    },
    close() {
      closed = true;
    },
  };
}

let hidden: boolean | undefined;

/**
 * Whether `fetch` is that of a browser, which gives a redirect as an opaque response without status and `Location`. To see
 * one would take a request; but who hides redirects also forbids the header `Cookie`.
 */
function hidesRedirects(): boolean {
  return hidden ??= !new Request("http://localhost/", { headers: { cookie: "a=1" } }).headers.has("cookie");
}

/** Whether `fetch` is that of workerd, which decodes gzip and br alone. */
function isWorkerd(): boolean {
  return globalThis.navigator?.userAgent === "Cloudflare-Workers";
}
