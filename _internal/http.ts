// Copyright 2026 the Hangup authors. MIT license.

/**
 * Facts of HTTP, as RFC 9110 and the Fetch standard have them.
 *
 * @module
 */

/**
 * A URL as it may be shown in errors, logs and {@linkcode ExchangeInfo}: without credentials, fragment and query.
 *
 * @param url The URL to show.
 * @returns The URL with `?…` in place of its query.
 */
export function displayUrl(url: URL): string {
  const path = url.origin === "null" ? `${url.protocol}${url.pathname}` : url.origin + url.pathname;
  return url.search === "" ? path : `${path}?…`;
}

/** Whether a request may be sent again: RFC 9110, section 9.2.2. */
export function isIdempotent(method: string): boolean {
  return /^(?:GET|HEAD|OPTIONS|PUT|DELETE|TRACE)$/i.test(method);
}

/** Statuses whose responses have no body: the Fetch standard's "null body status". */
export function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status !== 101 && status !== 103 && status !== 204 && status !== 205 && status !== 304;
}

/** The number of bytes that the headers announce. */
export function announcedLength(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
}

/** How much of a body is read only to save its connection, is read ahead, or is kept of an error page, in bytes. */
export const SMALL_BODY: number = 64 * 1024;

/** Cancels a body that nobody reads. What it answers is not waited for, and may be nonsense. */
export function cancelBody(response: Response): void {
  try {
    Promise.resolve(response.body?.cancel()).catch(() => {});
  } catch {
    // It is locked, or no stream.
  }
}
