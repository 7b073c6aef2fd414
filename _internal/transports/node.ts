// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Node: an `Agent` of its own, made with the constructor of the dispatcher that bare `fetch` uses.
 *
 * @module
 */

import type { Transport } from "../../transport.ts";
import { PLATFORM, type Platform } from "./platform.ts";
import { isIdempotent } from "../http.ts";
import { isStream } from "../upload.ts";

/** What is used of undici's `Agent` and `EnvHttpProxyAgent`. */
interface Agent {
  dispatch(options: object, handler: object): boolean;
  destroy(reason: Error): Promise<void>;
}

type AgentConstructor = new (options: object) => Agent;

/** On a socket: how many bytes had come over it when the first request was sent. */
const FRESH = Symbol("hangup.fresh");

/** On a request of undici's: its route. */
const ROUTE = Symbol("hangup.route");

/** What is used of `net.Socket`. */
interface Socket {
  readonly bytesRead: number;
  readonly alpnProtocol?: unknown;
  destroy(): void;
  [FRESH]?: number;
}

/** What undici publishes on its diagnostics channels. */
interface Message {
  readonly request: { [ROUTE]?: Route };
  readonly socket?: Socket;
}

/** What is used of `process`. */
interface NodeProcess {
  readonly versions?: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly execArgv: readonly string[];
  getBuiltinModule?(id: "node:diagnostics_channel"): {
    subscribe(name: string, listener: (message: Message) => void): void;
  };
}

/** The codes of a connection that died. */
const DEAD = new Set(["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE"]);

/** Given to all agents, as undici would make an error for each, and a stack trace takes longer than the rest of a close. */
const CLOSED = new Error("The transport is closed");

/** The longest that a timer takes. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** How long undici waits for a connection, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** The session has its own timeouts. For connecting, undici's 10 s stay, as for bare `fetch`. */
const NO_TIMEOUTS = { headersTimeout: 0, bodyTimeout: 0 };

/** What makes an agent open a connection for each request. */
const ONE_REQUEST = { pipelining: 0, keepAliveTimeout: 1 };

/**
 * Makes the transport for Node.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param own Options of undici's `Agent`, or a `dispatcher` to use and to close.
 * @param connections The number of sockets to one origin.
 * @returns The transport, or `undefined` on another platform and where `fetch` goes through a dispatcher of the user's.
 * @throws {TypeError} If there is a `proxy`, which would be passed by; or if there are options, and `fetch` goes through a dispatcher of the user's that they cannot reach.
 */
export function nodeTransport(
  idleTimeout: number,
  own: { dispatcher?: unknown; connect?: object } = {},
  connections = Infinity,
): Transport | undefined {
  const process = (globalThis as { process?: NodeProcess }).process;
  if (process?.versions?.undici === undefined) return undefined;
  const { dispatcher, ...given } = own;
  if ("proxy" in given) {
    throw new TypeError('Cannot create a transport as Node has no option "proxy": give a "dispatcher"');
  }
  const Agent = dispatcher === undefined ? findAgent(process) : undefined;
  if (Agent === undefined && dispatcher === undefined) {
    const foreign = !(Symbol.for("undici.globalDispatcher.1") in globalThis); // workerd, which poses as Node
    if (foreign || Object.keys(given).length === 0) return undefined;
    throw new TypeError("Cannot create a transport with options of an Agent as fetch goes through another dispatcher");
  }
  watchSockets(process);
  const options = connections < Infinity ? { connections, ...given } : given;
  const keepAliveTimeout = Math.min(Math.max(Math.ceil(idleTimeout), 1), MAX_TIMEOUT);
  const undici = parseInt(process.versions.undici);
  const connecting = new Connecting();
  if (Agent === undefined) return new NodeTransport([dispatcher as Agent, dispatcher as Agent], undici, connecting);
  // A server's `Keep-Alive: timeout` may shorten the time, never extend it.
  const pooled = { keepAliveTimeout, keepAliveMaxTimeout: keepAliveTimeout };
  const settings = { ...options, ...NO_TIMEOUTS, ...(idleTimeout > 0 ? pooled : ONE_REQUEST) };
  const make = (secure: boolean) => {
    // The signal makes a connection a quarter dearer. Without TLS the peer sees nothing of one that is not there yet.
    const signal = idleTimeout > 0 || secure ? connecting : undefined;
    const { connect } = options;
    return new Agent({ ...settings, connect: typeof connect === "function" ? connect : { ...connect, signal } });
  };
  return new NodeTransport([], undici, connecting, make);
}

class NodeTransport implements Transport {
  readonly closesSockets = true;
  readonly [PLATFORM]: Platform = {
    endsBodies: true,
    decodes: (coding) => this.decodes(coding),
  };
  /** One for `http:` and one for `https:`, each made at its first use. */
  readonly #agents: Agent[];
  readonly #connecting: Connecting;
  readonly #make: ((secure: boolean) => Agent) | undefined;
  /** Whether `fetch` decodes zstd too. */
  readonly #zstd: boolean;
  #closed = false;

  constructor(agents: Agent[], undici: number, connecting: Connecting, make?: (secure: boolean) => Agent) {
    this.#agents = agents;
    this.#connecting = connecting;
    this.#make = make;
    this.#zstd = undici >= 7;
  }

  async fetch(url: URL, init: RequestInit & { dispatcher?: unknown }): Promise<Response> {
    if (this.#closed) throw new TypeError("Cannot send the request as the transport is closed");
    const secure = url.protocol === "https:";
    const agent = this.#agents[Number(secure)] ??= this.#make!(secure);
    for (let fresh = false;; fresh = true) {
      const route = init.dispatcher = new Route(agent, fresh);
      try {
        return await globalThis.fetch(url, init);
      } catch (error) {
        const repeatable = !fresh && isIdempotent(init.method ?? "GET") && !isStream(init.body);
        const again = route.refused || repeatable && route.stale && isDead(error);
        if (!again || this.#closed || init.signal?.aborted) throw error;
      }
    }
  }

  /** Several codings on one body too. */
  decodes(coding: string): boolean {
    const codings = coding.split(",").map((part) => part.trim());
    return codings.every((part) => /^(?:(?:x-)?gzip|deflate|br|zstd)$/.test(part) && (part !== "zstd" || this.#zstd));
  }

  async close() {
    this.#closed = true;
    const destroyed = this.#agents.map((agent) => agent.destroy(CLOSED));
    this.#connecting.end();
    await Promise.all(destroyed);
  }
}

/**
 * Ends the sockets that are not connected yet: `destroy()` leaves them to undici's 10 s. As far as Node looks, it is an
 * abort signal. Of a real one Node never takes its listeners off, so this one forgets those that must have connected by now,
 * and holds them weakly, as each has a socket, which holds it.
 */
class Connecting {
  readonly aborted = false;
  readonly #listeners = new Set<{ readonly since: number; readonly abort: WeakRef<() => void> }>();

  addEventListener(_type: "abort", abort: () => void) {
    const since = performance.now();
    this.#listeners.add({ since, abort: new WeakRef(abort) });
    for (const listener of this.#listeners) {
      if (listener.since > since - CONNECT_TIMEOUT) return;
      this.#listeners.delete(listener);
    }
  }

  removeEventListener() {}

  end() {
    for (const { abort } of this.#listeners) abort.deref()?.();
    this.#listeners.clear();
  }
}

/**
 * One request's way to an agent. `fetch` takes it for a dispatcher; it notes which connection the request went over.
 *
 * A second try has to go over a fresh one: it closes what it is given of others, each of which may be stale too, until the
 * agent opens one. So a try never has a connection beside those that the agent may have.
 */
class Route {
  /** Whether it was given a connection that is not fresh, and closed that. */
  refused = false;
  readonly #agent: Agent;
  readonly #fresh: boolean;
  #socket: Socket | undefined;
  #reused = false;
  #bytesRead = 0;

  constructor(agent: Agent, fresh: boolean) {
    this.#agent = agent;
    this.#fresh = fresh;
  }

  /** Whether the request went over a connection that had served another, and no byte has come since. */
  get stale(): boolean {
    return this.#reused && this.#socket?.bytesRead === this.#bytesRead;
  }

  dispatch(options: object, handler: object): boolean {
    // undici makes the request, and says so on its channel, before this call returns.
    dispatching = this;
    try {
      return this.#agent.dispatch(options, handler);
    } finally {
      dispatching = undefined;
    }
  }

  /** The request is about to be written. undici may do that again, over another connection, where it could not. */
  sent(socket: Socket) {
    this.#socket = socket;
    this.#bytesRead = socket.bytesRead;
    this.#reused = this.#bytesRead > (socket[FRESH] ??= this.#bytesRead);
    // Over HTTP/2 others may use it.
    this.refused = this.#fresh && this.#reused && socket.alpnProtocol !== "h2";
    if (this.refused) socket.destroy();
  }
}

/** The route that calls its agent now. */
let dispatching: Route | undefined;

let watching = false;

/**
 * Learns from undici's diagnostics channels which socket each request goes over: no error tells it in every case.
 *
 * The listeners stay for as long as the process runs. Other users' requests cost them a look.
 */
function watchSockets(process: NodeProcess) {
  if (watching) return;
  watching = true;
  const channels = process.getBuiltinModule?.("node:diagnostics_channel");
  // Without them nothing counts as reused, and nothing is sent twice.
  if (channels === undefined) return;
  channels.subscribe("undici:request:create", ({ request }) => {
    if (dispatching !== undefined) request[ROUTE] = dispatching;
  });
  channels.subscribe("undici:client:sendHeaders", ({ request, socket }) => {
    if (socket !== undefined) request[ROUTE]?.sent(socket);
  });
}

function isDead(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (DEAD.has((cause as { code?: string }).code ?? "")) return true;
  }
  return false;
}

/**
 * Finds the constructor of the dispatcher that bare `fetch` uses, so that its agents suit this `fetch`, unless the user
 * has a say in the matter: a mock, a proxy, an agent with options or interceptors must not be passed by.
 */
function findAgent(process: NodeProcess): AgentConstructor | undefined {
  // Reading any of undici's globals loads it, and with it comes the dispatcher.
  void globalThis.Headers;
  const dispatchers = globalThis as unknown as { [key: symbol]: Record<PropertyKey, unknown> | undefined };
  const first = dispatchers[Symbol.for("undici.globalDispatcher.1")];
  const second = dispatchers[Symbol.for("undici.globalDispatcher.2")];
  // Up to undici 7 `fetch` uses the first, though 7 sets both. From 8 on, the first is a mere wrapper for older ones.
  const dispatcher = parseInt(process.versions?.undici ?? "") < 8 ? first : second;
  const constructor = dispatcher?.constructor as AgentConstructor | undefined;
  if (dispatcher === undefined || constructor === undefined) return undefined;
  // `compose()` makes a proxy object that has another `dispatch`, and nothing else.
  if (dispatcher.dispatch !== constructor.prototype.dispatch) return undefined;
  const isDefault = constructor.name === "Agent" ||
    constructor.name === "EnvHttpProxyAgent" && usesEnvProxy(process);
  if (!isDefault) return undefined;
  if (!plain.has(dispatcher)) plain.set(dispatcher, isAlike(dispatcher, new constructor({})));
  return plain.get(dispatcher) ? constructor : undefined;
}

/** Whether dispatchers have no settings of the user's. */
const plain = new WeakMap<object, boolean>();

/** Whether Node itself, at its start, made the proxy agent. One made by the user may have a `noProxy` nobody can see. */
function usesEnvProxy({ env, execArgv }: NodeProcess): boolean {
  return env.NODE_USE_ENV_PROXY === "1" || execArgv.includes("--use-env-proxy") ||
    / --use-env-proxy /.test(` ${env.NODE_OPTIONS} `);
}

/** The names of the symbols under which undici's dispatchers keep what they were made with. */
const SETTINGS = new Set([
  "options",
  "factory",
  "no proxy agent",
  "http proxy agent",
  "https proxy agent",
  "proxy agent options",
  "proxy headers",
  "request tls settings",
  "proxy tls settings",
  "tunnel proxy",
]);

/** Whether two dispatchers were made with the same settings. Where those cannot be found, they were not. */
function isAlike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const keys = settings(a);
  return keys !== undefined && keys.length === settings(b)?.length &&
    keys.every((key) => isAlike(Reflect.get(a, key), Reflect.get(b, key)));
}

function settings(value: object): PropertyKey[] | undefined {
  const prototype = Object.getPrototypeOf(value);
  const keys = Reflect.ownKeys(value);
  if (prototype === Object.prototype || prototype === null) return keys;
  const known = keys.filter((key) => typeof key === "symbol" && SETTINGS.has(key.description ?? ""));
  return known.length > 0 ? known : undefined;
}
