// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { parseHeaders, spreadable, takeCredentials } from "../_internal/headers.ts";
import { mocking } from "./harness/mocking.ts";
import { assertRefuses } from "./refusing.ts";

Deno.test("parseHeaders() names a header that is not valid, and never shows its value", () => {
  const cases: [HeadersInit, string][] = [
    [{ "x-token": "secret\r\n" + "x: y" }, 'the name or value of "x-token"'],
    [[["x-good", "1"], ["x bad", "secret"]], 'the name or value of "x bad"'],
    ["secret: value" as never, "string"],
    [null as never, "null"],
    [5 as never, "number"],
  ];
  for (const [headers, problem] of cases) {
    const { message } = assertRefuses(() => parseHeaders(headers), '"headers" is not valid');
    assert(message.endsWith(problem) && !message.includes("secret"), message);
  }
});

Deno.test("parseHeaders() copies the headers of another class than the global one", async () => {
  class Foreign extends Headers {
    constructor(init?: HeadersInit) {
      super(init instanceof Headers && !(init instanceof Foreign) ? {} : init); // as happy-dom's
    }
  }
  const own = new Headers({ authorization: "Bearer 1" });
  const headers = await mocking(globalThis, "Headers", Foreign, () => Promise.resolve(parseHeaders(own)));
  assertEquals(headers?.get("authorization"), "Bearer 1");
});

Deno.test("spreadable() makes each header a property, as it is now", () => {
  const given = new Headers({ "x-a": "1", accept: "a/b", get: "c", __proto__: "d" });
  const headers = spreadable(given);
  assertEquals(Object.entries(headers), [["Accept", "a/b"], ["Get", "c"], ["X-A", "1"]]);
  headers.append("accept", "c/d");
  headers.set("X-New", "2");
  headers.delete("X-A");
  assertEquals(Object.entries(headers), [["Get", "c"], ["Accept", "a/b, c/d"], ["X-New", "2"]]);
  assertEquals([...headers], [...new Headers(headers)]);
  const loose = headers as unknown as Record<string, string>;
  delete loose["Accept"]; // throws if it is not possible
  assertEquals([loose["Accept"], given.get("accept")], [undefined, "a/b"]);
});

Deno.test("takeCredentials() moves a URL's name and password into the headers", () => {
  const take = (href: string, headers?: Headers) => {
    const url = new URL(href);
    const result = takeCredentials(url, headers);
    assertEquals([url.username, url.password], ["", ""]);
    return result?.get("authorization");
  };
  assertEquals(take("https://a.test/"), undefined);
  assertEquals(take("https://ada:pass@a.test/"), `Basic ${btoa("ada:pass")}`);
  assertEquals(take("https://ada@a.test/"), `Basic ${btoa("ada:")}`);
  assertEquals(take("https://:pass@a.test/"), `Basic ${btoa(":pass")}`);
  assertEquals(take("https://a%3Ab:p%40%25@a.test/"), `Basic ${btoa("a:b:p@%")}`);
  assertEquals(take("https://%zz:%@a.test/"), `Basic ${btoa("%zz:%")}`);
  const utf8 = String.fromCharCode(...new TextEncoder().encode("ä:ö"));
  assertEquals(take("https://ä:ö@a.test/"), `Basic ${btoa(utf8)}`);
  assertEquals(take("https://ada:pass@a.test/", new Headers({ authorization: "Bearer x" })), "Bearer x");
});

Deno.test("parseHeaders() joins the cookies of a list as a server reads them, whatever the case of the name", () => {
  assertEquals(parseHeaders([["cookie", "a=1"], ["x-a", "1"], ["Cookie", "b=2"]])?.get("cookie"), "a=1; b=2");
  assertEquals(parseHeaders([["COOKIE", "a=1, b"]])?.get("cookie"), "a=1, b");
});

Deno.test("parseHeaders() throws what the caller's own iterator throws", () => {
  const failure = new RangeError("theirs");
  const headers = {
    [Symbol.iterator]() {
      throw failure;
    },
  };
  assertStrictEquals(assertThrows(() => parseHeaders(headers as never)), failure);
});

Deno.test("takeCredentials() makes none of an at sign in the path or the query", () => {
  for (const href of ["https://a.test/@ada:x", "https://a.test/?to=ada:x@b.test"]) {
    assertEquals(takeCredentials(new URL(href), undefined), undefined);
  }
});
