// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading a stream of the caller's.
 *
 * @module
 */

import { type Bytes, readerOf } from "./bytes.ts";
import { afterReal } from "./timers.ts";

/** The start of the body that undici makes of a `FormData`. */
const FORM_START = new TextEncoder().encode("------formdata-undici-");

/** How long to wait for the first bytes of what may be a form, in milliseconds. Those of a form are there. */
const FORM_TIME = 1;

/**
 * Reads a stream, and cancels it in a way that does not end the process.
 *
 * From Node 24 on, the stream of a `FormData` is filled whether or not anybody reads it, and
 * canceling it before it is full ends the process. It holds nothing but memory, so it need not be
 * canceled. Only its first bytes tell it from other streams.
 */
export class StreamReader {
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #mayBeForm: boolean;
  /** Whether the first bytes are those of a form, once they are read. */
  #isForm: Promise<boolean> | undefined;

  constructor(stream: ReadableStream<Bytes>) {
    this.#mayBeForm = fillsForms() && isByteStream(stream);
    this.#reader = readerOf(stream);
  }

  read(): Promise<IteratorResult<Bytes>> {
    const read = this.#reader.read() as Promise<IteratorResult<Bytes>>;
    if (this.#mayBeForm) this.#isForm ??= read.then(({ value }) => isFormStart(value), () => false);
    return read;
  }

  cancel(reason: unknown): Promise<void> {
    return this.#mayBeForm ? this.#cancelUnlessForm(reason) : this.#reader.cancel(reason);
  }

  async #cancelUnlessForm(reason: unknown): Promise<void> {
    if (this.#isForm === undefined) this.read().catch(() => {});
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const removeTimer = afterReal(FORM_TIME, () => resolve(undefined));
    const isForm = await Promise.race([this.#isForm, late]);
    removeTimer();
    if (isForm !== true) await this.#reader.cancel(reason);
  }
}

function fillsForms(): boolean {
  const { process } = globalThis as { process?: { versions?: { undici?: string } } };
  return parseInt(process?.versions?.undici ?? "") >= 7;
}

function isByteStream(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

function isFormStart(bytes: Bytes | undefined): boolean {
  return bytes !== undefined && FORM_START.every((byte, i) => bytes[i] === byte);
}
