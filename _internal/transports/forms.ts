// Copyright 2026 the Hangup authors. MIT license.

/**
 * Forms: copying them, and canceling streams that may be those of forms.
 *
 * From Node 24 on, the stream of a `FormData` is filled whether or not anybody reads it, and
 * canceling it before it is full ends the process. It holds nothing but memory, so it need not be
 * canceled. Only its first bytes tell it from other streams.
 *
 * @module
 */

import { type Bytes, readerOf } from "../bytes.ts";
import { own } from "../options.ts";
import type { BodyInit } from "../runtime.ts";
import { delay } from "../timers.ts";
import { undiciVersion } from "./undici.ts";

/** The part of a stream's reader that is used here. */
export interface StreamReader {
  read(): Promise<IteratorResult<Bytes>>;
  cancel(reason: unknown): Promise<void>;
}

/** The bytes of forms with files, on Bun. The keys are the copies of the forms. */
const contents = new WeakMap<FormData, Request>();

/**
 * Copies a form.
 *
 * On Bun, nobody can see the file names that `append()` and `set()` were given. So a copy has the
 * files' own names, which are paths for `Bun.file()`. Only a body made of the original form has the
 * right names.
 */
export function copyForm(form: FormData): FormData {
  const copy = new FormData();
  let hasFiles = false;
  form.forEach((value, name) => {
    hasFiles ||= typeof value !== "string";
    copy.append(name, value);
  });
  if (hasFiles && "Bun" in globalThis) contents.set(copy, toContent(form));
  return copy;
}

/** Returns the content of a body that is a copy of a form and lacks its file names. */
export function contentOf(body: unknown): Request | undefined {
  return contents.get(body as FormData)?.clone() as Request | undefined;
}

/**
 * Makes the content of a body: its bytes and their type. A library may have replaced `Response`.
 */
export function toContent(body: BodyInit): Request {
  return new Request("http://localhost", own({ method: "POST", body }));
}

/** Replaces the body of a request with such content, and sets the content type. */
export async function setContent(init: RequestInit, content: Request): Promise<void> {
  setType(init, content.headers.get("content-type"));
  init.body = await content.arrayBuffer();
}

/** Sets the content type of the body, unless the headers have one. */
export function setType(init: RequestInit, type: string | null) {
  const headers = init.headers = new Headers(init.headers);
  if (type && !headers.has("content-type")) headers.set("content-type", type);
}

/** The start of the body that undici makes of a `FormData`. */
const FORM_START = new TextEncoder().encode("------formdata-undici-");

/**
 * How long to wait for the first bytes of what may be a form, in milliseconds. A form has them
 * ready.
 */
const FORM_TIME = 1;

/** Whether the runtime may have filled a stream with a form. */
function mayBeForm(stream: ReadableStream): boolean {
  if (!(undiciVersion() >= 7)) return false;
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false; // The stream of a form is a byte stream.
  }
}

/** Returns a reader of a stream of the user's. Its `cancel()` does not end the process. */
export function openStream(stream: ReadableStream<Bytes>): StreamReader {
  return mayBeForm(stream) ? new FormReader(stream) : readerOf(stream) as StreamReader;
}

/**
 * Cancels a body that nobody reads. The result is not awaited, and `cancel()` may be a mock's that
 * returns no promise.
 */
export function cancelBody(response: Response): void {
  try {
    // An npm package's `fetch` may give a stream of Node's.
    const body = response.body as ReadableStream & { destroy?(): unknown } | null | undefined;
    if (body && mayBeForm(body)) new FormReader(body).cancel(undefined).catch(() => {});
    else Promise.resolve(body?.cancel ? body.cancel() : body?.destroy?.()).catch(() => {});
  } catch {
    // The body is locked or not a stream, or there is no response at all.
  }
}

/** Reads a stream that may be a form, and cancels it only if it is none. */
class FormReader implements StreamReader {
  readonly #reader: StreamReader;
  /** Whether the first bytes are those of a form. `undefined` if nothing was read. */
  #isForm: Promise<boolean> | undefined;

  constructor(stream: ReadableStream<Bytes>) {
    this.#reader = readerOf(stream) as StreamReader;
  }

  read(): Promise<IteratorResult<Bytes>> {
    const read = this.#reader.read();
    this.#isForm ??= read.then(({ value }) => FORM_START.every((byte, i) => value?.[i] === byte), () => false);
    return read;
  }

  async cancel(reason: unknown): Promise<void> {
    if (this.#isForm === undefined) this.read().catch(() => {});
    const [late, removeTimer] = delay(FORM_TIME);
    const isForm = await Promise.race([this.#isForm, late]);
    removeTimer();
    if (!isForm) await this.#reader.cancel(reason);
  }
}
