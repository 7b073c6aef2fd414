// Copyright 2026 the Hangup authors. MIT license.
//
// What a session makes of headers, baseUrl, query, json and credentials.
import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Session, type SessionOptions, type SessionRequestInit, StatusError } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { type Echo, header, readEcho, withSession } from "../harness/with_session.ts";
import { pattern } from "../server/client.ts";

/** A case with a session whose options need the scope's URL. */
function withOptions(
  name: string,
  options: (url: string) => SessionOptions,
  run: (session: Session, t: TestContext) => Promise<void>,
): Case {
  return {
    name,
    async run(t) {
      const session = new Session(options(t.scope.url));
      try {
        await run(session, t);
      } finally {
        await session.close();
      }
      await t.scope.wait({ pending: 0 });
    },
  };
}

async function echo(session: Session, input: string | URL | Request, init?: SessionRequestInit<true>): Promise<Echo> {
  return await readEcho(await session.request(input, init));
}

/**
 * `baseUrl`'s path, the input, and the path and query that are asked for: the URL standard's rules.
 */
/** Whether the runtime sends the method as it is. */
function isKnown(method: string): boolean {
  try {
    return new Request("http://127.0.0.1", { method }).method === method;
  } catch {
    return false;
  }
}

const BASES: [base: string, input: string, expected: string][] = [
  ["", "echo", "/echo"],
  ["/", "echo", "/echo"],
  ["/echo/v1/", "items", "/echo/v1/items"],
  ["/echo/v1", "items", "/echo/items"],
  ["/echo/v1/", "/echo", "/echo"],
  ["/echo/v1/", "../v2/items", "/echo/v2/items"],
  ["/echo/v1/", "./items?a=1", "/echo/v1/items?a=1"],
  ["/echo/v1/", "?a=1", "/echo/v1/?a=1"],
  ["/echo/v1/", "", "/echo/v1/"],
  ["/echo/v1/?key=1", "items", "/echo/v1/items"],
  ["/echo/v1/?key=1", "", "/echo/v1/?key=1"],
];

/** `query` added to a URL. */
const QUERIES: [url: string, query: SessionRequestInit["query"], expected: string][] = [
  ["/echo", { a: "1", b: 2, c: true, d: undefined, e: "", f: 0, g: false }, "/echo?a=1&b=2&c=true&e=&f=0&g=false"],
  ["/echo?a=1", { a: 2 }, "/echo?a=1&a=2"],
  ["/echo?a=1#fragment", { b: "2" }, "/echo?a=1&b=2"],
  ["/echo", { "a b": "c&d=e", ü: "☺" }, "/echo?a+b=c%26d%3De&%C3%BC=%E2%98%BA"],
  ["/echo", new URLSearchParams([["a", "1"], ["a", "2"]]), "/echo?a=1&a=2"],
  ["/echo", {}, "/echo"],
  ["/echo", { a: undefined }, "/echo"],
];

export const cases: Case[] = [
  withSession(
    "headers of a request go before those of the session, whatever their case",
    async (session, { scope }) => {
      const url = `${scope.url}/echo`;
      for (
        const headers of [
          { "X-B": "mine", "x-c": "3" },
          [["X-b", "mine"], ["x-c", "3"]],
          new Headers({ "x-b": "mine", "x-c": "3" }),
        ]
      ) {
        const got = await echo(session, url, { headers: headers as HeadersInit });
        assertEquals(["x-a", "x-b", "x-c"].map((name) => header(got, name)), ["1", "mine", "3"]);
      }
      const plain = await echo(session, url);
      assertEquals(["x-a", "x-b", "x-c"].map((name) => header(plain, name)), ["1", "2", undefined]);
      const request = new Request(url, { headers: { "x-b": "theirs" } });
      assertEquals(header(await echo(session, request), "x-b"), "theirs");
      assertEquals(header(await echo(session, request, { headers: { "x-b": "mine" } }), "x-b"), "mine");
      assertEquals(header(await echo(session, request, { headers: {} }), "x-b"), "2");
    },
    { headers: { "x-a": "1", "x-B": "2" } },
  ),
  withSession("headers given as pairs are joined where a name repeats", async (session, { scope }) => {
    const got = await echo(session, `${scope.url}/echo`, { headers: [["x-a", "1"], ["x-a", "2"]] });
    assertEquals(header(got, "x-a")?.replace(" | ", ", "), "1, 2");
  }),
  {
    name: "the headers of a session are copied, and those of a response say what was sent",
    async run({ scope }) {
      const headers = new Headers({ "x-a": "1" });
      const session = new Session({ headers });
      try {
        headers.set("x-a", "2");
        const response = await session.get(`${scope.url}/echo`, { headers: { "x-b": "2" } });
        const { method, url, headers: sent } = response.request;
        assertEquals([method, url, sent.get("x-a"), sent.get("x-b")], ["GET", `${scope.url}/echo`, "1", "2"]);
        sent.set("x-a", "3");
        assertEquals(header(await echo(session, `${scope.url}/echo`), "x-a"), "1");
      } finally {
        await session.close();
      }
    },
  },
  withSession("headers that frame the message are the runtime's to set", async (session, { scope }) => {
    const wrong = {
      "content-length": "3",
      "transfer-encoding": "chunked",
      "expect": "100-continue",
      "trailer": "x",
      "te": "x",
      "upgrade": "x",
    };
    for (const init of [{ method: "POST", body: "the whole body" }, { method: "GET" }, { method: "POST" }]) {
      const right = await echo(session, `${scope.url}/echo`, init);
      const got = await echo(session, `${scope.url}/echo`, { ...init, headers: wrong });
      for (const name of Object.keys(wrong)) assertEquals(header(got, name), header(right, name));
      assertEquals(got.body, init.body ?? "");
      assertEquals(
        (await readEcho(await session.fetch(`${scope.url}/echo`, { ...init, headers: wrong }))).body,
        init.body ?? "",
      );
    }
    // Nothing of it was taken for another request.
    assertEquals(Object.keys((await scope.stats()).paths).sort(), ["GET /echo", "POST /echo"]);
  }),

  ...BASES.map(([base, input, expected]) =>
    withOptions(
      `baseUrl "${base}" and "${input}" make ${expected}`,
      (url) => ({ baseUrl: url + base }),
      async (session, { scope }) => {
        const response = await session.get(input);
        const asked = response.status === 200 ? (await readEcho(response)).url : new URL(response.url).pathname;
        assertEquals([asked, response.url], [expected, scope.url + expected]);
      },
    )
  ),
  withOptions(
    "baseUrl has no say in an absolute URL",
    () => ({ baseUrl: "https://example.com/v1/" }),
    async (session, { scope }) => {
      assertEquals((await echo(session, `${scope.url}/echo`)).url, "/echo");
      assertEquals((await echo(session, new URL(`${scope.url}/echo`))).url, "/echo");
      assertEquals((await echo(session, new Request(`${scope.url}/echo`))).url, "/echo");
    },
  ),
  withOptions("baseUrl may be a URL, and is copied", (url) => ({ baseUrl: new URL(url) }), async (session) => {
    assertEquals((await echo(session, "echo")).url, "/echo");
  }),
  withOptions(
    "credentials in baseUrl are sent as Authorization",
    (url) => ({ baseUrl: url.replace("//", "//ann:s3cret@") }),
    async (session, { scope }) => {
      const response = await session.get("/echo");
      assertEquals(header(await readEcho(response), "authorization"), `Basic ${btoa("ann:s3cret")}`);
      assertEquals(response.url, `${scope.url}/echo`);
      // An absolute URL has none of them.
      assertEquals(header(await echo(session, `${scope.url}/echo`), "authorization"), undefined);
    },
  ),

  ...QUERIES.map(([url, query, expected]) =>
    withSession(`query is added to ${url}: ${expected}`, async (session, { scope }) => {
      assertEquals((await echo(session, scope.url + url, { query })).url, expected);
      const input = new URL(scope.url + url);
      const { href } = input;
      assertEquals((await echo(session, input, { query })).url, expected);
      assertEquals(input.href, href); // the caller's is left as it is
    })
  ),

  withSession("json is sent as JSON, with its type", async (session, { scope }) => {
    for (
      const [json, body] of [[{ a: [1, "ü"] }, '{"a":[1,"ü"]}'], [null, "null"], [0, "0"], ["", '""'], [false, "false"]]
    ) {
      const got = await echo(session, `${scope.url}/echo`, { method: "POST", json });
      assertEquals([got.body, header(got, "content-type")], [body as string, "application/json"]);
    }
    const typed = await echo(session, `${scope.url}/echo`, {
      method: "PATCH",
      json: {},
      headers: { "content-type": "application/merge-patch+json" },
    });
    assertEquals([typed.body, header(typed, "content-type")], ["{}", "application/merge-patch+json"]);
    const none = await echo(session, `${scope.url}/echo`, { method: "POST", json: undefined });
    assertEquals([none.body, header(none, "content-type")], ["", undefined]);
  }),

  ...([["ann", "s3cret"], ["ann", ""], ["", "s3cret"], ["ä:b@c", "p/w?#% ☺"]] as const).map(([user, password]) =>
    withSession(
      `credentials in a URL are sent as Authorization: "${user}", "${password}"`,
      async (session, { scope }) => {
        const url = new URL(`${scope.url}/echo`);
        [url.username, url.password] = [user, password];
        const response = await session.get(url);
        const value = header(await readEcho(response), "authorization")!;
        const bytes = Uint8Array.from(atob(value.replace("Basic ", "")), (c) => c.charCodeAt(0));
        assertEquals(new TextDecoder().decode(bytes), `${user}:${password}`);
        assertEquals([response.url, response.request.url], [`${scope.url}/echo`, `${scope.url}/echo`]);
        assertEquals([url.username !== "" || user === "", url.href.includes("@")], [true, true]);
        const own = await echo(session, url, { headers: { authorization: "Bearer mine" } });
        assertEquals(header(own, "authorization"), "Bearer mine");
        const fetched = await session.fetch(url);
        assertEquals([header(await readEcho(fetched), "authorization"), fetched.url], [value, `${scope.url}/echo`]);
      },
    )
  ),

  withSession(
    "a method is sent as it is, or refused where the runtime would send another",
    async (session, { scope }) => {
      for (const method of ["PROPFIND", "MYMETHOD", "get", "patch"]) {
        const upper = method.toUpperCase();
        const known = isKnown(upper);
        if (known) assertEquals((await echo(session, `${scope.url}/echo`, { method })).method, upper);
        else await assertRejects(() => echo(session, `${scope.url}/echo`, { method }), TypeError, `"${upper}"`);
      }
    },
    { needs: ["allHeaders"] },
  ),

  withSession("throwIfNotOk() returns a response that is ok, and throws the others", async (session, { scope }) => {
    for (const status of [200, 201, 299]) {
      const response = await session.get(`${scope.url}/status/${status}`);
      assertStrictEquals(response.throwIfNotOk(), response);
    }
    for (const status of [300, 304, 400, 404, 500, 599]) {
      const response = await session.get(`${scope.url}/status/${status}?secret=1`);
      const error = assertThrows(() => response.throwIfNotOk(), StatusError);
      assertStrictEquals(error.response, response);
      assertEquals(
        error.message.replace(/ [A-Z][\w -]*?(?=: GET)/, ""),
        `The response's status is ${status}: GET ${scope.url}/status/${status}?…`,
      );
      const bytes = status === 304 ? 0 : 10;
      assertEquals(error.response.content, pattern(bytes));
    }
  }),
];
