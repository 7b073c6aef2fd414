// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading cookies from a jar and storing cookies in it.
 *
 * @module
 */

import type { CookieJar } from "../cookies.ts";
import type { Redirect } from "../request.ts";
import { resultOf } from "./causes.ts";
import { cannotSend } from "./options.ts";
import type { Outgoing } from "./prepare.ts";

/**
 * Returns a request's headers with the jar's cookies for its URL. If both have a cookie of the same
 * name, only that of the request is sent.
 *
 * @param history The redirects that led to the request. A cookie that one of them has set replaces
 * the one that the request gave.
 */
export async function withCookies(
  jar: CookieJar,
  { headers, url }: Outgoing,
  history: readonly Redirect[],
): Promise<Headers | undefined> {
  const cookies = await jar.getCookieString(url.href);
  if (!cookies) return headers;
  const all = new Headers(headers);
  const renewed = new Set(history.flatMap(({ headers }) => setCookies(headers)).map(nameOf));
  const given = split(all.get("cookie") ?? "").filter((cookie) => !renewed.has(nameOf(cookie)));
  const names = new Set(given.map(nameOf));
  try {
    all.set("cookie", [...given, ...split(String(cookies)).filter((cookie) => !names.has(nameOf(cookie)))].join("; "));
  } catch {
    // No `cause`, because it would quote the cookies.
    throw cannotSend("what the cookie jar gave is not valid in a header");
  }
  return all;
}

/** Splits the value of a header `Cookie`. */
function split(cookies: string): string[] {
  return cookies.split(";").map((cookie) => cookie.trim()).filter((cookie) => cookie !== "");
}

function nameOf(cookie: string): string {
  return cookie.split("=", 1)[0]!.trim();
}

/**
 * Returns the values of the headers `Set-Cookie`. The headers of an npm package or a mock may lack
 * the method, or have one that throws or returns no list. They may join the values with a comma,
 * which dates have, too.
 */
function setCookies(headers: Headers): string[] {
  return resultOf(() => [...headers.getSetCookie()]) ??
    resultOf(() => headers.get("set-cookie")!.split(/,\s*(?=[^;,=\s]+=)/)) ?? [];
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
  for (const cookie of setCookies(headers)) {
    if (cancellation.aborted) return;
    try {
      await jar.setCookie(cookie, url.href);
    } catch {
      // A server may send a cookie that no jar accepts. The request does not fail because of it.
    }
  }
}
