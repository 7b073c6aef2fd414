// Copyright 2026 the Hangup authors. MIT license.
import { answer } from "./routes.ts";
import type { Outcome, Scope } from "./scope.ts";

export type Header = [name: string, value: string];

/** The head of a request. */
export interface Head {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
}

/** What carries exchanges. */
export interface Carrier {
  readonly scope: Scope;
  readonly socketId: number;
  /** Those that it had, CORS preflights apart. */
  requests: number;
}

/** Thrown into a route when the client has left, so that no route needs to look. */
export class Gone extends Error {
  override name = "Gone";
}

/** One request and the means to answer it, whatever protocol carries them. */
export abstract class Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: readonly Header[];
  readonly socketId: number;
  /** 1 for the first request on its socket. */
  readonly requestOnSocket: number;
  /** Rejects with `Gone` when the client leaves before the response is finished; never resolves. */
  readonly gone: Promise<never>;
  /** Whether the response has no body, whatever the route writes. */
  protected bodiless: boolean;
  readonly #scope: Scope;
  readonly #preflight: boolean;
  readonly #leave: (reason: Gone) => void;
  #outcome: Outcome | undefined;

  constructor(carrier: Carrier, { method, target, headers }: Head) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // most routes never look at it
    this.gone = promise;
    this.#leave = reject;
    this.method = method;
    this.url = new URL(target, "http://scope");
    this.headers = headers;
    this.bodiless = method === "HEAD";
    this.#scope = carrier.scope;
    this.socketId = carrier.socketId;
    this.#preflight = method === "OPTIONS" && this.header("access-control-request-method") !== undefined;
    if (this.#preflight) this.#scope.stats.preflights++;
    else {
      carrier.requests++;
      this.#scope.began(method, this.url.pathname, this.socketId);
    }
    this.requestOnSocket = carrier.requests;
  }

  /** The value of a header, its name in lower case. */
  header(name: string): string | undefined {
    return findHeader(this.headers, name);
  }

  /** Answers the request, and settles when that is over, one way or another. */
  async run(): Promise<void> {
    const answered = this.#preflight ? this.#answerPreflight() : answer(this, this.#scope);
    this.drop();
    try {
      await answered;
    } catch (error) {
      if (error instanceof Gone) return this.left();
      console.error(error);
      this.kill("now");
    }
  }

  async #answerPreflight() {
    await this.head(204, [
      ["access-control-allow-methods", this.header("access-control-request-method") ?? "*"],
      ["access-control-allow-headers", this.header("access-control-request-headers") ?? "*"],
      ["access-control-allow-private-network", "true"],
      ["access-control-max-age", "600"],
    ]);
    await this.end();
  }

  /**
   * The request's body. A route that needs the body calls this before its first `await`. Otherwise
   * the server reads the body and drops it.
   */
  abstract body(): Promise<Uint8Array>;

  /** Sends the response's head. Without a length the body is chunked. */
  async head(status: number, headers: readonly Header[] = [], length?: number): Promise<void> {
    if (this.#outcome) throw new Gone();
    this.bodiless ||= status === 204 || status === 304;
    // Only for browsers: what a client without an Origin receives is what the route says, and
    // nothing more.
    const shared: Header[] = this.header("origin") === undefined
      ? []
      : [["access-control-allow-origin", "*"], ["access-control-expose-headers", "*"]];
    await this.sendHead(status, [...shared, ...headers], length);
  }

  /** Sends a piece of the body; settles when the socket takes more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.bodiless || bytes.length === 0) return;
    if (this.#outcome) throw new Gone();
    this.#scope.stats.bodyBytes += bytes.length;
    await this.send(bytes);
  }

  /** Ends the response. */
  async end(): Promise<void> {
    if (this.#outcome) throw new Gone();
    await this.finish();
  }

  /**
   * Breaks the exchange off: `"now"` drops the socket as it is, `"flushed"` after what was written
   * has left.
   */
  abstract kill(when: "now" | "flushed" | "refused" | "left"): void;

  /** The client has left. */
  left(): void {
    this.settle("aborted");
    this.#leave(new Gone());
  }

  /** Counts how the exchange ended. The first time counts. */
  protected settle(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#outcome = outcome;
    if (!this.#preflight) this.#scope.ended(outcome);
  }

  /** Reads and drops the request's body, unless the route has asked for it. */
  protected abstract drop(): void;
  protected abstract sendHead(status: number, headers: readonly Header[], length?: number): void | Promise<void>;
  protected abstract send(bytes: Uint8Array): Promise<void>;
  /** Sends what stands at the end of a response, and settles it as done. */
  protected abstract finish(): Promise<void>;
}

/** The value of a header, its name in lower case. */
export function findHeader(headers: readonly Header[], name: string): string | undefined {
  return headers.find(([candidate]) => candidate.toLowerCase() === name)?.[1];
}
