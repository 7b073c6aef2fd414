// Copyright 2026 the Hangup authors. MIT license.
//
// Bad input gets a clear error before a slot is taken or a byte is sent.
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Pool,
  type PoolOptions,
  type PrefetchedResponse,
  Session,
  type SessionOptions,
  type SessionRequestInit,
} from "../../mod.ts";
import type { Case } from "../harness/case.ts";

type ErrorClass = typeof TypeError | typeof RangeError;

/** Arguments of `request` that are refused; the URL is the scope's unless given. */
const REQUESTS: [what: string, init: unknown, error: ErrorClass, message: string, url?: string][] = [
  ["a URL that is malformed", {}, TypeError, "cannot be parsed", "http://["],
  ["a scheme that is not http", {}, TypeError, 'not http or https: received "ftp:"', "ftp://127.0.0.1/"],
  ["a data: URL", {}, TypeError, 'received "data:"', "data:text/plain,x"],
  ["a file: URL", {}, TypeError, 'received "file:"', "file:///etc/hosts"],
  ["a blob: URL", {}, TypeError, 'received "blob:"', "blob:http://127.0.0.1/0"],
  ["a javascript: URL", {}, TypeError, 'received "javascript:"', "javascript:0"],
  ["json with body", { method: "POST", json: 1, body: "x" }, TypeError, '"json" and "body" exclude each other'],
  [
    "json that is a function",
    { method: "POST", json: () => {} },
    TypeError,
    '"json" cannot be converted to JSON: POST http',
  ],
  ["a body on GET", { body: "x" }, TypeError, "a GET request has no body"],
  ["json on HEAD", { method: "HEAD", json: {} }, TypeError, "a HEAD request has no body"],
  ["a method that is no token", { method: "GE T" }, TypeError, '"method" is not a token: received "GE T"'],
  ["a method with a line break", { method: "GET\r\n" }, TypeError, '"method" is not a token'],
  [
    "a symbol, and shows no control character of it",
    { timeout: Symbol("\x1b[31m") },
    TypeError,
    "received Symbol(\\u{1b}[31m)",
  ],
  ["a forbidden method", { method: "connect" }, TypeError, '"method" is forbidden'],
  ["a header with a line break", { headers: { "x-a": "1\r\nx-b: 2" } }, TypeError, 'the name or value of "x-a"'],
  ["a header pair with a line break", { headers: [["x-a", "1\n2"]] }, TypeError, 'the name or value of "x-a"'],
  ["a header without a value", { headers: { "x-a": undefined } }, TypeError, '"headers" has no value for "x-a"'],
  ["a header name with a space", { headers: { "x a": "1" } }, TypeError, 'the name or value of "x a"'],
  [
    "a negative timeout",
    { timeout: -1 },
    RangeError,
    '"timeout" must be a positive number of milliseconds: received -1',
  ],
  ["a timeout of zero", { timeout: { idle: 0 } }, RangeError, '"timeout.idle" must be a positive number'],
  ["a timeout that is NaN", { timeout: { headers: NaN } }, RangeError, '"timeout.headers" must be a positive number'],
  [
    "a timeout that is a string",
    { timeout: "1s" },
    TypeError,
    '"timeout" must be a positive number of milliseconds: received "1s"',
  ],
  ["a negative cap", { maxBodyBytes: -1 }, RangeError, '"maxBodyBytes" must be a non-negative integer'],
  ["a cap that is NaN", { maxBodyBytes: NaN }, RangeError, '"maxBodyBytes" must be a non-negative integer'],
  ["a negative maxRedirects", { maxRedirects: -1 }, RangeError, '"maxRedirects" must be a non-negative integer'],
  [
    "a redirect mode that is unknown",
    { redirect: "ask" },
    TypeError,
    '"redirect" must be "follow", "manual" or "error"',
  ],
  [
    "a query value that is an object",
    { query: { a: {} } },
    TypeError,
    '"query.a" must be a string, number or boolean',
  ],
];

const SESSIONS: [what: string, options: unknown, error: ErrorClass, message: string][] = [
  ["a negative timeout", { timeout: -1 }, RangeError, '"timeout" must be'],
  ["a timeout that is NaN", { timeout: { queue: NaN } }, RangeError, '"timeout.queue" must be'],
  ["a cap of half a byte", { maxBodyBytes: 0.5 }, RangeError, '"maxBodyBytes" must be'],
  ["maxRedirects that is null", { maxRedirects: null }, TypeError, "integer or Infinity: received null"],
  ["maxRedirects that is a string", { maxRedirects: "3" }, TypeError, 'integer or Infinity: received "3"'],
  ["a URL in the place of options", "http://127.0.0.1", TypeError, "its options are not an object"],
  ["null in the place of options", null, TypeError, "its options are not an object"],
  ["onLeak that is no function", { onLeak: 1 }, TypeError, '"onLeak" must be a function: received 1'],
  ["a cookieJar without its methods", { cookieJar: { getCookieString() {} } }, TypeError, '"cookieJar" must have'],
  ["a relative baseUrl", { baseUrl: "/api" }, TypeError, '"baseUrl"'],
  ["a limit of the pool", { maxConnections: 1 }, TypeError, 'use "pool: { maxConnections }"'],
  ["a proxy", { proxy: "http://127.0.0.1:9" }, TypeError, 'use "pool: { transport: createTransport({ proxy }) }"'],
  ["a client", { client: {} }, TypeError, '"client" is not an option here'],
  ["a baseUrl that is not http", { baseUrl: "ftp://127.0.0.1" }, TypeError, '"baseUrl"'],
  ["a header with a line break", { headers: { "x-a": "1\n2" } }, TypeError, 'the name or value of "x-a"'],
  ["a header without a value", { headers: { "x-a": undefined } }, TypeError, '"headers" has no value for "x-a"'],
  ["fetch that is no function", { fetch: 1 }, TypeError, '"fetch" must be a function'],
  ["fetch with a pool", { fetch, pool: new Pool() }, TypeError, "exclude each other"],
  ["a negative limit", { pool: { maxConnections: -1 } }, RangeError, '"maxConnections"'],
];

const POOLS: [what: string, options: unknown, error: ErrorClass, message: string][] = [
  ["a negative limit", { maxConnections: -1 }, RangeError, '"maxConnections" must be'],
  ["a limit that is NaN", { maxConnections: NaN }, RangeError, '"maxConnections" must be'],
  ["a limit of zero", { maxConnectionsPerOrigin: 0 }, RangeError, '"maxConnectionsPerOrigin" must be'],
  ["a limit that is a string", { maxConnections: "1" }, TypeError, '"maxConnections" must be'],
  ["a negative queue", { maxQueued: -1 }, RangeError, '"maxQueued" must be'],
  ["a negative idleTimeout", { idleTimeout: -1 }, RangeError, '"idleTimeout" must be'],
];

export const cases: Case[] = [
  ...REQUESTS.map(([what, init, error, message, url]): Case => ({
    name: `Session.request() refuses ${what}`,
    async run({ scope }) {
      const session = new Session();
      try {
        const promise = session.request(url ?? scope.url, init as SessionRequestInit);
        assertEquals(session.exchanges(), []);
        await assertRejects(() => promise, error, message);
        assertEquals(session.pool.stats().active, 0);
      } finally {
        await session.close();
      }
      assertEquals((await scope.stats()).accepted, 0);
    },
  })),
  ...SESSIONS.map(([what, options, error, message]): Case => ({
    name: `Session refuses ${what}`,
    run() {
      assertThrows(() => new Session(options as SessionOptions), error, message);
    },
  })),
  ...POOLS.map(([what, options, error, message]): Case => ({
    name: `Pool refuses ${what}`,
    run() {
      assertThrows(() => new Pool(options as PoolOptions), error, message);
    },
  })),
  {
    name: "an option of another runtime's fetch, such as a proxy, is refused where the runtime's own fetch sends",
    async run({ scope, runtime }) {
      const options = { client: "deno", dispatcher: "node", proxy: "bun", tls: "bun" };
      const ours = new Session();
      const theirs = new Session({ fetch: (_, init) => Promise.resolve(new Response(Object.keys(init).join())) });
      for (const [option, owner] of Object.entries(options)) {
        if (runtime.startsWith(owner)) continue;
        const init = { [option]: {} } as SessionRequestInit;
        await assertRejects(() => ours.get(scope.url, init), TypeError, `has no option "${option}"`);
        assertEquals((await (await theirs.get(scope.url, init)).text()).includes(option), true);
        assertEquals((await ours.get(`${scope.url}/bytes/1`, { [option]: null } as SessionRequestInit)).status, 200);
      }
      await ours.close();
      await theirs.close();
    },
  },
  {
    name: "a relative URL without baseUrl is relative to the page, if there is one, and otherwise refused",
    async run({ scope }) {
      // What `setGlobalOrigin()` of undici sets, which makes a page of any program on Node.
      const key = Symbol.for("undici.globalOrigin.1");
      const globals = globalThis as Record<symbol, unknown>;
      const session = new Session();
      const relative = "/bytes/10?relative";
      const ask = (request: () => Promise<Response | PrefetchedResponse>) =>
        request().then(async (response) => [response.status, response.url, await response.text()], ({ name }) => name);
      try {
        for (const origin of [undefined, new URL(scope.url)]) {
          if (origin) globals[key] = origin;
          const expected = await ask(() => fetch(relative));
          assertEquals(await ask(() => session.fetch(relative)), expected);
          assertEquals(await ask(() => session.get(relative)), expected);
          if (expected !== "TypeError") continue;
          await assertRejects(() => session.get(relative), TypeError, 'there is no "baseUrl"');
        }
      } finally {
        delete globals[key];
        await session.close();
      }
    },
  },
  {
    name: "Session.close() refuses a negative grace",
    async run() {
      const session = new Session();
      await assertRejects(() => session.close({ grace: -1 }), RangeError, '"grace" must be');
      await assertRejects(() => session.close({ grace: NaN }), RangeError, '"grace" must be');
      assertEquals(session.closed, false);
      await session.close();
    },
  },
];
