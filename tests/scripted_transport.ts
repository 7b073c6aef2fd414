// Copyright 2026 the Hangup authors. MIT license.

/**
 * A transport whose answers are under the test's control, and a signal whose listeners are counted.
 *
 * @module
 */

import { type Adapter, facts, PLATFORM, type Platform } from "../_internal/transports/platform.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a body's reader gets: a chunk, the end, or a failure. */
type BodyEvent = { chunk: Bytes } | { failure: unknown } | "end";

/** One call of {@linkcode ScriptedTransport.fetch}. */
export class ScriptedCall {
  readonly url: URL;
  readonly init: RequestInit;
  readonly signal: AbortSignal;
  /** What `fetch()` returned. */
  readonly promise: Promise<Response>;
  /**
   * Whether nothing is open any more: the call failed or was aborted, or its body was read to its
   * end or canceled.
   */
  ended = false;
  /** Whether the body was canceled. */
  canceled = false;
  #resolve!: (response: Response) => void;
  #reject!: (reason: unknown) => void;
  #controller: ReadableStreamDefaultController<Bytes> | undefined;
  #events: BodyEvent[] = [];
  #pulling: (() => void) | undefined;

  constructor(url: URL, init: RequestInit, obeys: boolean) {
    this.url = url;
    this.init = init;
    this.signal = init.signal!;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (!obeys) return;
    const { signal } = this;
    if (signal.aborted) this.#abort();
    else signal.addEventListener("abort", () => this.#abort(), { once: true });
  }

  /** Answers with headers, and with a body that is yet to come unless it is `null`. */
  respond(init: ResponseInit = {}, body?: null): void {
    if (this.ended) return;
    this.ended = body === null;
    const stream = body === null ? null : new ReadableStream<Bytes>({
      start: (controller) => void (this.#controller = controller),
      pull: async () => {
        if (this.#events.length === 0) await new Promise<void>((resolve) => this.#pulling = resolve);
        this.#deliver();
      },
      cancel: () => {
        this.ended = this.canceled = true;
        this.#pulling?.();
      },
    }, { highWaterMark: 0 });
    this.#resolve(new Response(stream, init));
  }

  /** Fails the call, or, once it was answered, its body. */
  fail(failure: unknown): void {
    if (this.#controller) return this.#push({ failure });
    this.ended = true;
    this.#reject(failure);
  }

  /** Sends a chunk of the body. */
  send(chunk: Bytes): void {
    this.#push({ chunk });
  }

  /** Ends the body. */
  end(): void {
    this.#push("end");
  }

  #push(event: BodyEvent): void {
    if (this.ended) return;
    this.#events.push(event);
    this.#pulling?.();
    this.#pulling = undefined;
  }

  #deliver(): void {
    if (this.ended) return;
    const event = this.#events.shift()!;
    if (event !== "end" && "chunk" in event) return this.#controller!.enqueue(event.chunk);
    this.ended = true;
    if (event === "end") this.#controller!.close();
    else this.#controller!.error(event.failure);
  }

  /** As a runtime's `fetch` does. */
  #abort(): void {
    if (this.ended) return;
    this.ended = true;
    this.#reject(this.signal.reason);
    this.#controller?.error(this.signal.reason);
    this.#pulling?.();
  }
}

/** Sends nothing: each call waits for the test to answer it. */
export class ScriptedTransport implements Adapter {
  readonly [PLATFORM]: Platform = facts({ transport: this, sender: () => "fetch" });
  readonly closesSockets = true;
  readonly followsRedirects = false;
  readonly calls: ScriptedCall[] = [];
  closes = 0;
  readonly #obeys: boolean;
  readonly #onCall: ((call: ScriptedCall) => void) | undefined;

  /**
   * @param onCall Called with each call.
   * @param obeys Whether a call ends when its signal aborts. A mock or a middleware may have no
   * regard for it.
   */
  constructor(onCall?: (call: ScriptedCall) => void, obeys = true) {
    this.#onCall = onCall;
    this.#obeys = obeys;
  }

  fetch(url: URL, init: RequestInit): Promise<Response> {
    const call = new ScriptedCall(url, init, this.#obeys);
    this.calls.push(call);
    this.#onCall?.(call);
    return call.promise;
  }

  close(): void {
    this.closes++;
  }
}

/** A controller whose signal's listeners are counted. */
export class CountingController extends AbortController {
  readonly #listeners = new Set<unknown>();

  constructor() {
    super();
    const { signal } = this;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.#listeners.add(args[1]);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.#listeners.delete(args[1]);
      remove(...args);
    };
  }

  /** How many listeners wait for the signal. */
  get listeners(): number {
    return this.signal.aborted ? 0 : this.#listeners.size;
  }
}
