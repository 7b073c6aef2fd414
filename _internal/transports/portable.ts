// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for all other platforms, and for a user's own `fetch`. It owns no sockets.
 *
 * @module
 */

import { isWebStream } from "../bytes.ts";
import { own } from "../options.ts";
import { platformStream } from "../runtime.ts";
import { decodes } from "./codings.ts";
import { type Fetch, globalFetch, isRuntimeFetch, sendThrough } from "./global_fetch.ts";
import { type Adapter, facts, PLATFORM, refuseClosed, refuseRequest } from "./platform.ts";

/**
 * Makes a transport over any `fetch`. It works on every platform and owns no sockets.
 *
 * @param fetch The function that sends the requests. The default is the global one, looked up anew
 * for each request.
 * @param options Further options of `fetch`, used by requests that do not have them.
 * @returns The transport; its `closesSockets` is `false`.
 */
export function portable(fetch?: Fetch, options?: object): Adapter {
  let closed = false;
  const transport = {
    closesSockets: false,
    fetch(url: URL, init: RequestInit): Promise<Response> {
      if (closed) return refuseClosed();
      const send = fetch ?? globalFetch();
      if (isWebStream(init.body) && isRuntimeFetch(send) && refusesStreams()) {
        return refuseRequest("as its body is a stream, and this browser sends none");
      }
      return sendThrough(send, url, options === undefined ? init : { ...options, ...init }, fetch && url);
    },
    close() {
      closed = true;
    },
  };
  const { fetch: ours } = transport;
  const platform = facts({
    transport,
    followsRedirects: hidesRedirects(),
    sender: () => isRuntimeFetch(fetch ?? globalFetch()) && transport.fetch === ours ? "fetch" : undefined,
    decodes: (coding, init) => decodes(coding, { ...options, ...init }),
  });
  return Object.assign(transport, { [PLATFORM]: platform });
}

let hidden: boolean | undefined;

/**
 * Whether `fetch` is a browser's. A browser shows a redirect only as an opaque response without a
 * status and `Location`. Finding that out would take a request, but the platforms that hide
 * redirects also forbid the header `Cookie`, which is easy to check.
 */
function hidesRedirects(): boolean {
  return hidden ??= !new Request("http://localhost/", { headers: { cookie: "a=1" } }).headers.has("cookie");
}

/**
 * Whether this is a browser whose `fetch` cannot send streams. Firefox would send a stream as the
 * text "[object ReadableStream]". Only browsers that send streams read `duplex`: Fetch standard,
 * section 5.4. Deno and Bun send streams, too, but do not read it.
 */
function refusesStreams(): boolean {
  if (!hidesRedirects()) return false;
  let reads = false;
  const init = {
    method: "POST",
    body: new (platformStream())(own({})),
    get duplex() {
      reads = true;
      return "half";
    },
  };
  new Request("http://localhost/", own(init) as RequestInit);
  return !reads;
}
