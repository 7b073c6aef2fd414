// Copyright 2026 the Hangup authors. MIT license.
//
// HTTP/2: one connection, many exchanges.
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { type Carrier, Exchange, Gone, type Head, type Header } from "./exchange.ts";
import type { Scope } from "./scope.ts";

/** One HTTP/2 session of a client. */
export class Http2Connection implements Carrier {
  readonly scope: Scope;
  readonly socketId: number;
  requests = 0;
  readonly #session: ServerHttp2Session;
  #open = 0;

  constructor(session: ServerHttp2Session, scope: Scope, socketId: number) {
    this.#session = session;
    this.scope = scope;
    this.socketId = socketId;
    session.on("error", () => session.destroy());
    session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      this.#open++;
      stream.on("close", () => this.#open--);
      void new Http2Exchange(this, stream, headers).run();
    });
  }

  destroy() {
    this.#session.destroy();
  }

  dropIfIdle() {
    if (this.#open === 0) this.destroy();
  }
}

class Http2Exchange extends Exchange {
  readonly #stream: ServerHttp2Stream;
  #read = false;

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    super(connection, headOf(headers));
    this.#stream = stream;
    stream.on("error", () => {});
    stream.on("aborted", () => this.left());
    stream.on("close", () => this.left());
  }

  async body(): Promise<Uint8Array> {
    this.#read = true;
    const pieces: Buffer[] = [];
    for await (const piece of this.#stream) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  protected drop() {
    if (!this.#read) this.#stream.resume();
  }

  protected sendHead(status: number, headers: readonly Header[], length?: number) {
    const sent: Record<string, string | string[] | number> = { ":status": status };
    for (const [name, value] of headers) sent[name] = name in sent ? [sent[name] as string, value].flat() : value;
    if (length !== undefined) sent["content-length"] = length;
    this.#stream.respond(sent, { endStream: this.bodiless });
  }

  protected send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => error ? reject(new Gone()) : resolve());
      this.gone.catch(reject);
    });
  }

  protected finish(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.gone.catch(reject);
      const done = () => {
        this.settle("done"); // before the stream's close, which may follow at once
        resolve();
      };
      if (this.bodiless) done();
      else this.#stream.end(done);
    });
  }

  kill(when: "now" | "flushed" | "refused" | "left") {
    this.settle("killed");
    // The last stream that was processed is the one before.
    if (when === "left") this.#stream.session?.goaway(constants.NGHTTP2_NO_ERROR, this.#stream.id! - 2);
    else this.#stream.close(when === "refused" ? constants.NGHTTP2_REFUSED_STREAM : constants.NGHTTP2_INTERNAL_ERROR);
  }
}

function headOf(received: IncomingHttpHeaders): Head {
  const headers = Object.entries(received).filter(([name]) => !name.startsWith(":"))
    .flatMap(([name, value]) => [value].flat().map((each): Header => [name, String(each)]));
  return { method: String(received[":method"]), target: String(received[":path"]), headers };
}
