// Copyright 2026 the Hangup authors. MIT license.

/**
 * The life of one request: it owns resources, and gives all of them back at its end.
 *
 * @module
 */

import { HangupError, NetworkError, type PoolClosedError, TimeoutError } from "../errors.ts";
import type { ExchangeInfo, ExchangeState, Repeatable, RequestSummary } from "../request.ts";
import { Attempt } from "./attempt.ts";
import { Cancellation } from "./cancellation.ts";
import { explain, isAbort, isCustom, isRefusal, isResponse, neverSent, redact, resultOf } from "./causes.ts";
import { Deadlines, type Sweep } from "./deadlines.ts";
import { isIdempotent } from "./http.ts";
import { type Linked, List } from "./list.ts";
import type { Outgoing } from "./prepare.ts";
import { makeRegistry, type Resolvers, withResolvers } from "./runtime.ts";
import { type AbortListener, addAbortListener, removeAbortListener, throwIfAborted } from "./signals.ts";
import type { Holder, Slots } from "./slots.ts";
import type { Clock } from "./timers.ts";
import { type Phase, Timing } from "./timing.ts";
import { cancelBody } from "./transports/forms.ts";
import { type StreamBody, Upload } from "./upload.ts";
import { displayUrl, originOf } from "./url.ts";

/** The open exchanges of one session. One timer serves all their deadlines. */
export class Exchanges {
  /** The clock of the pool. */
  readonly clock: Clock;
  /** Reports a streamed response that was garbage-collected while it was open. */
  readonly onLeak: (exchange: ExchangeInfo) => void;
  readonly #open: List<Exchange> = new List();
  /** The number of open exchanges that somebody waits for. */
  #awaited = 0;
  readonly #deadlines: Deadlines;
  /** Resolves when no exchange is open; `undefined` before {@linkcode Exchanges.close}. */
  #idle: Resolvers<void> | undefined;

  constructor(clock: Clock, onLeak: (exchange: ExchangeInfo) => void) {
    this.clock = clock;
    this.onLeak = onLeak;
    this.#deadlines = new Deadlines(clock, (now) => this.#sweep(now));
  }

  add(exchange: Exchange): void {
    this.#open.push(exchange);
    this.#awaited++;
  }

  /** @param awaited Whether somebody waited for the exchange. */
  delete(exchange: Exchange, awaited: boolean): void {
    this.#open.remove(exchange);
    this.count(awaited ? -1 : 0);
  }

  /**
   * Called when somebody begins or ceases to wait for an exchange. Lets the process end if nobody
   * waits for any.
   */
  count(change: -1 | 0 | 1): void {
    this.#awaited += change;
    if (this.#awaited > 0) return;
    if (this.#open.size > 0) return void this.#deadlines.unref();
    if (this.#idle === undefined) return this.#deadlines.rest();
    this.#deadlines.clear();
    this.#idle.resolve();
  }

  /**
   * Returns a promise that resolves when no exchange is open. Then the timer is removed. A request
   * that comes later leaves no timer either.
   */
  close(): Promise<void> {
    this.#idle ??= withResolvers();
    this.count(0);
    return this.#idle.promise;
  }

  /** Makes sure that {@linkcode Exchange.expire} is called once `deadline` has come. */
  arm(deadline: number, now?: number): void {
    if (deadline < Infinity) this.#deadlines.arm(deadline, now);
  }

  /**
   * Aborts every open exchange, each with a reason of its own.
   *
   * @returns The exchanges that this call aborted. Exchanges that were aborted before are left out.
   */
  abort(reason: (request: RequestSummary) => Error): ExchangeInfo[] {
    const aborted = [...this.#open].filter((exchange) => exchange.abort(reason(exchange)));
    return aborted.map((exchange) => exchange.info());
  }

  list(): ExchangeInfo[] {
    return [...this.#open].map((exchange) => exchange.info());
  }

  #sweep(now: number): Sweep {
    let next = Infinity;
    const due: Exchange[] = [];
    for (const exchange of this.#open) {
      const { deadline } = exchange.timing;
      if (deadline <= now) due.push(exchange);
      else if (deadline < next) next = deadline;
    }
    return { next, end: () => due.forEach((exchange) => exchange.expire()) };
  }
}

/** The errors whose stack is final. */
const shown = new WeakSet<object>();

/**
 * Makes the stack of an error of this module show the call that failed. The error was made by a
 * timer or deep inside, and engines tell who awaits a promise only at the last one of a chain. But
 * the stack of an error of `close()` shows who has closed.
 */
function showCaller(error: unknown): void {
  resultOf(() => {
    if (!(error instanceof HangupError) || /ClosedError$/.test(error.name) || shown.has(error)) return;
    shown.add(error);
    const engine = Error as { captureStackTrace?(error: object, below: unknown): void };
    engine.captureStackTrace?.(error, Exchange.prototype.endWith);
  });
}

const asIs = (error: unknown): unknown => error;

/**
 * Garbage collection is only a safety net: it ends the exchange of a response that was dropped
 * while open.
 */
const dropped = makeRegistry<Exchange>((exchange) => exchange.leak());

/** The body that is being read. Reading stops when the exchange is aborted. */
export interface OpenBody {
  /** Whether the body is read to an end that is certain to come. */
  readonly bounded: boolean;
  abort(reason: unknown): void;
}

/**
 * The owner of everything that one request holds while it is open. {@linkcode Exchange.end} gives
 * all of it back, exactly once.
 *
 * {@linkcode Exchange.drive} ends the exchange, or, for a streamed response, the handler that
 * {@linkcode Exchange.handOver} installs. {@linkcode Exchange.abort} only wakes them.
 * Therefore the caller's code that runs at the end runs in the async context of the call, even if a
 * timer or another request aborts the exchange.
 *
 * A redirected request is still one exchange. It has one attempt for each request that is sent.
 */
export class Exchange implements RequestSummary, Holder, AbortListener, Linked<Exchange> {
  previous: Exchange | null = null;
  next: Exchange | null = null;
  state: ExchangeState = "queued";
  /** The stack trace of the call that made the request, if the session keeps it. */
  stack: string | undefined;
  /** The request that is being sent. */
  outgoing: Outgoing;
  readonly timing: Timing;
  readonly cancellation: Cancellation = new Cancellation();
  /** Whether the caller's signal aborted the exchange. */
  byCaller = false;
  /** The response's body, once there is one. */
  source: OpenBody | undefined;
  /** `undefined` once the exchange has ended. */
  #exchanges: Exchanges | undefined;
  readonly #attempt: Attempt;
  /** The caller's signal, while it is listened to. */
  #signal: AbortSignal | undefined;
  /** Whether somebody waits for the exchange: see {@linkcode Timing.awaited}. */
  #awaited = true;
  readonly #convert: (error: unknown) => unknown;
  /** The number of requests that a server may have received. */
  #sent = 0;
  /** The report on a response that was garbage-collected while it was open. */
  #leaked: ExchangeInfo | undefined;

  /** @param convert Converts an error into the one that the caller gets. */
  constructor(exchanges: Exchanges, slots: Slots, outgoing: Outgoing, convert = asIs) {
    this.#exchanges = exchanges;
    this.#convert = convert;
    this.#attempt = new Attempt(slots, this);
    this.outgoing = outgoing;
    this.timing = new Timing(exchanges.clock, outgoing.timeouts);
    // Arm the timer first, because a mock of `setTimeout` may throw.
    exchanges.arm(this.timing.deadline);
    exchanges.add(this);
  }

  get method(): string {
    return this.outgoing.method;
  }

  get url(): string {
    return displayUrl(this.outgoing.url);
  }

  get repeatable(): Repeatable {
    const { repeatable } = this.outgoing;
    return repeatable === "refused" && this.#sent === 0 ? "always" : repeatable;
  }

  /** The request that the pool's errors name. */
  get request(): RequestSummary {
    return this;
  }

  /** When bytes last moved of the body that is sent or received, if that body has an end. */
  get progress(): number | undefined {
    const hasEnd = this.source?.bounded ?? this.outgoing.headers?.has("content-length");
    return hasEnd ? this.timing.moved : undefined;
  }

  /** Whether the exchange has ended, or is aborted and about to end. */
  get over(): boolean {
    return this.#exchanges === undefined || this.cancellation.aborted;
  }

  info(): ExchangeInfo {
    const { method, url, state, stack } = this;
    return { method, url, state, age: this.timing.age, ...(stack !== undefined && { stack }) };
  }

  /** Listens to the caller's signal. */
  listenTo(signal: AbortSignal): void {
    this.byCaller = signal.aborted;
    throwIfAborted(signal);
    addAbortListener(signal, this);
    this.#signal = signal;
  }

  /** Called when the caller's signal aborts. */
  onAbort(reason: unknown): void {
    this.byCaller = this.cancellation.abort(reason);
  }

  /**
   * Takes charge of a stream that is to be sent. The stream ends with the exchange. If the stream
   * fails, the exchange is aborted.
   */
  upload(body: StreamBody): void {
    const upload = new Upload(body, () => this.timing.uploaded(), (cause) => {
      this.abort(new NetworkError("Cannot send the body as its stream failed", this, cause));
    });
    this.#attempt.upload = upload;
    this.outgoing = { ...this.outgoing, body: upload.stream };
  }

  /** See {@linkcode Attempt.acquire}. */
  acquire(): Promise<void> | undefined {
    this.cancellation.throwIfAborted();
    const { url, timeouts } = this.outgoing;
    const waiting = this.#attempt.acquire(originOf(url), timeouts.queue);
    if (waiting !== undefined) this.timing.queue();
    return waiting;
  }

  /**
   * Settles as the work of the call does, which drives the exchange. If the exchange is aborted or
   * the work fails, ends the exchange and rejects with the first reason.
   *
   * Only this waits for the abort. The work itself may go on until its next step, so it looks
   * before each step whether the exchange is aborted.
   */
  async drive<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.cancellation.race(work);
    } catch (error) {
      throw this.endWith(error);
    }
  }

  onClose(error: PoolClosedError): void {
    this.abort(error);
  }

  /** Begins the wait for the response's headers, under the timeout of a phase. */
  beginHeaders(phase: Phase): void {
    this.cancellation.throwIfAborted();
    this.timing.dequeue();
    this.state = "headers";
    this.beginWait(phase);
  }

  /** Sends the request over its lease. Throws if the pool is closed, or as the transport does. */
  fetch(init: RequestInit): Promise<Response> {
    this.#sent++;
    return this.#attempt.fetch(this.outgoing.url, init);
  }

  /** Throws if the exchange is aborted: a `fetch` that ignores its signal may still answer then. */
  refuseLate(response: Response): void {
    if (!this.over) return;
    cancelBody(response);
    throw this.cancellation.reason;
  }

  /** Begins a wait under a timeout. {@linkcode Exchange.endWait} ends it. */
  beginWait(phase: Phase): void {
    const now = this.timing.begin(phase);
    this.#count();
    this.#exchanges?.arm(this.timing.deadline, now);
  }

  /** Ends a wait, because its result has arrived. */
  endWait(): void {
    this.timing.finish();
    this.#count();
  }

  /** An open exchange that nobody waits for does not keep the process alive. */
  #count(): void {
    const { awaited } = this.timing;
    if (awaited === this.#awaited) return;
    this.#awaited = awaited;
    this.#exchanges?.count(awaited ? 1 : -1);
  }

  /** Waits under the timeout of a phase. */
  async withTimeout<T>(phase: Phase, work: PromiseLike<T>): Promise<T> {
    this.beginWait(phase);
    try {
      return await work;
    } finally {
      this.endWait();
    }
  }

  /**
   * Returns the error to throw if the request failed before its response arrived.
   *
   * @param byRuntime Whether the request was given to the runtime's own `fetch`, which may have
   * refused its options.
   */
  sendError(cause: unknown, byRuntime: boolean): unknown {
    if (byRuntime) this.#attempt.failed();
    if (this.cancellation.aborted) return this.cancellation.reason;
    // The body of a `Response` that a wrapper has thrown is the caller's now, as over bare `fetch`.
    // An abort would end it.
    if (isResponse(cause)) this.#attempt.failed();
    const isOurs = resultOf(() => cause instanceof HangupError); // a proxy may throw
    // A session that is the user's `fetch` has thrown it, so its stack stays as it is.
    if (isOurs) shown.add(cause as HangupError);
    // A wrapper may have aborted with a signal of its own. Its error is the one to throw.
    if (isOurs || isCustom(cause) || !byRuntime && isAbort(cause)) return cause;
    if (byRuntime && isRefusal(cause)) {
      redact(cause, this.outgoing.url);
      return cause;
    }
    const unsent = neverSent(cause);
    if (unsent) this.#sent--;
    const unknown = unsent || isIdempotent(this.method) ? "" : ", so the outcome of the request is unknown";
    const problem = explain(cause) ?? "The connection failed before the response's headers";
    return this.networkError(cause, problem + unknown);
  }

  /** Returns the error to throw for an error of the runtime. */
  networkError(cause: unknown, message: string): unknown {
    // After an abort, the cause is the reason itself. It may be the caller's own object, so it
    // stays unchanged.
    if (this.cancellation.aborted) return this.cancellation.reason;
    redact(cause, this.outgoing.url);
    return new NetworkError(message, this, cause);
  }

  /**
   * Gives the response to the caller. From now on no call waits for the exchange, so an abort ends
   * it directly.
   *
   * @param owner The object that the caller's response reads with. If it is garbage-collected,
   * nobody can read on.
   */
  handOver(owner: object): void {
    this.state = "streaming";
    dropped?.register(owner, this, this);
    this.timing.handOver();
    this.#count();
    this.cancellation.forgetWaits();
    const { promise: aborted, reject } = withResolvers<never>();
    this.cancellation.add(reject);
    aborted.catch(() => {
      const onLeak = this.#exchanges?.onLeak;
      this.end();
      // No caller waits for the exchange, so there is nobody to report a failure of `onLeak` to.
      if (this.#leaked !== undefined) (async () => await onLeak?.(this.#leaked!))().catch(() => {});
    });
  }

  /**
   * Aborts the exchange. Returns whether this reason is the first one and the exchange had not
   * ended.
   */
  abort(reason: unknown): boolean {
    return this.#exchanges !== undefined && this.cancellation.abort(reason);
  }

  /**
   * Ends the exchange because of an error. Returns the error to throw: the first reason, unless the
   * exchange had ended before.
   */
  endWith(error: unknown): unknown {
    let reason = error;
    if (this.#exchanges !== undefined) {
      this.abort(error);
      this.end();
      reason = this.cancellation.reason;
    }
    if (!this.byCaller) showCaller(reason);
    return this.toError(reason);
  }

  /**
   * Returns the error that the caller gets. The caller's own reason stays as it is, even if it is
   * an error of this module.
   */
  toError(error: unknown): unknown {
    return this.byCaller ? error : this.#convert(error);
  }

  /** Aborts because the deadline has passed. */
  expire(): void {
    const { phase, timeout, queued } = this.timing.expired();
    this.abort(new TimeoutError(phase, timeout, this, [], this.state, queued));
  }

  /** Aborts because the response was closed, so nobody may read on. */
  close(): void {
    if (this.over) return;
    this.#attempt.unwanted = true;
    this.abort(new TypeError(`Cannot read the body as the response is closed: ${this.method} ${this.url}`));
  }

  /**
   * Aborts because the response that owned the exchange was garbage-collected while open, and
   * reports that.
   */
  leak(): void {
    if (this.over) return;
    this.#leaked = this.info();
    this.close();
  }

  /** Gives back everything that the exchange holds. Later calls do nothing. */
  end(): void {
    const exchanges = this.#exchanges;
    if (exchanges === undefined) return;
    this.#exchanges = undefined;
    const { aborted, reason } = this.cancellation;
    if (this.#signal !== undefined) removeAbortListener(this.#signal, this);
    this.#signal = undefined;
    this.#attempt.end(!aborted, reason);
    if (aborted) this.source?.abort(reason);
    this.source = undefined;
    // A response or an error that is kept refers to this exchange.
    const { body, signalOwner } = this.outgoing;
    if (body != null || signalOwner !== undefined) {
      this.outgoing = { ...this.outgoing, body: undefined, bodyOwner: undefined, signalOwner: undefined };
    }
    // The registry would keep the exchange in memory until the garbage collection of its owner, and
    // on a busy Deno for much longer.
    if (this.state === "streaming") dropped?.unregister(this);
    exchanges.delete(this, this.#awaited);
  }

  /**
   * Ends the current request. If its body was read to the end, the connection can be used again.
   * Otherwise it is closed.
   */
  release(reuse: boolean): void {
    this.#attempt.release(reuse, this.cancellation.reason);
  }

  /** Follows a redirect. */
  redirect(outgoing: Outgoing): void {
    this.outgoing = outgoing;
    this.source = undefined;
    this.state = "queued";
    this.timing.redirect();
  }
}
