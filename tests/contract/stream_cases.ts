// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 3: a streamed response holds its connection until the first of its ends, and gives it
// back exactly once.
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BodyTooLargeError,
  type ExchangeInfo,
  NetworkError,
  Pool,
  PoolClosedError,
  Session,
  SessionClosedError,
  StatusError,
  type StreamedResponse,
  TimeoutError,
} from "../../mod.ts";
import type { Capability, Case } from "../harness/case.ts";
import { asyncDispose, withSession } from "../harness/with_session.ts";
import { pattern, type Scope } from "../server/client.ts";

/** What a case of an end gets: an open stream over a pool with one slot. */
interface Open {
  scope: Scope;
  pool: Pool;
  session: Session;
  response: StreamedResponse;
  controller: AbortController;
}

/**
 * Each way to read a body of 10 bytes, after a program has looked whether there is one. Comes to
 * its length.
 */
const AFTER_A_LOOK: Record<string, (response: StreamedResponse) => Promise<number>> = {
  "bytes()": async (response) => (await response.bytes()).byteLength,
  "lines()": async (response) => {
    let length = 0;
    for await (const line of response.lines()) length += line.length;
    return length;
  },
  "a loop": async (response) => {
    let length = 0;
    for await (const chunk of response) length += chunk.byteLength;
    return length;
  },
  "toResponse()": async (response) => (await response.toResponse().arrayBuffer()).byteLength,
};

/**
 * A way for a streamed response to end. Checks that the one slot is given back, once, and that the
 * pool still serves.
 */
function end(
  how: string,
  path: string,
  run: (open: Open) => Promise<void>,
  { usable = true, timeout = {}, needs }: {
    usable?: boolean;
    timeout?: { idle?: number; total?: number };
    needs?: Capability[];
  } = {},
): Case {
  return {
    name: `StreamedResponse gives its connection back once: ${how}`,
    needs,
    async run({ scope, can }) {
      const pool = new Pool({ maxConnections: 1 });
      const session = new Session({ pool, timeout });
      const controller = new AbortController();
      try {
        const response = await session.get(`${scope.url}${path}`, { prefetch: false, signal: controller.signal });
        assertEquals(pool.stats().active, 1);
        assertEquals(session.exchanges().map(({ state }) => state), ["streaming"]);
        await run({ scope, pool, session, response, controller });
        assertEquals(response.closed, true);
        assertEquals(session.exchanges(), []);
        assertEquals([pool.stats().active, pool.stats().queued], [0, 0]);
        if (usable) {
          // Had the slot been given back twice, two requests would be open at once.
          const both = await Promise.all([
            session.get(`${scope.url}/bytes/1`, { prefetch: false }).then((first) => {
              assertEquals(pool.stats().active, 1);
              return first.close();
            }),
            session.get(`${scope.url}/bytes/1`),
          ]);
          assertEquals(both.length, 2);
        }
        await response.close();
        assertEquals(pool.stats().active, 0);
      } finally {
        await session.close();
        await pool.close();
      }
      await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
    },
  };
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stream.getReader();
  let size = 0;
  while (true) {
    const { done, value } = await reader.read();
    if (done) return size;
    size += value.byteLength;
  }
}

export const cases: Case[] = [
  end("text()", "/bytes/100000", async ({ response }) => {
    assertEquals((await response.text()).length > 0, true);
  }),
  end("json()", "/echo", async ({ response }) => {
    assertEquals((await response.json<{ method: string }>()).method, "GET");
  }),
  end("json() of what is no JSON", "/bytes/10", async ({ response }) => {
    await assertRejects(() => response.json(), SyntaxError, "10 bytes of ");
  }),
  end("bytes()", "/chunked/100000", async ({ response }) => {
    assertEquals(await response.bytes(), pattern(100000));
  }),
  end("arrayBuffer()", "/gzip/100000", async ({ response }) => {
    assertEquals((await response.arrayBuffer()).byteLength, 100000);
  }),
  end("blob()", "/bytes/10", async ({ response }) => {
    const blob = await response.blob();
    assertEquals([blob.size, blob.type], [10, "application/octet-stream"]);
  }),
  withSession("a response passed on announces no other length than it has", async (session, { scope }) => {
    const response = await session.get(`${scope.url}/redirect/404?body=200000`, { prefetch: false });
    const { response: page } = await assertRejects(() => response.throwIfNotOk(), StatusError);
    const passedOn = page.toResponse();
    assertEquals([page.headers.get("content-length"), passedOn.headers.get("content-length")], ["200000", null]);
    assertEquals((await passedOn.arrayBuffer()).byteLength, page.content.byteLength);
    const whole = (await session.get(`${scope.url}/bytes/10`)).toResponse();
    const head = (await session.head(`${scope.url}/bytes/10`)).toResponse();
    assertEquals([whole.headers.get("content-length"), head.headers.get("content-length")], ["10", "10"]);
  }),
  withSession("the iterator of a StreamedResponse is at its end once it was left", async (session, { scope }) => {
    const response = await session.get(`${scope.url}/endless`, { prefetch: false });
    const chunks = response[Symbol.asyncIterator]();
    await chunks.next();
    assertEquals(await chunks.return!(), { done: true, value: undefined });
    assertEquals([await chunks.next(), response.closed], [{ done: true, value: undefined }, true]);
  }),
  {
    name: "StreamedResponse.lines() may be left where the prototype of generators is frozen",
    async run() {
      const generators = Object.getPrototypeOf((async function* () {}).prototype);
      const before = Object.getOwnPropertyDescriptors(generators) as Record<string, PropertyDescriptor>;
      for (const name of ["return", "throw"]) Object.defineProperty(generators, name, { writable: false });
      try {
        const session = new Session({ fetch: () => Promise.resolve(new Response("a\nb\n")) });
        const response = await session.get("http://x.test/", { prefetch: false });
        for await (const line of response.lines()) {
          assertEquals(line, "a");
          break;
        }
        assertEquals(response.closed, true);
        await session.close();
      } finally {
        for (const name of ["return", "throw"]) Object.defineProperty(generators, name, before[name]!);
      }
    },
  },
  {
    name: "StreamedResponse.lines() takes a byte order mark from the text's start alone, and shows what is not UTF-8",
    async run() {
      const mark = [0xef, 0xbb, 0xbf];
      const text = Uint8Array.of(...mark, 97, 10, ...mark, 98, 13, 10, 10, 0xff, 10, ...mark);
      for (let split = 1; split < text.length; split++) {
        const body = new ReadableStream({
          start(controller) {
            for (const part of [text.slice(0, split), text.slice(split)]) controller.enqueue(part);
            controller.close();
          },
        });
        const session = new Session({ fetch: () => Promise.resolve(new Response(body)) });
        const response = await session.get("http://x.test/", { prefetch: false });
        const lines: string[] = [];
        for await (const line of response.lines()) lines.push(line);
        assertEquals(lines, ["a", "\ufeffb", "", "\ufffd", "\ufeff"]);
        await session.close();
      }
    },
  },
  end("a body over the cap", "/endless", async ({ session, response, scope }) => {
    assertEquals(session.exchanges()[0]!.url, `${scope.url}/endless`);
    await response.close();
  }),
  end("for await to the end", "/bytes/1000000", async ({ response }) => {
    let size = 0;
    for await (const chunk of response) size += chunk.byteLength;
    assertEquals(size, 1000000);
  }),
  end("lines() to the end", "/lines?n=100", async ({ response }) => {
    const lines: string[] = [];
    for await (const line of response.lines()) lines.push(line);
    assertEquals(lines, Array.from({ length: 100 }, (_, i) => `line ${i}`));
  }),
  end("break", "/endless", async ({ response }) => {
    for await (const chunk of response) {
      assert(chunk.byteLength > 0);
      break;
    }
  }),
  end("break out of lines()", "/lines?n=Infinity&gap=5", async ({ response }) => {
    for await (const line of response.lines()) {
      if (line === "line 3") break;
    }
  }),
  end("lines() that never began, left", "/endless", async ({ response }) => {
    await response.lines().return();
  }),
  end("lines() that never began, thrown out of", "/endless", async ({ response }) => {
    const failure = new Error("enough");
    assertStrictEquals(await response.lines().throw(failure).catch((error) => error), failure);
  }),
  end("lines() left while it waits", "/stall/10", async ({ response }) => {
    const lines = response.lines();
    const line = lines.next().catch(({ name }) => name);
    assertEquals([await lines.return(), await line], [{ done: true, value: undefined }, "TypeError"]);
  }),
  end("throw out of the loop", "/endless", async ({ response }) => {
    const failure = new Error("enough");
    const loop = async () => {
      for await (const _ of response) throw failure;
    };
    assertStrictEquals(await loop().catch((error) => error), failure);
  }),
  end("return out of the loop", "/endless", async ({ response }) => {
    const first = async () => {
      for await (const chunk of response) return chunk.byteLength;
    };
    assert((await first())! > 0);
  }),
  end("an iterator that never began", "/endless", async ({ response }) => {
    await response[Symbol.asyncIterator]().return!();
  }),
  end("close()", "/endless", async ({ response }) => {
    await response.close();
    await response.close();
    await assertRejects(() => response.text(), TypeError, "the response is closed");
  }),
  end("close() while a read is pending", "/stall/1", async ({ response }) => {
    const read = response.text();
    const [result] = await Promise.allSettled([read, response.close()]);
    assertEquals(result.status, "rejected");
  }),
  end("await using", "/endless", async ({ response }) => {
    // What `await using` does, as not every runtime has the syntax.
    await response[asyncDispose]();
  }),
  end("body, read with a reader", "/bytes/1000000", async ({ response }) => {
    assertEquals(await readAll(response.body!), 1000000);
  }),
  end("body, piped", "/chunked/1000000", async ({ response }) => {
    let size = 0;
    await response.body!.pipeTo(new WritableStream({ write: (chunk) => void (size += chunk.byteLength) }));
    assertEquals(size, 1000000);
  }),
  end("body, piped into what fails", "/endless", async ({ response }) => {
    const failure = new Error("disk full");
    const pipe = response.body!.pipeTo(
      new WritableStream({
        write() {
          throw failure;
        },
      }),
    );
    assertStrictEquals(await pipe.catch((error) => error), failure);
  }),
  end("body, teed", "/bytes/1000000", async ({ response }) => {
    const [a, b] = response.body!.tee();
    assertEquals(await Promise.all([readAll(a), readAll(b)]), [1000000, 1000000]);
  }),
  end("body, canceled", "/endless", async ({ response }) => {
    await response.body!.cancel();
  }),
  end("toResponse(), read", "/gzip/100000", async ({ response }) => {
    const web = response.toResponse();
    assertEquals([web.headers.get("content-encoding"), web.headers.get("content-length")], [null, null]);
    assertEquals((await web.bytes()).byteLength, 100000);
  }),
  end("toResponse(), canceled", "/endless", async ({ response }) => {
    await response.toResponse().body!.cancel();
  }),
  end("throwIfNotOk()", "/status/500?body=100000", async ({ response }) => {
    const error = await assertRejects(() => response.throwIfNotOk(), StatusError);
    assertEquals(error.response.content, pattern(64 * 1024));
    assertEquals(error.response.status, 500);
  }),
  end("throwIfNotOk() of a body that stalls", "/stall/1000?status=500", async ({ response }) => {
    const error = await assertRejects(() => response.throwIfNotOk(), StatusError);
    assertEquals(error.response.content.byteLength, 1000);
  }),
  end("throwIfNotOk(), aborted while it reads", "/stall/1000?status=500", async ({ response, controller }) => {
    const reason = new Error("changed my mind");
    const thrown = response.throwIfNotOk().catch((error) => error);
    controller.abort(reason);
    assertStrictEquals(await thrown, reason);
  }),
  end("throwIfNotOk() of a status that is ok", "/bytes/10", async ({ response }) => {
    assertStrictEquals(await response.throwIfNotOk(), response);
    assertEquals((await response.bytes()).byteLength, 10);
  }),
  end("the server closes too early", "/truncate/1000?of=2000", async ({ response }) => {
    await assertRejects(() => response.bytes(), NetworkError);
  }),
  end("the server drops a chunked body", "/truncate-chunked/100000", async ({ response }) => {
    await assertRejects(async () => {
      for await (const _ of response);
    }, NetworkError);
  }, { needs: ["noticesTruncation"] }),
  end("the idle timeout", "/stall/1000", async ({ response }) => {
    const error = await assertRejects(() => response.bytes(), TimeoutError);
    assertEquals([error.phase, error.timeout], ["idle", 100]);
  }, { timeout: { idle: 100 } }),
  end("the total timeout, with nobody reading", "/endless", async ({ response, scope }) => {
    await scope.wait({ pending: 0 }, 10_000);
    const error = await assertRejects(() => response.bytes(), TimeoutError);
    assertEquals(error.phase, "total");
  }, { timeout: { total: 500 } }),
  end("abort", "/endless", async ({ response, controller }) => {
    const reason = { why: "changed my mind" };
    controller.abort(reason);
    assertStrictEquals(await response.bytes().catch((error) => error), reason);
  }),
  end("abort while a read is pending", "/stall/1", async ({ response, controller }) => {
    const reason = new Error("changed my mind");
    const read = response.bytes().catch((error) => error);
    controller.abort(reason);
    assertStrictEquals(await read, reason);
  }),
  end("the session's close", "/endless", async ({ response, session }) => {
    const read = response.bytes().catch((error) => error);
    const cut: ExchangeInfo[] = await session.close();
    assertEquals(cut.map(({ method, state }) => [method, state]), [["GET", "streaming"]]);
    assert(await read instanceof SessionClosedError);
  }, { usable: false }),
  end("the pool's close", "/endless", async ({ response, pool }) => {
    const read = response.bytes().catch((error) => error);
    await pool.close();
    assert(await read instanceof PoolClosedError);
  }, { usable: false }),
  end("a body that is read twice", "/bytes/10", async ({ response }) => {
    await response.text();
    await assertRejects(() => response.text(), TypeError, "has been read already");
    assertThrows(() => response.body, TypeError, "has been read already");
    assertThrows(() => response[Symbol.asyncIterator](), TypeError, "has been read already");
  }),
  ...Object.entries(AFTER_A_LOOK).map(([how, read]) =>
    withSession(`StreamedResponse may be read after a look at its body: by ${how}`, async (session, { scope }) => {
      const response = await session.get(`${scope.url}/chunked/10`, { prefetch: false });
      const { body } = response;
      assertEquals([body?.locked, await read(response)], [false, 10]);
      assertEquals([response.closed, session.exchanges()], [true, []]);
      assertThrows(() => body!.getReader(), TypeError); // it has been read
      await assertRejects(() => response.text(), TypeError, "has been read already");
    })
  ),
  withSession("StreamedResponse cannot be read once its body was read in part", async (session, { scope }) => {
    const response = await session.get(`${scope.url}/bytes/1000000`, { prefetch: false });
    const reader = response.body!.getReader();
    await reader.read();
    await assertRejects(() => response.text(), TypeError, "is being read");
    reader.releaseLock();
    await assertRejects(() => response.text(), TypeError, "has been read already");
    await response.close();
    const locked = await session.get(`${scope.url}/bytes/10`, { prefetch: false });
    const lock = locked.body!.getReader();
    await assertRejects(() => locked.text(), TypeError, "is being read");
    lock.releaseLock(); // nothing was read
    assertEquals((await locked.bytes()).byteLength, 10);
  }),
  withSession(
    "throwIfNotOk tells the status, though the page is larger than maxBodyBytes",
    async (session, { scope }) => {
      const options = { throwIfNotOk: true, maxBodyBytes: 10 };
      const path = `${scope.url}/redirect/503?body=100`;
      const { response } = await assertRejects(() => session.get(path, options), StatusError);
      assertEquals([response.status, response.content.byteLength, session.exchanges()], [503, 0, []]);
      await assertRejects(() => session.get(`${scope.url}/bytes/100`, options), BodyTooLargeError);
      await scope.wait({ pending: 0 });
    },
  ),
  withSession("throwIfNotOk() of a stream that was read still tells the status", async (session, { scope }) => {
    const response = await session.get(`${scope.url}/status/404`, { prefetch: false });
    await response.text();
    const { response: page } = await assertRejects(() => response.throwIfNotOk(), StatusError);
    assertEquals([page.status, page.content.byteLength], [404, 0]);
  }),
  {
    name: "StreamedResponse.text() is capped by maxBodyBytes",
    async run({ scope }) {
      const session = new Session({ maxBodyBytes: 1000 });
      try {
        const response = await session.get(`${scope.url}/endless`, { prefetch: false });
        await assertRejects(() => response.text(), BodyTooLargeError);
        await scope.wait({ pending: 0 });
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "StreamedResponse without a body is closed from the start",
    async run({ scope }) {
      const session = new Session();
      try {
        for (const [method, path] of [["GET", "/status/204"], ["HEAD", "/bytes/10"], ["GET", "/status/304"]]) {
          const response = await session.request(`${scope.url}${path}`, { method, prefetch: false });
          assertEquals([response.closed, response.body, await response.text()], [true, null, ""]);
        }
        assertEquals(session.exchanges(), []);
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "StreamedResponse of a fetch that gives no body is closed from the start",
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response(null)) });
      try {
        const response = await session.get("http://127.0.0.1/", { prefetch: false });
        assertEquals([response.status, response.closed, session.exchanges(), session.pool.stats().active], [
          200,
          true,
          [],
          0,
        ]);
        assertEquals(await response.text(), "");
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "StreamedResponse ends reads that are pending, and cancels the body, of a fetch that ignores its signal",
    async run() {
      const canceled: unknown[] = [];
      const body = () => new ReadableStream({ cancel: (reason) => void canceled.push(reason) });
      const session = new Session({ fetch: () => Promise.resolve(new Response(body())) });
      try {
        const controller = new AbortController();
        const response = await session.get("http://127.0.0.1/", { prefetch: false, signal: controller.signal });
        const iterator = response[Symbol.asyncIterator]();
        const reads = Promise.allSettled([iterator.next(), iterator.next()]);
        const reason = new Error("Enough");
        controller.abort(reason);
        for (const read of await reads) assertStrictEquals((read as PromiseRejectedResult).reason, reason);
        assertEquals([canceled.length, response.closed, session.pool.stats().active], [1, true, 0]);
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "StreamedResponse does not time out as its reader is slow",
    async run({ scope }) {
      const session = new Session({ timeout: { idle: 500 } });
      try {
        const response = await session.get(`${scope.url}/bytes/10000000`, { prefetch: false });
        let size = 0;
        for await (const chunk of response) {
          // A pause that is longer than the timeout: it runs while a read is pending only.
          if (size === 0) await scope.wait({ requests: 99 }, 800).catch(() => {});
          size += chunk.byteLength;
        }
        assertEquals(size, 10000000);
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "StreamedResponse holds back a server whose body nobody reads",
    needs: ["backpressure"],
    async run({ scope, runtime }) {
      const session = new Session();
      try {
        const response = await session.get(`${scope.url}/endless`, { prefetch: false });
        // Chromium itself reads 64 MiB ahead.
        const bound = runtime === "chromium" ? 100_000_000 : 20_000_000;
        let sent = 0;
        for (let before = -1; sent > before;) {
          before = sent;
          await scope.wait({ requests: 99 }, 300).catch(() => {});
          sent = (await scope.stats()).bodyBytes;
          assert(sent < bound, `the server sent ${sent} bytes to nobody`);
        }
        await response.close();
      } finally {
        await session.close();
      }
    },
  },
];
