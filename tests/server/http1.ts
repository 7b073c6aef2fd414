// Copyright 2026 the Hangup authors. MIT license.
//
// HTTP/1.1 over a raw socket. Not node:http, which would decide by itself when a socket is closed,
// reused or timed out: here nothing closes a socket but the client, the routes and the control
// port, so that what is counted is what the client did.
import type { Socket } from "node:net";
import { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
import { type Carrier, Exchange, findHeader, Gone, type Head, type Header } from "./exchange.ts";
import { type Fault, findFault, type Peer } from "./faults.ts";
import type { Scope } from "./scope.ts";

const MAX_HEAD_BYTES = 256 * 1024;

/**
 * One accepted socket: reads requests one after another, pipelined ones included, and answers each.
 */
export class Connection implements Carrier {
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
    // The socket is never paused: what a route does not read is dropped, and a client's FIN is seen
    // at once.
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
        // As a proxy that has every host in itself; a plain one gets the whole URL, which is as
        // good as a path.
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
      if (fault.patient) await drained;
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

  /** Yields the request's body, which the scope keeps if it records. */
  async *#readBody(head: Head): AsyncGenerator<Buffer, void> {
    const arrival = this.scope.arrived(head);
    for await (const piece of this.#readFramed(head)) {
      arrival?.add(piece);
      yield piece;
    }
    arrival?.end(!this.#closed);
  }

  /** Yields the request's body, and leaves the buffer at the first byte after it. */
  async *#readFramed(head: Head): AsyncGenerator<Buffer, void> {
    if (/chunked/i.test(findHeader(head.headers, "transfer-encoding") ?? "")) {
      for (;;) {
        const length = parseInt(await this.#readLine() ?? "0", 16);
        if (!length) break;
        yield* this.#readExactly(length);
        await this.#readLine();
      }
      while (await this.#readLine()); // trailers, up to the empty line
    } else {
      yield* this.#readExactly(Number(findHeader(head.headers, "content-length") ?? 0));
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

class Http1Exchange extends Exchange {
  /** Resolves when the request's body has been read to its end, by the route or else by nobody. */
  drained: Promise<void> | undefined;
  /** Whether the socket closes after this exchange. */
  last: boolean;
  readonly #socket: Socket;
  readonly #body: AsyncGenerator<Buffer, void>;
  #chunked = false;

  constructor(connection: Connection, head: Head, body: AsyncGenerator<Buffer, void>) {
    super(connection, head);
    this.#socket = connection.socket;
    this.#body = body;
    this.last = /close/i.test(this.header("connection") ?? "") || this.url.searchParams.has("close");
  }

  async body(): Promise<Uint8Array> {
    const pieces: Buffer[] = [];
    const read = async () => {
      for await (const piece of this.#body) pieces.push(piece);
    };
    await (this.drained = read());
    return Buffer.concat(pieces);
  }

  protected drop() {
    this.drained ??= drain(this.#body);
  }

  protected sendHead(status: number, headers: readonly Header[], length?: number): Promise<void> {
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}`];
    for (const [name, value] of headers) lines.push(`${name}: ${value}`);
    if (length !== undefined) lines.push(`content-length: ${length}`);
    else if (status !== 204 && status !== 304) {
      this.#chunked = true;
      lines.push("transfer-encoding: chunked");
    }
    if (this.last) lines.push("connection: close");
    return this.#write(Buffer.from(lines.join("\r\n") + "\r\n\r\n", "latin1"));
  }

  protected send(bytes: Uint8Array): Promise<void> {
    if (!this.#chunked) return this.#write(bytes);
    return this.#write(Buffer.concat([Buffer.from(bytes.length.toString(16) + "\r\n"), bytes, Buffer.from("\r\n")]));
  }

  protected async finish() {
    await this.#write(Buffer.from(this.#chunked && !this.bodiless ? "0\r\n\r\n" : ""));
    this.settle("done");
  }

  kill(when: "now" | "flushed" | "refused" | "left") {
    this.last = true;
    this.settle("killed");
    if (when === "now") this.#socket.destroy();
    else this.#socket.end();
  }

  /**
   * Settles when the kernel has the bytes, so that nothing piles up here, and "done" means written.
   */
  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(new Gone()) : resolve());
    });
  }
}
