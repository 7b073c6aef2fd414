// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Node: an `Agent` of its own, made with the constructor of the dispatcher that
 * bare `fetch` uses.
 *
 * @module
 */

import { isIdempotent } from "../http.ts";
import { isStream } from "../upload.ts";
import { CARRIER } from "./carried.ts";
import { type Remains, unwatch, watch } from "./dropped.ts";
import { disown, type Fetch, globalFetch, isRuntimes, sendThrough } from "./global_fetch.ts";
import { type Adapter, makePlatform, MAX_TIMEOUT, PLATFORM, type Platform, Refusal, refuseClosed } from "./platform.ts";
import { areTimersFaked, areTurnsFaked } from "../timers.ts";
import { isWorkerd } from "../workerd.ts";

/** The part of undici's `Agent` and `EnvHttpProxyAgent` that is used here. */
interface Agent {
  dispatch(options: object, handler: object): boolean;
  close(): Promise<void>;
  destroy(reason: Error): Promise<void>;
}

/** What Node's `fetch()` takes besides the standard's options. */
type Init = RequestInit & { dispatcher?: unknown; [CARRIER]?: Request };

/** The `Request`s that are known to carry a dispatcher. */
const carriers = new WeakSet<Request>();

type AgentConstructor = new (options: object) => Agent;

/** On a socket: how many bytes had come over it when the first request was sent. */
const FRESH = Symbol("hangup.fresh");

/** On a request of undici's: its route. */
const ROUTE = Symbol("hangup.route");

/** The part of `net.Socket` that is used here. */
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

/** The part of `process` that is used here. */
interface NodeProcess {
  readonly versions?: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly execArgv: readonly string[];
  getBuiltinModule?<Id extends keyof Modules>(id: Id): Modules[Id];
}

/** The part of Node's modules that is used here. */
interface Modules {
  "node:diagnostics_channel": { subscribe(name: string, listener: (message: Message) => void): void };
  "node:vm": { runInThisContext(code: string): Dispatchers };
}

/** Under symbols of undici's, the dispatchers of the process. */
interface Dispatchers {
  [key: symbol]: unknown;
}

/** A dispatcher of the process. */
type Dispatcher = Agent & Record<PropertyKey, unknown>;

/** The codes of a connection that died. */
const DEAD = new Set(["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE"]);

/**
 * Given to all agents, as undici would make an error for each, and a stack trace takes longer than
 * the rest of a close.
 */
const CLOSED = new Error("The transport is closed");

/** How long undici waits for a connection, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** The session has its own timeouts. For connecting, undici's 10 s stay, as for bare `fetch`. */
const NO_TIMEOUTS = { headersTimeout: 0, bodyTimeout: 0 };

/** What makes an agent open a connection for each request. */
const ONE_REQUEST = { pipelining: 0, keepAliveTimeout: 1 };

/**
 * The dispatcher that `fetch` of undici up to 7 uses. Version 8 keeps a mere wrapper for older ones
 * here.
 */
const OLD_DISPATCHER = Symbol.for("undici.globalDispatcher.1");

/** The dispatcher that `fetch` of undici 8 uses. */
const NEW_DISPATCHER = Symbol.for("undici.globalDispatcher.2");

/**
 * Makes the transport for Node.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param own Options of undici's `Agent`, or a `dispatcher` to use and to close.
 * @param connections The number of sockets to one origin.
 * @returns The transport, or `undefined` on another platform.
 * @throws {TypeError} If there is a `proxy`, which would be ignored; or if there are options, and
 * `fetch` goes through a dispatcher of the user's that they cannot reach.
 */
export function nodeTransport(
  idleTimeout: number,
  own: { dispatcher?: unknown; connect?: object } = {},
  connections = Infinity,
): Adapter | undefined {
  const process = (globalThis as { process?: NodeProcess }).process;
  if (process?.versions?.undici === undefined || isWorkerd()) return undefined;
  const { dispatcher, ...given } = own;
  if ("proxy" in given) {
    throw new TypeError('Cannot create a transport as Node has no option "proxy": give a "dispatcher"');
  }
  const globals = new Globals(process);
  const configured = Object.keys(given).length > 0;
  if (configured && dispatcher === undefined && globals.findAgent() === undefined) {
    throw new TypeError(`Cannot create a transport with options of an Agent as ${FOREIGN}`);
  }
  const options = connections < Infinity ? { connections, ...given } : given;
  const keepAliveTimeout = Math.min(Math.max(Math.ceil(idleTimeout), 1), MAX_TIMEOUT);
  const connecting = new Connecting();
  // A server's `Keep-Alive: timeout` may shorten the time, never extend it.
  const pooled = { keepAliveTimeout, keepAliveMaxTimeout: keepAliveTimeout };
  const settings = { ...options, ...NO_TIMEOUTS, ...(idleTimeout > 0 ? pooled : ONE_REQUEST) };
  const make = (Agent: AgentConstructor, secure: boolean) => {
    // The signal makes a connection a quarter dearer. Without TLS the peer sees nothing of one that
    // is not there yet.
    const signal = idleTimeout > 0 || secure ? connecting : undefined;
    const { connect } = options;
    // Faked timers may leap by minutes, or leave out what undici passes to the callback, which then throws in the test.
    const idle = areTimersFaked() ? { keepAliveTimeout: MAX_TIMEOUT, keepAliveMaxTimeout: MAX_TIMEOUT } : undefined;
    return new Agent({
      ...settings,
      ...idle,
      connect: typeof connect === "function" ? connect : { ...connect, signal },
    });
  };
  if (dispatcher !== undefined) watchSockets(process);
  return new NodeTransport(globals, dispatcher as Agent | undefined, configured, connecting, make);
}

/** Why options of an `Agent` cannot be used. */
const FOREIGN = "fetch goes through another dispatcher";

class NodeTransport implements Adapter {
  readonly [PLATFORM]: Platform;
  readonly #globals: Globals;
  /** The user's own. */
  readonly #dispatcher: Agent | undefined;
  /** Whether the user has given options, which no `fetch` may leave out. */
  readonly #configured: boolean;
  /** One for `http:` and one for `https:`, and the same for while time is faked; each made at its first use. */
  readonly #agents: Agent[];
  readonly #connecting: Connecting;
  readonly #make: (Agent: AgentConstructor, secure: boolean) => Agent;
  readonly #remains: Remains<Agent>;
  #closed = false;

  constructor(
    globals: Globals,
    dispatcher: Agent | undefined,
    configured: boolean,
    connecting: Connecting,
    make: (Agent: AgentConstructor, secure: boolean) => Agent,
  ) {
    this.#globals = globals;
    this.#dispatcher = dispatcher;
    this.#configured = configured || dispatcher !== undefined;
    this.#connecting = connecting;
    this.#make = make;
    this.#agents = dispatcher === undefined ? [] : [dispatcher, dispatcher];
    // A dispatcher of the user's may have other users.
    const owners = dispatcher === undefined ? this.#agents : [];
    this.#remains = { used: dispatcher !== undefined, owners, release };
    this[PLATFORM] = makePlatform(
      () => this.fetch === NodeTransport.prototype.fetch && dispatcher === undefined && this.closesSockets,
      {
        // Several codings on one body too.
        decodes: (coding) => coding.split(",").every((part) => this.#decodes(part.trim())),
        onDropped: (report) => this.#remains.report = report,
        policies: true,
      },
    );
  }

  get closesSockets(): boolean {
    return isRuntimes(globalFetch()) && (this.#dispatcher ?? this.#globals.findAgent()) !== undefined;
  }

  fetch(url: URL, init: Init): Promise<Response> {
    if (this.#closed) return refuseClosed();
    const fetch = globalFetch();
    const runtimes = isRuntimes(fetch);
    if (init.dispatcher === undefined && (runtimes || this.#configured)) {
      const secure = url.protocol === "https:";
      const Agent = this.#dispatcher === undefined ? this.#globals.findAgent() : undefined;
      const index = Number(secure) + (areTimersFaked() || areTurnsFaked() ? 2 : 0);
      const agent = this.#dispatcher ?? (Agent && (this.#agents[index] ??= this.#makeAgent(Agent, secure)));
      if (agent !== undefined) {
        return this.#fetchTwice(runtimes ? fetch : sendThrough.bind(null, fetch), url, init, agent);
      }
      if (this.#configured) {
        return Promise.reject(new Refusal(`Cannot send the request with options of an Agent as ${FOREIGN}`));
      }
    }
    if (!runtimes) return sendThrough(fetch, url, init);
    const request = init[CARRIER];
    return fetch(request !== undefined && isWhole(request, url, init) ? request : url, init);
  }

  async #fetchTwice(fetch: Adapter["fetch"], url: URL, init: Init, agent: Agent): Promise<Response> {
    for (let fresh = false;; fresh = true) {
      const route = new Route(agent, fresh, this.#configured ? undefined : this.#globals);
      try {
        const response = await this.#send(fetch, url, init, route);
        // undici reads on for as long as the server sends a body, which a response with this status
        // does not have.
        if (response.status === 205 && response.headers.get("content-length") !== "0") route.end();
        return response;
      } catch (error) {
        const repeatable = !fresh && isIdempotent(init.method ?? "GET") && !isStream(init.body);
        const again = route.refused || repeatable && route.stale && isDead(error);
        if (!again || this.#closed || init.signal?.aborted) throw error;
      }
    }
  }

  #send(fetch: Adapter["fetch"], url: URL, init: Init, route: Route): Promise<Response> {
    const request = init[CARRIER];
    if (request !== undefined && isRuntimes(fetch as Fetch)) {
      if (isWhole(request, url, init)) {
        return this.#globals.instead(route, () => (fetch as Fetch)(request, init)).finally(() => {
          if (!route.used) carriers.add(request);
        });
      }
      if (carriers.has(request)) {
        throw new Refusal("Cannot follow a redirect as the Request carries a dispatcher: give it as an option");
      }
    }
    init.dispatcher = route as unknown as NonNullable<Init["dispatcher"]>;
    return fetch(url, init);
  }

  #makeAgent(Agent: AgentConstructor, secure: boolean): Agent {
    if (!this.#remains.used) watch(this, this.#remains);
    this.#remains.used = true;
    return this.#make(Agent, secure);
  }

  #decodes(coding: string): boolean {
    return /^(?:(?:x-)?gzip|deflate|br|zstd)$/.test(coding) && (coding !== "zstd" || this.#globals.version >= 7);
  }

  async close() {
    this.#closed = true;
    unwatch(this);
    const destroyed = this.#agents.map((agent) => agent.destroy(CLOSED));
    this.#connecting.end();
    await Promise.all(destroyed);
  }
}

/**
 * Ends the sockets that are not connected yet: `destroy()` leaves them to undici's 10 s. As far as
 * Node looks, it is an abort signal. Of a real one Node never takes its listeners off, so this one
 * forgets those that must have connected by now, and holds them weakly, as each has a socket, which
 * holds it.
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
 * One request's way to an agent. `fetch` takes it for a dispatcher; it notes which connection the
 * request went over.
 *
 * A second try has to go over a fresh one: it closes what it is given of others, each of which may
 * be stale too, until the agent opens one. So a try never has a connection beside those that the
 * agent may have.
 */
class Route {
  /** Whether it was given a connection that is not fresh, and closed that. */
  refused = false;
  /** Whether it was used, and not another one that a `Request` carries. */
  used = false;
  readonly #agent: Agent;
  readonly #fresh: boolean;
  /**
   * `undefined` if the agent is the user's, or has options of the user's: then no other will do.
   */
  readonly #globals: Globals | undefined;
  #socket: Socket | undefined;
  #reused = false;
  #bytesRead = 0;

  constructor(agent: Agent, fresh: boolean, globals: Globals | undefined) {
    this.#agent = agent;
    this.#fresh = fresh;
    this.#globals = globals;
  }

  /**
   * Whether the request went over a connection that had served another, and no byte has come since.
   */
  get stale(): boolean {
    return this.#reused && this.#socket?.bytesRead === this.#bytesRead;
  }

  dispatch(options: object, handler: object): boolean {
    this.used = true;
    // A `fetch` of another version of undici has handlers that the agent may not understand.
    const other = this.#globals?.otherDispatcher(handler);
    if (other !== undefined) {
      disown();
      return other.dispatch(options, handler);
    }
    // undici makes the request, and says so on its channel, before this call returns.
    dispatching = this;
    try {
      // undici uses a connection again in a later turn of the event loop. That does not come while a test fakes turns and
      // never ticks: then each request has a connection of its own, of an agent that has no others.
      return this.#agent.dispatch(areTurnsFaked() ? { ...options, reset: true } : options, handler);
    } finally {
      dispatching = undefined;
    }
  }

  /**
   * The request is about to be written. undici may do that again, over another connection, where it
   * could not.
   */
  sent(socket: Socket) {
    this.#socket = socket;
    this.#bytesRead = socket.bytesRead;
    this.#reused = this.#bytesRead > (socket[FRESH] ??= this.#bytesRead);
    this.refused = this.#fresh && this.#reused && socket.alpnProtocol !== "h2";
    if (this.refused) this.end();
  }

  /** Destroys the socket, unless others may use it, over HTTP/2. */
  end() {
    if (this.#socket?.alpnProtocol !== "h2") this.#socket?.destroy();
  }
}

/** The route that calls its agent now. */
let dispatching: Route | undefined;

let watching = false;

/**
 * Learns from undici's diagnostics channels which socket each request goes over: no error tells it
 * in every case.
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

/** Whether the options complete the `Request` that they came with: after a redirect they do not. */
function isWhole(request: Request, url: URL, init: Init): boolean {
  return request.url === url.href && (request.body === null || init.body != null);
}

/** A response may outlive its transport: this waits for what is under way, and for nothing else. */
function release(agent: Agent) {
  agent.close().catch(() => {});
}

/** `fetch` wraps the error of the connection. */
function isDead(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return DEAD.has(cause?.code ?? code ?? "");
}

/** What undici has set for the whole process. */
class Globals {
  /** The version of the runtime's own undici. */
  readonly version: number;
  readonly #process: NodeProcess;
  /** Under which `fetch` looks for its dispatcher. */
  readonly #key: symbol;
  #dispatchers: Dispatchers | undefined;
  /** The dispatcher that was looked at last, with its method. */
  #dispatcher: Dispatcher | undefined;
  #dispatch: unknown;
  #Agent: AgentConstructor | undefined;

  constructor(process: NodeProcess) {
    this.#process = process;
    this.version = parseInt(process.versions?.undici ?? "");
    this.#key = this.version < 8 ? OLD_DISPATCHER : NEW_DISPATCHER;
  }

  get #all(): Dispatchers {
    return this.#dispatchers ??= findDispatchers(this.#process);
  }

  /**
   * Finds the constructor of the dispatcher that bare `fetch` uses, so that its agents suit this
   * `fetch`. There is none if the user has a say in the matter: a mock, a proxy, an agent with
   * options or interceptors must not be passed by.
   *
   * Looked up for each request, because `setGlobalDispatcher()` may be called at any time.
   */
  findAgent(): AgentConstructor | undefined {
    const dispatcher = this.#all[this.#key] as Dispatcher | undefined;
    if (dispatcher === this.#dispatcher && dispatcher?.dispatch === this.#dispatch) return this.#Agent;
    this.#dispatcher = dispatcher;
    this.#dispatch = dispatcher?.dispatch;
    return this.#Agent = dispatcher && agentOf(dispatcher, this.#process);
  }

  /**
   * Has a route in the place of the global dispatcher for one call. `fetch` looks for the global
   * one, before it returns, only if the `Request` that it is given carries none.
   */
  instead<T>(route: Route, call: () => T): T {
    const before = this.#all[this.#key];
    this.#all[this.#key] = route;
    try {
      return call();
    } finally {
      this.#all[this.#key] = before;
    }
  }

  /** The dispatcher for a handler of another version of undici. */
  otherDispatcher(handler: object): Dispatcher | undefined {
    const isNew = "onRequestStart" in handler;
    if (isNew === this.version >= 8) return undefined;
    return this.#all[isNew ? NEW_DISPATCHER : OLD_DISPATCHER] as Dispatcher | undefined;
  }
}

function findDispatchers(process: NodeProcess): Dispatchers {
  // Reading any of undici's globals loads it, and with it come the dispatchers.
  void (globalThis as { Headers?: unknown }).Headers;
  if (OLD_DISPATCHER in globalThis) return globalThis as unknown as Dispatchers;
  // In another realm, such as that of a test runner, they stay with the main one.
  const main = process.getBuiltinModule?.("node:vm").runInThisContext("globalThis") ?? {};
  void (main as { Headers?: unknown }).Headers;
  return main;
}

function agentOf(dispatcher: Dispatcher, process: NodeProcess): AgentConstructor | undefined {
  const constructor = dispatcher.constructor as unknown as AgentConstructor;
  // `compose()` makes a proxy object that has another `dispatch`, and nothing else.
  if (dispatcher.dispatch !== constructor.prototype.dispatch) return undefined;
  const isDefault = constructor.name === "Agent" ||
    constructor.name === "EnvHttpProxyAgent" && usesEnvProxy(process);
  if (!isDefault) return undefined;
  if (!plain.has(dispatcher)) plain.set(dispatcher, isAlike(dispatcher, new constructor({})));
  if (!plain.get(dispatcher)) return undefined;
  watchSockets(process);
  return constructor;
}

/** Whether dispatchers have no settings of the user's. */
const plain = new WeakMap<object, boolean>();

/**
 * Whether Node itself, at its start, made the proxy agent. One made by the user may have a
 * `noProxy` nobody can see.
 */
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

/**
 * Whether two dispatchers were made with the same settings. Where those cannot be found, they were
 * not.
 */
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
  // A plain object's, perhaps of another realm.
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return keys;
  const known = keys.filter((key) => typeof key === "symbol" && SETTINGS.has(key.description ?? ""));
  return known.length > 0 ? known : undefined;
}
