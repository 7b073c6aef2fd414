// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { keepCookies, withCookies } from "../_internal/jar.ts";
import type { Redirect } from "../request.ts";
import { makeOutgoing } from "./outgoing.ts";

const URL_A = new URL("https://a.test/page");

/** What a request sends as cookies if the jar has some, and so have the request and redirects. */
async function send(jars: unknown, own?: string, renewed: string[] = []): Promise<string | null | undefined> {
  const jar = { getCookieString: () => jars as string, setCookie() {} };
  const headers = own === undefined ? undefined : new Headers({ cookie: own });
  const history = renewed.map((cookie) => ({ headers: new Headers({ "set-cookie": cookie }) }) as unknown as Redirect);
  const sent = await withCookies(jar, makeOutgoing({ url: URL_A, headers }), history);
  if (headers !== undefined) assertEquals(headers.get("cookie"), own); // it is the caller's
  return sent?.get("cookie");
}

Deno.test("withCookies() sends the jar's cookies after the request's own, which go before those of their name", async () => {
  assertEquals(await send(""), undefined);
  assertEquals(await send("a=1; b=2"), "a=1; b=2");
  assertEquals(await send("a=1; b=2;; ", "c=3"), "c=3; a=1; b=2");
  assertEquals(await send("a=1; b=2", "a = 0;"), "a = 0; b=2");
  assertEquals(await send({ toString: () => "a=1" }), "a=1");
});

Deno.test("withCookies() sends no cookie of the request that a redirect has set anew", async () => {
  assertEquals(await send("a=new; b=2", "a=old; c=3", ["a=new; Path=/"]), "c=3; a=new; b=2");
});

Deno.test("withCookies() shows no cookie that is not valid in a header", async () => {
  const error = await assertRejects(() => send("a=\nsecret"), TypeError, "the cookie jar gave is not valid");
  assertEquals([error.message.includes("secret"), error.cause], [false, undefined]);
});

Deno.test("keepCookies() stores one cookie after the other, and none once the request is aborted", async () => {
  const log: string[] = [];
  const cancellation = { aborted: false };
  const jar = {
    getCookieString: () => "",
    async setCookie(cookie: string, url: string) {
      log.push(`${cookie} ${url}`);
      await Promise.resolve();
      log.push("stored");
      if (cookie === "b=2") cancellation.aborted = true;
      if (cookie === "a=1") throw new Error("no cookie for this site");
    },
  };
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"], ["set-cookie", "c=3"]]);
  await keepCookies(jar, URL_A, headers, cancellation);
  assertEquals(log, ["a=1 https://a.test/page", "stored", "b=2 https://a.test/page", "stored"]);
});

Deno.test("keepCookies() splits the cookies of headers that join them, as those of node-fetch", async () => {
  const log: string[] = [];
  const jar = { getCookieString: () => "", setCookie: (cookie: string) => void log.push(cookie) };
  const cookies = ["a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/", "b=2, 3", "c=x=y"];
  const headers = { get: () => cookies.join(", ") } as unknown as Headers;
  await keepCookies(jar, URL_A, headers, { aborted: false });
  assertEquals(log, cookies);
});

Deno.test("keepCookies() takes headers without a list of cookies for those without any", async () => {
  const jar = { getCookieString: () => "", setCookie: () => assert(false) };
  for (const getSetCookie of [undefined, () => 5, () => assert(false)]) {
    const headers = { getSetCookie } as unknown as Headers;
    assertStrictEquals(await keepCookies(jar, URL_A, headers, { aborted: false }), undefined);
  }
});
