// Copyright 2026 the Hangup authors. MIT license.
//
// What SECURITY.md promises: no secret is shown, no header or request is injected, no credential
// goes to another origin, no other scheme is asked, a polluted prototype is no option, and what is
// decoded is capped.
import { assert, assertEquals, assertIsError, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  BodyTooLargeError,
  createTransport,
  get,
  NetworkError,
  Pool,
  post,
  Session,
  type SessionOptions,
  type SessionRequestInit,
} from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { header, readEcho, withSession } from "../harness/with_session.ts";

/** What runtimes print objects with. */
interface Surroundings {
  Deno?: { inspect(value: unknown, options: object): string };
  Bun?: { inspect(value: unknown, options: object): string };
  process?: { getBuiltinModule?(id: string): { inspect(value: unknown, options: object): string } };
}

const { Deno, Bun, process } = globalThis as Surroundings;
const inspect = Deno?.inspect ?? Bun?.inspect ?? process?.getBuiltinModule?.("node:util")?.inspect ?? String;

/** All that somebody who logs a value may see of it. */
function shown(value: unknown): string {
  const texts = [inspect(value, { depth: 10 }), inspect({ value: [value] }, { depth: 10 }), String(value)];
  for (let error = value; error instanceof Error; error = error.cause) texts.push(error.message, error.stack ?? "");
  return texts.join("\n");
}

function assertNoSecret(value: unknown): void {
  const text = shown(value);
  assert(!/s3cret|czNjcmV0/.test(text), text);
}

const HEADERS = { "x-api-key": "s3cret", "authorization": "Bearer s3cret" };

/** A URL of a scope with secrets wherever one may have them. */
function secretUrl(base: string, path: string): string {
  const url = new URL(path, base.replace("//", "//ann:s3cret@"));
  url.searchParams.append("token", "s3cret");
  url.hash = "s3cret";
  return url.href;
}

/** Where a request may fail, and how. */
const FAILURES: Record<string, [path: string, init?: SessionRequestInit, options?: SessionOptions]> = {
  "no response": ["/kill"],
  "no response to a POST": ["/kill", { method: "POST", body: "s3cret" }],
  "a response that is cut": ["/truncate/10?of=100"],
  "a chunked response that is cut": ["/truncate-chunked/10"],
  "what is no HTTP": ["/fault/garbage"],
  "a head that is refused, with a cookie": ["/fault/two-lengths"],
  "a coding that is wrong": ["/fault/gzip-not", { timeout: { idle: 1000 } }],
  "headers that are too late": ["/hang", { timeout: { headers: 20 } }],
  "a body that is too late": ["/stall/10", { timeout: { idle: 20 } }],
  "the total timeout": ["/hang", { timeout: 20 }],
  "a body that is too large": ["/bytes/1000", { maxBodyBytes: 10 }],
  "too many redirects": ["/redirect/302?to=%2Fbytes%2F1%3Ftoken%3Ds3cret", { maxRedirects: 0 }],
  "a redirect to another scheme": ["/redirect/302?to=file%3A%2F%2F%2Fs3cret"],
  "a redirect to what is no URL": ["/redirect/302?to=http%3A%2F%2Fann%3As3cret%40%5B1%3A%3A2%2F%3Ftoken%3Ds3cret"],
  "a redirect that is an error": ["/redirect/302?to=%2F", { redirect: "error" }],
  "an upload that fails": ["/echo", { method: "PUT", body: failingStream() }],
  "headers that are not valid": ["/echo", { headers: { authorization: "s3cret\nx" } }],
  "headers that are pairs, and not valid": ["/echo", { headers: [["authorization", "s3cret\r\nx: y"]] }],
  "headers that are a string": ["/echo", { headers: "authorization: s3cret" as unknown as HeadersInit }],
  "a query that is not valid": ["/echo", { query: { token: { s3cret: 1 } as unknown as string } }],
  "a cookie jar that gives what is no header": ["/echo", {}, {
    cookieJar: { getCookieString: () => "a=s3cret\r\nx: y", setCookie: () => {} },
  }],
};

function failingStream(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull() {
      throw new Error("disk failure");
    },
  });
}

/** What must not become an option by way of `Object.prototype`, and what would happen. */
const POLLUTION: Record<string, unknown> = {
  prefetch: false,
  json: { evil: true },
  query: { evil: "1" },
  timeout: 1,
  maxBodyBytes: 0,
  maxRedirects: 0,
  headers: { "x-evil": "1" },
  method: "DELETE",
  body: "evil",
  redirect: "error",
  signal: "evil",
  baseUrl: "http://evil.invalid/",
  pool: { maxConnections: 0 },
  fetch: () => Promise.resolve(new Response("evil")),
  cookieJar: { getCookieString: () => "evil=1", setCookie: () => {} },
  transport: { closesSockets: false, fetch: () => Promise.resolve(new Response("evil")), close: () => {} },
  onLeak: "evil",
  onClose: "evil",
  maxConnections: 0,
  maxConnectionsPerOrigin: 0,
  maxQueued: 0,
  idleTimeout: -1,
  grace: -1,
  queue: 1,
  idle: -1,
  total: -1,
  proxy: "http://127.0.0.1:1",
  credentials: "evil",
  cache: "only-if-cached",
  integrity: "sha256-evil",
  mode: "evil",
  referrer: "evil:",
  keepalive: false,
  dispatcher: { dispatch: () => false },
  client: {},
  session: {},
  unix: "/evil",
  duplex: "evil",
};

/**
 * Where a platform's own objects read from `Object.prototype`: the `Request` of Deno and Node, and
 * `addEventListener`.
 */
const PLATFORM: Partial<Record<TestContext["runtime"], string[]>> = {
  deno: ["integrity", "mode", "referrer", "signal"],
  node22: ["body"],
  node24: ["body"],
  node26: ["body"],
};

/**
 * Made before, as `fetch` itself reads from there: what a session that is made and used then passes
 * on to `fetch`, as `fetch` would read it, and what becomes of it.
 */
function prepared(name: string, over: "fetch" | "transport"): () => Promise<unknown> {
  const url = "http://127.0.0.1/";
  const answers = [1, 2, 3, 4].map(() => new Response("hello"));
  const request = new Request(url, { method: "POST", body: "hello" });
  return async () => {
    const seen: unknown[] = [];
    const fetch = (_: unknown, init?: RequestInit) => {
      const read = Object.keys(POLLUTION).map((name) => (init as Record<string, unknown>)[name]);
      seen.push(read.map((value) => value instanceof Headers ? [...value] : typeof value === "object" ? {} : value));
      return Promise.resolve(answers.pop()!);
    };
    const transport = { closesSockets: false, fetch, close: () => {} };
    let session: Session | undefined;
    try {
      session = new Session(over === "fetch" ? { fetch } : { pool: { transport } });
      const responses = [
        await session.get(url),
        await session.request(url),
        await session.post(url, { json: { a: 1 }, headers: { "x-a": "1" } }),
        await session.fetch(request),
      ];
      for (const response of responses) seen.push(response.constructor.name, response.url, await response.text());
      const lease = await session.pool.acquire(url);
      lease.release();
    } catch (error) {
      seen.push(`${name}: ${error}`);
    } finally {
      await session?.close();
    }
    return seen;
  };
}

/**
 * What must not become an option of the runtime's pools, or of a property that the module defines.
 */
const POOL_POLLUTION: Record<string, unknown> = {
  value: "evil",
  writable: true,
  enumerable: true,
  proxy: { url: "http://127.0.0.1:1" },
  keepAlive: { idleTimeout: -1 },
  idleTimeout: -1,
  poolMaxIdlePerHost: -1,
  poolIdleTimeout: -1,
  connections: 0,
  drain: "evil",
  decodes: "evil",
};

/**
 * Where undici copies its options into plain objects, so that bare `fetch` fails as well at each
 * new origin.
 */
const UNDICI = ["keepAlive", "idleTimeout"];

function poolPollution(name: string): Case {
  return {
    name: `Object.prototype.${name} is no option of the runtime's pool`,
    async run({ scope, runtime }) {
      const url = `${scope.url}/bytes/10`;
      const fails = runtime.startsWith("node") && UNDICI.includes(name);
      Reflect.set(Object.prototype, name, POOL_POLLUTION[name]);
      let sizes: number[];
      try {
        const session = new Session();
        if (fails) await assertRejects(() => session.get(url), NetworkError);
        const responses = fails ? [] : [await get(url), await session.get(url), await session.get(url)];
        sizes = responses.map(({ content }) => content.byteLength);
        await session.close();
      } finally {
        Reflect.deleteProperty(Object.prototype, name);
      }
      assertEquals(sizes, fails ? [] : [10, 10, 10]);
    },
  };
}

/** What must not become an option of a request that the runtime's own `fetch` sends. */
const NETWORK_POLLUTION: Record<string, unknown> = {
  method: "DELETE",
  headers: { "x-evil": "1" },
  body: "evil",
  cache: "only-if-cached",
  credentials: "evil",
  redirect: "error",
  priority: "evil",
  decompress: false,
  size: 9, // what Deno reads of a Blob's parts
};

/** What undici reads from there itself, so that bare `fetch` takes it too. */
const READ_BY_UNDICI = ["headers", "body", "cache"];

function networkPollution(name: string): Case {
  return {
    name: `Object.prototype.${name} changes no GET or POST over the network`,
    async run({ scope, runtime }) {
      const session = new Session();
      const ask = async (fetch: typeof globalThis.fetch) => {
        const coded = await fetch(`${scope.url}/gzip/100`);
        const { method, headers } = await readEcho(await fetch(`${scope.url}/echo`));
        const { body } = await readEcho(await fetch(`${scope.url}/echo`, { method: "POST", body: "abc" }));
        const read = { length: (await coded.bytes()).length, coding: coded.headers.get("content-encoding") };
        return { method, headers, body, ...read };
      };
      const expected = await ask(session.fetch);
      Reflect.set(Object.prototype, name, NETWORK_POLLUTION[name]);
      try {
        const got = await ask(session.fetch).catch(String);
        if (runtime.startsWith("node") && READ_BY_UNDICI.includes(name)) assertNotEquals(got, expected);
        else assertEquals(got, expected);
      } finally {
        Reflect.deleteProperty(Object.prototype, name);
        await session.close();
      }
    },
  };
}

function pollution(name: string): Case {
  return {
    name: `Object.prototype.${name} is no option`,
    async run({ runtime }) {
      for (const over of ["fetch", "transport"] as const) {
        const expected = await prepared(name, over)();
        const polluted = prepared(name, over);
        let result: unknown;
        Reflect.set(Object.prototype, name, POLLUTION[name]);
        try {
          result = await polluted();
        } finally {
          Reflect.deleteProperty(Object.prototype, name);
        }
        if (PLATFORM[runtime]?.includes(name)) assertNotEquals(result, expected);
        else assertEquals(result, expected);
      }
    },
  };
}

/** A request that tries to be two. The server sees what it is. */
const SMUGGLED = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

const FRAMINGS: Record<string, HeadersInit> = {
  "Content-Length": { "Content-Length": "0" },
  "two of them": [["content-length", "0"], ["Content-Length", "5"]],
  "Transfer-Encoding": { "Transfer-Encoding": "chunked" },
  "both": { "content-length": "0", "transfer-encoding": "chunked" },
  "Transfer-Encoding with a parameter": { "transfer-encoding": "xchunked, identity" },
  "Expect and Upgrade": { expect: "100-continue", upgrade: "h2c" },
};

export const cases: Case[] = [
  ...Object.entries(FAILURES).map(([what, [path, init, options]]): Case => ({
    name: `an error shows no secret: ${what}`,
    needs: ["followsRedirects", "streamsUploads"],
    async run({ scope }) {
      for (const prefetch of [true, false]) {
        const session = new Session({ headers: HEADERS, ...options });
        try {
          const work = async () => {
            const response = await session.request(secretUrl(scope.url, path), { ...init, prefetch });
            await response.bytes();
          };
          const error = await work().then(() => undefined, (error) => error);
          assert(error instanceof Error, "it succeeded");
          assertNoSecret(error);
          if (init?.body instanceof ReadableStream) break;
        } finally {
          await session.close();
        }
      }
    },
  })),
  {
    name: "an error shows no secret: nobody there, no such host, a URL that is none",
    async run({ openScope }) {
      const gone = await openScope({ refuses: 1 });
      for (const base of [gone.url, gone.url.replace("127.0.0.1", "localhost"), "http://hangup.invalid"]) {
        for (const send of [get, post]) {
          const error = await assertRejects(() => send(secretUrl(base, "/a"), { headers: HEADERS }), NetworkError);
          assertNoSecret(error);
        }
      }
      for (const url of ["/a?token=s3cret", "//ann:s3cret@/", "http://ann:s3cret@[1::2/?token=s3cret#s3cret"]) {
        const error = await get(url).catch((error) => error);
        assert(error instanceof TypeError || url.startsWith("/a"), String(error)); // which a page resolves
        assertNoSecret(error);
      }
      assertNoSecret(assertThrows(() => new Session({ baseUrl: "ftp://ann:s3cret@example.com/?s3cret" }), TypeError));
    },
  },
  {
    name: "an error shows no secret: the queue, closed sessions and pools, statuses, JSON",
    async run({ scope }) {
      const url = secretUrl(scope.url, "/hang");
      const pool = new Pool({ maxConnections: 1, maxQueued: 1 });
      const session = new Session({ pool, headers: HEADERS, timeout: { queue: 50 } });
      const first = session.get(url).catch((error) => error);
      const second = session.get(url).catch((error) => error);
      const third = await session.get(url).catch((error) => error);
      assertEquals([third.name, (await second).name], ["QueueFullError", "TimeoutError"]);
      assertNoSecret(third);
      assertNoSecret(await second);
      assertNoSecret(session.exchanges());
      await pool.close();
      assertEquals((await first).name, "PoolClosedError");
      assertNoSecret(await first);
      assertNoSecret(await session.get(url).catch((error) => error));
      await session.close();
      assertNoSecret(await session.get(url).catch((error) => error));
      const missing = await get(secretUrl(scope.url, "/status/404"), { headers: HEADERS });
      assertNoSecret(assertThrows(() => missing.throwIfNotOk()));
      assertNoSecret(await assertRejects(() => missing.json(), SyntaxError));
    },
  },
  {
    name: "a session, a pool and a response show themselves in a line, without secrets",
    needs: ["allHeaders"],
    async run({ scope, runtime }) {
      const path = "/headers?h=set-cookie:a=s3cret&h=x-token:s3cret";
      const session = new Session({
        headers: HEADERS,
        baseUrl: secretUrl(scope.url, "/"),
        pool: { maxConnections: 2 },
      });
      try {
        const response = await session.get(path);
        const streamed = await session.get(path, { prefetch: false });
        const endless = await session.get("/endless?token=s3cret", { prefetch: false });
        const queued = session.get("/bytes/1").catch(() => {});
        const web = (await get(secretUrl(scope.url, path))).toResponse();
        const shows: [object, string][] = [
          [response, `PrefetchedResponse { status: 200, url: "${scope.url}/headers?…", bytes: 10 }`],
          [streamed, `StreamedResponse { status: 200, url: "${scope.url}/headers?…", closed: false }`],
          [session, "Session { open: 2, queued: 1, closed: false }"],
          [session.pool, "Pool { active: 2, queued: 1, closed: false }"],
          [web, `Response { status: 200, url: "${scope.url}/headers?…", bodyUsed: false }`],
        ];
        // workerd's `inspect` shows any `Response` in its own way, and a bundle's names are not
        // those of the source.
        for (const [value, line] of runtime === "workerd" ? [] : shows) {
          assertEquals(inspect(value, {}), line);
          assertNoSecret(value);
        }
        await endless.close();
        await queued;
      } finally {
        await session.close();
      }
      assertNoSecret(session);
    },
  },

  withSession("no header can be injected", async (session, { scope }) => {
    const value = "1\r\nx-evil: 1";
    const attempts: [string, SessionRequestInit][] = [
      ["/echo", { headers: { "x-a": value } }],
      ["/echo", { headers: { [value]: "1" } }],
      ["/echo", { headers: [["x-a", "1\nx-evil: 1"]] }],
      ["/echo", { headers: [["x-a", "1\0"]] }],
      ["/echo", { method: `GET / HTTP/1.1\r\nx-evil: 1` }],
      ["/echo", { query: { [value]: value } }],
      [`/echo?${value}`, {}],
      [`/echo/${value}`, {}],
      [`/echo#${value}`, {}],
      ["/echo", { method: "POST", json: { [value]: value } }],
      ["/echo", { method: "POST", body: new URLSearchParams({ [value]: value }) }],
    ];
    for (const [path, init] of attempts) {
      const response = await session.request(scope.url + path, init).catch((error) => error);
      if (response instanceof Error) assert(response instanceof TypeError, String(response));
      else assertEquals(header(await readEcho(response), "x-evil"), undefined);
    }
    const { paths } = await scope.stats();
    assert(Object.keys(paths).every((path) => path.includes(" /echo")), JSON.stringify(paths));
  }),
  ...Object.entries(FRAMINGS).map(([what, headers]) =>
    withSession(`no request can be smuggled by the caller's headers: ${what}`, async (session, { scope }) => {
      for (const method of ["POST", "PUT", "GET", "DELETE"]) {
        const body = method === "GET" ? undefined : SMUGGLED;
        const url = `${scope.url}/echo`;
        for (
          const response of [
            await session.request(url, { method, body, headers }),
            await session.fetch(url, { method, body, headers }),
            await session.request(new Request(url, { method, body, headers })),
          ]
        ) {
          assertEquals((await readEcho(response)).body, body ?? "");
        }
      }
      const { paths } = await scope.stats();
      assertEquals(paths, { "POST /echo": 3, "PUT /echo": 3, "GET /echo": 3, "DELETE /echo": 3 });
    }, { needs: ["allHeaders"] })
  ),
  withSession("a name that only looks like Content-Length is refused", async (session, { scope }) => {
    for (const name of ["content-length ", " content-length", "content-length:", "content\u2011length"]) {
      const init = { method: "POST", body: SMUGGLED, headers: { [name]: "0" } };
      const error = await session.post(`${scope.url}/echo`, init).then(readEcho, (error) => error);
      // A space around a name is trimmed by none, or by all.
      if (error instanceof Error) assert(error instanceof TypeError, String(error));
      else assertEquals(error.body, SMUGGLED);
    }
    assertEquals((await scope.stats()).paths["GET /smuggled"], undefined);
  }),

  {
    name: "credentials stop where a redirect leaves https",
    needs: ["followsRedirects", "allHeaders"],
    async run({ scope, openScope }) {
      const tls = await openScope({ tls: 1 });
      const session = new Session({
        cookieJar: { getCookieString: (url) => url.startsWith(tls.url) ? "jar=s3cret" : "", setCookie: () => {} },
      });
      try {
        const headers = { ...HEADERS, "cookie": "a=s3cret", "proxy-authorization": "s3cret" };
        for (const base of [tls.url, tls.url.replace("//", "//ann:s3cret@")]) {
          for (const status of [301, 302, 303, 307, 308]) {
            const url = `${base}/redirect/${status}?to=${encodeURIComponent(`${scope.url}/echo`)}`;
            const echo = await readEcho(await session.get(url, { headers }));
            for (const name of ["authorization", "cookie", "proxy-authorization", "referer"]) {
              assertEquals(header(echo, name), undefined, name);
            }
          }
        }
      } finally {
        await session.close();
      }
    },
  },
  ...["javascript:alert(1)", "data:,s3cret", "file:///etc/passwd", "blob:http://127.0.0.1/0", "about:blank", "ws://a/"]
    .map((url) =>
      withSession(`${url} is refused, by itself and as a redirect`, async (session, { scope, can }) => {
        // The standard fetch knows these two, and needs no connection for them.
        const sends = /^(?:data|blob):/.test(url)
          ? [get, session.get.bind(session)]
          : [get, session.get.bind(session), session.fetch];
        for (const send of sends) {
          await assertRejects(() => send(url), TypeError, "the URL's scheme is not http or https");
        }
        for (const status of [301, 302, 303, 307, 308]) {
          const redirect = `${scope.url}/redirect/${status}?to=${encodeURIComponent(url)}`;
          const message = can("followsRedirects") ? "its scheme is not http or https" : "The connection failed";
          await assertRejects(() => session.get(redirect), NetworkError, message);
          const error = await assertRejects(() => session.fetch(redirect), TypeError);
          assertIsError(error.cause, NetworkError, message);
        }
      })
    ),

  ...Object.keys(POLLUTION).map(pollution),
  ...Object.keys(POOL_POLLUTION).map(poolPollution),
  ...Object.keys(NETWORK_POLLUTION).map(networkPollution),
  {
    name: "__proto__ in json, query, headers and options pollutes nothing",
    async run({ scope }) {
      const evil = JSON.parse('{ "__proto__": { "polluted": "yes", "method": "DELETE" }, "a": "1" }');
      const session = new Session(JSON.parse('{ "__proto__": { "polluted": "yes", "maxRedirects": 0 } }'));
      try {
        const url = `${scope.url}/echo`;
        const sent = await readEcho(await session.post(url, { json: evil }));
        assertEquals(sent.body, JSON.stringify(evil));
        // Values that are objects are refused, and so is this one.
        await assertRejects(() => session.get(url, { query: evil }), TypeError, "must be a string, number or boolean");
        const text = JSON.parse('{ "__proto__": "x" }');
        assertEquals((await readEcho(await session.get(url, { query: text }))).url, "/echo?__proto__=x");
        const options = JSON.parse('{ "__proto__": { "polluted": "yes", "method": "DELETE", "prefetch": false } }');
        assertEquals((await readEcho(await session.request(url, options))).method, "GET");
        const headers = { headers: JSON.parse('{ "__proto__": "x", "x-a": "1" }') };
        assertEquals(header(await readEcho(await session.get(url, headers)), "x-a"), "1");
        const transport = createTransport(JSON.parse('{ "__proto__": { "polluted": "yes" } }'));
        await transport.close();
        assertEquals([({} as { polluted?: string }).polluted, session.pool.stats().active], [undefined, 0]);
      } finally {
        await session.close();
      }
    },
  },

  withSession("what is decoded is capped by its decoded size", async (session, { scope }) => {
    const url = `${scope.url}/gzip-bomb/50000000`; // of 50 KB
    await assertRejects(() => session.get(url), BodyTooLargeError);
    const streamed = await session.get(url, { prefetch: false });
    await assertRejects(() => streamed.text(), BodyTooLargeError);
    const lines = await session.get(url, { prefetch: false });
    await assertRejects(async () => {
      for await (const _ of lines.lines());
    }, BodyTooLargeError);
    assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
  }, { maxBodyBytes: 1_000_000 }),
];
