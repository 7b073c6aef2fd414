// Copyright 2026 the Hangup authors. MIT license.

/**
 * Request bodies that are streams.
 *
 * @module
 */

import { ByteCollector, type Bytes, getReader, isBytes } from "./bytes.ts";
import type { Cancellation } from "./cancellation.ts";
import { own } from "./options.ts";
import { afterReal } from "./timers.ts";
import type { BodyInit } from "./web.ts";

/** A body that can be sent only once. */
export type StreamBody = ReadableStream<Bytes> | AsyncIterable<Bytes>;

/** Whether a body can be sent only once. */
export function isStream(body: unknown): body is StreamBody {
  return typeof body === "object" && body !== null && (body instanceof ReadableStream || Symbol.asyncIterator in body);
}

/**
 * A stream between the user's source and the transport. The transport may read without end, leave
 * the stream locked, or hide its failure. The stream ends with its exchange, whether or not it was
 * sent, and then releases its source.
 *
 * One async function, started by the constructor, reads the source. So the source runs in the async
 * context of the call, however the transport reads.
 */
export class Upload {
  /** The stream for the transport. It reads the source only when the transport reads the stream. */
  readonly stream: ReadableStream<Bytes>;
  /** Whether the source has ended, has failed or was released. */
  ended = false;
  readonly #source: AsyncIterator<Bytes, unknown>;
  #controller!: ReadableStreamDefaultController<Bytes>;
  /** Resumes reading the source. */
  #demand: (() => void) | undefined;
  /** Resolves the transport's pending `pull`. */
  #supply: (() => void) | undefined;

  /**
   * @param body The source.
   * @param onProgress Called when the transport takes a chunk.
   * @param onFailure Called if the source fails, before `stream` fails.
   */
  constructor(body: StreamBody, onProgress: () => void, onFailure: (cause: unknown) => void) {
    this.stream = new ReadableStream(
      own({
        start: (controller: ReadableStreamDefaultController<Bytes>) => {
          this.#controller = controller;
        },
        pull: () => {
          onProgress();
          return new Promise<void>((resolve) => {
            this.#supply = resolve;
            this.#demand?.();
          });
        },
        cancel: (reason: unknown) => this.end(reason),
      }),
      own({ highWaterMark: 0 }),
    );
    this.#source = iterate(body);
    this.#pump(onFailure);
  }

  /** Reads one chunk from the source for each chunk that the transport requests. */
  async #pump(onFailure: (cause: unknown) => void): Promise<void> {
    try {
      while (!this.ended) {
        if (this.#supply === undefined) await new Promise<void>((resolve) => this.#demand = resolve);
        if (this.ended) return;
        const { done, value } = await this.#source.next();
        if (this.ended) return;
        if (done) this.#finish();
        else this.#controller.enqueue(checkChunk(value));
        this.#supply?.();
        this.#supply = undefined;
      }
    } catch (cause) {
      if (this.ended) return;
      this.ended = true;
      onFailure(cause);
      this.#controller.error(cause);
      this.#return(cause);
    }
  }

  #finish(): void {
    this.ended = true;
    this.#controller.close();
  }

  /** Ends the stream and releases its source, unless the stream has ended already. */
  end(reason: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.#demand?.();
    this.#controller.error(reason);
    this.#return(reason);
  }

  /** Releases the source. The promise is never awaited, because it may never settle. */
  #return(reason: unknown): void {
    (async () => await this.#source.return?.(reason))().catch(() => {});
  }
}

function checkChunk(chunk: unknown): Bytes {
  if (isBytes(chunk)) return chunk;
  throw new TypeError(`Cannot send the body as a chunk of its stream is not a Uint8Array: received ${typeof chunk}`);
}

function iterate<T>(body: ReadableStream<T> | AsyncIterable<T>): AsyncIterator<T, unknown> {
  if (!(body instanceof ReadableStream)) return body[Symbol.asyncIterator]();
  const reader = getReader(body);
  return {
    next: () => reader.read() as Promise<IteratorResult<T>>,
    return: (reason) => reader.cancel(reason) as Promise<never>,
  };
}

/** How long a `Request`'s body is read to find out whether it is in memory, in milliseconds. */
const MEMORY_TIME = 10;

/** The most that is read of a stream to find out whether it is in memory, in bytes. */
const MOST_AHEAD = 64 * 1024 * 1024;

/**
 * Returns the body of a `Request`. If it is in memory already, because it was made from a string, a
 * form or the like, it is returned as bytes. It is then sent with its length and can be sent again
 * at a redirect. Otherwise it is returned as a stream.
 *
 * @param cancellation The cancellation of the request. If the request is aborted meanwhile, the
 * body is canceled.
 * @param whole Whether to return it as a `Blob`, as browsers need it: they send no streams over
 * HTTP/1.1, and take a while to deliver a body from memory. They may keep a large `Blob` on disk.
 */
export async function bufferRequest(
  request: Request,
  cancellation: Cancellation,
  whole = false,
): Promise<BodyInit | AsyncIterable<Bytes> | undefined> {
  const { body } = request;
  // In Firefox, a `Request` has no `body`.
  if (whole || !(body instanceof ReadableStream) || isForm(request)) {
    const blob = await request.blob();
    if (blob.size === 0 && body === undefined) return undefined;
    // A copy without the type, which would replace a `content-type` that the caller left out.
    return whole ? new Blob([blob]) : await blob.arrayBuffer();
  }
  const source = iterate<Bytes>(body);
  const bytes = new ByteCollector();
  let pending: Promise<IteratorResult<Bytes>> | undefined;
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const removeTimer = afterReal(MEMORY_TIME, () => resolve(undefined));
  try {
    while (bytes.size <= MOST_AHEAD) {
      pending = source.next();
      const read = await cancellation.race(Promise.race([pending, late]));
      if (read === undefined) break;
      pending = undefined;
      if (read.done) return bytes.take();
      bytes.append(checkChunk(read.value));
    }
  } catch (error) {
    source.return!(error).catch(() => {});
    throw error;
  } finally {
    removeTimer();
  }
  return resume(source, bytes.take(), pending);
}

/**
 * Whether a request was made from a `FormData` on Node. From Node 26 on, canceling such a body ends
 * the process.
 */
function isForm(request: Request): boolean {
  return /boundary=-*formdata-undici-/.test(request.headers.get("content-type") ?? "");
}

/**
 * Returns a stream whose start was read already. It is not a generator, because a generator that
 * was never started does not release its source.
 *
 * @param pending The read that has begun, if there is one.
 */
function resume(
  source: AsyncIterator<Bytes>,
  start: Bytes,
  pending: Promise<IteratorResult<Bytes>> | undefined,
): AsyncIterable<Bytes> {
  const reads = pending === undefined ? [] : [pending];
  if (start.byteLength > 0) reads.unshift(Promise.resolve({ done: false, value: start }));
  const iterator = { next: () => reads.shift() ?? source.next(), return: (reason?: unknown) => source.return!(reason) };
  return { [Symbol.asyncIterator]: () => iterator };
}
