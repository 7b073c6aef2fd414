// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Bun from 1.4.3: a `Bun.FetchSession` of its own.
 *
 * @module
 */

import type { Transport } from "./transport.ts";

/** What is used of `Bun.FetchSession`. */
interface FetchSession {
  close(): void;
}

/** What is used of the `Bun` namespace. */
interface BunNamespace {
  FetchSession?: new (options: { keepAlive: { idleTimeout: number } }) => FetchSession;
}

/**
 * Makes the transport for Bun.
 *
 * @param idle Time in milliseconds that an idle socket is kept.
 * @param own Options of Bun's `fetch()`.
 * @returns The transport, or `undefined` on another platform and on a Bun without `Bun.FetchSession`.
 */
export function bunTransport(idle: number, own: object = {}): Transport | undefined {
  const FetchSession = (globalThis as { Bun?: BunNamespace }).Bun?.FetchSession;
  if (typeof FetchSession !== "function") return undefined;
  // Bun counts in seconds, and refuses 0.
  const idleTimeout = Math.max(idle, 1) / 1000;
  return new BunTransport(new FetchSession({ keepAlive: { idleTimeout } }), own);
}

class BunTransport implements Transport {
  readonly closesSockets = true;
  readonly ownsChunks = true;
  // Of a body that was cut off, the socket is closed some turns later.
  readonly coolingTurns = 6;
  readonly #session: FetchSession;
  readonly #own: object;
  #closed = false;

  constructor(session: FetchSession, own: object) {
    this.#session = session;
    this.#own = { ...own, session };
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    // Bun itself would go on: a closed session opens sockets as before.
    if (this.#closed) throw new TypeError("Cannot send the request as the transport is closed");
    Object.assign(init, this.#own);
    try {
      return await globalThis.fetch(url, init);
    } finally {
      // What was in flight at `close()` has put its socket back into the pool.
      if (this.#closed) this.#session.close();
    }
  }

  /** Bun passes over what says nothing, and decodes no two codings. */
  decodes(coding: string): boolean {
    const codings = coding.split(",").map((part) => part.trim()).filter((part) => part !== "" && part !== "identity");
    return codings.length === 1 && /^(?:(?:x-)?gzip|deflate|br|zstd)$/.test(codings[0]!);
  }

  close() {
    this.#closed = true;
    this.#session.close();
  }
}
