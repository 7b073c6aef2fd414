// Copyright 2026 the Hangup authors. MIT license.

/**
 * The URL of a request: parsing it, adding to it, and showing it.
 *
 * @module
 */

import type { SessionRequestInit } from "../request.ts";
import { resultOf } from "./causes.ts";
import { cannotSend, isObject, printable, refuse } from "./options.ts";

/**
 * Parses a URL. The error shows only the scheme, because a malformed URL may have a password
 * anywhere.
 */
export function resolveUrl(input: string | URL, baseUrl: URL | undefined): URL {
  const isText = typeof input === "string";
  if (!isText && !(isObject(input) && "href" in input)) {
    refuse("Cannot send the request as the URL is neither a string, a URL nor a Request", input);
  }
  const url = resultOf(() => new URL(input, baseUrl)) ?? (isText && !baseUrl ? resolveByPage(input) : undefined);
  if (url === undefined) {
    const scheme = isText && /^[\0- ]*([a-z][a-z\d+.-]*):/i.exec(input)?.[1]?.toLowerCase();
    const problem = `the URL ${scheme || baseUrl ? "cannot be parsed" : 'is not absolute and there is no "baseUrl"'}`;
    throw cannotSend(scheme === "http" || scheme === "https" ? `${problem}: received "${scheme}:…"` : problem);
  }
  if (/^https?:/.test(url.href)) return url;
  throw cannotSend(`the URL's scheme is not http or https${displayScheme(": received", url)}`);
}

/** Returns a URL without the part that is not sent. */
export function withoutFragment(url: string): string {
  return url.replace(/#.*/, "");
}

/**
 * Resolves a URL against the page. Some runtimes have a base URL that only `Request` knows. If
 * there is none, a test may have set a `location`.
 */
function resolveByPage(input: string): URL | undefined {
  const page = globalThis as unknown as { location: { href: string } };
  const hasBase = resultOf(() => new Request("/")) !== undefined;
  return resultOf(() => hasBase ? new URL(new Request(input).url) : new URL(input, page.location.href));
}

/**
 * Adds parameters to the URL. Its own parameters stay as they are, byte for byte, because a
 * signature may depend on them.
 */
export function addQuery(url: URL, query: NonNullable<SessionRequestInit["query"]>): void {
  const added = typeof query === "string" ? query.replace(/^\?/, "") : String(toParams(query));
  if (added !== "") url.search = (url.search || "?") + (/(?:^|&)$/.test(url.search) ? "" : "&") + added;
}

function toParams(query: Exclude<NonNullable<SessionRequestInit["query"]>, string>): URLSearchParams {
  if (query instanceof URLSearchParams) return query;
  if (!isObject(query) || Symbol.iterator in query) {
    refuse('"query" must be an object of names and values, a URLSearchParams or a string', query);
  }
  const params = new URLSearchParams();
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values].flat()) {
      if (value === undefined) continue;
      if (!/^(?:string|boolean|bigint|number)$/.test(typeof value) || Number.isNaN(value)) {
        refuse(`"query.${printable(name)}" must be a string, number or boolean`, value);
      }
      params.append(name, String(value));
    }
  }
  return params;
}

/**
 * Formats a URL for errors, logs and {@linkcode ExchangeInfo}: without credentials, fragment and
 * query.
 *
 * @param url The URL to show.
 * @returns The URL with `?…` in place of its query.
 */
export function displayUrl(url: URL): string {
  const path = url.origin === "null" ? `${url.protocol}${url.pathname}` : url.origin + url.pathname;
  return url.search === "" ? path : `${path}?…`;
}

/** Does the same for an absolute URL that is a string. */
export function showUrl(url: string): string {
  return displayUrl(new URL(url));
}

/**
 * Returns these words and the scheme of a URL, for a message. Returns an empty string if the scheme
 * may be a user name, as in "ada:secret@example.com".
 */
export function displayScheme(words: string, { href, protocol }: URL): string {
  return /^[^:]*:(?!\/\/).*@/.test(href) ? "" : `${words} "${protocol}"`;
}

/**
 * The origin of a URL of http or https that has no credentials.
 *
 * `URL.origin` is the same. But Deno parses a URL again when its first part is read, which takes a
 * fiftieth of the time of a whole request.
 */
export function originOf({ href }: URL): string {
  return href.slice(0, href.indexOf("/", "https://".length));
}
