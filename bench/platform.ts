// Copyright 2026 the Hangup authors. MIT license.
//
// What each runtime offers for connections of one's own, used as it is: without the module's
// transports.

interface Platform {
  Deno?: { createHttpClient(options: object): unknown };
  Bun?: { FetchSession: new () => unknown };
  [key: symbol]: { constructor: new (options?: object) => unknown };
}

const platform = globalThis as unknown as Platform;

/** The class of the global dispatcher of Node's own undici. */
function nodeAgent() {
  void new Headers(); // loads undici
  return platform[Symbol.for("undici.globalDispatcher.2")]!.constructor;
}

/** What gives a request the connections of a pool of one's own, for `fetch`'s init. */
export function ownConnections(): object {
  if (platform.Deno) return { client: platform.Deno.createHttpClient({}) };
  if (platform.Bun) return { session: new platform.Bun.FetchSession() };
  const Agent = nodeAgent();
  return { dispatcher: new Agent() };
}

const ENDED = new Error("ended");

/**
 * Gives a request a connection that no other gets, and closes it: for `fetch`'s init, with the
 * function that ends it.
 */
export function oneConnection(): [init: object, end: () => unknown] {
  if (platform.Deno) {
    const client = platform.Deno.createHttpClient({ poolMaxIdlePerHost: 0 }) as { close(): void };
    return [{ client }, () => client.close()];
  }
  if (platform.Bun) return [{ keepalive: false }, () => {}];
  const Agent = nodeAgent();
  const dispatcher = new Agent({ pipelining: 0, keepAliveTimeout: 1, connections: 1 }) as {
    destroy(e: Error): unknown;
  };
  return [{ dispatcher }, () => dispatcher.destroy(ENDED)];
}
