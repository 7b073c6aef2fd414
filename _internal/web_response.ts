// Copyright 2026 the Hangup authors. MIT license.

/**
 * A standard `Response` made from ours.
 *
 * @module
 */

import type { Redirect, Repeatable } from "../request.ts";
import { type Bytes, isWebStream, makeStream, readerOf, UTF8 } from "./bytes.ts";
import { resultOf } from "./causes.ts";
import { showAs } from "./classes.ts";
import { copyable } from "./headers.ts";
import { hasBody, headerOf } from "./http.ts";
import { own } from "./options.ts";
import { isWorkerd, mainRealm, platformStream, type ResponseType } from "./runtime.ts";
import { throwIfAborted } from "./signals.ts";
import { showUrl, withoutFragment } from "./url.ts";

/** Everything that the responses are made from, except the body. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: ResponseType;
  /** Whether the body had a `content-encoding` that the platform has decoded. */
  readonly decoded: boolean;
  readonly history: readonly Redirect[];
  /** The method of the request. */
  readonly method: string;
  readonly requestUrl: string;
  readonly requestHeaders: Headers | undefined;
  readonly repeatable: Repeatable;
}

/**
 * The members of the platform's class that `WebResponse` uses. Some type packages declare them as
 * properties, which no method or accessor may override.
 */
interface Base {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReadableStream<Bytes> | null;
  readonly bodyUsed: boolean;
  clone(): Response;
  text(): Promise<string>;
  textStream(): ReadableStream<string>;
  json(): Promise<unknown>;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): ReturnType<Response["blob"]>;
  formData(): ReturnType<Response["formData"]>;
}

type BodyMethod = "text" | "json" | "arrayBuffer" | "blob" | "formData";

/** The extra state of a response of `session.fetch`. */
export interface Fetched {
  /**
   * The caller's signal. It applies until the body, or that of a clone, is read, even if the body
   * is in memory.
   */
  signal: AbortSignal | null | undefined;
}

/** A body that is a stream. If reading all of it directly is faster, `readAll()` does that. */
export interface Readable {
  stream(): ReadableStream<Bytes> | null;
  readAll?(max: number): Promise<Bytes>;
}

type ResponseClass = new (
  head: ResponseHead,
  body: Bytes | Readable | null,
  fetched?: Fetched,
  headers?: Headers,
) => Response;

/**
 * The platform's own clone behind each clone. Node 22 cancels its body when it is
 * garbage-collected.
 */
const copies = new WeakMap<Response, Response>();

/** Why a body that was read can no longer be read. */
export const USED = "it is being read or has been read already";

/** A reason phrase that every platform accepts. */
const PHRASE = /^[ -~]*$/;

let OwnResponse: ResponseClass | undefined;

/**
 * Makes a standard `Response`.
 *
 * @param body The body: its bytes, or an object that reads it.
 * @param fetched Given for a response of `session.fetch`: a body in memory belongs to this
 * response alone, and its headers must not change.
 */
export function webResponse(head: ResponseHead, body: Bytes | Readable | null, fetched?: Fetched): Response {
  const WebResponse = takeResponse();
  try {
    return new WebResponse(head, body, fetched);
  } catch {
    // Node 22 accepts names of headers from the network that its own `Headers` refuse. Leave those
    // out.
    const headers = new Headers();
    head.headers.forEach((value, name) => resultOf(() => headers.append(name, value)));
    return new WebResponse(head, body, fetched, headers);
  }
}

/**
 * Takes the global `Response` and returns the class of the responses, which is defined only once.
 * A session does so when it is made, because a test may replace `Response` afterwards. It does not
 * happen at load, because looking at `Response` makes Node load its HTTP client, which takes longer
 * than to load this module.
 */
export function takeResponse(): ResponseClass {
  return OwnResponse ??= defineClass();
}

/**
 * Returns the platform's own class, even if the global one is a proxy of it, as with nock and msw,
 * or a subclass, as with @hono/node-server. Those expect fields that a subclass of theirs does not
 * have. If a test runner on Node has a realm of its own, whose class takes no streams, as that of
 * jest-fetch-mock, this is the class of the main realm.
 */
function platformResponse(): typeof Response {
  const { constructor } = resultOf(() => Response.error()) ?? Response.prototype;
  const found = constructor as typeof Response;
  const takesStreams = resultOf(() => isWebStream(new found(new (platformStream())()).body)) === true;
  return takesStreams ? found : mainRealm<{ Response?: typeof Response }>()?.Response ?? found;
}

function defineClass(): ResponseClass {
  const BaseResponse = platformResponse() as unknown as new (...args: ConstructorParameters<typeof Response>) => Base;

  /**
   * A `Response` with values that its constructor does not accept: the URL, the type, a status
   * outside 200 to 599, and any reason phrase.
   *
   * Methods that read the whole body take it directly from memory or from its reader, which is
   * faster and needs less memory than the stream. Everything else uses the stream.
   */
  class WebResponse extends BaseResponse {
    readonly #head: ResponseHead;
    /** The source of the whole body; `undefined` if only the platform's stream can be read. */
    #content: Bytes | Readable | undefined;
    /**
     * Set for a response of `session.fetch`, which behaves like one of the standard `fetch`. Its
     * body in memory belongs to it alone.
     */
    readonly #fetched: Fetched | undefined;
    /** The stream of a body in memory, once `body` was read. */
    #stream: ReadableStream<Bytes> | undefined;
    #consumed = false;

    constructor(head: ResponseHead, body: Bytes | Readable | null, fetched?: Fetched, headers = head.headers) {
      const { status } = head;
      // Code that passes a response on reads the platform's own values. If it refuses a status,
      // that is 502, "Bad Gateway".
      const statusText = PHRASE.test(head.statusText) ? head.statusText : "";
      const init = own({
        status: status >= 200 && status <= 599 ? status : 502,
        statusText,
        headers: copyable(headers) as Headers,
      });
      const filled = hasBody(head.method, status);
      const content = filled ? body instanceof Uint8Array ? body : body?.stream() ?? null : null;
      super(content, init);
      this.#head = head;
      this.#fetched = fetched;
      if (content && (body instanceof Uint8Array || body?.readAll)) this.#content = body;
      if (Object.hasOwn(this, "url")) this.#replaceFields();
      if (head.decoded && filled) {
        const { headers } = this;
        headers.delete("content-encoding");
        headers.delete("content-length");
        if (fetched) protect(headers, head.headers);
      }
      // `status` cannot be an accessor, because Node's constructor reads it.
      if (this.status !== status) {
        Object.defineProperty(this, "status", own({ value: status }));
      }
    }

    /** Replaces the fields that happy-dom's class has where the standard has accessors. */
    #replaceFields(): void {
      for (const name of ["url", "statusText", "redirected", "type"]) Reflect.deleteProperty(this, name);
      const set = (used: boolean) => this.#consumed ||= used;
      Object.defineProperty(this, "bodyUsed", own({ get: () => this.#consumed, set, enumerable: true }));
    }

    get statusText(): string {
      return this.#head.statusText;
    }

    get url(): string {
      return withoutFragment(this.#head.url);
    }

    get redirected(): boolean {
      return this.#head.redirected;
    }

    get type(): ResponseType {
      return this.#head.type;
    }

    /**
     * Returns the headers that arrived, which cannot be changed, if they describe the body
     * correctly. On Bun they can be changed, and its server sends those that the constructor was
     * given.
     */
    override get headers(): Headers {
      const { decoded, headers, method, status } = this.#head;
      const isOwn = this.#fetched === undefined || "Bun" in globalThis || decoded && hasBody(method, status);
      return isOwn ? super.headers : headers;
    }

    /**
     * A byte stream (Streams standard, section 4.7), even if the platform makes another kind of
     * stream from bytes in memory.
     */
    override get body(): ReadableStream<Bytes> | null {
      // On workerd, only the platform's own stream has a length, which R2 asks for.
      if (isWorkerd() && !this.#consumed && !this.#fetched?.signal) this.#content = undefined;
      const content = this.#content;
      if (!(content instanceof Uint8Array)) return super.body as ReadableStream<Bytes> | null;
      if (this.#stream !== undefined) return this.#stream;
      this.#stream = makeStream({
        type: "bytes",
        pull: (controller) => {
          if (this.#consumed || content.byteLength === 0) {
            this.#finish();
            controller.close();
            controller.byobRequest?.respond(0);
          } else {
            this.#consumed = true;
            throwIfAborted(this.#fetched?.signal);
            controller.enqueue(content.slice());
          }
        },
        cancel: () => this.#finish(),
      });
      // A method that has read the body has locked its stream, too.
      if (this.#consumed) readerOf(this.#stream);
      return this.#stream;
    }

    override get bodyUsed(): boolean {
      return this.#consumed || super.bodyUsed;
    }

    override clone(): Response {
      const content = this.#content;
      const head = { ...this.#head, headers: this.headers, decoded: false };
      if (content instanceof Uint8Array) {
        // The stream is teed: whoever has it can no longer read it, and `body` is another one.
        this.#lock();
        this.#stream = undefined;
        return webResponse(head, content.slice(), this.#fetched);
      }
      const copy = super.clone();
      const { body } = copy;
      this.#content = undefined; // both responses now share the stream
      const clone = webResponse(head, body && { stream: () => body }, this.#fetched);
      copies.set(clone, copy);
      return clone;
    }

    override text(): Promise<string> {
      return this.#read("text", (content) => UTF8.decode(content));
    }

    override json(): Promise<unknown> {
      return this.#read("json", (content) => JSON.parse(UTF8.decode(content)));
    }

    override arrayBuffer(): Promise<ArrayBuffer> {
      return this.#read("arrayBuffer", ({ buffer }) => buffer);
    }

    async bytes(): Promise<Bytes> {
      return new Uint8Array(await this.#read("arrayBuffer", ({ buffer }) => buffer));
    }

    override textStream(): ReadableStream<string> {
      const { body } = this;
      if (!(this.#content instanceof Uint8Array)) return super.textStream();
      if (this.bodyUsed || body!.locked) throw new TypeError(`Cannot read the body as ${USED}`);
      return body!.pipeThrough(new TextDecoderStream() as TransformStream<Bytes, string>);
    }

    override blob(): ReturnType<Response["blob"]> {
      return this.#read("blob", (content) => rebuild(content, this.headers).blob());
    }

    override formData(): ReturnType<Response["formData"]> {
      return this.#read("formData", (content) => rebuild(content, this.headers).formData());
    }

    /**
     * Reads the whole body.
     *
     * @param name The platform's method, which reads its stream.
     * @param convert Converts the bytes, if they can be read directly.
     */
    async #read<T>(name: BodyMethod, convert: (content: Bytes) => T | Promise<T>): Promise<T> {
      const content = this.#content;
      if (content === undefined) {
        try {
          // Not `super`: for old targets, TypeScript makes functions of private methods.
          return await BaseResponse.prototype[name].call(this) as T;
        } catch (error) {
          throwIfAborted(this.#fetched?.signal); // Chromium makes a `TypeError` of whatever ends a stream
          throw error;
        }
      }
      this.#lock();
      this.#consumed = true;
      let bytes = content;
      if (!(bytes instanceof Uint8Array)) bytes = await bytes.readAll!(Infinity);
      else if (this.#fetched?.signal) await undefined; // an abort right after the call counts
      this.#finish();
      return await convert(bytes === content && !this.#fetched ? bytes.slice() : bytes);
    }

    /**
     * Called once the whole body is read or canceled. From then on the signal no longer applies.
     */
    #finish(): void {
      this.#consumed = true;
      throwIfAborted(this.#fetched?.signal);
      if (this.#fetched) this.#fetched.signal = undefined;
    }

    /** Locks the stream of the body, if it has been made, so that nobody else reads it. */
    #lock(): void {
      const platforms = BaseResponse.prototype; // not `super`: see #read()
      // A user may have given the response a `body` of its own.
      const stream = this.#content instanceof Uint8Array ? this.#stream : Reflect.get(platforms, "body", this);
      if (this.bodyUsed || stream?.locked) throw new TypeError(`Cannot read the body as ${USED}`);
      if (stream) readerOf(stream);
    }
  }

  // The method is new in the Fetch standard. If the platform lacks it, so does this class.
  if (!("textStream" in BaseResponse.prototype)) Reflect.deleteProperty(WebResponse.prototype, "textStream");
  // As those of the platform's class, the members are enumerable.
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(WebResponse.prototype))) {
    Object.defineProperty(WebResponse.prototype, name, own({ ...member, enumerable: true }));
  }
  // Hide the class, so that callers see a standard `Response`.
  Object.defineProperty(WebResponse.prototype, "constructor", own({ value: Response, enumerable: false }));
  showAs(WebResponse, "Response", ({ status, url, bodyUsed }) => ({ status, url: showUrl(url), bodyUsed }));
  return WebResponse as unknown as ResponseClass;
}

/**
 * Makes headers refuse a change as the platform's own do, which on most runtimes are immutable
 * (Fetch standard, section 5.1).
 */
function protect(headers: Headers, platforms: Headers): void {
  for (const name of ["append", "set", "delete"] as const) {
    const change = (...args: [string, string]) => {
      platforms[name](...args);
      Headers.prototype[name].apply(headers, args);
    };
    Object.defineProperty(headers, name, own({ value: change }));
  }
}

/** Makes a `Response` of a body that was read, so that the platform converts it. */
export function rebuild(content: Bytes, headers: Headers): Response {
  const type = headerOf(headers, "content-type");
  return new Response(content, type === null ? undefined : own({ headers: own({ "content-type": type }) }));
}
