// Copyright 2026 the Hangup authors. MIT license.

/**
 * The dispatchers of undici, the HTTP client inside Node: which one `fetch` uses, and whether the
 * user has set it.
 *
 * @module
 */

import { resultOf } from "../causes.ts";
import { isObject, isPlainObject, own } from "../options.ts";
import { isWorkerd, mainRealm, platformStream } from "../runtime.ts";

/** The part of undici's `Agent` and `EnvHttpProxyAgent` that is used here. */
export interface Agent {
  readonly isMockActive?: boolean;
  dispatch(options: object, handler: object): boolean;
  close(): Promise<void>;
  destroy(reason: Error): Promise<void>;
}

export type AgentConstructor = new (options: object) => Agent;

/** The part of `process` that is used here. */
export interface NodeProcess {
  readonly versions?: { readonly undici?: string };
  readonly env: { [Name in "NODE_OPTIONS" | "NODE_USE_ENV_PROXY" | "NO_PROXY" | "no_proxy"]?: string | undefined };
  readonly execArgv: readonly string[];
}

/** Globals of Node, among them the dispatchers under undici's symbols. */
interface Globals {
  readonly Headers?: unknown;
  [key: symbol]: unknown;
}

/** A dispatcher of the process. */
interface Dispatcher extends Agent {
  readonly closed: boolean;
  readonly destroyed: boolean;
  eventNames(): unknown[];
  [key: string | symbol]: unknown;
}

/**
 * The key of the dispatcher that `fetch` uses in undici up to version 7. Version 8 keeps only a
 * wrapper for older versions there.
 */
const OLD_DISPATCHER = Symbol.for("undici.globalDispatcher.1");

/** The key of the dispatcher that `fetch` uses in undici 8. */
const NEW_DISPATCHER = Symbol.for("undici.globalDispatcher.2");

/** Returns Node's `process`, and `undefined` on another platform. workerd has one like it. */
export function findNode(): NodeProcess | undefined {
  const { process } = globalThis as { process?: NodeProcess };
  return process?.versions?.undici !== undefined && !isWorkerd() ? process : undefined;
}

/** The major version of the runtime's own undici, or `NaN` on a platform that has none. */
export function undiciVersion(): number {
  const { process } = globalThis as { process?: NodeProcess };
  return parseInt(process?.versions?.undici ?? "");
}

/** The key under which a runtime's object keeps something private: a symbol with a description. */
export function findKey(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((key) => key.description === description);
}

/** The dispatchers that undici keeps for the whole process. */
export class Dispatchers {
  /** Node's process. A program may replace the global one later. */
  readonly #process = findNode()!;
  /** The key under which `fetch` finds its dispatcher. */
  readonly #key = keyOf(undiciVersion() >= 8);
  /** The globals that have the dispatchers. */
  readonly #globals = findGlobals();
  /**
   * The dispatcher that {@linkcode Dispatchers.findConstructor} checked last, and its `dispatch`
   * method.
   */
  latest: Dispatcher | undefined;
  #dispatch: unknown;
  /**
   * The constructor of that dispatcher, if the dispatcher is undici's own and has no settings of
   * the user.
   */
  #Agent: AgentConstructor | undefined;

  /**
   * Finds the constructor of the dispatcher that bare `fetch` uses, so that our agents fit this
   * `fetch`. Returns `undefined` if the user has set a dispatcher, such as a mock, a proxy, or an
   * agent with options, interceptors or listeners, because requests must not bypass it. A closed
   * one is also left to `fetch`, which then fails.
   *
   * It is called for each request, because the user may call `setGlobalDispatcher()` at any time.
   *
   * @param anew Whether an agent is about to be made. The environment may have changed since the
   * last look, and an agent of ours would then have other proxies.
   */
  findConstructor(anew = false): AgentConstructor | undefined {
    const dispatcher = this.#globals[this.#key] as Dispatcher | undefined;
    if (anew || dispatcher !== this.latest || dispatcher?.dispatch !== this.#dispatch) {
      this.latest = dispatcher;
      this.#dispatch = dispatcher?.dispatch;
      // If the environment or the dispatcher cannot be read or changed, the dispatcher counts as
      // the user's.
      this.#Agent = dispatcher && resultOf(() => constructorOf(dispatcher, this.#process));
    }
    if (this.#Agent === undefined) return undefined;
    const { closed, destroyed } = dispatcher!;
    return closed || destroyed || dispatcher!.eventNames().length > 0 ? undefined : this.#Agent;
  }

  /**
   * Replaces the global dispatcher with a route for one call, unless the globals are frozen.
   * `fetch` looks up the global one before it returns, and only if its `Request` carries no
   * dispatcher.
   */
  callWith<T>(route: object | false, call: () => T): T | undefined {
    const before = this.#globals[this.#key];
    if (!Reflect.set(this.#globals, this.#key, route)) return undefined;
    try {
      return call();
    } finally {
      this.#globals[this.#key] = before;
    }
  }

  /**
   * Whether a `Request` carries a dispatcher, which nobody can read from Node 24 on. If it carries
   * none and there is no global one either, `fetch` throws at once. Otherwise it copies the body
   * before it calls the dispatcher, and a locked stream cannot be copied, so nothing is sent. A
   * `Request` of another class, such as one of the package undici, counts as carrying none: `fetch`
   * takes it for a URL, and does not come to the body.
   *
   * @returns `undefined` if it is seen at once that the `Request` carries none.
   */
  carries(
    fetch: (request: Request, init: RequestInit) => Promise<unknown>,
    request: Request,
  ): Promise<boolean> | undefined {
    const stream = new (platformStream())(own({}));
    stream.getReader();
    let read: unknown;
    const body = Object.assign(new Blob(["-"]), { stream: () => read = stream });
    const init = own({ method: "POST", body, redirect: "follow", signal: null } as const);
    // Where the globals are frozen, nobody can see it, and it counts as none.
    const sent = resultOf(() => this.callWith(false, () => fetch(request, init)));
    const carries = sent?.then(() => true, (error) => error.code !== "ERR_ASSERTION");
    return read ? carries : undefined;
  }

  /** Returns the dispatcher for a handler of another version of undici. */
  otherDispatcher(handler: object): Dispatcher | undefined {
    const key = keyOf("onRequestStart" in handler);
    return key === this.#key ? undefined : this.#globals[key] as Dispatcher | undefined;
  }
}

const keyOf = (isNew: boolean) => isNew ? NEW_DISPATCHER : OLD_DISPATCHER;

function findGlobals(): Globals {
  const globals = globalThis as Globals;
  // Reading any of undici's globals loads undici, which creates the dispatchers. The value is used,
  // because a minifier may leave out a read whose value is not.
  if (globals.Headers !== undefined && OLD_DISPATCHER in globals) return globals;
  // In another realm, such as that of a test runner, only the main realm has the dispatchers.
  const main = mainRealm<Globals>() ?? {};
  return main.Headers === undefined ? {} : main;
}

function constructorOf(dispatcher: Dispatcher, process: NodeProcess): AgentConstructor | undefined {
  const constructor = dispatcher.constructor as unknown as AgentConstructor;
  // `compose()` makes a proxy object that differs only in its `dispatch`.
  if (dispatcher.dispatch !== constructor.prototype.dispatch) return undefined;
  // A user's class may have the name of one of undici's. It must not be constructed.
  if (Object.getPrototypeOf(constructor).name !== "DispatcherBase") return undefined;
  const { name } = constructor;
  if (name === "EnvHttpProxyAgent") {
    // The result is not kept, because the environment may change.
    const isNodes = usesEnvProxy(process) && isAlike(dispatcher, new constructor({})) &&
      exemptsByEnvironment(dispatcher, process.env);
    return isNodes ? constructor : undefined;
  }
  if (name !== "Agent") return undefined;
  if (!isDefault.has(dispatcher)) isDefault.set(dispatcher, isAlike(dispatcher, new constructor({})));
  return isDefault.get(dispatcher) ? constructor : undefined;
}

/** For each dispatcher, whether it has no settings of the user. */
const isDefault = new WeakMap<object, boolean>();

/**
 * Whether a proxy agent finds in the environment which hosts need no proxy. Nobody can see whether
 * it has a `noProxy` option instead. So this function lets the environment exempt one of two hosts,
 * and observes which inner agents get the requests to them. It replaces those agents meanwhile, so
 * that nothing is sent, and puts everything back before it returns. It throws if the agent is
 * closed or works in another way.
 */
function exemptsByEnvironment(dispatcher: Dispatcher, env: NodeProcess["env"]): boolean {
  const variable = env.no_proxy === undefined ? "NO_PROXY" : "no_proxy";
  const exempt = env[variable];
  const keys = Object.getOwnPropertySymbols(dispatcher).filter((key) => key.description?.endsWith(" proxy agent"));
  const agents = keys.map((key) => dispatcher[key]);
  const asked: unknown[] = [];
  try {
    env[variable] = "exempt.invalid";
    for (const key of keys) dispatcher[key] = { dispatch: () => asked.push(key.description) > 0 };
    for (const host of ["exempt", "other"]) {
      dispatcher.dispatch({ origin: `http://${host}.invalid`, path: "/", method: "GET" }, {});
    }
  } finally {
    try {
      keys.forEach((key, index) => dispatcher[key] = agents[index]);
    } finally {
      env[variable] = exempt ?? "";
      if (exempt === undefined) delete env[variable];
    }
  }
  return asked.join() === "no proxy agent,http proxy agent";
}

/** Whether Node makes a proxy agent when it starts. */
function usesEnvProxy({ env, execArgv }: NodeProcess): boolean {
  return env.NODE_USE_ENV_PROXY === "1" || / --use-env-proxy /.test(` ${execArgv.join(" ")} ${env.NODE_OPTIONS} `);
}

/** Matches the descriptions of the symbols under which undici's dispatchers keep their settings. */
const SETTINGS =
  /^(?:options|factory|(?:no|http|https) proxy agent|proxy (?:agent options|headers)|(?:request|proxy) tls settings|tunnel proxy)$/;

/**
 * Whether two dispatchers were made with the same settings. If the settings cannot be found,
 * returns `false`.
 */
function isAlike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const keys = settings(a);
  return keys !== undefined && keys.length === settings(b)?.length &&
    keys.every((key) => isAlike(Reflect.get(a, key), Reflect.get(b, key)));
}

function settings(value: object): PropertyKey[] | undefined {
  const keys = Reflect.ownKeys(value);
  if (isPlainObject(value)) return keys; // all its keys are settings
  const known = keys.filter((key) => typeof key === "symbol" && SETTINGS.test(key.description ?? ""));
  return known.length > 0 ? known : undefined;
}
