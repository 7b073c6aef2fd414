// Copyright 2026 the Hangup authors. MIT license.
//
// Every message that is thrown, literally, and docs/errors.md, which has the same.
import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  BodyTooLargeError,
  createTransport,
  HangupError,
  isRetriable,
  NetworkError,
  Pool,
  PoolClosedError,
  QueueFullError,
  Session,
  SessionClosedError,
  type SessionOptions,
  type SessionRequestInit,
  StatusError,
  TimeoutError,
  TooManyRedirectsError,
} from "../mod.ts";
import { CARRIER } from "../_internal/transports/carried.ts";
import { nodeTransport } from "../_internal/transports/node.ts";
import { disown, isRuntimeFetch } from "../_internal/transports/global_fetch.ts";
import { facts, PLATFORM } from "../_internal/transports/platform.ts";
import { mocking } from "./harness/mocking.ts";

type Class = new (...args: never[]) => Error;
type Provoke = () => unknown;

const page = await Deno.readTextFile(new URL("../docs/errors.md", import.meta.url));

const origin = "https://example.com";
const url = `${origin}/items`;
// An error shows neither of the secrets.
const secret = "https://ada:secret@example.com/items";

const hang = () => new Promise<Response>(() => {});
const answer = (body: BodyInit | null, init?: ResponseInit) => () => Promise.resolve(new Response(body, init));
const redirect = (location: string, status = 302) => answer(null, { status, headers: { location } });
const coded = (code: string) => () => Promise.reject(Object.assign(new Error("The runtime's own"), { code }));
/** As on Node, where a host has several addresses. */
const unreachable = () =>
  Promise.reject(
    new TypeError("fetch failed", { cause: new AggregateError([new Error("connect EHOSTUNREACH ::1:80")]) }),
  );
const failing = () => new ReadableStream({ pull: (controller) => controller.error(new Error("The source's own")) });

/** Sends a request over a `fetch` that is scripted. */
async function send(
  fetch: typeof globalThis.fetch,
  init: SessionRequestInit<boolean> = {},
  options: SessionOptions = {},
  input: string | Request = secret,
) {
  await using session = new Session({ fetch, ...options });
  const response = await session.request(input, init);
  // Read within the session's scope.
  return init.prefetch === false ? await response.text() : response;
}

/** Calls `use` with a streamed response. */
async function stream(use: (response: Awaited<ReturnType<typeof open>>) => unknown) {
  await using session = new Session({ fetch: answer("body") });
  await use(await open(session));
}

function open(session: Session) {
  return session.get(secret, { prefetch: false });
}

/** A request that fails before anything is sent. */
function refuse(init: SessionRequestInit, input = url, options: SessionOptions = {}) {
  return new Session({ fetch: answer("unexpected"), ...options }).request(input, init);
}

async function inQueue(maxQueued: number, others: number) {
  await using session = new Session({
    fetch: hang,
    pool: { maxConnections: 1, maxConnectionsPerOrigin: 1, maxQueued },
    timeout: { queue: 10 },
  });
  for (let i = 0; i < others; i++) session.get(`${origin}/slow`).catch(() => {});
  await session.get(secret);
}

async function afterClose() {
  const session = new Session();
  await session.close();
  await session.get(secret);
}

async function afterPoolClose() {
  const pool = new Pool();
  await using session = new Session({ pool });
  await pool.close();
  await session.get(secret);
}

async function acquireAfterClose() {
  const pool = new Pool();
  await pool.close();
  await pool.acquire(origin);
}

async function acquire(...args: unknown[]) {
  await using pool = new Pool();
  await pool.acquire(...args as Parameters<Pool["acquire"]>);
}

async function afterRelease() {
  await using pool = new Pool();
  const lease = await pool.acquire(origin);
  lease.release();
  await lease.fetch(new URL(url), {});
}

/** As in Firefox, whose `Request` forbids cookies and does not read `duplex`. */
async function streamInBrowser() {
  const { Request } = globalThis;
  globalThis.Request = class extends Request {
    constructor(input: URL | string, { method, headers }: RequestInit = {}) {
      super(input, { method: method!, headers: headers! });
      this.headers.delete("cookie");
    }
  } as typeof Request;
  try {
    // A fresh copy of the module, as it asks once where it is.
    const { portable } = await import("../_internal/transports/portable.ts?browser" as string);
    await using session = new Session({ pool: { transport: portable() } });
    await session.post(url, { body: failing() });
  } finally {
    globalThis.Request = Request;
  }
}

async function afterTransportClose() {
  const transport = createTransport();
  await transport.close();
  await transport.fetch(new URL(url), {});
}

async function parse(body: BodyInit | null, init?: ResponseInit) {
  await using session = new Session({ fetch: answer(body, init) });
  return (await session.get(secret)).json();
}

/** As on Bun and workerd, which do not know every method. */
function withoutMethods() {
  const { Request } = globalThis;
  globalThis.Request = class extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(input, { ...init, method: "GET" });
    }
  };
  try {
    return refuse({ method: "BREW" });
  } finally {
    globalThis.Request = Request;
  }
}

class DispatcherBase {
  eventNames() {
    return [];
  }
}

/** What Node has for the whole process until the user sets something else. */
class Agent extends DispatcherBase {
  static readonly #settings = Symbol("options");
  constructor() {
    super();
    Object.assign(this, { [Agent.#settings]: {} });
  }
  dispatch() {}
  destroy() {}
}

/** Sets the dispatcher for the whole process, as on Node. */
function setDispatcher(dispatcher: object) {
  for (const version of [1, 2]) {
    const symbol = Symbol.for(`undici.globalDispatcher.${version}`);
    Object.defineProperty(globalThis, symbol, { value: dispatcher, configurable: true, writable: true });
  }
}

/** Runs `use` as on Node with this dispatcher for the whole process. */
async function onNode(dispatcher: object, use: () => unknown) {
  const given = Object.getOwnPropertyDescriptor(globalThis, "process")!;
  const symbols = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`));
  const before = symbols.map((symbol) => Object.getOwnPropertyDescriptor(globalThis, symbol));
  Object.defineProperty(globalThis, "process", { value: { versions: { undici: "8.0.0" } }, configurable: true });
  setDispatcher(dispatcher);
  try {
    await use();
  } finally {
    Object.defineProperty(globalThis, "process", given);
    for (const [i, symbol] of symbols.entries()) {
      Reflect.deleteProperty(globalThis, symbol);
      if (before[i]) Object.defineProperty(globalThis, symbol, before[i]);
    }
  }
}

async function afterOtherDispatcher() {
  await onNode(new Agent(), async () => {
    const transport = nodeTransport(1000, { connect: {} })!;
    setDispatcher({});
    await transport.fetch(new URL(url), {});
  });
}

async function wrongDispatcher() {
  await onNode(new Agent(), () => nodeTransport(1000)!.fetch(new URL(url), wrong({ dispatcher: false })));
}

/** As on Node, whose `fetch` sends a `Request` through the dispatcher that it carries. */
/** The runtime's own `fetch` is not known if the module is loaded while a wrapper is global. */
async function sendToItself() {
  disown();
  let session: Session | undefined;
  const wrapper: typeof fetch = (input, init) => (session ??= new Session()).fetch(input, init);
  try {
    await mocking(globalThis, "fetch", wrapper, () => wrapper(secret));
  } finally {
    await session?.close();
    isRuntimeFetch(wrapper); // so that it forgets what it has disowned
  }
}

async function sendElsewhere() {
  await onNode(new Agent(), async () => {
    const init = { [CARRIER]: new Request("http://127.0.0.1:1/") } as RequestInit;
    await nodeTransport(1000)!.fetch(new URL(url), init);
  });
}

/** A body of text, which no `fetch` sends and no server answers. */
const strings = () => new ReadableStream({ pull: (controller) => controller.enqueue("text") });
const answerStrings = () => Promise.resolve(Object.defineProperty(new Response(), "body", { value: strings() }));
const endless = { pull: (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(0)) };
const answerNothing = () => Promise.resolve(new Response(new ReadableStream(endless)));
const answerText = () => Promise.resolve("text");

function readSource(body: ReadableStream) {
  body.getReader();
  return refuse({ method: "POST", body });
}

const wrong = (value: unknown) => value as never;

/** A network gives fewer bytes than it announces. */
async function readShort() {
  const fetch = answer("abc", { headers: { "content-length": "5" } });
  const transport = { [PLATFORM]: facts(), closesSockets: false, fetch, close() {} };
  transport[PLATFORM] = facts({ transport, sender: () => "fetch" });
  await using session = new Session({ pool: { transport } });
  await session.get(secret);
}

const expected: [Class, string, Provoke][] = [
  [SessionClosedError, `Cannot complete the request as the session is closed: GET ${url}`, afterClose],
  [PoolClosedError, `Cannot complete the request as the pool is closed: GET ${url}`, afterPoolClose],
  [PoolClosedError, "Cannot open a connection as the pool is closed", acquireAfterClose],
  [QueueFullError, `Cannot wait for a connection as 2 requests wait already: GET ${url}`, () => inQueue(2, 3)],
  [
    TimeoutError,
    `No connection became free within 10 ms, as the slots are held by GET ${origin}/slow: GET ${url}`,
    () => inQueue(2, 1),
  ],
  [
    TimeoutError,
    `No response headers arrived within 10 ms: GET ${url}`,
    () => send(hang, { timeout: { headers: 10 } }),
  ],
  [
    TimeoutError,
    `No bytes of the body arrived within 10 ms: GET ${url}`,
    () => send(answer(new ReadableStream()), { timeout: { idle: 10 } }),
  ],
  [
    TimeoutError,
    `The request was not done within 10 ms, of which it queued for 0 ms, when its state was "headers": GET ${url}`,
    () => send(hang, { timeout: 10 }),
  ],
  [
    BodyTooLargeError,
    `Cannot keep more than 4 bytes of the body in memory: GET ${url}`,
    () => send(answer("hello"), { maxBodyBytes: 4 }),
  ],
  [
    StatusError,
    `The response's status is 404 Not Found: GET ${url}`,
    async () => {
      await using session = new Session({ fetch: answer(null, { status: 404, statusText: "Not Found" }) });
      (await session.get(secret)).throwIfNotOk();
    },
  ],
  [
    TooManyRedirectsError,
    `Cannot follow more than 3 redirects: GET ${url}`,
    () => send(redirect("/items"), { maxRedirects: 3 }),
  ],
  [NetworkError, `The connection failed before the response's headers: GET ${url}`, () => send(coded("ECONNRESET"))],
  [
    NetworkError,
    `The connection failed before the response's headers, so the outcome of the request is unknown: POST ${url}`,
    () => send(coded("ECONNRESET"), { method: "POST" }),
  ],
  [NetworkError, `The server refuses connections: GET ${url}`, () => send(coded("ECONNREFUSED"))],
  [NetworkError, `The host name does not resolve: GET ${url}`, () => send(coded("ENOTFOUND"))],
  [NetworkError, `The connection timed out: GET ${url}`, () => send(coded("ETIMEDOUT"))],
  [
    NetworkError,
    `The server's certificate is not trusted: GET ${url}`,
    () => send(coded("DEPTH_ZERO_SELF_SIGNED_CERT")),
  ],
  [
    NetworkError,
    `The server does not speak TLS, or refuses the handshake: POST ${url}`,
    () => send(coded("ERR_SSL_WRONG_VERSION_NUMBER"), { method: "POST" }),
  ],
  [
    NetworkError,
    `The server does not speak TLS, or refuses the handshake, so the outcome of the request is unknown: POST ${url}`,
    () => send(coded("EPROTO"), { method: "POST" }),
  ],
  [
    NetworkError,
    `The program has no permission to reach the server: GET ${url}`,
    () => send(coded("ERR_ACCESS_DENIED")),
  ],
  [NetworkError, `Cannot connect to the server: POST ${url}`, () => send(unreachable, { method: "POST" })],
  [NetworkError, `The connection failed before the end of the body: GET ${url}`, () => send(answer(failing()))],
  [
    NetworkError,
    `3 bytes of the body arrived where 5 were announced: GET ${url}`,
    readShort,
  ],
  [
    NetworkError,
    `Cannot read the body as a chunk of it is not a Uint8Array: received string: GET ${url}`,
    () => send(answerStrings),
  ],
  [NetworkError, `Cannot read the body as it gives only empty chunks: GET ${url}`, () => send(answerNothing)],
  [NetworkError, `The value that "fetch" returned is not a Response: GET ${url}`, () => send(wrong(answerText))],
  [
    NetworkError,
    `The response that "fetch" returned has a body that was read already: GET ${url}`,
    async () => {
      const response = new Response("hello");
      await response.text();
      await send(() => Promise.resolve(response));
    },
  ],
  [
    NetworkError,
    `Cannot send the body as its stream failed: POST ${url}`,
    () =>
      send(async (_, init) => new Response(await new Response(init!.body).text()), { method: "POST", body: failing() }),
  ],
  [
    NetworkError,
    `The response is a redirect, and "redirect" is "error": GET ${url}`,
    () => send(redirect("/items"), { redirect: "error" }),
  ],
  [
    NetworkError,
    `Cannot follow the redirect as the body is a stream, which cannot be sent again: POST ${url}`,
    () => send(redirect("/items", 307), { method: "POST", body: new ReadableStream() }),
  ],
  [
    NetworkError,
    `Cannot follow the redirect as its Location is malformed: GET ${url}`,
    () => send(redirect("https://")),
  ],
  [
    NetworkError,
    `Cannot follow the redirect as its scheme is not http or https but "ftp:": GET ${url}`,
    () => send(redirect("ftp://example.com/")),
  ],
  [
    SyntaxError,
    `Cannot parse the body as JSON, which is 15 bytes of "text/html" with status 502: GET ${url}`,
    () => parse("<!doctype html>", { status: 502, headers: { "content-type": "text/html" } }),
  ],
  [SyntaxError, `Cannot parse the body as JSON, which is 0 bytes with status 200: GET ${url}`, () => parse(null)],

  [
    TypeError,
    `Cannot read the body as it is being read or has been read already: GET ${url}`,
    () => stream((response) => Promise.all([response.text(), response.text()])),
  ],
  [
    TypeError,
    `Cannot read the body as throwIfNotOk() has read it; await that call, and read the response of its StatusError: GET ${url}`,
    async () => {
      await using session = new Session({ fetch: () => Promise.resolve(new Response("none", { status: 404 })) });
      const response = await session.get(secret, { prefetch: false });
      response.throwIfNotOk();
      return await response.text();
    },
  ],
  [
    TypeError,
    `Cannot read the body as the response is closed: GET ${url}`,
    () => stream((response) => response.close().then(() => response.text())),
  ],
  [
    TypeError,
    "Cannot send the request as its body is being read or has been read already",
    () => readSource(new ReadableStream()),
  ],
  [
    TypeError,
    'Cannot send the request as "json" and "body" exclude each other',
    () => refuse({ method: "POST", body: "a", json: 1 }),
  ],
  [
    TypeError,
    `Cannot send the request as "json" cannot be converted to JSON: POST ${url}`,
    () => refuse({ method: "POST", json: () => {} }),
  ],
  [
    TypeError,
    'A body is given as "body", not as the options: received object',
    () => refuse(wrong(new URLSearchParams())),
  ],
  [TypeError, "Cannot send the request as a GET request has no body", () => refuse({ body: "a" })],
  [
    TypeError,
    '"body" must be what fetch() takes; to send JSON, use "json", and of a response its "body" or "content": received object',
    () => refuse({ method: "POST", body: wrong({ name: "secret" }) }),
  ],
  [TypeError, '"params" is not an option here: use "query"', () => refuse(wrong({ params: { page: 1 } }))],
  [
    TypeError,
    'Cannot send the request as Deno has no option "proxy": it is for Bun',
    async () => {
      await using session = new Session();
      await session.get(url, wrong({ proxy: "http://proxy.example:3128" }));
    },
  ],
  [
    TypeError,
    'Cannot send the request as its options are not an object: received "POST"',
    async () => {
      await using session = new Session({ fetch: hang });
      await session.fetch(url, wrong("POST"));
    },
  ],
  [
    TypeError,
    'Cannot send the request as "headers" is not valid: the name or value of "bad name"',
    () => refuse({ headers: { good: "1", "bad name": "secret" } }),
  ],
  [
    TypeError,
    '"headers" has no value for "x-token": leave the name out',
    () => refuse({ headers: { "x-token": undefined as unknown as string } }),
  ],
  [
    TypeError,
    'Cannot send the request as "method" is not a token: received "GET /"',
    () => refuse({ method: "GET /" }),
  ],
  [
    TypeError,
    'Cannot send the request as "method" is forbidden by the Fetch standard: received "TRACE"',
    () => refuse({ method: "trace" }),
  ],
  [
    TypeError,
    'Cannot send the request as the runtime does not know its method: received "BREW"',
    () => withoutMethods(),
  ],
  [
    TypeError,
    'Cannot send the request as the URL is not absolute and there is no "baseUrl"',
    () => refuse({}, "items?key=secret"),
  ],
  [
    TypeError,
    "Cannot send the request as the URL is neither a string, a URL nor a Request: received object",
    () => refuse({}, wrong({ url: secret })),
  ],
  [
    TypeError,
    'Cannot send the request as the URL cannot be parsed: received "https:…"',
    () => refuse({}, "https://ada:secret@", { baseUrl: url }),
  ],
  [
    TypeError,
    "Cannot send the request as the URL cannot be parsed",
    () => refuse({}, "//ada:secret@", { baseUrl: url }),
  ],
  [
    TypeError,
    'Cannot send the request as the URL\'s scheme is not http or https: received "file:"',
    () => refuse({}, "file:///secret"),
  ],
  [
    TypeError,
    "Cannot send the request as the URL's scheme is not http or https",
    () => refuse({}, "ada:secret@example.com"),
  ],
  [
    TypeError,
    '"query.tags" must be a string, number or boolean: received object',
    () => refuse({ query: { tags: wrong({ name: "secret" }) } }),
  ],
  [
    TypeError,
    '"query" must be an object of names and values, a URLSearchParams or a string: received object',
    () => refuse({ query: wrong(new Map([["page", 1]])) }),
  ],
  [
    TypeError,
    '"redirect" must be "follow", "manual" or "error": received "never"',
    () => refuse({ redirect: wrong("never") }),
  ],
  [TypeError, '"signal" must be an AbortSignal: received object', () => refuse({ signal: wrong({}) })],
  [
    TypeError,
    '"timeout" must be a positive number of milliseconds: received "5s"',
    () => refuse({ timeout: wrong("5s") }),
  ],
  [
    TypeError,
    '"timeout.connect" is not known: the timeouts are "queue", "headers", "idle" and "total"',
    () => refuse({ timeout: wrong({ connect: 5000 }) }),
  ],
  [
    TypeError,
    '"maxRedirects" must be a non-negative integer or Infinity: received null',
    () => refuse({ maxRedirects: wrong(null) }),
  ],
  [
    TypeError,
    "Cannot send the request as what the cookie jar gave is not valid in a header",
    () => send(answer(null), {}, { cookieJar: { getCookieString: () => "id=\nsecret", setCookie() {} } }),
  ],

  [
    TypeError,
    'Cannot create a session as "baseUrl" is not an absolute URL of http or https',
    () => new Session({ baseUrl: "/v1/" }),
  ],
  [
    TypeError,
    'Cannot create a session as "fetch" and the pool\'s transport exclude each other',
    () => new Session({ fetch: hang, pool: { transport: { closesSockets: false, fetch: hang, close() {} } } }),
  ],
  [
    TypeError,
    'Cannot create a session as its options are not an object; a URL is given as "baseUrl"',
    () => new Session(wrong(secret)),
  ],
  [TypeError, '"prefixUrl" is not an option here: use "baseUrl"', () => new Session(wrong({ prefixUrl: url }))],
  [
    TypeError,
    '"grace" must be a non-negative number of milliseconds: received "10s"',
    () => new Session({ fetch: hang }).close({ grace: wrong("10s") }),
  ],
  [TypeError, '"pool" must be a Pool or options for one: received null', () => new Session({ pool: wrong(null) })],
  [
    TypeError,
    '"pool" must be a Pool or options for one: received a Pool of another copy of the module',
    () => new Session({ pool: wrong({ acquire() {} }) }),
  ],
  [TypeError, "A pool's options must be an object: received null", () => new Pool(wrong(null))],
  [TypeError, '"fetch" must be a function: received object', () => new Session({ fetch: wrong({}) })],
  [TypeError, '"onLeak" must be a function: received 1', () => new Session({ onLeak: wrong(1) })],
  [
    TypeError,
    '"cookieJar" must have the methods "getCookieString" and "setCookie": received object',
    () => new Session({ cookieJar: wrong({ setCookie() {} }) }),
  ],
  [
    TypeError,
    'Cannot create a pool as "transport" must have the methods "fetch" and "close": received object',
    () => new Pool({ transport: wrong({}) }),
  ],
  [
    TypeError,
    'Cannot create a pool as "maxConnections" must be a positive integer or Infinity: received "8 MB"',
    () => new Pool({ maxConnections: wrong("8 MB") }),
  ],
  [TypeError, 'Cannot acquire a lease as "origin" must be a non-empty string: received undefined', () => acquire()],
  [
    TypeError,
    'Cannot acquire a lease as "signal" must be an AbortSignal: received object',
    () => acquire(origin, { signal: {} }),
  ],
  [
    TypeError,
    'Cannot acquire a lease as "onClose" must be a function: received "yes"',
    () => acquire(origin, { onClose: "yes" }),
  ],
  [TypeError, "Cannot send a request as its lease was released", afterRelease],
  [
    TypeError,
    "Cannot create a transport with options of an Agent as fetch goes through another dispatcher",
    () => onNode({}, () => nodeTransport(1000, { connect: {} })),
  ],
  [
    TypeError,
    'Cannot create a transport as Node has no option "proxy": give a "dispatcher"',
    () => onNode({}, () => nodeTransport(1000, wrong({ proxy: "http://proxy.example:3128" }))),
  ],
  [
    TypeError,
    'Cannot create a transport as Deno has no option "connect": it is for Node',
    () => createTransport({ connect: { ca: "" } }),
  ],
  [
    TypeError,
    'Cannot create a transport as "dispatcher" and "connect" exclude each other: give it to the dispatcher',
    () => onNode({}, () => nodeTransport(1000, { dispatcher: wrong(new Agent()), connect: {} })),
  ],
  [
    TypeError,
    'Cannot create a transport as "dispatcher" must have the methods "dispatch" and "destroy": received object',
    () => onNode({}, () => nodeTransport(1000, { dispatcher: wrong({}) })),
  ],
  [
    TypeError,
    'Cannot create a transport as "idleTimeout" must be a non-negative number of milliseconds: received "30s"',
    () => createTransport({ idleTimeout: wrong("30s") }),
  ],
  [TypeError, "Cannot send the request as the transport is closed", afterTransportClose],
  [
    TypeError,
    "Cannot send the request with options of an Agent as fetch goes through another dispatcher",
    afterOtherDispatcher,
  ],
  [
    TypeError,
    'Cannot send the request as "dispatcher" must have the method "dispatch": received false',
    wrongDispatcher,
  ],
  [TypeError, "Cannot send the request as its body is a stream, and this browser sends none", streamInBrowser],
  [
    TypeError,
    "Cannot send the request as its Request carries a dispatcher, which a query or a redirect would lose: give it as an option",
    sendElsewhere,
  ],
  [
    TypeError,
    'Cannot send the request as the global fetch sends it to the session again: give the session the original as "fetch"',
    sendToItself,
  ],

  [
    RangeError,
    '"timeout.headers" must be a positive number of milliseconds: received 0',
    () => refuse({ timeout: { headers: 0 } }),
  ],
  [
    RangeError,
    '"maxBodyBytes" must be a non-negative integer or Infinity: received -1',
    () => refuse({ maxBodyBytes: -1 }),
  ],
  [
    RangeError,
    '"grace" must be a non-negative number of milliseconds: received -1',
    () => new Session({ fetch: hang }).close({ grace: -1 }),
  ],
  [
    RangeError,
    'Cannot create a pool as "maxConnections" must be a positive integer or Infinity: received 0',
    () => new Pool({ maxConnections: 0 }),
  ],
  [
    RangeError,
    'Cannot create a pool as "maxConnectionsPerOrigin" must be at most "maxConnections" (8): received 9',
    () => new Pool({ maxConnections: 8, maxConnectionsPerOrigin: 9 }),
  ],
  [
    RangeError,
    'Cannot create a pool as "maxConnectionsPerOrigin" must be a positive integer or Infinity: received 0',
    () => new Pool({ maxConnectionsPerOrigin: 0 }),
  ],
  [
    RangeError,
    'Cannot create a pool as "maxQueued" must be a non-negative integer or Infinity: received -1',
    () => new Pool({ maxQueued: -1 }),
  ],
  [
    RangeError,
    'Cannot create a pool as "idleTimeout" must be a non-negative number of milliseconds: received -1',
    () => new Pool({ idleTimeout: -1 }),
  ],
  [
    RangeError,
    'Cannot acquire a lease as "timeout" must be a positive number of milliseconds: received 0',
    () => acquire(origin, { timeout: 0 }),
  ],
  [
    RangeError,
    'Cannot create a transport as "idleTimeout" must be a non-negative number of milliseconds: received -1',
    () => createTransport({ idleTimeout: -1 }),
  ],
];

/** What the call throws, or its promise rejects with. */
async function thrownBy(provoke: Provoke): Promise<unknown> {
  try {
    await provoke();
  } catch (error) {
    return error;
  }
}

for (const [type, message, provoke] of expected) {
  Deno.test(`${type.name} says what happened: ${message}`, async () => {
    const error = await thrownBy(provoke);
    assertInstanceOf(error, type);
    assertEquals([error.name, error.message], [type.name, message]);
    if (error instanceof HangupError) {
      assertEquals(message.endsWith(`: ${error.method} ${error.url}`), message.includes(url));
    }
  });
}

Deno.test("an error of this module that the user's fetch throws keeps its stack", async () => {
  const error = new NetworkError("Cannot find the service");
  const { stack } = error;
  await using session = new Session({ fetch: () => Promise.reject(error) });
  assertEquals(await session.get(url).catch((error) => error.stack), stack);
});

Deno.test("TimeoutError names five of those that hold the slots, and counts the others", () => {
  const holders = [1, 2, 3, 4, 5, 6, 7].map((id) => ({ method: "GET", url: `${origin}/${id}` }));
  assertEquals(
    new TimeoutError("queue", 10, { method: "GET", url }, holders).message,
    `No connection became free within 10 ms, as the slots are held by GET ${origin}/1, GET ${origin}/2, ` +
      `GET ${origin}/3, GET ${origin}/4, GET ${origin}/5 and 2 more: GET ${url}`,
  );
});

Deno.test("TimeoutError of the whole request says how long it queued", () => {
  const error = new TimeoutError("total", 500, { method: "GET", url }, [], "headers", 300.4);
  const why = 'of which it queued for 300 ms, when its state was "headers"';
  assertEquals(error.message, `The request was not done within 500 ms, ${why}: GET ${url}`);
});

Deno.test("HangupError escapes control characters, from wherever they come", async () => {
  await using session = new Session({ fetch: answer(null, { status: 404, statusText: "\tno" }) });
  const response = await session.get(secret);
  assertEquals(
    assertThrows(() => response.throwIfNotOk(), StatusError).message,
    `The response's status is 404 \\u{9}no: GET ${url}`,
  );
  const evil = "a\x1b[2J\r\n\x7f\x9b\u2028\u202eb";
  const shown = "a\\u{1b}[2J\\u{d}\\u{a}\\u{7f}\\u{9b}\\u{2028}\\u{202e}b";
  const error = new NetworkError(evil, { method: evil, url: evil });
  assertEquals(error.message, `${shown}: ${shown} ${shown}`);
  assertEquals(new TimeoutError("queue", 1, undefined, [{ method: evil, url }]).message.includes(shown), true);
});

Deno.test("the message of json() escapes what the server says of the type", async () => {
  const headers = new Headers();
  headers.get = () => "text/\x7f\x9b\u202ehtml"; // runtimes differ in what they let through
  const fetch = () => Promise.resolve(Object.defineProperty(new Response("<"), "headers", { value: headers }));
  await using session = new Session({ fetch });
  const error = await assertRejects(async () => (await session.get(secret)).json(), SyntaxError);
  assertStringIncludes(error.message, '1 bytes of "text/\\u{7f}\\u{9b}\\u{202e}html" with');
});

const MALFORMED = ["s3cr/et", "s3cr?et", "s3cr#et", "s3cr\\et", "s3cr\tet", "s3cr@et"].flatMap((password) =>
  ["https://", "https:/", "https:", "https:\\\\", "https:\t//", "ht\ntps://", " https://", "//", "ftp://", "s3cr:", ""]
    .map((start) => `${start}ada:${password}@exa mple.com:99999/s3cr?s3cr#s3cr`)
);

Deno.test("a URL that cannot be parsed is not shown, wherever its password is", async () => {
  for (const input of [...MALFORMED, "s3cr:x@example.com", { url: "s3cr" }, { toString: () => "https://s3cr@" }]) {
    for (const options of [{}, { baseUrl: "https://example.com/" }]) {
      await using session = new Session({ fetch: answer(null), ...options });
      for (const send of [session.get.bind(session), session.fetch]) {
        const error = await send(wrong(input)).then(() => undefined, (error) => error);
        if (error === undefined) continue; // it is relative
        assertInstanceOf(error, TypeError);
        const said = `${error.message} ${(error.cause as Error | undefined)?.message ?? ""}`;
        assertEquals(/s3cr|ada/.exec(said), null, said);
      }
    }
    assertEquals(
      /s3cr|ada/.exec(assertThrows(() => new Session({ baseUrl: wrong(`${input}:::`) }), TypeError).message),
      null,
    );
  }
});

Deno.test("NetworkError has Node's code for its cause, and none without", () => {
  const cause = new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "UND_ERR_SOCKET" }) });
  assertEquals(new NetworkError("a", undefined, cause).code, "ECONNRESET");
  assertEquals([new NetworkError("a").code, "code" in new NetworkError("a")], [undefined, true]);
});

Deno.test("a missing permission is a NetworkError that says so", { permissions: { net: false } }, async () => {
  await using session = new Session();
  const error = await assertRejects(() => session.get(secret), NetworkError);
  assertEquals(error.message, `The program has no permission to reach the server: GET ${url}`);
  assertEquals([error.code, isRetriable(error)], ["ERR_ACCESS_DENIED", false]);
  await assertRejects(() => session.fetch(secret), Deno.errors.NotCapable);
});

Deno.test("docs/errors.md has every message under its class, and no other", () => {
  const listed = page.split(/^## /m).slice(1).flatMap((section) => {
    const name = section.slice(0, section.indexOf("\n"));
    return Array.from(section.matchAll(/^- `(.+)`\\$/gm), ([, message]) => `${name}: ${message}`);
  });
  assertEquals(listed.sort(), expected.map(([type, message]) => `${type.name}: ${message}`).sort());
});
