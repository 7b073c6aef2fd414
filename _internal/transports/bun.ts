// Copyright 2026 the Hangup authors. MIT license.

/**
 * The transport for Bun: from 1.4.3 a `Bun.FetchSession` of its own.
 *
 * @module
 */

import type { Transport } from "../../transport.ts";
import { PLATFORM, type Platform } from "./platform.ts";

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
 * @returns The transport, or `undefined` on another platform, and on a Bun without `Bun.FetchSession` if `idle` is not 0.
 */
export function bunTransport(idle: number, own: object = {}): Transport | undefined {
  const bun = (globalThis as { Bun?: BunNamespace }).Bun;
  if (bun === undefined) return undefined;
  if (idle === 0) return new BunTransport(undefined, { ...own, keepalive: false });
  const { FetchSession } = bun;
  if (typeof FetchSession !== "function") return undefined;
  // Bun counts in seconds, and refuses what is too little.
  const session = new FetchSession({ keepAlive: { idleTimeout: Math.max(idle, 1) / 1000 } });
  return new BunTransport(session, { ...own, session });
}

class BunTransport implements Transport {
  readonly closesSockets = true;
  readonly [PLATFORM]: Platform = {
    endsBodies: true,
    decodes: (coding) => this.decodes(coding),
  };
  // A thread of its own takes sockets back and closes them, the latter with a delay of milliseconds where the machine is busy. A
  // turn is some 1.5 us.
  readonly coolingTurns = 64;
  readonly closingTurns = 4096;
  /** `undefined` where no idle socket is kept. */
  readonly #session: FetchSession | undefined;
  readonly #own: object;
  #closed = false;

  constructor(session: FetchSession | undefined, own: object) {
    this.#session = session;
    this.#own = own;
  }

  /** Not where a user's `fetch` is in its place, which may have cloned the response. */
  get ownsChunks(): boolean {
    return this.fetch === BunTransport.prototype.fetch;
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    // Bun itself would go on: a closed session opens sockets as before.
    if (this.#closed) throw new TypeError("Cannot send the request as the transport is closed");
    Object.assign(init, this.#own);
    try {
      return await globalThis.fetch(url, init);
    } finally {
      // What was in flight at `close()` has put its socket back into the pool.
      if (this.#closed) this.#session?.close();
    }
  }

  /** Bun passes over what says nothing, and decodes no two codings. */
  decodes(coding: string): boolean {
    const codings = coding.split(",").map((part) => part.trim()).filter((part) => part !== "" && part !== "identity");
    return codings.length === 1 && /^(?:(?:x-)?gzip|deflate|br|zstd)$/.test(codings[0]!);
  }

  close() {
    this.#closed = true;
    this.#session?.close();
  }
}
