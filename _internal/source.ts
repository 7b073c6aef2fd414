// Copyright 2026 the Hangup authors. MIT license.

/**
 * The body of a response as the platform gives it, with an end that is certain.
 *
 * @module
 */

import { NetworkError } from "../errors.ts";
import { type ByteCollector, type Bytes, isBytes } from "./bytes.ts";
import type { Exchange } from "./exchange.ts";
import { announcedLength, cancelBody, hasBody, SMALL_BODY } from "./http.ts";
import { realTimers } from "./timers.ts";
import type { Platform } from "./transports/platform.ts";
import type { ResponseType } from "./web.ts";

/** How long a body is read only to save its connection, in milliseconds. */
const DISCARD_TIME = 250;

/** What a reader gives: a chunk, or the end of the body. */
export type Read = { done: false; value: Bytes } | { done: true; value?: Bytes | undefined };

/** A reader that fills the buffer that it is given: Streams standard, section 4.5. */
interface Filler {
  read(view: Bytes): Promise<{ done: boolean; value: Bytes | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

const END: Read = { done: true, value: undefined };

/** The body of one response. Each read has the idle timeout, unless it says otherwise. */
export class Source {
  /** The number of bytes that the body will have, if that is known. */
  readonly length: number | undefined;
  /** Whether the body is read to an end that is certain to come: it was announced, or there is a cap. */
  bounded: boolean;
  /** Called when the exchange is aborted. */
  onAbort: ((reason: unknown) => void) | undefined;
  readonly #exchange: Exchange;
  /** Whether a body is best read into a buffer that is given for it. */
  readonly #fills: boolean;
  /** `undefined` once the body is at its end. */
  #response: Response | undefined;
  #reader: ReadableStreamDefaultReader<Bytes> | undefined;
  #filler: Filler | undefined;
  /** What is given to the filler for a chunk. */
  #block: Bytes | undefined;
  /** It grows with what arrives: to clear a large one takes longer than to read a small body. */
  #blockSize = 4096;
  #received = 0;

  constructor(exchange: Exchange, response: Response, { fillsBuffers = false }: Platform) {
    const { headers, status, type } = response;
    const empty = !hasBody(exchange.method, status);
    // A coded body has another length once it is decoded. A browser may hide the coding from another origin.
    const unknown = (type as ResponseType) === "cors" || headers.has("content-encoding");
    this.length = empty ? 0 : unknown ? undefined : announcedLength(headers);
    this.bounded = empty || announcedLength(headers) !== undefined;
    this.#exchange = exchange;
    this.#fills = fillsBuffers;
    if (empty) {
      cancelBody(response);
    } else {
      this.#response = response;
      exchange.source = this;
    }
  }

  /** Whether the body is not at its end. */
  get open(): boolean {
    return this.#response !== undefined;
  }

  /** Whether there is a stream at all: a user's `fetch` may give none. On Bun, looking makes a stream of the body. */
  get hasStream(): boolean {
    return this.#response !== undefined && this.#response.body !== null;
  }

  /**
   * Whether a platform that ends bodies where they were announced does so here: the response has come over the network,
   * rather than from a constructor, and nothing else says where it ends.
   */
  get endsWhereAnnounced(): boolean {
    const response = this.#response;
    return response !== undefined && response.url !== "" && !response.headers.has("transfer-encoding");
  }

  /** The next chunk, or `done` at the end of the body. */
  async read(): Promise<Read> {
    return this.take(await this.wait(this.next()));
  }

  /** The same without a timeout, because nobody waits for it. */
  async readWithoutTimeout(): Promise<Read> {
    try {
      return this.take(await this.#exchange.cancellation.race(this.next()));
    } catch (cause) {
      throw cause instanceof NetworkError ? cause : this.#failure(cause);
    }
  }

  /** Whether the memory of chunks is that of no one else. */
  get ownsChunks(): boolean {
    return this.#filler !== undefined;
  }

  /** The same without a timeout, as the platform gives it; to be passed to {@linkcode Source.take}. */
  next(): Promise<Read> {
    try {
      if (this.#response === undefined) return Promise.resolve(END);
      this.#open();
      if (this.#filler !== undefined) return this.#fillChunk(this.#filler);
      return this.#reader === undefined ? Promise.resolve(END) : Promise.resolve(this.#reader.read());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Takes the one reader that the body is read with. */
  #open(): void {
    if (this.#reader !== undefined || this.#filler !== undefined) return;
    const body = this.#response?.body;
    if (this.#fills) this.#filler = getFiller(body);
    if (this.#filler === undefined) this.#reader = body?.getReader() as ReadableStreamDefaultReader<Bytes> | undefined;
  }

  /** A chunk in memory of ours. If it is small it is a copy, so that it keeps no large block in memory. */
  async #fillChunk(filler: Filler): Promise<Read> {
    const { done, value } = await filler.read(this.#block ?? new Uint8Array(this.#blockSize));
    if (done || value === undefined) return END;
    const small = value.byteLength < value.buffer.byteLength / 2;
    if (value.byteLength === this.#blockSize) this.#blockSize = Math.min(4 * this.#blockSize, SMALL_BODY);
    this.#block = small ? new Uint8Array(value.buffer) : undefined;
    return { done: false, value: small ? value.slice() : value };
  }

  /** Waits for bytes under the idle timeout. */
  async wait<T>(bytes: Promise<T>): Promise<T> {
    try {
      return await this.#exchange.wait("idle", bytes);
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  /** Checks and counts what a reader gave. */
  take(read: Read): Read {
    if (read?.done === true) {
      this.#finish();
      return END;
    }
    if (!isBytes(read?.value)) {
      const message =
        `Cannot read the body as a chunk of it is not a Uint8Array: received ${typeof (read as Partial<Read>)?.value}`;
      throw new NetworkError(message, this.#exchange);
    }
    this.#count(read.value.byteLength);
    return read;
  }

  /** The whole body, if the platform ends it where it was announced. */
  async readWhole(): Promise<Bytes> {
    const buffer = await this.wait(this.#response!.arrayBuffer());
    this.#count(buffer.byteLength);
    this.#finish();
    return new Uint8Array(buffer);
  }

  /**
   * Reads the rest of the body into memory, until there are more than `max` bytes.
   *
   * One wait for the whole of it, though each read has its own time: a body may have a million chunks.
   */
  async readInto(bytes: ByteCollector, max: number): Promise<void> {
    try {
      await this.#exchange.cancellation.race(this.#readAll(bytes, max));
    } catch (cause) {
      throw cause instanceof NetworkError ? cause : this.#failure(cause);
    }
  }

  async #readAll(bytes: ByteCollector, max: number): Promise<void> {
    const { timing } = this.#exchange;
    this.#open();
    const filler = this.#filler;
    while (bytes.size <= max && !this.#exchange.over) {
      this.#exchange.expect("idle");
      if (filler === undefined) {
        const read = this.take(await this.next());
        timing.finish();
        if (read.done) return;
        bytes.append(read.value);
        continue;
      }
      // No byte is expected after the last one that was announced, so there is no need for room.
      const whole = this.#received === this.length;
      const { done, value } = await filler.read(whole ? new Uint8Array(1) : bytes.room());
      timing.finish();
      if (!whole && value !== undefined) bytes.fill(value);
      if (done) return this.#finish();
      this.#count(value!.byteLength);
    }
  }

  /**
   * Reads a body that nobody wants, within a bound, to save its connection.
   *
   * @returns Whether the body was read to its end. If not, the exchange must be aborted.
   */
  async discard(): Promise<boolean> {
    if (!this.open) return true;
    if ((this.length ?? 0) > SMALL_BODY) return false;
    this.bounded = false; // nobody is to wait for it
    const { setTimeout, clearTimeout } = realTimers;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), DISCARD_TIME));
    try {
      for (let budget = SMALL_BODY; budget > 0;) {
        // That an unwanted body fails is no failure of the request.
        const read = await this.#exchange.wait("idle", Promise.race([this.next().catch(() => undefined), late]));
        if (read === undefined || read.done) return read !== undefined;
        budget -= Number(read.value?.byteLength ?? Infinity);
      }
      return false;
    } finally {
      clearTimeout(timer!);
    }
  }

  /** The exchange is aborted: nobody reads on. */
  abort(reason: unknown): void {
    const response = this.#response;
    this.#response = undefined;
    this.onAbort?.(reason);
    try {
      const reader = this.#filler ?? this.#reader;
      if (reader !== undefined) Promise.resolve(reader.cancel(reason)).catch(() => {});
      else if (response !== undefined) cancelBody(response);
    } catch {
      // The reader is none of the platform's, and it is not waited for.
    }
  }

  #failure(cause: unknown): unknown {
    return this.#exchange.failure(cause, "The connection failed before the end of the body");
  }

  #count(bytes: number): void {
    this.#received += bytes;
    if (this.#received > this.length!) throw this.#mismatch(); // never, if the length is not known
  }

  /** The end of the body must be where it was announced. Not every runtime notices. */
  #finish(): void {
    if (this.#response !== undefined && this.length !== undefined && this.#received !== this.length) {
      throw this.#mismatch();
    }
    this.#response = this.#reader = this.#block = undefined;
  }

  #mismatch(): NetworkError {
    const message = `${this.#received} bytes of the body arrived where ${this.length} were announced`;
    return new NetworkError(message, this.#exchange);
  }
}

function getFiller(body: ReadableStream | null | undefined): Filler | undefined {
  try {
    return body?.getReader({ mode: "byob" }) as Filler | undefined;
  } catch {
    return undefined; // The body is no byte stream: it is a mock's, or an instrument's.
  }
}
