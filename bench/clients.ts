// Copyright 2026 the Hangup authors. MIT license.
//
// The contenders, each used as its documentation says and with its defaults; the peers also at
// equal work. They are imported on demand, so that each process holds only one of them, and so that
// these files can be checked where the peers are not installed.
import { ownConnections } from "./platform.ts";

/** One request of a contender. What it resolves with must be as long as that of the others. */
export type Call = (url: string) => Promise<unknown>;

/** What a contender can be asked for. */
export interface Client {
  readonly text?: Call;
  readonly json?: Call;
  readonly bytes?: Call;
  /** Resolves with the number of bytes. */
  readonly stream?: Call;
  /**
   * Looks at the status alone, in the way that is nearest at hand. Resolves with what a program
   * would keep.
   */
  readonly status?: Call;
  /** Ends the client, where it has an end. */
  readonly close?: () => Promise<unknown>;
}

/** The packages of package.json, in the order that charts show. */
export const PEERS = ["ky", "ofetch", "wretch", "redaxios", "axios", "got", "undici"] as const;

const EQUAL = ", equal work";

/**
 * The contender that is a peer with what a session gives each request: a timeout, a signal,
 * connections of its own.
 */
export const equal = (peer: string): string => peer + EQUAL;

const peerOf = (name: string): string => name.endsWith(EQUAL) ? name.slice(0, -EQUAL.length) : name;

export const isPeer = (name: string): boolean => (PEERS as readonly string[]).includes(peerOf(name));

/**
 * Whether a peer has to be behind us at equal work. `undici.request` is no `fetch`, and does less.
 */
export const mustBeBehind = (peer: string): boolean => peer !== "undici";

export async function count(body: AsyncIterable<Uint8Array>): Promise<number> {
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
  "axios, streamed": async () => {
    const { default: axios } = await load("axios");
    return { status: (url) => axios.get(url, { responseType: "stream" }) };
  },
};

const TIMEOUT_MS = 30_000;
const freshSignal = () => new AbortController().signal;

/** A `fetch` with connections of its own. */
function ownFetch(): typeof fetch {
  const connections = ownConnections();
  return (input, init) => fetch(input, { ...init, ...connections });
}

/** Connections of one's own for clients over `node:http`, which is loaded for them alone. */
async function httpAgent() {
  const { Agent } = await import("node:http");
  return new Agent({ keepAlive: true });
}

/**
 * Calls with a signal that a timer aborts: what a program writes for a client without a timeout
 * beside its signal.
 */
async function withDeadline<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
  try {
    return await call(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** The peers, as they come or at equal work. */
const peers: Record<string, (equal: boolean) => Promise<Client>> = {
  "ky": async (equal) => {
    const { default: ky } = await load("ky");
    const own = { timeout: TIMEOUT_MS, fetch: ownFetch() };
    const send = equal ? (url: string) => ky(url, { ...own, signal: freshSignal() }) : (url: string) => ky(url);
    return {
      text: (url) => send(url).text(),
      json: (url) => send(url).json(),
      bytes: async (url) => new Uint8Array(await send(url).arrayBuffer()),
      stream: async (url) => await count((await send(url)).body),
      status: (url) => send(url),
    };
  },
  "ofetch": async (equal) => {
    const { createFetch, ofetch } = await load("ofetch");
    const own = createFetch({ fetch: ownFetch() });
    const send = equal
      ? (url: string, options?: object) => withDeadline((signal) => own(url, { ...options, signal }))
      : ofetch;
    return {
      text: (url) => send(url, { responseType: "text" }),
      json: (url) => send(url),
      bytes: async (url) => new Uint8Array(await send(url, { responseType: "arrayBuffer" })),
      stream: async (url) => await count(await send(url, { responseType: "stream" })),
      status: (url) => ofetch.raw(url, { responseType: "text" }),
    };
  },
  "wretch": async (equal) => {
    const { default: wretch } = await load("wretch");
    const own = wretch().fetchPolyfill(ownFetch());
    const send = (method: string): Call =>
      equal
        ? (url) => withDeadline((signal) => own.url(url).options({ signal }).get()[method]())
        : (url) => wretch(url).get()[method]();
    const sendForBytes = send("arrayBuffer");
    const sendForResponse = send("res");
    return {
      text: send("text"),
      json: send("json"),
      bytes: async (url) => new Uint8Array(await sendForBytes(url) as ArrayBuffer),
      stream: async (url) => await count((await sendForResponse(url) as Response).body!),
      status: sendForResponse,
    };
  },
  "redaxios": async (equal) => {
    const { default: redaxios } = await load("redaxios");
    const own = ownFetch();
    // It passes no signal on, but takes a `fetch`.
    const send = equal
      ? (url: string, options?: object) =>
        withDeadline((signal) =>
          redaxios.get(url, { ...options, fetch: (url: string, init: object) => own(url, { ...init, signal }) })
        )
      : (url: string, options?: object) => redaxios.get(url, options);
    return {
      // Even where text is asked for, it parses what is JSON.
      text: async (url) => (await send(url, { responseType: "text" })).data,
      json: async (url) => (await send(url)).data,
      bytes: async (url) => new Uint8Array((await send(url, { responseType: "arrayBuffer" })).data),
      stream: async (url) => await count((await send(url, { responseType: "stream" })).data),
      status: (url) => send(url, { responseType: "text" }),
    };
  },
  "axios": async (equal) => {
    const { default: axios } = await load("axios");
    const own = { timeout: TIMEOUT_MS, httpAgent: await httpAgent() };
    const send = (url: string, options?: object) =>
      axios.get(url, equal ? { ...own, ...options, signal: freshSignal() } : options);
    return {
      text: async (url) => (await send(url, { responseType: "text" })).data,
      json: async (url) => (await send(url)).data,
      bytes: async (url) => (await send(url, { responseType: "arraybuffer" })).data,
      stream: async (url) => await count((await send(url, { responseType: "stream" })).data),
      status: (url) => send(url, { responseType: "text" }),
    };
  },
  "got": async (equal) => {
    const { default: got } = await load("got");
    const own = { timeout: { request: TIMEOUT_MS }, agent: { http: await httpAgent() } };
    const options = () => equal ? { ...own, signal: freshSignal() } : undefined;
    return {
      text: (url) => got(url, options()).text(),
      json: (url) => got(url, options()).json(),
      bytes: (url) => got(url, options()).buffer(),
      stream: async (url) => await count(got.stream(url, options())),
      status: (url) => got(url, options()),
    };
  },
  "undici": async (equal) => {
    // Its import must not become the dispatcher of bare `fetch`, so the runtime's own is loaded
    // before.
    void new Headers();
    const { Agent, request } = await load("undici");
    const own = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS, dispatcher: new Agent() };
    const send = (url: string) => equal ? request(url, { ...own, signal: freshSignal() }) : request(url);
    return {
      text: async (url) => await (await send(url)).body.text(),
      json: async (url) => await (await send(url)).body.json(),
      bytes: async (url) => new Uint8Array(await (await send(url)).body.arrayBuffer()),
      stream: async (url) => await count((await send(url)).body),
      status: (url) => send(url),
    };
  },
};

/** The steps are loaded when one is asked for, because they bring the module with them. */
async function loadStep(name: string) {
  const { SHARES, STEPS } = await import("./steps.ts");
  return SHARES[name] ?? STEPS[name];
}

/** Loads a contender. */
export async function loadClient(name: string): Promise<Client> {
  const peer = peers[peerOf(name)];
  if (peer) return await peer(peerOf(name) !== name);
  const loader = loaders[name] ?? await loadStep(name);
  if (!loader) throw new TypeError(`No such client: ${name}`);
  return await loader();
}
