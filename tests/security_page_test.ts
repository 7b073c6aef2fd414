// Copyright 2026 the Hangup authors. MIT license.
//
// What SECURITY.md says of URLs and headers and leaves to the standards: it must stay true.
import { assertEquals, assertRejects } from "@std/assert";
import { Session } from "../mod.ts";

/** A session, and what it has sent: each URL, with the value of the header `a`. */
function record() {
  const sent: string[] = [];
  const session = new Session({
    baseUrl: "https://example.com/users/",
    fetch(url: URL, init: RequestInit) {
      sent.push(`${url} ${new Headers(init.headers).get("a") ?? ""}`.trim());
      return Promise.resolve(new Response());
    },
  });
  return { session, sent };
}

Deno.test("SECURITY.md is right: encodeURIComponent() does not keep a name within its path", async () => {
  const { session, sent } = record();
  await using _ = session;
  await session.get(encodeURIComponent(".."));
  await session.get("%2e%2E/admin");
  await session.get(encodeURIComponent("a/../b?c#d"));
  assertEquals(sent, [
    "https://example.com/",
    "https://example.com/admin",
    "https://example.com/users/a%2F..%2Fb%3Fc%23d",
  ]);
});

Deno.test("SECURITY.md is right: line breaks in URLs are removed, those in a query object are escaped", async () => {
  const { session, sent } = record();
  await using _ = session;
  await session.get("x\r\ny\tz?q=1\n2");
  await session.get("x\0y\x01");
  await session.get("x", { query: { q: "1\r\n2" } });
  await session.get("x", { query: "q=1\r\n2" });
  assertEquals(sent, [
    "https://example.com/users/xyz?q=12",
    "https://example.com/users/x%00y",
    "https://example.com/users/x?q=1%0D%0A2",
    "https://example.com/users/x?q=12",
  ]);
});

Deno.test("SECURITY.md is right: a header's value loses its ends, and may not have a line break within", async () => {
  const { session, sent } = record();
  await using _ = session;
  await session.get("x", { headers: { a: "\r\n 1 \n" } });
  await assertRejects(() => session.get("x", { headers: { a: "1\n2" } }), TypeError, "name or value");
  await assertRejects(() => session.get("x", { headers: { a: "1\0" } }), TypeError, "name or value");
  assertEquals(sent, ["https://example.com/users/x 1"]);
});

Deno.test("SECURITY.md is right: what leads away from baseUrl", async () => {
  const { session, sent } = record();
  await using _ = session;
  for (const url of ["//example.org/", "\\\\example.org/", "/\t/example.org/", "https:example.org"]) {
    await session.get(url);
  }
  assertEquals(sent, [...Array(3).fill("https://example.org/"), "https://example.com/users/example.org"]);
});
