// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { Readable } from "node:stream";
import type { Bytes } from "../_internal/bytes.ts";
import { Cancellation } from "../_internal/cancellation.ts";
import { bodyOf, isStream, type StreamBody, Upload } from "../_internal/upload.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { mocking } from "./harness/mocking.ts";

function bytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}

function text(chunk: Bytes | undefined): string {
  return new TextDecoder().decode(chunk);
}

/** A source under the test's control, which tells what is done to it. */
class Source {
  readonly log: string[] = [];
  readonly reads: PromiseWithResolvers<IteratorResult<Bytes, unknown>>[] = [];
  onReturn: () => unknown = () => ({ done: true, value: undefined });

  next(): Promise<IteratorResult<Bytes, unknown>> {
    this.log.push("next");
    const read = Promise.withResolvers<IteratorResult<Bytes, unknown>>();
    this.reads.push(read);
    return read.promise;
  }

  return(reason: unknown): Promise<IteratorResult<Bytes, unknown>> {
    this.log.push(`return ${reason}`);
    return this.onReturn() as Promise<IteratorResult<Bytes, unknown>>;
  }

  give(chunk: unknown): void {
    this.reads.shift()!.resolve({ done: false, value: chunk as Bytes });
  }

  end(): void {
    this.reads.shift()!.resolve({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    this.reads.shift()!.reject(error);
  }

  get body(): StreamBody {
    return { [Symbol.asyncIterator]: () => this } as unknown as StreamBody;
  }

  take(): string {
    return this.log.splice(0).join(", ");
  }
}

/** An upload over such a source, with what it reports. */
function create(): {
  source: Source;
  upload: Upload;
  reader: ReadableStreamDefaultReader<Bytes>;
  failures: unknown[];
  progress: () => number;
} {
  const source = new Source();
  const failures: unknown[] = [];
  let progress = 0;
  const upload = new Upload(source.body, () => progress++, (cause) => failures.push(cause));
  return { source, upload, failures, progress: () => progress, reader: upload.stream.getReader() };
}

Deno.test("isStream() knows what is gone once it was sent", () => {
  const streams = [new ReadableStream(), (async function* () {})(), { [Symbol.asyncIterator]() {} }];
  // Deno and workerd send any other iterable as a stream, too.
  streams.push(...[(function* () {})(), [], new Set(), new Headers()] as never[]);
  for (const body of streams) assert(isStream(body));
  const others = [null, undefined, "", "text", new Uint8Array(), new ArrayBuffer(1), new Blob(), new FormData()];
  for (const body of [...others, new String(""), new URLSearchParams(), {}, () => {}]) assert(!isStream(body));
  // As with an early date of compatibility of workerd.
  const untagged = Object.defineProperty(new URLSearchParams(), Symbol.toStringTag, { value: "Object" });
  assert(!isStream(untagged));
});

Deno.test("isStream() knows a form of a library that is the global one, and has no tag", async () => {
  class Library {
    *[Symbol.iterator]() {}
  }
  const form = new Library();
  assert(isStream(form));
  assert(isStream(Object.assign(form, { [Symbol.toStringTag]: "FormData" }))); // Deno iterates it
  assert(await mocking(globalThis, "FormData", Library, () => Promise.resolve(!isStream(form))));
});

Deno.test("Upload reads its source as the transport reads, a chunk at a time", async () => {
  const { source, upload, reader, progress, failures } = create();
  await settle();
  assertEquals([source.take(), progress()], ["", 0]);
  const first = reader.read();
  await settle();
  assertEquals([source.take(), progress()], ["next", 1]);
  source.give(bytes("ab"));
  assertEquals(text((await first).value), "ab");
  await settle();
  assertEquals(source.take(), "");
  const second = reader.read();
  await settle();
  source.give(bytes("cd"));
  assertEquals(text((await second).value), "cd");
  assertEquals([progress(), upload.ended], [2, false]);
  const last = reader.read();
  await settle();
  source.end();
  assertEquals(await last, { done: true, value: undefined });
  await settle();
  assertEquals([upload.ended, source.take(), failures], [true, "next, next", []]);
});

Deno.test("Upload gives several reads their chunks in order", async () => {
  const { source, reader } = create();
  const reads = [reader.read(), reader.read(), reader.read()];
  for (const chunk of ["a", "b"]) {
    await settle();
    source.give(bytes(chunk));
  }
  await settle();
  source.end();
  assertEquals((await Promise.all(reads)).map(({ value }) => text(value)), ["a", "b", ""]);
});

Deno.test("Upload.end() fails the stream and releases the source, once", async () => {
  for (const reads of [0, 1]) {
    const { source, upload, reader, failures } = create();
    const read = reads > 0 ? reader.read() : reader.closed;
    read.catch(() => {});
    await settle();
    source.take();
    const reason = new Error("enough");
    upload.end(reason);
    upload.end(new Error("again"));
    assertStrictEquals(await assertRejects(() => read), reason);
    await settle();
    assertEquals([upload.ended, source.take(), failures], [true, "return Error: enough", []]);
    if (reads > 0) source.give(bytes("too late"));
    await settle();
    assertEquals([source.take(), failures], ["", []]);
  }
});

Deno.test("Upload.end() does nothing once the source has ended", async () => {
  const { source, upload, reader } = create();
  const read = reader.read();
  await settle();
  source.end();
  await read;
  upload.end(new Error("too late"));
  assertEquals([source.take(), await reader.closed], ["next", undefined]);
});

Deno.test("Upload releases its source when the transport cancels", async () => {
  const { source, upload, reader, failures } = create();
  await reader.cancel("not wanted");
  await settle();
  assertEquals([upload.ended, source.take(), failures], [true, "return not wanted", []]);
});

Deno.test("Upload reports the failure of its source before the transport sees it", async () => {
  const { source, upload, reader, failures } = create();
  const read = reader.read().catch((error) => {
    assertEquals(failures.length, 1);
    return error;
  });
  await settle();
  const failure = new Error("disk");
  source.fail(failure);
  assertStrictEquals(await read, failure);
  assertStrictEquals(failures[0], failure);
  await settle();
  assertEquals([upload.ended, source.take()], [true, "next, return Error: disk"]);
  upload.end("later");
  assertEquals([source.take(), failures.length], ["", 1]);
});

Deno.test("Upload refuses chunks that are no bytes", async () => {
  for (const chunk of ["text", 1, null, undefined, new Uint16Array(1), new ArrayBuffer(1)]) {
    const { source, reader, failures } = create();
    const read = reader.read().catch((error) => error);
    await settle();
    source.give(chunk);
    const error = await read;
    assert(error instanceof TypeError && error.message.includes("is not a Uint8Array"), String(error));
    assertStrictEquals(failures[0], error);
  }
});

Deno.test("Upload does not mind a source that cannot be released", async () => {
  const failure = new Error("cannot be left");
  const ways: (() => unknown)[] = [
    () => {
      throw failure;
    },
    () => Promise.reject(failure),
    () => new Promise(() => {}),
  ];
  for (const way of ways) {
    const { source, upload } = create();
    source.onReturn = way;
    upload.end("enough");
    await settle();
    assertEquals(source.take(), "return enough");
  }
  const body = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) } as StreamBody;
  new Upload(body, () => {}, () => {}).end("enough"); // no return()
  await settle();
});

Deno.test("Upload takes a ReadableStream, and cancels it", async () => {
  let canceled: unknown;
  const chunks = ["a", "b"];
  const stream = new ReadableStream<Bytes>({
    pull: (controller) => controller.enqueue(bytes(chunks.shift()!)),
    cancel: (reason) => void (canceled = reason),
  }, { highWaterMark: 0 });
  const upload = new Upload(stream, () => {}, () => {});
  const reader = upload.stream.getReader();
  assertEquals(text((await reader.read()).value), "a");
  upload.end("enough");
  await settle();
  assertEquals([canceled, chunks], ["enough", ["b"]]);
});

Deno.test("Upload throws what a body throws that cannot be read", () => {
  const locked = new ReadableStream<Bytes>();
  locked.getReader();
  assertThrows(() => new Upload(locked, () => {}, () => {}), TypeError);
});

Deno.test("Upload reads its source in the async context of the call, however the transport reads", async () => {
  const storage = new AsyncLocalStorage<string>();
  const contexts: (string | undefined)[] = [];
  const body = (async function* () {
    for (let i = 0; i < 3; i++) {
      contexts.push(storage.getStore());
      yield bytes("a");
    }
  })();
  const upload = storage.run("the call", () => new Upload(body, () => {}, () => {}));
  await storage.run("the transport", async () => {
    for await (const _ of upload.stream);
  });
  assertEquals(contexts, ["the call", "the call", "the call"]);
});

const open = new Cancellation();

function post(body: BodyInit, init: RequestInit = {}): Request {
  return new Request("https://a.test/", { method: "POST", body, ...init, duplex: "half" } as RequestInit);
}

Deno.test("bodyOf() gives what is in memory as bytes", async () => {
  const large = "x".repeat(3 * 1024 * 1024);
  const cases: [BodyInit, string][] = [
    ["text", "text"],
    [bytes("bytes"), "bytes"],
    [new Blob(["blob"]), "blob"],
    [new URLSearchParams({ a: "1" }), "a=1"],
    [large, large],
    ["", ""],
  ];
  for (const [body, expected] of cases) {
    const buffered = await bodyOf(post(body), open);
    assert(buffered instanceof Uint8Array);
    assertEquals(text(buffered as Bytes), expected);
  }
});

Deno.test("bodyOf() gives a body of one chunk as bytes, however large it is", async () => {
  const buffered = await bodyOf(post("x".repeat(65 * 1024 * 1024)), open);
  assertEquals((buffered as Bytes).byteLength, 65 * 1024 * 1024);
});

Deno.test("bodyOf() gives a form as bytes", async () => {
  const form = new FormData();
  form.set("name", "value");
  for (let i = 0; i < 10_000; i++) form.set(`name ${i}`, ""); // on Deno each is a chunk
  const buffered = await bodyOf(post(form), open);
  assert(buffered !== undefined && !isStream(buffered));
  assert(new TextDecoder().decode(buffered as Bytes).includes('name="name"'));
});

/** All that a body gives. */
async function readAll(body: unknown): Promise<string> {
  let all = "";
  for await (const chunk of body as AsyncIterable<Bytes>) all += text(chunk);
  return all;
}

Deno.test("bodyOf() gives a stream that comes late as a stream, with all that was read ahead", async () => {
  using clock = new FakeClock().install();
  let controller!: ReadableStreamDefaultController<Bytes>;
  const stream = new ReadableStream<Bytes>({ start: (given) => void (controller = given) });
  controller.enqueue(bytes("ab"));
  const buffering = bodyOf(post(stream), open);
  await clock.tick(5);
  controller.enqueue(bytes("cd"));
  await clock.tick(20);
  const body = await buffering;
  assert(isStream(body));
  controller.enqueue(bytes("ef"));
  controller.close();
  assertEquals([await readAll(body), clock.pending], ["abcdef", 0]);
});

Deno.test("bodyOf() leaves no timer, whatever comes of the body", async () => {
  using clock = new FakeClock().install();
  await bodyOf(post("text"), open);
  assertEquals(clock.pending, 0);
  const failure = new Error("disk");
  const failing = new ReadableStream({ pull: () => Promise.reject(failure) });
  await assertRejects(async () => await bodyOf(post(failing), open));
  assertEquals(clock.pending, 0);
});

Deno.test("bodyOf() refuses chunks that are no bytes", async () => {
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue("text");
      controller.close();
    },
  });
  await assertRejects(async () => await bodyOf(post(stream), open), TypeError);
});

Deno.test("bodyOf() cancels the body if it is aborted meanwhile", async () => {
  using clock = new FakeClock().install();
  let canceled: unknown;
  const cancellation = new Cancellation();
  const stream = new ReadableStream<Bytes>({ cancel: (reason) => void (canceled = reason) });
  const buffering = Promise.resolve(bodyOf(post(stream), cancellation)).catch((error) => error);
  await settle();
  cancellation.abort("enough");
  assertEquals([await buffering, canceled, clock.pending], ["enough", "enough", 0]);
});

Deno.test("bodyOf() gives a stream whose source is released though it was never read", async () => {
  using clock = new FakeClock().install();
  let canceled: unknown;
  const stream = new ReadableStream<Bytes>({ cancel: (reason) => void (canceled = reason) });
  const buffering = bodyOf(post(stream), open);
  await clock.tick(20);
  const body = await buffering;
  assert(isStream(body));
  new Upload(body, () => {}, () => {}).end("enough");
  await settle();
  assertEquals(canceled, "enough");
});

Deno.test("bodyOf() does not hold a large stream in memory", async () => {
  let sent = 0;
  const chunk = new Uint8Array(1024 * 1024);
  const stream = new ReadableStream<Bytes>({
    pull(controller) {
      sent += chunk.byteLength;
      controller.enqueue(chunk.slice());
    },
  }, { highWaterMark: 0 });
  using clock = new FakeClock().install(); // so that the time is never over
  const body = await bodyOf(post(stream), open);
  assert(isStream(body));
  assert(sent > 0 && sent <= 80 * chunk.byteLength, `${sent}`);
  assertEquals(clock.pending, 0);
  new Upload(body, () => {}, () => {}).end("enough");
  await settle();
});

Deno.test("bodyOf() lets the event loop turn though a stream always has a small chunk at hand", async () => {
  using clock = new FakeClock().install(); // so that the time is never over
  for (const size of [0, 1]) {
    let sent = 0;
    const stream = new ReadableStream<Bytes>({
      pull: (controller) => ++sent < 200_000 ? controller.enqueue(new Uint8Array(size)) : controller.close(),
    });
    assert(isStream(await bodyOf(post(stream), open)));
    assert(sent < 70_000, `${sent}`);
  }
  assertEquals(clock.pending, 0);
});

Deno.test("Upload takes the errors of a Node stream that nobody reads", async () => {
  const source = new Readable({ read() {} });
  const failures: unknown[] = [];
  const upload = new Upload(source, () => {}, (cause) => failures.push(cause));
  const error = new Error("lost");
  source.destroy(error);
  await new Promise((resolve) => source.once("close", resolve));
  assertEquals(failures, []);
  await assertRejects(() => upload.stream.getReader().read(), Error, "lost");
  assertEquals([failures, upload.ended], [[error], true]);
});

Deno.test("Upload takes the errors of a Node stream that it has given up", async () => {
  const source = new Readable({ read() {} });
  const upload = new Upload(source, () => {}, () => {});
  source.destroy(new Error("lost"));
  upload.end(undefined); // before the stream tells of its error
  await new Promise((resolve) => source.once("close", resolve));
});

Deno.test("Upload closes a Node stream of which nothing was read, or of which a read is pending", async () => {
  for (const reading of [false, true]) {
    const source = new Readable({ read() {} });
    const upload = new Upload(source, () => {}, () => {});
    const read = reading ? upload.stream.getReader().read().catch(() => {}) : undefined;
    await Promise.resolve();
    upload.end(new Error("enough"));
    await read;
    assert(source.destroyed);
  }
});

Deno.test("Upload leaves the request of a server open, as the answer needs its socket", () => {
  const source = Object.assign(new Readable({ read() {} }), { socket: {} });
  new Upload(source, () => {}, () => {}).end(new Error("enough"));
  assertEquals(source.destroyed, false);
});
