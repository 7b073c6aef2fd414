// Copyright 2026 the Hangup authors. MIT license.

/**
 * Cookies, kept in the user's own jar.
 *
 * @module
 */

/**
 * A store for a session's cookies (RFC 6265). It has the two methods of tough-cookie's `CookieJar`
 * that a session needs. Both may be synchronous or asynchronous.
 *
 * @example Keep the cookies of one host, without their attributes
 * ```ts
 * import { type CookieJar, Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const cookies = new Set<string>();
 * const cookieJar: CookieJar = {
 *   getCookieString: () => [...cookies].join("; "),
 *   setCookie: (cookie) => cookies.add(cookie.split(";", 1).join()),
 * };
 * const answer = () => Promise.resolve(new Response(null, { headers: { "set-cookie": "id=1; HttpOnly" } }));
 * await using session = new Session({ cookieJar, fetch: answer });
 * await session.get("https://example.com/login");
 * assertEquals(cookieJar.getCookieString("https://example.com/"), "id=1");
 * ```
 */
export interface CookieJar {
  /**
   * Returns the value of the `Cookie` header for a URL, or `""` for none. If it throws, the request
   * rejects with the same error.
   *
   * If the request has a header `Cookie`, both are sent. If both have a cookie of the same name,
   * that of the request is sent, unless a redirect on the way has set it since.
   *
   * @param url The absolute URL of the request.
   */
  getCookieString(url: string): string | Promise<string>;
  /**
   * Stores the value of one `Set-Cookie` header. If it throws, the cookie is ignored, as in
   * browsers.
   *
   * @param cookie The header's value.
   * @param url The absolute URL of the response.
   */
  setCookie(cookie: string, url: string): unknown;
}
