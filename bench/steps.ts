// Copyright 2026 the Hangup authors. MIT license.
//
// The steps from bare `fetch` to a session, as contenders: what each costs that the platform is asked for, alone and
// together, and what the pool adds. The runtimes' own means are used as they are, without the module's transports.
import { Pool } from "../pool.ts";
import { type Client, loadClient } from "./clients.ts";

interface Platform {
  Deno?: { createHttpClient(options: object): unknown };
  Bun?: { FetchSession: new () => unknown };
  [key: symbol]: { constructor: new (options?: object) => unknown };
}

/** What gives a request the connections of a pool of one's own, for `fetch`'s init. */
function ownConnections(): object {
  const platform = globalThis as unknown as Platform;
  if (platform.Deno) return { client: platform.Deno.createHttpClient({}) };
  if (platform.Bun) return { session: new platform.Bun.FetchSession() };
  void new Headers(); // loads undici
  return { dispatcher: new platform[Symbol.for("undici.globalDispatcher.2")]!.constructor() };
}

const decoder = new TextDecoder();
const decode = async (response: Response) => decoder.decode(await response.arrayBuffer());
const manual = { redirect: "manual" } as const;

type Ask = (url: string) => Promise<string>;

/** All that the session asks the platform for. */
function askAll(): Ask {
  const connections = ownConnections();
  return async (url) => {
    const { signal } = new AbortController();
    return await decode(await fetch(url, { ...connections, ...manual, signal }));
  };
}

/** Has at most so many asked at once, as a session of its own does. */
function limit(ask: Ask, atOnce: number): Ask {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (url) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await ask(url);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}

/** Gives a request a connection that no other gets, and closes it: for `fetch`'s init, with what ends it. */
function oneConnection(): [init: object, end: () => unknown] {
  const platform = globalThis as unknown as Platform;
  if (platform.Deno) {
    const client = platform.Deno.createHttpClient({ poolMaxIdlePerHost: 0 }) as { close(): void };
    return [{ client }, () => client.close()];
  }
  if (platform.Bun) return [{ keepalive: false }, () => {}];
  const { constructor: Agent } = platform[Symbol.for("undici.globalDispatcher.2")]!;
  const dispatcher = new Agent({ pipelining: 0, keepAliveTimeout: 1, connections: 1 }) as {
    destroy(e: Error): unknown;
  };
  return [{ dispatcher }, () => dispatcher.destroy(ENDED)];
}

const ENDED = new Error("ended");

/** In the order of the table. */
export const STEPS: Readonly<Record<string, () => Client | Promise<Client>>> = {
  "bare `fetch` + `text()`": () => loadClient("fetch"),
  "+ `arrayBuffer()` and decode": () => ({ text: async (url) => await decode(await fetch(url)) }),
  "+ own connections": () => {
    const connections = ownConnections();
    return { text: async (url) => await (await fetch(url, { ...connections })).text() };
  },
  "+ `AbortSignal`": () => ({
    text: async (url) => await (await fetch(url, { signal: new AbortController().signal })).text(),
  }),
  '+ `redirect: "manual"`': () => ({ text: async (url) => await (await fetch(url, { ...manual })).text() }),
  "all of these: the platform's share": () => ({ text: askAll() }),
  "the same with a lease of the pool": () => {
    const pool = new Pool();
    const ask = askAll();
    let origin: string | undefined;
    return {
      text: async (url) => {
        using _lease = await pool.acquire(origin ??= new URL(url).origin);
        return await ask(url);
      },
    };
  },
  "`session.get` + `text()`": () => loadClient("hangup"),
};

/** The platform's share in the rows of the bench: what a session cannot go below, as it does all of this and more. */
export const SHARES: Readonly<Record<string, () => Client>> = {
  "platform": () => {
    const ask = askAll();
    return { text: ask, json: async (url) => JSON.parse(await ask(url)) };
  },
  "platform, as a Response": () => {
    const connections = ownConnections();
    return {
      text: async (url) => {
        const { signal } = new AbortController();
        const response = await fetch(url, { ...connections, ...manual, signal });
        const { status, statusText, headers } = response;
        return await new Response(await response.arrayBuffer(), { status, statusText, headers }).text();
      },
    };
  },
  "platform, closing": () => {
    void new Headers(); // loads undici
    return {
      text: async (url) => {
        const [connection, end] = oneConnection();
        const controller = new AbortController();
        const timer = setTimeout(() => controller.abort(), 30_000);
        try {
          return await decode(await fetch(url, { ...connection, ...manual, signal: controller.signal }));
        } finally {
          clearTimeout(timer);
          await end();
        }
      },
    };
  },
  "platform, 64 at once": () => ({ text: limit(askAll(), 64) }),
};
