// Copyright 2026 the Hangup authors. MIT license.

/**
 * Facts about HTTP from RFC 9110 and the Fetch standard.
 *
 * @module
 */

const IDEMPOTENT = /^(?:GET|HEAD|OPTIONS|PUT|DELETE|TRACE)$/i;

/**
 * Whether a method is idempotent, so that the request may be sent again: RFC 9110, section 9.2.2.
 */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.test(method);
}

/** Whether the Fetch standard allows no body with this method. */
export function isBodiless(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** The null body statuses of the Fetch standard, section 2.2.3. */
const BODILESS = [101, 103, 204, 205, 304];

/** Whether a response to this method with this status has a body. */
export function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && !BODILESS.includes(status);
}

/**
 * Reads a header of a response. A framework may have replaced `get()` with a function that throws,
 * as SvelteKit does.
 */
export function headerOf(headers: Headers, name: string): string | null {
  try {
    return headers.get(name);
  } catch {
    return Headers.prototype.get.call(headers, name);
  }
}

const DIGITS = /^\d+$/;

/** Returns the number of bytes that the headers announce, if they do. */
export function announcedLength(headers: Headers): number | undefined {
  const length = headerOf(headers, "content-length")?.trim(); // Node keeps spaces at the end
  return length !== undefined && DIGITS.test(length) ? Number(length) : undefined;
}

/**
 * The size up to which a body counts as small, in bytes. At most this much of a body is read only
 * to keep its connection usable, read ahead, kept of an error page, or copied to be sent.
 */
export const SMALL_BODY: number = 64 * 1024;
