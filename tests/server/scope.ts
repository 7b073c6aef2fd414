// Copyright 2026 the Hangup authors. MIT license.
import { Buffer } from "node:buffer";
import { type EventEmitter, once } from "node:events";
import { readFileSync, readSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { createServer as createTlsServer } from "node:tls";
import { Worker } from "node:worker_threads";
import type { Certificate } from "./certificate.ts";
import type { Head, Header } from "./exchange.ts";
import { type Fault, findFault } from "./faults.ts";
import { Connection } from "./http1.ts";
import { Http2Connection } from "./http2.ts";

/** What a scope has counted since it was opened. */
export interface Stats {
  /** Sockets accepted. */
  accepted: number;
  /** Sockets accepted and not closed yet. */
  open: number;
  /** The most sockets that were open at once. */
  maxOpen: number;
  /** Requests whose head arrived. CORS preflights are counted apart. */
  requests: number;
  /**
   * Exchanges under way: the head has arrived, the last byte of the response has not been written.
   */
  pending: number;
  /** The most exchanges that were under way at once. */
  maxPending: number;
  /** Exchanges whose socket the client closed before the response was finished. */
  aborted: number;
  /** Exchanges that the server broke off on purpose: `/kill`, `/truncate` and the like. */
  killed: number;
  /** CORS preflights answered. */
  preflights: number;
  /**
   * Bytes of response bodies handed to sockets, as the routes wrote them (before chunked framing).
   */
  bodyBytes: number;
  /** Requests by socket, in the order in which the sockets were accepted. */
  perSocket: number[];
  /** Requests by `"METHOD /path"`, without the query. */
  paths: Record<string, number>;
}

/** A request as it arrived, in a scope that records. */
export interface Arrival {
  method: string;
  target: string;
  headers: readonly Header[];
  /** How many bytes of the body arrived. */
  length: number;
  /** The first 300 bytes of the body, a character for each. */
  body: string;
  /** Whether the body arrived to its end. `undefined` while it arrives. */
  whole?: boolean;
}

/** How an exchange ended. */
export type Outcome = "done" | "aborted" | "killed";

/** What a scope speaks. */
export interface ScopeOptions {
  /** Speaks TLS, with this certificate. */
  certificate?: Certificate;
  /**
   * How long a TLS handshake takes at most, in milliseconds, as if the server were far away. Each
   * one takes another time.
   */
  handshake?: number;
  /** Speaks HTTP/2 and nothing else, over TLS. */
  h2?: boolean;
  /** Misbehaves so from the accept on. */
  fault?: string;
  /**
   * How many sockets must not be open at once: before it counts one more, it looks at each, so that
   * `maxOpen` is exact.
   */
  limit?: number;
  /** Keeps what arrives. */
  record?: boolean;
  /** Sends what has no end slowly. */
  slow?: boolean;
}

/** A thread that listens, says where, and falls asleep. */
const DEAF = `
  const { parentPort } = require("node:worker_threads");
  const server = require("node:net").createServer();
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/**
 * Whether the client has closed a socket, though the event loop may not have told so yet. What was
 * read is passed on.
 */
function hasLeft(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  if (handle !== null && handle.fd < 0) return false; // on Windows
  const buffer = Buffer.alloc(64 * 1024);
  try {
    while (handle !== null) {
      const size = readSync(handle.fd, buffer);
      if (size === 0) break;
      socket.push(Buffer.from(buffer.subarray(0, size)));
    }
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== "EAGAIN";
  }
}

/**
 * How many connections to a port neither side has closed, as the kernel of Linux knows it; nothing
 * elsewhere. For TLS, of which nothing may be read here.
 */
function countEstablished(port: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "latin1").split("\n").map((row) => row.trim().split(/ +/));
  return rows.filter(([, address, , state]) => address?.endsWith(local) && state === "01").length;
}

/** The steps in which {@linkcode Scope.until} counts the time. */
const STEP_MS = 10;

/**
 * The ports to listen at. Systems give others to those who ask for any, and browsers block none of
 * these.
 */
const FIRST_PORT = 11_000;
const PORTS = 20_000;

/** Where to go on. Each process of a run starts elsewhere. */
let nextPort = Math.floor(Math.random() * PORTS);

/** One listening port with counters of its own. */
export class Scope {
  readonly id: string;
  readonly stats: Stats = {
    accepted: 0,
    open: 0,
    maxOpen: 0,
    requests: 0,
    pending: 0,
    maxPending: 0,
    aborted: 0,
    killed: 0,
    preflights: 0,
    bodyBytes: 0,
    perSocket: [],
    paths: {},
  };
  readonly fault: Fault | undefined;
  /** What arrived, if the scope records. */
  readonly arrivals: Arrival[] | undefined;
  readonly slow: boolean;
  #server: Server;
  #deaf: Worker | undefined;
  readonly #secure: boolean;
  readonly #limit: number;
  #connections = new Set<Connection | Http2Connection>();
  #sockets = new Set<Socket>();
  #watchers = new Set<() => void>();
  #held = new Map<string, { promise: Promise<void>; release: () => void }>();

  constructor(id: string, options: ScopeOptions = {}) {
    const { certificate, handshake = 0, h2, fault, limit = Infinity, record, slow = false } = options;
    this.slow = slow;
    this.arrivals = record ? [] : undefined;
    this.id = id;
    this.#limit = limit;
    this.fault = fault === undefined ? undefined : findFault(fault);
    this.#secure = certificate !== undefined;
    if (!certificate) {
      this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket, this.#accept(socket)));
      return;
    }
    // A connection counts from TCP's accept to TCP's close, whatever becomes of the handshake.
    const ids = new Map<string, number>();
    const key = (socket: { remotePort?: number; remoteAddress?: string }) =>
      `${socket.remoteAddress} ${socket.remotePort}`;
    const idOf = (socket: Socket) => ids.get(key(socket)) ?? 0;
    if (h2) {
      const server = createSecureServer({ ...certificate, settings: { maxConcurrentStreams: 1000 } });
      server.on("session", (session) => {
        const connection = new Http2Connection(session, this, idOf(session.socket as unknown as Socket));
        this.#connections.add(connection);
        session.on("close", () => this.#connections.delete(connection));
      });
      this.#server = server;
    } else {
      const options = { ...certificate, ALPNProtocols: ["http/1.1"], noDelay: true };
      this.#server = createTlsServer(options, (socket) => this.#serve(socket, idOf(socket)));
    }
    this.#server.on("tlsClientError", () => {});
    if (handshake > 0) {
      const secure = this.#server;
      this.#server = createServer({ noDelay: true }, (socket) => {
        setTimeout(() => secure.emit("connection", socket), (this.stats.accepted * 0.37 % 1) * handshake);
      });
    }
    this.#server.on("connection", (socket: Socket) => ids.set(key(socket), this.#accept(socket)));
  }

  /** Listens on a Unix socket. */
  async listenAt(path: string): Promise<{ url: string; port: number; path: string }> {
    await this.#listen({ path });
    return { url: "http://localhost", port: 0, path };
  }

  /** Listens, and never accepts: in a thread that sleeps, its queue of connections filled. */
  async listenDeaf(): Promise<{ url: string; port: number }> {
    this.#deaf = new Worker(DEAF, { eval: true });
    const port = await new Promise<number>((resolve) => this.#deaf!.once("message", resolve));
    // One of them may wait for its handshake for ever.
    const fillers = [1, 2, 3].map(() => connect(port, "127.0.0.1").on("error", () => {}));
    for (const filler of fillers) this.#sockets.add(filler);
    await Promise.all(fillers.slice(0, 2).map((filler) => new Promise((resolve) => filler.once("connect", resolve))));
    return { port, url: `http://127.0.0.1:${port}` };
  }

  /**
   * Takes a port without listening: the local one of a connection to `port`, so that nobody else
   * can have it.
   */
  async refuse(port: number): Promise<{ url: string; port: number }> {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    this.#sockets.add(socket);
    await once(socket, "connect");
    return { port: socket.localPort!, url: `http://127.0.0.1:${socket.localPort}` };
  }

  async #listen(options: object) {
    this.#server.listen({ backlog: 8192, ...options });
    await once(this.#server, "listening");
  }

  /**
   * Listens at the next port, so that no port is used again soon: a case may still ask at the port
   * of a scope that is closed, also from another process.
   */
  async listen(host: string): Promise<{ url: string; port: number }> {
    for (;;) {
      const port = FIRST_PORT + nextPort++ % PORTS;
      try {
        await this.#listen({ host, port });
      } catch (error) {
        if ((error as { code?: string }).code === "EADDRINUSE") continue;
        throw error;
      }
      return { port, url: `${this.#secure ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}` };
    }
  }

  /** Counts a socket, and returns its number. */
  #accept(socket: Socket): number {
    const { stats } = this;
    stats.perSocket.push(0);
    stats.open++;
    this.#sockets.add(socket);
    // Of those that were closed before this one was opened, the news may come after this.
    let { open } = stats;
    if (open > this.#limit) {
      open = this.#secure
        ? countEstablished(socket.localPort!) ?? open
        : open - [...this.#sockets].filter(hasLeft).length;
    }
    stats.maxOpen = Math.max(stats.maxOpen, open);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      stats.open--;
      this.#changed();
    });
    this.#changed();
    return stats.accepted++;
  }

  /** Speaks HTTP/1.1 over a socket, or what TLS makes of it. */
  #serve(socket: Socket, socketId: number) {
    const connection = new Connection(socket, this, socketId);
    this.#connections.add(connection);
    socket.once("close", () => this.#connections.delete(connection));
  }

  /** Records a request, and returns what to tell of its body, if the scope records. */
  arrived({ method, target, headers }: Head): { add(piece: Buffer): void; end(whole: boolean): void } | undefined {
    if (!this.arrivals) return undefined;
    const arrival: Arrival = { method, target, headers, length: 0, body: "" };
    this.arrivals.push(arrival);
    return {
      add: (piece) => {
        arrival.body += piece.toString("latin1", 0, Math.max(0, 300 - arrival.length));
        arrival.length += piece.length;
      },
      end: (whole) => {
        arrival.whole = whole;
        this.#changed();
      },
    };
  }

  began(method: string, path: string, socketId: number) {
    const { stats } = this;
    const key = `${method} ${path}`;
    stats.requests++;
    stats.perSocket[socketId]++;
    stats.paths[key] = (stats.paths[key] ?? 0) + 1;
    stats.maxPending = Math.max(stats.maxPending, ++stats.pending);
    this.#changed();
  }

  ended(outcome: Outcome) {
    this.stats.pending--;
    if (outcome !== "done") this.stats[outcome]++;
    this.#changed();
  }

  #changed() {
    for (const watcher of this.#watchers) watcher();
  }

  /**
   * Resolves to `true` as soon as the condition holds, to `false` when it did not within `ms`, or
   * the client that asks has left. The time is counted in steps, because on a busy machine this
   * process may not run for a while, in which it cannot learn what has happened.
   */
  until(condition: (stats: Stats) => boolean, ms: number, client: EventEmitter): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (met: boolean) => {
        clearInterval(timer);
        this.#watchers.delete(check);
        client.off("close", giveUp);
        resolve(met);
      };
      const check = () => {
        if (condition(this.stats)) settle(true);
      };
      const giveUp = () => settle(false);
      let left = ms;
      const timer = setInterval(() => {
        left -= STEP_MS;
        if (left <= 0) giveUp();
      }, STEP_MS);
      this.#watchers.add(check);
      client.on("close", giveUp);
      check();
    });
  }

  /** Resolves once `release` was called with the key, before or after. */
  held(key: string): Promise<void> {
    return this.#hold(key).promise;
  }

  release(key: string) {
    this.#hold(key).release();
  }

  #hold(key: string) {
    let hold = this.#held.get(key);
    if (!hold) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#held.set(key, hold = { promise, release: resolve });
    }
    return hold;
  }

  /**
   * Destroys the sockets that have no exchange under way, as a server does whose keep-alive time
   * ran out.
   */
  drop() {
    for (const connection of this.#connections) connection.dropIfIdle();
  }

  async close() {
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await this.#deaf?.terminate();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}
