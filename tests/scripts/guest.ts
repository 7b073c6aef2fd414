// Copyright 2026 the Hangup authors. MIT license.
//
// A process whose `fetch`, dispatcher or client is not the runtime's own. Prints what came of its
// requests, as JSON. Arguments: the situation, the counting server's URL, and a URL that answers
// when the process may end.
import process from "node:process";
import type * as Hangup from "../../mod.ts";
import { carried } from "../../_internal/transports/carried.ts";

type Fetch = typeof fetch;
type Session = Hangup.Session;

const [what = "", url = "", last = ""] = process.argv.slice(2);
const own = globalThis.fetch;
const load = (): Promise<typeof Hangup> => import("../../mod.ts");
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const use = (fetch: unknown) => void (globalThis.fetch = fetch as Fetch);

const outcome = (response: Promise<{ status: number }>) =>
  response.then(({ status }) => status, (error) => `${error.name}: ${error.message} < ${error.cause?.message}`);

/** Wrappers of a session's `fetch`, each of which is made global. */
const wrappers: Record<string, (fetch: Fetch, session: Hangup.Session) => Fetch> = {
  "itself": (fetch) => fetch,
  "called": (fetch) => (input, init) => fetch(input, init),
  "called late": (fetch) => async (input, init) => {
    await pause(1);
    return await fetch(input, init);
  },
  "copied": (fetch) => (input, init) => fetch(input instanceof Request ? input : String(input), { ...init }),
  "as a Request": (fetch) => (input, init) => fetch(new Request(input, init)),
  "as a Request, late": (fetch) => async (input, init) => {
    const request = new Request(input, init);
    await pause(1);
    return await fetch(request);
  },
  "bound": (fetch) => fetch.bind(null),
  "with another URL": (fetch) => (input, init) => {
    const request = new Request(input, init);
    return fetch(new Request(`${request.url}?more`, request));
  },
  "by session.request()": (_, session) => async (input, init) =>
    (await session.request(new Request(input, init))).toResponse(),
};

/**
 * Makes a session's `fetch` global in this way, and sends one request by each way into the module.
 */
async function asGlobal(wrap: (fetch: Fetch, session: Hangup.Session) => Fetch, maxConnections = 1) {
  const { get, Session } = await load();
  // One connection, so that a request that came back to the session would wait for itself.
  const options = { pool: { maxConnections }, timeout: { queue: 1000 } };
  const session = new Session(options);
  use(wrap(session.fetch as Fetch, session));
  const results: unknown[] = [
    await outcome(fetch(`${url}/bytes/10`)),
    await outcome(fetch(new Request(`${url}/echo`, { method: "POST", body: "text" }))),
    await outcome(session.get(`${url}/bytes/10`)),
    await outcome(session.fetch(`${url}/bytes/10`)),
    await outcome(get(`${url}/bytes/10`)),
  ];
  const other = new Session(options);
  results.push(await outcome(other.get(`${url}/bytes/10`)));
  const { closesSockets } = session.pool;
  await session.close();
  await other.close();
  return { results, closesSockets };
}

/** Bun's types declare globals, so that they cannot stand beside Deno's. */
const BUN_TEST: string = "bun:test";

/** Mocks that look like a runtime's own `fetch`, each a little more. */
const mocks: Record<string, (answer: Fetch) => Fetch | Promise<Fetch>> = {
  "an async function": (answer) =>
    async function fetch(input, init) {
      return await answer(input, init);
    },
  "a function": (answer) =>
    function fetch(input, init) {
      return answer(input, init);
    },
  async "a spy of bun:test"(answer) {
    const { spyOn } = await import(BUN_TEST);
    const spy = spyOn(globalThis, "fetch").mockImplementation(answer);
    use(own); // until it is used
    return spy;
  },
};

/**
 * Has a mock as the global `fetch`, set before the module is loaded or after, and taken away again.
 */
async function mocked(before: boolean, kind: string) {
  const asked: unknown[] = [];
  const mock = await mocks[kind]!((input, init) => {
    asked.push([String(input), init?.method, init?.body]);
    return Promise.resolve(new Response("mocked", { status: 299 }));
  });
  if (before) use(mock);
  const { createTransport, get, Session } = await load();
  const session = new Session();
  use(mock);
  const results: unknown[] = [
    session.pool.closesSockets,
    await outcome(session.post("http://mock.invalid/", { body: "text" })),
    await outcome(session.fetch("http://mock.invalid/")),
    await outcome(get("http://mock.invalid/")),
    createTransport({ idleTimeout: 0 }).closesSockets,
  ];
  use(own);
  results.push(await outcome(session.get(`${url}/bytes/10`)), session.pool.closesSockets);
  await session.close();
  return { asked, results };
}

/**
 * Sends each of a session's ways over a global `fetch`, and says whether the session takes the
 * sockets for its own.
 */
async function over(fetch: unknown) {
  const { get, Session } = await load();
  const made = new Session();
  use(fetch);
  const results: unknown[] = [];
  for (const session of [made, new Session()]) {
    results.push(
      await outcome(session.get(`${url}/bytes/10`)),
      await outcome(session.post(`${url}/echo`, { body: "text" })),
      await outcome(session.fetch(`${url}/bytes/50000`)),
      session.pool.closesSockets,
    );
    await session.close();
  }
  results.push(await outcome(get(`${url}/bytes/10`)));
  return results;
}

/** Has a wrapper of `fetch` that reads a clone of each response. */
async function instrumented() {
  const read: Promise<number>[] = [];
  const results = await over(async (...args: Parameters<Fetch>) => {
    const response = await own(...args);
    read.push(response.clone().arrayBuffer().then(({ byteLength }) => byteLength));
    return response;
  });
  return { results, read: await Promise.all(read) };
}

/**
 * Sends what programs send over whatever is the global `fetch` now, leaves streams open, and
 * closes. Returns how long the bodies were, and what came of what was open.
 */
async function inCompany({ get, Session }: typeof Hangup) {
  const session = new Session();
  const length = async (response: Promise<Response>) => (await (await response).arrayBuffer()).byteLength;
  const lengths = [
    (await session.get(`${url}/bytes/10`)).content.byteLength,
    (await session.get(`${url}/chunked/100000`)).content.byteLength,
    (await session.get(`${url}/gzip/50000`)).content.byteLength,
    ...await Promise.all([1, 2].map(() => length(session.fetch(`${url}/bytes/200000`)))),
    (await session.get(`${url}/redirect/302?to=/bytes/20`)).content.byteLength,
    (await get(`${url}/bytes/30`)).content.byteLength,
  ];
  const { body } = await (await session.post(`${url}/echo`, { body: "text" })).json<{ body: string }>();
  // They have no end, but come slowly, because a copy may be read as fast as it comes.
  const endless = `${url}/drip?n=Infinity&gap=20`;
  for await (const _ of await session.get(endless, { prefetch: false })) break;
  const left = await session.get(endless, { prefetch: false });
  const unread = await session.fetch(endless);
  const asked = outcome(session.get(`${url}/hang`)).then((text) => String(text).split(":")[0]);
  const { closesSockets } = session.pool;
  await session.close();
  const ends = [left.closed, await asked, await unread.text().then(() => "read", ({ name }) => name)];
  return { lengths, body, closesSockets, ends };
}

/** Lets the case look while nothing of the sessions is left, but all that others keep is. */
async function afterwards<T>(result: T): Promise<T> {
  await own(last);
  return result;
}

/**
 * Has a patch of `fetch` like Next's, and over it Sentry, which traces each request and waits for
 * the end of each body, as its SDKs do. What it saw it sends nowhere.
 */
async function patchedAndTraced() {
  const { kept, underWay } = patchAsNext();
  const Sentry = await import("@sentry/core");
  const { ServerRuntimeClient } = await import("@sentry/core/server");
  const spans: { name: string; span_id: string; parent_span_id?: string; status: string }[] = [];
  const client = new ServerRuntimeClient({
    dsn: "http://key@sentry.invalid/1",
    integrations: [],
    stackParser: () => [],
    tracesSampleRate: 1,
    transport: (options) =>
      Sentry.createTransport(options, ({ body }) => {
        const text = typeof body === "string" ? body : new TextDecoder().decode(body);
        for (const line of text.split("\n")) spans.push(...JSON.parse(line).items ?? []);
        return Promise.resolve({ statusCode: 200 });
      }),
  });
  Sentry.setCurrentClient(client);
  client.init();
  const open = {};
  const read: string[] = [];
  Sentry.addFetchInstrumentationHandler((data) =>
    void Sentry.instrumentFetchRequest(data, () => true, () => true, open, { spanOrigin: "auto.http.fetch" })
  );
  Sentry.addFetchEndInstrumentationHandler(({ response }) => void read.push(new URL(response!.url).pathname));
  const result = await Sentry.startSpan({ name: "program" }, async () => await inCompany(await load()));
  await Promise.all(underWay);
  await client.flush(10_000);
  const program = spans.find(({ name }) => name === "program");
  const answered = spans.filter(({ status }) => status === "ok");
  const traced = answered.filter((span) => span.parent_span_id === program?.span_id).length;
  return await afterwards({ ...result, traced, read: read.sort(), kept: Object.fromEntries(kept) });
}

/**
 * Patches `fetch` as Next does: takes `next` out of the options, shares a GET between those who ask
 * at once, and keeps what it reads of a copy. Returns how long the bodies were that it kept.
 */
function patchAsNext() {
  const shared = new Map<string, Promise<Response>>();
  const kept = new Map<string, number>();
  const underWay: Promise<void>[] = [];
  const patched = async function (input: string | URL | Request, init: RequestInit & { next?: object } = {}) {
    const { next: _, ...rest } = init;
    const url = String(input);
    const isEndless = url.includes("/drip");
    const isShared = rest.method === "GET" && !isEndless;
    const sent = isShared && shared.get(url) || own(input, rest);
    if (isShared) shared.set(url, sent);
    const response = await sent;
    // The response itself stays unread, for whoever comes while this waits.
    const copies = [response.clone(), response.clone()];
    for (const copy of copies) Object.defineProperty(copy, "url", { value: response.url });
    const keep = async (copy: Response) => void kept.set(new URL(url).pathname, (await copy.arrayBuffer()).byteLength);
    if (!isEndless) underWay.push(keep(copies[0]!));
    queueMicrotask(() => shared.delete(url));
    return copies[1]!;
  };
  use(Object.assign(patched, { __nextPatched: true }));
  return { kept, underWay };
}

/**
 * Has nock answer, set before or after the session is made, and then lets requests through again.
 */
async function nocked(before: boolean) {
  const early = before ? undefined : await load();
  const made = early && new early.Session();
  const { default: nock } = await import("nock");
  nock.disableNetConnect();
  const at = nock("http://nock.invalid").persist();
  at.get("/").reply(200, { name: "Ada" });
  at.post("/echo").reply(201, (request: Request) => request.text());
  at.get("/old").reply(302, undefined, { location: "http://nock.invalid/" });
  // Nobody waits for this answer: the request below times out long before it.
  at.get("/late").delay(5000).reply(200, "late");
  at.get("/broken").replyWithError(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  const { Session, get } = early ?? await load();
  const session = made ?? new Session();
  const results: unknown[] = [
    await (await session.get("http://nock.invalid/")).json(),
    await (await session.post("http://nock.invalid/echo", { body: "text" })).text(),
    await (await session.get("http://nock.invalid/old")).json(),
    await (await session.fetch("http://nock.invalid/")).json(),
    await (await get("http://nock.invalid/")).json(),
    await outcome(session.get("http://nock.invalid/broken")),
    await outcome(session.get("http://nock.invalid/late", { timeout: 50 })),
    await outcome(session.get(`${url}/bytes/10`)),
    session.pool.closesSockets,
  ];
  nock.abortPendingRequests();
  nock.cleanAll();
  nock.enableNetConnect();
  nock.restore();
  results.push(await outcome(session.get(`${url}/bytes/10`)), session.pool.closesSockets);
  await session.close();
  return await afterwards(results);
}

/**
 * Has msw listen, which puts a proxy in the place of `Headers` and resolves relative URLs. Sends a
 * `Request` of each kind of body to a mock and past it, and asks for relative URLs.
 */
async function mockedByMsw() {
  const { Session } = await load();
  // msw looks for it, and Node then warns that it is experimental.
  Object.defineProperty(globalThis, "localStorage", { value: undefined });
  const { http, HttpResponse } = await import("msw");
  const { setupServer } = await import("msw/node");
  const server = setupServer(
    http.post("http://msw.invalid/", ({ request }) => HttpResponse.json(request.headers.get("authorization"))),
    http.get("http://msw.invalid/user", () => HttpResponse.json("Ada")),
  );
  server.listen({ onUnhandledRequest: "bypass" });
  const session = new Session();
  const form = new FormData();
  form.append("a", "b");
  const headers = { authorization: "Bearer 1" };
  const results: unknown[] = [];
  for (
    const body of ["text", new URLSearchParams("a=b"), form, new Blob(["x"], { type: "text/x" }), new Uint8Array(2)]
  ) {
    const request = new Request("http://msw.invalid/", { method: "POST", headers, body });
    results.push(await (await session.fetch(request)).json());
    const past = new Request(`${url}/echo`, { method: "POST", headers, body });
    const echo = await (await session.post(past)).json() as { headers: [string, string][] };
    results.push(new Map(echo.headers).get("authorization"));
  }
  Object.assign(globalThis, { location: new URL("http://msw.invalid/page") });
  results.push(await (await session.fetch("/user")).json(), await (await session.get("/user")).json());
  server.close();
  await session.close();
  return results;
}

/** The part of npm's undici that is used here, the same in each version. */
interface Undici {
  fetch: Fetch;
  Request: typeof Request;
  install?(): void;
  setGlobalDispatcher(dispatcher: object): void;
  getGlobalDispatcher(): object;
  Agent: new (options?: object) => UndiciAgent;
  MockAgent: new () => object & {
    close(): Promise<void>;
    disableNetConnect(): void;
    get(origin: string): {
      intercept(what: object): { reply(status: number, body: unknown, options?: object): { persist(): void } };
    };
  };
}

/** The part of undici's `Agent` that is used here. */
interface UndiciAgent {
  dispatch(options: object, handler: object): boolean;
  on(event: string, listener: () => void): this;
  close(): Promise<void>;
  destroy(): Promise<void>;
}

const importUndici = async (version: number): Promise<Undici> => await import(`undici${version}`);
const ownVersion = parseInt(process.versions.undici ?? "");

/** What other libraries replace before the module is loaded. */
async function replaced() {
  const { Response } = globalThis;
  // As that of @hono/node-server: its headers are the very ones that it was given.
  class Lazy extends Response {
    readonly #init: ResponseInit | undefined;
    constructor(body?: BodyInit | null, init?: ResponseInit) {
      super(body, init);
      this.#init = init;
    }
    override get headers() {
      return this.#init?.headers as Headers ?? super.headers;
    }
  }
  /** Its signal is none to `fetch`. */
  class Controller {
    readonly signal = { aborted: false, addEventListener() {}, removeEventListener() {} };
    abort() {}
  }
  Object.assign(globalThis, { Response: Lazy, ...(ownVersion > 0 && { AbortController: Controller }) });
  const { Session } = await load();
  const session = new Session();
  const at = `${url}/gzip/100`;
  const responses = [
    await session.fetch(at),
    (await session.get(at)).toResponse(),
    (await session.get(at, { prefetch: false })).toResponse(),
  ];
  const lengths = await Promise.all(responses.map(async (response) => (await response.arrayBuffer()).byteLength));
  const late = await outcome(session.get(`${url}/hang`, { timeout: 50 }));
  await session.close();
  return [...lengths, late];
}

/**
 * Has a mock compare bodies and answer with a length that is a lie, as the dispatcher of a
 * transport and of a request.
 */
async function mockedByDispatcher() {
  const { createTransport, Session } = await load();
  const { MockAgent } = await importUndici(ownVersion);
  const mock = new MockAgent();
  mock.disableNetConnect();
  const closed = new MockAgent();
  const session = new Session({ pool: { transport: createTransport({ dispatcher: closed }) } });
  await closed.close();
  await session.close();
  const answer = { headers: { "content-length": "1000" } };
  const origin = mock.get("http://mock.invalid");
  for (const method of ["POST", "PUT"]) {
    origin.intercept({ path: "/", method, body: '{"a":1}' }).reply(200, "edited", answer).persist();
  }
  const results: unknown[] = [];
  const text = (response: Promise<{ text(): Promise<string> }>) => response.then((response) => response.text(), String);
  const ask = async (session: Hangup.Session, options: object) => {
    const at = "http://mock.invalid/";
    const fetched = session.fetch(at, { method: "POST", body: '{"a":1}', ...options });
    results.push(await text(session.put(at, { json: { a: 1 }, ...options })), await text(fetched));
    const post = { method: "POST", body: '{"a":1}' };
    results.push(await text(session.fetch(new Request(at, post), options)));
    results.push(await text(session.fetch(new Request(at, { ...post, ...options }))));
    results.push(await session.close().then(() => "closed", String));
  };
  await ask(new Session(), { dispatcher: mock });
  await ask(new Session({ pool: { transport: createTransport({ dispatcher: mock }) } }), {});
  return results;
}

/** Replaces the global dispatcher under a session that has been used, and restores it. */
async function dispatcherSetLater() {
  const { createTransport, Session } = await load();
  const undici = await importUndici(ownVersion);
  const session = new Session();
  const configured = new Session({ pool: { transport: createTransport({ connect: { timeout: 5000 } }) } });
  const results: unknown[] = [
    await outcome(session.get(`${url}/bytes/10`)),
    await outcome(configured.get(`${url}/bytes/10`)),
    session.pool.closesSockets,
  ];
  const before = undici.getGlobalDispatcher();
  const mock = new undici.MockAgent();
  mock.disableNetConnect();
  mock.get("http://mock.invalid").intercept({ path: "/" }).reply(299, "mocked").persist();
  undici.setGlobalDispatcher(mock);
  const refused = await outcome(session.get(`${url}/bytes/10`));
  results.push(String(refused).includes("NetworkError"), await outcome(session.get("http://mock.invalid/")));
  results.push(session.pool.closesSockets, configured.pool.closesSockets);
  const unreached = await configured.get("http://mock.invalid/").then(String, ({ message }) => message);
  undici.setGlobalDispatcher(before);
  results.push(unreached, await outcome(session.get(`${url}/bytes/10`)), session.pool.closesSockets);
  await session.close();
  await configured.close();
  return results;
}

/** The name and message of the innermost cause of a request's failure, or its status. */
const rootCause = (response: Promise<{ status: number }>) =>
  response.then(({ status }) => status, (error) => {
    while (error.cause) error = error.cause;
    return error.message;
  });

/**
 * Sets dispatchers that look like an agent without settings, and says what each saw of two
 * sessions.
 */
async function lookalikes() {
  const { Session } = await load();
  const undici = await importUndici(ownVersion);
  const before = undici.getGlobalDispatcher();
  const seen: string[] = [];
  class Agent extends undici.Agent {
    constructor(token?: string) {
      super();
      if (token !== "token") throw new Error("A token is needed");
      seen.push("made");
    }
    override dispatch(options: object, handler: object) {
      seen.push("sent");
      return super.dispatch(options, handler);
    }
  }
  class Plain extends undici.Agent {
    static {
      Object.defineProperty(this, "name", { value: "Agent" });
    }
    constructor() {
      super();
      seen.push("made");
    }
  }
  const plain = () => new undici.Agent();
  const closed = new undici.Agent();
  await closed.close();
  const destroyed = new undici.Agent();
  await destroyed.destroy();
  const kinds: Record<string, () => UndiciAgent> = {
    "a subclass of its name": () => new Agent("token"),
    "a subclass of its name that changes nothing": () => new Plain(),
    "with a listener": () => plain().on("connect", () => seen.push("connected")),
    "closed later": plain,
    "closed": () => closed,
    "destroyed": () => destroyed,
  };
  const results: Record<string, unknown> = {};
  for (const [kind, make] of Object.entries(kinds)) {
    const made = new Session();
    const dispatcher = make();
    undici.setGlobalDispatcher(dispatcher);
    if (kind === "closed later") {
      await made.get(`${url}/bytes/10`);
      await dispatcher.close();
    }
    seen.length = 0;
    const session = new Session();
    const outcomes = [await rootCause(made.get(`${url}/bytes/10`)), await rootCause(session.get(`${url}/bytes/10`))];
    results[kind] = [...outcomes, made.pool.closesSockets, session.pool.closesSockets, ...new Set(seen)];
    await made.close();
    await session.close();
    undici.setGlobalDispatcher(before);
    await dispatcher.destroy();
  }
  return results;
}

/** Has a process whose environment or dispatcher cannot be changed or read. */
async function closedProcess(kind: string) {
  const readOnly = () => {
    throw new Error("The environment is read-only");
  };
  const kinds: Record<string, () => unknown> = {
    "frozen environment": () => process.env = Object.freeze({ ...process.env }),
    "read-only environment": () =>
      process.env = new Proxy({ ...process.env }, { set: readOnly, deleteProperty: readOnly }),
    "environment that keeps its variables": () =>
      process.env = new Proxy({ ...process.env }, { deleteProperty: readOnly }),
    "unreadable environment": () =>
      process.env = new Proxy({ ...process.env }, {
        get: (env, name) => name === "NODE_USE_ENV_PROXY" ? readOnly() : Reflect.get(env, name),
      }),
    "no environment": () => Reflect.set(process, "env", undefined),
    "frozen dispatcher": () =>
      [1, 2].forEach((version) => {
        Object.freeze(Reflect.get(globalThis, Symbol.for(`undici.globalDispatcher.${version}`)));
      }),
  };
  for (const name of ["no_proxy", "NO_PROXY"]) delete process.env[name];
  const { Session } = await load();
  kinds[kind]!();
  const session = new Session();
  const asked = await rootCause(session.get(url));
  const { closesSockets } = session.pool;
  await session.close();
  return { asked, closesSockets, bare: await rootCause(own(url)), exempt: process.env?.NO_PROXY ?? "" };
}

/**
 * Gives with each request what is no dispatcher, and says what came of it, whether the caller is
 * told to try again.
 */
async function wrongDispatchers() {
  const { isRetriable, Session } = await load();
  const session = new Session();
  const results: unknown[] = [];
  for (const dispatcher of [null, false, 0, {}]) {
    const sent = session.get(`${url}/bytes/10`, { dispatcher } as object);
    results.push(await sent.then(({ status }) => status, (error) => [error.message, isRetriable(error)]));
    results.push(await session.fetch(`${url}/bytes/10`, { dispatcher } as object).then(({ status }) => status, String));
  }
  await session.close();
  await pause(20); // for what would end the process
  return results;
}

/**
 * Gives a dispatcher, client or the like with a request. Each of them would answer, or go,
 * elsewhere.
 */
async function perRequest() {
  const { Session } = await load();
  const session = new Session();
  const nowhere = "http://nowhere.invalid/";
  const { Deno } = globalThis as unknown as { Deno?: { createHttpClient(options: object): Disposable } };
  const client = Deno?.createHttpClient({ proxy: { url } });
  const { Agent } = Deno || "Bun" in globalThis ? { Agent: undefined } : await importUndici(ownVersion);
  let dispatched = 0;
  // Goes to the counting server, whatever it is asked for.
  class Elsewhere extends (Agent ?? Object) {
    dispatch(options: object, handler: object) {
      dispatched++;
      const dispatch = Reflect.get(Agent!.prototype, "dispatch") as (options: object, handler: object) => boolean;
      return dispatch.call(this, { ...options, origin: url }, handler);
    }
  }
  const dispatcher = Agent && new Elsewhere();
  const init: object = client ? { client } : dispatcher ? { dispatcher } : { proxy: url };
  const results: unknown[] = [
    await outcome(session.get(`${nowhere}bytes/10`, init)),
    await outcome(session.fetch(`${nowhere}bytes/10`, init)),
    await outcome(session.post(`${nowhere}echo`, { ...init, body: "text" })),
    await outcome(session.get(`${nowhere}chain/2`, init)),
    await outcome(session.get(`${nowhere}bytes/10`, carried(new Request(`${nowhere}bytes/10`, init)) ?? init)),
    await outcome(session.get(`${url}/bytes/10`)),
    await outcome(session.get(nowhere)).then((text) => String(text).split(":")[0]),
  ];
  // With what makes another request of it, the dispatcher of a Request is used or refused, before
  // anything is sent.
  const carrier = () => new Request(`${nowhere}chain/1`, { ...init, method: "POST", body: "text" });
  const ways = [() => session.post(carrier(), { query: "a=b" }), () => session.request(carrier())];
  for (const [before, send] of ways.entries()) {
    dispatched = 0;
    const text = await send().then(({ status }) => String(status), ({ message }) => message);
    const refused = /its Request carries a dispatcher/.test(text) && dispatched === before;
    results.push(dispatcher || client ? text === "200" || refused || [text, dispatched] : true);
  }
  const plain = new Request(`${url}/echo`, { method: "POST", body: "text" });
  results.push(await outcome(session.request(plain, { query: "a=b" })));
  // As tracers and frameworks do.
  const bare = globalThis.fetch;
  globalThis.fetch = ((input, init) => bare(input, init)) as typeof fetch;
  const carrying = new Request(`${nowhere}bytes/10`, init);
  results.push(await outcome(session.fetch(carrying, "Bun" in globalThis ? init : undefined)));
  // As those that ask the same origin for a token first.
  const ask = (path: string) =>
    session.fetch(new Request(`${nowhere}${path}`, init), "Bun" in globalThis ? init : undefined);
  let asked = false;
  globalThis.fetch = (async (input, init) => {
    if (!asked) {
      asked = true;
      results.push(await outcome(ask("bytes/10")));
    }
    return await bare(input, init);
  }) as typeof fetch;
  results.push(await outcome(ask("bytes/20")));
  globalThis.fetch = bare;
  client?.[Symbol.dispose]();
  await (dispatcher as unknown as { destroy(): Promise<void> } | undefined)?.destroy();
  await session.close();
  return results;
}

/** Runs the module in a realm that is not the main one, as test runners do. */
async function inRealm() {
  const { build } = await import("esbuild");
  const { createContext, runInContext } = await import("node:vm");
  const entry = new URL("../../mod.ts", import.meta.url).pathname;
  const { outputFiles: [script] } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "Hangup",
  });
  const makeRealm = (globals: object = {}) => {
    const realm = createContext();
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      // Node warns of those that store things.
      if (!(name in runInContext("globalThis", realm)) && !/storage/i.test(name)) {
        realm[name] = Reflect.get(globalThis, name);
      }
    }
    return Object.assign(realm, globals);
  };
  const realm = makeRealm();
  const { createTransport, Session }: typeof Hangup = runInContext(`${script!.text}; Hangup`, realm);
  const session = new Session();
  const configured = new Session({ pool: { transport: createTransport({ connect: { timeout: 5000 } }) } });
  const results: unknown[] = [
    runInContext("Object", realm) === Object,
    session.pool.closesSockets,
    await outcome(session.get(`${url}/bytes/10`)),
    await outcome(session.get(`${url}/kill-reused`)),
    await outcome(session.post(`${url}/echo`, { body: "text" })),
    configured.pool.closesSockets,
    await outcome(configured.get(`${url}/bytes/10`)),
  ];
  await session.close();
  await configured.close();
  // As that of node-fetch, which jest-fetch-mock makes global.
  class OldResponse {
    readonly headers = new Headers();
    readonly #text: string;
    constructor(body: unknown) {
      this.#text = String(body);
    }
    text() {
      return Promise.resolve(this.#text);
    }
  }
  const mocked: typeof Hangup = runInContext(`${script!.text}; Hangup`, makeRealm({ Response: OldResponse }));
  const over = new mocked.Session();
  const response = await over.fetch(`${url}/bytes/10`);
  results.push([response.status, response.headers.get("content-length"), (await response.clone().text()).length]);
  await over.close();
  return results;
}

/**
 * Freezes what the language brings, as SES and `--frozen-intrinsics` do, and lets requests fail.
 * They are answered here, because Node itself cannot cut off a connection then: its own errors
 * assign to their names.
 */
async function frozen(before: boolean) {
  const early = before ? undefined : await load();
  const classes = [
    Object,
    Function,
    Array,
    Error,
    TypeError,
    RangeError,
    Promise,
    Map,
    Set,
    WeakMap,
    Uint8Array,
    RegExp,
  ];
  for (const { prototype } of classes) Object.freeze(prototype);
  const { Session } = early ?? await load();
  const answer = async (status: string) => {
    await (status === "hang" && new Promise(() => {}));
    return new Response("text", { status: Number(status), headers: { location: "/200" } });
  };
  const session = new Session({
    baseUrl: "http://mock.invalid",
    fetch: ({ pathname }) => answer(pathname.slice(1)),
    throwIfNotOk: true,
  });
  const nameOf = (request: Promise<unknown>) => request.catch(({ name }) => name);
  const results: unknown[] = [
    await outcome(session.post("302", { json: {} })),
    await nameOf(session.get("404")),
    await nameOf(session.get("200", { maxBodyBytes: 1 })),
    await nameOf(session.get("302", { maxRedirects: 0 })),
    await nameOf(session.get("hang", { timeout: 50 })),
  ];
  await session.close();
  return [...results, await nameOf(session.get("200"))];
}

/** Sends a `Request` of npm's undici through a session over its `fetch`. */
async function requestOfUndici() {
  const { Session } = await load();
  const undici = await importUndici(ownVersion);
  const session = new Session({ fetch: undici.fetch });
  class Own extends undici.Request {
    constructor(path: string) {
      super(url + path, { method: "POST", body: "text" });
    }
  }
  const results: unknown[] = [];
  const path = "/redirect/307?to=/echo";
  for (const request of [new undici.Request(url + path, { method: "POST", body: "text" }), new Own(path)]) {
    const { headers, body } = await (await session.fetch(request)).json();
    results.push(headers.filter(([name]: [string]) => /length|transfer/.test(name)), body);
  }
  await session.close();
  return results;
}

/** Freezes the global object, with what the runtime keeps in it. */
async function frozenGlobals() {
  const { Session } = await load();
  await outcome(own(url));
  Object.freeze(globalThis);
  const session = new Session();
  const request = () => new Request(`${url}/echo`, { method: "POST", body: "text" });
  const results = [await outcome(session.request(request())), await outcome(session.fetch(request()))];
  await session.close();
  return results;
}

/**
 * Compares the responses of a session with those of the global `fetch`, where happy-dom's globals
 * were there before.
 *
 * @param withFetch Whether its `fetch` is one of them. Otherwise it is the platform's.
 */
async function inHappyDom(withFetch: boolean) {
  const { GlobalWindow } = await import("happy-dom");
  const window = new GlobalWindow({ url });
  for (const name of ["AbortController", "AbortSignal", "Blob", "FormData", "Headers", "Request", "Response"]) {
    Object.defineProperty(globalThis, name, { value: window[name as "Headers"], configurable: true, writable: true });
  }
  if (withFetch) use(window.fetch.bind(window));
  const { Session } = await load();
  const session = new Session();
  const describe = async (sent: Promise<Response>) => {
    const response = await sent;
    const { status, statusText, url, redirected, type, headers } = response;
    const length = (await response.text()).length;
    const again = await response.text().then(() => "read twice", () => "refused");
    return { status, statusText, url, redirected, type, media: headers.get("content-type"), length, again };
  };
  const results = [];
  for (const path of ["/bytes/10", "/gzip/1000", "/redirect/302?to=/bytes/20", "/status/404"]) {
    results.push([
      await describe(fetch(url + path)),
      await describe(session.fetch(url + path)),
      await describe(session.get(url + path).then((response) => response.toResponse())),
    ]);
  }
  await session.close();
  await window.happyDOM.close();
  return results;
}

const { gc, Bun } = globalThis as { gc?(): void; Bun?: { gc(force: boolean): void } };

async function collect() {
  Bun ? Bun.gc(true) : gc!();
  await pause(20);
}

/** Drops a session that is not closed, in a process whose warnings are errors. */
async function warned() {
  const { Session } = await load();
  const warnings: string[] = [];
  console.warn = (text) => {
    warnings.push(text.split(" without")[0]);
    throw new Error("Warnings are errors here");
  };
  const use = async () => void await new Session().get(`${url}/bytes/10`);
  await use();
  for (let i = 0; i < 200 && warnings.length === 0; i++) await collect();
  await pause(20);
  return warnings;
}

/**
 * Drops sessions and a transport that are not closed, while a response of the transport is read.
 */
async function dropped() {
  const { createTransport, Session } = await load();
  const use = async () => {
    for (let i = 0; i < 10; i++) await new Session().get(`${url}/bytes/10`);
    const transport = createTransport();
    const response = await transport.fetch(new URL(`${url}/drip?n=20&gap=20`), {});
    // Bun closes no socket that comes back after its session was collected.
    return { body: response.arrayBuffer(), kept: Bun && transport };
  };
  const { body, ...kept } = await use();
  let reading = true;
  const length = body.then(({ byteLength }) => byteLength).finally(() => reading = false);
  while (reading) await collect();
  delete kept.kept;
  for (let i = 0; i < 10; i++) await collect();
  await own(last); // the process lives on, but nothing of the sessions does
  return await length;
}

const [kind, detail = ""] = what.split(": ");
const situations: Record<string, () => unknown> = {
  "session": () => asGlobal(wrappers[detail]!, /another|by/.test(detail) ? 4 : 1),
  "mock": () => mocked(detail.startsWith("before"), detail.split(", ")[1]!),
  "undici": async () => over((await importUndici(Number(detail))).fetch),
  "undici, before": async () => {
    const { fetch } = await importUndici(Number(detail));
    use(fetch);
    return await over(fetch);
  },
  "install": async () => {
    const undici = await importUndici(Number(detail));
    undici.install?.();
    return await over(globalThis.fetch);
  },
  "instrumented": instrumented,
  "next and sentry": patchedAndTraced,
  "nock": () => nocked(detail === "before"),
  "msw": mockedByMsw,
  "dispatcher": dispatcherSetLater,
  "mock dispatcher": mockedByDispatcher,
  "replaced": replaced,
  "lookalikes": lookalikes,
  "process": () => closedProcess(detail),
  "wrong dispatchers": wrongDispatchers,
  "request": perRequest,
  "realm": inRealm,
  "happy-dom": () => inHappyDom(true),
  "happy-dom's classes": () => inHappyDom(false),
  "frozen": () => frozen(detail === "before"),
  "frozen globals": frozenGlobals,
  "request of undici": requestOfUndici,
  "warned": warned,
  "dropped": dropped,
};
console.log(JSON.stringify(await situations[kind!]!()));
