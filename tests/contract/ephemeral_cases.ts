// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 1: when `await get(url)` returns, nothing is open.
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  BodyTooLargeError,
  del,
  get,
  head,
  NetworkError,
  options,
  patch,
  post,
  put,
  request,
  Session,
  StreamedResponse,
  TimeoutError,
} from "../../mod.ts";
import type { Capability, Case, TestContext } from "../harness/case.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { pause, readEcho } from "../harness/with_session.ts";
import { pattern } from "../server/client.ts";

/**
 * A socket was opened for each call, and is gone within 250 ms. Where the platform owns it, nothing
 * is under way.
 */
async function assertNoSocket({ scope, can }: TestContext, calls = 1): Promise<void> {
  if (!can("closesSockets")) return void await scope.wait({ pending: 0 });
  const { accepted } = await scope.wait({ open: 0, pending: 0 });
  // Node may open a second one for the next hop of a redirect, as it hands out the end of a body
  // before the socket.
  assert(accepted >= calls && accepted <= 2 * calls, `${accepted} sockets for ${calls} calls`);
}

/** A request that returns a response, whose body nobody looks at. */
function unread(path: string, status: number): Case {
  return {
    name: `get() leaves no socket after ${path}, unread`,
    async run(t) {
      const { scope } = t;
      const response = await get(`${scope.url}${path}`);
      assertEquals(response.status, status);
      await assertNoSocket(t);
    },
  };
}

/** A request that fails. */
function failing(
  what: string,
  path: string,
  error: new (...args: never[]) => Error,
  init: Parameters<typeof get>[1] = {},
  needs: Capability[] = [],
): Case {
  return {
    name: `get() leaves no socket after ${what}`,
    needs,
    async run(t) {
      const { scope } = t;
      await assertRejects(() => get(`${scope.url}${path}`, init), error);
      await assertNoSocket(t);
    },
  };
}

export const cases: Case[] = [
  unread("/bytes/10", 200),
  unread("/bytes/100000", 200),
  unread("/bytes/10000000", 200),
  unread("/chunked/10", 200),
  unread("/chunked/1000000", 200),
  unread("/gzip/100000", 200),
  unread("/status/204", 204),
  unread("/status/304", 304),
  unread("/status/404?body=100000", 404),
  unread("/status/500?body=100000", 500),
  unread("/redirect/302?to=/bytes/10", 200),
  unread("/redirect/302?to=/bytes/10&body=100000", 200),
  failing("headers that never come", "/hang", TimeoutError, { timeout: { headers: 100 } }),
  failing("a body that stops", "/stall/1000", TimeoutError, { timeout: { idle: 100 } }),
  failing("a deadline in the headers", "/hang", TimeoutError, { timeout: 100 }),
  failing("a deadline in the body", "/drip?n=Infinity&gap=5", TimeoutError, { timeout: 100 }),
  failing("a Content-Length over the cap", "/bytes/1001", BodyTooLargeError, { maxBodyBytes: 1000 }),
  failing("a chunked body over the cap", "/endless", BodyTooLargeError, { maxBodyBytes: 1_000_000 }),
  failing("a gzip bomb", "/gzip-bomb/50000000", BodyTooLargeError, { maxBodyBytes: 1_000_000 }),
  failing("a truncated body", "/truncate/1000?of=2000", NetworkError),
  failing("a truncated body of no bytes", "/truncate/0?of=2000", NetworkError),
  failing("a truncated chunked body", "/truncate-chunked/100000", NetworkError, {}, ["noticesTruncation"]),
  failing("a connection that was dropped", "/kill", NetworkError),
  {
    name: "head() leaves no socket",
    async run(t) {
      const { scope } = t;
      const response = await head(`${scope.url}/bytes/100000`);
      assertEquals(response.headers.get("content-length"), "100000");
      assertEquals(response.content.byteLength, 0);
      await assertNoSocket(t);
    },
  },
  {
    name: "each ephemeral function sends its method, and leaves no socket",
    async run(t) {
      const { scope } = t;
      const functions = { GET: get, OPTIONS: options, POST: post, PUT: put, PATCH: patch, DELETE: del };
      for (const [method, send] of Object.entries(functions)) {
        const echo = await (await send(`${scope.url}/echo`)).json<{ method: string }>();
        assertEquals(echo.method, method);
      }
      const { status } = await request(`${scope.url}/echo`, { method: "REPORT" });
      assertEquals(status, 200);
      await assertNoSocket(t, 7);
    },
  },
  {
    name: "get() has the whole body in memory",
    async run({ scope }) {
      for (const path of ["/bytes/10", "/bytes/100000", "/chunked/100000", "/gzip/100000", "/encoded/br/100000"]) {
        const { content } = await get(`${scope.url}${path}`);
        assertEquals(content, pattern(content.byteLength));
        assertEquals(content.byteLength, Number(path.split("/").at(-1)));
      }
    },
  },
  {
    name: "get() leaves no socket when it is aborted before the headers",
    async run(t) {
      const { scope } = t;
      const controller = new AbortController();
      const reason = { why: "no longer needed" };
      const promise = get(`${scope.url}/hang`, { signal: controller.signal });
      await scope.wait({ requests: 1 }, 10_000);
      controller.abort(reason);
      assertStrictEquals(await promise.catch((error) => error), reason);
      await assertNoSocket(t);
    },
  },
  {
    name: "get() leaves no socket when it is aborted in the body",
    async run(t) {
      const { scope } = t;
      const controller = new AbortController();
      const reason = new Error("no longer needed");
      const promise = get(`${scope.url}/stall/10`, { signal: controller.signal });
      await scope.wait({ requests: 1 }, 10_000);
      controller.abort(reason);
      assertStrictEquals(await promise.catch((error) => error), reason);
      await assertNoSocket(t);
    },
  },
  {
    name: "get() rejects with the reason of a signal that was aborted before, and sends nothing",
    async run({ scope }) {
      const reason = new Error("too late");
      const promise = get(`${scope.url}/bytes/10`, { signal: AbortSignal.abort(reason) });
      assertStrictEquals(await promise.catch((error) => error), reason);
      assertEquals((await scope.stats()).accepted, 0);
    },
  },
  {
    name: "get() rejects with a NetworkError when the connection is refused",
    async run({ scope }) {
      await scope.close();
      const error = await assertRejects(() => get(`${scope.url}/bytes/10?token=s3cret`), NetworkError);
      assert(error.cause instanceof Error);
      assertEquals(error.method, "GET");
      assertEquals(error.url, `${scope.url}/bytes/10?…`);
      assert(!error.message.includes("s3cret"));
    },
  },
  {
    name: "get() with prefetch: false keeps one socket for as long as its response is open",
    async run(t) {
      const { scope } = t;
      const response = await get(`${scope.url}/endless`, { prefetch: false });
      assert(response instanceof StreamedResponse);
      await scope.wait({ open: 1, pending: 1 });
      assertEquals(response.closed, false);
      await response.close();
      assertEquals(response.closed, true);
      await assertNoSocket(t);
    },
  },
  {
    name: "get() with prefetch: false leaves no socket when the request fails",
    async run(t) {
      const { scope } = t;
      await assertRejects(() => get(`${scope.url}/kill`, { prefetch: false }), NetworkError);
      await assertNoSocket(t);
    },
  },
  {
    name: "get() uses no connection twice, whatever goes on beside it",
    needs: ["closesSockets"],
    async run(t) {
      const { scope } = t;
      const held = get(`${scope.url}/hold?key=a`);
      await scope.wait({ open: 1, pending: 1 }, 10_000);
      for (let i = 0; i < 5; i++) {
        const echo = await readEcho(await get(`${scope.url}/redirect/302?to=/echo`));
        assertEquals(echo.requestOnSocket, 1);
      }
      await scope.wait({ open: 1 });
      await assertRejects(() => get(`${scope.url}/hang`, { timeout: 100 }), TimeoutError);
      await assertRejects(() => get(`${scope.url}/stall/10`, { timeout: 100 }), TimeoutError);
      await scope.wait({ open: 1 });
      await Promise.all(Array.from({ length: 200 }, () => get(`${scope.url}/bytes/10`)));
      await scope.wait({ open: 1 });
      await scope.release("a");
      assertEquals((await held).content.byteLength, "released".length);
      await assertNoSocket(t, 1 + 10 + 2 + 200);
    },
  },
  {
    name: "a session with an idle timeout of 0 has a connection for each request, and none between them",
    needs: ["closesSockets"],
    async run(t) {
      const { scope } = t;
      const session = new Session({ pool: { idleTimeout: 0 } });
      try {
        assertEquals(session.pool.closesSockets, true);
        for (const method of ["GET", "POST", "PUT"]) {
          const init = { method, body: method === "GET" ? undefined : "text" };
          for (let i = 0; i < 3; i++) {
            const echo = await readEcho(await session.request(`${scope.url}/echo`, init));
            assertEquals([echo.method, echo.body, echo.requestOnSocket], [method, init.body ?? "", 1]);
          }
          await scope.wait({ open: 0 });
          await assertRejects(() => session.request(`${scope.url}/kill?read=1`, init), NetworkError);
          assertEquals((await scope.stats()).paths[`${method} /kill`], 1);
        }
        const stream = await session.get(`${scope.url}/endless`, { prefetch: false });
        await stream.close();
        await scope.wait({ open: 0, pending: 0 });
        const open = await session.get(`${scope.url}/endless`, { prefetch: false });
        await session.close();
        assertEquals(open.closed, true);
      } finally {
        await session.close();
      }
      await scope.wait({ open: 0, pending: 0 });
    },
  },
  {
    name: "get() with prefetch: false leaves no socket when the body is read to its end",
    async run(t) {
      const { scope } = t;
      const response = await get(`${scope.url}/bytes/100000`, { prefetch: false });
      assertEquals((await response.bytes()).byteLength, 100000);
      await assertNoSocket(t);
    },
  },
  ...[70_000, 140_000].map((size): Case => ({
    name: `a body of get() with prefetch: false may be read slowly: ${size} bytes`,
    async run(t) {
      await catchingAll(async () => {
        const response = await get(`${t.scope.url}/bytes/${size}`, { prefetch: false });
        let read = 0;
        await pause(50); // the rest arrives, and the server may end the connection
        for await (const chunk of response) {
          read += chunk.byteLength;
          await pause(50);
        }
        assertEquals(read, size);
      });
      await assertNoSocket(t);
    },
  })),
];
