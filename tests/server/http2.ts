// Copyright 2026 the Hangup authors. MIT license.
//
// HTTP/2: one connection, many exchanges.
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { type Exchange, Gone, type Header } from "./exchange.ts";
import { answer } from "./routes.ts";
import type { Outcome, Scope } from "./scope.ts";

/** One HTTP/2 session of a client. */
export class Http2Connection {
  readonly #session: ServerHttp2Session;
  #open = 0;
  #requests = 0;

  constructor(session: ServerHttp2Session, scope: Scope, socketId: number) {
    this.#session = session;
    session.on("error", () => session.destroy());
    session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      this.#open++;
      stream.on("close", () => this.#open--);
      void new Http2Exchange(stream, headers, scope, socketId, ++this.#requests).run();
    });
  }

  destroy() {
    this.#session.destroy();
  }

  dropIfIdle() {
    if (this.#open === 0) this.destroy();
  }
}

class Http2Exchange implements Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: readonly Header[];
  readonly socketId: number;
  readonly requestOnSocket: number;
  readonly gone: Promise<never>;
  readonly #stream: ServerHttp2Stream;
  readonly #scope: Scope;
  readonly #preflight: boolean;
  #bodiless: boolean;
  #read = false;
  #outcome: Outcome | undefined;
  #leave: (reason: Gone) => void;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    scope: Scope,
    socketId: number,
    requestOnSocket: number,
  ) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // most routes never look at it
    this.gone = promise;
    this.#leave = reject;
    this.#stream = stream;
    this.#scope = scope;
    this.socketId = socketId;
    this.requestOnSocket = requestOnSocket;
    this.method = String(headers[":method"]);
    this.url = new URL(String(headers[":path"]), "http://scope");
    this.headers = Object.entries(headers).filter(([name]) => !name.startsWith(":"))
      .flatMap(([name, value]) => [value].flat().map((each): Header => [name, String(each)]));
    this.#bodiless = this.method === "HEAD";
    this.#preflight = this.method === "OPTIONS" && "access-control-request-method" in headers;
    if (this.#preflight) scope.stats.preflights++;
    else scope.began(this.method, this.url.pathname, socketId);
    stream.on("error", () => {});
    stream.on("aborted", () => this.#left());
    stream.on("close", () => this.#left());
  }

  async run() {
    const answered = this.#preflight ? this.#answerPreflight() : answer(this, this.#scope);
    if (!this.#read) this.#stream.resume();
    try {
      await answered;
    } catch (error) {
      if (error instanceof Gone) return this.#left();
      console.error(error);
      this.kill();
    }
  }

  async body(): Promise<Uint8Array> {
    this.#read = true;
    const pieces: Buffer[] = [];
    for await (const piece of this.#stream) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async #answerPreflight() {
    const asked = new Map(this.headers);
    await this.head(204, [
      ["access-control-allow-methods", asked.get("access-control-request-method") ?? "*"],
      ["access-control-allow-headers", asked.get("access-control-request-headers") ?? "*"],
      ["access-control-allow-private-network", "true"],
      ["access-control-max-age", "600"],
    ]);
    await this.end();
  }

  // deno-lint-ignore require-await -- as for HTTP/1.1
  async head(status: number, headers: Header[] = [], length?: number): Promise<void> {
    if (this.#outcome) throw new Gone();
    this.#bodiless ||= status === 204 || status === 304;
    const sent: Record<string, string | string[] | number> = { ":status": status };
    if (this.headers.some(([name]) => name === "origin")) {
      sent["access-control-allow-origin"] = sent["access-control-expose-headers"] = "*";
    }
    for (const [name, value] of headers) sent[name] = name in sent ? [sent[name] as string, value].flat() : value;
    if (length !== undefined) sent["content-length"] = length;
    this.#stream.respond(sent, { endStream: this.#bodiless });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#bodiless || bytes.length === 0) return Promise.resolve();
    if (this.#outcome) return Promise.reject(new Gone());
    this.#scope.stats.bodyBytes += bytes.length;
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => error ? reject(new Gone()) : resolve());
      this.gone.catch(reject);
    });
  }

  end(): Promise<void> {
    if (this.#outcome) return Promise.reject(new Gone());
    return new Promise((resolve, reject) => {
      this.gone.catch(reject);
      const done = () => {
        this.#settle("done");
        resolve();
      };
      if (this.#bodiless) done();
      else this.#stream.end(done);
    });
  }

  kill() {
    this.#settle("killed");
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  #left() {
    this.#settle("aborted");
    this.#leave(new Gone());
  }

  #settle(outcome: Outcome) {
    if (this.#outcome) return;
    this.#outcome = outcome;
    if (!this.#preflight) this.#scope.ended(outcome);
  }
}
