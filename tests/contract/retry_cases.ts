// Copyright 2026 the Hangup authors. MIT license.
//
// What may be sent again: with `retry()` of @std/async, p-retry and a loop, against a server that
// fails twice. The server counts, so it proves that no POST arrives twice.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { retry } from "@std/async";
import pRetry from "p-retry";
import {
  BodyTooLargeError,
  get,
  HangupError,
  isRetriable,
  NetworkError,
  Pool,
  PoolClosedError,
  post,
  QueueFullError,
  request,
  retryAfter,
  Session,
  SessionClosedError,
  type SessionRequestInit,
  StatusError,
  TimeoutError,
  TooManyRedirectsError,
} from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { withSession } from "../harness/with_session.ts";

type Retry = <T>(send: () => Promise<T>) => Promise<T>;

const WAYS: Record<string, Retry> = {
  "retry() of @std/async": (send) => retry(send, { isRetriable, minTimeout: 0, maxTimeout: 1 }),
  "p-retry": (send) => pRetry(send, { shouldRetry: ({ error }) => isRetriable(error), minTimeout: 0, maxTimeout: 1 }),
  "a loop": async (send) => {
    for (let tries = 1;; tries++) {
      try {
        return await send();
      } catch (error) {
        if (tries === 5 || !isRetriable(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, retryAfter(error) ?? 1));
      }
    }
  },
};

const SAFE = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];
const UNSAFE = ["POST", "PATCH"];

/** What a call throws. */
async function thrownBy(send: () => Promise<unknown>): Promise<HangupError> {
  return await send().then(() => {
    throw new Error("It succeeded");
  }, (error) => error);
}

/** The error for a status. */
async function statusError(status: number, method: string, headers?: HeadersInit): Promise<StatusError> {
  const session = new Session({ fetch: () => Promise.resolve(new Response(null, { status, headers })) });
  const response = await session.request("https://example.com/", { method });
  await session.close();
  return assertThrows(() => response.throwIfNotOk(), StatusError);
}

/** What `retryAfter()` makes of a header, beside a `Date` of a server whose clock is wrong. */
async function waitFor(value: string, date = "Sun, 06 Nov 1994 08:49:37 GMT"): Promise<number | undefined> {
  return retryAfter(await statusError(503, "GET", { "retry-after": value, date }));
}

export const cases: Case[] = [
  ...Object.entries(WAYS).flatMap(([way, again]): Case[] => [
    withSession(`${way} gets through to a server that answers 503 twice`, async (session, { scope }) => {
      const send = async () => (await session.get(`${scope.url}/flaky?failures=2`)).throwIfNotOk();
      assertEquals((await again(send)).status, 200);
      assertEquals((await scope.stats()).paths, { "GET /flaky": 3 });
    }),
    withSession(`${way} gets through to a server that breaks off twice, by get() and session.fetch`, async (session, {
      scope,
      can,
    }) => {
      // The platform, or the module, sends a GET once more itself where a reused connection died.
      // These are fresh.
      const url = `${scope.url}/kill-first/2`;
      assertEquals((await again(() => get(url))).status, 200);
      if (can("allHeaders")) assertEquals((await scope.stats()).paths["GET /kill-first/2"], 3);
      const init = { method: "PUT", body: "x" };
      const response = await again(() => session.fetch(url, init));
      assertEquals((await response.arrayBuffer()).byteLength, 10);
    }),
    withSession(`${way} sends no POST or PATCH twice`, async (session, { scope }) => {
      for (const method of UNSAFE) {
        await assertRejects(() => again(() => session.request(`${scope.url}/kill-first/2`, { method, body: "x" })));
        const slow = { method, body: "x", timeout: { headers: 100 } };
        await assertRejects(() => again(() => session.request(`${scope.url}/hang`, slow)), TimeoutError);
        const failed = async () =>
          (await session.request(`${scope.url}/status/500`, { method, body: "x" })).throwIfNotOk();
        await assertRejects(() => again(failed), StatusError);
        const cut = { method, body: "x" };
        await assertRejects(() => again(() => session.request(`${scope.url}/truncate/5`, cut)), NetworkError);
      }
      const { paths } = await scope.stats();
      for (const [request, count] of Object.entries(paths)) assertEquals(count, 1, request);
      assertEquals(Object.keys(paths).length, 8);
    }, { needs: ["sendsOnce"] }),
    withSession(`${way} sends a POST again that the server refused`, async (session, { scope }) => {
      const send = async () => (await session.post(`${scope.url}/flaky?failures=2`, { json: 1 })).throwIfNotOk();
      assertEquals((await again(send)).status, 200);
      assertEquals((await scope.stats()).paths, { "POST /flaky": 3 });
    }),
  ]),

  withSession(
    "isRetriable() is false of a POST that was redirected, whatever fails then",
    async (session, { scope, can }) => {
      const to = (status: number, path: string) => `${scope.url}/redirect/${status}?to=${encodeURIComponent(path)}`;
      for (const status of [301, 302, 303, 307, 308]) {
        for (const path of ["/kill", "/status/500", "/status/503", "/truncate/5"]) {
          const send = async () => (await session.post(to(status, path), { body: "x" })).throwIfNotOk();
          assertEquals(isRetriable(await thrownBy(send)), false, `${status} ${path}`);
        }
        // The POST that led here was carried out, if the redirect is to a GET.
        const busy = async () => (await session.post(to(status, `/flaky?failures=9&i=${status}`))).throwIfNotOk();
        const error = await thrownBy(busy);
        assert(error instanceof StatusError);
        assertEquals(isRetriable(error), status >= 307 && can("followsRedirects"), `${status}`);
        for (const path of ["/kill", "/status/503", `/flaky?failures=9&i=${status}`]) {
          const send = async () => (await session.put(to(status, path), { body: "x" })).throwIfNotOk();
          assertEquals(isRetriable(await thrownBy(send)), true, `PUT ${status} ${path}`);
        }
      }
    },
  ),
  {
    name: "isRetriable() is false of a POST whose redirect leads to where nobody listens, though that was never sent",
    needs: ["explainsFailures"],
    async run({ scope, openScope }) {
      const gone = await openScope({ refuses: 1 });
      for (const send of [get, post]) {
        const error = await assertRejects(() => send(`${gone.url}/`), NetworkError);
        assertEquals([error.code, error.repeatable, isRetriable(error)], ["ECONNREFUSED", "always", true]);
        for (const status of [303, 307]) {
          const to = `${scope.url}/redirect/${status}?to=${encodeURIComponent(gone.url)}`;
          assertEquals(isRetriable(await assertRejects(() => send(to), NetworkError)), send === get);
        }
      }
      const input = new Request(`${gone.url}/`, { method: "POST", body: "used up" });
      assertEquals(isRetriable(await assertRejects(() => request(input), NetworkError)), false);
    },
  },
  {
    name: "isRetriable() knows the statuses: RFC 9110, 6585, 8470",
    async run() {
      for (const method of [...SAFE, ...UNSAFE]) {
        const safe = SAFE.includes(method);
        for (const status of [400, 401, 404, 408, 409, 413, 425, 429, 500, 501, 502, 503, 504, 505, 511]) {
          const passing = [408, 425, 429, 500, 502, 503, 504].includes(status);
          const refused = status === 425 || status === 429;
          const error = await statusError(status, method);
          assertEquals(isRetriable(error), safe ? passing : refused, `${method} ${status}`);
          const later = await statusError(status, method, { "retry-after": "1" });
          assertEquals(isRetriable(later), safe ? passing : refused || status === 503, `${method} ${status}`);
        }
        const odd = await statusError(503, method, { "retry-after": "soon" });
        assertEquals(isRetriable(odd), safe);
      }
    },
  },
  withSession("isRetriable() of a StatusError is the same for a streamed response", async (session, { scope }) => {
    for (const method of ["GET", "POST"]) {
      const response = await session.request(`${scope.url}/status/502`, { method, prefetch: false });
      const error = await assertRejects(() => response.throwIfNotOk(), StatusError);
      assertEquals([isRetriable(error), error.repeatable], method === "GET" ? [true, "always"] : [false, "refused"]);
    }
  }),
  withSession(
    "isRetriable() is true of what was never sent: a full queue, a wait that took too long",
    async (session) => {
      session.get("https://example.com/").catch(() => {});
      for (const init of [{ method: "POST", body: "x" }, { method: "GET" }]) {
        const [waited, full] = await Promise.all(
          [1, 2].map(() => thrownBy(() => session.request("https://example.com/", init))),
        );
        assert(waited instanceof TimeoutError && full instanceof QueueFullError);
        assertEquals([isRetriable(waited), isRetriable(full), waited.repeatable], [true, true, "always"]);
      }
      assertEquals(isRetriable(new QueueFullError(1)), true);
    },
    { fetch: () => new Promise(() => {}), timeout: { queue: 20 }, pool: { maxConnections: 1, maxQueued: 1 } },
  ),
  {
    name: "isRetriable() of a timeout goes by the method",
    async run({ scope }) {
      for (const method of ["GET", "DELETE", "POST", "PATCH"]) {
        const attempts: [string, SessionRequestInit][] = [
          ["/hang", { timeout: { headers: 50 } }],
          ["/hang", { timeout: 50 }],
          ["/stall/10", { timeout: { idle: 50 } }],
        ];
        for (const [path, init] of attempts) {
          const send = method === "GET" ? get : post;
          const error = await assertRejects(() => send(scope.url + path, { ...init, method } as never), TimeoutError);
          assertEquals(isRetriable(error), error.method === "GET", `${error.method} ${error.phase}`);
        }
      }
    },
  },
  withSession("isRetriable() is false of what another try does not help", async (session, { scope, can }) => {
    const get = (path: string, init?: SessionRequestInit) => thrownBy(() => session.get(scope.url + path, init));
    assert(await get("/bytes/10", { maxBodyBytes: 1 }) instanceof BodyTooLargeError);
    const errors: unknown[] = [
      await get("/bytes/10", { maxBodyBytes: 1 }),
      await get("/bytes/10", { timeout: -1 }),
      await get("/bytes/10", { signal: AbortSignal.abort() }),
      await get("/hang", { signal: AbortSignal.timeout(20) }),
      await get("/hang", { signal: AbortSignal.abort(new TypeError("stop", { cause: new Error() })) }),
      await thrownBy(async () => await (await session.get(`${scope.url}/bytes/10`)).json()),
      undefined,
      null,
      "ECONNREFUSED",
      new Error("fetch failed", { cause: new QueueFullError(1) }),
      new TypeError("fetch failed"),
    ];
    if (can("followsRedirects")) {
      assert(await get("/chain/3", { maxRedirects: 1 }) instanceof TooManyRedirectsError);
      errors.push(
        await get("/chain/3", { maxRedirects: 1 }),
        await get("/redirect/302?to=http%3A%2F%2F%5B"),
        await get("/redirect/302?to=ftp%3A%2F%2Fexample.com"),
        await get("/redirect/302?to=%2F", { redirect: "error" }),
      );
    }
    for (const error of errors) assertEquals(isRetriable(error), false, String(error));
  }),
  {
    name: "isRetriable() is false once the session or the pool is closed",
    async run() {
      const pool = new Pool();
      const session = new Session({ pool });
      await pool.close();
      const closed = await assertRejects(() => session.get("https://example.com/"), PoolClosedError);
      await session.close();
      const ended = await assertRejects(() => session.get("https://example.com/"), SessionClosedError);
      assertEquals([isRetriable(closed), isRetriable(ended)], [false, false]);
    },
  },
  withSession("isRetriable() is false if the body is a stream, or that of a Request", async (session, { scope }) => {
    const stream = () => new Blob(["x"]).stream();
    for (const path of ["/kill?read=1", "/flaky?failures=99"]) {
      const url = scope.url + path;
      const attempts = [
        () => session.put(url, { body: stream() }),
        () => session.request(new Request(url, { method: "PUT", body: "x" })),
        () => session.put(url, { body: "x" }),
        () => session.put(new Request(url, { method: "PUT", body: "x" }), { body: "another" }),
        () => session.request(new Request(url)),
      ];
      const results = [];
      for (const send of attempts) {
        const error = await thrownBy(async () => (await send()).throwIfNotOk());
        assert(error instanceof NetworkError || error instanceof StatusError, String(error));
        results.push(`${error.repeatable} ${isRetriable(error)}`);
      }
      const [gone, kept] = ["never false", "always true"];
      assertEquals(results, [gone, gone, kept, kept, kept]);
    }
  }, { needs: ["streamsUploads"] }),
  withSession("isRetriable() and retryAfter() look through the TypeError of a session's fetch", async (session, t) => {
    const wrap = (error: unknown) => new TypeError("fetch failed", { cause: error });
    const busy = await statusError(503, "GET", { "retry-after": "2" });
    assertEquals([isRetriable(wrap(busy)), retryAfter(wrap(busy))], [true, 2000]);
    for (const method of ["GET", "POST"]) {
      const error = await thrownBy(() => session.fetch(`${t.scope.url}/kill?read=1`, { method }));
      assertEquals(isRetriable(error), method === "GET");
    }
  }),
  {
    name: "isRetriable() and retryAfter() take errors that somebody else created",
    async run() {
      const sent = (method: string) => ({ method, url: "https://example.com/" });
      assertEquals([isRetriable(new NetworkError("a", sent("GET"))), isRetriable(new NetworkError("a"))], [
        true,
        false,
      ]);
      assertEquals(isRetriable(new NetworkError("a", sent("POST"))), false);
      assertEquals(isRetriable(new NetworkError("a", { ...sent("POST"), repeatable: "always" })), true);
      assertEquals(isRetriable(new TimeoutError("idle", 1, sent("PUT"))), true);
      assertEquals(isRetriable(new HangupError("a", sent("GET"))), false);
      const { response } = await statusError(503, "POST", { "retry-after": "0" });
      assertEquals([isRetriable(new StatusError(response)), retryAfter(new StatusError(response))], [true, 0]);
      const ring = new TypeError("a");
      ring.cause = ring;
      for (const error of [ring, new Error("a"), undefined, null, 1, new NetworkError("a")]) {
        assertEquals(retryAfter(error), undefined);
      }
      assertEquals(isRetriable(ring), false);
    },
  },
  {
    name: "retryAfter() is in milliseconds, from seconds or a date in each form of HTTP",
    async run() {
      const expected: [value: string, wait: number | undefined][] = [
        ["0", 0],
        ["120", 120_000],
        ["007", 7000],
        ["Sun, 06 Nov 1994 08:50:37 GMT", 60_000],
        ["Sunday, 06-Nov-94 08:50:37 GMT", 60_000],
        ["Sun Nov  6 08:50:37 1994", 60_000],
        ["Wed Nov 16 08:49:37 1994", 864_000_000],
        ["Sun, 06 Nov 1994 08:49:60 GMT", 23_000],
        ["Sun, 06 Nov 1994 08:49:36 GMT", 0],
        ["Sat, 01 Jan 1983 00:00:00 GMT", 0],
        // A year of two digits is at most 50 years ahead.
        ["Saturday, 06-Nov-93 08:50:37 GMT", 0],
        ["Wednesday, 06-Nov-44 08:49:37 GMT", Date.UTC(2044, 10, 6) - Date.UTC(1994, 10, 6)],
        ...[
          "",
          "-1",
          "+1",
          "1.5",
          "1e3",
          "0x10",
          "5, 10",
          "5s",
          "soon",
          "9".repeat(400),
          "1994-11-06T08:50:37Z",
          "Sun, 06 Nov 1994 08:50:37",
          "Sun, 06 Nov 1994 08:50:37 CET",
          "Sun, 06 Nov 1994 08:50:37 +0100",
          "Sun, 6 Nov 1994 08:50:37 GMT",
          "Sun, 06 Nov 1994 24:50:37 GMT",
          "Sun, 06 Nov 1994 08:60:37 GMT",
          "Sun, 06 Foo 1994 08:50:37 GMT",
          "Sun, 06 anF 1994 08:50:37 GMT",
          "Sun, 31 Feb 1994 08:50:37 GMT",
          "Sun, 00 Nov 1994 08:50:37 GMT",
          "06 Nov 1994 08:50:37 GMT",
          "Nov 6 1994",
        ].map((value): [string, undefined] => [value, undefined]),
      ];
      for (const [value, wait] of expected) assertEquals(await waitFor(value), wait, JSON.stringify(value));
    },
  },
  {
    name: "retryAfter() counts from now if the server sends no Date, or a malformed one",
    async run() {
      for (const headers of [{}, { date: "today" }] as Record<string, string>[]) {
        const at = new Date(Date.now() + 60_000).toUTCString();
        const wait = retryAfter(await statusError(503, "GET", { "retry-after": at, ...headers }))!;
        assert(wait > 50_000 && wait <= 60_000, String(wait));
        assertEquals(retryAfter(await statusError(503, "GET", headers)), undefined);
      }
    },
  },
];
