// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading a response's body on behalf of its owner.
 *
 * @module
 */

import { ByteCollector, type Bytes, makeStream } from "./bytes.ts";
import type { Exchange } from "./exchange.ts";
import { ReadAhead } from "./read_ahead.ts";
import { throwIfAborted } from "./signals.ts";
import type { Read, Source } from "./source.ts";
import { afterReal } from "./timers.ts";

/** How long to wait for the start of an error page, in milliseconds. */
const ERROR_PAGE_TIME = 2000;

/**
 * Reads the body of a response for the caller who owns it. Ends the exchange at the end of the
 * body, at an error, or when the caller closes the response.
 *
 * Each reader belongs to one response. Every object of the user that can still read, such as an
 * iterator or a stream, holds a reference to the reader. So when the reader is garbage-collected,
 * nobody can read on.
 */
export class BodyReader {
  readonly #exchange: Exchange;
  readonly #source: Source;
  /** Whether there is a body, even if it is empty. A user's `fetch` may give none. */
  readonly #hasStream: boolean;
  /** Whether somebody has read from the stream, or has canceled it. */
  disturbed = false;
  #ahead: ReadAhead | undefined;
  /**
   * The caller's signal. It still applies after the exchange has ended, if the body was read ahead.
   */
  #signal: AbortSignal | null | undefined;

  /** Hands the exchange over to the caller. */
  constructor(exchange: Exchange, source: Source) {
    this.#exchange = exchange;
    this.#source = source;
    this.#hasStream = source.hasStream;
    if (this.#hasStream) exchange.handOver(this);
    else exchange.end();
  }

  /** Whether the connection has been given back. */
  get closed(): boolean {
    return this.#exchange.over;
  }

  /** The next chunk, or `done` at the end of the body. */
  read(): Promise<Read> {
    return this.#exchange.drive(this.#read());
  }

  async #read(): Promise<Read> {
    for (;;) {
      this.#throwIfAborted();
      const value = this.#ahead?.take();
      if (value !== undefined) return { done: false, value };
      if (this.#ahead?.reading === undefined) break;
      await this.#exchange.withTimeout("idle", this.#ahead.reading);
    }
    this.#throwIfFailed();
    const read = await this.#source.read();
    if (read.done) this.#exchange.end();
    return read;
  }

  /** The whole body in memory. */
  readAll(max: number): Promise<Bytes> {
    return this.#exchange.drive(this.#readAll(max));
  }

  async #readAll(max: number): Promise<Bytes> {
    this.#ahead?.stop();
    while (this.#ahead?.reading !== undefined) await this.#exchange.withTimeout("idle", this.#ahead.reading);
    this.#throwIfAborted();
    this.#throwIfFailed();
    const content = await this.#source.readAll(max, this.#ahead?.takeCollector());
    this.#exchange.end();
    return content;
  }

  /**
   * Reads the first `max` bytes of the body, or as many as arrive within 2 s. The rest is not read.
   */
  async readSome(max: number): Promise<Bytes> {
    const bytes = new ByteCollector();
    const removeTimer = afterReal(ERROR_PAGE_TIME, () => this.close());
    try {
      while (bytes.size < max) {
        const { value: chunk } = await this.read();
        if (!chunk) break;
        bytes.append(chunk.subarray(0, max - bytes.size));
      }
    } catch (error) {
      if (this.#exchange.byCaller) throw error;
      // Otherwise the bytes that arrived are the result.
    } finally {
      removeTimer();
      this.close();
    }
    return bytes.take();
  }

  /** Gives the connection back. The unread part of the body is lost. Later calls do nothing. */
  close(): void {
    this.#exchange.close();
  }

  /**
   * Returns the body as a byte stream (Streams standard, section 4.7), or `null` if there is none.
   * The stream gives the connection back at its end, at an error, or when it is canceled.
   */
  stream(): ReadableStream<Bytes> | null {
    if (!this.#hasStream) return null;
    return makeStream({
      type: "bytes",
      start: (controller) => this.#source.failOnAbort(controller),
      pull: async (controller) => {
        this.disturbed = true;
        let read: Read;
        do read = await this.read(); while (read.value?.byteLength === 0); // a byte stream refuses empty chunks
        if (read.done) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else {
          // A byte stream detaches the memory of its chunks. If the memory is not ours, others may
          // still use it, so the chunk is copied. The `slice()` of a Buffer would not copy it.
          controller.enqueue(this.#source.owns(read.value) ? read.value : new Uint8Array(read.value));
        }
      },
      cancel: () => {
        this.disturbed = true;
        try {
          this.#throwIfAborted();
        } catch (error) {
          throw this.#exchange.toError(error);
        } finally {
          this.close();
        }
      },
    });
  }

  /**
   * Starts to read the body before anybody asks for it.
   *
   * @param max The most to read, in bytes.
   * @param signal The caller's signal. After it aborts, reads fail even if the body has arrived.
   * @param awaited Whether the caller waits until no more is read ahead.
   */
  async readAhead(max: number, signal: AbortSignal | null | undefined, awaited = false): Promise<void> {
    this.#signal = signal;
    this.#ahead = new ReadAhead(this.#exchange, this.#source, max, awaited);
    // An abort shows when the body is read, as with the standard `fetch`.
    if (awaited) await this.#exchange.cancellation.race(this.#ahead.done).catch(() => {});
  }

  /** Throws if the body broke off while it was read ahead. */
  #throwIfFailed(): void {
    if (this.#ahead?.failure !== undefined) throw this.#ahead.failure;
  }

  #throwIfAborted(): void {
    this.#exchange.cancellation.throwIfAborted();
    if (this.#signal?.aborted) this.#exchange.byCaller = true;
    throwIfAborted(this.#signal);
  }
}
