// Copyright 2026 the Hangup authors. MIT license.

/**
 * What is asked of a cookie jar, and given to it.
 *
 * @module
 */

import type { CookieJar } from "../cookies.ts";
import type { Outgoing } from "./prepare.ts";

/** A request's headers with the cookies that the jar has for its URL. */
export async function withCookies(jar: CookieJar, { headers, url }: Outgoing): Promise<Headers | undefined> {
  const cookies = await jar.getCookieString(url.href);
  if (!cookies) return headers;
  const all = new Headers(headers);
  const given = all.get("cookie");
  try {
    all.set("cookie", given ? `${given}; ${cookies}` : cookies);
  } catch {
    // The cause would quote it.
    throw new TypeError("Cannot send the request as what the cookie jar gave is not valid in a header");
  }
  return all;
}

/** Gives the jar the cookies that came, one after the other, until the request is over. Never rejects. */
export async function keepCookies(
  jar: CookieJar,
  url: URL,
  headers: Headers,
  cancellation: { readonly aborted: boolean },
): Promise<void> {
  for (const cookie of headers.getSetCookie()) {
    if (cancellation.aborted) return;
    try {
      await jar.setCookie(cookie, url.href);
    } catch {
      // A server can send what no jar takes; that is no failure of the request.
    }
  }
}
