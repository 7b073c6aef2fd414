// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ByteCollector, type Bytes, isBytes, isWebStream, makeStream } from "../_internal/bytes.ts";
import { mocking } from "./harness/mocking.ts";
import { pattern } from "./server/pattern.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Gathers pieces of these lengths, and checks what comes of it. */
function gather(lengths: number[], announced?: number): ByteCollector {
  const bytes = new ByteCollector(announced);
  for (const length of lengths) {
    const piece = pattern(length, bytes.size);
    bytes.append(piece);
    piece.fill(255); // it was copied
  }
  return bytes;
}

function assertPattern(bytes: Bytes, length: number): void {
  assertEquals(bytes.byteLength, length);
  assertEquals([bytes.byteOffset, bytes.buffer.byteLength], [0, length]);
  assert(Buffer.from(bytes.buffer).equals(pattern(length))); // of millions, assertEquals() takes long
}

Deno.test("ByteCollector copies pieces of any size into one buffer of the exact size", () => {
  const cases = [
    [],
    [0],
    [1],
    [0, 1, 0],
    [4096],
    [4095, 1],
    [4096, 1],
    [4097],
    [10_000, 1, 10_000],
    Array<number>(5000).fill(1),
    [3 * MIB + 17],
    [MIB, MIB, 5],
  ];
  for (const lengths of cases) {
    const size = lengths.reduce((sum, length) => sum + length, 0);
    for (const announced of [undefined, 0, 1, size, size + 1, Math.floor(size / 2), 10 * MIB, Infinity]) {
      const bytes = gather(lengths, announced);
      assertEquals(bytes.size, size);
      assertPattern(bytes.take(), size);
    }
  }
});

Deno.test("ByteCollector takes views of larger buffers, and leaves their memory alone", () => {
  const whole = pattern(64 * KIB);
  const bytes = new ByteCollector();
  for (let start = 0; start < 1000; start++) bytes.append(whole.subarray(start, start + 1));
  assertPattern(bytes.take(), 1000);
  assertPattern(whole, 64 * KIB);
});

Deno.test("ByteCollector gives the block itself if what was announced is what came", () => {
  const bytes = new ByteCollector(5000);
  const { buffer } = bytes.room();
  bytes.append(pattern(5000));
  assertStrictEquals(bytes.take().buffer, buffer);
});

Deno.test("ByteCollector allocates no more than a block for what is only announced", () => {
  for (const announced of [10 * MIB, 2 ** 40, Infinity]) {
    assertEquals(new ByteCollector(announced).room().buffer.byteLength, MIB);
  }
});

Deno.test("ByteCollector gathers all in one block once a sixteenth of what was announced has arrived", () => {
  const bytes = new ByteCollector(16 * MIB);
  const first = bytes.room().buffer;
  bytes.append(pattern(MIB));
  const { buffer } = bytes.room();
  assertEquals([first.byteLength, buffer.byteLength], [0, 16 * MIB]);
  while (bytes.size < 16 * MIB) bytes.append(pattern(MIB, bytes.size));
  const whole = bytes.take();
  assertStrictEquals(whole.buffer, buffer);
  assertPattern(whole, 16 * MIB);
});

Deno.test("ByteCollector keeps the first piece that nobody else uses, and frees the others", () => {
  const bytes = new ByteCollector(3000);
  const pieces = [0, 1000, 2000].map((start) => pattern(1000, start));
  const [{ buffer }] = pieces;
  bytes.append(pieces[0], true);
  assertNotStrictEquals(bytes.room().buffer, buffer);
  for (const piece of pieces.slice(1)) bytes.append(piece, true);
  assertEquals(pieces.slice(1).map(({ byteLength }) => byteLength), [0, 0]);
  assertPattern(bytes.take(), 3000);
});

Deno.test("ByteCollector gives a buffer of its own, though nothing has arrived", () => {
  const [one, other] = [new ByteCollector().take(), new ByteCollector().take()];
  structuredClone(one, { transfer: [one.buffer] });
  assertEquals([one.buffer.detached, other.buffer.detached], [true, false]);
});

Deno.test("ByteCollector keeps no first piece that is only a part of its buffer", () => {
  const bytes = new ByteCollector();
  bytes.append(pattern(1000).subarray(0, 600), true);
  const { buffer, byteLength } = bytes.take();
  assertEquals([buffer.byteLength, byteLength], [600, 600]);
});

Deno.test("ByteCollector holds at most twice what has arrived, and a first block", () => {
  const bytes = new ByteCollector();
  const blocks = new Set<ArrayBuffer>();
  let held = 0;
  const piece = new Uint8Array(1000);
  while (bytes.size < 5 * MIB) {
    const { buffer } = bytes.room();
    if (!blocks.has(buffer)) held += buffer.byteLength;
    blocks.add(buffer);
    assert(held <= 2 * bytes.size + 4096, `${held} for ${bytes.size}`);
    bytes.append(piece);
  }
  assert(blocks.size < 20, `${blocks.size}`);
});

Deno.test("ByteCollector gives its blocks back when it makes one of them", () => {
  const bytes = new ByteCollector();
  const blocks: ArrayBuffer[] = [];
  for (let i = 0; i < 3; i++) {
    const room = bytes.room();
    blocks.push(room.buffer);
    bytes.append(pattern(room.byteLength, bytes.size));
  }
  const { size } = bytes;
  assertPattern(bytes.take(), size);
  assertEquals(blocks.map(({ byteLength }) => byteLength), [0, 0, 0]);
});

Deno.test("ByteCollector.room() has room for at least one byte, always", () => {
  for (const announced of [undefined, 0, 1, 2]) {
    const bytes = new ByteCollector(announced);
    for (let i = 0; i < 10_000; i++) {
      assert(bytes.room().byteLength > 0);
      bytes.append(pattern(1, i));
    }
    assertPattern(bytes.take(), 10_000);
  }
});

Deno.test("ByteCollector.fill() takes back the room that a reader has filled", async () => {
  for (const announced of [undefined, 0, 20_000, 50_000]) {
    let sent = 0;
    const stream = new ReadableStream({
      type: "bytes",
      pull(controller) {
        const length = Math.min(777, 20_000 - sent);
        controller.enqueue(pattern(length, sent));
        sent += length;
        if (sent === 20_000) controller.close();
      },
    });
    const reader = stream.getReader({ mode: "byob" });
    const bytes = new ByteCollector(announced);
    for (;;) {
      const { done, value } = await reader.read(bytes.room());
      if (value !== undefined) bytes.fill(value);
      if (done) break;
    }
    assertEquals(bytes.size, 20_000);
    assertPattern(bytes.take(), 20_000);
  }
});

Deno.test("isBytes() knows a Uint8Array, and nothing else", () => {
  assert(isBytes(new Uint8Array(1)));
  assert(isBytes(new Uint8Array(new ArrayBuffer(8), 2, 3)));
  const others = [new ArrayBuffer(1), new Uint16Array(1), new DataView(new ArrayBuffer(1)), [1], "a", null, undefined, {
    [Symbol.toStringTag]: "Uint8Array",
  }];
  for (const value of others) assert(!isBytes(value), String(value));
});

Deno.test("isBytes() knows a Uint8Array of another realm", async () => {
  const { runInNewContext } = await import("node:vm");
  assert(isBytes(runInNewContext("new Uint8Array(3)")));
  assert(!isBytes(runInNewContext("new Int8Array(3)")));
});

Deno.test("makeStream() and isWebStream() know the platform's streams, though a polyfill is the global one", async () => {
  const Platforms = ReadableStream;
  class Polyfill {
    readonly [Symbol.toStringTag] = "ReadableStream";
  }
  await mocking(globalThis, "ReadableStream", Polyfill, () => {
    const stream = makeStream({ type: "bytes", pull: (controller) => controller.close() });
    assert(stream instanceof Platforms);
    assertEquals([stream, new Polyfill(), {}, null].map(isWebStream), [true, true, false, false]);
    return stream.cancel();
  });
});
