// Copyright 2026 the Hangup authors. MIT license.
//
// A server may close an idle connection just as a request arrives. What may be sent again is, once;
// what may not arrives at most once. What arrived is counted by the server.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  get,
  NetworkError,
  patch,
  post,
  type PrefetchedResponse,
  Session,
  type SessionRequestInit,
} from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { foreignBuffer } from "../harness/realm.ts";
import { header, pause, readEcho, within, withSession } from "../harness/with_session.ts";
import type { Scope } from "../server/client.ts";

const RETRIES = { needs: ["retriesStale" as const] };
const ONCE = { needs: ["sendsOnce" as const] };
const UNKNOWN = "so the outcome of the request is unknown: ";

/** Opens so many connections, and leaves them idle. */
async function warm(session: Session, scope: Scope, connections = 1): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, (_, i) => session.get(`${scope.url}/hold?key=warm&i=${i}`).catch(() => {}))
      .concat(scope.wait({ requests: connections }, 10_000).then(() => scope.release("warm"))),
  );
  // Node hands out the end of a body before the socket.
  await pause(20);
}

function form(): FormData {
  const data = new FormData();
  data.append("name", "ünï");
  data.append("file", new Blob(["content"], { type: "text/x-test" }), "file.txt");
  return data;
}

function stream(text = "streamed"): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

const BODIES: Record<string, () => BodyInit | null | undefined> = {
  "no body": () => undefined,
  "an empty string": () => "",
  "a string": () => "tëxt",
  "a long string": () => "x".repeat(200_000),
  "bytes": () => new Uint8Array([1, 2, 3]),
  "a view of bytes": () => new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
  "no bytes": () => new Uint8Array(0),
  "many bytes": () => new Uint8Array(200_000),
  "an ArrayBuffer": () => new Uint8Array([1, 2, 3]).buffer,
  "an ArrayBuffer of another realm": () => foreignBuffer("abc"),
  "a number": () => 5 as unknown as BodyInit,
  "a function": () => (() => 5) as unknown as BodyInit,
  "a String object": () => new String("tëxt") as unknown as BodyInit,
  "a FormData": form,
  "a Blob": () => new Blob(["blob"], { type: "Text/X-Blob;Charset=UTF-8" }),
  "a Blob without a type": () => new Blob(["blob"]),
  "an empty Blob": () => new Blob([]),
  "a URLSearchParams": () => new URLSearchParams({ a: "1", ü: "ü" }),
  "an empty URLSearchParams": () => new URLSearchParams(),
};

/** What a request meets on a connection that was used before. */
const DEATHS: Record<string, string> = {
  "as the request arrives": "/kill-reused",
  "after the request was read": "/kill-reused?read=1",
};

/** The first request on a connection, after which some runtimes repeat no other by themselves. */
const SERVED: Record<string, () => SessionRequestInit> = {
  "a POST": () => ({ method: "POST", json: { a: 1 } }),
  "a POST without a body": () => ({ method: "POST" }),
  "a POST of a stream": () => ({ method: "POST", body: stream() }),
  "a PUT of a stream": () => ({ method: "PUT", body: stream() }),
};

function repeats(method: string, what: string, body: () => BodyInit | null | undefined, when: string): Case {
  return withSession(`a stale connection is replaced, once: ${method}, ${what}, closed ${when}`, async (
    session,
    { scope },
  ) => {
    await warm(session, scope);
    const response = await session.request(`${scope.url}${DEATHS[when]}`, { method, body: body() });
    assertEquals(response.status, 200);
    const { paths, killed } = await scope.stats();
    assertEquals([paths[`${method} /kill-reused`], killed], [2, 1]);
  }, RETRIES);
}

/** Sends what must arrive once at most, where it is killed, and says what arrived. */
function arrivesOnce(method: string, what: string, body: () => BodyInit | null | undefined, when: string): Case {
  return withSession(`${method} arrives at most once: ${what}, closed ${when}`, async (session, { scope }) => {
    await warm(session, scope);
    const url = `${scope.url}${DEATHS[when]}`;
    // Where it went over a connection of its own it succeeds.
    const error = await session.request(url, { method, body: body() }).catch((error) => error);
    if (error instanceof Error) assertLost(error, method);
    const first = await scope.stats();
    assertEquals(first.paths[`${method} /kill-reused`], 1);
    assertEquals(first.killed, error instanceof Error ? 1 : 0);
    // On every runtime: whatever connection it went over.
    await warm(session, scope);
    const kill = url.replace("kill-reused", "kill");
    const failure = await assertRejects(() => session.request(kill, { method, body: body() }), NetworkError);
    assertLost(failure, method);
    await pause(30); // for a second arrival
    assertEquals((await scope.stats()).paths[`${method} /kill`], 1);
  }, { needs: what === "a stream" ? [...ONCE.needs, "streamsUploads"] : ONCE.needs });
}

function assertLost(error: Error, method: string) {
  assert(error instanceof NetworkError, String(error));
  // A PUT may be sent again, if by the caller.
  const outcome = method === "PUT" ? ": " : `, ${UNKNOWN}`;
  assert(error.message.includes(`before the response's headers${outcome}${method}`), error.message);
  assert(error.cause !== undefined);
}

/** The headers that frame and describe a body, with the boundary of a form cut out. */
async function framing(response: Response | PrefetchedResponse): Promise<unknown> {
  const echo = await readEcho(response);
  const type = header(echo, "content-type");
  const boundary = /^--(\S+)\r\n/.exec(echo.body)?.[1];
  const clean = (text?: string) => boundary ? text?.replaceAll(boundary, "BOUNDARY") : text;
  // Boundaries differ in length from runtime to runtime, and on some from request to request.
  const slack = boundary ? echo.body.split(boundary).length - 1 : 0;
  const length = header(echo, "content-length");
  return {
    type: clean(type),
    length: length === undefined ? undefined : Number(length) - slack * (boundary?.length ?? 0),
    coding: header(echo, "transfer-encoding"),
    body: clean(echo.body),
  };
}

export const cases: Case[] = [
  ...Object.keys(DEATHS).flatMap((when) => [
    ...["GET", "HEAD", "OPTIONS", "DELETE"].map((method) => repeats(method, "no body", () => undefined, when)),
    ...Object.entries(BODIES).map(([what, body]) => repeats("PUT", what, body, when)),
    repeats("DELETE", "a string", () => "text", when),
    ...Object.entries(BODIES).map(([what, body]) => arrivesOnce("POST", what, body, when)),
    arrivesOnce("POST", "a stream", () => stream(), when),
    ...["no body", "a string", "a FormData"].map((what) => arrivesOnce("PATCH", what, BODIES[what]!, when)),
    arrivesOnce("PUT", "a stream", () => stream(), when),
  ]),
  withSession("connections that were reset while the program was busy are replaced", async (session, { scope }) => {
    for (const [path, alive] of Object.entries({ "resets-while-idle": 3, "closes-while-idle": 1 })) {
      const dying = Array.from({ length: 4 }, () => session.get(`${scope.url}/fault/${path}`));
      await Promise.all(dying.concat(Array.from({ length: alive }, () => session.get(`${scope.url}/bytes/10`))));
      await pause(1);
      for (const end = performance.now() + 100; performance.now() < end;);
      const burst = Array.from({ length: 2 }, () => session.get(`${scope.url}/bytes/10`));
      assertEquals((await Promise.all(burst)).map(({ status }) => status), [200, 200]);
      await pause(30);
    }
  }, RETRIES),
  withSession("a POST finds what the server has closed while the program was busy", async (session, { scope }) => {
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 2 }, () => session.get(`${scope.url}/fault/closes-while-idle`)));
      await pause(1);
      for (const end = performance.now() + 150; performance.now() < end;);
      assertEquals((await session.post(`${scope.url}/echo`, { body: "text" })).status, 200);
    }
  }, RETRIES),
  withSession("stale connections are replaced, also those of requests that had to wait", async (session, { scope }) => {
    await warm(session, scope, 2);
    const burst = Array.from({ length: 12 }, () => session.get(`${scope.url}/kill-reused`));
    assertEquals((await Promise.all(burst)).map(({ status }) => status), Array(12).fill(200));
  }, { needs: ["retriesFresh"], pool: { maxConnections: 2 } }),
  ...["GET", "PUT", "POST"].map((method): Case => ({
    name: `over TLS too ${
      method === "POST" ? "a POST arrives at most once" : `a stale connection is replaced: ${method}`
    }`,
    needs: ["closesSockets"],
    async run({ openScope }) {
      const scope = await openScope({ tls: 1 });
      const session = new Session();
      const init = { method, body: method === "GET" ? undefined : "text" };
      try {
        for (const path of ["/kill-reused", "/kill-reused?read=1"]) {
          await warm(session, scope);
          const result = await session.request(`${scope.url}${path}`, init).catch((error) => error);
          if (method === "POST" && result instanceof Error) assertLost(result, method);
          else assertEquals(result.status, 200);
        }
        const arrived = (await scope.stats()).paths[`${method} /kill-reused`];
        assertEquals(arrived, method === "POST" ? 2 : 4);
        const fresh = new Session();
        await assertRejects(() => fresh.request(`${scope.url}/kill`, init), NetworkError);
        await fresh.close();
        await pause(30);
        assertEquals((await scope.stats()).paths[`${method} /kill`], 1);
      } finally {
        await session.close();
      }
      await scope.wait({ open: 0, pending: 0 });
    },
  })),
  withSession("session.fetch replaces a stale connection, and POSTs once", async (session, { scope }) => {
    await warm(session, scope);
    assertEquals((await session.fetch(`${scope.url}/kill-reused`)).status, 200);
    await warm(session, scope);
    const request = new Request(`${scope.url}/kill?read=1`, { method: "POST", body: "text" });
    const error = await assertRejects(() => session.fetch(request), TypeError);
    assertLost(error.cause as NetworkError, "POST");
    const { paths } = await scope.stats();
    assertEquals([paths["GET /kill-reused"], paths["POST /kill"]], [2, 1]);
  }, { needs: ["retriesStale", "sendsOnce"] }),
  ...Object.entries(SERVED).map(([what, init]) =>
    withSession(`a stale connection that has served ${what} alone is replaced`, async (_, { scope, openScope }) => {
      const secure = await openScope({ tls: 1 });
      const deaths = [`${scope.url}/kill-reused`, `${scope.url}/fault/resets-when-reused`, `${secure.url}/kill-reused`];
      for (const url of deaths) {
        for (const method of ["GET", "PUT"]) {
          const session = new Session();
          await session.request(`${new URL(url).origin}/echo`, init());
          await pause(20); // Node hands out the end of a body before the socket
          assertEquals((await session.request(url, { method })).status, 200, `${method} ${url}`);
          await session.close();
          const { origin, pathname } = new URL(url);
          const { paths } = await (origin === scope.url ? scope : secure).stats();
          assertEquals(paths[`${method} ${pathname}`], 2);
        }
      }
    }, { needs: ["retriesStale", "streamsUploads", "closesSockets"] })
  ),
  withSession("a redirect that turned a POST into a GET is followed over a fresh connection", async (session, t) => {
    const path = "/redirect/302?to=/kill-reused";
    assertEquals((await session.post(t.scope.url + path, { body: "text" })).status, 200);
  }, RETRIES),
  withSession("a second try that fails is the last one", async (session, { scope }) => {
    await warm(session, scope);
    await assertRejects(() => session.get(`${scope.url}/kill`), NetworkError, "before the response's headers: GET");
    await pause(50);
    assertEquals((await scope.stats()).paths["GET /kill"], 2);
  }, { needs: ["retriesStale", "retriesOnce"] }),
  withSession("a second try goes over a fresh connection, though another is idle", async (session, { openScope }) => {
    const scope = await openScope({ limit: 2 });
    for (let round = 1; round <= 10; round++) {
      await warm(session, scope, 2);
      const alive = session.get(`${scope.url}/bytes/10`); // idle again before the other one is killed
      assertEquals((await session.get(`${scope.url}/kill-reused`)).status, 200);
      assertEquals((await alive).status, 200);
      const { paths, maxOpen } = await scope.stats();
      assertEquals([paths["GET /kill-reused"], maxOpen], [2 * round, 2]);
    }
  }, { needs: ["retriesFresh"], pool: { maxConnections: 2 } }),
  withSession("a fresh connection that dies is not replaced", async (session, { scope }) => {
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) {
      const fresh = new Session();
      const promise = fresh.request(`${scope.url}/kill`, { method });
      await assertRejects(
        () => promise,
        NetworkError,
        `The connection failed before the response's headers: ${method}`,
      );
      await pause(30);
      assertEquals((await scope.stats()).paths[`${method} /kill`], 1);
      await fresh.close();
    }
    assertEquals(session.closed, false);
  }, ONCE),
  {
    name: "each ephemeral request arrives once",
    needs: ["sendsOnce"],
    async run({ scope }) {
      await assertRejects(() => get(`${scope.url}/kill`), NetworkError);
      await assertRejects(() => post(`${scope.url}/kill`, { body: "text" }), NetworkError, UNKNOWN);
      await assertRejects(() => patch(`${scope.url}/kill?read=1`, { json: {} }), NetworkError, UNKNOWN);
      await pause(30);
      assertEquals((await scope.stats()).paths, { "GET /kill": 1, "POST /kill": 1, "PATCH /kill": 1 });
    },
  },
  withSession("a response that breaks off is not asked for again", async (session, { scope }) => {
    await warm(session, scope);
    await assertRejects(() => session.get(`${scope.url}/truncate/10?of=100`), NetworkError, "body");
    await pause(30);
    assertEquals((await scope.stats()).paths["GET /truncate/10"], 1);
  }),
  withSession("connections that the server closed while idle do no harm", async (session, { scope }) => {
    for (let round = 0; round < 10; round++) {
      await warm(session, scope, 3);
      await scope.drop();
      // At once, so that some runtimes have not heard of it yet.
      assertEquals((await session.put(`${scope.url}/upload`, { body: "text" })).status, 200);
    }
    const { paths } = await scope.stats();
    assertEquals(paths["PUT /upload"], 10);
  }),
  withSession("POSTs over connections that the server closes arrive once each", async (session, { scope }) => {
    let arrived = 0;
    for (let round = 0; round < 20; round++) {
      await warm(session, scope);
      const dropped = scope.drop();
      const error = await session.post(`${scope.url}/upload`, { body: "text" }).catch((error) => error);
      await dropped;
      if (error instanceof Error) assert(error instanceof NetworkError, String(error));
      else arrived++;
    }
    const count = (await scope.stats()).paths["POST /upload"] ?? 0;
    assert(count >= arrived && count <= 20, `${count} arrived, ${arrived} were answered`);
  }, ONCE),

  ...["POST", "PUT"].flatMap((method) =>
    // Deno's bare fetch sends an empty Blob in chunks; a PUT of it has a Content-Length here, so
    // that it can be repeated.
    Object.entries({ ...BODIES, "a stream": () => stream() }).filter(([what]) => what !== "an empty Blob").map((
      [what, body],
    ) =>
      withSession(`${method} is framed as bare fetch frames it: ${what}`, async (session, { scope }) => {
        const init = () => ({ method, body: body(), duplex: "half" as const });
        const bare = await framing(await fetch(`${scope.url}/echo?close`, init()));
        assertEquals(await framing(await session.request(`${scope.url}/echo`, init())), bare);
        assertEquals(await framing(await session.fetch(`${scope.url}/echo`, init())), bare);
        // With a type of the caller's.
        const headers = { "content-type": "text/x-own" };
        const typed = await framing(await fetch(`${scope.url}/echo?close`, { ...init(), headers }));
        assertEquals(await framing(await session.request(`${scope.url}/echo`, { ...init(), headers })), typed);
      }, { needs: ["streamsUploads"] })
    )
  ),

  {
    name: "a POST that never left does not say that its outcome is unknown",
    needs: ["explainsFailures"],
    async run({ openScope }) {
      const gone = await openScope({ refuses: 1 });
      const session = new Session();
      try {
        for (const url of [gone.url, gone.url.replace("127.0.0.1", "localhost"), "http://no-such-host.invalid/"]) {
          const error = await assertRejects(() => session.post(url, { body: "text" }), NetworkError);
          const what = url.includes("invalid") ? "The host name does not resolve" : "The server refuses connections";
          assertEquals(error.message, `${what}: POST ${new URL(url).href}`);
        }
      } finally {
        await session.close();
      }
    },
  },
  withSession("a POST that is cut off rejects with what cut it off", async (session, { scope }) => {
    const controller = new AbortController();
    const pending = session.post(`${scope.url}/hang`, { body: "text", signal: controller.signal }).catch((e) => e);
    await scope.wait({ requests: 1 }, 10_000);
    const reason = new Error("no longer needed");
    controller.abort(reason);
    assertEquals(await within(10_000, pending), reason);
    await scope.wait({ pending: 0 });
  }),
];
