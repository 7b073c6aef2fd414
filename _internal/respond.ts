// Copyright 2026 the Hangup authors. MIT license.

/**
 * Building the response that the caller gets, once the headers have arrived.
 *
 * @module
 */

import { BodyTooLargeError, HangupError, type NetworkError } from "../errors.ts";
import { PrefetchedResponse, StreamedResponse } from "../response.ts";
import { BodyReader } from "./body.ts";
import { type Bytes, makeStream } from "./bytes.ts";
import { resultOf } from "./causes.ts";
import type { Exchange } from "./exchange.ts";
import { headerOf, SMALL_BODY } from "./http.ts";
import { NO_REST } from "./prepare.ts";
import { type Arrival, send } from "./send.ts";
import type { Platform } from "./transports/platform.ts";
import { withoutFragment } from "./url.ts";
import { type ResponseHead, webResponse } from "./web_response.ts";

/** Drives an exchange to the response of `Session.request()`. */
export async function respond(exchange: Exchange, platform: Platform): Promise<PrefetchedResponse | StreamedResponse> {
  const { prefetch, throwIfNotOk, maxBodyBytes } = exchange.outgoing;
  const arrival = await send(exchange, platform);
  const head = toHead(exchange, arrival, platform);
  if (!prefetch) {
    const response = new StreamedResponse(head, await handOver(exchange, arrival), maxBodyBytes);
    return throwIfNotOk ? await response.throwIfNotOk() : response;
  }
  let content: Bytes;
  try {
    content = await prefetchBody(exchange, arrival, maxBodyBytes);
  } catch (error) {
    // If the status is an error's, it says more than the length of the error page.
    const isTooLarge = throwIfNotOk && error instanceof BodyTooLargeError;
    if (isTooLarge) new PrefetchedResponse(head, new Uint8Array(0)).throwIfNotOk();
    throw error;
  }
  exchange.end();
  const response = new PrefetchedResponse(head, content);
  return throwIfNotOk ? response.throwIfNotOk() : response;
}

/**
 * Matches the types of responses that hide everything from a page: Fetch standard, section 2.2.6.
 * No code can make such a response, so the caller gets the browser's own. A service worker can pass
 * it on, and a cache can keep it.
 */
const OPAQUE = /^opaque/;

/** Drives an exchange to the response of `Session.fetch()`. */
export async function respondAsFetch(exchange: Exchange, platform: Platform): Promise<Response> {
  const { signal, maxBodyBytes } = exchange.outgoing;
  const max = Math.min(SMALL_BODY, maxBodyBytes);
  const arrival = await send(exchange, platform);
  const head = toHead(exchange, arrival, platform);
  if (OPAQUE.test(head.type)) {
    exchange.end();
    return arrival.response;
  }
  const fetched = { signal };
  if ((arrival.source.length ?? Infinity) > max) {
    const reader = await handOver(exchange, arrival);
    // If a wrapper announces a small body, the body most likely is small: wait for all of it.
    await reader.readAhead(max, signal, (arrival.source.announced ?? Infinity) <= max);
    return webResponse(head, reader, fetched);
  }
  try {
    // From here on, an abort shows when the caller reads the body, as with the standard `fetch`.
    exchange.cancellation.forgetWaits();
    const content = await exchange.cancellation.race(prefetchBody(exchange, arrival, max));
    exchange.cancellation.throwIfAborted();
    exchange.end();
    return webResponse(head, content, fetched);
  } catch (error) {
    const failure = exchange.endWith(error);
    const stream = () => makeStream({ type: "bytes", pull: (controller) => controller.error(failure) });
    return webResponse(head, { stream, readAll: () => Promise.reject(failure) }, fetched);
  }
}

/** Reads the body into memory. */
function prefetchBody(exchange: Exchange, { source, storing }: Arrival, max: number): Promise<Bytes> {
  exchange.state = "prefetch";
  const content = source.readAll(max);
  return storing === undefined ? content : content.then(async (content) => {
    // Release the connection first, so that a slow jar does not hold it.
    exchange.release(true);
    await exchange.withTimeout("headers", storing);
    return content;
  });
}

/** Hands the exchange over to a streamed response. */
async function handOver(exchange: Exchange, { source, storing }: Arrival): Promise<BodyReader> {
  if (storing !== undefined) await exchange.withTimeout("headers", storing);
  exchange.cancellation.throwIfAborted();
  // The caller may keep the response, and with it the exchange, for a long time. Drop what was
  // sent.
  exchange.outgoing = { ...exchange.outgoing, body: undefined, rest: NO_REST, signal: undefined, jar: undefined };
  return new BodyReader(exchange, source);
}

/**
 * Converts an error into the one that the standard `fetch` rejects with (Fetch standard, section
 * 5.6).
 */
export function asFetchError(error: unknown): unknown {
  if (!(error instanceof HangupError)) return error;
  const cause = error.cause as Partial<NetworkError>;
  // The cause may be missing, or its getters may throw.
  const { name, code: theirs } = resultOf(() => ({ name: cause.name, code: cause.code })) ?? {};
  if (name === "NotCapable") return cause; // what Deno's rejects with
  const failure = new TypeError("fetch failed", { cause: error });
  // The error of Bun's own `fetch` has a `code`, which may be one that only Bun knows.
  const code = (error as Partial<NetworkError>).code ?? theirs;
  return "Bun" in globalThis && code !== undefined ? Object.assign(failure, { code }) : failure;
}

function toHead(exchange: Exchange, arrival: Arrival, platform: Platform): ResponseHead {
  const { response, init, history } = arrival;
  const { method, url: { href, origin }, headers: requestHeaders } = exchange.outgoing;
  const { status, statusText, headers, type, redirected } = response;
  const coding = headerOf(headers, "content-encoding");
  // Whether any request on the way went to another origin than the last one. See "main fetch" in
  // section 4.1 of the Fetch standard.
  const visitsOthers = platform.appliesPolicies && history.some(({ url }) => new URL(url).origin !== origin);
  return {
    status,
    statusText,
    headers,
    url: platform.sender() === "sockets" ? href : urlOf(response, href),
    redirected: redirected || history.length > 0,
    type: type as string === "basic" && visitsOthers ? "cors" : type,
    decoded: coding ? platform.decodes(coding.toLowerCase(), init) : false,
    method,
    requestUrl: href,
    requestHeaders,
    // A redirect that the platform followed may have turned a POST into a GET.
    repeatable: redirected && exchange.repeatable === "refused" ? "never" : exchange.repeatable,
    history,
  };
}

/**
 * Returns the URL that answered. If the platform follows redirects, or a wrapper or mock has
 * requested another URL, only the response knows it.
 */
function urlOf(response: Response, asked: string): string {
  const url = resultOf(() => new URL(withoutFragment(response.url)).href); // Bun's has the fragment
  return url === undefined || url === withoutFragment(asked) ? asked : url;
}
