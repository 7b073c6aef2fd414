// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Node. It has its own `Agent`, made with the constructor of the dispatcher that
 * bare `fetch` uses.
 *
 * @module
 */

import { resultOf } from "../causes.ts";
import { TurnDrain } from "../drain.ts";
import { headerOf, isIdempotent } from "../http.ts";
import { checkMethods, describe, MAX_DELAY, own, plain } from "../options.ts";
import { areTimersFaked, areTurnsFaked, Clock } from "../timers.ts";
import { isStream } from "../upload.ts";
import { CARRIER } from "./carried.ts";
import { dropped, type Remains } from "./dropped.ts";
import { type Fetch, globalFetch, isRuntimeFetch, runtimesFetch, sendThrough } from "./global_fetch.ts";
import { type Adapter, makePlatform, PLATFORM, type Platform, refuseClosed, refuseRequest } from "./platform.ts";
import { type Agent, type AgentConstructor, Dispatchers, findNode, undiciVersion } from "./undici.ts";
import { Route } from "./undici_route.ts";

/** The options of Node's `fetch()`, including those that are not in the standard. */
type Init = RequestInit & { dispatcher?: unknown; [CARRIER]?: Request };

/** The options of a transport that are used here. The others are those of an `Agent`, too. */
interface Options {
  readonly dispatcher?: Agent | null;
  readonly connect?: object;
  readonly proxyTls?: object;
  readonly keepAliveTimeout?: number;
}

/** The error codes of a connection that died. */
const DEAD = new Set(["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE"]);

/**
 * The error to destroy all agents with. Without it, undici would make an error for each agent, and
 * its stack trace takes longer than the rest of a close. It is not made at load, because Node 22
 * cannot put an error into a snapshot.
 */
let closed: Error | undefined;

/** How long undici waits for a connection, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/**
 * Makes the transport for Node.
 *
 * @param idleTimeout Time in milliseconds that an idle socket is kept.
 * @param options Options of undici's `Agent`, or a `dispatcher` to use and to close.
 * @param connections The largest number of sockets to one origin.
 * @returns The transport, or `undefined` on another platform.
 * @throws {TypeError} If there is a `proxy` option, which would have no effect. If `dispatcher` is
 * not a dispatcher, or there are other options beside it. If there are options, but `fetch` goes
 * through a dispatcher of the user's, which they cannot reach.
 */
export function nodeTransport(idleTimeout: number, options: Options = {}, connections = Infinity): Adapter | undefined {
  if (findNode() === undefined) return undefined;
  if (Object.hasOwn(options, "proxy")) {
    throw new TypeError('Cannot create a transport as Node has no option "proxy": give a "dispatcher"');
  }
  const { dispatcher = null, ...others } = options;
  if (dispatcher !== null) {
    checkMethods('Cannot create a transport as "dispatcher"', dispatcher, "dispatch", "destroy");
    const [other] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
    if (other !== undefined) {
      const reason = `"dispatcher" and ${describe(other)} exclude each other: give it to the dispatcher`;
      throw new TypeError(`Cannot create a transport as ${reason}`);
    }
  }
  return new NodeTransport(dispatcher ?? undefined, others, idleTimeout, connections);
}

/** Why options of an `Agent` cannot be used. */
const UNREACHED = "with options of an Agent as fetch goes through another dispatcher";

/** Whether the global `fetch` is that of happy-dom, which ignores all dispatchers. */
function ignoresDispatchers(): boolean {
  return "happyDOM" in globalThis && !isRuntimeFetch();
}

class NodeTransport implements Adapter {
  readonly [PLATFORM]: Platform;
  readonly #dispatchers = new Dispatchers();
  /** The user's own dispatcher. */
  readonly #dispatcher: Agent | undefined;
  /** Whether the user has given options. If so, a request that cannot use them must fail. */
  readonly #configured: boolean;
  readonly #connecting = new Connecting();
  /** The options for the agents. */
  readonly #options: Options;
  readonly #idle: number;
  /** The largest number of sockets to one origin, unless the user has given another one. */
  #connections: number;
  /**
   * The user's dispatcher, or two agents: the second one is for use while a test fakes timers or
   * turns. Each is made at its first use.
   */
  readonly #agents: Agent[];
  readonly #remains: Remains<Agent>;
  /** The global dispatcher that the agents were modelled on. */
  #model: unknown;
  #closed = false;

  constructor(dispatcher: Agent | undefined, options: Options, idle: number, connections: number) {
    this.#dispatcher = dispatcher;
    this.#configured = dispatcher !== undefined || Object.keys(options).length > 0;
    if (this.#configured && (!this.#hasAgents || ignoresDispatchers())) {
      throw new TypeError(`Cannot create a transport ${UNREACHED}`);
    }
    this.#options = options;
    this.#idle = idle;
    this.#connections = connections;
    this.#agents = dispatcher === undefined ? [] : [dispatcher];
    // The user's dispatcher may have other users.
    this.#remains = { used: false, owners: dispatcher === undefined ? this.#agents : [], release: closeGracefully };
    this[PLATFORM] = makePlatform(this, this.#remains, {
      ...(dispatcher !== undefined && { sender: () => undefined }),
      appliesPolicies: true,
      limit: (connections) => this.#connections = Math.min(this.#connections, connections),
      // undici counts a connection as in use for one or two turns more, and one over TLS that is
      // cut off for up to four. It would queue a request until then, and send it in the async
      // context of another one.
      drain: (free) => new TurnDrain(free, 2, 4),
    });
  }

  /**
   * Whether requests can go to agents: not if they must go to a dispatcher that the user set for
   * the process.
   */
  get #hasAgents(): boolean {
    return (this.#dispatcher ?? this.#dispatchers.findConstructor()) !== undefined;
  }

  get closesSockets(): boolean {
    return isRuntimeFetch() && this.#hasAgents;
  }

  fetch(url: URL, init: Init): Promise<Response> {
    if (this.#closed) return refuseClosed();
    const fetch = globalFetch();
    const { dispatcher } = init;
    // A falsy dispatcher would make undici throw at the end of the request, where nobody can catch
    // it.
    if (dispatcher === null) delete init.dispatcher;
    else if (dispatcher !== undefined && typeof Object(dispatcher).dispatch !== "function") {
      return refuseRequest(`as "dispatcher" must have the method "dispatch": received ${describe(dispatcher)}`);
    }
    if ((init.dispatcher !== undefined || this.#configured) && ignoresDispatchers()) return refuseRequest(UNREACHED);
    const carrier = init[CARRIER];
    const request = wholeRequest(fetch, url, init);
    if (carrier !== request && init.dispatcher === undefined && runtimesFetch() !== undefined) {
      return this.#fetchCarried(carrier!, fetch, url, init);
    }
    if (init.dispatcher === undefined && (this.#configured || isRuntimeFetch(fetch))) {
      const agent = this.#dispatcher ?? this.#findAgent();
      if (agent !== undefined) return this.#fetchTwice(fetch, url, init, agent);
      if (this.#configured) return refuseRequest(UNREACHED);
    }
    return request === undefined ? sendThrough(fetch, url, init) : fetch(request, init);
  }

  /**
   * Sends a request that the runtime's `fetch` does not get as the caller's `Request`. If that
   * carries a dispatcher, a wrapper of the global `fetch` gets the `Request`, as from bare `fetch`.
   * A request that differs from it in more than its options would lose the dispatcher, so it is
   * refused.
   */
  #fetchCarried(carrier: Request, fetch: Fetch, url: URL, init: Init): Promise<Response> {
    const whole = isWhole(url, init);
    delete init[CARRIER];
    const send = (carries: boolean) => {
      if (!carries) return NodeTransport.prototype.fetch.call(this, url, init); // the user may have wrapped `this.fetch`
      if (this.#closed) return refuseClosed();
      if (init.signal?.aborted) return Promise.reject(init.signal.reason);
      if (whole) return sendThrough(fetch, url, init, carrier);
      const reason = "as its Request carries a dispatcher, which a query or a redirect would lose";
      return refuseRequest(`${reason}: give it as an option`);
    };
    // Mostly at once, because a mock may be in place only for the time of the call.
    return this.#dispatchers.carries(runtimesFetch()!, carrier)?.then(send) ?? send(false);
  }

  async #fetchTwice(fetch: Fetch, url: URL, init: Init, agent: Agent): Promise<Response> {
    for (let fresh = false;; fresh = true) {
      const once = agent !== this.#dispatcher && this.#idle === 0 && !asksForClose();
      const route = new Route(agent, fresh, once, this.#configured ? undefined : this.#dispatchers);
      try {
        const response = await this.#send(fetch, url, init, route);
        if (route.used) delete init[CARRIER];
        if (waitsForBody(response)) route.end();
        return response;
      } catch (error) {
        const repeatable = isIdempotent(init.method ?? "GET") && !isStream(init.body);
        const unanswered = !fresh && route.stale || route.isUnsent(causeOf(error));
        const again = route.refused || repeatable && unanswered && isDead(error);
        if (!again || this.#closed || init.signal?.aborted) throw error;
      }
    }
  }

  #send(fetch: Fetch, url: URL, init: Init, route: Route): Promise<Response> {
    const request = wholeRequest(fetch, url, init);
    if (request !== undefined) {
      const sent = this.#dispatchers.callWith(route, () => fetch(request, init));
      return sent ?? (this.#configured ? refuseRequest(UNREACHED) : fetch(request, init));
    }
    // A copy, because a wrapper of this transport may use the options once more. They may also be a
    // `Request`.
    return sendThrough(fetch, url, own({ ...plain(init), dispatcher: route }) as unknown as Init);
  }

  /** Returns the agent to use now. Makes it if there is none yet. */
  #findAgent(): Agent | undefined {
    const agents = this.#agents;
    const index = Number(areTimersFaked() || areTurnsFaked());
    const Agent = this.#dispatchers.findConstructor(agents[index] === undefined);
    // If another dispatcher takes the place of Node's, the environment may have other proxies, too.
    const { latest } = this.#dispatchers;
    if (latest !== this.#model) agents.splice(0).forEach(closeGracefully);
    this.#model = latest;
    return Agent && (agents[index] ??= this.#makeAgent(Agent));
  }

  #makeAgent(Agent: AgentConstructor): Agent {
    this.#remains.used = true;
    const signal = this.#connecting;
    // A faked timer may jump by minutes. It may also leave out the arguments that undici passes to
    // the callback, which then throws in the user's test. So undici gets no short timeouts while
    // timers are faked.
    const idle = areTimersFaked() ? MAX_DELAY : this.#idle;
    const {
      connect,
      proxyTls,
      keepAliveTimeout = Math.min(Math.ceil(idle) || 1, MAX_DELAY),
    } = this.#options;
    return new Agent(own({
      // Without a limit, undici opens a new socket while another one is on its way back to the
      // agent.
      ...(this.#connections < Infinity && { connections: this.#connections }),
      // The session has its own timeouts. Only undici's 10 s for connecting stay, as for bare
      // `fetch`.
      headersTimeout: 0,
      bodyTimeout: 0,
      // A server's `Keep-Alive: timeout` may shorten the time, never extend it.
      keepAliveMaxTimeout: keepAliveTimeout,
      ...this.#options,
      keepAliveTimeout,
      ...(this.#idle === 0 && { pipelining: asksForClose() ? 0 : 1 }), // 0: a new connection for each request
      connect: typeof connect === "function" ? connect : own({ ...connect, signal }),
      proxyTls: own({ ...proxyTls, signal }), // for the connections to a proxy, even without TLS
    }));
  }

  async close() {
    this.#closed = true;
    dropped?.unregister(this);
    const destroyed = this.#agents.map(destroy);
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
  readonly #clock = new Clock();
  /** The listeners in the order in which they were added, each with that time. */
  readonly #listeners = new Map<WeakRef<() => void>, number>();

  addEventListener(_type: "abort", listener: () => void) {
    const now = this.#clock.now();
    this.#listeners.set(new WeakRef(listener), now);
    for (const [reference, since] of this.#listeners) {
      if (since > now - CONNECT_TIMEOUT) return;
      this.#listeners.delete(reference);
    }
  }

  removeEventListener() {}

  end() {
    for (const reference of this.#listeners.keys()) resultOf(() => reference.deref()?.());
    this.#listeners.clear();
  }
}

/**
 * Whether undici may ask a server to close a connection after its response. Up to version 7, undici
 * throws an error that nobody can catch if the server does so while a body is read slowly. There, a
 * {@linkcode Route} has undici close the connection.
 */
function asksForClose(): boolean {
  return undiciVersion() >= 8;
}

/**
 * Whether undici waits for a body although the response has none. With status 205 it waits unless
 * the announced length is 0. Up to version 6, it also waits with 204 and 304 if a body is
 * announced.
 */
function waitsForBody({ status, headers }: Response): boolean {
  const length = headerOf(headers, "content-length");
  if (status === 205) return length !== "0";
  return (status === 204 || status === 304) && undiciVersion() < 7 &&
    (length !== null && length !== "0" || headers.has("transfer-encoding"));
}

/** Returns the `Request` that the options came with, if the runtime's `fetch` is to send it. */
function wholeRequest(fetch: Fetch, url: URL, init: Init): Request | undefined {
  return isWhole(url, init) && isRuntimeFetch(fetch) ? init[CARRIER] : undefined;
}

/** Whether the options belong to the `Request` that they came with: not after a redirect. */
function isWhole(url: URL, init: Init): boolean {
  const request = init[CARRIER];
  return request?.url === url.href && (request.body === null || init.body != null);
}

/**
 * Closes an agent gracefully: a response may outlive its transport, so requests under way can
 * finish.
 */
function closeGracefully(agent: Agent) {
  agent.close().catch(() => {});
}

/**
 * Ends all requests of an agent. undici's mocks cannot be destroyed. They are closed instead,
 * unless they are closed already.
 */
async function destroy(agent: Agent): Promise<void> {
  try {
    await agent.destroy(closed ??= new Error("The transport is closed"));
  } catch {
    await agent.close().catch((error) => {
      if (error.code !== "UND_ERR_DESTROYED") throw error;
    });
  }
}

/** The connection's own error, which `fetch` wraps. */
function causeOf(error: unknown): unknown {
  return Object(error).cause ?? error;
}

/** Whether an error says that the connection died. */
function isDead(error: unknown): boolean {
  return DEAD.has(Object(causeOf(error)).code);
}
