// Copyright 2026 the Hangup authors. MIT license.
//
// The steps from bare `fetch` to a session, as contenders: what each request to the platform costs,
// alone and together, and what the pool adds.
import { Pool } from "../pool.ts";
import { type Client, count, loadClient } from "./clients.ts";
import { oneConnection, ownConnections } from "./platform.ts";

const decoder = new TextDecoder();
const decode = async (response: Response) => decoder.decode(await response.arrayBuffer());
const manual = { redirect: "manual" } as const;

type Ask = (url: string) => Promise<string>;

/** A `fetch` with all that the session asks the platform for. */
function fetchWithAll(): (url: string) => Promise<Response> {
  const connections = ownConnections();
  return (url) => {
    const { signal } = new AbortController();
    return fetch(url, { ...connections, ...manual, signal });
  };
}

function askAll(): Ask {
  const fetch = fetchWithAll();
  return async (url) => await decode(await fetch(url));
}

/** Asks at most `atOnce` times at once, as a session does for an origin. */
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

/**
 * The platform's share in the rows of the bench: what a session cannot go below, as it does all of
 * this and more.
 */
export const SHARES: Readonly<Record<string, () => Client>> = {
  "platform": () => {
    const fetch = fetchWithAll();
    return {
      text: async (url) => await decode(await fetch(url)),
      json: async (url) => JSON.parse(await decode(await fetch(url))),
      bytes: async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer()),
      stream: async (url) => await count((await fetch(url)).body!),
    };
  },
  "platform, as a Response": () => {
    const fetch = fetchWithAll();
    return {
      text: async (url) => {
        const response = await fetch(url);
        const { status, statusText, headers } = response;
        return await new Response(await response.arrayBuffer(), { status, statusText, headers }).text();
      },
    };
  },
  "platform, closing": () => {
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
