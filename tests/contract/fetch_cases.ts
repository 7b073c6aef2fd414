// Copyright 2026 the Hangup authors. MIT license.
//
// `session.fetch` in place of `fetch`, for libraries: it takes what `fetch` takes and returns a
// real `Response`, and no body that nobody reads holds a connection.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  BodyTooLargeError,
  NetworkError,
  PoolClosedError,
  Session,
  SessionClosedError,
  StatusError,
  TimeoutError,
} from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { mocking } from "../harness/mocking.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { type Echo, header, pause, readEcho, within, withSession } from "../harness/with_session.ts";
import { pattern, type Scope } from "../server/client.ts";

const STREAMS = { needs: ["streamsUploads" as const] };

/** A body that is sent piece by piece, and says when its source is canceled. */
function source(pieces: number, gap = 0): { stream: ReadableStream<Uint8Array>; canceled: Promise<unknown> } {
  let cancel = (_: unknown) => {};
  let timer: ReturnType<typeof setTimeout>;
  const canceled = new Promise<unknown>((resolve) => cancel = resolve);
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (sent++ >= pieces) return controller.close();
      if (gap > 0) await new Promise((resolve) => timer = setTimeout(resolve, gap));
      controller.enqueue(new TextEncoder().encode(`piece ${sent};`));
    },
    cancel(reason) {
      clearTimeout(timer);
      cancel(reason);
    },
  });
  return { stream, canceled };
}

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "resolved", (error) => error);

/** The error of ours that `fetch` gives as the cause of its `TypeError`. */
function causeOf(error: unknown): unknown {
  assert(error instanceof TypeError, String(error));
  assertEquals(error.message, "fetch failed");
  return error.cause;
}

/** Nothing is open, though the session is. */
function assertIdle(session: Session): void {
  assertEquals(session.exchanges(), []);
  assertEquals([session.pool.stats().active, session.pool.stats().queued], [0, 0]);
}

async function untilIdle(session: Session): Promise<void> {
  for (let i = 0; i < 50 && session.exchanges().length > 0; i++) await pause(10);
  assertIdle(session);
}

/**
 * Waits until the server can send no more, as the buffers on the way are full; throws if it still
 * can after 3 s.
 */
async function untilHeldBack(scope: Scope): Promise<void> {
  let before = -1;
  for (let i = 0; i < 20; i++) {
    const { bodyBytes } = await scope.stats();
    if (bodyBytes === before) return;
    before = bodyBytes;
    await pause(150);
  }
  throw new Error("The server can still send to nobody");
}

/** A response of which nobody reads the body. */
function unread(path: string, size: number): Case {
  return withSession(
    `session.fetch holds no connection for an unread body: ${path}`,
    async (session, { scope, can }) => {
      for (let i = 0; i < 20; i++) assertEquals((await session.fetch(`${scope.url}${path}`)).ok, true);
      await untilIdle(session);
      const { accepted } = await scope.wait({ pending: 0 });
      // Node hands out the end of a body before the socket.
      if (can("closesSockets")) assert(accepted <= 4, `${accepted} sockets for 20 requests`);
      const response = await session.fetch(`${scope.url}${path}`);
      await untilIdle(session);
      assertEquals((await response.arrayBuffer()).byteLength, size);
    },
  );
}

export const cases: Case[] = [
  {
    name: "what had arrived of a body that breaks off is read first, though its reader comes late, and then the error",
    async run({ scope }) {
      const session = new Session();
      const head = "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ntransfer-encoding: chunked\r\n\r\n";
      const steps = [head, "5\r\nhello\r\n", 100, { then: "reset" }];
      const response = await session.fetch(`${scope.url}/raw?steps=${encodeURIComponent(JSON.stringify(steps))}`);
      await untilIdle(session);
      const reader = response.body!.getReader();
      assertEquals(new TextDecoder().decode((await reader.read()).value), "hello");
      assertInstanceOf(causeOf(await failure(reader.read())), NetworkError);
      await session.close();
      await scope.wait({ pending: 0 });
    },
  },
  {
    name: "a body that is broken can be canceled, if nobody has read it",
    async run({ runtime, scope }) {
      const session = new Session();
      const head = "HTTP/1.1 404 Not Found\r\naccess-control-allow-origin: *\r\n";
      const broken = [
        [`${head}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n`, "5\r\nhello\r\n0\r\n\r\n"],
        [`${head}transfer-encoding: chunked\r\n\r\n`, "5\r\nhello\r\n", 20, { then: "reset" }],
        [`${head}content-length: 50\r\n\r\n`, "hello", 20, { then: "reset" }],
      ];
      // Node 22 does not notice each time that a coded body is broken: bare `fetch` waits for ever.
      for (const steps of runtime === "node22" ? broken.slice(1) : broken) {
        const response = await session.fetch(`${scope.url}/raw?steps=${encodeURIComponent(JSON.stringify(steps))}`);
        await untilIdle(session);
        await response.body!.cancel();
        assertEquals(response.status, 404);
      }
      await session.close();
      await scope.wait({ pending: 0 });
    },
  },
  {
    name: "the stream of a body that breaks off once all that arrived is read fails, though nobody waits for more",
    async run() {
      let body!: ReadableStreamDefaultController<Uint8Array>;
      const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (body = controller) });
      const session = new Session({ fetch: () => Promise.resolve(new Response(stream)) });
      const reader = (await session.fetch("http://x.test/")).body!.getReader();
      body.enqueue(new TextEncoder().encode("hello"));
      assertEquals(new TextDecoder().decode((await reader.read()).value), "hello");
      body.error(new Error("broken"));
      assertInstanceOf(causeOf(await failure(within(5000, reader.closed))), NetworkError);
      assertIdle(session);
      await session.close();
    },
  },
  {
    name: "a code of Bun's own is that of the error on Bun, as with fetch, and on no other platform",
    async run({ runtime }) {
      const error = Object.assign(new TypeError("cannot decode"), { code: "ZlibError" });
      const session = new Session({ fetch: () => Promise.reject(error) });
      const { code } = await failure(session.fetch("http://x.test/")) as { code?: string };
      assertEquals(code, runtime === "bun" ? "ZlibError" : undefined);
      await session.close();
    },
  },
  {
    name: "a cause whose members throw is a failure as any other",
    async run() {
      const get = () => {
        throw new RangeError("no");
      };
      const error = Object.defineProperties(new TypeError("broken"), { name: { get }, code: { get } });
      const session = new Session({ fetch: () => Promise.reject(error) });
      const cause = causeOf(await failure(session.fetch("http://x.test/")));
      assertInstanceOf(cause, NetworkError);
      assertStrictEquals(cause.cause, error);
      await session.close();
    },
  },
  {
    name: "header names keep their case, as with fetch",
    async run({ scope }) {
      const session = new Session();
      const headers = () => new Headers({ "X-Custom": "1", "X-Other-NAME": "a" });
      const told = [];
      for (const send of [fetch, session.fetch]) {
        const url = `${scope.url}/echo`;
        for (
          const response of [
            await send(url, { headers: headers() }),
            await send(new Request(url, { headers: headers() })),
          ]
        ) {
          const names = (await readEcho(response)).headers.map(([name]) => name);
          told.push(names.filter((name) => /^(x-custom|x-other-name)$/i.test(name)).sort().join());
        }
      }
      await session.close();
      assertEquals(told.slice(2), told.slice(0, 2));
    },
  },
  {
    name: "a response of which a page may see nothing is the platform's own",
    async run({ scope }) {
      const session = new Session();
      const told = [];
      for (const send of [fetch, session.fetch]) {
        const response = await send(`${scope.url}/bytes/10`, { mode: "no-cors" });
        await response.arrayBuffer();
        told.push([response.type, response.status, response.url]);
      }
      assertIdle(session);
      await session.close();
      assertEquals(told[1], told[0]);
    },
  },
  withSession("an abort in the body shows in a response and its clone as it is", async (session, { scope }) => {
    const controller = new AbortController();
    const { signal } = controller;
    const response = await session.fetch(`${scope.url}/stall/70000?of=200000`, { signal });
    const reason = new Error("stop");
    const read = [response.clone(), response].map((each) => failure(each.text()));
    controller.abort(reason);
    for (const error of await Promise.all(read)) assertStrictEquals(error, reason);
  }),
  withSession("session.fetch is bound", async ({ fetch }, { scope }) => {
    assertEquals([fetch.name, fetch.length], ["fetch", 1]);
    const response = await fetch(`${scope.url}/bytes/10`);
    assertEquals([response instanceof Response, response.status], [true, 200]);
  }),
  withSession("session.fetch takes a string, a URL and a Request", async (session, { scope }) => {
    const url = `${scope.url}/echo?a=1`;
    for (const input of [url, new URL(url), new Request(url)]) {
      const response = await session.fetch(input);
      assertEquals([response.url, (await readEcho(response)).url], [url, "/echo?a=1"]);
    }
  }),
  withSession("session.fetch rejects what is wrong, and never throws", async (session) => {
    for (const wrong of ["ftp://127.0.0.1/", "http://", "http://["]) {
      const promise = session.fetch(wrong);
      await assertRejects(() => promise, TypeError);
    }
    const headers = { "x a": "1" };
    await assertRejects(() => session.fetch("http://127.0.0.1/", { headers }), TypeError);
    assertIdle(session);
  }),

  {
    name: "the body of every Response is a byte stream, also if it failed",
    needs: ["byteStreams"],
    async run({ scope }) {
      const session = new Session();
      const url = `${scope.url}/bytes/10`;
      const responses = [
        await session.fetch(url),
        (await session.get(url)).toResponse(),
        (await session.get(url)).toResponse().clone(),
        (await session.get(url, { prefetch: false })).toResponse(),
      ];
      for (const { body } of responses) {
        const reader = body!.getReader({ mode: "byob" });
        assertEquals((await reader.read(new Uint8Array(10))).value, pattern(10));
        assertEquals((await reader.read(new Uint8Array(10))).done, true);
      }
      const [failed, canceled] = [1, 2].map(() => session.fetch(`${scope.url}/truncate/10`));
      const reader = (await failed!).body!.getReader({ mode: "byob" });
      await assertRejects(async () => {
        while (!(await reader.read(new Uint8Array(10))).done);
      }, TypeError);
      // In a browser it may have failed by now, and then it rejects.
      await (await canceled!).body!.cancel().catch((error) => assertInstanceOf(error, TypeError));
      await session.close();
    },
  },
  {
    name: "toResponse() can be changed, and shares no memory",
    async run({ scope }) {
      const session = new Session();
      const response = await session.get(`${scope.url}/bytes/10`);
      const passed = response.toResponse();
      passed.headers.set("x-a", "1");
      const clone = passed.clone();
      assertEquals(clone.headers.get("x-a"), "1");
      for (const bytes of [await passed.bytes(), new Uint8Array(await clone.arrayBuffer())]) bytes.fill(0);
      assertEquals(response.content, pattern(10));
      await session.close();
    },
  },
  withSession("toResponse() closes a stream that it cannot pass on", async (session, { scope }) => {
    const response = await session.get(`${scope.url}/bytes/1000000`, { prefetch: false });
    const broken = new Error("broken");
    const fail = () => {
      throw broken;
    };
    const pass = () => Promise.resolve(response.toResponse());
    assertStrictEquals(await mocking(Headers.prototype, "delete", fail, pass).catch((error) => error), broken);
    assertEquals([response.closed, session.exchanges()], [true, []]);
  }),
  {
    name: "toResponse() of a decoded stream keeps the headers that it is given, also in its clone",
    async run({ scope }) {
      const session = new Session();
      const passed = (await session.get(`${scope.url}/gzip/100000`, { prefetch: false })).toResponse();
      passed.headers.set("content-encoding", "own");
      const clone = passed.clone();
      assertEquals([passed.headers.get("content-encoding"), clone.headers.get("content-encoding")], ["own", "own"]);
      await Promise.all([passed.text(), clone.text()]);
      await session.close();
    },
  },
  withSession(
    "a decoded body has no content-encoding, though its integrity was checked",
    async (session, { scope }) => {
      const url = `${scope.url}/gzip/1000`;
      const { content } = await session.get(url);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      const integrity = `sha256-${btoa(String.fromCharCode(...digest))}`;
      for (
        const response of [
          (await session.get(url, { integrity })).toResponse(),
          await session.fetch(url, { integrity }),
        ]
      ) {
        assertEquals([response.headers.get("content-encoding"), (await response.bytes()).byteLength], [null, 1000]);
      }
    },
    { needs: ["takesIntegrity"] },
  ),
  withSession(
    "the integrity of a Request is that of the last body, and is checked after the cap",
    async (session, { scope }) => {
      const { content } = await session.get(`${scope.url}/bytes/1000`);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      const integrity = `sha256-${btoa(String.fromCharCode(...digest))}`;
      const request = () => new Request(`${scope.url}/redirect/302?to=/bytes/1000&body=5`, { integrity });
      assertEquals((await (await session.fetch(request())).bytes()).byteLength, 1000);
      assertEquals((await session.get(request())).content.byteLength, 1000);
      const large = new Request(`${scope.url}/bytes/1000`, { integrity });
      await assertRejects(() => session.get(large, { maxBodyBytes: 999 }), BodyTooLargeError);
    },
    { needs: ["takesIntegrity"] },
  ),
  withSession("each response without content has memory of its own", async (session, { scope }) => {
    for (const init of [{ method: "HEAD" }, { method: "GET" }]) {
      for (const path of ["/status/204", "/bytes/0", "/chunked/0"]) {
        const { content } = await session.request(scope.url + path, init);
        structuredClone(content.buffer, { transfer: [content.buffer] });
        const next = await session.request(scope.url + path, init);
        assertEquals([(await next.bytes()).byteLength, (await next.blob()).size, await next.toResponse().text()], [
          0,
          0,
          "",
        ]);
        const fetched = await (await session.fetch(scope.url + path, init)).arrayBuffer();
        assertEquals(fetched.byteLength, 0);
      }
    }
  }),
  withSession("session.fetch shows an abort at the next read of a small body", async (session, { scope }) => {
    const controller = new AbortController();
    const { body } = await session.fetch(`${scope.url}/bytes/10`, { signal: controller.signal });
    const reader = body!.getReader();
    assertEquals((await reader.read()).value, pattern(10));
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await reader.read().catch((error) => error), reason);
  }),
  {
    name: "session.fetch rejects as fetch does though the caller's signal aborts right after the session has closed",
    async run() {
      const session = new Session({ fetch: () => new Promise(() => {}) });
      const controller = new AbortController();
      const sent = failure(session.fetch("http://x.test/", { signal: controller.signal }));
      const closing = session.close();
      controller.abort(new Error("too late"));
      assertInstanceOf(causeOf(await sent), SessionClosedError);
      await closing;
    },
  },
  {
    name: "session.fetch settles when it is aborted, though the body of a wrapper never does",
    async run() {
      const body = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) };
      const headers = new Headers({ "content-length": "5" });
      const answer = Object.defineProperties(new Response(null, { headers }), { body: { value: body } });
      const session = new Session({ fetch: () => Promise.resolve(answer) });
      const controller = new AbortController();
      const sent = session.fetch("http://x.test/", { signal: controller.signal });
      while (session.exchanges()[0]!.state !== "streaming") await pause(5);
      const reason = new Error("enough");
      controller.abort(reason);
      assertStrictEquals(await failure((await within(10_000, sent)).text()), reason);
      await session.close();
    },
  },
  ...["an abort", "the idle timeout", "Session.close()"].map((how): Case => ({
    name: `session.fetch gives up a small body that stalls at ${how}`,
    async run({ scope }) {
      const session = new Session(how === "the idle timeout" ? { timeout: { idle: 100 } } : {});
      const controller = new AbortController();
      const reading = session.fetch(`${scope.url}/stall/10?of=100`, { signal: controller.signal })
        .then((response) => failure(response.text()));
      // On a busy machine, the timeout may have ended the exchange before anybody looks.
      while (/queued|headers/.test(session.exchanges()[0]?.state ?? "")) await pause(5);
      if (how === "an abort") controller.abort(new Error("enough"));
      if (how === "Session.close()") await within(10_000, session.close());
      assert(await within(10_000, reading) instanceof Error);
      assertIdle(session);
      await scope.wait({ pending: 0 });
      await session.close();
    },
  })),
  withSession("session.fetch shows an abort at the next read of a body that was read ahead", async (session, t) => {
    for (const reason of [new Error("enough"), new SessionClosedError()]) {
      const controller = new AbortController();
      const { body } = await session.fetch(`${t.scope.url}/drip?n=4&gap=1`, { signal: controller.signal });
      await untilIdle(session);
      controller.abort(reason);
      assertStrictEquals(await body!.getReader().read().catch((error) => error), reason);
    }
  }),
  withSession("session.fetch knows a data: URL where fetch does, however it is written", async (session) => {
    for (const url of ["data:,hello", "DATA:,hello", " data:,hello", "da\tta:,hello", "\r\nda\nta:,hello"]) {
      const read = async (send: typeof fetch) => await (await send(url)).text();
      const [ours, theirs] = [await read(session.fetch).catch(() => "fails"), await read(fetch).catch(() => "fails")];
      assertEquals(ours, theirs, JSON.stringify(url));
    }
  }),
  withSession("two reads of a stream may wait at once", async (session, { scope }) => {
    const response = await session.get(`${scope.url}/drip?n=4&gap=5`, { prefetch: false });
    const chunks = response[Symbol.asyncIterator]();
    const reads = [await chunks.next(), ...await Promise.all([chunks.next(), chunks.next(), chunks.next()])];
    for (let read = await chunks.next(); !read.done; read = await chunks.next()) reads.push(read);
    assertEquals(reads.reduce((size, { value }) => size + (value?.byteLength ?? 0), 0), 4);
  }, { needs: ["readsAtOnce"] }),
  withSession(
    "session.fetch sends a Request's body of many parts with its length, also at a redirect",
    async (session, { runtime, scope }) => {
      // Where nobody tells what is in memory, it is read for 10 ms at most, so that a busy machine
      // may take it for a stream.
      const length = runtime.startsWith("node") ? 400 : 4;
      const parts = Array.from({ length }, () => new Uint8Array(2000).fill(97));
      const form = new FormData();
      for (const part of parts) form.append("part", new Blob([part]), "a.bin");
      for (const body of [new Blob(parts.map((part) => new Blob([part]))), form]) {
        for (const path of ["/echo", "/redirect/307?to=/echo"]) {
          const echo = await readEcho(await session.fetch(new Request(scope.url + path, { method: "POST", body })));
          assertEquals(header(echo, "content-length"), `${echo.bodyLength}`);
          assert(echo.bodyLength >= length * 2000, `${echo.bodyLength}`);
        }
      }
    },
    STREAMS,
  ),
  withSession(
    "session.fetch sends the body of a Request made from a string with its length",
    async (session, { scope }) => {
      for (const body of ["text", "x".repeat(50_000), ""]) {
        const request = new Request(`${scope.url}/echo`, { method: "POST", body, headers: { "x-a": "1" } });
        const echo = await readEcho(await session.fetch(request));
        assertEquals([echo.method, echo.body, header(echo, "x-a")], ["POST", body, "1"]);
        assertEquals([header(echo, "content-length"), header(echo, "transfer-encoding")], [
          `${body.length}`,
          undefined,
        ]);
        // Bun gives a string no type.
        assertEquals(header(echo, "content-type") ?? null, request.headers.get("content-type"));
        assertEquals(request.bodyUsed || body === "", true);
      }
    },
  ),
  withSession("session.fetch sends the body of a Request made from a form", async (session, { scope }) => {
    const body = new FormData();
    body.set("a", "1");
    const echo = await readEcho(await session.fetch(new Request(`${scope.url}/echo`, { method: "PUT", body })));
    assert(header(echo, "content-type")?.startsWith("multipart/form-data;"));
    assert(echo.body.includes('name="a"'));
  }),
  withSession("session.fetch streams the body of a Request made from a stream", async (session, { scope }) => {
    const { stream } = source(20, 5);
    const init = { method: "POST", body: stream, duplex: "half" };
    const echo = await readEcho(await session.fetch(new Request(`${scope.url}/echo`, init)));
    assertEquals(echo.body, Array.from({ length: 20 }, (_, i) => `piece ${i + 1};`).join(""));
    assertEquals([header(echo, "transfer-encoding"), header(echo, "content-length")], ["chunked", undefined]);
  }, STREAMS),
  withSession(
    "the type of a Request's body is sent where bare fetch sends it, though there are headers in init",
    async (
      session,
      { scope, openScope },
    ) => {
      const elsewhere = await openScope(); // bare fetch leaves its sockets open
      const form = new FormData();
      form.set("a", "1");
      for (const body of [form, new URLSearchParams({ a: "1" }), new Blob(["x"], { type: "image/png" }), "text"]) {
        const type = async (fetch: typeof globalThis.fetch, url: string) => {
          const request = new Request(`${url}/echo`, { method: "POST", body });
          const echo = await readEcho(await fetch(request, { headers: { "x-a": "1" } }));
          return [header(echo, "x-a"), header(echo, "content-type")?.replace(/boundary=.*/, "")];
        };
        const bare = await type(fetch, elsewhere.url);
        assertEquals(await type(session.fetch, scope.url), bare);
        const request = ((input: Request, init: RequestInit) => session.request(input, init)) as never;
        assertEquals(await type(request, scope.url), bare);
      }
    },
    { needs: ["plainFetch"] },
  ),
  withSession("the length that a Request gives its stream is sent, where bare fetch sends it", async (
    session,
    { scope, openScope },
  ) => {
    const elsewhere = await openScope(); // bare fetch leaves its sockets open
    const make = (url: string) => {
      const body = new ReadableStream({
        async pull(controller) {
          await pause(30); // so long that it counts as a stream everywhere
          controller.enqueue(new TextEncoder().encode("length"));
          controller.close();
        },
      });
      const init = { method: "PUT", body, duplex: "half", headers: { "content-length": "6" } };
      return new Request(`${url}/echo`, init as RequestInit);
    };
    const framing = (echo: Echo) => [echo.body, header(echo, "content-length"), header(echo, "transfer-encoding")];
    const bare = framing(await readEcho(await fetch(make(elsewhere.url))));
    assertEquals(framing(await readEcho(await session.fetch(make(scope.url)))), bare);
    assertEquals(framing(await readEcho(await session.request(make(scope.url)))), bare);
    // The length of a body in memory is known.
    const init = { method: "PUT", body: "text", headers: { "content-length": "6" } };
    const known = framing(await readEcho(await session.fetch(new Request(`${scope.url}/echo`, init))));
    assertEquals(known, ["text", "4", undefined]);
  }, { needs: ["streamsUploads", "plainFetch"] }),
  withSession("session.fetch converts its input to a string once", async (session, { scope }) => {
    let calls = 0;
    const input = {
      url: "data:,another", // as only a Request has it
      toString: () => `${scope.url}/echo?${++calls}`,
    };
    // Also if it is called by the `fetch` of another one.
    const wrapper = new Session({ fetch: () => session.fetch(input as unknown as URL) });
    try {
      for (const send of [session.fetch, wrapper.fetch]) {
        calls = 0;
        const { url } = await readEcho(await send(input as unknown as URL));
        assertEquals(url, `/echo?${send === session.fetch ? 1 : 2}`);
      }
      assertEquals(calls, 2); // one by each session
    } finally {
      await wrapper.close();
    }
  }),
  withSession("session.fetch streams a large body of a Request", async (session, { scope }) => {
    // Browsers keep a Blob in another process.
    for (const body of [pattern(1_000_000), new Blob([pattern(3_000_000)])]) {
      const request = new Request(`${scope.url}/upload`, { method: "POST", body });
      const bodyLength = body instanceof Blob ? body.size : body.byteLength;
      assertEquals(await (await session.fetch(request)).json(), { bodyLength, isPattern: true });
    }
  }),
  withSession("session.fetch streams a body, as it is made", async (session, { scope }) => {
    const { stream } = source(3, 2);
    const init = { method: "POST", body: stream, duplex: "half" };
    const echo = await readEcho(await session.fetch(`${scope.url}/echo`, init));
    assertEquals([echo.body, header(echo, "transfer-encoding")], ["piece 1;piece 2;piece 3;", "chunked"]);
  }, STREAMS),
  withSession("a stream that was read already is refused before anything is sent", async (session, { scope }) => {
    for (const send of [session.fetch, session.request.bind(session)]) {
      const { stream } = source(2);
      const reader = stream.getReader();
      await reader.read();
      reader.releaseLock();
      const init = { method: "POST", body: stream, duplex: "half" };
      await assertRejects(() => send(`${scope.url}/echo`, init), TypeError);
    }
    assertEquals((await scope.stats()).accepted, 0);
  }, STREAMS),
  withSession("session.fetch takes an async iterable as body", async (session, { scope }) => {
    async function* pieces() {
      for (const text of ["a", "b", "c"]) {
        await pause(1);
        yield new TextEncoder().encode(text);
      }
    }
    const response = await session.fetch(`${scope.url}/echo`, {
      method: "POST",
      body: pieces() as unknown as BodyInit,
      duplex: "half",
    } as RequestInit);
    assertEquals((await readEcho(response)).body, "abc");
  }, STREAMS),
  withSession("session.fetch follows a redirect with the body of a Request", async (session, { scope }) => {
    const to = (status: number) => `${scope.url}/redirect/${status}?to=/echo`;
    const kept = await session.fetch(new Request(to(307), { method: "POST", body: "text" }));
    assertEquals((await readEcho(kept)).body, "text");
    const { stream } = source(3, 20);
    const streamed = new Request(to(307), { method: "POST", body: stream, duplex: "half" } as RequestInit);
    assertStringIncludes(String(causeOf(await failure(session.fetch(streamed)))), "cannot be sent again");
    await pause(50); // the source's own timer
  }, { needs: ["followsRedirects", "streamsUploads"] }),
  withSession("what init says goes before what the Request says", async (session, { scope }) => {
    const request = new Request(`${scope.url}/echo?a=1`, {
      method: "POST",
      body: "theirs",
      headers: { "x-a": "theirs", "x-b": "theirs" },
    });
    const echo = await readEcho(
      await session.fetch(request, { method: "PUT", body: "mine", headers: { "x-a": "mine" } }),
    );
    assertEquals([echo.method, echo.body, header(echo, "x-a"), header(echo, "x-b")], [
      "PUT",
      "mine",
      "mine",
      undefined,
    ]);
    // The Request was not touched.
    assertEquals([request.bodyUsed, await request.text()], [false, "theirs"]);
    const kept = new Request(`${scope.url}/echo`, { method: "POST", body: "theirs" });
    assertEquals((await readEcho(await session.fetch(kept, { body: null }))).body, "theirs");
  }),
  withSession("session.fetch refuses a body that was read, or is being read", async (session, { scope }) => {
    const used = new Request(`${scope.url}/echo`, { method: "POST", body: "text" });
    await used.text();
    const locked = source(1).stream;
    locked.getReader();
    const message = "Cannot send the request as its body is being read or has been read already";
    await assertRejects(() => session.fetch(used), TypeError, message);
    const reading = new Request(`${scope.url}/echo`, { method: "POST", body: "text" });
    reading.body!.getReader();
    await assertRejects(() => session.fetch(reading), TypeError, message);
    await assertRejects(() => session.fetch(`${scope.url}/echo`, { method: "POST", body: locked }), TypeError, message);
    assertEquals((await scope.stats()).accepted, 0);
    assertIdle(session);
  }),

  withSession(
    "session.fetch rejects with the caller's reason though it is an error of this module",
    async (session, t) => {
      const { scope } = t;
      const reason = new SessionClosedError({ method: "GET", url: "http://other.test/" });
      const aborted = AbortSignal.abort(reason);
      assertStrictEquals(await failure(session.fetch(`${scope.url}/echo`, { signal: aborted })), reason);
      const controller = new AbortController();
      const { signal } = controller;
      const hanging = failure(session.fetch(`${scope.url}/hang`, { signal }));
      const stalled = failure((await session.fetch(`${scope.url}/stall/100000`, { signal })).text());
      const arrived = await session.fetch(`${scope.url}/bytes/100000`, { signal });
      await scope.wait({ requests: 3 }, 10_000);
      controller.abort(reason);
      assertStrictEquals(await hanging, reason);
      for (const error of [await stalled, await failure(arrived.text())]) {
        if (t.can("keepsStreamErrors")) assertStrictEquals(error, reason);
        else assert(error instanceof Error);
      }
      assertIdle(session);
    },
  ),

  ...(["Request", "init", "both"] as const).flatMap((where) => {
    const send = (session: Session, url: string, signal: AbortSignal) => {
      const other = new AbortController().signal;
      const request = where === "init" ? url : new Request(url, { signal: where === "both" ? other : signal });
      return session.fetch(request, where === "Request" ? {} : { signal });
    };
    return [
      withSession(`a signal of ${where} aborts session.fetch before the headers`, async (session, { scope }) => {
        const controller = new AbortController();
        const promise = failure(send(session, `${scope.url}/hang`, controller.signal));
        await scope.wait({ requests: 1 }, 10_000);
        const reason = new Error("enough");
        controller.abort(reason);
        assertStrictEquals(await promise, reason);
        await scope.wait({ pending: 0 });
        assertIdle(session);
      }),
      withSession(`a signal of ${where} aborts session.fetch in the body`, async (session, { scope, can }) => {
        const controller = new AbortController();
        const response = await send(session, `${scope.url}/stall/100000`, controller.signal);
        const promise = failure(response.text());
        const reason = new Error("enough");
        controller.abort(reason);
        const error = await promise;
        if (can("keepsStreamErrors")) assertStrictEquals(error, reason);
        else assert(error instanceof Error);
        await scope.wait({ pending: 0 });
        assertIdle(session);
      }),
      withSession(
        `a signal of ${where} that was aborted keeps session.fetch from sending`,
        async (session, { scope }) => {
          const reason = new Error("enough");
          assertStrictEquals(await failure(send(session, `${scope.url}/hang`, AbortSignal.abort(reason))), reason);
          assertEquals((await scope.stats()).accepted, 0);
          assertIdle(session);
        },
      ),
    ];
  }),
  withSession("signal: null takes the signal of a Request away", async (session, { scope }) => {
    const request = new Request(`${scope.url}/bytes/10`, { signal: AbortSignal.abort() });
    assertEquals((await session.fetch(request, { signal: null })).status, 200);
  }),

  withSession("Response has url, redirected, type, status and headers right", async (session, { scope, can }) => {
    const bare = await fetch(`${scope.url}/bytes/10?close`);
    await bare.arrayBuffer();
    for (const path of ["/bytes/10?a=1", "/bytes/100000", "/chunked/10", "/status/404", "/status/204"]) {
      const response = await session.fetch(`${scope.url}${path}#fragment`);
      assertEquals([response.url, response.redirected, response.type], [`${scope.url}${path}`, false, bare.type]);
      assertEquals(response.ok, response.status < 300);
      assertEquals(response.bodyUsed, false);
      await response.arrayBuffer();
      assertEquals(Object.prototype.toString.call(response), "[object Response]");
    }
    const redirected = await session.fetch(`${scope.url}/chain/2`);
    assertEquals([redirected.url, redirected.redirected, redirected.type], [`${scope.url}/chain/0`, true, bare.type]);
    if (can("allHeaders")) {
      const cookies = await session.fetch(`${scope.url}/set-cookie?a=1&b=2`);
      assertEquals(cookies.headers.getSetCookie(), ["a=1; Path=/", "b=2; Path=/"]);
    }
  }),
  withSession("Response has no body where there is none", async (session, { scope }) => {
    for (const [method, path] of [["GET", "/status/204"], ["GET", "/status/304"], ["HEAD", "/bytes/10"]]) {
      const response = await session.fetch(`${scope.url}${path}`, { method });
      assertEquals([response.body, await response.text()], [null, ""]);
    }
    assertIdle(session);
  }),
  withSession("Response has a status outside 200 to 599 as it came", async (session, { scope }) => {
    for (const status of [600, 999]) {
      const bare = await failure(fetch(`${scope.url}/status/${status}?close`).then((response) => response.text()));
      // Deno and browsers may refuse it themselves.
      if (bare !== "resolved") continue;
      const response = await session.fetch(`${scope.url}/status/${status}`);
      assertEquals([response.status, response.ok, (await response.arrayBuffer()).byteLength], [status, false, 10]);
      const { status: cloned } = (await session.fetch(`${scope.url}/status/${status}`)).clone();
      assertEquals(cloned, status);
    }
  }),
  withSession(
    "Response has what was decoded, without the headers that speak of what was not",
    async (session, { scope }) => {
      for (
        const [coding, length] of [["gzip", 100], ["gzip", 1_000_000], ["br", 100_000], ["deflate", 100_000]] as const
      ) {
        const response = await session.fetch(`${scope.url}/encoded/${coding}/${length}`);
        const body = new Uint8Array(await response.arrayBuffer());
        const described = response.headers.get("content-encoding") !== null;
        // Deno asks for gzip and br alone, and leaves anything else as it is, headers included.
        if (described) assert(body.byteLength !== length);
        else assertEquals([body, response.headers.get("content-length")], [pattern(length), null]);
      }
    },
  ),
  withSession("Response can be cloned, small, streamed and redirected", async (session, { scope }) => {
    for (const path of ["/bytes/10", "/bytes/200000", "/chunked/200000", "/redirect/302?to=/chunked/200000"]) {
      const response = await session.fetch(`${scope.url}${path}`);
      const clone = response.clone();
      assertEquals(
        [clone.url, clone.redirected, clone.type, clone.status, clone.headers.get("content-type")],
        [response.url, response.redirected, response.type, 200, "application/octet-stream"],
      );
      const bodies = await Promise.all([response.arrayBuffer(), clone.arrayBuffer()]);
      for (const body of bodies) assertEquals(new Uint8Array(body), pattern(path.endsWith("/10") ? 10 : 200_000));
      assertEquals([response.bodyUsed, clone.bodyUsed], [true, true]);
    }
    assertIdle(session);
  }),
  withSession("a clone and its original are freed together", async (session, { scope }) => {
    const response = await session.fetch(`${scope.url}/endless`);
    const clone = response.clone();
    await Promise.all([response.body!.cancel(), clone.body!.cancel()]);
    await scope.wait({ pending: 0 });
    assertIdle(session);
  }),

  unread("/bytes/0", 0),
  unread("/bytes/10", 10),
  unread("/bytes/65536", 65536),
  unread("/chunked/0", 0),
  unread("/chunked/10", 10),
  unread("/chunked/65536", 65536),
  unread("/gzip/60000", 60000),
  withSession("a long body is streamed at once, and holds its connection", async (session, { scope }) => {
    const response = await within(10_000, session.fetch(`${scope.url}/stall/70000`));
    assertEquals(session.exchanges().map(({ state }) => state), ["streaming"]);
    const reader = response.body!.getReader();
    let size = 0;
    while (size < 70000) size += (await reader.read()).value!.byteLength;
    await reader.cancel();
    await scope.wait({ pending: 0 });
    assertIdle(session);
  }),
  withSession("a reader that stops reading stops the server", async (session, { scope }) => {
    for (const path of ["/endless", "/bytes/100000000"]) {
      const response = await session.fetch(`${scope.url}${path}`);
      await untilHeldBack(scope);
      const reader = response.body!.getReader();
      for (let size = 0; size < 20_000_000;) size += (await reader.read()).value!.byteLength;
      await untilHeldBack(scope);
      await reader.cancel();
      await scope.wait({ pending: 0 });
    }
  }, { needs: ["backpressure"] }),
  withSession("events arrive as they are sent", async (session, { scope }) => {
    const response = await session.fetch(`${scope.url}/sse?n=5&gap=60`);
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    const decoder = new TextDecoder();
    const reader = response.body!.getReader();
    const arrivals: number[] = [];
    let text = "";
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += decoder.decode(chunk.value, { stream: true });
      arrivals.push(performance.now());
    }
    assertEquals(text.match(/data: \d/g), ["data: 0", "data: 1", "data: 2", "data: 3", "data: 4"]);
    assert(arrivals.at(-1)! - arrivals[0]! > 120, "the events arrived together");
    assertIdle(session);
  }),
  ...Object.entries<(response: Response, session: Session) => unknown>({
    "read to its end": (response) => response.arrayBuffer(),
    "canceled": (response) => response.body!.cancel(),
    "left in a for await loop": async (response) => {
      const reader = response.body!.getReader();
      await reader.read();
      await reader.cancel();
    },
    "piped into what fails": (response) =>
      failure(response.body!.pipeTo(new WritableStream({ write: () => Promise.reject(1) }))),
  }).map(([how, end]) =>
    withSession(`a streamed Response frees its connection once: ${how}`, async (session, { scope }) => {
      const path = how === "read to its end" ? "/chunked/1000000" : "/endless";
      const response = await session.fetch(`${scope.url}${path}`);
      assertEquals(session.pool.stats().active, 1);
      await end(response, session);
      assertIdle(session);
      await scope.wait({ pending: 0 });
      assertEquals((await session.fetch(`${scope.url}/bytes/10`)).status, 200);
    }, { pool: { maxConnections: 1 } })
  ),
  withSession("a body that breaks off rejects, and frees its connection", async (session, { scope, can }) => {
    const paths = ["/truncate/10?of=20", "/truncate/1000000?of=2000000"];
    if (can("noticesTruncation")) paths.push("/truncate-chunked/1000000");
    for (const path of paths) {
      const error = await failure(session.fetch(`${scope.url}${path}`).then((response) => response.arrayBuffer()));
      assert(
        (can("keepsStreamErrors") ? causeOf(error) : error) instanceof
          (can("keepsStreamErrors") ? NetworkError : Error),
        String(error),
      );
      assertIdle(session);
    }
  }),

  withSession("the defaults of the session apply to session.fetch", async (session, { scope }) => {
    const echo = await readEcho(await session.fetch(`${scope.url}/echo`, { headers: { "x-b": "mine" } }));
    assertEquals([header(echo, "x-a"), header(echo, "x-b")], ["default", "mine"]);
    assertStringIncludes(
      String(causeOf(await failure(session.fetch(`${scope.url}/chain/2`)))),
      "more than 1 redirects",
    );
  }, { needs: ["followsRedirects"], headers: { "x-a": "default", "x-b": "default" }, maxRedirects: 1 }),
  {
    name: "baseUrl applies to session.fetch",
    async run({ scope }) {
      const session = new Session({ baseUrl: `${scope.url}/status/` });
      try {
        assertEquals((await session.fetch("201")).status, 201);
      } finally {
        await session.close();
      }
    },
  },
  withSession("the limits of the pool apply to session.fetch", async (session, { scope }) => {
    const responses = await Promise.all(
      Array.from(
        { length: 10 },
        (_, i) => session.fetch(`${scope.url}/drip?n=5&i=${i}`).then((response) => response.arrayBuffer()),
      ),
    );
    assertEquals(responses.map(({ byteLength }) => byteLength), Array(10).fill(5));
    assertEquals((await scope.stats()).maxPending, 2);
  }, { pool: { maxConnections: 2 } }),
  withSession("the timeouts of the session apply to session.fetch", async (session, { scope, can }) => {
    const headers = causeOf(await failure(session.fetch(`${scope.url}/hang`)));
    assert(headers instanceof TimeoutError);
    assertEquals([headers.phase, headers.timeout], ["headers", 600]);
    const response = await session.fetch(`${scope.url}/stall/100000`);
    const error = await failure(response.text());
    if (can("keepsStreamErrors")) {
      const idle = causeOf(error);
      assert(idle instanceof TimeoutError, String(idle));
      assertEquals([idle.phase, idle.timeout], ["idle", 60]);
    } else assert(error instanceof Error);
    assertIdle(session);
  }, { timeout: { headers: 600, idle: 60 } }),
  withSession("the headers timeout ends with the headers", async (session, { scope }) => {
    const fetched = await session.fetch(`${scope.url}/bytes/1000000`);
    const streamed = await session.get(`${scope.url}/bytes/1000000`, { prefetch: false });
    await pause(800); // nobody reads yet
    assertEquals((await fetched.arrayBuffer()).byteLength, 1_000_000);
    assertEquals((await streamed.bytes()).byteLength, 1_000_000);
  }, { timeout: { headers: 500 } }),
  withSession("abandoned bodies are closed by the session's close", async (session, { scope, can }) => {
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => session.fetch(`${scope.url}/${i % 2 ? "endless" : "stall/100000"}`)),
    );
    const reading = failure(responses[0]!.text());
    await responses[1]!.body!.getReader().read();
    assertEquals((await session.close()).length, 20);
    assert(causeOf(await reading) instanceof SessionClosedError);
    assert(causeOf(await failure(responses[2]!.text())) instanceof SessionClosedError);
    await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
    assert(causeOf(await failure(session.fetch(`${scope.url}/bytes/10`))) instanceof SessionClosedError);
  }, { needs: ["manyConnections"] }),
  withSession("abandoned bodies are closed by the pool's close", async (session, { scope, can }) => {
    const response = await session.fetch(`${scope.url}/endless`);
    await session.pool.close();
    const error = await failure(response.text());
    assert(can("keepsStreamErrors") ? causeOf(error) instanceof PoolClosedError : error instanceof Error);
    await scope.wait({ pending: 0 });
  }),

  ...(["post", "fetch"] as const).flatMap((call) => {
    const ours = (error: unknown) => call === "fetch" ? causeOf(error) : error;
    const send = (session: Session, url: string, body: BodyInit, init: RequestInit = {}): Promise<unknown> =>
      call === "fetch"
        ? session.fetch(url, { ...init, method: "POST", body, duplex: "half" } as RequestInit)
        : session.post(url, { ...init, body });
    return [
      withSession(
        `${call}: an upload whose source fails rejects with its error as the cause`,
        async (session, { scope }) => {
          const cause = new Error("the disk failed");
          for (const pieces of [0, 1, 5]) {
            let sent = 0;
            const body = new ReadableStream<Uint8Array>({
              async pull(controller) {
                await pause(5);
                if (sent++ === pieces) throw cause;
                controller.enqueue(new Uint8Array(1000));
              },
            });
            const error = ours(await failure(send(session, `${scope.url}/upload`, body)));
            assert(error instanceof NetworkError);
            assertEquals(error.message, `Cannot send the body as its stream failed: POST ${scope.url}/upload`);
            assertStrictEquals(error.cause, cause);
          }
          await scope.wait({ pending: 0 });
          assertIdle(session);
        },
        STREAMS,
      ),
      withSession(
        `${call}: an upload ends with its request, and its source is canceled`,
        async (session, { scope }) => {
          const reason = new Error("enough");
          const controller = new AbortController();
          const aborted = source(Infinity, 2);
          const promise = failure(send(session, `${scope.url}/upload`, aborted.stream, { signal: controller.signal }));
          await scope.wait({ requests: 1 }, 10_000);
          controller.abort(reason);
          assertStrictEquals(await promise, reason);
          await within(10_000, aborted.canceled);
          const early = source(Infinity, 2);
          await failure(send(session, `${scope.url}/early`, early.stream));
          await within(10_000, early.canceled);
          await scope.wait({ pending: 0 });
        },
        STREAMS,
      ),
      withSession(`${call}: an upload that is never sent is canceled, not left locked`, async (session, { scope }) => {
        const busy = session.get(`${scope.url}/hold?key=a`);
        await scope.wait({ requests: 1 }, 10_000);
        const late = source(1);
        const timedOut = ours(await failure(send(session, `${scope.url}/upload`, late.stream)));
        assert(timedOut instanceof TimeoutError, String(timedOut));
        assertStrictEquals(await within(10_000, late.canceled), timedOut);
        await scope.release("a");
        await busy;
        const aborted = source(1);
        const reason = new Error("enough");
        await failure(send(session, `${scope.url}/upload`, aborted.stream, { signal: AbortSignal.abort(reason) }));
        assertStrictEquals(await within(10_000, aborted.canceled), reason);
        await session.close();
        const closed = source(1);
        await failure(send(session, `${scope.url}/upload`, closed.stream));
        assert(await within(10_000, closed.canceled) instanceof SessionClosedError);
        assertEquals((await scope.stats()).requests, 1);
      }, { ...STREAMS, pool: { maxConnections: 1 }, timeout: { queue: 50 } }),
    ];
  }),
  withSession("an upload may go on while its response is read", async (session, { scope }) => {
    const { stream } = source(20, 2);
    const response = await session.post(`${scope.url}/echo`, { body: stream, prefetch: false });
    assertEquals((await response.json<{ body: string }>()).body.split(";").length, 21);
    assertIdle(session);
  }, STREAMS),

  withSession(
    "throwIfNotOk() on a stream frees the connection and keeps the first 64 KiB",
    async (session, { scope }) => {
      for (const [path, size] of [["/status/500?body=10", 10], ["/status/404?body=1000000", 65536]] as const) {
        const response = await session.get(`${scope.url}${path}`, { prefetch: false });
        const error = await assertRejects(() => response.throwIfNotOk(), StatusError);
        assertEquals(error.response.content, pattern(size));
        assertEquals([response.closed, session.pool.stats().active], [true, 0]);
      }
      await scope.wait({ pending: 0 });
    },
    { pool: { maxConnections: 1 } },
  ),
  withSession("throwIfNotOk() on a stream, when it is not awaited, ends no process", async (session, { scope }) => {
    await catchingAll(async () => {
      const response = await session.get(`${scope.url}/status/404`, { prefetch: false });
      response.throwIfNotOk();
      const message = "throwIfNotOk() has read it; await that call, and read the response of its StatusError";
      await assertRejects(() => response.text(), TypeError, message);
      await scope.wait({ pending: 0 });
    });
    assertIdle(session);
  }),
  withSession("session.fetch has the methods of the global fetch, and they open no socket", async (session, t) => {
    const methods = (of: object) =>
      Object.getOwnPropertyNames(of).filter((name) => typeof Reflect.get(of, name) === "function");
    assertEquals(methods(session.fetch), methods(fetch));
    (session.fetch as { preconnect?(url: string): void }).preconnect?.(t.scope.url);
    assertEquals(await (await session.fetch(`${t.scope.url}/ok`)).text(), "ok");
    assertEquals((await t.scope.stats()).accepted, 1);
  }, { needs: ["closesSockets"] }),
];
