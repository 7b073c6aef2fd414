// Copyright 2026 the Hangup authors. MIT license.

/**
 * The owner of the global `fetch`: the runtime, a mock or wrapper of the user, or a session.
 *
 * @module
 */

import { isRequest } from "../options.ts";
import { type BodyInit, builtin } from "../runtime.ts";
import { asGiven } from "../upload.ts";
import { contentOf, setContent } from "./forms.ts";
import { refuseRequest } from "./platform.ts";

/** Any function that is called like the standard `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** A session's `fetch`. */
interface SessionFetch extends Fetch {
  [BEHIND]?: Fetch;
  preconnect?: unknown;
}

/** The part of `AsyncLocalStorage` that is used here. */
interface Context {
  run<T>(sending: Sending, send: () => T): T;
  getStore(): Sending | undefined;
}

/** A request that a transport has given to a `fetch` that is not the runtime's. */
interface Sending {
  /** The URL, or an empty string once there is an answer. */
  href: string;
  /** The function that the request was given to. */
  readonly fetch: Fetch;
  /** Whether that is the session's own option `fetch`, and not the global function. */
  readonly chosen: boolean;
  /** The request that a function was given when it sent this one. */
  readonly outer: Sending | undefined;
  /** The sessions that have passed this one back to the function before them. */
  readonly passed: readonly Fetch[];
}

/**
 * The key under which a session's `fetch` keeps the function that was global before it. All copies
 * of this module share the key, so that each copy recognizes the sessions of the others.
 */
const BEHIND: unique symbol = Symbol.for("hangup.behind");

/**
 * The source of the runtime's own `fetch` on Node, Deno and Bun. The name alone is not enough,
 * because a mock or wrapper may be a function of that name, set before this module is loaded. If a
 * new version of a runtime does not match, its `fetch` counts as a user's, so that nothing of the
 * user's is bypassed.
 */
const RUNTIMES_SOURCE =
  /^function fetch\(.*(?:internal\/deps\/undici|lazyFetch|webidl\.requiredArguments|\{\s*\[native code\]\s*\}$)/s;

/** Why a request is refused that would be sent to itself without end. */
const ENDLESS = 'as the global fetch sends it to the session again: give the session the original as "fetch"';

/** The runtime's own `fetch`. */
let runtimeFetch: Fetch | undefined;

/** The last global function that was found not to be the runtime's. */
let foreignFetch: Fetch | undefined;

// Look at it now, because most programs that replace `fetch` do so after this module is loaded.
isRuntimeFetch();

/** Follows a request through the user's functions. It is made when the first request needs it. */
let context: Context | undefined;

/**
 * Returns the function to send requests with. It is looked up for each request, because a mock may
 * replace the global one at any time. If a session's `fetch` is global, this returns the function
 * that was global before it, because a session must not send through itself.
 */
export function globalFetch(): Fetch {
  let fetch: SessionFetch = globalThis.fetch;
  while (fetch?.[BEHIND] !== undefined) fetch = fetch[BEHIND];
  return fetch;
}

/** Whether a function is the runtime's own `fetch`, so that its responses and options are known. */
export function isRuntimeFetch(fetch: Fetch = globalFetch()): boolean {
  if (fetch === runtimeFetch) return true;
  if (fetch === foreignFetch || typeof fetch !== "function") return false;
  // On Bun, a function that `bind()` has made looks like a native one, but for its name, and a mock
  // of `bun:test` but for its `mock`.
  const source = Function.prototype.toString.call(fetch);
  const runtimes = RUNTIMES_SOURCE.test(source) && fetch.name === "fetch" && !("mock" in fetch);
  if (runtimes) runtimeFetch = fetch;
  else foreignFetch = fetch;
  return runtimes;
}

/** Returns the runtime's own `fetch`, if it is known. Another function may be global. */
export function runtimesFetch(): Fetch | undefined {
  return runtimeFetch;
}

/**
 * Corrects {@linkcode isRuntimeFetch}: the function that it took for the runtime's is not the
 * runtime's.
 */
export function disown() {
  foreignFetch = runtimeFetch;
  runtimeFetch = undefined;
}

/**
 * Sends a request. If it goes through a function of the user's, and that function calls the `fetch`
 * of a session for the same request, {@linkcode sessionFetch} notices. If it sends another request
 * to the same origin through a session, that one does not pass through the function again, because
 * it would never end. A request to another origin does pass through it, so that a mock answers that
 * one, too.
 *
 * @param input What a function of the user's gets first. A session's own option `fetch` gets `url`
 * itself.
 */
export function sendThrough(
  fetch: Fetch,
  url: URL,
  init: RequestInit,
  // Most callers give the global `fetch` a string, and many mocks accept nothing else.
  input: string | URL | Request = url.href,
): Promise<Response> {
  if (!isRuntimeFetch(fetch)) return sendThroughUsers(fetch, url, init, input);
  const content = contentOf(init.body);
  return content === undefined ? fetch(url, init) : setContent(init, content).then(() => fetch(url, init));
}

async function sendThroughUsers(fetch: Fetch, url: URL, init: RequestInit, input: string | URL | Request) {
  context ??= makeContext();
  let outer = context.getStore();
  // Leave out requests that have an answer. Otherwise a mock that sends one request after the other
  // would chain them for ever.
  while (outer?.href === "") outer = outer.outer;
  for (let sending = outer; sending !== undefined; sending = sending.outer) {
    const isSame = sending.fetch === fetch && sending.href !== "" && new URL(sending.href).origin === url.origin;
    if (isSame && runtimeFetch !== undefined) return await runtimeFetch(input, init);
    if (isSame && sending.href === url.href) return await refuseRequest(ENDLESS);
  }
  if (init.body != null) init.body = asGiven(init.body) as BodyInit;
  const sending = { href: url.href, fetch, chosen: input === url, outer, passed: [] };
  try {
    return await context.run(sending, () => fetch(input, init));
  } finally {
    sending.href = "";
  }
}

/**
 * Makes the `fetch` of a session fit to be the global one, itself or called by a function that is.
 *
 * @param perform Sends a request through the session.
 * @param optionFetch The session's own option `fetch`, if there is one.
 * @returns The session's `fetch`. A request of a transport that comes back to it goes to the
 * function that was global before, because the session would wait for a connection that this
 * request holds.
 */
export function sessionFetch(perform: Fetch, optionFetch?: Fetch): Fetch {
  const behind: SessionFetch = globalFetch();
  // The function is a property, because bundlers do not rename properties. It is not an arrow
  // function, because the standard `fetch` looks like a constructor, and an arrow function does
  // not.
  const { fetch }: { fetch: SessionFetch } = {
    fetch: function (given, init = undefined) { // so its length is 1, as that of most
      try {
        // Convert it once, as the standard does: a user's `toString()` may return another URL each
        // time.
        const input = isRequest(given) || given instanceof URL ? given : String(given);
        const sending = context?.getStore();
        // A request that another session sends through its own option `fetch` is a new one for this
        // session.
        const isBack = sending?.href && (!sending.chosen || sending.fetch === optionFetch) &&
          sending.href === (isRequest(input) ? input.url : String(input));
        if (!isBack) return perform(input, init);
        // The function before may call this session again, if it has made the session itself.
        if (sending.passed.includes(fetch)) return runtimeFetch?.(input, init) ?? refuseRequest(ENDLESS);
        const passed = [...sending.passed, fetch];
        return context!.run(Object.assign(Object.create(sending), { passed }), () => behind(input, init));
      } catch (error) {
        return Promise.reject(error); // thrown if the input cannot be converted to a string
      }
    },
  };
  fetch[BEHIND] = behind;
  // Bun's `preconnect()` opens a socket for a later request. A session opens no socket without a
  // request, so here it does nothing. It is only a hint, so that is allowed.
  if (behind?.preconnect !== undefined) fetch.preconnect = () => {};
  return fetch;
}

function makeContext(): Context {
  const { AsyncLocalStorage } = builtin<{ AsyncLocalStorage?: new () => Context }>("node:async_hooks") ?? {};
  if (AsyncLocalStorage) return new AsyncLocalStorage();
  // Browsers have no `AsyncLocalStorage`. This replacement follows a request only until the user's
  // function first waits.
  let current: Sending | undefined;
  return {
    run(sending, send) {
      const before = current;
      current = sending;
      try {
        return send();
      } finally {
        current = before;
      }
    },
    getStore: () => current,
  };
}
