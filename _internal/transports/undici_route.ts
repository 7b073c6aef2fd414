// Copyright 2026 the Hangup authors. MIT license.

/**
 * The way of one request through undici: which connection it uses, and whether that was fresh.
 *
 * @module
 */

import { builtin } from "../runtime.ts";
import { areTurnsFaked } from "../timers.ts";
import { disown } from "./global_fetch.ts";
import { type Agent, type Dispatchers, findKey } from "./undici.ts";

/** The key of the number of bytes that a socket had received when its first request was sent. */
const FRESH = Symbol("hangup.fresh");

/** The key of the route of a request of undici. */
const ROUTE = Symbol("hangup.route");

/** The part of `net.Socket` that is used here. */
interface Socket {
  readonly bytesRead: number;
  readonly alpnProtocol?: unknown;
  destroy(): void;
  [FRESH]?: number;
  [key: symbol]: unknown;
}

/** A message that undici publishes on its diagnostics channels. */
interface Message {
  readonly request: { [ROUTE]?: Route; [key: symbol]: unknown };
  /** Only the channel "undici:client:sendHeaders" has it, and always. */
  readonly socket: Socket;
  /** Only the channel "undici:client:connectError" has it. */
  readonly error: unknown;
}

/** The part of `node:diagnostics_channel` that is used here. */
interface Channels {
  subscribe(name: string, listener: (message: Message) => void): void;
}

/**
 * The way of one request to an agent. `fetch` takes it for a dispatcher. It records which
 * connection the request used.
 *
 * A second try must use a fresh connection. It closes every other connection that the agent offers,
 * because each may be stale too, until the agent opens a new one. So a try never uses more
 * connections than the agent may have.
 */
export class Route {
  /** Whether the agent offered a connection that is not fresh, and this route closed it. */
  refused = false;
  /**
   * Whether `fetch` has sent the request by this route, and not by a dispatcher of the `Request`.
   */
  used = false;
  /** Whether undici has created a request for this route, as a mock does not. */
  created = false;
  readonly #agent: Agent;
  readonly #fresh: boolean;
  readonly #once: boolean;
  /**
   * `undefined` if the agent is the user's own or has the user's options. Then no other agent can
   * replace it.
   */
  readonly #dispatchers: Dispatchers | undefined;
  #socket: Socket | undefined;
  #reused = false;
  #bytesRead = 0;

  /**
   * @param fresh Whether the request must use a fresh connection.
   * @param once Whether undici is to close the connection after the response.
   */
  constructor(agent: Agent, fresh: boolean, once: boolean, dispatchers: Dispatchers | undefined) {
    watchSockets();
    this.#agent = agent;
    this.#fresh = fresh;
    this.#once = once;
    this.#dispatchers = dispatchers;
  }

  /** Tells undici to give a mock the body as it is, so that the mock can compare it. */
  get isMockActive(): boolean {
    return this.#agent.isMockActive === true;
  }

  /**
   * Whether the request used a connection that had served another request, and no byte has arrived
   * since.
   */
  get stale(): boolean {
    return this.#reused && this.#socket?.bytesRead === this.#bytesRead;
  }

  /**
   * Whether the connection died before the request was written to it. undici waits for a turn of
   * the event loop before it writes to an idle connection, and fails the request if that is reset
   * meanwhile. Each such failure takes an idle connection away, so sending again comes to an end.
   *
   * @param error The connection's own error.
   */
  isUnsent(error: unknown): boolean {
    return this.created && this.#socket === undefined && !connectErrors.has(error as object);
  }

  dispatch(options: object, handler: object): boolean {
    this.used = true;
    // A `fetch` of another version of undici has handlers that the agent may not understand.
    const other = this.#dispatchers?.otherDispatcher(handler);
    if (other !== undefined) {
      disown();
      return other.dispatch(options, handler);
    }
    // undici publishes on its channel that it has created the request. It does so before
    // `dispatch()` returns, or later if all connections are in use.
    dispatching = this;
    routes.set(handler, this);
    try {
      // undici reuses a connection only in a later turn of the event loop. If a test fakes turns
      // and never ticks, that turn never comes. So each request then gets its own connection, from
      // an agent that is used for nothing else.
      return this.#agent.dispatch(areTurnsFaked() ? { ...options, reset: true } : options, handler);
    } finally {
      dispatching = undefined;
    }
  }

  /**
   * Called when undici is about to write the request. undici may call it again with another
   * connection if the write failed.
   */
  sent(socket: Socket) {
    this.#socket = socket;
    this.#bytesRead = socket.bytesRead;
    this.#reused = this.#bytesRead > (socket[FRESH] ??= this.#bytesRead);
    if (socket.alpnProtocol === "h2") return; // other requests may share it
    this.refused = this.#fresh && this.#reused;
    if (this.refused) this.end();
    if (!this.#once) return;
    resetKey ??= findKey(socket, "reset");
    if (resetKey) socket[resetKey] = true;
  }

  /** Destroys the socket, unless other requests may share it, as over HTTP/2. */
  end() {
    if (this.#socket?.alpnProtocol !== "h2") this.#socket?.destroy();
  }
}

/** The route whose agent is being called. */
let dispatching: Route | undefined;

/** The route of each handler, for requests that undici creates later. */
const routes = new WeakMap<object, Route>();

/** The key under which a request of undici keeps its handler. */
let handlerKey: symbol | undefined;

/** The key under which a socket of undici says that it is closed after the response. */
let resetKey: symbol | undefined;

/** The errors of connections that could not be opened. */
const connectErrors = new WeakSet<object>();

let watching = false;

/**
 * Subscribes to undici's diagnostics channels to learn which socket each request uses. Errors do
 * not always say so.
 *
 * The listeners stay until the process ends. For other users' requests, each costs one or two
 * look-ups.
 */
function watchSockets() {
  if (watching) return;
  watching = true;
  // Without the channels, no connection counts as reused, so no request is sent twice.
  const channels = builtin<Channels>("node:diagnostics_channel");
  channels?.subscribe("undici:request:create", ({ request }) => {
    if (dispatching !== undefined) handlerKey ??= findKey(request, "handler");
    const route = dispatching ?? (handlerKey && routes.get(request[handlerKey] as object));
    if (route === undefined) return;
    request[ROUTE] = route;
    route.created = true;
  });
  channels?.subscribe("undici:client:sendHeaders", ({ request, socket }) => {
    request[ROUTE]?.sent(socket);
  });
  channels?.subscribe("undici:client:connectError", ({ error }) => {
    // A user's function that connects may fail with anything. An error here would end the process.
    if (Object(error) === error) connectErrors.add(error as object);
  });
}
