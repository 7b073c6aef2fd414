// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Node. It has its own `Agent`, made with the constructor of the dispatcher that
 * bare `fetch` uses.
 *
 * @module
 */

import { isIdempotent } from "../http.ts";
import { isStream } from "../upload.ts";
import { CARRIER } from "./carried.ts";
import { type Remains, unwatch, watch } from "./dropped.ts";
import { disown, type Fetch, globalFetch, isRuntimes, sendThrough } from "./global_fetch.ts";
import { own as withoutInherited } from "../options.ts";
import { type Adapter, makePlatform, MAX_TIMEOUT, PLATFORM, type Platform, Refusal, refuseClosed } from "./platform.ts";
import { areTimersFaked, areTurnsFaked } from "../timers.ts";
import { isWorkerd } from "../workerd.ts";

/** The part of undici's `Agent` and `EnvHttpProxyAgent` that is used here. */
interface Agent {
  dispatch(options: object, handler: object): boolean;
  close(): Promise<void>;
  destroy(reason: Error): Promise<void>;
}

/** The options of Node's `fetch()`, including those that are not in the standard. */
type Init = RequestInit & { dispatcher?: unknown; [CARRIER]?: Request };

/** The `Request`s that are known to carry a dispatcher. */
const carriers = new WeakSet<Request>();

type AgentConstructor = new (options: object) => Agent;

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
}

/** A message that undici publishes on its diagnostics channels. */
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

/** The dispatchers of the process, under undici's symbols. */
interface Dispatchers {
  [key: symbol]: unknown;
}

/** A dispatcher of the process. */
type Dispatcher = Agent & Record<PropertyKey, unknown>;

/** The error codes of a connection that died. */
const DEAD = new Set(["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE"]);

/**
 * The error to destroy all agents with. Without it, undici would make an error for each agent, and
 * its stack trace takes longer than the rest of a close.
 */
const CLOSED = new Error("The transport is closed");

/** How long undici waits for a connection, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/**
 * The session has its own timeouts, so undici's are off. Only its 10 s for connecting stay, as for
 * bare `fetch`.
 */
const NO_TIMEOUTS = { headersTimeout: 0, bodyTimeout: 0 };

/** The options that make an agent open a new connection for each request. */
const ONE_REQUEST = { pipelining: 0, keepAliveTimeout: 1 };

/**
 * The key of the dispatcher that `fetch` uses in undici up to version 7. Version 8 keeps only a
 * wrapper for older versions there.
 */
const OLD_DISPATCHER = Symbol.for("undici.globalDispatcher.1");

/** The key of the dispatcher that `fetch` uses in undici 8. */
const NEW_DISPATCHER = Symbol.for("undici.globalDispatcher.2");

/**
 * Makes the transport for Node.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param own Options of undici's `Agent`, or a `dispatcher` to use and to close.
 * @param connections The largest number of sockets to one origin.
 * @returns The transport, or `undefined` on another platform.
 * @throws {TypeError} If there is a `proxy` option, which would have no effect. Also if there are
 * options, and `fetch` goes through a dispatcher of the user that they cannot reach.
 */
export function nodeTransport(
  idleTimeout: number,
  own: { dispatcher?: unknown; connect?: object } = {},
  connections = Infinity,
): Adapter | undefined {
  const process = (globalThis as { process?: NodeProcess }).process;
  if (process?.versions?.undici === undefined || isWorkerd()) return undefined;
  const { dispatcher, ...given } = own;
  if (Object.hasOwn(given, "proxy")) {
    throw new TypeError('Cannot create a transport as Node has no option "proxy": give a "dispatcher"');
  }
  const globals = new Globals(process);
  const configured = Object.keys(given).length > 0;
  const unreached = dispatcher === undefined && globals.findAgent() === undefined;
  if ((configured || dispatcher !== undefined) && (unreached || ignoresDispatchers())) {
    throw new TypeError(`Cannot create a transport with options of an Agent as ${FOREIGN}`);
  }
  const options = connections < Infinity ? { connections, ...given } : given;
  const keepAliveTimeout = Math.min(Math.max(Math.ceil(idleTimeout), 1), MAX_TIMEOUT);
  const connecting = new Connecting();
  // A server's `Keep-Alive: timeout` may shorten the time, never extend it.
  const pooled = { keepAliveTimeout, keepAliveMaxTimeout: keepAliveTimeout };
  const settings = { ...options, ...NO_TIMEOUTS, ...(idleTimeout > 0 ? pooled : ONE_REQUEST) };
  const make = (Agent: AgentConstructor, secure: boolean) => {
    // The signal makes connecting a quarter slower. It is left out if there is neither TLS nor an
    // idle socket to keep, because without TLS the peer notices nothing of a connection that is not
    // established yet.
    const signal = idleTimeout > 0 || secure ? connecting : undefined;
    const { connect } = options;
    // A faked timer may jump by minutes. It may also leave out the arguments that undici passes to
    // the callback, which then throws in the user's test. So undici gets no short timeouts while
    // timers are faked.
    const idle = areTimersFaked() ? { keepAliveTimeout: MAX_TIMEOUT, keepAliveMaxTimeout: MAX_TIMEOUT } : undefined;
    const own = typeof connect === "function" ? connect : withoutInherited({ ...connect, signal });
    return new Agent(withoutInherited({ ...settings, ...idle, connect: own }));
  };
  if (dispatcher !== undefined) watchSockets(process);
  return new NodeTransport(globals, dispatcher as Agent | undefined, configured, connecting, make);
}

/** Why options of an `Agent` cannot be used. */
const FOREIGN = "fetch goes through another dispatcher";

function refuseOptions(): Promise<never> {
  return Promise.reject(new Refusal(`Cannot send the request with options of an Agent as ${FOREIGN}`));
}

/** Whether the global `fetch` is that of happy-dom, which ignores all dispatchers. */
function ignoresDispatchers(): boolean {
  return "happyDOM" in globalThis && !isRuntimes(globalFetch());
}

class NodeTransport implements Adapter {
  readonly [PLATFORM]: Platform;
  readonly #globals: Globals;
  /** The user's own dispatcher. */
  readonly #dispatcher: Agent | undefined;
  /** Whether the user has given options. If so, a request that cannot use them must fail. */
  readonly #configured: boolean;
  /**
   * Four agents: one for `http:`, one for `https:`, and another two for use while a test fakes
   * timers or turns. Each is made at its first use.
   */
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
    // The user's dispatcher may have other users, so it is not released here.
    const owners = dispatcher === undefined ? this.#agents : [];
    this.#remains = { used: dispatcher !== undefined, owners, release };
    this[PLATFORM] = makePlatform(
      () => this.fetch === NodeTransport.prototype.fetch && dispatcher === undefined && this.closesSockets,
      {
        // Node decodes a body with several codings too.
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
    if ((init.dispatcher !== undefined || this.#configured) && ignoresDispatchers()) return refuseOptions();
    if (init.dispatcher === undefined && (runtimes || this.#configured)) {
      const secure = url.protocol === "https:";
      const Agent = this.#dispatcher === undefined ? this.#globals.findAgent() : undefined;
      const index = Number(secure) + (areTimersFaked() || areTurnsFaked() ? 2 : 0);
      const agent = this.#dispatcher ?? (Agent && (this.#agents[index] ??= this.#makeAgent(Agent, secure)));
      if (agent !== undefined) {
        return this.#fetchTwice(runtimes ? fetch : sendThrough.bind(null, fetch), url, init, agent);
      }
      if (this.#configured) return refuseOptions();
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
        // A response with status 205 has no body, but undici reads on as long as the server sends
        // one.
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
 * Ends the sockets that are not connected yet, because an agent's `destroy()` would leave them open
 * for undici's 10 s. Node takes this object for an abort signal. Node never removes its listeners
 * from a real signal, so this one drops each listener once its socket must have connected. It holds
 * them weakly, because each listener keeps a socket in memory, and the socket keeps this object.
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
 * The way of one request to an agent. `fetch` takes it for a dispatcher. It records which
 * connection the request used.
 *
 * A second try must use a fresh connection. It closes every other connection that the agent offers,
 * because each may be stale too, until the agent opens a new one. So a try never uses more
 * connections than the agent may have.
 */
class Route {
  /** Whether the agent offered a connection that is not fresh, and this route closed it. */
  refused = false;
  /** Whether `fetch` used this route rather than a dispatcher that the `Request` carries. */
  used = false;
  readonly #agent: Agent;
  readonly #fresh: boolean;
  /**
   * `undefined` if the agent is the user's own or has the user's options. Then no other agent can
   * replace it.
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
   * Whether the request used a connection that had served another request, and no byte has arrived
   * since.
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
    // undici creates the request, and publishes that on its channel, before `dispatch()` returns.
    dispatching = this;
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
    this.refused = this.#fresh && this.#reused && socket.alpnProtocol !== "h2";
    if (this.refused) this.end();
  }

  /** Destroys the socket, unless other requests may share it, as over HTTP/2. */
  end() {
    if (this.#socket?.alpnProtocol !== "h2") this.#socket?.destroy();
  }
}

/** The route whose agent is being called. */
let dispatching: Route | undefined;

let watching = false;

/**
 * Subscribes to undici's diagnostics channels to learn which socket each request uses. Errors do
 * not always say so.
 *
 * The listeners stay until the process ends. For other users' requests, each costs one property
 * access.
 */
function watchSockets(process: NodeProcess) {
  if (watching) return;
  watching = true;
  const channels = process.getBuiltinModule?.("node:diagnostics_channel");
  // Without the channels, no connection counts as reused, so no request is sent twice.
  if (channels === undefined) return;
  channels.subscribe("undici:request:create", ({ request }) => {
    if (dispatching !== undefined) request[ROUTE] = dispatching;
  });
  channels.subscribe("undici:client:sendHeaders", ({ request, socket }) => {
    if (socket !== undefined) request[ROUTE]?.sent(socket);
  });
}

/**
 * Whether the options still belong to the `Request` that they came with. After a redirect they do
 * not.
 */
function isWhole(request: Request, url: URL, init: Init): boolean {
  return request.url === url.href && (request.body === null || init.body != null);
}

/**
 * Closes an agent gracefully: a response may outlive its transport, so requests under way can
 * finish.
 */
function release(agent: Agent) {
  agent.close().catch(() => {});
}

/** Whether an error says that the connection died. `fetch` wraps the connection's own error. */
function isDead(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return DEAD.has(cause?.code ?? code ?? "");
}

/** The dispatchers that undici keeps for the whole process. */
class Globals {
  /** The version of the runtime's own undici. */
  readonly version: number;
  readonly #process: NodeProcess;
  /** The key under which `fetch` finds its dispatcher. */
  readonly #key: symbol;
  #dispatchers: Dispatchers | undefined;
  /** The dispatcher that {@linkcode Globals.findAgent} checked last, and its `dispatch` method. */
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
   * Finds the constructor of the dispatcher that bare `fetch` uses, so that our agents fit this
   * `fetch`. Returns `undefined` if the user has set a dispatcher, such as a mock, a proxy, or an
   * agent with options or interceptors, because requests must not bypass it.
   *
   * It is called for each request, because the user may call `setGlobalDispatcher()` at any time.
   */
  findAgent(): AgentConstructor | undefined {
    const dispatcher = this.#all[this.#key] as Dispatcher | undefined;
    if (dispatcher === this.#dispatcher && dispatcher?.dispatch === this.#dispatch) return this.#Agent;
    this.#dispatcher = dispatcher;
    this.#dispatch = dispatcher?.dispatch;
    return this.#Agent = dispatcher && agentOf(dispatcher, this.#process);
  }

  /**
   * Replaces the global dispatcher with a route for one call. `fetch` looks up the global one
   * before it returns, and only if its `Request` carries no dispatcher.
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

  /** Returns the dispatcher for a handler of another version of undici. */
  otherDispatcher(handler: object): Dispatcher | undefined {
    const isNew = "onRequestStart" in handler;
    if (isNew === this.version >= 8) return undefined;
    return this.#all[isNew ? NEW_DISPATCHER : OLD_DISPATCHER] as Dispatcher | undefined;
  }
}

function findDispatchers(process: NodeProcess): Dispatchers {
  // Reading any of undici's globals loads undici, which creates the dispatchers.
  void (globalThis as { Headers?: unknown }).Headers;
  if (OLD_DISPATCHER in globalThis) return globalThis as unknown as Dispatchers;
  // In another realm, such as that of a test runner, only the main realm has the dispatchers.
  const main = process.getBuiltinModule?.("node:vm").runInThisContext("globalThis") ?? {};
  void (main as { Headers?: unknown }).Headers;
  return main;
}

function agentOf(dispatcher: Dispatcher, process: NodeProcess): AgentConstructor | undefined {
  const constructor = dispatcher.constructor as unknown as AgentConstructor;
  // `compose()` makes a proxy object that differs only in its `dispatch`.
  if (dispatcher.dispatch !== constructor.prototype.dispatch) return undefined;
  const isDefault = constructor.name === "Agent" ||
    constructor.name === "EnvHttpProxyAgent" && usesEnvProxy(process);
  if (!isDefault) return undefined;
  if (!plain.has(dispatcher)) plain.set(dispatcher, isAlike(dispatcher, new constructor({})));
  if (!plain.get(dispatcher)) return undefined;
  watchSockets(process);
  return constructor;
}

/** For each dispatcher, whether it has no settings of the user. */
const plain = new WeakMap<object, boolean>();

/**
 * Whether Node itself made the proxy agent when it started. An agent made by the user may have a
 * `noProxy` option that nobody can see.
 */
function usesEnvProxy({ env, execArgv }: NodeProcess): boolean {
  return env.NODE_USE_ENV_PROXY === "1" || execArgv.includes("--use-env-proxy") ||
    / --use-env-proxy /.test(` ${env.NODE_OPTIONS} `);
}

/** The descriptions of the symbols under which undici's dispatchers keep their settings. */
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
 * Whether two dispatchers were made with the same settings. If the settings cannot be found,
 * returns `false`.
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
  // This is a plain object, perhaps of another realm: all its keys are settings.
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return keys;
  const known = keys.filter((key) => typeof key === "symbol" && SETTINGS.has(key.description ?? ""));
  return known.length > 0 ? known : undefined;
}
