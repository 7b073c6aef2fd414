// Copyright 2026 the Hangup authors. MIT license.

/**
 * One request's life: its lease, its deadline, its way to be cut off, and its end.
 *
 * @module
 */

import { NetworkError, type PoolClosedError, TimeoutError } from "../errors.ts";
import { claim, type Pool, type Ticket } from "../pool.ts";
import type { ExchangeInfo, ExchangeState, Repeatable, RequestSummary } from "../request.ts";
import { explain, neverSent, redact } from "./causes.ts";
import { Deadlines } from "./deadlines.ts";
import { displayUrl, isIdempotent } from "./http.ts";
import { type Linked, List } from "./list.ts";
import type { Outgoing } from "./prepare.ts";
import { onAbort } from "./signals.ts";
import { isStream, type StreamBody, Upload } from "./upload.ts";

/** What an exchange is for: see {@linkcode Exchange.guard}. */
export type Work<T> = (exchange: Exchange) => Promise<T>;

const GRANTED = Promise.resolve();

/** The open exchanges of one session, with the one timer that all their deadlines share. */
export class Exchanges {
  #open: List<Exchange> = new List();
  #deadlines = new Deadlines((now) => this.#sweep(now));
  #idle: PromiseWithResolvers<void> | undefined;
  #closed = false;
  /** Reports a streamed response that was collected while open. */
  readonly onLeak: (exchange: ExchangeInfo) => void;

  constructor(onLeak: (exchange: ExchangeInfo) => void) {
    this.onLeak = onLeak;
  }

  add(exchange: Exchange): void {
    this.#open.push(exchange);
  }

  delete(exchange: Exchange): void {
    this.#open.remove(exchange);
    if (this.#open.size > 0) return;
    if (this.#closed) this.#deadlines.clear();
    else this.#deadlines.rest();
    this.#idle?.resolve();
  }

  /** Leaves no timer, now and after a request that comes too late. */
  close(): void {
    this.#closed = true;
    this.#deadlines.clear();
  }

  /** Makes sure that {@linkcode Exchange.expire} is called at `deadline`. */
  arm(deadline: number, now: number): void {
    if (deadline < Infinity) this.#deadlines.arm(deadline, now);
  }

  /** A promise that resolves when no exchange is open. */
  idle(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Cuts off every open exchange with a reason made for it. */
  abort(reason: (request: RequestSummary) => Error): ExchangeInfo[] {
    if (this.#open.size === 0) return [];
    const cut = this.list();
    for (const exchange of [...this.#open]) exchange.abort(reason(exchange));
    return cut;
  }

  list(): ExchangeInfo[] {
    return Array.from(this.#open, (exchange) => exchange.info());
  }

  #sweep(now: number): number {
    let next = Infinity;
    for (const exchange of [...this.#open]) {
      if (exchange.deadline <= now) exchange.expire(now);
      else if (exchange.deadline < next) next = exchange.deadline;
    }
    return next;
  }
}

/**
 * The owner of everything that one request holds while it is open: the lease, the abort controller, the deadline and
 * the listener on the caller's signal. {@linkcode Exchange.end} gives all of it back, exactly once.
 *
 * A request that is redirected is one exchange with a lease and a controller for each hop.
 */
export class Exchange implements RequestSummary, Linked<Exchange> {
  previous: Exchange | null = null;
  next: Exchange | null = null;
  state: ExchangeState = "queued";
  /** Where the request was made, if that is kept. */
  stack: string | undefined;
  /** When to call {@linkcode Exchange.expire}, on the clock of `performance.now()`. */
  deadline: number;
  /** Whether the caller's signal cut it off. */
  aborted = false;
  /** What the hop under way sends. */
  hop: Outgoing;
  /** Of the body, once that is read in chunks. */
  reader: ReadableStreamDefaultReader | undefined;
  /** What the deadline is for, unless it is the total one. */
  #phase: "headers" | "idle" = "headers";
  /** When the total timeout passes. */
  readonly #end: number;
  #exchanges: Exchanges | undefined;
  #started = performance.now();
  /** Of the hop under way, once it is sent: those that wait have none. */
  #controller: AbortController | undefined;
  /** The hop's lease, or the claim to it. */
  #lease: Ticket | undefined;
  /** Held while it is open, as on Deno an abort no longer reaches a response that was collected. */
  #response: Response | undefined;
  #upload: Upload | undefined;
  #forgetSignal: (() => void) | undefined;
  /** What cut the exchange off. An object, as a signal's reason may be `undefined`. */
  #cut: { reason: unknown } | undefined;
  /** What is guarded, until it begins, and how its promise is settled. */
  #work: Work<unknown> | undefined;
  #resolve: ((result: unknown) => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;
  /** Whether the request can be sent again, once a server may have received it. */
  #repeatable: Repeatable;
  /** How many of its requests a server may have received. */
  #sent = 0;

  constructor(exchanges: Exchanges, hop: Outgoing) {
    this.#exchanges = exchanges;
    this.hop = hop;
    // The body of a `Request` is a stream as well, and it was used up when it was taken from there.
    this.#repeatable = isStream(hop.body) ? "never" : isIdempotent(hop.method) ? "always" : "refused";
    this.deadline = this.#end = this.#started + hop.timeouts.total;
    const { signal } = hop;
    if (signal) {
      this.#forgetSignal = onAbort(signal, (reason) => {
        this.aborted = true;
        this.abort(reason);
      });
    }
    exchanges.add(this);
    exchanges.arm(this.deadline, this.#started);
  }

  get method(): string {
    return this.hop.method;
  }

  get url(): string {
    return displayUrl(this.hop.url);
  }

  get repeatable(): Repeatable {
    return this.#repeatable === "refused" && this.#sent === 0 ? "always" : this.#repeatable;
  }

  get ended(): boolean {
    return this.#exchanges === undefined;
  }

  info(): ExchangeInfo {
    const age = Math.round(performance.now() - this.#started);
    const { method, url, state, stack } = this;
    return { method, url, state, age, ...(stack !== undefined && { stack }) };
  }

  /** Begins the next hop, after a redirect. */
  begin(hop: Outgoing): void {
    // Another try would send the POST again that this GET follows.
    if (hop.method !== this.method && this.#repeatable === "refused") this.#repeatable = "never";
    this.hop = hop;
    this.#controller = undefined;
    this.state = "queued";
  }

  /** Takes charge of a stream that is to be sent: it ends with the exchange, and when it fails, so does the exchange. */
  upload(body: StreamBody): void {
    this.#upload = new Upload(body, (cause) => {
      this.abort(new NetworkError("Cannot send the body as its stream failed", this, cause));
    });
    this.hop = { ...this.hop, body: this.#upload.stream };
  }

  /**
   * Asks for the permission to send the hop, unless it is there already.
   *
   * @returns The lease, or what is to become it.
   */
  claim(pool: Pool): Ticket {
    this.throwIfCut();
    return this.#lease ??= claim(pool, this.hop.url.origin, this.hop.timeouts.queue, this);
  }

  /** What the pool names the lease's holder by. */
  get request(): RequestSummary {
    return this;
  }

  /** The pool closes. */
  onClose(error: PoolClosedError): void {
    this.abort(error);
  }

  /**
   * Settles as `work` does, or rejects at once when the exchange is cut off, whatever `work` is waiting for. A failure of
   * `work` ends the exchange.
   *
   * @param work What to do. Not begun before the grant, as thousands may wait for one.
   * @param ticket The permission for it, where that is not there yet.
   */
  guard<T>(work: Work<T>, ticket?: Ticket): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.throwIfCut();
      this.#work = work;
      this.#resolve = resolve as (result: unknown) => void;
      this.#reject = reject;
      if (ticket?.state === "waiting") ticket.waiter = this;
      else this.#begin();
    });
  }

  /** The pool grants the lease: perhaps within an abort or a close, of which this exchange may be the next. */
  grant(): void {
    GRANTED.then(() => this.#begin());
  }

  /** The pool ends the wait without a lease. */
  refuse(reason: unknown): void {
    this.fail(reason);
  }

  #begin(): void {
    const work = this.#work;
    const resolve = this.#resolve!;
    const reject = this.#reject!;
    if (!work) return; // cut off after the grant
    this.#work = this.#resolve = undefined;
    work(this).then((result) => {
      // Else the promise, and with it a response, could never be collected.
      this.#reject = undefined;
      resolve(result);
    }, (error) => reject(this.fail(error)));
  }

  /** Sends the hop. What comes of it has to be told to {@linkcode Exchange.arrive} or {@linkcode Exchange.fault}. */
  send(init: RequestInit): Promise<Response> {
    this.throwIfCut();
    this.state = "headers";
    init.signal = (this.#controller = new AbortController()).signal;
    this.#expect("headers");
    this.#sent++;
    return this.#lease!.fetch(this.hop.url, init);
  }

  /** The response's headers are there. */
  arrive(response: Response): void {
    // A `fetch` that ignores its signal may still answer when the exchange is over.
    if (this.#cut) response.body?.cancel().catch(() => {});
    this.#arrived();
    this.#response = response;
  }

  /** What is to be thrown where there are no headers. */
  fault(cause: unknown): unknown {
    const unsent = neverSent(cause);
    if (unsent) this.#sent--;
    const certain = unsent || isIdempotent(this.method);
    const unknown = certain ? "" : ", so the outcome of the request is unknown";
    const what = explain(cause) ?? "The connection failed before the response's headers";
    return this.#failure(cause, what + unknown);
  }

  /**
   * Waits for bytes of the body, and settles with what `take` makes of them. A failure ends the exchange. Not an async
   * function, and in no need of a guard, as there may be thousands of chunks.
   */
  receive<T, U>(work: Promise<T>, take: (bytes: T) => U): Promise<U> {
    this.#expect("idle");
    return work.then((bytes) => {
      this.#arrived();
      return take(bytes);
    }, (cause) => {
      throw this.fail(this.#failure(cause, "The connection failed before the end of the body"));
    });
  }

  /** Cuts the exchange off. The first reason stays; nothing happens once the exchange has ended. */
  abort(reason: unknown): void {
    // What is told below may run a caller's code, which may close the session.
    if (this.ended || this.#cut) return;
    this.#cut = { reason };
    // Before the lease is passed on, so that its next holder does not find the socket still open.
    this.#controller?.abort(reason);
    this.#lease?.cancel(reason);
    this.#reject?.(reason);
    // So that what waits for a chunk gets an end at once, also of a `fetch` that ignores its signal: there it may never settle.
    this.reader?.cancel(reason).catch(() => {});
    this.end();
  }

  /** Cuts the exchange off with an error, and returns what is to be thrown: the first reason that it was cut off for. */
  fail(error: unknown): unknown {
    this.abort(error);
    return this.#cut ? this.#cut.reason : error;
  }

  /** Cuts the exchange off as its deadline has passed. */
  expire(now: number): void {
    const phase = now >= this.#end ? "total" : this.#phase;
    this.abort(new TimeoutError(phase, this.hop.timeouts[phase], this, [], this.state));
  }

  /** Cuts the exchange off as its response was closed: nobody is to read on. */
  close(): void {
    if (!this.ended) {
      this.abort(new TypeError(`Cannot read the body as the response is closed: ${this.method} ${this.url}`));
    }
  }

  /** Cuts the exchange off as the response that owned it was collected while open, and reports that. */
  leak(): void {
    const exchanges = this.#exchanges;
    if (!exchanges) return;
    const info = this.info();
    this.close();
    exchanges.onLeak(info);
  }

  /** Gives back all that the exchange holds. Later calls do nothing. */
  end(): void {
    const exchanges = this.#exchanges;
    if (!exchanges) return;
    this.#exchanges = undefined;
    this.#forgetSignal?.();
    this.#work = this.#resolve = this.#reject = undefined;
    this.#response = this.reader = undefined;
    this.leave(this.#cut === undefined);
    exchanges.delete(this);
  }

  /**
   * Gives up the hop under way, so that the next one can begin: its connection is used again or closed.
   *
   * @param reuse Whether the body was read to the end. An upload can outlast the response, and then it is closed too.
   */
  leave(reuse: boolean): void {
    const cut = !reuse || this.#upload !== undefined;
    if (cut) this.#controller?.abort();
    this.#upload?.end(this.#cut?.reason);
    this.#upload = undefined;
    this.#lease?.release(cut);
    this.#lease = undefined;
  }

  #expect(phase: "headers" | "idle"): void {
    this.#phase = phase;
    const now = performance.now();
    this.deadline = Math.min(this.#end, now + this.hop.timeouts[phase]);
    this.#exchanges?.arm(this.deadline, now);
  }

  /** What was expected is there, unless the exchange is over. */
  #arrived(): void {
    this.throwIfCut();
    this.deadline = this.#end;
  }

  #failure(cause: unknown, message: string): unknown {
    this.throwIfCut(); // the cause is then the reason, perhaps the caller's own object
    redact(cause, this.hop.url);
    return new NetworkError(message, this, cause);
  }

  /** To be called after each wait within {@linkcode Exchange.guard} for what is not its own. */
  throwIfCut(): void {
    if (this.#cut) throw this.#cut.reason;
  }
}
