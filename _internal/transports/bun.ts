// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Bun. From Bun 1.4.3 on, it has its own `Bun.FetchSession`.
 *
 * @module
 */

import { hide, MAX_DELAY, own } from "../options.ts";
import { decodes } from "./codings.ts";
import { dropped, type Remains } from "./dropped.ts";
import { globalFetch, isRuntimeFetch, sendThrough } from "./global_fetch.ts";
import { type Adapter, makePlatform, PLATFORM, type Platform, refuseClosed } from "./platform.ts";

/** The part of `Bun.FetchSession` that is used here. */
interface FetchSession {
  close(): void;
}

/** The part of the `Bun` namespace that is used here. */
interface BunNamespace {
  FetchSession?: new (options: { keepAlive: { idleTimeout: number } }) => FetchSession;
}

/** The options of Bun's `fetch()`, including those that are not in the standard. */
type Init = RequestInit & {
  keepalive?: boolean | undefined;
  session?: FetchSession;
  decompress?: boolean;
  timeout?: boolean;
};

/**
 * Makes the transport for Bun.
 *
 * @param idle Time in milliseconds that an idle socket is kept.
 * @param options Options of Bun's `fetch()`.
 * @returns The transport, or `undefined` on another platform. Also `undefined` on a Bun without
 * `Bun.FetchSession`, unless `idle` is 0.
 */
export function bunTransport(idle: number, options: object = {}): Adapter | undefined {
  const bun = (globalThis as { Bun?: BunNamespace }).Bun;
  if (bun === undefined) return undefined;
  if (idle === 0) return new BunTransport(undefined, options);
  const { FetchSession } = bun;
  if (typeof FetchSession !== "function") return undefined;
  // Bun counts in seconds, and refuses both 0 and Infinity.
  const idleTimeout = Math.min(Math.max(idle, 1), MAX_DELAY) / 1000;
  return new BunTransport(new FetchSession(own({ keepAlive: own({ idleTimeout }) })), options);
}

class BunTransport implements Adapter {
  readonly [PLATFORM]: Platform;
  /** `undefined` if the transport keeps no idle socket. */
  readonly #session: FetchSession | undefined;
  readonly #options: [string, unknown][];
  /** `owners` is empty because Bun itself closes a session that was garbage-collected. */
  readonly #remains: Remains = { used: false, owners: [], release() {} };
  #closed = false;

  constructor(session: FetchSession | undefined, options: Init) {
    this.#session = session;
    this.#options = Object.entries(options);
    this[PLATFORM] = makePlatform(this, this.#remains, {
      decodes: (coding, init: Init) => decodes(coding, own({ ...options, ...init })),
    });
  }

  get closesSockets(): boolean {
    return isRuntimeFetch();
  }

  fetch(url: URL, init: Init): Promise<Response> {
    // Check this here, because Bun does not: a closed session of Bun still opens sockets.
    if (this.#closed) return refuseClosed();
    this.#remains.used = true;
    for (const [name, value] of this.#options) (init as Record<string, unknown>)[name] ??= value;
    const fetch = globalFetch();
    const give = isRuntimeFetch(fetch) ? Reflect.set : hide;
    // The session has its own timeouts. Bun's ends a request after five minutes without a byte.
    if (init.timeout == null) give(init, "timeout", false);
    if (this.#session === undefined) init.keepalive = false;
    else if (init.session == null) give(init, "session", this.#session);
    return sendThrough(fetch, url, init);
  }

  /**
   * A request that is still running puts its socket back into the session. Therefore the pool calls
   * this again when the last request has ended.
   */
  close() {
    this.#closed = true;
    dropped?.unregister(this);
    this.#session?.close();
  }
}
