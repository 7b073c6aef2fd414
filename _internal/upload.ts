// Copyright 2026 the Hangup authors. MIT license.

/**
 * Bodies that are streams, on their way to the transport.
 *
 * @module
 */

import { ByteCollector, type Bytes, isBytes } from "./bytes.ts";
import type { Cancellation } from "./cancellation.ts";
import { own } from "./options.ts";
import { realTimers } from "./timers.ts";
import type { BodyInit } from "./web.ts";

/** A body that is gone once it was sent. */
export type StreamBody = ReadableStream<Bytes> | AsyncIterable<Bytes>;

/** Whether a body is gone once it was sent. */
export function isStream(body: unknown): body is StreamBody {
  return typeof body === "object" && body !== null && (body instanceof ReadableStream || Symbol.asyncIterator in body);
}

/**
 * A stream between its source and the transport, which may read on for ever, leave it locked, or keep its failure to
 * itself. It ends with its exchange, sent or not, and its source is released then.
 *
 * The source is read by one async function, begun at the call, so that it runs in the async context of the call however
 * the transport reads.
 */
export class Upload {
  /** What the transport gets. It reads as the transport reads. */
  readonly stream: ReadableStream<Bytes>;
  /** Whether the source has come to its end, has failed or was released. */
  ended = false;
  readonly #source: AsyncIterator<Bytes, unknown>;
  #controller!: ReadableStreamDefaultController<Bytes>;
  /** Lets the source be read on. */
  #demand: (() => void) | undefined;
  /** Tells the transport that there is something. */
  #supply: (() => void) | undefined;

  /**
   * @param body The source.
   * @param onProgress Called when the transport takes a chunk.
   * @param onFailure Called if the source failed, before `stream` does.
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

  /** Reads the source, a chunk for each that the transport asks for. */
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

  /** Ends the stream and releases its source, unless it has ended. */
  end(reason: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.#demand?.();
    this.#controller.error(reason);
    this.#return(reason);
  }

  /** Never awaited, because it may never settle. */
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
  const reader = body.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<T>>,
    return: (reason) => reader.cancel(reason) as Promise<never>,
  };
}

/** How long a body that may be in memory already is read ahead, in milliseconds. Browsers take a while for it. */
const MEMORY_TIME = 10;

/** How much of a stream is read ahead to find out whether it is in memory, in bytes. */
const MOST_AHEAD = 64 * 1024 * 1024;

/**
 * The body of a `Request`: as bytes if it is in memory already, because it was made from a string, a form or the like, so
 * that it is sent with its length and can be sent again at a redirect. Otherwise as the stream that it is.
 *
 * @param cancellation Of the request. If it is aborted meanwhile, the body is canceled.
 */
export async function bufferRequest(
  request: Request,
  cancellation: Cancellation,
): Promise<BodyInit | AsyncIterable<Bytes> | undefined> {
  const { body } = request;
  // Firefox gives no stream.
  if (!(body instanceof ReadableStream) || isForm(request)) {
    const buffer = await request.arrayBuffer();
    return buffer.byteLength > 0 || body !== undefined ? buffer : undefined;
  }
  const reader = body.getReader() as ReadableStreamDefaultReader<Bytes>;
  const bytes = new ByteCollector();
  let pending: Promise<IteratorResult<Bytes>> | undefined;
  const { setTimeout, clearTimeout } = realTimers;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), MEMORY_TIME));
  try {
    while (bytes.size <= MOST_AHEAD) {
      pending = reader.read() as Promise<IteratorResult<Bytes>>;
      const read = await cancellation.race(Promise.race([pending, late]));
      if (read === undefined) break;
      pending = undefined;
      if (read.done) return bytes.take();
      bytes.append(checkChunk(read.value));
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer!);
  }
  return resume(reader, bytes.take(), pending);
}

/** Whether a request was made from a `FormData` on Node: from 26 on, canceling such a body ends the process. */
function isForm(request: Request): boolean {
  return /boundary=-*formdata-undici-/.test(request.headers.get("content-type") ?? "");
}

/** A stream whose start was read already. No generator, because one that was never started releases nothing. */
function resume(
  reader: ReadableStreamDefaultReader<Bytes>,
  start: Bytes,
  pending: Promise<IteratorResult<Bytes>> | undefined,
): AsyncIterable<Bytes> {
  let first: Bytes | undefined = start.byteLength > 0 ? start : undefined;
  const iterator = {
    next(): Promise<IteratorResult<Bytes>> {
      const value = first;
      first = undefined;
      if (value !== undefined) return Promise.resolve({ done: false, value });
      const read = pending ?? reader.read() as Promise<IteratorResult<Bytes>>;
      pending = undefined;
      return read;
    },
    return: (reason?: unknown) => reader.cancel(reason) as Promise<never>,
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
