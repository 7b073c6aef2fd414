// Copyright 2026 the Hangup authors. MIT license.

/**
 * The headers of a request: checking them, merging them, and where they may go.
 *
 * @module
 */

import { resultOf } from "./causes.ts";
import { cannotSend, describe, hide, own, tagOf } from "./options.ts";
import type { HeadersInit } from "./runtime.ts";

/**
 * Headers that frame the message. Only the runtime may set them, because a wrong one could smuggle
 * a second request.
 */
const FRAMING_HEADERS = ["transfer-encoding", "expect", "keep-alive", "te", "trailer", "upgrade"];

/** Headers that must not go to another origin. */
export const ORIGIN_HEADERS = ["authorization", "cookie", "host", "proxy-authorization"];

/**
 * Converts the caller's headers to a `Headers` object, if there are headers.
 *
 * @throws {TypeError} If a name or value is not valid. The message does not show the value, because
 * it may be a secret.
 */
export function parseHeaders(given: HeadersInit | undefined): Headers | undefined {
  if (given === undefined) return undefined;
  try {
    const headers = withoutHeaders(copyable(given), FRAMING_HEADERS);
    // Deno joins cookies with a comma, and a server would take them for one: RFC 6265, section
    // 4.2.1.
    const cookies = Array.isArray(given) ? given.filter(([name = ""]) => /^cookie$/i.test(name)) : [];
    if (cookies.length > 1) headers.set("cookie", cookies.map(([, value]) => value).join("; "));
    return headers;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the caller's own iterator or toString() has failed
    throw cannotSend(`"headers" is not valid: ${describeBadHeader(given)}`);
  }
}

/**
 * Returns headers in the form in which the global `Headers` copies all of them.
 *
 * While msw listens, the global class is a proxy that may lose headers when it copies a `Headers`
 * object. The class of another DOM loses those of the platform's objects. Neither class loses
 * headers when it copies pairs. With any other class, the object itself is returned, because it
 * keeps the case and order of the names.
 */
export function copyable(given: HeadersInit): HeadersInit {
  const isOwn = Headers.prototype.constructor === Headers && given instanceof Headers;
  return isOwn || tagOf(given) !== "[object Headers]" ? given : [...given as Iterable<[string, string]>];
}

/**
 * Copies headers for a function of the user's. Each header is a property as well, because many
 * wrappers of `fetch` know only objects: `{ ...init.headers, Authorization: token }`. The names
 * have the case that such wrappers mostly write; in another case, both values would be sent.
 */
export function spreadable(headers: Headers): Headers {
  const copy = new Headers(headers);
  const update = (name: string) => {
    const key = name.toLowerCase().replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
    Reflect.deleteProperty(copy, key);
    const descriptor = { value: copy.get(name), enumerable: true, writable: true, configurable: true };
    if (descriptor.value !== null && !(key in copy)) Object.defineProperty(copy, key, own(descriptor));
  };
  for (const method of ["append", "set", "delete"] as const) {
    const change = copy[method].bind(copy) as typeof copy.append;
    hide(copy, method, (name: string, value: string) => {
      change(name, value);
      update(name);
    });
  }
  headers.forEach((_, name) => update(name));
  return copy;
}

/** Copies headers, except those with these names. */
export function withoutHeaders(given: HeadersInit | undefined, names: readonly string[]): Headers {
  const headers = new Headers(given);
  for (const name of names) headers.delete(name);
  return headers;
}

function describeBadHeader(given: HeadersInit): string {
  for (const [key, value] of Object.entries(given ?? {})) {
    const [name, content] = Array.isArray(value) ? value : [key, value];
    if (!resultOf(() => new Headers([[name, content]]))) return `the name or value of ${describe(name)}`;
  }
  // Do not show a string, because it may be a whole header.
  return given === null ? "null" : typeof given;
}

/** Refuses a header without a value, which `fetch` would send as the text "undefined". */
export function refuseUndefined(headers: unknown): void {
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value === undefined) throw new TypeError(`"headers" has no value for ${describe(name)}: leave the name out`);
  }
}

/** Adds the default headers, except those with the names in `omit`, to the given ones. */
export function mergeHeaders(
  defaults: Headers | undefined,
  given: Headers | undefined,
  omit: readonly string[],
): Headers | undefined {
  if (defaults === undefined) return given;
  const merged = withoutHeaders(defaults, omit);
  given?.forEach((value, name) => merged.set(name, value));
  return merged;
}

/** Sets a header, unless there is one of that name. Creates the headers if there are none. */
export function setMissing(headers: Headers | undefined, name: string, value: string): Headers {
  headers ??= new Headers();
  if (!headers.has(name)) headers.set(name, value);
  return headers;
}

/**
 * Moves a URL's user name and password to the header `Authorization` (RFC 7617). Returns the
 * headers.
 */
export function takeCredentials(url: URL, headers: Headers | undefined): Headers | undefined {
  if (!url.href.includes("@") || !(url.username || url.password)) return headers;
  // User name and password are ASCII, because a URL escapes all other characters as UTF-8. A "%"
  // that escapes nothing stands for itself.
  const bytes = `${url.username}:${url.password}`
    .replace(/%([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
  url.username = url.password = "";
  return setMissing(headers, "authorization", `Basic ${btoa(bytes)}`);
}
