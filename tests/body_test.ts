// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading the body of a response: `source.ts` and `body.ts`, over responses that never were on a
 * network.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { BodyReader } from "../_internal/body.ts";
import { ByteCollector, type Bytes } from "../_internal/bytes.ts";
import { Clock } from "../_internal/timers.ts";
import { Exchange, Exchanges } from "../_internal/exchange.ts";
import { Slots } from "../_internal/slots.ts";
import { Source } from "../_internal/source.ts";
import { facts } from "../_internal/transports/platform.ts";
import { BodyTooLargeError, NetworkError, TimeoutError } from "../errors.ts";
import { makeOutgoing } from "./outgoing.ts";
import { FakeClock, settle } from "./fake_clock.ts";

const KIB = 1024;
const SMALL = 64 * KIB;
const IDLE = 5000;
/**
 * How long a body is read only to save its connection, and how long the start of an error page is
 * waited for.
 */
const SHORT = 250;

function bytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}

function text(content: Bytes | undefined): string {
  return new TextDecoder().decode(content);
}

/** A body under the test's control. */
class Body {
  readonly stream: ReadableStream<Bytes>;
  canceled: unknown = "not canceled";
  pulls = 0;
  #controller!: ReadableStreamDefaultController<Bytes>;

  constructor(...chunks: string[]) {
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => void this.pulls++,
      cancel: (reason) => void (this.canceled = reason),
    }, { highWaterMark: 0 });
    this.send(...chunks);
  }

  send(...chunks: string[]): void {
    for (const chunk of chunks) this.#controller.enqueue(bytes(chunk));
  }

  sendAny(chunk: unknown): void {
    this.#controller.enqueue(chunk as Bytes);
  }

  end(): this {
    this.#controller.close();
    return this;
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }
}

/** The exchanges of the test under way. */
const made: [Exchange, Exchanges][] = [];

/** Declares a test, after which nothing is open. */
function test(name: string, work: () => Promise<void> | void): void {
  Deno.test(name, async () => {
    try {
      await work();
    } finally {
      for (const [exchange, exchanges] of made.splice(0)) {
        exchange.endWith(new Error("the test is over"));
        exchanges.close();
      }
    }
  });
}

interface Setup {
  body?: BodyInit | null;
  headers?: Record<string, string> | undefined;
  status?: number;
  method?: string;
  prefersByob?: boolean;
  endsBodies?: boolean;
  /** Whether it is a network's, which must have the announced length. The default is `true`. */
  hasLength?: boolean;
  /** What makes other errors of the exchange's. */
  toError?: (error: unknown) => unknown;
  /** What a network's response has. */
  type?: ResponseType;
}

interface Context {
  exchange: Exchange;
  source: Source;
  response: Response;
  /** What was reported as leaked. */
  leaks: unknown[];
}

/** An exchange whose headers have arrived. */
function arrive(
  { body = null, headers = {}, status = 200, method = "GET", type, endsBodies, hasLength = true, toError, ...platform }:
    Setup,
): Context {
  const leaks: unknown[] = [];
  const exchanges = new Exchanges(new Clock(), (leak) => leaks.push(leak));
  const limits = { maxConnections: 1, maxConnectionsPerOrigin: 1, maxQueued: 0 };
  const slots = new Slots(limits, () => Promise.resolve(new Response()));
  const timeouts = { queue: Infinity, headers: Infinity, idle: IDLE, total: Infinity, upload: Infinity };
  const outgoing = makeOutgoing({ method, timeouts, maxBodyBytes: Infinity });
  const exchange = new Exchange(exchanges, slots, outgoing, toError);
  made.push([exchange, exchanges]);
  const response = new Response(body, { status, headers });
  if (type !== undefined) Object.defineProperty(response, "type", { value: type });
  return {
    exchange,
    response,
    leaks,
    source: new Source(exchange, response, facts(platform), endsBodies ? "sockets" : hasLength ? "fetch" : undefined),
  };
}

/** A byte stream of these chunks, which BYOB readers can read. */
function byteStream(...chunks: string[]): ReadableStream<Bytes> {
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk !== undefined) return controller.enqueue(bytes(chunk));
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

async function onClock(test: (clock: FakeClock) => Promise<void>): Promise<void> {
  using clock = new FakeClock().install();
  await test(clock);
}

test("Source.length is what is announced, if that can be the length of what is read", () => {
  const length = (setup: Setup) => arrive({ body: "12345", ...setup }).source.length;
  assertEquals(length({ headers: { "content-length": "5" } }), 5);
  assertEquals(length({ headers: { "content-length": "0" } }), 0);
  assertEquals(length({}), undefined);
  assertEquals(length({ headers: { "content-length": "5" }, hasLength: false }), undefined);
  assertEquals(length({ headers: { "content-length": "5", "content-encoding": "gzip" } }), undefined);
  assertEquals(length({ headers: { "content-length": "5" }, type: "cors" }), undefined);
  for (const malformed of ["", "-5", "5, 5", "0x5", "5.0", "five"]) {
    assertEquals(length({ headers: { "content-length": malformed } }), undefined, malformed);
  }
});

test("Source.bounded says whether the body has an end, though its length is another one once decoded", () => {
  const bounded = (setup: Setup) => arrive({ body: "12345", ...setup }).source.bounded;
  assertEquals(bounded({ headers: { "content-length": "5", "content-encoding": "gzip" } }), true);
  assertEquals(bounded({ headers: { "content-length": "5" }, hasLength: false }), true);
  assertEquals(bounded({}), false);
});

test("Source has no body to read where HTTP has none, and cancels what is there", async () => {
  const cases: Setup[] = [{ method: "HEAD" }, { status: 205 }, { status: 204 }, { status: 304 }];
  for (const setup of cases) {
    const headers = { "content-length": "1000" };
    const body = setup.method === "HEAD" ? new Body("what a mock has given") : undefined;
    const { source } = arrive({ body: body?.stream ?? null, headers, ...setup });
    assertEquals([source.length, source.open, source.hasStream], [0, false, false]);
    if (body) assertEquals(body.canceled, undefined);
    assertEquals(await source.read(), { done: true, value: undefined });
    assertEquals(await source.discard(), true);
    assertEquals((await source.readAll(0)).byteLength, 0);
  }
});

test("Source.read() gives the chunks and then the end, for ever", async () => {
  const { source } = arrive({ body: new Body("ab", "", "cd").end().stream });
  assert(source.open && source.hasStream);
  const chunks: string[] = [];
  for (let read = await source.read(); !read.done; read = await source.read()) chunks.push(text(read.value));
  assertEquals([chunks, source.open], [["ab", "", "cd"], false]);
  assertEquals(await source.read(), { done: true, value: undefined });
});

test("Source takes any number of chunks that have bytes, and of empty ones between them", async () => {
  const count = 70_000;
  const many = () => {
    let pulls = 0;
    return new ReadableStream<Bytes>({
      pull(controller) {
        if (pulls++ === 2 * count) return controller.close();
        controller.enqueue(new Uint8Array(pulls % 2));
      },
    });
  };
  const { source } = arrive({ body: many() });
  assertEquals((await source.readAll(Infinity)).byteLength, count);
  const streamed = arrive({ body: many() }).source;
  let size = 0;
  for (let read = await streamed.read(); !read.done; read = await streamed.read()) size += read.value.byteLength;
  assertEquals(size, count);
});

test("Source.read() rejects a body that is shorter or longer than announced", async () => {
  for (const prefersByob of [false, true]) {
    for (const [announced, ...chunks] of [["4", "abc"], ["4", "abc", "de"], ["0", "a"], ["3", "abc", "d"], ["1"]]) {
      const { source } = arrive({
        body: byteStream(...chunks),
        headers: { "content-length": announced! },
        prefersByob,
      });
      const error = await assertRejects(() => source.readAll(100), NetworkError);
      assert(error.message.includes(`of the body arrived where ${announced} were announced`), error.message);
    }
  }
});

test("Source.read() rejects chunks that are no bytes", async () => {
  for (const chunk of ["text", new Uint16Array(2), new ArrayBuffer(2), null, 5]) {
    const body = new Body();
    const { source } = arrive({ body: body.stream });
    body.sendAny(chunk);
    const message = "a chunk of it is not a Uint8Array";
    await assertRejects(() => source.read(), NetworkError, message);
    const whole = new Body("ab");
    const { source: all } = arrive({ body: whole.stream });
    whole.sendAny(chunk);
    await assertRejects(() => all.readAll(10), NetworkError, message);
  }
});

test("Source.read() says that the connection failed, and keeps the cause", async () => {
  const body = new Body("ab");
  const { source } = arrive({ body: body.stream });
  await source.read();
  const failure = new Error("reset");
  const read = source.read();
  body.fail(failure);
  const error = await assertRejects(() => read, NetworkError, "The connection failed before the end of the body");
  assertStrictEquals(error.cause, failure);
});

test("Source.read() has the idle timeout, each time anew", () =>
  onClock(async (clock) => {
    const body = new Body();
    const { source, exchange } = arrive({ body: body.stream });
    for (let i = 0; i < 3; i++) {
      const read = source.read();
      await clock.tick(IDLE - 1);
      body.send("a");
      assertEquals(text((await read).value), "a");
    }
    const read = exchange.drive(source.read()).catch((error) => error);
    await clock.tick(IDLE - 1);
    await clock.tick(1);
    const error = await read;
    assert(error instanceof TimeoutError && error.phase === "idle", String(error));
  }));

test("Source.abort() cancels the body, also one that nobody has begun to read", async () => {
  for (const prefersByob of [undefined, false, true]) {
    let canceled: unknown = "not canceled";
    const stream = new ReadableStream<Bytes>({ type: "bytes", cancel: (reason) => void (canceled = reason) });
    const { source } = arrive({ body: stream, prefersByob: prefersByob === true, toError: (reason) => `${reason}!` });
    const told: unknown[] = [];
    const controller = { error: (reason: unknown) => told.push(reason) } as never;
    source.failOnAbort(controller);
    if (prefersByob === false) source.read().catch(() => {});
    if (prefersByob === true) source.readInto(new ByteCollector(), 10).catch(() => {});
    source.abort("enough");
    await settle();
    assertEquals([canceled, told, source.open], [undefined, ["enough!"], false]);
  }
});

test("Source.abort() does not mind a body that is none of the platform's", () => {
  const { source, response } = arrive({ body: "text" });
  Object.defineProperty(response, "body", {
    value: {
      cancel() {
        throw new TypeError("cannot be canceled");
      },
    },
  });
  source.abort("enough");
  assertEquals(source.open, false);
});

test("Source.discard() reads a small body to its end", async () => {
  const { source } = arrive({ body: new Body("ab", "cd").end().stream });
  assertEquals(await source.discard(), true);
  const announced = arrive({ body: new Body("abcd").end().stream, headers: { "content-length": "4" } });
  assertEquals(await announced.source.discard(), true);
  assertEquals(await arrive({}).source.discard(), true);
});

test("Source.discard() reads at most 64 KiB, and nothing of what is announced as more", async () => {
  const chunk = "x".repeat(KIB);
  const endless = new Body(...Array<string>(100).fill(chunk));
  assertEquals(await arrive({ body: endless.stream }).source.discard(), false);
  const large = new Body(chunk);
  const headers = { "content-length": String(SMALL + 1) };
  assertEquals(await arrive({ body: large.stream, headers }).source.discard(), false);
  assertEquals(large.pulls, 0);
});

test("Source.discard() waits for 250 ms in all, and leaves no timer", () =>
  onClock(async (clock) => {
    const body = new Body("ab");
    const { source } = arrive({ body: body.stream });
    let reuse: boolean | undefined;
    source.discard().then((result) => reuse = result);
    await clock.tick(SHORT - 1);
    body.send("cd");
    await settle();
    assertEquals(reuse, undefined);
    await clock.tick(1);
    assertEquals(reuse, false);
  }));

test("Source.discard() takes a body that fails for one that cannot be read to its end", async () => {
  const body = new Body("ab");
  const { source } = arrive({ body: body.stream });
  const discarded = source.discard();
  body.fail(new Error("reset"));
  assertEquals(await discarded, false);
  const odd = new Body();
  odd.sendAny("text");
  assertEquals(await arrive({ body: odd.stream }).source.discard(), false);
});

test("Source.isSmall is for short bodies that the platform ends and nothing else frames", async () => {
  const usual = { body: "text", headers: { "content-length": "4" }, endsBodies: true };
  const isSmall = (setup: Setup) => arrive({ ...usual, ...setup }).source.isSmall;
  assertEquals(isSmall({}), true);
  assertEquals(isSmall({ headers: undefined }), false);
  assertEquals(isSmall({ headers: { "content-length": "4", "transfer-encoding": "chunked" } }), false);
  assertEquals(isSmall({ headers: { "content-length": "65537" } }), false);
  assertEquals(isSmall({ method: "HEAD" }), false);
  assertEquals(isSmall({ endsBodies: false }), false);
  const { source } = arrive(usual);
  await source.read();
  assertEquals(source.isSmall, false); // a part of it was read
});

test("Source.readAll() gives the whole body, however it is read", async () => {
  for (const prefersByob of [false, true]) {
    for (const headers of [undefined, { "content-length": "6" }]) {
      for (const stream of [() => byteStream("abc", "def"), () => new Body("abc", "def").end().stream]) {
        const { exchange, source } = arrive({ body: stream(), headers, prefersByob });
        const content = await source.readAll(6);
        assertEquals([text(content), content.buffer.byteLength, source.open], ["abcdef", 6, false]);
        assertEquals(exchange.over, false);
      }
    }
  }
});

test("Source.readAll() gives no bytes of a response without a stream", async () => {
  const { source } = arrive({ body: null });
  assertEquals([source.open, source.hasStream], [true, false]);
  assertEquals((await source.readAll(0)).byteLength, 0);
});

test("Source.readAll() refuses a body that is longer than the cap", async () => {
  for (const prefersByob of [false, true]) {
    const cases = [[0, "a"], [3, "abcd"], [3, "ab", "cd"], [5000, "x".repeat(4096), "x".repeat(4096)]] as const;
    for (const [max, ...chunks] of cases) {
      const { source } = arrive({ body: byteStream(...chunks), prefersByob });
      const error = await assertRejects(() => source.readAll(max), BodyTooLargeError);
      assertEquals(error.url, "https://a.test/page");
    }
  }
});

test("Source.readAll() reads nothing of a body that is announced to be too long", async () => {
  const body = new Body();
  const { source } = arrive({ body: body.stream, headers: { "content-length": "4" } });
  await assertRejects(() => source.readAll(3), BodyTooLargeError);
  assertEquals(body.pulls, 0);
});

test("Source.readAll() takes a body in one piece only where the platform is sure to end it", async () => {
  const headers = { "content-length": "4" };
  const cases: [wholly: boolean, setup: Setup][] = [
    [true, { headers, endsBodies: true }],
    [false, { headers, endsBodies: false }],
    [false, { endsBodies: true }],
    [false, { headers: { ...headers, "transfer-encoding": "chunked" }, endsBodies: true }],
  ];
  for (const [wholly, setup] of cases) {
    const { exchange, source, response } = arrive({ body: "abcd", ...setup });
    let whole = false;
    const arrayBuffer = response.arrayBuffer.bind(response);
    response.arrayBuffer = () => {
      whole = true;
      return arrayBuffer();
    };
    assertEquals(text(await source.readAll(10)), "abcd");
    assertEquals(whole, wholly, JSON.stringify(setup));
    assertEquals(exchange.timing.deadline, Infinity, "its wait is not over");
  }
});

test("Source.readAll() makes the bytes that arrive progress of the exchange, and a stream does not", () =>
  onClock(async (clock) => {
    const body = new Body();
    const { exchange, source } = arrive({ body: body.stream });
    assertEquals(exchange.progress, undefined);
    const content = source.readAll(10);
    await clock.tick(100);
    body.send("a");
    await settle();
    assertEquals(exchange.progress, clock.now);
    body.end();
    assertEquals(text(await content), "a");

    const endless = arrive({ body: new Body("a").stream });
    const reader = new BodyReader(endless.exchange, endless.source);
    await reader.read();
    assertEquals(endless.exchange.progress, undefined);
    const announced = arrive({ body: new Body("a").stream, headers: { "content-length": "5" } });
    await new BodyReader(announced.exchange, announced.source).read();
    assertEquals(announced.exchange.progress, clock.now);
    for (const { exchange } of [endless, announced]) exchange.endWith(new Error("enough"));
  }));

/** A body that the caller owns. */
function own(setup: Setup): Context & { reader: BodyReader } {
  const context = arrive(setup);
  return { ...context, reader: new BodyReader(context.exchange, context.source) };
}

test("BodyReader ends the exchange at the end of the body", async () => {
  const { reader, exchange } = own({ body: new Body("ab").end().stream });
  assertEquals(text((await reader.read()).value), "ab");
  assertEquals([reader.closed, exchange.over], [false, false]);
  assertEquals((await reader.read()).done, true);
  assertEquals([reader.closed, exchange.over], [true, true]);
  assertEquals((await reader.read()).done, true);
  reader.close();
  assertEquals((await reader.read()).done, true);
});

test("BodyReader ends the exchange at once if there is no stream", () => {
  const { reader, exchange } = own({ body: null });
  assertEquals([reader.closed, exchange.over], [true, true]);
});

test("BodyReader ends the exchange at an error, and says the same again", async () => {
  const body = new Body();
  const { reader, exchange } = own({ body: body.stream });
  body.fail(new Error("reset"));
  const error = await assertRejects(() => reader.read(), NetworkError);
  assertEquals(exchange.over, true);
  assertStrictEquals(await assertRejects(() => reader.read()), error);
});

test("BodyReader.close() gives the connection back, and reads reject from then on", async () => {
  const body = new Body("ab");
  const { reader, exchange, leaks } = own({ body: body.stream });
  const pending = [reader.read(), reader.read().catch((error) => error)];
  await settle();
  reader.close();
  reader.close();
  assertEquals(exchange.over, true);
  assertEquals(text((await pending[0] as { value: Bytes }).value), "ab");
  const error = await pending[1];
  assert(error instanceof TypeError && error.message.includes("the response is closed"), String(error));
  await assertRejects(() => reader.read(), TypeError, "the response is closed: GET https://a.test/page");
  assert(body.canceled !== "not canceled");
  assertEquals(leaks, []);
});

test("BodyReader rejects with the first reason to abort", async () => {
  const { reader, exchange } = own({ body: new Body().stream });
  const reading = reader.read();
  const reason = { not: "an error" };
  exchange.abort(reason);
  assertStrictEquals(await reading.catch((error) => error), reason);
  reader.close();
  assertStrictEquals(await reader.read().catch((error) => error), reason);
});

test("BodyReader has errors made into others, if it is told to", async () => {
  const body = new Body();
  const { reader } = own({ body: body.stream, toError: (cause) => new TypeError("fetch failed", { cause }) });
  body.fail(new Error("reset"));
  const error = await assertRejects(() => reader.read(), TypeError, "fetch failed");
  assert(error.cause instanceof NetworkError);
});

test("BodyReader.readAll() gives the whole body, within its cap, and ends the exchange", async () => {
  const { reader, exchange } = own({ body: new Body("ab", "cd").end().stream });
  assertEquals([text(await reader.readAll(4)), exchange.over], ["abcd", true]);
  const large = own({ body: new Body("ab", "cd").stream });
  await assertRejects(() => large.reader.readAll(3), BodyTooLargeError);
  assertEquals(large.exchange.over, true);
});

test("BodyReader.readSome() gives the start of a body, and closes it", async () => {
  const { reader, exchange } = own({ body: new Body("ab", "cd", "ef").stream });
  assertEquals([text(await reader.readSome(3)), exchange.over], ["abc", true]);
  const short = own({ body: new Body("ab").end().stream });
  assertEquals([text(await short.reader.readSome(10)), short.exchange.over], ["ab", true]);
  const failing = new Body();
  const failed = own({ body: failing.stream });
  const start = failed.reader.readSome(10);
  failing.send("ab");
  await settle();
  failing.fail(new Error("reset"));
  assertEquals([text(await start), failed.exchange.over], ["ab", true]);
});

test("BodyReader.readSome() waits for no more than it was asked for", async () => {
  const { reader, exchange } = own({ body: new Body("abc").stream });
  const start = reader.readSome(3);
  await settle();
  assertEquals([exchange.over, text(await start)], [true, "abc"]);
});

test("BodyReader.readSome() gives what has come within 2 s", () =>
  onClock(async (clock) => {
    const { reader, exchange } = own({ body: new Body("ab").stream });
    const start = reader.readSome(10);
    await clock.tick(1999);
    assertEquals(exchange.over, false);
    await clock.tick(1);
    assertEquals([text(await start), exchange.over], ["ab", true]);
  }));

async function readStream(stream: ReadableStream<Bytes>): Promise<string> {
  let all = "";
  for await (const chunk of stream) all += text(chunk);
  return all;
}

test("BodyReader.stream() gives the body, and ends the exchange at its end", async () => {
  const { reader, exchange } = own({ body: new Body("ab", "cd").end().stream });
  assertEquals([await readStream(reader.stream()!), exchange.over], ["abcd", true]);
});

test("BodyReader.stream() reads nothing before somebody reads", async () => {
  const body = new Body();
  const { reader } = own({ body: body.stream });
  reader.stream()!;
  await settle();
  assertEquals(body.pulls, 0);
  reader.close();
});

test("BodyReader.stream() can be read into a buffer", async () => {
  const { reader } = own({ body: new Body("abcdef").end().stream });
  const byob = reader.stream()!.getReader({ mode: "byob" });
  const first = await byob.read(new Uint8Array(4));
  assertEquals(text(first.value as Bytes), "abcd");
  const second = await byob.read(new Uint8Array(4));
  assertEquals(text(second.value as Bytes), "ef");
  assertEquals((await byob.read(new Uint8Array(4))).done, true);
});

test("BodyReader.stream() leaves the memory of the chunks alone", async () => {
  const body = new Body();
  const { reader } = own({ body: body.stream });
  const chunk = bytes("ab");
  body.sendAny(chunk);
  body.end();
  await readStream(reader.stream()!);
  assertEquals(text(chunk), "ab");
});

test("BodyReader.stream() gives the connection back when it is canceled, and fails when the exchange is aborted", async () => {
  const canceled = own({ body: new Body("ab").stream });
  await canceled.reader.stream()!.cancel();
  assertEquals(canceled.exchange.over, true);
  const { reader, exchange } = own({ body: new Body().stream });
  const stream = reader.stream()!.getReader();
  const reading = stream.read();
  const reason = new RangeError("enough");
  exchange.abort(reason);
  assertStrictEquals(await assertRejects(() => reading), reason);
  assertStrictEquals(await assertRejects(() => stream.closed), reason);
  const unread = own({ body: new Body().stream });
  const { closed } = unread.reader.stream()!.getReader();
  unread.exchange.abort(reason);
  assertStrictEquals(await assertRejects(() => closed), reason);
});

test("BodyReader.stream() does not stop at a chunk without bytes", async () => {
  const { reader } = own({ body: new Body("ab", "", "", "cd", "").end().stream });
  const stream = reader.stream()!.getReader();
  const reads: string[] = [];
  (async () => {
    for (let { done, value } = await stream.read(); !done; { done, value } = await stream.read()) {
      reads.push(text(value));
    }
    reads.push("end");
  })().catch((error) => reads.push(String(error)));
  await settle(200);
  assertEquals(reads, ["ab", "cd", "end"]);
});

test("Source.readInto() reads the rest of a body, until there is more than it may have", async () => {
  for (const prefersByob of [false, true]) {
    for (const headers of [undefined, { "content-length": "6" }]) {
      const { source } = arrive({ body: byteStream("ab", "cd", "ef"), headers, prefersByob });
      assertEquals(text((await source.read()).value), "ab");
      const rest = new ByteCollector();
      await source.readInto(rest, 4);
      assertEquals([text(rest.take()), source.open], ["cdef", false]);
    }
    const { source } = arrive({ body: byteStream("ab", "cd", "ef", "gh"), prefersByob });
    const part = new ByteCollector();
    part.append(bytes("ab"));
    await source.readInto(part, 5);
    assertEquals([part.size, source.open], [6, true]);
  }
});

test("Source.readInto() gives each chunk the idle timeout anew", () =>
  onClock(async (clock) => {
    const body = new Body();
    const { source, exchange } = arrive({ body: body.stream });
    const bytes = new ByteCollector();
    const read = exchange.drive(source.readInto(bytes, 100)).catch((error) => error);
    for (let i = 0; i < 3; i++) {
      await clock.tick(IDLE - 1);
      body.send("a");
      await settle();
    }
    await clock.tick(IDLE - 1);
    assertEquals(bytes.size, 3);
    await clock.tick(1);
    const error = await read;
    assert(error instanceof TimeoutError && error.phase === "idle", String(error));
  }));

test("Source.readInto() stops when the exchange is aborted, though the body does not end", async () => {
  const { source, exchange } = arrive({ body: new Body("ab").stream });
  const bytes = new ByteCollector();
  const read = exchange.drive(source.readInto(bytes, 100));
  await settle();
  const reason = new RangeError("enough");
  exchange.abort(reason);
  assertStrictEquals(await assertRejects(() => read), reason);
});

test("BodyReader.readAhead() gives a small body's connection back though nobody reads it", async () => {
  const { reader, exchange } = own({ body: new Body("ab", "", "cd").end().stream });
  reader.readAhead(SMALL, undefined);
  assertEquals(exchange.over, false);
  await settle();
  assertEquals(exchange.over, true);
  assertEquals(await readStream(reader.stream()!), "abcd");
});

test("BodyReader.readAhead() reads nothing of a body that is at its end", () => {
  const { reader } = own({ body: null });
  reader.readAhead(SMALL, undefined);
  assertEquals(reader.closed, true);
});

test("BodyReader.readAhead() gives what it reads to who reads meanwhile, in order", async () => {
  const body = new Body();
  const { reader, exchange } = own({ body: body.stream });
  reader.readAhead(SMALL, undefined);
  const all = readStream(reader.stream()!);
  for (const chunk of ["a", "b", "c"]) {
    body.send(chunk);
    await settle();
  }
  body.end();
  assertEquals([await all, exchange.over], ["abc", true]);
});

test("BodyReader.readAll() goes on from what was read ahead", async () => {
  const body = new Body("ab");
  const { reader, exchange } = own({ body: body.stream });
  reader.readAhead(SMALL, undefined);
  await settle();
  const all = reader.readAll(Infinity);
  body.send("cd");
  await settle();
  body.send("ef");
  body.end();
  assertEquals([text(await all), exchange.over], ["abcdef", true]);
});

test("BodyReader.readAhead() has no timeout, and a read that waits for it has one", () =>
  onClock(async (clock) => {
    for (const read of [(reader: BodyReader) => reader.read(), (reader: BodyReader) => reader.readAll(10)]) {
      const { reader, exchange } = own({ body: new Body().stream });
      reader.readAhead(SMALL, undefined);
      await clock.tick(10 * IDLE);
      assertEquals([exchange.over, clock.pending], [false, 0]);
      const reading = read(reader).catch((error) => error);
      await clock.tick(IDLE);
      const error = await reading;
      assert(error instanceof TimeoutError && error.phase === "idle", String(error));
      assertEquals(exchange.over, true);
    }
  }));

test("BodyReader.stream() fails at an abort where the platform has no WeakRef", async () => {
  const { WeakRef } = globalThis;
  Reflect.deleteProperty(globalThis, "WeakRef");
  try {
    const { reader, exchange } = own({ body: new Body().stream });
    const read = reader.stream()!.getReader().read();
    const reason = new RangeError("enough");
    exchange.abort(reason);
    assertStrictEquals(await assertRejects(() => read), reason);
  } finally {
    Object.defineProperty(globalThis, "WeakRef", { value: WeakRef, configurable: true, writable: true });
  }
});

test("BodyReader.readAhead() waits, if asked to, until the body has arrived, and each read has a timeout", () =>
  onClock(async (clock) => {
    const body = new Body();
    const { reader, exchange } = own({ body: body.stream });
    const log: string[] = [];
    const ahead = reader.readAhead(SMALL, undefined, true).then(() => log.push("done"));
    for (let i = 0; i < 3; i++) {
      await clock.tick(IDLE - 1);
      body.send("a");
      await settle();
    }
    assertEquals([log, exchange.over], [[], false]);
    await clock.tick(IDLE);
    await ahead;
    assertEquals([log, exchange.over], [["done"], true]);
    const error = await assertRejects(() => reader.read(), TimeoutError);
    assertEquals(error.phase, "idle");
  }));

test("BodyReader.readAhead() keeps what goes wrong for who reads", async () => {
  const body = new Body();
  const { reader, exchange } = own({ body: body.stream });
  reader.readAhead(SMALL, undefined);
  body.fail(new Error("reset"));
  await settle();
  assertEquals(exchange.over, true);
  await assertRejects(() => reader.read(), NetworkError);
});

test("BodyReader.readAhead() gives what arrived before what went wrong, however it is read", async () => {
  for (const way of ["read", "stream", "readAll"]) {
    const body = new Body("ab", "cd");
    const { reader, exchange } = own({ body: body.stream });
    reader.readAhead(SMALL, undefined);
    const stream = way === "stream" ? reader.stream()!.getReader() : undefined;
    await settle();
    body.fail(new Error("reset"));
    await settle();
    assertEquals(exchange.over, true);
    const read = () => stream?.read() ?? reader.read();
    if (way !== "readAll") assertEquals(text((await read()).value), "abcd");
    for (let i = 0; i < 2; i++) {
      await assertRejects(() => way === "readAll" ? reader.readAll(100) : read() as Promise<unknown>, NetworkError);
    }
  }
});

test("BodyReader.readAhead() cancels a body that breaks its rules, and an abort ends it at once", async () => {
  const odd = new Body("ab");
  const { reader, exchange } = own({ body: odd.stream });
  reader.readAhead(SMALL, undefined);
  odd.sendAny("text");
  await settle();
  assertEquals([exchange.over, odd.canceled], [true, undefined]);
  assertEquals(text((await reader.read()).value), "ab");
  await assertRejects(() => reader.read(), NetworkError);

  const aborted = own({ body: new Body("ab").stream });
  aborted.reader.readAhead(SMALL, undefined);
  await settle();
  const reason = new RangeError("enough");
  aborted.exchange.abort(reason);
  assertStrictEquals(await assertRejects(() => aborted.reader.read()), reason);
});

test("BodyReader.readAhead() heeds the caller's signal though the body has arrived", async () => {
  const { reader } = own({ body: new Body("ab").end().stream });
  const controller = new AbortController();
  reader.readAhead(SMALL, controller.signal);
  await settle();
  assertEquals(reader.closed, true);
  const reason = new RangeError("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => reader.read()), reason);
  assertStrictEquals(await assertRejects(() => reader.readAll(10)), reason);
});
