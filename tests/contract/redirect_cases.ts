// Copyright 2026 the Hangup authors. MIT license.
//
// Redirects are followed by the session, by the rules of the Fetch standard. The cases named "WPT"
// are what the Web Platform Tests ask for in fetch/api/redirect, put to the counting server.
import { assert, assertEquals, assertIsError, assertRejects } from "@std/assert";
import { NetworkError, Pool, Session, type SessionRequestInit, TooManyRedirectsError } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { header, pause, readEcho, within, withSession } from "../harness/with_session.ts";
import type { Scope } from "../server/client.ts";

const STATUSES = [301, 302, 303, 307, 308];
const FOLLOWS = { needs: ["followsRedirects" as const] };

/** The URL of a redirect to `to`, which may be of another scope. */
function redirect(scope: Scope, to: string, status = 302): string {
  return `${scope.url}/redirect/${status}?to=${encodeURIComponent(to)}`;
}

const SECRETS = {
  authorization: "Bearer s3cret",
  cookie: "a=1",
  "proxy-authorization": "Basic s3cret",
  "x-kept": "yes",
};

/** What a method becomes at a redirect, by status; the body stays where the method does. */
function method(status: number, sent: string, expected: string, body?: () => BodyInit, what = ""): Case {
  return withSession(
    `WPT redirect-method: ${status} makes ${sent}${what} a ${expected}`,
    async (session, { scope }) => {
      const response = await session.request(redirect(scope, "/echo", status), {
        method: sent,
        body: body?.(),
        headers: { "content-language": "en" },
      });
      assertEquals([response.status, response.redirected, response.request.method], [200, true, expected]);
      const { paths } = await scope.stats();
      assertEquals(paths, { [`${sent} /redirect/${status}`]: 1, [`${expected} /echo`]: 1 });
      if (sent === "HEAD") return;
      const echo = await readEcho(response);
      const kept = expected === sent ? body?.() : undefined;
      assertEquals([echo.method, echo.body], [expected, kept === undefined ? "" : "the body"]);
      // A header that speaks of the body goes where the body goes.
      assertEquals(header(echo, "content-language"), expected === sent ? "en" : undefined);
      const bare = await readEcho(await fetch(`${scope.url}/echo?close`, { method: expected, body: kept }));
      for (const name of ["content-type", "content-length", "transfer-encoding"]) {
        assertEquals(header(echo, name), header(bare, name));
      }
    },
    FOLLOWS,
  );
}

const TEXT = (): BodyInit => "the body";
const BLOB = (): BodyInit => new Blob(["the body"], { type: "text/plain;charset=utf-8" });

/**
 * A redirect that is refused with a NetworkError; where it came from was asked once, and nothing
 * else.
 */
function refused(what: string, to: string, message: string): Case {
  return withSession(`Session.request() refuses a redirect ${what}`, async (session, { scope }) => {
    for (const status of STATUSES) {
      const error = await assertRejects(() => session.get(redirect(scope, to, status)), NetworkError, message);
      assertEquals([error.method, error.url], ["GET", `${scope.url}/redirect/${status}?…`]);
    }
    assertEquals((await scope.stats()).requests, STATUSES.length);
    assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
  }, FOLLOWS);
}

/** A body that is not replayed, and the redirects that ask for it. */
function notReplayed(what: string, body: () => SessionRequestInit["body"] | Request): Case {
  return withSession(`Session.request() does not replay ${what} at a redirect`, async (session, { scope }) => {
    for (const status of [307, 308]) {
      const url = redirect(scope, "/echo", status);
      await assertRejects(
        () => session.post(url, { body: body() as BodyInit }),
        NetworkError,
        "Cannot follow the redirect as the body is a stream, which cannot be sent again: POST http",
      );
    }
    assertEquals((await scope.stats()).requests, 2);
    // After the others there is no body.
    for (const status of [301, 302, 303]) {
      const echo = await readEcho(await session.post(redirect(scope, "/echo", status), { body: body() as BodyInit }));
      assertEquals([echo.method, echo.body], ["GET", ""]);
    }
  }, { needs: ["followsRedirects", "streamsUploads"] });
}

function streamOf(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

export const cases: Case[] = [
  {
    name: "a request that follows a redirect does not wait behind those that came later",
    async run() {
      const sent: string[] = [];
      const fetch = (url: URL) => {
        sent.push(url.pathname);
        const to = url.pathname.replace("from", "to");
        const headers: Record<string, string> = to === url.pathname ? {} : { location: to };
        return Promise.resolve(new Response(null, { status: to === url.pathname ? 200 : 302, headers }));
      };
      const session = new Session({ fetch: fetch as typeof globalThis.fetch, pool: { maxConnections: 1 } });
      const all = ["a", "b", "c", "d"];
      await Promise.all(all.map((name) => session.get(`http://x.test/from/${name}`)));
      // The slot that a redirect gives back may go to who waits, the next one goes to its
      // successor.
      const late = ["a", "b"].filter((name, i) => sent.indexOf(`/to/${name}`) > sent.indexOf(`/from/${all[i + 2]}`));
      assertEquals([late, sent.length], [[], 8], sent.join());
      await session.close();
    },
    needs: ["followsRedirects"],
  },
  ...STATUSES.flatMap((status) => [
    method(status, "GET", "GET"),
    method(status, "HEAD", "HEAD"),
    method(status, "POST", status < 304 ? "GET" : "POST", TEXT),
    method(status, "PUT", status === 303 ? "GET" : "PUT", TEXT),
    method(status, "DELETE", status === 303 ? "GET" : "DELETE"),
    method(status, "PROPFIND", status === 303 ? "GET" : "PROPFIND", TEXT),
  ]),
  method(307, "POST", "POST", BLOB, " with a Blob"),
  method(301, "PATCH", "PATCH", TEXT),
  method(308, "PATCH", "PATCH", BLOB, " with a Blob"),
  notReplayed("a stream", () => streamOf("the body")),

  ...STATUSES.flatMap((status) => [
    withSession(`WPT redirect-count: twenty redirects with ${status} are followed`, async (session, { scope }) => {
      const response = await session.get(`${scope.url}/chain/20?status=${status}`);
      assertEquals(await response.text(), "end");
      assertEquals((await scope.stats()).requests, 21);
    }, FOLLOWS),
    withSession(`WPT redirect-count: the 21st redirect with ${status} is an error`, async (session, { scope }) => {
      const promise = session.get(`${scope.url}/chain/21?status=${status}`);
      const error = await assertRejects(() => promise, TooManyRedirectsError);
      assertEquals(error.maxRedirects, 20);
      assertEquals(error.message, `Cannot follow more than 20 redirects: GET ${scope.url}/chain/1?…`);
      assertEquals((await scope.stats()).requests, 21);
      assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
    }, FOLLOWS),
  ]),
  withSession("maxRedirects of a request goes before that of the session", async (session, { scope }) => {
    await assertRejects(() => session.get(`${scope.url}/chain/1`), TooManyRedirectsError, "more than 0 redirects");
    assertEquals((await scope.stats()).requests, 1);
    const options = { maxRedirects: 2 };
    assertEquals((await session.get(`${scope.url}/chain/2`, options)).history.length, 2);
    await assertRejects(() => session.get(`${scope.url}/chain/3`, options), TooManyRedirectsError);
    assertEquals((await session.get(`${scope.url}/bytes/10`)).redirected, false);
  }, { ...FOLLOWS, maxRedirects: 0 }),

  ...[
    "/bytes/10",
    "../bytes/10",
    "./../bytes/10?x=1",
    "//HOST/bytes/10",
    "http://HOST/bytes/10",
    "HTTP://HOST/bytes/10",
  ]
    .map((to) =>
      withSession(`WPT redirect-location: Location may be ${to}`, async (session, { scope }) => {
        const location = to.replace("HOST", new URL(scope.url).host);
        const expected = `${scope.url}/bytes/10${to.includes("?") ? "?x=1" : ""}`;
        for (const status of STATUSES) {
          const response = await session.get(redirect(scope, location, status));
          assertEquals([response.status, response.url, response.redirected], [200, expected, true]);
        }
      }, FOLLOWS)
    ),
  withSession("WPT redirect-location: without Location a redirect is the response", async (session, { scope }) => {
    for (const status of STATUSES) {
      const response = await session.get(`${scope.url}/redirect/${status}?body=10`);
      assertEquals([response.status, response.redirected, response.history], [status, false, []]);
      assertEquals(response.content.byteLength, 10);
    }
    assertEquals((await scope.stats()).requests, STATUSES.length);
  }),
  withSession("WPT redirect-location: other statuses do not redirect", async (session, { scope }) => {
    for (const status of [200, 201, 300, 304, 305, 306, 309, 400]) {
      const response = await session.get(redirect(scope, "/bytes/10", status));
      assertEquals([response.status, response.redirected], [status, false]);
    }
  }, { needs: ["exactRedirects"] }),
  refused("with a malformed Location", "http://[1::2", "its Location is malformed"),
  refused("to a port that does not exist", "http://127.0.0.1:99999/", "its Location is malformed"),
  ...[
    "mailto:a@example.com",
    "data:,HI",
    "facetime:a@example.org",
    "about:blank",
    "blob:http://a/b",
    "file:///etc/hosts",
    "javascript:0",
    "ftp://127.0.0.1/",
  ].map((to) =>
    refused(
      `to ${to} (WPT redirect-schemes)`,
      to,
      // What stands before an "@" may be a user's name and password.
      `its scheme is not http or https${to.includes("@") ? "" : ` but "${to.slice(0, to.indexOf(":") + 1)}"`}`,
    )
  ),
  withSession("WPT redirect-empty-location: an empty Location is the same URL again", async (session, { scope }) => {
    for (const status of STATUSES) {
      await assertRejects(() => session.get(redirect(scope, "", status)), TooManyRedirectsError);
    }
    assertEquals((await scope.stats()).requests, 21 * STATUSES.length);
    const { status, redirected } = await session.get(redirect(scope, ""), { redirect: "manual" });
    assertEquals([status, redirected], [302, false]);
  }, { needs: ["followsRedirects", "exactLocation"] }),

  withSession('WPT redirect-mode: "manual" returns the redirect itself', async (session, { scope }) => {
    for (const status of STATUSES) {
      const url = `${redirect(scope, "/bytes/10", status)}&body=10`;
      const response = await session.get(url, { redirect: "manual" });
      assertEquals([response.status, response.url, response.redirected], [status, url, false]);
      assertEquals([response.headers.get("location"), response.content.byteLength], ["/bytes/10", 10]);
      const web = await session.fetch(url, { redirect: "manual" });
      assertEquals([web.status, web.url, web.redirected], [status, url, false]);
      assertEquals((await web.arrayBuffer()).byteLength, 10);
    }
    assertEquals((await scope.stats()).paths["GET /bytes/10"], undefined);
  }, { needs: ["observesRedirects"] }),
  withSession('WPT redirect-mode: "error" rejects a redirect, and nothing else', async (session, { scope, can }) => {
    for (const status of STATUSES) {
      const url = redirect(scope, "/bytes/10", status);
      const message = 'The response is a redirect, and "redirect" is "error": GET http';
      await assertRejects(() => session.get(url, { redirect: "error" }), NetworkError, message);
      if (!can("redirectError")) continue;
      const error = await assertRejects(() => session.fetch(new Request(url, { redirect: "error" })), TypeError);
      assertIsError(error.cause, NetworkError, message);
    }
    assertEquals((await scope.stats()).paths["GET /bytes/10"], undefined);
    assertEquals((await session.get(`${scope.url}/bytes/10`, { redirect: "error" })).status, 200);
    await assertRejects(() => session.get(`${scope.url}/redirect/302`, { redirect: "error" }), NetworkError);
  }, FOLLOWS),

  {
    name: "history, redirected and url tell the way over many hops and two origins",
    needs: ["followsRedirects", "observesRedirects"],
    async run({ scope, openScope }) {
      const other = await openScope();
      const last = `${other.url}/bytes/10?last`;
      const third = redirect(other, last, 308);
      const second = redirect(scope, third, 307);
      const first = redirect(scope, second, 301);
      const session = new Session();
      try {
        const response = await session.get(first);
        assertEquals([response.url, response.redirected, response.request.url], [last, true, last]);
        const way = response.history.map(({ status, url, headers }) => [status, url, headers.get("location")]);
        assertEquals(way, [[301, first, second], [307, second, third], [308, third, last]]);
        const web = response.toResponse();
        assertEquals([web.url, web.redirected], [last, true]);
        const direct = await session.get(last);
        assertEquals([direct.url, direct.redirected, direct.history], [last, false, []]);
        const streamed = await session.get(first, { prefetch: false });
        assertEquals([streamed.url, streamed.redirected, streamed.history.length], [last, true, 3]);
        await streamed.close();
        const fetched = await session.fetch(first);
        assertEquals([fetched.url, fetched.redirected], [last, true]);
      } finally {
        await session.close();
      }
    },
  },
  withSession("a fragment is inherited, unless Location has its own", async (session, { scope }) => {
    const to = (location: string) => session.get(`${redirect(scope, location)}#mine`);
    assertEquals((await to("/bytes/10")).url, `${scope.url}/bytes/10#mine`);
    assertEquals((await to("/bytes/10#theirs")).url, `${scope.url}/bytes/10#theirs`);
    assertEquals((await to("/bytes/10#")).url, `${scope.url}/bytes/10#`);
    assertEquals((await to(`${new URL(redirect(scope, "/bytes/10")).href}`)).url, `${scope.url}/bytes/10#mine`);
    assertEquals((await session.fetch(`${redirect(scope, "/bytes/10")}#mine`)).url, `${scope.url}/bytes/10`);
    assertEquals((await scope.stats()).paths["GET /bytes/10"], 5);
  }, { needs: ["observesRedirects"] }),
  withSession("a Location that is not ASCII is read as UTF-8", async (session, { scope, can }) => {
    // The server writes one byte for each character.
    const bytes = String.fromCharCode(...new TextEncoder().encode("/echo?ü=☺"));
    const echo = await readEcho(await session.get(redirect(scope, bytes)));
    assertEquals(echo.url, "/echo?%C3%BC=%E2%98%BA");
    if (!can("exactLocation")) return;
    const latin1 = await readEcho(await session.get(redirect(scope, "/echo?ü")));
    assertEquals(latin1.url, "/echo?%C3%BC");
  }, FOLLOWS),

  ...(["headers", "session"] as const).map((given): Case => ({
    name: `credentials stop at a change of origin, and stay away on the way back: those of the ${given}`,
    needs: ["followsRedirects", "allHeaders"],
    async run({ scope, openScope }) {
      const other = await openScope();
      const session = new Session(given === "session" ? { headers: SECRETS } : {});
      const headers = given === "headers" ? SECRETS : undefined;
      try {
        const sent = async (url: string) => {
          const echo = await readEcho(await session.get(url, { headers }));
          return Object.keys(SECRETS).filter((name) => header(echo, name) !== undefined);
        };
        assertEquals(await sent(redirect(scope, "/echo")), Object.keys(SECRETS));
        assertEquals(await sent(redirect(scope, `${other.url}/echo`)), ["x-kept"]);
        // WPT redirect-back-to-original-origin
        assertEquals(await sent(redirect(scope, redirect(other, `${scope.url}/echo`))), ["x-kept"]);
        const { host, port } = new URL(scope.url);
        assertEquals(await sent(redirect(scope, `http://localhost:${port}/echo`)), ["x-kept"], host);
      } finally {
        await session.close();
      }
    },
  })),
  {
    name: "a Host of the caller's stops at a change of origin",
    needs: ["followsRedirects", "allHeaders"],
    async run({ scope, openScope }) {
      const other = await openScope();
      const session = new Session({ headers: { host: "virtual.example" } });
      try {
        const host = async (url: string) => header(await readEcho(await session.get(url)), "host");
        const own = new URL(scope.url).host;
        // Not every runtime lets a caller set it; none may send it to another origin.
        const set = await host(`${scope.url}/echo`);
        assert(set === "virtual.example" || set === own, set);
        assertEquals(await host(redirect(scope, "/echo")), set);
        assertEquals(await host(redirect(scope, `${other.url}/echo`)), new URL(other.url).host);
        assertEquals(await host(redirect(scope, redirect(other, `${scope.url}/echo`))), own);
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "credentials in a URL are sent to its origin alone, and those in a Location to where it points",
    needs: ["followsRedirects", "allHeaders"],
    async run({ scope, openScope }) {
      const other = await openScope();
      const session = new Session();
      try {
        const withUser = (url: string) => url.replace("//", "//ann:s3cret@");
        const authorization = async (url: string) => header(await readEcho(await session.get(url)), "authorization");
        assertEquals(await authorization(withUser(redirect(scope, "/echo"))), `Basic ${btoa("ann:s3cret")}`);
        assertEquals(await authorization(withUser(redirect(scope, `${other.url}/echo`))), undefined);
        assertEquals(
          await authorization(redirect(scope, withUser(`${other.url}/echo`))),
          `Basic ${btoa("ann:s3cret")}`,
        );
        const response = await session.get(redirect(scope, withUser(`${other.url}/echo`)));
        assertEquals(response.url, `${other.url}/echo`);
      } finally {
        await session.close();
      }
    },
  },

  {
    name: "each hop counts against the limit of its own origin",
    needs: ["followsRedirects"],
    async run({ scope, openScope }) {
      const other = await openScope();
      const pool = new Pool({ maxConnections: 4, maxConnectionsPerOrigin: 1 });
      const session = new Session({ pool });
      try {
        const busy = session.get(`${other.url}/hold?key=a`);
        await other.wait({ requests: 1 }, 10_000);
        const redirected = session.get(redirect(scope, `${other.url}/bytes/10`));
        await scope.wait({ requests: 1, pending: 0 }, 10_000);
        // It waits for the second origin, and no longer holds the first.
        assertEquals((await session.get(`${scope.url}/bytes/10`)).status, 200);
        assertEquals(pool.stats().origins[other.url], { active: 1, queued: 1 });
        await other.release("a");
        assertEquals([(await busy).status, (await redirected).status], [200, 200]);
        assertEquals((await other.stats()).maxPending, 1);
      } finally {
        await session.close();
        await pool.close();
      }
    },
  },
  {
    name: "many redirects through one connection do not deadlock",
    needs: ["followsRedirects"],
    async run({ scope, openScope }) {
      const other = await openScope();
      const session = new Session({ pool: { maxConnections: 1 } });
      try {
        const url = redirect(scope, redirect(other, `${scope.url}/chain/3?body=1000`));
        const responses = await Promise.all(Array.from({ length: 20 }, () => session.get(url)));
        for (const response of responses) assertEquals([await response.text(), response.history.length], ["end", 5]);
        assertEquals([(await scope.stats()).maxPending, (await other.stats()).maxPending], [1, 1]);
        assertEquals(session.pool.stats().active, 0);
      } finally {
        await session.close();
      }
    },
  },
  ...[302, 307].flatMap((status) =>
    [["", "10 MB"], ["&chunked", "10 MB in chunks"]].map(([query, what]) =>
      withSession(
        `a ${status} with a body of ${what} is followed without reading it`,
        async (session, { scope, can }) => {
          for (let i = 1; i <= 5; i++) {
            const response = await session.get(`${redirect(scope, "/bytes/10", status)}&body=10000000${query}`);
            assertEquals([response.status, response.content.byteLength], [200, 10]);
            const { bodyBytes, open } = await scope.wait({ pending: 0 });
            // What the kernel takes in before the client has gone is sent without being read.
            assert(bodyBytes < i * 8_000_000, `the server sent ${bodyBytes} bytes`);
            // The idle one of the second hop, and one that Node dials after each abort.
            if (can("closesSockets")) assert(open <= 2, `${open} sockets are open`);
          }
        },
        FOLLOWS,
      )
    )
  ),
  withSession("a redirect with a short body keeps its connection", async (session, { scope }) => {
    for (let i = 0; i < 5; i++) await session.get(`${scope.url}/chain/4?body=1000`);
    const { accepted } = await scope.stats();
    // Node may open a second one, as it hands out the end of a body before the socket.
    assert(accepted <= 2, `${accepted} sockets for 25 requests`);
  }, { needs: ["followsRedirects", "closesSockets"] }),
  withSession("a redirect whose body stalls is followed soon", async (session, { scope }) => {
    const start = performance.now();
    const response = await session.get(`${redirect(scope, "/bytes/10")}&body=10&stall`);
    const took = performance.now() - start;
    assertEquals(response.status, 200);
    assert(took < 10_000, `it took ${took} ms`);
    await scope.wait({ pending: 0 });
  }, FOLLOWS),
  withSession("a 303 that answers an upload early ends the upload", async (session, { scope }) => {
    let canceled = () => {};
    const cancel = new Promise<void>((resolve) => canceled = resolve);
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await pause(5);
        controller.enqueue(new Uint8Array(1000));
      },
      cancel: () => canceled(),
    });
    const response = await session.post(redirect(scope, "/bytes/10", 303), { body });
    assertEquals([response.status, response.request.method], [200, "GET"]);
    await within(10_000, cancel);
    await pause(20); // the source's own timer
    await scope.wait({ pending: 0 });
  }, { needs: ["followsRedirects", "streamsUploads"] }),
  withSession("an iterable goes where bare fetch sends it", async (session, { scope, openScope }) => {
    // A stream on Deno and workerd, and text elsewhere.
    function* chunks() {
      yield new TextEncoder().encode("the ");
      yield new TextEncoder().encode("body");
    }
    const send = async (fetch: typeof globalThis.fetch, url: string, body: Iterable<Uint8Array>) => {
      const init = { method: "PUT", body: body as unknown as BodyInit, duplex: "half" };
      return await fetch(url, init).then(async (response) => (await readEcho(response)).body, (error) => error.name);
    };
    const request = ((url: string, init: SessionRequestInit) => session.request(url, init)) as never;
    const elsewhere = await openScope(); // bare fetch leaves its sockets open
    for (const path of ["/echo", "/redirect/303?to=/echo", "/redirect/307?to=/echo"]) {
      for (const body of [chunks, () => [...chunks()], () => new Set(chunks())]) {
        const bare = await send(fetch, elsewhere.url + path, body());
        assertEquals([path, await send(session.fetch, scope.url + path, body())], [path, bare]);
        if (Array.isArray(body())) continue; // for which there is the option `json`
        const asked = await send(request, scope.url + path, body());
        assertEquals([path, asked], [path, bare === "TypeError" ? "NetworkError" : bare]);
      }
    }
  }, { needs: ["followsRedirects", "streamsUploads", "plainFetch"] }),
];
