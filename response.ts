// Copyright 2026 the Hangup authors. MIT license.

/**
 * The two responses: one owns bytes, the other owns a connection.
 *
 * @module
 */

import type { BodyReader } from "./_internal/body.ts";
import { ByteCollector, readerOf, UTF8 } from "./_internal/bytes.ts";
import { escapeMessage, resultOf } from "./_internal/causes.ts";
import { nameDisposal, showAs } from "./_internal/classes.ts";
import { hasBody, headerOf, SMALL_BODY } from "./_internal/http.ts";
import { describe, own } from "./_internal/options.ts";
import { showUrl } from "./_internal/url.ts";
import { rebuild, type ResponseHead, USED, webResponse } from "./_internal/web_response.ts";
import { BodyTooLargeError, HangupError } from "./errors.ts";
import type { Redirect, RequestSummary, SentRequest } from "./request.ts";

/**
 * The members that {@linkcode PrefetchedResponse} and {@linkcode StreamedResponse} share:
 * everything except the body.
 *
 * @example See the redirects of a request
 * ```ts
 * import { Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * const answer: typeof fetch = (url) =>
 *   Promise.resolve(String(url).endsWith("/new") ? new Response() : Response.redirect("https://example.com/new"));
 * await using session = new Session({ fetch: answer });
 * const { redirected, url, history, request } = await session.get("https://example.com/old");
 * assertEquals([redirected, url], [true, "https://example.com/new"]);
 * assertEquals(history.map(({ status, url }) => `${status} ${url}`), ["302 https://example.com/old"]);
 * assertEquals(request.method, "GET");
 * ```
 */
export abstract class HangupResponse {
  readonly #head: ResponseHead;
  #request: SentRequest | undefined;

  /** @ignore */
  constructor(head: ResponseHead) {
    this.#head = head;
  }

  /** The status code: RFC 9110, section 15. */
  get status(): number {
    return this.#head.status;
  }

  /** The reason phrase, often empty. */
  get statusText(): string {
    return this.#head.statusText;
  }

  /** The response's headers, as the runtime gives them. */
  get headers(): Headers {
    return this.#head.headers;
  }

  /** The absolute URL that answered, with its fragment. After redirects, it is the last one. */
  get url(): string {
    return this.#head.url;
  }

  /** Whether a redirect was followed, by this module or by the platform. */
  get redirected(): boolean {
    return this.#head.redirected;
  }

  /** The request that this response answers: plain data. */
  get request(): SentRequest {
    const { method, requestUrl, requestHeaders } = this.#head;
    return this.#request ??= { method, url: requestUrl, headers: requestHeaders ?? new Headers() };
  }

  /** The redirects that were followed, in order. */
  get history(): readonly Redirect[] {
    return this.#head.history;
  }

  /** Whether the status is from 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  /**
   * Returns the body as bytes. If the body is in memory, they are a copy.
   *
   * @throws {TypeError} If the body is streamed and has been read already. The next five methods
   * throw it too.
   * @throws {BodyTooLargeError} If the body is streamed and longer than `maxBodyBytes`. The next
   * five methods throw it too.
   */
  abstract bytes(): Promise<Uint8Array<ArrayBuffer>>;

  /** Returns the body as an `ArrayBuffer`, in the same way as {@linkcode HangupResponse.bytes}. */
  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  /** Returns the body as text, decoded as UTF-8. */
  async text(): Promise<string> {
    return UTF8.decode(await this.read());
  }

  /**
   * Returns the body, parsed as JSON.
   *
   * @typeParam T The type that you expect. It is not checked.
   * @throws {SyntaxError} If the body is not JSON.
   */
  async json<T = unknown>(): Promise<T> {
    const content = await this.read();
    try {
      return JSON.parse(UTF8.decode(content));
    } catch (cause) {
      resultOf(() => escapeMessage(cause as Error)); // a mock of the parser may throw anything
      const type = headerOf(this.headers, "content-type");
      const what = `${content.byteLength} bytes${type === null ? "" : ` of ${describe(type)}`}`;
      const { method, url } = this.summary;
      throw new SyntaxError(
        `Cannot parse the body as JSON, which is ${what} with status ${this.status}: ${method} ${url}`,
        { cause },
      );
    }
  }

  /** Returns the body as a `Blob` with the response's media type. */
  async blob(): Promise<Blob> {
    return new Blob([await this.read()], own({ type: headerOf(this.headers, "content-type") ?? "" }));
  }

  /**
   * Returns the body, parsed as `multipart/form-data` (RFC 7578) or
   * `application/x-www-form-urlencoded` (URL standard, section 5).
   *
   * @throws {TypeError} If the body is neither.
   *
   * @example Read a form
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * const answer = () => Promise.resolve(new Response(new URLSearchParams({ token: "1" })));
   * await using session = new Session({ fetch: answer });
   * const form = await (await session.post("https://example.com/token")).formData();
   * assertEquals(form.get("token"), "1");
   * ```
   */
  async formData(): Promise<FormData> {
    return await rebuild(await this.read(), this.headers).formData() as FormData;
  }

  /** @ignore */
  protected abstract read(): Promise<Uint8Array<ArrayBuffer>>;

  /** @ignore */
  protected get head(): ResponseHead {
    return this.#head;
  }

  /** @ignore */
  protected get summary(): RequestSummary {
    const { method, requestUrl, repeatable } = this.#head;
    return { method, url: showUrl(requestUrl), repeatable };
  }
}

/**
 * A response whose whole body is in memory. It owns bytes and nothing else: there is nothing to
 * close, and you can read its body any number of times. Its methods are those of the Fetch
 * standard, section 5.3, "Body mixin".
 *
 * @example Read a body twice
 * ```ts
 * import { get } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => Response.json([1]));
 *
 * const response = await get(`http://127.0.0.1:${server.addr.port}/`);
 * assertEquals(await response.text(), "[1]");
 * assertEquals(await response.json(), [1]);
 * assertEquals(response.content.length, 3);
 * ```
 */
export class PrefetchedResponse extends HangupResponse {
  // A private field, because JSON.stringify() would print each byte of a public one.
  readonly #content: Uint8Array<ArrayBuffer>;

  /** @ignore */
  constructor(head: ResponseHead, content: Uint8Array<ArrayBuffer>) {
    super(head);
    this.#content = content;
  }

  /**
   * The decoded body. It is not a copy: if you write to it, the other members return the change.
   */
  get content(): Uint8Array<ArrayBuffer> {
    return this.#content;
  }

  /** Returns the body as text, decoded as UTF-8. */
  // The same as in the base class, but without `await`, because most requests end with this call.
  override text(): Promise<string> {
    return Promise.resolve(UTF8.decode(this.content));
  }

  /** @ignore */
  protected override read(): Promise<Uint8Array<ArrayBuffer>> {
    return Promise.resolve(this.content);
  }

  /** Returns a copy of the body. */
  override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.read()).slice();
  }

  /**
   * Makes a status outside 200 to 299 an error.
   *
   * @returns This response.
   * @throws {StatusError} If the status is outside 200 to 299.
   *
   * @example Read the response of a StatusError
   * ```ts
   * import { Session, StatusError } from "@hangup/session";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response("none", { status: 404 })) });
   * const response = await session.get("https://example.com/");
   * const error = assertThrows(() => response.throwIfNotOk(), StatusError);
   * assertEquals([error.response.status, await error.response.text()], [404, "none"]);
   * ```
   */
  throwIfNotOk(): this {
    if (!this.ok) throw new StatusError(this, this.summary);
    return this;
  }

  /**
   * Returns a new web `Response` (Fetch standard, section 5.5) with the same status, headers, URL
   * and body, for edge handlers and libraries. If the body was decoded, `content-encoding` and
   * `content-length` are left out, because they describe the encoded body.
   *
   * @example Pass on the answer of another server
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response("hello", { status: 203 })) });
   * const response = (await session.get("https://example.com/")).toResponse();
   * assertEquals([response.status, await response.text()], [203, "hello"]);
   * ```
   */
  toResponse(): Response {
    const response = passedOn(webResponse(this.head, this.content));
    const { method, status } = this.head;
    // The length is wrong if this is only the start of an error page, or if a wrapper has changed
    // the body.
    const length = headerOf(response.headers, "content-length");
    if (hasBody(method, status) && length !== `${this.content.byteLength}`) response.headers.delete("content-length");
    return response;
  }
}

/**
 * A response's status is outside 200 to 299, and the caller wanted an error in this case.
 *
 * @example Read the body of an error
 * ```ts
 * import { Session, StatusError } from "@hangup/session";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * await using session = new Session({ fetch: () => Promise.resolve(new Response("down", { status: 503 })) });
 * const response = await session.get("https://example.com/");
 * const error = assertThrows(() => response.throwIfNotOk(), StatusError);
 * assertEquals(await error.response.text(), "down");
 * ```
 */
export class StatusError extends HangupError {
  // Private, because Bun prints all public fields of an error, and the response's headers may be
  // secret.
  #response: PrefetchedResponse;

  /**
   * Creates the error.
   *
   * @param response The response, in memory.
   * @param request The request, if it says more than `response.request` does.
   */
  constructor(response: PrefetchedResponse, request?: RequestSummary) {
    const status = `${response.status} ${response.statusText}`.trimEnd();
    const { method, url } = response.request;
    super(`The response's status is ${status}`, request ?? { method, url: showUrl(url) });
    this.name = "StatusError";
    this.#response = response;
  }

  /**
   * The response, in memory. If it was streamed, it has only the first 64 KiB of the body, as far
   * as they arrived within 2 s. If the body is longer than `maxBodyBytes`, a prefetched one has
   * none of it.
   */
  get response(): PrefetchedResponse {
    return this.#response;
  }
}

/**
 * A response whose body is still arriving. It owns a connection until the first of these: the end
 * of the body, an error, {@linkcode StreamedResponse.close}, the end of its scope (`await using`),
 * leaving a `for await` loop, a timeout, the close of its session or pool.
 *
 * The body can be read only once, in one way. `maxBodyBytes` also limits reading it into memory, as
 * it limits a prefetch.
 *
 * @example Leave a loop early
 * ```ts
 * import { get } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => new Response("one\ntwo\n"));
 *
 * const response = await get(`http://127.0.0.1:${server.addr.port}/`, { prefetch: false });
 * for await (const line of response.lines()) {
 *   assertEquals(line, "one");
 *   break;
 * }
 * assertEquals(response.closed, true);
 * ```
 *
 * @example Close at the end of the scope
 * ```ts
 * import { get, type StreamedResponse } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = Deno.serve({ port: 0, onListen() {} }, () => new Response("x".repeat(100_000)));
 *
 * let left: StreamedResponse;
 * {
 *   await using response = await get(`http://127.0.0.1:${server.addr.port}/`, { prefetch: false });
 *   assertEquals([response.status, response.closed], [200, false]);
 *   left = response;
 * }
 * assertEquals(left.closed, true);
 * ```
 */
export class StreamedResponse extends HangupResponse implements AsyncDisposable {
  #reader: BodyReader;
  #maxBodyBytes: number;
  #body: ReadableStream<Uint8Array<ArrayBuffer>> | null | undefined;
  /** Why the body can no longer be read, as far as this object knows. */
  #used: string | undefined;

  /** @ignore */
  constructor(head: ResponseHead, reader: BodyReader, maxBodyBytes: number) {
    super(head);
    this.#reader = reader;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Whether the connection has been given back. */
  get closed(): boolean {
    return this.#reader.closed;
  }

  /**
   * The body as a stream of bytes (Streams standard, section 4.2), or `null` if there is none. The
   * stream reads only as fast as its consumer. It gives the connection back at its end, at an
   * error, or when it is canceled. As long as nobody has read from it, the body can still be read
   * in another way.
   *
   * @throws {TypeError} If the body is being read in another way.
   *
   * @example Decode the stream as text
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response("hello")) });
   * const response = await session.get("https://example.com/", { prefetch: false });
   * const text = await Array.fromAsync(response.body!.pipeThrough(new TextDecoderStream()));
   * assertEquals([text.join(""), response.closed], ["hello", true]);
   * ```
   */
  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    if (this.#body === undefined) {
      this.#throwIfUsed();
      this.#body = this.#reader.stream();
    }
    return this.#body;
  }

  /**
   * Iterates over the chunks of the body. Leaving the loop closes the connection.
   *
   * @throws {TypeError} If the body is being read already.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    const reader = this.#take();
    let left = false;
    return {
      async next() {
        if (left) return { done: true, value: undefined };
        return await reader.read() as IteratorResult<Uint8Array<ArrayBuffer>>;
      },
      return() {
        left = true;
        reader.close();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * Iterates over the lines of the body, decoded as UTF-8, without their `\n` or `\r\n`. Leaving
   * the loop closes the connection.
   *
   * @throws {TypeError} If the body is being read already.
   * @throws {BodyTooLargeError} If a line is longer than `maxBodyBytes`.
   */
  lines(): AsyncGenerator<string, void, undefined> {
    const lines = this.#lines(this[Symbol.asyncIterator]());
    // A generator that is left runs no code of its own before it was started, or while it waits.
    const closing = <Args extends unknown[], Result>(leave: (...args: Args) => Result) => (...args: Args) => {
      this.#reader.close();
      return leave.apply(lines, args);
    };
    // Not by assignment, because the prototype may be frozen.
    for (const name of ["return", "throw"] as const) {
      Object.defineProperty(lines, name, own({ value: closing(lines[name]) }));
    }
    return lines;
  }

  async *#lines(chunks: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void, undefined> {
    const max = this.#maxBodyBytes;
    let rest = new ByteCollector();
    let first = true;
    let endsWithCr = false;
    const decode = (bytes: Uint8Array) => {
      const line = (first ? UTF8 : UTF8_WITH_BOM).decode(bytes);
      first = false;
      return line.endsWith("\r") ? line.slice(0, -1) : line;
    };
    for await (const chunk of chunks) {
      for (let start = 0; start < chunk.byteLength;) {
        const end = chunk.indexOf(LINE_FEED, start);
        const part = chunk.subarray(start, end < 0 ? undefined : end);
        // A CR at the end is a part of the line's end, or counts as soon as the line goes on.
        if (part.byteLength > 0) endsWithCr = part.at(-1) === CARRIAGE_RETURN;
        if (rest.size + part.byteLength - Number(endsWithCr) > max) throw new BodyTooLargeError(max, this.summary);
        if (end < 0 || rest.size > 0) rest.append(part);
        if (end < 0) break;
        yield decode(rest.size > 0 ? rest.take() : part);
        if (rest.size > 0) rest = new ByteCollector();
        start = end + 1;
      }
    }
    if (rest.size > 0) yield decode(rest.take());
  }

  /**
   * Returns the whole body.
   *
   * @throws {TypeError} If the body has been read already.
   * @throws {BodyTooLargeError} If the body is longer than `maxBodyBytes`.
   */
  override bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.read();
  }

  /** @ignore */
  protected override async read(): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#take().readAll(this.#maxBodyBytes);
  }

  /**
   * Makes a status outside 200 to 299 an error, which keeps the first 64 KiB of the body, as far as
   * they arrive within 2 s. In that case, the connection is given back. Always await this call;
   * otherwise the error shows only when the body is read, as a `TypeError`.
   *
   * @returns This response, whose body can still be read.
   * @throws {StatusError} If the status is outside 200 to 299.
   * @throws The reason of the request's signal, unchanged, if that signal aborts before the start
   * of the body is read.
   *
   * @example Stream only a response that is OK
   * ```ts
   * import { Session, StatusError } from "@hangup/session";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response("none", { status: 404 })) });
   * const response = await session.get("https://example.com/", { prefetch: false });
   * const error = await assertRejects(() => response.throwIfNotOk(), StatusError);
   * assertEquals([await error.response.text(), response.closed], ["none", true]);
   * ```
   */
  throwIfNotOk(): Promise<this> {
    if (this.ok) return Promise.resolve(this);
    const refused = this.#refuse();
    // If the caller forgets to await this, an unhandled rejection would end the process.
    refused.catch(() => {});
    return refused;
  }

  async #refuse(): Promise<never> {
    // If the caller has read the body, nothing of it is left.
    const start = this.#obstacle !== undefined ? new Uint8Array(0) : await this
      .#take("throwIfNotOk() has read it; await that call, and read the response of its StatusError")
      .readSome(Math.min(SMALL_BODY, this.#maxBodyBytes));
    throw new StatusError(new PrefetchedResponse(this.head, start), this.summary);
  }

  /**
   * Returns a web `Response` with the same status, headers and URL that takes over the body, for
   * edge handlers and libraries. If the body is decoded, `content-encoding` and `content-length`
   * are left out, because they describe the encoded body.
   *
   * @returns The `Response`. Reading its body to the end, or canceling it, gives the connection
   * back.
   * @throws {TypeError} If the body is being read already.
   */
  toResponse(): Response {
    const reader = this.#take();
    try {
      return passedOn(webResponse(this.head, reader));
    } catch (error) {
      reader.close();
      throw error;
    }
  }

  /**
   * Closes the connection. The unread part of the body is lost. Later calls do nothing.
   *
   * @example Read only the headers
   * ```ts
   * import { Session } from "@hangup/session";
   * import { assertEquals } from "@std/assert";
   *
   * await using session = new Session({ fetch: () => Promise.resolve(new Response(new ReadableStream())) });
   * const response = await session.get("https://example.com/endless", { prefetch: false });
   * await response.close();
   * assertEquals([response.ok, session.exchanges().length], [true, 0]);
   * ```
   */
  close(): Promise<void> {
    this.#reader.close();
    return Promise.resolve();
  }

  /** Calls {@linkcode StreamedResponse.close}. `await using` calls this at the end of the scope. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Reserves the body for one way of reading. Looking at `body` alone does not read it. */
  #take(use = USED): BodyReader {
    this.#throwIfUsed();
    if (this.#body) readerOf(this.#body); // locks it
    this.#used = use;
    return this.#reader;
  }

  /** Why the body cannot be read now, if it cannot. */
  get #obstacle(): string | undefined {
    return this.#used ?? (this.#body?.locked || this.#reader.disturbed ? USED : undefined);
  }

  #throwIfUsed(): void {
    const obstacle = this.#obstacle;
    if (obstacle === undefined) return;
    const { method, url } = this.summary;
    throw new TypeError(`Cannot read the body as ${obstacle}: ${method} ${url}`);
  }
}

/** Makes a response that a server may pass on. The server itself frames the body. */
function passedOn(response: Response): Response {
  response.headers.delete("transfer-encoding");
  return response;
}

showAs(
  PrefetchedResponse,
  "PrefetchedResponse",
  ({ status, url, content }) => ({ status, url: showUrl(url), bytes: content.byteLength }),
);
nameDisposal(StreamedResponse, "asyncDispose");
showAs(StreamedResponse, "StreamedResponse", ({ status, url, closed }) => ({ status, url: showUrl(url), closed }));

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * Keeps a U+FEFF at the start of a line, because only the start of the whole text can have a byte
 * order mark.
 */
const UTF8_WITH_BOM = new TextDecoder("utf-8", { ignoreBOM: true, fatal: false });
