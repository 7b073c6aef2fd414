// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading a response's body: by the party that owns the exchange, with the idle timeout, and to an end that is certain.
 *
 * @module
 */

import { BodyTooLargeError, NetworkError } from "../errors.ts";
import type { ResponseHead } from "../response.ts";
import type { Exchange } from "./exchange.ts";
import { announcedLength, hasBody } from "./http.ts";

/** How much of a body is read only to save its connection, or kept on a `StatusError`, in bytes. */
export const SMALL_BODY = 64 * 1024;
/** How long a body is read only to save its connection, in milliseconds. */
const DISCARD_TIME = 250;

const NO_BYTES = new Uint8Array(0);

/** What a reader gives: a chunk, or the end of the body. */
type Read = ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;

const END: Read = { done: true, value: undefined };

// GC is only the safety net: it cuts off the exchange of a response that was dropped while open. Not every workerd
// has a FinalizationRegistry.
const dropped = typeof FinalizationRegistry === "function"
  ? new FinalizationRegistry<Exchange>((exchange) => exchange.leak())
  : undefined;

/**
 * Reads the body of a response and ends its exchange at the end of the body, at an error, or when it is closed.
 *
 * It belongs to one response, and everything handed to a user that can still read (an iterator, a stream) holds it. So
 * when it is collected, nobody can read on.
 */
export class BodyReader {
  /** The number of bytes that the body will have, where that is known. */
  readonly length: number | undefined;
  readonly #exchange: Exchange;
  readonly #ownsChunks: boolean;
  /** `undefined` once the body is at its end, or where there is none. */
  #response: Response | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  #received = 0;
  #watched = false;

  constructor(exchange: Exchange, response: Response, head: ResponseHead, ownsChunks: boolean) {
    this.#exchange = exchange;
    this.#ownsChunks = ownsChunks;
    // `response.body` is not looked at before it is read, as on Bun that makes a stream of it.
    if (hasBody(head.method, head.status)) {
      // A coding counts as decoded here, as platforms are not consistent in that; of another origin's response a browser
      // shows the length, and may hide the coding.
      this.length = head.coded || head.type === "cors" ? undefined : announcedLength(head.headers);
      this.#response = response;
    } else {
      this.length = 0;
      response.body?.cancel().catch(() => {});
      exchange.end();
    }
  }

  /** Whether the connection has been given back. */
  get closed(): boolean {
    return this.#exchange.ended;
  }

  /** Has the exchange cut off when this is collected while open. */
  watch(): this {
    // Of a body that is streamed it costs nothing to look whether there is one: a `fetch` of the user's may give none.
    if (this.#response?.body === null) this.#end();
    if (this.closed) return this;
    this.#watched = true;
    dropped?.register(this, this.#exchange, this.#exchange);
    return this;
  }

  /** The next chunk, or `done` at the end of the body. */
  read(): Promise<Read> {
    try {
      this.#exchange.throwIfCut();
      return this.#read();
    } catch (error) {
      return Promise.reject(this.#exchange.fail(error));
    }
  }

  /** The whole body in memory: see {@linkcode BodyReader.prefetch}. */
  readAll(max: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#exchange.guard(async () => await this.prefetch(max));
  }

  /**
   * The whole body in memory, within {@linkcode Exchange.guard}.
   *
   * @throws {BodyTooLargeError} If it is longer than `max` bytes; the rest is not read.
   */
  prefetch(max: number): Promise<Uint8Array<ArrayBuffer>> {
    const { length } = this;
    if (!this.#response) return Promise.resolve(NO_BYTES);
    if (length === undefined) return this.#readUnknown(max);
    if (length > max) return Promise.reject(this.#tooLarge(max));
    if (length > SMALL_BODY || this.#reader) return this.#readKnown(length);
    // Far cheaper than to read a stream on Deno and Bun, and bounded, as the body is small.
    return this.#exchange.receive(this.#response.arrayBuffer(), (buffer) => {
      this.#received = buffer.byteLength;
      this.#end();
      return new Uint8Array(buffer);
    });
  }

  /** One copy: each chunk goes straight to its place. */
  async #readKnown(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const content = new Uint8Array(length);
    for (let read = await this.#read(); !read.done; read = await this.#read()) {
      content.set(read.value, this.#received - read.value.byteLength);
      if (this.#ownsChunks) read.value.buffer.transfer(0); // collected late, they would take as much memory again
    }
    return content;
  }

  /** The first `max` bytes of the body, as far as they arrive soon. The rest is not read. */
  async readSome(max: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    const timer = setTimeout(() => this.close(), DISCARD_TIME);
    try {
      while (size < max) {
        const { value: chunk } = await this.read();
        if (!chunk) break;
        chunks.push(chunk);
        size += chunk.byteLength;
      }
    } catch (error) {
      if (this.#exchange.aborted) throw error;
      // Else what arrived is all there is.
    } finally {
      clearTimeout(timer);
      this.close();
    }
    return concat(chunks, size).subarray(0, max);
  }

  /** Gives the connection back; what was not read of the body is lost. Later calls do nothing. */
  close(): void {
    this.#exchange.close();
    this.#settle();
  }

  /**
   * The body as a stream. It holds up to `highWaterMark` bytes read ahead, and gives the connection back at its end, at an
   * error, or when it is canceled.
   */
  stream(highWaterMark = 0): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        const { value: chunk } = await this.read();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
      cancel: () => this.close(),
    }, { highWaterMark, size: (chunk) => chunk.byteLength });
  }

  /** No async function, nor is there a guard around it: there may be thousands of chunks. */
  #read(): Promise<Read> {
    const reader = this.#reader ??= this.#exchange.reader = this.#response?.body?.getReader();
    if (!reader) return Promise.resolve(this.#take(END));
    return this.#exchange.receive(reader.read(), (read) => this.#take(read));
  }

  #take(read: Read): Read {
    if (read.done) {
      if (this.#response) this.#end();
    } else if ((this.#received += read.value.byteLength) > this.length!) { // never, where the length is not known
      throw this.#mismatch();
    }
    return read;
  }

  async #readUnknown(max: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let read = await this.#read(); !read.done; read = await this.#read()) {
      if (this.#received > max) throw this.#tooLarge(max);
      chunks.push(read.value);
    }
    return concat(chunks, this.#received);
  }

  /** The end of the body: it must be where it was announced. Not every runtime notices. */
  #end(): void {
    if (this.length !== undefined && this.#received !== this.length) throw this.#mismatch();
    this.#response = this.#reader = undefined;
    this.#settle();
  }

  #settle(): void {
    if (this.#watched) dropped?.unregister(this.#exchange);
    this.#exchange.end();
  }

  #mismatch(): unknown {
    const message = `${this.#received} bytes of the body arrived where ${this.length} were announced`;
    return this.#exchange.fail(new NetworkError(message, this.#exchange));
  }

  #tooLarge(max: number): unknown {
    return this.#exchange.fail(new BodyTooLargeError(max, this.#exchange));
  }
}

/**
 * Reads a body that nobody wants, within a bound, to save its connection.
 *
 * @returns Whether the body was read to the end. If not, the exchange must be aborted.
 */
export async function discard(exchange: Exchange, response: Response): Promise<boolean> {
  const { body } = response;
  if (!body) return true;
  if (hasBody(exchange.method, response.status) && (announcedLength(response.headers) ?? 0) > SMALL_BODY) {
    return false;
  }
  const reader = body.getReader();
  let budget = SMALL_BODY;
  const timer = setTimeout(() => {
    budget = 0;
    reader.cancel().catch(() => {});
  }, DISCARD_TIME);
  try {
    while (budget > 0) {
      // That an unwanted body fails is no failure of the request.
      const read = await exchange.receive(reader.read().catch(() => undefined), (read) => read);
      if (!read?.value) return read !== undefined && budget > 0;
      budget -= read.value.byteLength;
    }
    return false;
  } finally {
    clearTimeout(timer);
  }
}

function concat(chunks: Uint8Array<ArrayBuffer>[], size: number): Uint8Array<ArrayBuffer> {
  if (chunks.length === 0) return NO_BYTES;
  // A chunk may be a small part of a large buffer, which would stay in memory with it.
  if (chunks.length === 1 && size === chunks[0]!.buffer.byteLength) return chunks[0]!;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
