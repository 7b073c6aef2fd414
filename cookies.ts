// Copyright 2026 the Hangup authors. MIT license.

/**
 * Cookies, which a jar of the user's keeps.
 *
 * @module
 */

/**
 * Where a session keeps cookies (RFC 6265): the two methods of tough-cookie's `CookieJar` that it needs, sync or async.
 *
 * @example Keep the cookies of one host, without their attributes
 * ```ts
 * import { type CookieJar, Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const cookies = new Set<string>();
 * const cookieJar: CookieJar = {
 *   getCookieString: () => [...cookies].join("; "),
 *   setCookie: (cookie) => cookies.add(cookie.split(";")[0]),
 * };
 * const answer = () => Promise.resolve(new Response(null, { headers: { "set-cookie": "id=1; HttpOnly" } }));
 * await using session = new Session({ cookieJar, fetch: answer });
 * await session.get("https://example.com/login");
 * assertEquals(cookieJar.getCookieString("https://example.com/"), "id=1");
 * ```
 */
export interface CookieJar {
  /**
   * The value of the `Cookie` header for a URL, `""` for none. What it throws, the request throws.
   *
   * @param url The absolute URL that is asked for.
   */
  getCookieString(url: string): string | Promise<string>;
  /**
   * Takes the value of one `Set-Cookie` header. A cookie that it rejects is ignored, as browsers do.
   *
   * @param cookie The header's value.
   * @param url The absolute URL that answered.
   */
  setCookie(cookie: string, url: string): unknown;
}
