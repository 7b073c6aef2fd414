// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { addQuery, displayScheme, displayUrl, originOf, resolveUrl, showUrl } from "../_internal/url.ts";
import { assertRefuses } from "./refusing.ts";

const URL_A = "https://a.test/page";

/** Adds to a URL what a caller without types may give as the query. */
function add(href: string, query: unknown): URL {
  const url = new URL(href);
  addQuery(url, query as string);
  return url;
}

Deno.test("resolveUrl() resolves a URL against the base, and needs one for a relative URL", () => {
  const baseUrl = new URL("https://a.test/api/v1/");
  assertEquals(resolveUrl("users", baseUrl).href, "https://a.test/api/v1/users");
  assertEquals(resolveUrl("/users", baseUrl).href, "https://a.test/users");
  assertEquals(resolveUrl("https://b.test/", baseUrl).href, "https://b.test/");
  assertRefuses(() => resolveUrl("users", undefined), 'the URL is not absolute and there is no "baseUrl"');
});

Deno.test("resolveUrl() resolves a URL against the location of a page, if that can be read", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "location")!;
  const resolveAt = (get: () => unknown) => {
    Object.defineProperty(globalThis, "location", { get, configurable: true });
    try {
      return resolveUrl("/users", undefined).href;
    } finally {
      Object.defineProperty(globalThis, "location", before);
    }
  };
  assertEquals(resolveAt(() => new URL(URL_A)), "https://a.test/users");
  for (
    const get of [() => new URL("about:blank"), () => {
      throw new Error("no page");
    }]
  ) {
    assertRefuses(() => resolveAt(get), 'the URL is not absolute and there is no "baseUrl"');
  }
});

Deno.test("resolveUrl() shows nothing of a malformed URL but its scheme", () => {
  const urls = [
    "http://ada:secret@",
    "https://secret.test:99999/",
    "ftp://secret",
    "ada:secret@b.test",
    "secret:",
    "//secret",
  ];
  for (const url of urls) {
    const { message } = assertThrows(() => resolveUrl(url, undefined), TypeError);
    assert(!message.replace('"secret:"', "").includes("secret"), message);
  }
  for (const url of [undefined, null, 5, {}, Symbol.iterator]) {
    assertRefuses(() => resolveUrl(url as never, undefined), "the URL is neither a string, a URL nor a Request");
    assertRefuses(() => resolveUrl(url as never, new URL(URL_A)), "the URL is neither");
  }
});

Deno.test("resolveUrl() shows the scheme of a malformed URL if that is http or https, in lower case", () => {
  const messageOf = (url: string) => assertThrows(() => resolveUrl(url, undefined), TypeError).message;
  const problem = "Cannot send the request as the URL cannot be parsed";
  assertEquals(messageOf(" HTTPS://["), `${problem}: received "https:…"`);
  assertEquals(messageOf("secret://["), problem);
});

Deno.test("resolveUrl() takes http and https alone", () => {
  for (const url of ["ftp://a.test/", "file:///etc/passwd", "data:,x", "blob:https://a.test/x", "ws://a.test/"]) {
    assertRefuses(() => resolveUrl(url, undefined), "the URL's scheme is not http or https");
  }
});

Deno.test("addQuery() adds a query to the URL's own, which stays as it is", () => {
  const query = (query: unknown, url = "https://a.test/?a=%41+b&c=~'(") => add(url, query).search;
  const own = new URL("https://a.test/?a=%41+b&c=~'(").search;
  assertEquals(query({}), own);
  assertEquals(query({ x: "1 2", y: 3, z: true, n: 10n }), `${own}&x=1+2&y=3&z=true&n=10`);
  assertEquals(query({ x: ["a", "b"], y: [], z: undefined, w: [undefined, 1] }), `${own}&x=a&x=b&w=1`);
  assertEquals(query(new URLSearchParams("x=1&x=2")), `${own}&x=1&x=2`);
  assertEquals(query("?x=%20"), `${own}&x=%20`);
  assertEquals(query("x=1"), `${own}&x=1`);
  assertEquals(query("??x=1"), `${own}&?x=1`);
  assertEquals(query("??x=1", "https://a.test/"), "??x=1");
  assertEquals(query(""), own);
  assertEquals(query({ x: 1 }, "https://a.test/"), "?x=1");
  assertEquals(query({ x: 1 }, "https://a.test/?"), "?x=1");
  assertEquals(query({ x: 1 }, "https://a.test/?a&"), "?a&x=1");
  assertEquals(add("https://a.test/#end", { x: 1 }).href, "https://a.test/?x=1#end");
});

Deno.test("addQuery() refuses a query of what has no text", () => {
  for (const value of [null, {}, new Date(), NaN, () => {}, Symbol.iterator, [[1]]]) {
    assertRefuses(() => add(URL_A, { name: value }), '"query.name" must be a string, number or boolean');
  }
});

Deno.test("addQuery() shows no control character of a name", () => {
  assertRefuses(() => add(URL_A, { "a\x1b[2J": {} }), '"query.a\\u{1b}[2J" must be');
});

Deno.test("addQuery() refuses a query of a wrong type", () => {
  for (const query of [null, 5, true, [], [["a", "1"]], new Map()]) {
    assertRefuses(() => add(URL_A, query), '"query" must be an object of names and values');
  }
});

Deno.test("displayUrl() and showUrl() leave out all that may be secret", () => {
  const shown: [href: string, shown: string][] = [
    ["https://ada:secret@a.test:8080/x?token=secret#secret", "https://a.test:8080/x?…"],
    ["https://a.test/x?", "https://a.test/x"],
    ["data:text", "data:text"],
  ];
  for (const [href, expected] of shown) assertEquals([displayUrl(new URL(href)), showUrl(href)], [expected, expected]);
});

Deno.test("displayScheme() names a scheme unless it may be a user name", () => {
  assertEquals(displayScheme(" but", new URL("ftp://a.test/")), ' but "ftp:"');
  assertEquals(displayScheme(" but", new URL("ftp://ada@a.test/")), ' but "ftp:"');
  assertEquals(displayScheme(" but", new URL("ada:secret@a.test")), "");
});

Deno.test("originOf() is the origin of a URL of http or https", () => {
  for (
    const href of ["http://a/x", "http://a.test/x?y#z", "https://a.test:8443/", "http://[::1]:80/", "https://ä.test/x"]
  ) {
    assertEquals(originOf(new URL(href)), new URL(href).origin);
  }
});
