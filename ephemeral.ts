// Copyright 2026 the Hangup authors. MIT license.

/**
 * Requests without a session of the caller's: each has one of its own, which lives for that call.
 *
 * @module
 */

import type { SessionRequestInit } from "./request.ts";
import { StreamedResponse } from "./response.ts";
import { type RequestInput, type ResponseFor, Session } from "./session.ts";

/**
 * Sends one request in a session of its own. When the promise settles, no socket is open; with `prefetch: false` the
 * session lives in the response and ends with it.
 *
 * @example Look at the status alone
 * ```ts no-assert
 * import { request } from "@hangup/session";
 *
 * const isUp = async (url: string) => (await request(url, { method: "OPTIONS" })).ok;
 * ```
 *
 * @typeParam P Whether the body is prefetched.
 * @param input The absolute URL, or a `Request`.
 * @param init The request's options, before those of a `Request`.
 * @returns The response, whatever its status.
 * @throws As {@linkcode Session.request} does.
 */
export async function request<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  const session = new Session();
  let streaming = false;
  try {
    const response = await session.request(input, init);
    streaming = response instanceof StreamedResponse;
    return response;
  } finally {
    const closing = session.close({ grace: streaming ? Infinity : 0 });
    if (!streaming) await closing;
  }
}

/** Sends one GET request, as {@linkcode request} does. */
export function get<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "GET" });
}

/** Sends one HEAD request, whose response has no body, as {@linkcode request} does. */
export function head<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "HEAD" });
}

/** Sends one OPTIONS request, as {@linkcode request} does. */
export function options<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "OPTIONS" });
}

/** Sends one POST request, as {@linkcode request} does. */
export function post<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "POST" });
}

/** Sends one PUT request, as {@linkcode request} does. */
export function put<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "PUT" });
}

/** Sends one PATCH request, as {@linkcode request} does. */
export function patch<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "PATCH" });
}

/** Sends one DELETE request, as {@linkcode request} does. */
export function del<P extends boolean = true>(
  input: RequestInput,
  init?: SessionRequestInit<P>,
): Promise<ResponseFor<P>> {
  return request(input, { ...init, method: "DELETE" });
}
