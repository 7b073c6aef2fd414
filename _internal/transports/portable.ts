// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for every other platform, and over a `fetch` of the user's: it owns no socket.
 *
 * @module
 */

import { isWorkerd } from "../workerd.ts";
import { type Fetch, globalFetch, isRuntimes, sendThrough } from "./global_fetch.ts";
import { type Adapter, PLATFORM, refuseClosed } from "./platform.ts";

/**
 * Makes a transport over any `fetch`, which works on every platform and owns no socket.
 *
 * @param fetch The function that sends the requests. By default the global one, looked up anew for
 * each request.
 * @param own Further fields of what `fetch` takes, for requests that do not have them.
 * @returns The transport; its `closesSockets` is `false`.
 */
export function portable(fetch?: Fetch, own?: object): Adapter {
  let closed = false;
  return {
    [PLATFORM]: {
      followsRedirects: hidesRedirects(),
      ...(isWorkerd() && { decodes: (coding: string) => coding === "gzip" || coding === "br" }),
    },
    closesSockets: false,
    fetch(url: URL, init: RequestInit): Promise<Response> {
      if (closed) return refuseClosed();
      if (own !== undefined) init = { ...own, ...init };
      const send = fetch ?? globalFetch();
      return isRuntimes(send) ? send(url, init) : sendThrough(send, url, init);
    },
    close() {
      closed = true;
    },
  };
}

let hidden: boolean | undefined;

/**
 * Whether `fetch` is that of a browser, which gives a redirect as an opaque response without status
 * and `Location`. To see one would take a request; but who hides redirects also forbids the header
 * `Cookie`.
 */
function hidesRedirects(): boolean {
  return hidden ??= !new Request("http://localhost/", { headers: { cookie: "a=1" } }).headers.has("cookie");
}
