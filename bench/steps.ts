// Copyright 2026 the Hangup authors. MIT license.
//
// The steps from bare `fetch` to a session, as contenders: what each costs that the platform is asked for, alone and
// together, and what the pool adds. The runtimes' own means are used as they are, without the module's transports.
import { Pool } from "../pool.ts";
import { type Client, loadClient } from "./clients.ts";

interface Platform {
  Deno?: { createHttpClient(options: object): unknown };
  Bun?: { FetchSession: new () => unknown };
  [key: symbol]: { constructor: new () => unknown };
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

/** All that the session asks the platform for. */
function askAll(): (url: string) => Promise<string> {
  const connections = ownConnections();
  return async (url) => {
    const { signal } = new AbortController();
    return await decode(await fetch(url, { ...connections, ...manual, signal }));
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
