// Copyright 2026 the Hangup authors. MIT license.
//
// What goes through a session comes out as it was: reason phrases, the URL's own query, options
// that are no plain objects. And what cannot be sent is refused in the module's own words, never in
// the engine's.
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  BodyTooLargeError,
  createTransport,
  HangupError,
  Pool,
  type PoolOptions,
  QueueFullError,
  Session,
  type SessionOptions,
  type SessionRequestInit,
  StatusError,
  TimeoutError,
} from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { pause, readEcho, within } from "../harness/with_session.ts";

const NOBODY = "http://x.test/";

/**
 * Requests for bodies that a runtime may leave coded: Deno if the caller asks for none, Bun with
 * `decompress: false`.
 */
const UNDECODED: Record<string, RequestInit & { decompress?: boolean }> = {
  "no option": {},
  "accept-encoding: gzip": { headers: { "accept-encoding": "gzip" } },
  "accept-encoding: identity": { headers: { "accept-encoding": "identity" } },
  "range": { headers: { range: "bytes=0-" } },
  "decompress: false": { decompress: false },
};

/** What requests may go through on their way to the runtime. */
const THROUGH: Record<string, () => SessionOptions> = {
  "a session": () => ({}),
  "a fetch of the user's": () => ({ fetch: (url, init) => fetch(url, init) }),
  "a transport of the user's": () => ({
    pool: { transport: { closesSockets: false, fetch: (url, init) => fetch(url, init), close() {} } },
  }),
};

/** The bytes of a text in UTF-8, a character for each, as `/raw` sends them. */
const utf8 = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));

/** Reason phrases, a character for each byte. */
const PHRASES: Record<string, string> = {
  "none": "",
  "ASCII": "Not Found Here",
  "Latin-1": "Non trouv\xe9",
  "UTF-8": utf8("Не найдено"),
  "a tab": "Not\tFound",
  "an escape": "\x1b[2J\x1b[31mall is well",
  "a control of Latin-1": "Not\x85Found\x9b31m",
  "a long one": "x".repeat(1000),
};

function rawUrl(origin: string, phrase: string): string {
  const lines = [`HTTP/1.1 404 ${phrase}`, "access-control-allow-origin: *", "content-length: 2"];
  return `${origin}/raw?${new URLSearchParams({ head: lines.join("\r\n"), body: "hi" })}`;
}

// deno-lint-ignore no-control-regex -- control characters are what must not reach a message
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/** URLs whose own query is to stay as the URL standard has it. */
const QUERIES = [
  "?sig=a%20b~(1)&flag",
  "?a=+b%2F/%2f*!'()&=&&b",
  "?X-Amz-Signature=%c3%A4&X-Amz-Date=20260101T000000Z",
  "?a=ä&b=%zz",
  "?flag#fragment",
  "?a=1&",
  "?",
  "",
];

/** The query of a request to such a URL. */
async function queryOf(url: string, query: SessionRequestInit["query"]): Promise<string> {
  let seen = "";
  const session = new Session({
    fetch(url) {
      seen = String(url).replace(/#.*/, "").replace(/^[^?]*/, "");
      return Promise.resolve(new Response());
    },
  });
  await session.get(url, { query });
  await session.close();
  return seen;
}

/**
 * What somebody may have assigned to `Object.prototype`, that options of requests and sessions are
 * named.
 */
const POLLUTION: Record<string, unknown> = {
  method: "DELETE",
  headers: { "x-evil": "1" },
  body: "evil",
  json: { evil: true },
  query: { evil: "1" },
  timeout: 1,
  total: -1,
  prefetch: false,
  maxBodyBytes: 0,
  maxRedirects: 0,
  redirect: "error",
  baseUrl: "http://evil.invalid/",
  pool: { maxConnections: 0 },
  maxConnections: 0,
  idleTimeout: -1,
  grace: -1,
  // Of streams, responses and blobs.
  start: (controller: ReadableStreamDefaultController) => controller.error(new Error("polluted")),
  pull: (controller: ReadableStreamDefaultController) => controller.error(new Error("polluted")),
  cancel: () => {
    throw new Error("polluted");
  },
  type: "bytes",
  autoAllocateChunkSize: 1,
  highWaterMark: 1_000_000,
  size: () => Infinity,
  status: 204,
  statusText: "evil",
  endings: "evil",
  mode: "byob",
};

/** Options as an instance of a class, as configuration often is. */
class Options {
  static of<T extends object>(fields: T): T {
    return Object.assign(new Options(), fields);
  }
}

/** Options that a class computes. */
class Computed {
  get method() {
    return "PUT";
  }
  get headers() {
    return { "x-a": "1" };
  }
}

/**
 * What comes of a session with such options in every place, over a `fetch` that answers with what
 * was made before.
 */
async function whatComes(pollute: () => void, restore: () => void): Promise<unknown[]> {
  const seen: unknown[] = [];
  const chunk = new TextEncoder().encode("hello");
  const answer = () => {
    const body = new ReadableStream({
      __proto__: null,
      start(controller: ReadableStreamDefaultController) {
        controller.enqueue(chunk.slice());
        controller.close();
      },
    } as UnderlyingDefaultSource, { __proto__: null, highWaterMark: 1 } as QueuingStrategy);
    return new Response(body, { __proto__: null, status: 200, statusText: "fine", headers: {} } as ResponseInit);
  };
  // Made before, as platforms themselves read from there.
  const answers = Array.from({ length: 9 }, answer);
  const response = (init: RequestInit | undefined) => {
    const fields = ["method", "redirect", "credentials", "mode"].map((name) => (init as Record<string, unknown>)[name]);
    seen.push([...fields, [...new Headers(init?.headers)], Object.hasOwn(init ?? {}, "body")]);
    return Promise.resolve(answers.pop()!);
  };
  const upload = async function* () {
    yield chunk;
  };
  pollute();
  let session: Session | undefined;
  try {
    const options = Options.of({
      fetch: (_: unknown, init?: RequestInit) => response(init),
      timeout: Options.of({ headers: 5000 }),
    });
    session = new Session(options as SessionOptions);
    seen.push((await session.request(NOBODY, Options.of({}))).url);
    seen.push(await (await session.request<true>(NOBODY, Options.of({ method: "PUT", body: "text" }))).text());
    seen.push(await (await session.fetch(NOBODY, Options.of({}))).text());
    const stream = await session.get(NOBODY, Options.of({ prefetch: false as const }));
    const web = stream.toResponse();
    seen.push(web.status, web.statusText, await web.text());
    const prefetched = (await session.get(NOBODY)).toResponse();
    seen.push(prefetched.status, prefetched.statusText, await prefetched.clone().text());
    const { body } = await session.get(NOBODY, Options.of({ prefetch: false as const }));
    // As WebKit itself reads options from there.
    const reader = body!.getReader({ __proto__: null } as object) as ReadableStreamDefaultReader<Uint8Array>;
    seen.push((await reader.read()).value?.byteLength);
    seen.push((await session.post(NOBODY, Options.of({ body: upload() }))).status);
    seen.push((await (await session.get(NOBODY)).blob()).size);
    const pool = new Pool(Options.of({ maxQueued: 1 }) as PoolOptions);
    (await pool.acquire(NOBODY, Options.of({}))).release();
    await pool.close();
    await session.close(Options.of({}));
  } catch (error) {
    seen.push(String(error));
  } finally {
    restore();
    await session?.close();
  }
  return seen;
}

/**
 * What is of a wrong type, where a number or an object belongs; each begins with the option's name.
 */
const WRONG: Record<string, () => unknown> = {
  "pool: null": () => new Session({ pool: null as never }),
  "pool: 1": () => new Session({ pool: 1 as never }),
  'pool: "pool"': () => new Session({ pool: "pool" as never }),
  "pool: a function": () => new Session({ pool: (() => {}) as never }),
  "maxBodyBytes: 5n": () => new Session({ maxBodyBytes: 5n as never }),
  "maxRedirects: 5n": () => new Session({ maxRedirects: 5n as never }),
  "timeout: 5n": () => new Session({ timeout: 5n as never }),
  "timeout: null": () => new Session({ timeout: null as never }),
  "timeout.idle: 5n": () => new Session({ timeout: { idle: 5n as never } }),
  "headers: 5n": () => new Session({ headers: 5n as never }),
  "cookieJar: 5n": () => new Session({ cookieJar: 5n as never }),
  "fetch: null": () => new Session({ fetch: null as never }),
  "onLeak: 5n": () => new Session({ onLeak: 5n as never }),
  "maxConnections: 5n": () => new Pool({ maxConnections: 5n as never }),
  "maxConnectionsPerOrigin: 5n": () => new Pool({ maxConnectionsPerOrigin: 5n as never }),
  "maxQueued: a symbol": () => new Pool({ maxQueued: Symbol("5") as never }),
  "idleTimeout: 5n": () => new Pool({ idleTimeout: 5n as never }),
  "transport: null": () => new Pool({ transport: null as never }),
  "idleTimeout: 5n, of createTransport()": () => createTransport({ idleTimeout: 5n as never }),
};

/** As engines put it. */
const RAW =
  /undefined|null is not|cannot read|evaluating|is not iterable|not a function|BigInt|destructur|null to object/i;

/** What a `fetch` may give in place of a `Response`. */
const NO_RESPONSE: Record<string, unknown> = {
  "undefined": undefined,
  "null": null,
  "a number": 1,
  "a string": "ok",
  "an object": {},
  "an array": [],
  "a function": () => {},
  "a response without headers": { status: 200, body: null },
  "an object whose status cannot be read": {
    get status() {
      throw new Error("no");
    },
  },
};

/** Characters that a terminal obeys, or that hide others. */
const EVIL = "\x1b[2J\x9b31m\u202e\u2028\x7f";

/** What takes them from a caller into a message, or into what is printed. */
const SHOWN: Record<string, (session: Session) => unknown> = {
  "a method": (session) => session.request(NOBODY, { method: EVIL }),
  "a phase of timeout": (session) => session.get(NOBODY, { timeout: { [EVIL]: 1 } as never }),
  "the name of a header": (session) => session.get(NOBODY, { headers: { [EVIL]: undefined as never } }),
  "a name in query": (session) => session.get(NOBODY, { query: { [EVIL]: {} as never } }),
  "the signal of a lease": ({ pool }) => pool.acquire("a", { signal: EVIL as never }),
  "onClose of a lease": ({ pool }) => pool.acquire("a", { onClose: EVIL as never }),
  "the origin of a lease": async ({ pool }) => {
    const lease = await pool.acquire(EVIL);
    lease.release();
    const show = Reflect.get(lease, Symbol.for("nodejs.util.inspect.custom"));
    throw new Error(show.call(lease));
  },
};

/**
 * Bodies of responses as the `fetch` of npm packages give them, each with a log of how it is left.
 */
const FOREIGN_BODIES: Record<string, (log: string[]) => unknown> = {
  "an async generator": (log) =>
    async function* () {
      try {
        yield new TextEncoder().encode("he");
        yield new TextEncoder().encode("llo");
      } finally {
        log.push("left");
      }
    }(),
  "a stream of Node's": (log) => ({
    async *[Symbol.asyncIterator]() {
      try {
        yield new TextEncoder().encode("he");
        yield new TextEncoder().encode("llo");
      } finally {
        log.push("left");
      }
    },
    destroy: () => log.push("left"),
  }),
};

const CYCLE: Record<string, unknown> = {};
CYCLE.self = CYCLE;

/** What no JSON can have. */
const NO_JSON: Record<string, unknown> = {
  "a BigInt": { id: 5n },
  "a cycle": CYCLE,
  "a function": () => {},
  "a symbol": Symbol("x"),
  "an object that gives nothing": { toJSON: () => undefined },
};

/** URLs that cannot be parsed, with secrets in them. */
const BAD_URLS = [
  "https://ada:s3cr/et@example.com:x/",
  "https://ada:s3cr?et@example.com/",
  "https://ada:s3cr#et@example.com/",
  "https:/ada:s3cret@example.com:99999/",
  "https:ada:s3cret@example.com:99999/",
  "https:\\\\ada:s3cret@example.com:99999/",
  "https://[::s3cret]/",
  "//ada:s3cret@example.com/",
  "foo:s3cret@example.com",
  "javascript:s3cret",
];

export const cases: Case[] = [
  ...Object.entries(PHRASES).map(([what, phrase]): Case => ({
    name: `a reason phrase is what it is with bare fetch: ${what}`,
    async run({ scope }) {
      const url = rawUrl(scope.url, phrase);
      const bare = await fetch(url).then(
        async (response) => [response.status, response.statusText, await response.text()],
        () => undefined,
      );
      const session = new Session();
      const ways: Record<
        string,
        () => Promise<Response | { status: number; statusText: string; text(): Promise<string> }>
      > = {
        "get()": () => session.get(url),
        "a stream": () => session.get(url, { prefetch: false }),
        "fetch()": () => session.fetch(url),
        "a clone": async () => (await session.fetch(url)).clone(),
        "toResponse()": async () => (await session.get(url)).toResponse(),
        "toResponse() of a stream": async () => (await session.get(url, { prefetch: false })).toResponse(),
      };
      try {
        for (const [way, ask] of Object.entries(ways)) {
          const got = await ask().then(
            async (response) => [response.status, response.statusText, await response.text()],
            (error) => {
              assert(bare === undefined, `${way}: ${error}`);
              return undefined;
            },
          );
          assertEquals(got, bare, way);
        }
        if (!bare) return;
        const error = await assertRejects(async () => (await session.get(url)).throwIfNotOk(), StatusError);
        assert(!CONTROL.test(error.message), JSON.stringify(error.message));
      } finally {
        await session.close();
      }
    },
  })),
  ...QUERIES.map((own): Case => ({
    name: `query leaves the URL's own query byte for byte: ${JSON.stringify(own)}`,
    async run({ scope, can }) {
      const url = `${scope.url}/echo${own}`;
      const { search } = new URL(url);
      for (const query of [{ page: 1 }, new URLSearchParams({ page: "1" })]) {
        const sent = await queryOf(url, query);
        assert(sent.startsWith(search), `${search} became ${sent}`);
        assertMatch(sent.slice(search.length), search === "" ? /^\?page=1$/ : /^&?page=1$/);
        assert(/[?&]page=1$/.test(sent), sent);
      }
      for (const query of [{}, { page: undefined }, new URLSearchParams()]) {
        assert([search, own.split("#")[0]].includes(await queryOf(url, query)), "no parameter changes nothing");
      }
      const session = new Session();
      const { url: seen } = await readEcho(await session.get(url, { query: { page: 1 } }));
      await session.close();
      if (can("exactQueries")) assert(seen.startsWith(`/echo${search}`), seen);
    },
  })),
  {
    name: "query escapes what it adds, and keeps its order",
    async run() {
      const query = new URLSearchParams([["b", "ä &=#"], ["a", "+"], ["b", ""]]);
      assertEquals(await queryOf(`${NOBODY}?z=1`, query), "?z=1&b=%C3%A4+%26%3D%23&a=%2B&b=");
    },
  },
  ...Object.entries(POLLUTION).map(([name, value]): Case => ({
    name: `Object.prototype.${name} is no option of an instance, a stream or a response`,
    async run() {
      const expected = await whatComes(() => {}, () => {});
      const result = await whatComes(
        () =>
          Object.defineProperty(Object.prototype, name, {
            value,
            configurable: true,
            enumerable: true,
            writable: true,
          }),
        () => void Reflect.deleteProperty(Object.prototype, name),
      );
      assertEquals(result, expected);
    },
  })),
  {
    name: "options that a class computes count",
    async run() {
      const seen: unknown[] = [];
      const session = new Session({
        fetch(_, init) {
          seen.push([init!.method, [...new Headers(init!.headers)]]);
          return Promise.resolve(new Response());
        },
      });
      await session.request(NOBODY, new Computed());
      await session.fetch(NOBODY, new Computed());
      await session.close();
      const expected = ["PUT", [["x-a", "1"]]];
      assertEquals(seen, [expected, expected]);
    },
  },
  ...Object.entries(WRONG).map(([what, make]): Case => ({
    name: `what is of a wrong type is refused in words that name it: ${what}`,
    run() {
      const { message } = assertThrows(make, TypeError) as TypeError;
      assert(message.includes(`"${what.split(":")[0]}"`), message);
    },
  })),
  {
    name: "numbers of a wrong type are refused in words that name them, of a request and a lease",
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response()) });
      for (const name of ["timeout", "maxBodyBytes", "maxRedirects"]) {
        const { message } = await assertRejects(() => session.get(NOBODY, { [name]: 5n as never }), TypeError);
        assert(message.includes(`"${name}"`), message);
      }
      const { message } = await assertRejects(() => session.pool.acquire(NOBODY, { timeout: 5n as never }), TypeError);
      assert(message.includes('"timeout"'), message);
      await session.close();
    },
  },
  ...Object.entries(NO_RESPONSE).map(([what, value]): Case => ({
    name: `a fetch that gives no Response is named as such: ${what}`,
    async run() {
      for (const result of [() => value, () => Promise.resolve(value)]) {
        const session = new Session({ fetch: result as never, timeout: 1000 });
        for (const init of [{}, { prefetch: false }]) {
          const error = await within(10_000, session.get(`${NOBODY}?a=1`, init).catch((error) => error));
          assert(error instanceof HangupError, String(error));
          assertEquals([error.method, error.url], ["GET", `${NOBODY}?…`]);
          assert(!RAW.test(error.message), error.message);
        }
        assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
        await session.close();
      }
    },
  })),
  ...Object.entries(SHOWN).map(([what, use]): Case => ({
    name: `no control character gets into a message: ${what}`,
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response()) });
      const { message } = await assertRejects(async () => await use(session), Error);
      assert(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(message) && message.includes("31m"), JSON.stringify(message));
      await session.close();
    },
  })),
  {
    name: "no control character that a server sends gets into the error of a JSON parser",
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response("\u001b[31m red")) });
      const { cause } = await assertRejects(async () => await (await session.get(NOBODY)).json(), SyntaxError);
      const { message, stack } = cause as Error;
      assert(!`${message}${stack}`.includes("\u001b"), JSON.stringify([message, stack]));
      await session.close();
    },
  },
  {
    name: "the limits of a pool beside a fetch may be computed by a class",
    async run() {
      class Limits {
        get maxConnections() {
          return 1;
        }
        get maxQueued() {
          return 0;
        }
      }
      const session = new Session({ fetch: () => new Promise(() => {}), pool: new Limits() });
      const first = session.get(NOBODY).catch(({ name }) => name);
      await assertRejects(() => session.get(NOBODY), QueueFullError);
      await session.close();
      assertEquals(await first, "SessionClosedError");
    },
  },
  ...Object.entries(FOREIGN_BODIES).map(([what, make]): Case => ({
    name: `the body of a response may be ${what}`,
    async run() {
      const log: string[] = [];
      const fetch = () =>
        Promise.resolve({ status: 200, headers: new Headers(), body: make(log) } as unknown as Response);
      const session = new Session({ fetch, timeout: 1000 });
      assertEquals(await (await session.get(NOBODY)).text(), "hello");
      assertEquals(await (await session.fetch(NOBODY)).text(), "hello");
      const iterator = (await session.get(NOBODY, { prefetch: false }))[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.return!();
      if (what === "a stream of Node's") await (await session.get(NOBODY, { prefetch: false })).close();
      await assertRejects(() => session.get(NOBODY, { maxBodyBytes: 1 }), BodyTooLargeError);
      await pause(0);
      assertEquals(log.length, what === "a stream of Node's" ? 5 : 4);
      assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
      await session.close();
    },
  })),
  {
    name: "headers of an npm package, without getSetCookie(), give a jar no cookies",
    async run() {
      const headers = { get: () => null, has: () => false };
      const fetch = () => Promise.resolve({ status: 200, headers, body: null } as unknown as Response);
      const session = new Session({ fetch, cookieJar: { getCookieString: () => "", setCookie() {} } });
      await catchingAll(async () => assertEquals((await session.get(NOBODY)).status, 200));
      await session.close();
    },
  },
  ...Object.entries(NO_JSON).map(([what, json]): Case => ({
    name: `json that is none names the request: ${what}`,
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response()) });
      const error = await assertRejects(() => session.post(`${NOBODY}items?token=s3cret`, { json }), TypeError);
      for (const part of ['"json"', `POST ${NOBODY}items?…`]) assert(error.message.includes(part), error.message);
      assert(!error.message.includes("s3cret"), error.message);
      assertEquals(session.exchanges(), []);
      await session.close();
    },
  })),
  ...BAD_URLS.map((url): Case => ({
    name: `of a URL that cannot be asked for nothing is shown but its scheme: ${JSON.stringify(url)}`,
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response()) });
      for (
        const ask of [() => session.get(url), () => session.fetch(url), () => session.get(url, { query: { a: 1 } })]
      ) {
        const error = await assertRejects(ask, TypeError);
        assert(!/s3cr|ada|example|et@|99999/.test(`${error.message}${error.stack?.split("\n")[0]}`), error.message);
      }
      // As a referrer, a runtime may accept it.
      const sent = session.get(NOBODY, { referrer: url } as RequestInit).catch((error) => error);
      if (await within(10_000, sent) instanceof TypeError) {
        const { message } = await sent;
        assert(!/s3cr|ada|example|et@|99999/.test(message), message);
      }
      await session.close();
      assertThrows(() => new Session({ baseUrl: url }), TypeError);
    },
  })),
  {
    name: "an idle timeout of Infinity is one",
    async run({ scope }) {
      const session = new Session({ pool: { idleTimeout: Infinity } });
      assertEquals((await session.get(`${scope.url}/bytes/10`)).status, 200);
      await session.close();
      const transport = createTransport({ idleTimeout: Infinity });
      await transport.close();
    },
  },
  ...Object.entries(UNDECODED).flatMap(([asked, init]) =>
    Object.entries(THROUGH).map(([through, options]): Case => ({
      name: `what was not decoded says so: asked with ${asked}, through ${through}`,
      needs: ["plainFetch"],
      leaks: true, // bare fetch
      async run({ scope }) {
        const content = async (response: Response) => new Uint8Array(await response.arrayBuffer());
        for (const [coding, length] of [["gzip", 1000], ["gzip", 200_000], ["deflate", 1000]] as const) {
          const url = `${scope.url}/encoded/${coding}/${length}`;
          const session = new Session(options());
          const bare = await content(await fetch(url, init));
          const expected = [bare, bare.byteLength === length ? null : coding];
          const responses = [
            await session.fetch(url, init),
            (await session.get(url, init)).toResponse(),
            (await session.get(url, { ...init, prefetch: false })).toResponse(),
          ];
          for (const response of responses) {
            assertEquals([await content(response), response.headers.get("content-encoding")], expected);
          }
          await session.close();
        }
      },
    }))
  ),
  {
    name: "timeouts pass after a clock that went back",
    needs: ["timePasses"],
    async run() {
      const now = performance.now.bind(performance);
      const set = (value: () => number) =>
        Object.defineProperty(performance, "now", { configurable: true, writable: true, value });
      const session = new Session({ fetch: () => new Promise(() => {}) });
      try {
        set(() => 1e9 + now());
        assert(
          await within(10_000, session.get(NOBODY, { timeout: 5 }).catch((error) => error)) instanceof TimeoutError,
        );
      } finally {
        set(now);
      }
      assert(
        await within(10_000, session.get(NOBODY, { timeout: 50 }).catch((error) => error)) instanceof TimeoutError,
      );
      await session.close();
    },
  },
];
