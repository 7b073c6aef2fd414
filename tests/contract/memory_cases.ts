// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 5: nothing grows for ever. What counts against a cap is the memory that is held, however
// a server frames a body, and `maxBodyBytes` holds wherever a body is kept.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BodyTooLargeError,
  HangupError,
  NetworkError,
  Session,
  type SessionOptions,
  StatusError,
  type StreamedResponse,
} from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { pause, within, withSession } from "../harness/with_session.ts";

const MB = 1024 * 1024;
const SIZE = 20_000_000;

/** A path of the counting server that sends what no route does: see `raw` in server/faults.ts. */
function raw(query: Record<string, string | number>): string {
  return `/raw?${new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))}`;
}

const head = (...lines: string[]) => lines.join("\r\n");
const LIES = head("HTTP/1.1 200 OK", "content-length: 3", "transfer-encoding: chunked");

/** Bodies, by how they are framed, and how many bytes each has. */
const FRAMINGS: Record<string, [path: string, size: number]> = {
  "chunks of one byte": [raw({ chunk: 1, times: 50_000 }), 50_000],
  "20 MB in chunks of 1 KB": [raw({ chunk: 1000, times: SIZE / 1000 }), SIZE],
  "20 MB in gzip": [`/gzip/${SIZE}`, SIZE],
  "20 MB announced": [`/bytes/${SIZE}`, SIZE],
};

/** What scripts/memory.ts prints. */
interface Growth {
  bytes?: number;
  error?: string;
  grown: number;
}

/**
 * The least of eight tries at the most: on a busy machine an engine lets more garbage pile up. What
 * is held is held in each.
 */
async function measure(t: TestContext, path: string, way: string, held: number, cap?: number): Promise<Growth> {
  let least: Growth | undefined;
  for (let tries = 0; tries < 8 && !(least && least.grown <= 2 * held + 16 * MB); tries++) {
    const { code, stdout, stderr } = await t.run(
      // Node compiles code out of its cache again when it runs, which would count as growth.
      // On a busy machine, threads that collect garbage would come too late. A young generation of
      // the usual size holds up to 48 MB of garbage.
      {
        script: "scripts/memory.ts",
        env: { NODE_DISABLE_COMPILE_CACHE: "1" },
        v8: ["--single-threaded-gc", "--max-semi-space-size=4"],
      },
      t.scope.url,
      path,
      way,
      ...(cap ? [String(cap)] : []),
    );
    assertEquals([code, stderr], [0, ""]);
    const growth: Growth = JSON.parse(stdout);
    if (least === undefined || growth.grown < least.grown) least = growth;
  }
  return least!;
}

function assertGrown({ grown }: Growth, held: number): void {
  const limit = 2 * held + 16 * MB;
  assert(grown <= limit, `the process grew by ${(grown / MB).toFixed(1)} MB, and may by ${(limit / MB).toFixed(1)} MB`);
}

function grows(framing: string, way: string): Case {
  return {
    name: `a body takes at most twice its size and 16 MB: ${framing}, by ${way}`,
    needs: ["processes"],
    async run(t) {
      const [path, size] = FRAMINGS[framing]!;
      const growth = await measure(t, path, way, size);
      assertEquals([growth.error, growth.bytes], [undefined, size]);
      assertGrown(growth, size);
    },
  };
}

/**
 * Bodies without end. The second has a length that is a lie; a runtime may keep to it, or refuse
 * both.
 */
const ENDLESS: Record<string, string> = {
  "chunks of 1 KB": raw({ chunk: 1000, times: Infinity }),
  "a length of 3 beside chunks": raw({ head: LIES, chunk: 1000, times: Infinity }),
  "chunks of one byte": raw({ chunk: 1, times: Infinity }),
};

/** A `fetch` of the user's that answers with this. */
const over = (body: BodyInit | null, init?: ResponseInit) => () => Promise.resolve(new Response(body, init));

/** A stream of `count` chunks; tells how many were taken. */
function chunks<T>(chunk: T, count: number): { body: ReadableStream<Uint8Array<ArrayBuffer>>; taken(): number } {
  let taken = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(chunk);
      if (++taken >= count) controller.close();
    },
  }, { highWaterMark: 0 });
  return { body: body as ReadableStream, taken: () => taken };
}

/** Each way to have a whole body in memory, and to read its lines. */
const READS: Record<string, (session: Session, url: string) => Promise<unknown>> = {
  "prefetch": (session, url) => session.get(url),
  "bytes()": async (session, url) => await (await stream(session, url)).bytes(),
  "text()": async (session, url) => await (await stream(session, url)).text(),
  "json()": async (session, url) => await (await stream(session, url)).json(),
  "blob()": async (session, url) => await (await stream(session, url)).blob(),
  "arrayBuffer()": async (session, url) => await (await stream(session, url)).arrayBuffer(),
  "formData()": async (session, url) => await (await stream(session, url)).formData(),
  "lines()": async (session, url) => await readLines(await stream(session, url)),
};

function stream(session: Session, url: string): Promise<StreamedResponse> {
  return session.get(url, { prefetch: false });
}

async function readLines(response: StreamedResponse): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of response.lines()) lines.push(line);
  return lines;
}

const URL_OF_NOBODY = "http://x.test/";

/**
 * A session over a `fetch` of the user's, for a case that needs no server. Nothing is open after
 * it.
 */
function mocked(
  name: string,
  fetch: () => SessionOptions["fetch"],
  run: (session: Session) => Promise<void>,
  options: SessionOptions = {},
): Case {
  return {
    name,
    async run() {
      const session = new Session({ ...options, fetch: fetch() });
      try {
        await within(10_000, run(session));
        assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
      } finally {
        await session.close();
      }
    },
  };
}

/**
 * What `lines()` makes of a text under a cap of 4 bytes: the lines, or `undefined` if one is too
 * long.
 */
const LINES: [text: string, lines: string[] | undefined][] = [
  ["abcd\n", ["abcd"]],
  ["abc\r\nefgh", ["abc", "efgh"]],
  ["abcd\r\nabcd\r", ["abcd", "abcd"]],
  ["abcd\r\r\n", undefined],
  ["abcd\re", undefined],
  ["abcde\n", undefined],
  ["ab\nabcde\nab\n", undefined],
  ["abcde", undefined],
  ["éé\n", ["éé"]],
  ["ééé\n", undefined],
  ["ééé", undefined],
  ["€a\n€a", ["€a", "€a"]],
  ["€€\n", undefined],
  ["😀\n😀\n", ["😀", "😀"]],
  ["😀a", undefined],
];

/** The text in chunks of `size` bytes. */
function cut(text: string, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

/** Chunks that a mock or a polyfill may give; all stand for "abc". */
const CHUNKS: Record<string, () => unknown> = {
  "a string": () => "abc",
  "a number": () => 97,
  "an array": () => [97, 98, 99],
  "null": () => null,
  "undefined": () => undefined,
  "an object": () => ({ byteLength: 3, length: 3 }),
  "an ArrayBuffer": () => new Uint8Array([97, 98, 99]).buffer,
  "a DataView": () => new DataView(new Uint8Array([0, 97, 98, 99, 0]).buffer, 1, 3),
  "a Uint16Array": () => new Uint16Array(new Uint8Array([97, 98, 99, 100]).buffer),
  "a Blob": () => new Blob(["abc"]),
};

/** A response that is made as a mock may make it: with a body that no runtime would give. */
function responseOf(chunk: () => unknown, headers: Record<string, string>): () => Promise<Response> {
  return () => {
    const response = new Response(null, { headers });
    Object.defineProperty(response, "body", { value: chunks(chunk(), 1).body });
    for (const name of ["arrayBuffer", "bytes", "text", "blob", "json"]) {
      // As each runtime's own: whether it takes such chunks is not what is asked here.
      Object.defineProperty(response, name, { value: () => new Response(response.body)[name as "text"]() });
    }
    return Promise.resolve(response);
  };
}

/** Reads a body of one such chunk in each way: it comes to the text, or to a clear error. */
async function readChunk(chunk: () => unknown, expected: string): Promise<void> {
  for (const headers of [{}, { "content-length": String(expected.length) }] as Record<string, string>[]) {
    const session = new Session({ fetch: responseOf(chunk, headers), timeout: { idle: 500 } });
    const reads = {
      "prefetch": async () => await (await session.get(URL_OF_NOBODY)).text(),
      "text()": async () => await (await stream(session, URL_OF_NOBODY)).text(),
      "lines()": async () => (await readLines(await stream(session, URL_OF_NOBODY))).join("\n"),
    };
    for (const [way, read] of Object.entries(reads)) {
      const outcome = await within(10_000, read().catch((error) => error));
      if (outcome instanceof Error) {
        assert(outcome instanceof HangupError, `${way}: ${outcome}`);
        assertEquals([outcome.method, outcome.url], ["GET", URL_OF_NOBODY], way);
      } else assertEquals(outcome, expected, way);
      assertEquals([session.exchanges(), session.pool.stats().active], [[], 0], way);
    }
    await session.close();
  }
}

export const cases: Case[] = [
  ...Object.keys(FRAMINGS).map((framing) => grows(framing, "get")),
  grows("chunks of one byte", "fetch"),
  grows("20 MB in gzip", "fetch"),
  ...Object.entries(ENDLESS).flatMap(([what, path]) =>
    // A stream is read into memory in the same way.
    (what === "chunks of 1 KB" ? ["get", "stream"] : ["get"]).map((way): Case => ({
      name: `a body without end takes at most its cap and 16 MB: ${what}, by ${way}`,
      needs: ["processes"],
      async run(t) {
        const cap = what === "chunks of one byte" ? 50_000 : MB;
        const growth = await measure(t, path, way, cap, cap);
        // Where a runtime keeps to the length, it is whole.
        assert(growth.error ? /^(BodyTooLarge|Network)Error: /.test(growth.error) : growth.bytes === 3, growth.error);
        assertGrown(growth, cap);
      },
    }))
  ),
  ...Object.entries(ENDLESS).map(([what, path]): Case => ({
    name: `session.fetch reads at most 64 KiB ahead, and holds no more than 16 MB for it: ${what}`,
    needs: ["processes"],
    async run(t) {
      const growth = await measure(t, path, "unread", 64 * 1024);
      assert(
        growth.error === undefined || growth.error.includes("fetch failed") || growth.error.startsWith("NetworkError"),
        growth.error,
      );
      assertGrown(growth, 64 * 1024);
    },
  })),
  ...["HTTP/1.1 500 Out of order", head("HTTP/1.1 500 Out of order", "content-length: 3")].map((status): Case => ({
    name: `throwIfNotOk() of a stream takes at most 64 KiB of a page without end${
      status.includes("length") ? ", whose length is a lie" : ""
    }`,
    needs: ["processes"],
    async run(t) {
      const path = raw({ head: head(status, "transfer-encoding: chunked"), chunk: 1000, times: Infinity });
      const growth = await measure(t, path, "error", 64 * 1024, 100);
      // Node refuses a head with two lengths.
      const refused = status.includes("length") && growth.error?.startsWith("NetworkError: ");
      assert(refused || growth.bytes !== undefined && growth.bytes <= 64 * 1024, `${growth.bytes} ${growth.error}`);
      assertGrown(growth, 64 * 1024);
    },
  })),
  {
    name: "a body that is announced longer than maxBodyBytes is refused at once, that of a Request too",
    needs: ["plainFetch"], // a browser may hide that a body from another origin is coded
    async run({ scope }) {
      const session = new Session({ maxBodyBytes: 1000 });
      const url = `${scope.url}/stall/10?of=1000000`;
      for (const input of [url, new Request(url)]) {
        const refused = session.get(input).then(() => undefined, (error) => error);
        assert(await within(5000, refused) instanceof BodyTooLargeError);
      }
      await session.close();
    },
  },
  withSession("a length beside chunks never passes maxBodyBytes", async (session, t) => {
    const outcome = await session.get(t.scope.url + raw({ head: LIES, chunk: 1000, times: 100 })).catch((error) =>
      error
    );
    if (outcome instanceof Error) assert(outcome instanceof HangupError, String(outcome));
    else assert(outcome.content.byteLength <= 500, `${outcome.content.byteLength} bytes`);
    assertEquals(session.exchanges(), []);
    await t.scope.wait({ pending: 0 }, 10_000);
  }, { maxBodyBytes: 500 }),
  ...["1000000000000000", "9007199254740993", "99999999999999999999999"].map((length) =>
    mocked(
      `an absurd length is no error of the engine's: ${length}`,
      () => over("x", { headers: { "content-length": length } }),
      async (session) => {
        for (const [way, read] of Object.entries(READS)) {
          if (way === "lines()") continue;
          const error = await read(session, URL_OF_NOBODY).then(() => new Error("it is whole"), (error) => error);
          assert(error instanceof HangupError, `${way}: ${error}`);
          assertEquals([error.method, error.url], ["GET", URL_OF_NOBODY]);
        }
      },
      { maxBodyBytes: Infinity },
    )
  ),
  {
    name: "an absurd length that a server announces is no error of the engine's",
    needs: ["allHeaders"],
    async run({ scope }) {
      const path = raw({ head: head("HTTP/1.1 200 OK", "content-length: 1000000000000000"), body: "x", close: 1 });
      const session = new Session({ maxBodyBytes: Infinity, timeout: { idle: 1000 } });
      for (const read of [READS["prefetch"]!, READS["bytes()"]!]) {
        await assertRejects(() => read(session, scope.url + path), HangupError);
      }
      await session.close();
      await scope.wait({ pending: 0 }, 10_000);
    },
  },
  ...Object.keys(READS).flatMap((way) =>
    (["none", "1", "10", "1000"] as const).map((announced) => {
      const headers: Record<string, string> = announced === "none" ? {} : { "content-length": announced };
      let source = chunks(new Uint8Array(100), 1000);
      return mocked(
        `maxBodyBytes holds over a fetch of the user's: ${way}, ${
          announced === "none" ? "no" : `${announced} as the`
        } length announced`,
        () => over((source = chunks(new Uint8Array(100), 1000)).body, { headers }),
        async (session) => {
          const error = await READS[way]!(session, URL_OF_NOBODY).then(
            () => new Error("it is whole"),
            (error) => error,
          );
          // A length that is a lie may be noticed first.
          const lie = announced !== "none" && error instanceof NetworkError;
          assert(error instanceof BodyTooLargeError || lie, `${way}: ${error}`);
          assert(source.taken() <= 12, `${source.taken()} chunks were taken`);
        },
        { maxBodyBytes: 500 },
      );
    })
  ),
  ...LINES.flatMap(([text, expected]) =>
    [1, 2, 100].map((size) =>
      mocked(
        `lines() counts a line's bytes, without its end: ${JSON.stringify(text)} in chunks of ${size}`,
        () => over(cut(text, size)),
        async (session) => {
          const response = await stream(session, URL_OF_NOBODY);
          if (expected) assertEquals(await readLines(response), expected);
          else await assertRejects(() => readLines(response), BodyTooLargeError);
          assertEquals(response.closed, true);
        },
        { maxBodyBytes: 4 },
      )
    )
  ),
  ...[100, 100_000].map((cap) =>
    mocked(
      `throwIfNotOk() of a stream keeps to a maxBodyBytes of ${cap}, and to 64 KiB`,
      () => over(chunks(new Uint8Array(1000), 1000).body, { status: 500 }),
      async (session) => {
        const response = await stream(session, URL_OF_NOBODY);
        const error = await assertRejects(() => response.throwIfNotOk(), StatusError);
        assertEquals([error.response.content.byteLength, response.closed], [Math.min(cap, 64 * 1024), true]);
      },
      { maxBodyBytes: cap },
    )
  ),
  ...["none", "1000"].map((announced): Case => {
    const headers: Record<string, string> = announced === "none" ? {} : { "content-length": announced };
    let source = chunks(new Uint8Array(50), 20);
    return mocked(
      `session.fetch reads no more ahead than maxBodyBytes, and all when it is read: ${announced} announced`,
      () => over((source = chunks(new Uint8Array(50), 20)).body, { headers }),
      async (session) => {
        const response = await session.fetch(URL_OF_NOBODY);
        await pause(50);
        assert(source.taken() <= 4, `${source.taken()} chunks of 50 bytes were taken`);
        assertEquals((await response.arrayBuffer()).byteLength, 1000);
      },
      { maxBodyBytes: 100 },
    );
  }),
  mocked(
    "throwIfNotOk() of a stream takes 64 KiB of a single chunk at most",
    () => over(chunks(new Uint8Array(MB), 1).body, { status: 500 }),
    async (session) => {
      const error = await assertRejects(
        async () => await (await stream(session, URL_OF_NOBODY)).throwIfNotOk(),
        StatusError,
      );
      const { content } = error.response;
      assertEquals([content.byteLength, content.buffer.byteLength], [64 * 1024, 64 * 1024]);
    },
  ),
  mocked(
    "throwIfNotOk() of a stream that stalls takes what has arrived",
    () => over(stalled(), { status: 500 }),
    async (session) => {
      const error = await assertRejects(
        async () => await (await stream(session, URL_OF_NOBODY)).throwIfNotOk(),
        StatusError,
      );
      assertEquals(await error.response.text(), "abc");
    },
  ),
  ...Object.entries(CHUNKS).map(([what, chunk]): Case => ({
    name: `a chunk that is not bytes is taken for what it is, or refused: ${what}`,
    run: () => readChunk(chunk, what === "a Uint16Array" ? "abcd" : what === "a number" ? "a" : "abc"),
  })),
  {
    name: "a chunk that is bytes of another realm is taken, or refused",
    needs: ["processes"],
    async run() {
      const { runInNewContext } = await import("node:vm");
      await readChunk(() => runInNewContext("new Uint8Array([97, 98, 99])"), "abc");
    },
  },
];

function stalled(): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("abc")) });
}
