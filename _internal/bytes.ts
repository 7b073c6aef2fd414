// Copyright 2026 the Hangup authors. MIT license.

/**
 * Collecting an unknown number of bytes in memory, and streams of bytes.
 *
 * @module
 */

import { resultOf } from "./causes.ts";
import { own, tagOf } from "./options.ts";
import { platformStream } from "./runtime.ts";

/**
 * The size of the first block if no length is announced, and the size of the largest block, in
 * bytes.
 */
const FIRST_BLOCK = 4096;
const LARGEST_BLOCK = 1024 * 1024;

/** Once this part of an announced length has arrived, all the rest gets its memory at once. */
const ENOUGH = 1 / 16;

export type Bytes = Uint8Array<ArrayBuffer>;

// In the types of Node before 25, `TextDecoder` is a value and no type.
export const UTF8: InstanceType<typeof TextDecoder> = new TextDecoder();

/** Decodes UTF-8. Returns `undefined` if the bytes are none. */
export function decodeStrictly(bytes: Bytes): string | undefined {
  return resultOf(() => new TextDecoder("utf-8", own({ fatal: true, ignoreBOM: true })).decode(bytes));
}

/** Whether a value is a `Uint8Array`, even one of another realm. */
export function isBytes(value: unknown): value is Bytes {
  return value instanceof Uint8Array || ArrayBuffer.isView(value) && tagOf(value) === "[object Uint8Array]";
}

/**
 * Collects bytes that arrive in pieces, in growing blocks of our own memory. So the memory held is
 * at most twice the bytes that have arrived, however small the pieces are, and however large the
 * platform's buffers behind them. If the length was announced, one block takes all of it once a
 * sixteenth has arrived, so that nothing more is copied.
 */
export class ByteCollector {
  /** The number of bytes collected. */
  size = 0;
  /** The blocks that are full. */
  readonly #full: Bytes[] = [];
  #block: Bytes = new Uint8Array(0);
  /** The number of bytes used in the current block. */
  #used = 0;
  readonly #announced: number;

  /** @param announced The expected number of bytes. It is only a hint, and may be wrong. */
  constructor(announced: number = FIRST_BLOCK) {
    this.#announced = announced;
  }

  /**
   * Adds a piece, mostly by copying it.
   *
   * @param ours Whether nobody else uses the memory of the piece. Then it is kept without a copy,
   * or freed at once, because garbage collection comes late. The caller must not use the piece
   * again.
   */
  append(piece: Bytes, ours = false): void {
    if (ours && this.size === 0 && piece.byteLength === piece.buffer.byteLength) {
      this.#block = piece;
      return this.#advance(piece.byteLength);
    }
    for (let start = 0; start < piece.byteLength;) {
      const room = this.room();
      const part = piece.subarray(start, start + room.byteLength);
      room.set(part);
      this.#advance(part.byteLength);
      start += part.byteLength;
    }
    if (ours) piece.buffer.transfer?.(0);
  }

  /** Returns the memory for the next bytes. It has room for at least one. */
  room(): Bytes {
    if (this.#used === this.#block.byteLength) this.#grow();
    return this.#block.subarray(this.#used);
  }

  /** Makes room after a full block. */
  #grow(): void {
    if (this.size < this.#announced && this.size >= this.#announced * ENOUGH) return this.#join(this.#announced);
    if (this.#used > 0) this.#full.push(this.#block);
    const least = this.size === 0 ? this.#announced : FIRST_BLOCK;
    this.#block = new Uint8Array(Math.min(Math.max(least, this.size, 1), LARGEST_BLOCK));
    this.#used = 0;
  }

  /**
   * Takes back the memory that `room()` returned, after a BYOB reader has filled it. The reader has
   * moved the memory to a new buffer.
   */
  fill(view: Bytes): void {
    this.#block = new Uint8Array(view.buffer);
    this.#advance(view.byteLength);
  }

  #advance(bytes: number): void {
    this.#used += bytes;
    this.size += bytes;
  }

  /**
   * Returns the bytes in a buffer of their exact size, which nobody else uses. Add nothing
   * afterwards.
   */
  take(): Bytes {
    if (this.#full.length > 0) this.#join(this.size);
    return this.#used === this.#block.byteLength ? this.#block : this.#block.slice(0, this.#used);
  }

  /** Moves all bytes to one block of this length. */
  #join(length: number): void {
    const whole = new Uint8Array(length);
    const blocks = [...this.#full.splice(0), this.#block.subarray(0, this.#used)];
    this.#used = 0;
    for (const block of blocks) {
      whole.set(block, this.#used);
      this.#used += block.byteLength;
      // Garbage collection comes late, and the blocks may take as much memory as the result.
      block.buffer.transfer?.(0);
    }
    this.#block = whole;
  }
}

/** What a byte stream reads from: Streams standard, section 4.2.3. */
export interface ByteSource {
  readonly type: "bytes";
  start?(controller: ReadableByteStreamController): void;
  pull(controller: ReadableByteStreamController): void | Promise<void>;
  cancel?(): void;
}

/**
 * Creates a byte stream that reads only what is asked for (Streams standard, section 4.7). WebKit
 * has no byte streams and throws. There the stream is one of the default kind.
 */
export function makeStream(source: ByteSource): ReadableStream<Bytes> {
  const PlatformStream = platformStream();
  const strategy = own({ highWaterMark: 0 });
  const stream = resultOf(() => new PlatformStream(own(source), strategy)) ??
    new PlatformStream(own({ ...source, type: undefined }) as never, strategy);
  return stream as ReadableStream<Bytes>;
}

/** Whether a value is a stream of the platform or of a polyfill. */
export function isWebStream(value: unknown): value is ReadableStream<Bytes> {
  return value instanceof ReadableStream || tagOf(value) === "[object ReadableStream]";
}

/**
 * Returns a reader of a stream. It gives options of its own, because WebKit otherwise reads them
 * from `Object.prototype`.
 */
export function readerOf<T>(stream: ReadableStream<T>): ReadableStreamDefaultReader<T> {
  return stream.getReader(own({}) as never) as unknown as ReadableStreamDefaultReader<T>;
}
