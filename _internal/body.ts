// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading a response's body, by the party that owns the exchange.
 *
 * @module
 */

import { BodyTooLargeError } from "../errors.ts";
import { ByteCollector, type Bytes } from "./bytes.ts";
import type { Exchange } from "./exchange.ts";
import { SMALL_BODY } from "./http.ts";
import { own } from "./options.ts";
import type { Read, Source } from "./source.ts";

/** How long the start of an error page is waited for, in milliseconds. */
const ERROR_PAGE_TIME = 250;

const NO_BYTES: Bytes = new Uint8Array(0);

// GC is only the safety net: it ends the exchange of a response that was dropped while open. Not every workerd has a
// FinalizationRegistry.
const dropped = typeof FinalizationRegistry === "function"
  ? new FinalizationRegistry<Exchange>((exchange) => exchange.leak())
  : undefined;

/**
 * The whole body in memory. Does not end the exchange.
 *
 * @param endsBodies Whether the platform ends a body where it was announced.
 * @param ahead What was read already.
 * @throws {BodyTooLargeError} If it is longer than `max` bytes. The rest is not read.
 */
export async function bufferBody(
  exchange: Exchange,
  source: Source,
  max: number,
  endsBodies = false,
  ahead?: ByteCollector,
): Promise<Bytes> {
  const { length } = source;
  exchange.bounded = true;
  if (!source.open) return ahead?.take() ?? NO_BYTES;
  if (length !== undefined && length > max) throw new BodyTooLargeError(max, exchange);
  if (length !== undefined && length <= SMALL_BODY && endsBodies && source.endsWhereAnnounced) {
    return await source.readWhole();
  }
  const bytes = ahead ?? new ByteCollector(length);
  await source.readInto(bytes, max);
  exchange.cancellation.throwIfAborted();
  if (bytes.size > max) throw new BodyTooLargeError(max, exchange);
  return bytes.take();
}

/**
 * Reads the body of a response for a caller who owns it, and ends the exchange at the end of the body, at an error, or
 * when it is closed.
 *
 * It belongs to one response, and everything handed to a user that can still read (an iterator, a stream) holds it. So
 * when it is collected, nobody can read on.
 */
export class BodyReader {
  readonly #exchange: Exchange;
  readonly #source: Source;
  /** What was read ahead, and the read ahead that is under way. */
  #ahead: ByteCollector | undefined;
  #readingAhead: Promise<void> | undefined;
  /** Whether all of the body is being read, so that nothing more is read ahead. */
  #taken = false;
  /** The caller's signal, which still counts once the exchange is over and its body is read ahead. */
  #signal: AbortSignal | null | undefined;

  readonly #toError: (error: unknown) => unknown;

  /**
   * Hands the exchange over to the caller.
   *
   * @param toError Makes of an error what reads reject with.
   */
  constructor(exchange: Exchange, source: Source, toError: (error: unknown) => unknown = (error) => error) {
    this.#exchange = exchange;
    this.#source = source;
    this.#toError = toError;
    if (!source.hasStream) return exchange.end(), this;
    exchange.bounded = source.length !== undefined;
    exchange.handOver();
    dropped?.register(this, exchange, exchange);
  }

  /** Whether the connection was given back. */
  get closed(): boolean {
    return this.#exchange.over;
  }

  /** The next chunk, or `done` at the end of the body. */
  async read(): Promise<Read> {
    try {
      this.#exchange.cancellation.throwIfAborted();
      this.#signal?.throwIfAborted();
      for (;;) {
        if (this.#ahead !== undefined && this.#ahead.size > 0) {
          const value = this.#ahead.take();
          this.#ahead = new ByteCollector();
          return { done: false, value };
        }
        if (this.#readingAhead === undefined) break;
        await this.#source.wait(this.#readingAhead);
      }
      const read = await this.#source.read();
      if (read.done) this.#end();
      return read;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** The whole body in memory. */
  async readAll(max: number): Promise<Bytes> {
    try {
      this.#exchange.cancellation.throwIfAborted();
      this.#signal?.throwIfAborted();
      this.#taken = true;
      while (this.#readingAhead !== undefined) await this.#source.wait(this.#readingAhead);
      const content = await bufferBody(this.#exchange, this.#source, max, false, this.#ahead);
      this.#end();
      return content;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** The first `max` bytes of the body, as far as they arrive soon. The rest is not read. */
  async readSome(max: number): Promise<Bytes> {
    const bytes = new ByteCollector();
    const timer = setTimeout(() => this.close(), ERROR_PAGE_TIME);
    try {
      while (bytes.size < max) {
        const { value: chunk } = await this.read();
        if (!chunk) break;
        bytes.append(chunk.subarray(0, max - bytes.size));
      }
    } catch (error) {
      if (this.#exchange.byCaller) throw error;
      // Otherwise what arrived is all there is.
    } finally {
      clearTimeout(timer);
      this.close();
    }
    return bytes.take();
  }

  /** Gives the connection back; what was not read of the body is lost. Later calls do nothing. */
  close(): void {
    dropped?.unregister(this.#exchange);
    this.#exchange.close();
  }

  /**
   * The body as a stream of bytes (Streams standard, section 4.7). It gives the connection back at its end, at an error,
   * or when it is canceled.
   */
  stream(): ReadableStream<Bytes> {
    const source = this.#source;
    const toError = this.#toError;
    const underlying = {
      type: "bytes" as const,
      start(controller: ReadableByteStreamController) {
        source.onAbort = failWeakly(controller, toError);
      },
      pull: async (controller: ReadableByteStreamController) => {
        const { value: chunk } = await this.read();
        if (chunk === undefined) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else if (chunk.byteLength > 0) {
          // A byte stream takes the memory away, which somebody else may use too if it is not ours.
          controller.enqueue(source.ownsChunks ? chunk : chunk.slice());
        }
      },
      cancel: () => this.close(),
    };
    return new ReadableStream(own(underlying), own({ highWaterMark: 0 }));
  }

  /**
   * Reads the start of the body though nobody asks for it, and so without a timeout: a body that is small gives its
   * connection back though nobody reads it.
   *
   * @param max The most to read, in bytes. One chunk more may be read.
   * @param signal The caller's signal, which makes reads fail also when the body has arrived.
   */
  async readAhead(max: number, signal: AbortSignal | null | undefined): Promise<void> {
    if (this.closed) return;
    this.#signal = signal;
    this.#ahead = new ByteCollector();
    try {
      for (let size = 0; size <= max && this.#source.open && !this.#taken;) {
        const reading = this.#readOne();
        this.#readingAhead = reading.then(() => {}, () => {});
        size += await reading;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#readingAhead = undefined;
  }

  /** Reads a chunk ahead, and returns its length. */
  async #readOne(): Promise<number> {
    const { value } = this.#source.take(await this.#exchange.cancellation.race(this.#source.next()));
    if (value === undefined) this.#end();
    else this.#ahead!.append(value);
    return value?.byteLength ?? 0;
  }

  #end(): void {
    dropped?.unregister(this.#exchange);
    this.#exchange.end();
  }

  #fail(error: unknown): unknown {
    dropped?.unregister(this.#exchange);
    return this.#toError(this.#exchange.fail(error));
  }
}

/**
 * What makes a stream fail without holding it: the exchange holds this, and must not hold what the caller has dropped. A
 * function of its own, because closures of one scope hold what any of them needs.
 */
function failWeakly(controller: ReadableByteStreamController, toError: (error: unknown) => unknown) {
  const held = new WeakRef(controller);
  return (reason: unknown) => held.deref()?.error(toError(reason));
}
