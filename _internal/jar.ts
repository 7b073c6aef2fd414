// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading cookies from a jar and storing cookies in it.
 *
 * @module
 */

import type { CookieJar } from "../cookies.ts";
import { resultOf } from "./causes.ts";
import { cannotSend } from "./options.ts";
import type { Outgoing } from "./prepare.ts";

/**
 * Returns a request's headers with the jar's cookies for its URL.
 *
 * @param redirected Whether the request follows a redirect, which may have renewed a cookie that was given.
 */
export async function withCookies(
  jar: CookieJar,
  { headers, url }: Outgoing,
  redirected: boolean,
): Promise<Headers | undefined> {
  const cookies = await jar.getCookieString(url.href);
  if (!cookies) return headers;
  const all = new Headers(headers);
  const given = all.get("cookie");
  try {
    all.set("cookie", given ? join(given, cookies, redirected) : cookies);
  } catch {
    // No `cause`, because it would quote the cookies.
    throw cannotSend("what the cookie jar gave is not valid in a header");
  }
  return all;
}

/** Joins cookies that were given with those of the jar. A name that both have is sent once. */
function join(given: string, jars: string, redirected: boolean): string {
  const nameOf = (cookie: string) => cookie.split("=", 1)[0]!.trim();
  const lists = [given.split(";"), jars.split(";")];
  const preferred = lists[redirected ? 1 : 0]!;
  const names = new Set(preferred.map(nameOf));
  const cookies = lists.flatMap((list) => list === preferred ? list : list.filter((it) => !names.has(nameOf(it))));
  return cookies.map((cookie) => cookie.trim()).join("; ");
}

/**
 * Stores the cookies of a response in the jar, one after the other. Stops if the request is
 * aborted. Never rejects.
 */
export async function keepCookies(
  jar: CookieJar,
  url: URL,
  headers: Headers,
  cancellation: { readonly aborted: boolean },
): Promise<void> {
  // The headers may be those of an npm package or a mock: without the method, or with one that throws
  // or returns no list.
  for (const cookie of resultOf(() => [...headers.getSetCookie()]) ?? []) {
    if (cancellation.aborted) return;
    try {
      await jar.setCookie(cookie, url.href);
    } catch {
      // A server may send a cookie that no jar accepts. The request does not fail because of it.
    }
  }
}
