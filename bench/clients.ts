// Copyright 2026 the Hangup authors. MIT license.
//
// The contenders, each used as its documentation says and with its defaults. They are imported by need: so that a
// process of its own holds one of them only, and that these files can be checked where the peers are not installed.

/** One request of a contender. What it resolves with must be as long as that of the others. */
export type Call = (url: string) => Promise<unknown>;

/** What a contender can be asked for. */
export interface Client {
  readonly text?: Call;
  readonly json?: Call;
  readonly bytes?: Call;
  /** Resolves with the number of bytes. */
  readonly stream?: Call;
  /** Looks at the status alone, in the way that is nearest at hand. Resolves with what a program would keep. */
  readonly status?: Call;
  /** Ends the client, where it has an end. */
  readonly close?: () => Promise<unknown>;
}

/** The packages of package.json, in the order that charts show. */
export const PEERS = ["ky", "ofetch", "wretch", "redaxios", "axios", "got", "undici"] as const;

export const isPeer = (name: string): boolean => (PEERS as readonly string[]).includes(name);

/** Whether a peer has to be behind us in every row of small bodies. `undici.request` is no `fetch`, and does less. */
export const mustBeBehind = (peer: string): boolean => peer !== "undici";

async function count(body: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of body) length += chunk.length;
  return length;
}

const load = async (name: string) => await import(name);
const newSession = async () => new (await import("../mod.ts")).Session();

const loaders: Record<string, () => Client | Promise<Client>> = {
  "fetch": () => ({
    text: async (url) => await (await fetch(url)).text(),
    json: async (url) => await (await fetch(url)).json(),
    bytes: async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer()),
    stream: async (url) => await count((await fetch(url)).body!),
    status: (url) => fetch(url),
  }),
  "fetch, closing": () => {
    const init = { headers: { connection: "close" } };
    return { text: async (url) => await (await fetch(url, init)).text() };
  },
  "hangup": async () => {
    const session = await newSession();
    return {
      text: async (url) => await (await session.get(url)).text(),
      json: async (url) => await (await session.get(url)).json(),
      bytes: async (url) => (await session.get(url)).content,
      stream: async (url) => await count(await session.get(url, { prefetch: false })),
      status: (url) => session.get(url),
      close: () => session.close(),
    };
  },
  "hangup, streamed": async () => {
    const session = await newSession();
    return {
      status: (url) => session.get(url, { prefetch: false }),
      close: () => session.close(),
    };
  },
  "session.fetch": async () => {
    const session = await newSession();
    return {
      text: async (url) => await (await session.fetch(url)).text(),
      status: (url) => session.fetch(url),
      close: () => session.close(),
    };
  },
  "get()": async () => {
    const { get } = await import("../mod.ts");
    return {
      text: async (url) => await (await get(url)).text(),
      status: (url) => get(url),
    };
  },
  "ky": async () => {
    const { default: ky } = await load("ky");
    return {
      text: (url) => ky(url).text(),
      json: (url) => ky(url).json(),
      status: (url) => ky(url),
    };
  },
  "ofetch": async () => {
    const { ofetch } = await load("ofetch");
    return {
      text: (url) => ofetch(url, { responseType: "text" }),
      json: (url) => ofetch(url),
      status: (url) => ofetch.raw(url, { responseType: "text" }),
    };
  },
  "wretch": async () => {
    const { default: wretch } = await load("wretch");
    return {
      text: (url) => wretch(url).get().text(),
      json: (url) => wretch(url).get().json(),
      status: (url) => wretch(url).get().res(),
    };
  },
  "redaxios": async () => {
    const { default: redaxios } = await load("redaxios");
    return {
      // Even where text is asked for, it parses what is JSON.
      text: async (url) => (await redaxios.get(url, { responseType: "text" })).data,
      json: async (url) => (await redaxios.get(url)).data,
      status: (url) => redaxios.get(url, { responseType: "text" }),
    };
  },
  "axios": async () => {
    const { default: axios } = await load("axios");
    return {
      text: async (url) => (await axios.get(url, { responseType: "text" })).data,
      json: async (url) => (await axios.get(url)).data,
      status: (url) => axios.get(url, { responseType: "text" }),
    };
  },
  "axios, streamed": async () => {
    const { default: axios } = await load("axios");
    return { status: (url) => axios.get(url, { responseType: "stream" }) };
  },
  "got": async () => {
    const { default: got } = await load("got");
    return {
      text: (url) => got(url).text(),
      json: (url) => got(url).json(),
      status: (url) => got(url),
    };
  },
  "undici": async () => {
    // Its import must not become the dispatcher of bare `fetch`, so the runtime's own is loaded before.
    void new Headers();
    const { request } = await load("undici");
    return {
      text: async (url) => await (await request(url)).body.text(),
      json: async (url) => await (await request(url)).body.json(),
      status: (url) => request(url),
    };
  },
};

/** The steps are loaded by need, too, as they bring the module with them. */
async function loadStep(name: string) {
  const { SHARES, STEPS } = await import("./steps.ts");
  return SHARES[name] ?? STEPS[name];
}

/** Loads a contender. */
export async function loadClient(name: string): Promise<Client> {
  const loader = loaders[name] ?? await loadStep(name);
  if (!loader) throw new TypeError(`No such client: ${name}`);
  return await loader();
}
