// Copyright 2026 the Hangup authors. MIT license.

/**
 * A response as the Fetch standard has it.
 *
 * @module
 */

import type { Redirect, Repeatable } from "../request.ts";
import type { BodyReader } from "./body.ts";
import type { Bytes } from "./bytes.ts";
import { hasBody, showUrl } from "./http.ts";
import { showAs } from "./inspect.ts";
import { own } from "./options.ts";
import type { ResponseType } from "./web.ts";

/** What both responses are made from: all but the body. */
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
  /** Of the request: its method, URL and headers, `undefined` for none. */
  readonly method: string;
  readonly asked: string;
  readonly sent: Headers | undefined;
  readonly repeatable: Repeatable;
}

/** What is overridden. Some type packages declare properties, which no method or accessor may override. */
interface Overridden {
  readonly url: string;
  readonly redirected: boolean;
  readonly type: ResponseType;
  readonly bodyUsed: boolean;
  clone(): Response;
  text(): Promise<string>;
  json(): Promise<unknown>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Bytes>;
  blob(): Promise<ResponseBlob>;
  formData(): Promise<ResponseForm>;
}

type ResponseBlob = Awaited<ReturnType<Response["blob"]>>;
type ResponseForm = Awaited<ReturnType<Response["formData"]>>;
type Base = Omit<Response, keyof Overridden> & Overridden;

const BaseResponse = Response as unknown as new (...args: ConstructorParameters<typeof Response>) => Base;

/**
 * A `Response` that keeps what its constructor cannot be given: the URL, the type, a status outside 200 to 599, and any
 * reason phrase.
 *
 * What reads the whole body reads it from where it is, faster and in less memory than through a stream. The stream is
 * there for everything else.
 */
class WebResponse extends BaseResponse {
  readonly #head: ResponseHead;
  #reader: BodyReader | undefined;
  /** The caller's signal, which still counts though the body is in memory. */
  readonly #signal: AbortSignal | null | undefined;
  #consumed = false;

  /**
   * @param body The body: in memory, what reads it, or a stream.
   */
  constructor(head: ResponseHead, body: Bytes | BodyReader | Streamed | null, signal?: AbortSignal | null) {
    const { status, statusText, headers } = head;
    const init = own({ status: status >= 200 && status <= 599 ? status : 200, headers });
    const filled = hasBody(head.method, status);
    super(filled ? body instanceof Uint8Array ? body : body?.stream() : null, init);
    this.#head = head;
    this.#reader = filled && body !== null && "readAll" in body ? body : undefined;
    this.#signal = signal;
    if (head.decoded && filled) {
      this.headers.delete("content-encoding");
      this.headers.delete("content-length");
    }
    // No overrides, because Node's constructor reads `status` itself, and refuses phrases that its parser accepts.
    if (this.status !== status) Object.defineProperties(this, own({ status: { value: status }, ok: { value: false } }));
    if (this.statusText !== statusText) {
      Object.defineProperty(this, "statusText", own({ value: statusText, configurable: true }));
    }
  }

  override get url(): string {
    return this.#head.url.replace(/#.*/, "");
  }

  override get redirected(): boolean {
    return this.#head.redirected;
  }

  override get type(): ResponseType {
    return this.#head.type;
  }

  override get bodyUsed(): boolean {
    return this.#consumed || super.bodyUsed;
  }

  override clone(): Response {
    const { body } = super.clone();
    this.#reader = undefined; // what it gives goes to both now
    return new OwnResponse({ ...this.#head, headers: this.headers }, body && { stream: () => body });
  }

  override async text(): Promise<string> {
    const content = await this.#consume();
    return content === undefined ? await super.text() : new TextDecoder().decode(content);
  }

  override async json(): Promise<unknown> {
    const content = await this.#consume();
    return content === undefined ? await super.json() : JSON.parse(new TextDecoder().decode(content));
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.#consume())?.buffer ?? await super.arrayBuffer();
  }

  override async bytes(): Promise<Bytes> {
    return await this.#consume() ?? new Uint8Array(await super.arrayBuffer());
  }

  override async blob(): Promise<ResponseBlob> {
    const content = await this.#consume();
    return content === undefined ? await super.blob() : await this.#rebuild(content).blob();
  }

  override async formData(): Promise<ResponseForm> {
    const content = await this.#consume();
    return content === undefined ? await super.formData() : await this.#rebuild(content).formData();
  }

  /** Reads the body from where it is. `undefined` if the platform has to: it is in memory, or was taken already. */
  async #consume(): Promise<Bytes | undefined> {
    if (this.bodyUsed) return undefined;
    this.#signal?.throwIfAborted();
    const reader = this.#reader;
    if (reader === undefined || this.body?.locked !== false) return undefined;
    this.#consumed = true;
    this.body.getReader(); // nobody else is to read it
    return await reader.readAll(Infinity);
  }

  #rebuild(content: Bytes): Response {
    const type = this.headers.get("content-type");
    return new Response(content, own({ headers: type === null ? [] : [["content-type", type] as [string, string]] }));
  }
}

/** A body that is a stream. */
export interface Streamed {
  stream(): ReadableStream<Bytes>;
}

/** The class, whose instances are to the caller what any `Response` is. */
const OwnResponse = WebResponse as unknown as new (...args: ConstructorParameters<typeof WebResponse>) => Response;
export { OwnResponse as WebResponse };

showAs(WebResponse, ({ status, url, bodyUsed }) => ({ status, url: showUrl(url), bodyUsed }));
