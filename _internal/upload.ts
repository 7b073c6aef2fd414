// Copyright 2026 the Hangup authors. MIT license.

/**
 * Request bodies that are streams.
 *
 * @module
 */

import { ByteCollector, type Bytes, isBytes, isWebStream } from "./bytes.ts";
import type { Cancellation } from "./cancellation.ts";
import { resultOf } from "./causes.ts";
import { passTurns } from "./drain.ts";
import { isObject, own, tagOf } from "./options.ts";
import { type BodyInit, builtin, isWorkerd, platformStream } from "./runtime.ts";
import { delay } from "./timers.ts";
import { openStream, type StreamReader } from "./transports/forms.ts";
import { undiciVersion } from "./transports/undici.ts";

/** A body that can be sent only once. */
export type StreamBody = ReadableStream<Bytes> | AsyncIterable<Bytes> | Iterable<Bytes>;

/**
 * Whether a body can be sent only once. Deno and workerd send every iterable as a stream. The
 * others convert one that is not async to a string.
 */
export function isStream(body: unknown): body is StreamBody {
  if (!isObject(body)) return false;
  return isWebStream(body) || Symbol.asyncIterator in body ||
    Symbol.iterator in body && ("Deno" in globalThis || isWorkerd()) &&
      !ArrayBuffer.isView(body) && !(body instanceof FormData) && !(body instanceof URLSearchParams) &&
      tagOf(body) !== "[object String]";
}

/** The part of a Node stream that is used here. */
interface NodeStream {
  on(event: "error", listener: () => void): void;
  pipe: unknown;
  destroy?(): void;
}

/**
 * Whether Node's `fetch` refuses a body because it is a Node stream that was read, or destroyed.
 * Other runtimes send what is left of it.
 */
export function isSpent(body: unknown): boolean {
  if (!isObject(body) || "Deno" in globalThis || "Bun" in globalThis) return false;
  const { readableDidRead, readableAborted } = body as { readableDidRead?: unknown; readableAborted?: unknown };
  return readableDidRead === true || readableAborted === true;
}

/** The uploads whose source is a Node stream. */
const nodeUploads = new WeakSet<object>();

/**
 * Returns the stream of an upload as a Node stream again, if its source is one. The `fetch` of some
 * npm packages knows no other kind of stream, and would send the text "[object ReadableStream]".
 */
export function asGiven(body: unknown): unknown {
  if (!nodeUploads.has(Object(body))) return body;
  const streams = builtin<{ Readable: { fromWeb(stream: unknown): NodeStream } }>("node:stream");
  const stream = streams?.Readable.fromWeb(body);
  if (stream !== undefined) ignoreErrors(stream);
  return stream ?? body;
}

/**
 * If nobody listens for the errors of a Node stream, an error ends the process, even before the
 * stream is read, or afterwards. The reader of the stream still gets the error.
 */
function ignoreErrors(stream: NodeStream): void {
  resultOf(() => stream.on("error", () => {}));
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
  readonly #source: AsyncIterator<Bytes, unknown> | Iterator<Bytes, unknown>;
  /** The Node stream that is the source, if it is one. */
  readonly #nodeStream: NodeStream | undefined;
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
    this.stream = new (platformStream())(
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
    if (isWebStream(body)) this.#source = iterate(openStream(body));
    else this.#source = Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]();
    if (typeof (body as Partial<NodeStream>).pipe === "function") {
      this.#nodeStream = body as unknown as NodeStream;
      ignoreErrors(this.#nodeStream);
      nodeUploads.add(this.stream);
    }
    this.#pump(onFailure, !isWebStream(body));
  }

  /** Reads one chunk from the source for each chunk that the transport requests. */
  async #pump(onFailure: (cause: unknown) => void, isIterable: boolean): Promise<void> {
    // Every runtime except Deno accepts strings from an iterable, such as a Node stream. None
    // accepts them from a `ReadableStream`.
    const takesText = isIterable && !("Deno" in globalThis);
    try {
      while (!this.ended) {
        if (this.#supply === undefined) await new Promise<void>((resolve) => this.#demand = resolve);
        if (this.ended) return;
        const { done, value } = await this.#source.next();
        if (this.ended) return;
        if (done) {
          this.ended = true;
          this.#controller.close();
        } else {
          const chunk = checkChunk(value, takesText);
          // A generator may use the memory of a chunk for the next one, before this one is sent.
          this.#controller.enqueue(isIterable ? new Uint8Array(chunk) : chunk);
        }
        this.#supply?.();
        this.#supply = undefined;
      }
    } catch (cause) {
      if (this.ended) return;
      onFailure(cause);
      this.end(cause);
    }
  }

  /** Ends the stream and releases its source, unless the stream has ended already. */
  end(reason: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.#demand?.();
    this.#controller.error(reason);
    // This is never awaited, because it may never settle.
    (async () => await this.#source.return?.(reason))().catch(() => {});
    // The iterator of a Node stream does not close the stream and its file if no read has begun, or
    // until a pending one ends. So destroy the stream. But leave a request that a server has
    // received to the server, because it shares its socket with the answer.
    const stream = this.#nodeStream;
    if (stream !== undefined) resultOf(() => "socket" in stream || stream.destroy?.());
  }
}

function checkChunk(chunk: unknown, takesText = false): Bytes {
  if (isBytes(chunk)) return chunk;
  if (takesText && typeof chunk === "string") return new TextEncoder().encode(chunk) as Bytes;
  throw new TypeError(`Cannot send the body as a chunk of its stream is not a Uint8Array: received ${typeof chunk}`);
}

type Read = Promise<IteratorResult<Bytes>>;

/**
 * Iterates over what a reader reads. This is not a generator, because a generator that was never
 * started does not release its source.
 *
 * @param begun The reads that have begun.
 */
function iterate(reader: StreamReader, begun: Read[] = []): AsyncIterator<Bytes, unknown> {
  return { next: () => begun.shift() ?? reader.read(), return: (reason) => cancel(reader, reason) as Promise<never> };
}

/**
 * Cancels a stream. Up to Node 24, the web stream of a Node stream may be about to enqueue a chunk.
 * If it is canceled before that, an error that nobody can catch ends the process. So there, this
 * waits for a turn of the event loop.
 */
async function cancel(reader: StreamReader, reason: unknown): Promise<void> {
  if (undiciVersion() < 8) await passTurns(1);
  await reader.cancel(reason);
}

/**
 * How long a `Request`'s body is read to find out whether it is in memory, in milliseconds. Only
 * for platforms that do not tell.
 */
const MEMORY_TIME = 10;

/** The most that is read of a stream to find out whether it is in memory, in bytes. */
const MAX_IN_MEMORY = 64 * 1024 * 1024;

/**
 * The smallest size that a chunk counts as, in bytes. A stream may always have a small chunk at
 * hand, or an empty one, so that no turn passes in which a timer could fire. Reading it must end
 * soon, because the process stands still meanwhile.
 */
const LEAST_COUNTED = 1024;

/**
 * Returns the body of a `Request`. If it is in memory already, because it was made from a string, a
 * form or the like, it is returned as bytes. It is then sent with its length and can be sent again
 * at a redirect. Otherwise it is returned as a stream.
 *
 * @param cancellation The cancellation of the request. If the request is aborted meanwhile, the
 * body is canceled.
 * @param whole Whether to read all of it where the platform does not tell streams from bodies in
 * memory, because it sends no streams: WebKit.
 */
export function bodyOf(
  request: Request,
  cancellation: Cancellation,
  whole = false,
): StreamBody | Promise<BodyInit | StreamBody | undefined> {
  const { body } = request;
  // In Firefox, a `Request` has no `body`.
  if (!isWebStream(body)) {
    return request.arrayBuffer().then((buffer) => buffer.byteLength > 0 || body !== undefined ? buffer : undefined);
  }
  if (!tellsStreams()) return whole ? request.arrayBuffer() : readFromMemory(openStream(body), cancellation);
  return copyFromMemory(request)?.arrayBuffer() ?? body;
}

/**
 * Returns a copy of a `Request` whose body is in memory, and `undefined` if the body is a stream.
 *
 * The Fetch standard forbids a stream in the mode "no-cors": section 5.4, "new Request(input,
 * init)".
 */
function copyFromMemory(request: Request): Request | undefined {
  const options = { method: "POST", mode: "no-cors", cache: "default", integrity: "", signal: null };
  return resultOf(() => {
    const RequestClass = request instanceof Request ? Request : classOf(request);
    return new RequestClass(request, own(options as RequestInit));
  });
}

/**
 * Returns the class of a `Request` of npm's undici, which no other class can copy. It is the base
 * class, because the constructor of a subclass may take something else.
 */
function classOf(request: object): typeof Request {
  let prototype = Object.getPrototypeOf(request);
  while (!Object.hasOwn(prototype, Symbol.toStringTag)) prototype = Object.getPrototypeOf(prototype);
  return prototype.constructor;
}

let tells: boolean | undefined;

/** Whether {@linkcode copyFromMemory} works. Deno, Bun and workerd copy a stream too. */
function tellsStreams(): boolean {
  const copy = (body: BodyInit) => {
    const options = { method: "POST", body, duplex: "half" };
    // A platform may refuse streams altogether.
    return resultOf(() => copyFromMemory(new Request("http://localhost", own(options as RequestInit))));
  };
  return tells ??= copy("text") !== undefined && copy(new (platformStream())()) === undefined;
}

/**
 * Reads a body for a short time. If that is enough to reach its end, it counts as one in memory.
 */
async function readFromMemory(reader: StreamReader, cancellation: Cancellation): Promise<Bytes | AsyncIterable<Bytes>> {
  const bytes = new ByteCollector();
  const [late, removeTimer] = delay(MEMORY_TIME);
  try {
    for (let counted = 0;;) {
      const pending = reader.read();
      const read = await cancellation.race(Promise.race([pending, late]));
      if (read === undefined) return resume(reader, bytes.take(), [pending]);
      if (read.done) return bytes.take();
      // A body of one chunk is in memory, however large it is.
      const chunk = checkChunk(read.value);
      const isFirst = counted === 0;
      counted += Math.max(chunk.byteLength, LEAST_COUNTED);
      bytes.append(chunk);
      if (!isFirst && counted > MAX_IN_MEMORY) return resume(reader, bytes.take());
    }
  } catch (error) {
    cancel(reader, error).catch(() => {});
    throw error;
  } finally {
    removeTimer();
  }
}

/** Returns a stream whose start was read already. */
function resume(reader: StreamReader, start: Bytes, begun: Read[] = []): AsyncIterable<Bytes> {
  if (start.byteLength > 0) begun.unshift(Promise.resolve({ done: false, value: start }));
  return { [Symbol.asyncIterator]: () => iterate(reader, begun) };
}
