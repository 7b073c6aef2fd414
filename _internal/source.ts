// Copyright 2026 the Hangup authors. MIT license.

/**
 * The body of a response as the platform gives it. Reads check its length, and stop when the
 * exchange is aborted.
 *
 * @module
 */

import { BodyTooLargeError, NetworkError } from "../errors.ts";
import { ByteCollector, type Bytes, isBytes, readerOf } from "./bytes.ts";
import { isAbort, isCustom, resultOf } from "./causes.ts";
import type { Exchange } from "./exchange.ts";
import { announcedLength, hasBody, SMALL_BODY } from "./http.ts";
import { tagOf } from "./options.ts";
import type { ResponseType } from "./runtime.ts";
import { delay } from "./timers.ts";
import { cancelBody, openStream } from "./transports/forms.ts";
import type { Platform } from "./transports/platform.ts";

/** How long an unwanted body is read so that its connection can be used again, in milliseconds. */
const DISCARD_TIME = 250;

/**
 * The most empty chunks to read in a row. The network gives none, but a mock may give one after the
 * other within one turn of the event loop, so that no timeout can pass.
 */
const MAX_EMPTY_CHUNKS = 65_536;

/**
 * If a body is announced to be longer, that is a lie and not the work of a wrapper. So its length
 * counts as certain, and the body fails.
 */
const MAX_CREDIBLE_LENGTH = 2 ** 40;

/** The result of a read: a chunk, or the end of the body. */
export type Read = { done: false; value: Bytes } | { done: true; value?: Bytes | undefined };

/** The part of a stream's reader that is used here. */
interface Reader {
  /** @param view What a BYOB reader fills: Streams standard, section 4.5. */
  read(view?: Bytes): PromiseLike<Read>;
  cancel(reason: unknown): unknown;
}

const END: Read = { done: true, value: undefined };

/**
 * The body of one response. Each read has the idle timeout, unless its documentation says
 * otherwise.
 */
export class Source {
  /** The length of the body in bytes, if it is certain. */
  readonly length: number | undefined;
  /** The length that the headers announce for what is read. It is only a hint, and may be wrong. */
  readonly announced: number | undefined;
  /**
   * Whether the body is read to an end that is certain to come, because its length was announced or
   * a cap applies.
   */
  bounded: boolean;
  readonly #exchange: Exchange;
  /** Whether the body's reader is a BYOB reader or, if there is none yet, is to be one. */
  #isByob: boolean;
  /**
   * Whether the platform has read the body from the network and ends it at its announced length.
   * Then nobody else uses the memory of its chunks.
   */
  readonly #isNetwork: boolean;
  /**
   * `undefined`, as the reader, once the body is at its end. It is held until then, because on Deno
   * an abort does not reach a response that was garbage-collected.
   */
  #response: Response | undefined;
  #reader: Reader | undefined;
  /** The memory that a BYOB reader reads the next chunk into. */
  #block: Bytes | undefined;
  /**
   * The size of the next block. It starts small and grows with the body, because clearing a large
   * block takes longer than reading a small body.
   */
  #blockSize = 4096;
  #received = 0;
  /** The caller's stream. */
  #stream: { deref(): ReadableByteStreamController | undefined } | undefined;
  /** The number of empty chunks since the last one with bytes. */
  #emptyChunks = 0;

  /**
   * @param sender What has sent the request: see {@linkcode Platform.sender}. `undefined` if a
   * wrapper or a mock may have changed the body and kept its headers, so that it may have another
   * length than the announced one.
   */
  constructor(
    exchange: Exchange,
    response: Response,
    { prefersByob = false }: Platform,
    sender: ReturnType<Platform["sender"]>,
  ) {
    const { headers, status, type } = response;
    const empty = !hasBody(exchange.method, status);
    const announced = announcedLength(headers);
    // A coded body has another length after decoding. A browser may hide `content-encoding` of a
    // response from another origin.
    const mayBeCoded = (type as ResponseType) === "cors" || headers.has("content-encoding");
    this.announced = empty ? 0 : mayBeCoded ? undefined : announced;
    this.length = empty || sender !== undefined || this.announced! > MAX_CREDIBLE_LENGTH ? this.announced : undefined;
    this.bounded = announced !== undefined;
    this.#exchange = exchange;
    this.#isByob = prefersByob;
    this.#isNetwork = sender === "sockets";
    if (empty) {
      cancelBody(response);
    } else {
      this.#response = response;
      exchange.source = this;
    }
  }

  /** Whether the end of the body has not been reached yet. */
  get open(): boolean {
    return this.#response !== undefined;
  }

  /**
   * Whether there is a stream: a user's `fetch` may give none. On Bun, reading `response.body`
   * turns the body into a stream, which keeps the process alive even if nobody reads it.
   */
  get hasStream(): boolean {
    return this.#response !== undefined && (this.#isNetwork || !isEmpty(this.#response));
  }

  /**
   * Whether the body is whole and sure to end after a small length, so that the platform can read
   * it at once. Its `content-length` alone must say where it ends: a body with a
   * `transfer-encoding`, even an empty one, never ends there.
   */
  get isSmall(): boolean {
    return this.#isNetwork && (this.length ?? Infinity) <= SMALL_BODY && this.#reader === undefined &&
      this.#response?.headers.has("transfer-encoding") === false;
  }

  /**
   * The next chunk, or `done` at the end of the body.
   *
   * @param awaited Whether a caller waits for it. Otherwise there is no timeout.
   */
  async read(awaited = true): Promise<Read> {
    try {
      const next = this.#next();
      return this.#check(await (awaited ? this.#exchange.withTimeout("idle", next) : next));
    } catch (cause) {
      throw this.#readError(cause);
    }
  }

  /**
   * Reads the whole body into memory. Does not end the exchange.
   *
   * @param ahead The bytes that were read ahead.
   * @throws {BodyTooLargeError} If the body is longer than `max` bytes. The rest is not read.
   */
  async readAll(max: number, ahead?: ByteCollector): Promise<Bytes> {
    this.bounded = true;
    if (!this.open) return ahead?.take() ?? new Uint8Array(0);
    if ((this.length ?? 0) > max) throw new BodyTooLargeError(max, this.#exchange);
    if (this.isSmall) return await this.#readWhole();
    const bytes = ahead ?? new ByteCollector(this.length);
    await this.readInto(bytes, max);
    this.#exchange.cancellation.throwIfAborted();
    if (bytes.size > max) throw new BodyTooLargeError(max, this.#exchange);
    return bytes.take();
  }

  /** Whether nobody else uses the memory of a chunk that was read. */
  owns(chunk: Bytes): boolean {
    return this.#isByob || this.#isNetwork && chunk.byteLength === chunk.buffer.byteLength;
  }

  /** Reads the next chunk without a timeout and without a check: `#check()` checks it. */
  #next(): PromiseLike<Read> {
    const reader = this.#open();
    if (reader === undefined) return Promise.resolve(END);
    return this.#isByob ? this.#fillChunk(reader) : reader.read();
  }

  /** Returns the reader of the body, and creates it if need be. There is none after the end. */
  #open(): Reader | undefined {
    if (this.#response === undefined || this.#reader !== undefined) return this.#reader;
    const { body } = this.#response;
    // It fails if the body is not a byte stream: a mock or an instrumented `fetch` made it.
    if (this.#isByob) this.#reader = resultOf(() => body?.getReader({ mode: "byob" })) as Reader | undefined;
    this.#isByob = this.#reader !== undefined;
    return this.#reader ??= getReader(this.#response, this.#isNetwork);
  }

  /**
   * Reads a chunk into our own memory. A small chunk is copied, so that it does not keep a large
   * block in memory.
   */
  async #fillChunk(reader: Reader): Promise<Read> {
    const block = this.#block ?? new Uint8Array(this.#blockSize);
    this.#block = undefined; // another read may begin before this one ends
    const { done, value } = await reader.read(block);
    if (done) return END;
    if (value.byteLength === this.#blockSize) this.#blockSize = Math.min(4 * this.#blockSize, SMALL_BODY);
    if (value.byteLength >= value.buffer.byteLength / 2) return { done, value };
    this.#block = new Uint8Array(value.buffer);
    return { done, value: value.slice() };
  }

  /** Checks the result of a read and counts its bytes. */
  #check(read: Read): Read {
    if (read?.done === true) {
      this.#finish();
      return END;
    }
    const chunk: unknown = read?.value;
    if (!isBytes(chunk)) {
      const message = `Cannot read the body as a chunk of it is not a Uint8Array: received ${typeof chunk}`;
      throw new NetworkError(message, this.#exchange);
    }
    this.#emptyChunks = chunk.byteLength === 0 ? this.#emptyChunks + 1 : 0;
    if (this.#emptyChunks > MAX_EMPTY_CHUNKS) {
      throw new NetworkError("Cannot read the body as it gives only empty chunks", this.#exchange);
    }
    this.#count(chunk.byteLength);
    return read;
  }

  /** Reads the whole body at once. Call it only if {@linkcode Source.isSmall}. */
  #readWhole(): Promise<Bytes> {
    this.#exchange.beginWait("idle");
    return this.#response!.arrayBuffer().then((buffer) => {
      this.#exchange.endWait();
      this.#count(buffer.byteLength);
      this.#finish();
      return new Uint8Array(buffer);
    }, (cause) => {
      throw this.#readError(cause);
    });
  }

  /**
   * Reads the rest of the body into memory. Stops as soon as there are more than `max` bytes.
   */
  async readInto(bytes: ByteCollector, max: number): Promise<void> {
    try {
      const reader = this.#open();
      const filler = this.#isByob ? reader : undefined;
      while (bytes.size <= max && !this.#exchange.over) {
        this.#exchange.beginWait("idle");
        // After the last announced byte only the end is expected, so one byte of room is enough to
        // notice an excess.
        const whole = this.#received === this.length;
        const read = await (filler?.read(whole ? new Uint8Array(1) : bytes.room()) ?? this.#next());
        this.#exchange.endWait();
        // The end gives the room back, too.
        if (filler && !whole && read.value) bytes.fill(read.value);
        const { value } = this.#check(read);
        if (value === undefined) return;
        if (!filler) bytes.append(value, this.owns(value));
      }
    } catch (cause) {
      throw this.#readError(cause);
    }
  }

  /**
   * Reads an unwanted body so that its connection can be used again. Reads at most 64 KiB and for
   * at most 250 ms.
   *
   * @returns Whether the body was read to its end. If not, the exchange must be aborted.
   */
  async discard(): Promise<boolean> {
    if (!this.open) return true;
    if ((this.announced ?? 0) > SMALL_BODY) return false;
    this.bounded = false; // queued requests do not count its bytes as progress
    const [late, removeTimer] = delay(DISCARD_TIME);
    try {
      for (let budget = SMALL_BODY; budget > 0;) {
        // If an unwanted body fails, the request does not fail.
        const next = Promise.race([(async () => await this.#next())().catch(() => undefined), late]);
        const read = await this.#exchange.cancellation.race(this.#exchange.withTimeout("idle", next));
        if (read === undefined || read.done) return read !== undefined;
        // Each chunk counts: a mock may have an empty one at hand without end, so that no turn
        // passes in which the timer could fire.
        budget -= Math.max(Number(read.value?.byteLength ?? Infinity), 1);
      }
      return false;
    } finally {
      removeTimer();
    }
  }

  /**
   * Makes the caller's stream fail if the exchange is aborted. Holds it weakly, because the
   * exchange must not keep a stream that the caller has dropped. It is a field and not a variable
   * of a function, because a minifier may move the function to where it refers to the stream.
   */
  failOnAbort(controller: ReadableByteStreamController): void {
    // Some versions of workerd have no `WeakRef`.
    this.#stream = typeof WeakRef === "function" ? new WeakRef(controller) : { deref: () => controller };
  }

  /** Lets the caller's stream go on with what it has if the exchange is aborted. */
  spareStream(): void {
    this.#stream = undefined;
  }

  /** Stops reading, because the exchange is aborted. */
  abort(reason: unknown): void {
    const response = this.#response;
    const reader = this.#reader;
    this.#response = this.#reader = undefined;
    this.#stream?.deref()?.error(this.#exchange.toError(reason));
    // A reader that is not the platform's own may also throw. Its failure does not matter here. It
    // gets no reason, because the streams of some packages throw that where nobody can catch it.
    if (reader !== undefined) (async () => await reader.cancel(undefined))().catch(() => {});
    else if (response !== undefined) cancelBody(response);
  }

  #readError(cause: unknown): unknown {
    if (resultOf(() => cause instanceof NetworkError)) return cause; // one of this module already
    // A wrapper may have aborted the body with a signal of its own, as by a timeout.
    if (!this.#isNetwork && !this.#exchange.over && (isCustom(cause) || isAbort(cause))) return cause;
    return this.#exchange.networkError(cause, "The connection failed before the end of the body");
  }

  #count(bytes: number): void {
    this.#received += bytes;
    if (this.#received > this.length!) throw this.#mismatch(); // always false if the length is not known
  }

  /**
   * Ends the body, and checks its length against the announced one, because not every runtime does.
   */
  #finish(): void {
    if (this.#response !== undefined && this.#received < this.length!) throw this.#mismatch();
    this.#response = this.#reader = this.#block = undefined;
  }

  #mismatch(): NetworkError {
    const message = `${this.#received} bytes of the body arrived where ${this.length} were announced`;
    return new NetworkError(message, this.#exchange);
  }
}

/**
 * @param isNetwork Whether the body is known to come from the network, so that canceling it is
 * safe.
 */
function getReader(response: Response, isNetwork: boolean): Reader | undefined {
  if (isEmpty(response)) return undefined;
  const { body } = response;
  if (typeof body?.getReader === "function") return (isNetwork ? readerOf(body) : openStream(body)) as Reader;
  // The body may be another kind of stream: an npm package's `fetch` made it.
  const iterable = Symbol.asyncIterator in Object(body) ? body as unknown : readMethods(response);
  const iterator: AsyncIterator<Bytes> = (iterable as AsyncIterable<Bytes>)[Symbol.asyncIterator]();
  return { read: () => iterator.next() as Promise<Read>, cancel: () => iterator.return?.() };
}

/**
 * Whether a response has no body. In a mock that is written by hand, `body` may be `null` although
 * a method gives one.
 */
function isEmpty(response: Response): boolean {
  return response.body === null && (tagOf(response) === "[object Response]" || !hasMethods(response));
}

/** Whether a response has a method that reads its body. */
export function hasMethods({ arrayBuffer, text, json }: Partial<Response>): boolean {
  return (arrayBuffer ?? text ?? json) !== undefined;
}

/**
 * Gives the body of a response as one chunk, if its `body` is missing or no stream. Such are the
 * responses of React Native, and mocks that are written by hand.
 */
async function* readMethods(response: Response): AsyncGenerator<Bytes> {
  if (response.arrayBuffer) return yield new Uint8Array(await response.arrayBuffer());
  const text = response.text ? await response.text() : JSON.stringify(await response.json());
  yield new TextEncoder().encode(text) as Bytes;
}
