// Copyright 2026 the Hangup authors. MIT license.

/**
 * Bodies that are streams, on their way to the transport.
 *
 * @module
 */

import { SMALL_BODY } from "./body.ts";

/** How long a body that may be in memory already is read ahead, in milliseconds. Browsers take a while for it. */
const SETTLE_TIME = 10;

/** A body that is gone once it was sent. */
export type StreamBody = ReadableStream<Uint8Array<ArrayBuffer>> | AsyncIterable<Uint8Array<ArrayBuffer>>;

/** Whether a body is gone once it was sent. */
export function isStream(body: unknown): body is StreamBody {
  return typeof body === "object" && body !== null && (body instanceof ReadableStream || Symbol.asyncIterator in body);
}

/**
 * A stream between its source and the transport, which may read on for ever, leave it locked, or keep its failure to
 * itself. It ends with its exchange, sent or not, and its source is released then.
 */
export class Upload {
  /** What the transport gets. It reads as the transport reads. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #source: AsyncIterator<Uint8Array<ArrayBuffer>, unknown>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #ended = false;

  /**
   * @param body The source.
   * @param onFailure Called when the source failed, before `stream` does.
   */
  constructor(body: StreamBody, onFailure: (cause: unknown) => void) {
    this.#source = body instanceof ReadableStream ? iterate(body) : body[Symbol.asyncIterator]();
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: async (controller) => {
        try {
          const { done, value } = await this.#source.next();
          if (this.#ended) return;
          this.#ended = done === true;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (cause) {
          if (this.#ended) return;
          this.#ended = true;
          onFailure(cause);
          throw cause;
        }
      },
      cancel: (reason) => this.end(reason),
    }, { highWaterMark: 0 });
  }

  /** Ends the stream and cancels its source, unless it has ended. */
  end(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#controller.error(reason);
    // Never awaited: it may never settle.
    (async () => await this.#source.return?.(reason))().catch(() => {});
  }
}

function iterate<T>(stream: ReadableStream<T>): AsyncIterator<T, unknown> {
  const reader = stream.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<T>>,
    return: (reason) => reader.cancel(reason) as Promise<never>,
  };
}

/**
 * Settles how a stream is sent. One that is short and already in memory, as the body of a `Request` made from a string
 * is, is sent as bytes: with its length, and again at a redirect. Any other is streamed.
 */
export async function settleBody(body: ReadableStream): Promise<BodyInit> {
  const reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> = body.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = new Promise<"later">((resolve) => timer = setTimeout(resolve, SETTLE_TIME, "later"));
  let pending: Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> | undefined;
  try {
    while (size <= SMALL_BODY) {
      pending = reader.read();
      const result = await Promise.race([pending, later]);
      if (result === "later") break;
      pending = undefined;
      if (result.done) return new Blob(chunks).arrayBuffer();
      chunks.push(result.value);
      size += result.value.byteLength;
    }
  } finally {
    clearTimeout(timer);
  }
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
    },
    async pull(controller) {
      const { done, value } = await (pending ?? reader.read());
      pending = undefined;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
