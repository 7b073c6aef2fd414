// Copyright 2026 the Hangup authors. MIT license.
//
// HTTP/1.1 over a raw socket. Not node:http, which would decide by itself when a socket is closed, reused or timed
// out: here nothing closes a socket but the client, the routes and the control port, so that what is counted is what
// the client did.
import type { Socket } from "node:net";
import { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
import { type Exchange, Gone, type Header } from "./exchange.ts";
import { type Fault, findFault, type Peer } from "./faults.ts";
import { answer } from "./routes.ts";
import type { Outcome, Scope } from "./scope.ts";

const MAX_HEAD_BYTES = 256 * 1024;

interface Head {
  method: string;
  target: string;
  headers: Header[];
}

/** One accepted socket: reads requests one after another, pipelined ones included, and answers each. */
export class Connection {
  readonly socketId: number;
  readonly scope: Scope;
  readonly socket: Socket;
  requests = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #closed = false;
  #wake = () => {};
  #exchange: Http1Exchange | undefined;

  constructor(socket: Socket, scope: Scope, socketId: number) {
    this.socket = socket;
    this.scope = scope;
    this.socketId = socketId;
    // The socket is never paused: what a route does not read is dropped, and a client's FIN is seen at once.
    socket.on("data", (data: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? data : Buffer.concat([this.#buffer, data]);
      this.#wake();
    });
    // A client that closes its side has left: no client under test half-closes.
    socket.on("end", () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#closed = true;
      this.#exchange?.left();
      this.#wake();
    });
    void (scope.fault ? this.#misbehave(scope.fault) : this.#serve());
  }

  destroy() {
    this.socket.destroy();
  }

  dropIfIdle() {
    if (!this.#exchange) this.destroy();
  }

  async #serve() {
    while (!this.#closed) {
      const head = await this.#readHead();
      if (!head) break;
      if (head.method === "CONNECT") {
        // As a proxy that has every host in itself; a plain one gets the whole URL, which is as good as a path.
        this.socket.write("HTTP/1.1 200 OK\r\n\r\n");
        continue;
      }
      const fault = head.method === "OPTIONS" ? undefined : findFault(head.target);
      if (fault) {
        await this.#misbehave(fault, head);
        continue;
      }
      const exchange = this.#exchange = new Http1Exchange(this, head, this.#readBody(head));
      const answered = exchange.run();
      await Promise.all([answered, exchange.drained]);
      this.#exchange = undefined;
      if (exchange.last) {
        this.socket.end();
        break;
      }
    }
    // Bytes that are no HTTP request, or whose response was the last on this socket.
    if (!this.#closed && !this.socket.writableEnded) this.destroy();
  }

  /** Has a fault do as it likes with the socket. */
  async #misbehave(fault: Fault, head?: Head) {
    const { promise: gone, reject } = Promise.withResolvers<never>();
    gone.catch(() => {});
    const leave = () => reject(new Gone());
    const { socket, scope } = this;
    socket.on("close", leave);
    if (head) {
      this.requests++;
      scope.began(head.method, head.target.replace(/\?.*/, ""), this.socketId);
    }
    const drained = head && drain(this.#readBody(head));
    try {
      await fault.run?.(new SocketPeer(socket, this.requests, gone));
      if (head) scope.ended("done");
      await drained;
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
      if (head) scope.ended("aborted");
    } finally {
      socket.off("close", leave);
    }
  }

  /** Resolves to `false` when no more bytes will come. */
  async #more(): Promise<boolean> {
    if (this.#closed) return false;
    await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = () => {};
    return !this.#closed;
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #readLine(): Promise<string | undefined> {
    for (;;) {
      const end = this.#buffer.indexOf("\r\n");
      if (end >= 0) return this.#take(end + 2).toString("latin1", 0, end);
      if (this.#buffer.length > MAX_HEAD_BYTES || !(await this.#more())) return undefined;
    }
  }

  async #readHead(): Promise<Head | undefined> {
    const start = await this.#readLine();
    const [, method, target] = /^([A-Za-z!#$%&'*+.^_`|~-]+) (\S+) HTTP\/1\.1$/.exec(start ?? "") ?? [];
    if (!method || !target) return undefined;
    const headers: Header[] = [];
    for (;;) {
      const line = await this.#readLine();
      if (line === undefined) return undefined;
      if (line === "") return { method, target, headers };
      const colon = line.indexOf(":");
      if (colon < 1) return undefined;
      headers.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
    }
  }

  /** Yields the request's body, and leaves the buffer at the first byte after it. */
  async *#readBody(head: Head): AsyncGenerator<Buffer, void> {
    if (/chunked/i.test(header(head.headers, "transfer-encoding") ?? "")) {
      for (;;) {
        const length = parseInt(await this.#readLine() ?? "0", 16);
        if (!length) break;
        yield* this.#readExactly(length);
        await this.#readLine();
      }
      while (await this.#readLine()); // trailers, up to the empty line
    } else {
      yield* this.#readExactly(Number(header(head.headers, "content-length") ?? 0));
    }
  }

  async *#readExactly(length: number): AsyncGenerator<Buffer, void> {
    while (length > 0) {
      if (this.#buffer.length === 0 && !(await this.#more())) return;
      const piece = this.#take(Math.min(length, this.#buffer.length));
      length -= piece.length;
      if (piece.length > 0) yield piece;
    }
  }
}

class SocketPeer implements Peer {
  readonly requestOnSocket: number;
  readonly gone: Promise<never>;
  readonly #socket: Socket;

  constructor(socket: Socket, requestOnSocket: number, gone: Promise<never>) {
    this.#socket = socket;
    this.requestOnSocket = requestOnSocket;
    this.gone = gone;
  }

  async send(data: string | Uint8Array) {
    const written = new Promise<void>((resolve, reject) => {
      this.#socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data, (error) => {
        if (error) reject(new Gone());
        else resolve();
      });
    });
    await Promise.race([written, this.gone]);
  }

  async pause(ms: number) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pause = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await Promise.race([pause, this.gone]).finally(() => clearTimeout(timer));
  }

  finish() {
    this.#socket.end();
  }

  close() {
    this.#socket.destroy();
  }

  reset() {
    this.#socket.resetAndDestroy();
  }

  read(on: boolean) {
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }
}

async function drain(body: AsyncIterable<unknown>) {
  for await (const _ of body);
}

class Http1Exchange implements Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: readonly Header[];
  readonly socketId: number;
  readonly requestOnSocket: number;
  readonly gone: Promise<never>;
  /** Resolves when the request's body has been read to its end, by the route or else by nobody. */
  drained: Promise<void> | undefined;
  /** Whether the socket closes after this exchange. */
  last: boolean;
  #connection: Connection;
  #body: AsyncGenerator<Buffer, void>;
  #preflight: boolean;
  #chunked = false;
  #bodiless: boolean;
  #outcome: Outcome | undefined;
  #leave: (reason: Gone) => void;

  constructor(connection: Connection, head: Head, body: AsyncGenerator<Buffer, void>) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // most routes never look at it
    this.gone = promise;
    this.#leave = reject;
    this.#connection = connection;
    this.#body = body;
    this.method = head.method;
    this.url = new URL(head.target, "http://scope");
    this.headers = head.headers;
    this.socketId = connection.socketId;
    this.#bodiless = head.method === "HEAD";
    this.#preflight = head.method === "OPTIONS" && this.header("access-control-request-method") !== undefined;
    this.last = /close/i.test(this.header("connection") ?? "") || this.url.searchParams.has("close");
    if (this.#preflight) connection.scope.stats.preflights++;
    else {
      connection.requests++;
      connection.scope.began(this.method, this.url.pathname, this.socketId);
    }
    this.requestOnSocket = connection.requests;
  }

  header(name: string): string | undefined {
    return header(this.headers, name);
  }

  async run() {
    const answered = this.#preflight ? this.#answerPreflight() : answer(this, this.#connection.scope);
    this.drained ??= drain(this.#body);
    try {
      await answered;
    } catch (error) {
      if (error instanceof Gone) return this.left();
      console.error(error);
      this.kill("now");
    }
  }

  async body(): Promise<Uint8Array> {
    const pieces: Buffer[] = [];
    const read = async () => {
      for await (const piece of this.#body) pieces.push(piece);
    };
    await (this.drained = read());
    return Buffer.concat(pieces);
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

  async head(status: number, headers: Header[] = [], length?: number): Promise<void> {
    this.#bodiless ||= status === 204 || status === 304;
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}`];
    // Only for browsers: what a client without an Origin receives is what the route says, and nothing more.
    if (this.header("origin") !== undefined) {
      lines.push("access-control-allow-origin: *", "access-control-expose-headers: *");
    }
    for (const [name, value] of headers) lines.push(`${name}: ${value}`);
    if (length !== undefined) lines.push(`content-length: ${length}`);
    else if (status !== 204 && status !== 304) {
      this.#chunked = true;
      lines.push("transfer-encoding: chunked");
    }
    if (this.last) lines.push("connection: close");
    await this.#send(Buffer.from(lines.join("\r\n") + "\r\n\r\n", "latin1"));
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#bodiless || bytes.length === 0) return;
    this.#connection.scope.stats.bodyBytes += bytes.length;
    if (!this.#chunked) return await this.#send(bytes);
    await this.#send(Buffer.concat([Buffer.from(bytes.length.toString(16) + "\r\n"), bytes, Buffer.from("\r\n")]));
  }

  async end(): Promise<void> {
    await this.#send(Buffer.from(this.#chunked && !this.#bodiless ? "0\r\n\r\n" : ""));
    this.#settle("done");
  }

  kill(when: "now" | "flushed") {
    this.last = true;
    this.#settle("killed");
    if (when === "now") this.#connection.socket.destroy();
    else this.#connection.socket.end();
  }

  /** The client has left. */
  left() {
    this.#settle("aborted");
    this.#leave(new Gone());
  }

  #settle(outcome: Outcome) {
    if (this.#outcome) return;
    this.#outcome = outcome;
    if (!this.#preflight) this.#connection.scope.ended(outcome);
  }

  /** Settles when the kernel has the bytes, so that nothing piles up here, and "done" means written. */
  #send(bytes: Uint8Array): Promise<void> {
    const { socket } = this.#connection;
    if (this.#outcome) return Promise.reject(new Gone());
    return new Promise((resolve, reject) => {
      socket.write(bytes, (error) => error ? reject(new Gone()) : resolve());
    });
  }
}

function header(headers: readonly Header[], name: string): string | undefined {
  return headers.find(([candidate]) => candidate.toLowerCase() === name)?.[1];
}
