// Copyright 2026 the Hangup authors. MIT license.

/**
 * The connections of a pool on Deno. Each has a client of its own.
 *
 * @module
 */

import { type Slot, TurnDrain } from "../drain.ts";
import { announcedLength, headerOf, SMALL_BODY } from "../http.ts";
import { Clock } from "../timers.ts";

/** The key under which the options of a request name its {@linkcode Connection}. */
export const CONNECTION: unique symbol = Symbol("hangup.connection");

const clock = new Clock();

/** The part of `Deno.HttpClient` that is used here. */
export type Client = Disposable;

/** An origin, and the connections to it. */
export class Origin {
  readonly name: string;
  /** Whether a connection has one exchange at a time for certain, as in HTTP/1.1. */
  http1: boolean;
  /** The connection of all requests, if it seems to be one over HTTP/2. */
  shared: Connection | undefined;
  /** The number of connections, in use or not. */
  size = 0;
  /** The connections whose socket is certainly idle. The one that was used last is at the end. */
  readonly idle: Connection[] = [];
  /** The draining slots whose connection can be taken, in the order in which they are freed. */
  readonly draining: Slot<Connection>[] = [];

  constructor(name: string, http1: boolean) {
    this.name = name;
    this.http1 = http1;
  }
}

/** A connection. Over HTTP/1.1 it has one exchange at a time. */
export class Connection {
  readonly origin: Origin;
  /** The client that owns the connection's socket. It is made for the first request. */
  client: Client | undefined;
  /** The number of slots that have the connection. */
  slots = 0;
  /** Whether the server has answered over TLS. Otherwise the socket cannot be a reused one. */
  answered = false;
  /**
   * Whether Deno read the last request's body as a stream, as it does that of a disguised request.
   * On a socket that has served only such requests, Deno does not repeat any.
   */
  disguised = false;
  /**
   * Whether the socket may come back only after the end of the last exchange, because the body was
   * not read at once.
   */
  late = false;
  /** When the last response arrived. */
  #answeredAt = Infinity;

  constructor(origin: Origin) {
    this.origin = origin;
  }

  /** The time in milliseconds since the last response arrived. */
  get idleTime(): number {
    return clock.now() - this.#answeredAt;
  }

  /** Whether only one slot has the connection, and no other one can get it. */
  get alone(): boolean {
    return this.slots === 1 && this !== this.origin.shared;
  }

  /**
   * Learns from a response when the connection can be used again, and whether other requests may
   * share it. Returns the response.
   *
   * Deno does not tell which version of HTTP a server speaks. Over HTTP/1.1, a header says where a
   * body ends: `content-length`, `transfer-encoding` or `connection: close`. So a body without any
   * of them has come over HTTP/2.
   */
  learn(response: Response): Response {
    const { origin } = this;
    const has = (name: string) => headerOf(response.headers, name) !== null;
    if (!origin.http1) {
      origin.http1 = HTTP1_HEADERS.some(has);
      if (origin.http1) origin.shared = undefined;
      else if (!has("content-length") && response.body !== null) origin.shared ??= this;
    }
    this.#answeredAt = clock.now();
    this.late = (announcedLength(response.headers) ?? Infinity) > SMALL_BODY;
    return response;
  }
}

/** The headers that HTTP/2 forbids: RFC 9113, section 8.2.2. */
const HTTP1_HEADERS = ["connection", "keep-alive", "transfer-encoding"];

/**
 * The number of turns after which a socket is back if the body was not read at once. All that Deno
 * has to do until then has begun.
 */
export const RETURN_TURNS = 2;

/**
 * The number of turns after which Deno has learned that a socket is idle or closed. Smaller numbers
 * are enough for most sockets, but not for all.
 */
export const TURNS = 6;

/** The same for a socket that is cut off. */
const CLOSING_TURNS = 128;

/**
 * The largest number of idle connections, unless the limit of an origin is larger. Each takes some
 * 100 KB, most of it its client's.
 */
const MAX_IDLE = 64;

/**
 * Gives each slot a connection of its own, with a client of its own, so that no socket is opened
 * above the limit.
 *
 * A client dials a socket for each request that finds none idle. If another socket comes back
 * first, the request takes that one, and the dialed socket arrives although nobody needs it. If all
 * requests shared a client, this would happen again and again while a handshake takes longer than
 * an answer, and the sockets would be many times the limit.
 *
 * Over HTTP/2, a client has one socket for all its requests. So once it is clear that a server
 * speaks it, all requests share a connection.
 */
export class ConnectionDrain extends TurnDrain<Connection> {
  readonly #limit: number;
  readonly #http2: boolean;
  readonly #discard: (connection: Connection) => void;
  /** The origins that have connections. */
  readonly #origins = new Map<string, Origin>();
  /** The idle connections to all origins. The one that was used last is at the end. */
  readonly #idle = new Set<Connection>();

  /**
   * @param free Called with the origins of the slots that became free.
   * @param limit The largest number of slots of an origin.
   * @param http2 Whether Deno may speak HTTP/2.
   * @param discard Called with a connection that is not used any more.
   */
  constructor(
    free: (origins: string[]) => void,
    limit: number,
    http2: boolean,
    discard: (connection: Connection) => void,
  ) {
    super(free, TURNS, CLOSING_TURNS);
    this.#limit = limit;
    this.#http2 = http2;
    this.#discard = discard;
  }

  override sent(
    name: string,
    init: RequestInit & { [CONNECTION]?: Connection },
    earlier?: Slot<Connection>,
  ): Slot<Connection> {
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      this.#origins.set(name, origin = new Origin(name, !this.#http2 || name.startsWith("http:")));
    }
    const slot = super.sent(name, init, earlier);
    if (slot.connection === undefined) {
      slot.connection = this.#take(origin);
      slot.connection.slots++;
    }
    init[CONNECTION] = slot.connection;
    return slot;
  }

  override add(slot: Slot<Connection>, aborted: boolean): void {
    const { alone, origin } = slot.connection!;
    if (!aborted && alone) origin.draining.push(slot);
    super.add(slot, aborted);
  }

  protected override freed(slot: Slot<Connection>): void {
    const { connection } = slot;
    if (connection === undefined) return;
    const { origin } = connection;
    if (origin.draining[0] === slot) origin.draining.shift();
    connection.late = false;
    if (--connection.slots > 0) return;
    if (origin.shared !== undefined && origin.shared !== connection) return this.#drop(connection);
    origin.idle.push(connection);
    this.#idle.add(connection);
    if (this.#idle.size <= Math.max(MAX_IDLE, this.#limit)) return;
    const oldest = this.#idle.values().next().value!;
    this.#idle.delete(oldest);
    oldest.origin.idle.shift(); // no other one of its origin is older
    if (oldest === oldest.origin.shared) oldest.origin.shared = undefined;
    this.#drop(oldest);
  }

  /**
   * Takes the shared connection, or an idle one. If none is idle, a draining one is taken as
   * long as there are few: its socket is back, or will be in a moment.
   */
  #take(origin: Origin): Connection {
    const { idle, draining, shared } = origin;
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      this.#idle.delete(connection);
      if (shared === undefined || shared === connection) return connection;
      this.#drop(connection);
    }
    if (shared !== undefined) return shared;
    const slot = origin.size > this.#limit / 2 ? undefined : draining.pop();
    if (slot === undefined) {
      origin.size++;
      return new Connection(origin);
    }
    const connection = slot.connection!;
    connection.slots = 0;
    slot.connection = undefined;
    return connection;
  }

  #drop(connection: Connection): void {
    const { origin } = connection;
    if (--origin.size === 0) this.#origins.delete(origin.name);
    this.#discard(connection);
  }
}
