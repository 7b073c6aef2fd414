// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 2: when `await session.close()` returns, nothing of the session is open or running.
import { assert, assertEquals, assertIsError, assertRejects } from "@std/assert";
import {
  NetworkError,
  Pool,
  Session,
  SessionClosedError,
  type SessionOptions,
  type SessionRequestInit,
} from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { watchTimers } from "../harness/watch.ts";
import { asyncDispose, pause, within } from "../harness/with_session.ts";

async function assertNothingOpen({ scope, can }: TestContext, session: Session): Promise<void> {
  assertEquals(session.exchanges(), []);
  await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
}

/** Asserts that `work` is over long before any default timeout. */
async function promptly<T>(work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  const took = performance.now() - start;
  assert(took < 5000, `it took ${took} ms`);
  return result;
}

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "resolved", (error) => error);

const NOBODY = "http://x.test/";
const STREAM = { prefetch: false } as const;

/**
 * What becomes of a response whose body nobody reads, or not to its end, over a `fetch` that
 * ignores its signal.
 */
interface Unread {
  status?: number;
  headers?: Record<string, string>;
  options?: SessionOptions;
  needs?: Case["needs"];
  use(session: Session): Promise<unknown>;
}

const slowJar = { getCookieString: () => "", setCookie: () => new Promise(() => {}) };
const ANNOUNCED = { "content-length": "9" };

const UNREAD: Record<string, Unread> = {
  "a stream that is closed": { use: async (session) => await (await session.get(NOBODY, STREAM)).close() },
  "a stream at Session.close()": { use: (session) => session.get(NOBODY, STREAM) },
  "a stream whose iterator was never moved": {
    use: async (session) => void await (await session.get(NOBODY, STREAM))[Symbol.asyncIterator]().return!(),
  },
  "a stream whose body is canceled": {
    use: async (session) => await (await session.get(NOBODY, STREAM)).body!.cancel(),
  },
  "a stream that became a Response": { use: async (session) => void (await session.get(NOBODY, STREAM)).toResponse() },
  "a stream of a status that is an error": {
    status: 500,
    use: async (session) => await (await session.get(NOBODY, STREAM)).throwIfNotOk(),
  },
  "session.fetch at Session.close()": { use: (session) => session.fetch(NOBODY) },
  "session.fetch, announced, at Session.close()": {
    headers: ANNOUNCED,
    use: (session) => Promise.race([session.fetch(NOBODY), pause(30)]),
  },
  "the idle timeout": { options: { timeout: { idle: 30 } }, use: (session) => session.get(NOBODY) },
  "the idle timeout, announced": {
    headers: ANNOUNCED,
    options: { timeout: { idle: 30 } },
    use: (session) => session.get(NOBODY),
  },
  "the idle timeout, announced and large": {
    headers: { "content-length": "900000" },
    options: { timeout: { idle: 30 } },
    use: (session) => session.get(NOBODY),
  },
  "an abort": { use: (session) => abortSoon((signal) => session.get(NOBODY, { signal })) },
  "an abort, announced": {
    headers: ANNOUNCED,
    use: (session) => abortSoon((signal) => session.get(NOBODY, { signal })),
  },
  "the body of a 204": { status: 204, use: (session) => session.get(NOBODY) },
  "the body of a HEAD": { use: (session) => session.head(NOBODY) },
  ...Object.fromEntries(
    Object.entries<Unread>({
      "a redirect that is an error": { use: (session) => session.get(NOBODY, { redirect: "error" }) },
      "a redirect too many": { options: { maxRedirects: 0 }, use: (session) => session.get(NOBODY) },
      "a redirect to another scheme": { headers: { location: "ftp://x.test/" }, use: (session) => session.get(NOBODY) },
      "a redirect at Session.close()": { use: (session) => Promise.race([session.get(NOBODY), pause(30)]) },
      "a redirect with a large body": {
        headers: { location: "/", "content-length": "900000" },
        options: { maxRedirects: 1 },
        use: (session) => session.get(NOBODY),
      },
    }).map(([name, unread]) => [name, {
      status: 302,
      needs: ["followsRedirects"],
      ...unread,
      headers: unread.headers ?? { location: "/" },
    }]),
  ),
  "a timeout while a jar is told": {
    needs: ["allHeaders"],
    headers: { "set-cookie": "a=b" },
    options: { cookieJar: slowJar, timeout: 30 },
    use: (session) => session.get(NOBODY),
  },
  "headers that come after a timeout": {
    options: { timeout: { headers: 30 } },
    async use(session) {
      await failure(session.get(`${NOBODY}late`));
      await pause(60); // the session is open when they come
    },
  },
};

async function abortSoon(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const working = work(controller.signal);
  working.catch(() => {});
  await pause(10);
  controller.abort();
  await working;
}

/** A response with a body that never ends; tells whether it was canceled. */
function endless(init: ResponseInit): { response: Response; canceled: () => boolean } {
  let canceled = false;
  const body = new ReadableStream({ cancel: () => void (canceled = true) }, { highWaterMark: 0 });
  const response = new Response(init.status === 204 ? null : body, init);
  if (init.status === 204) Object.defineProperty(response, "body", { value: body });
  return { response, canceled: () => canceled };
}

/** What may be under way when the session is closed. */
const UNDER_WAY: Record<
  string,
  { answer: () => Response | Promise<Response>; init?: SessionRequestInit; options?: SessionOptions }
> = {
  "the body of a redirect": {
    answer: () => new Response(new ReadableStream(), { status: 302, headers: { location: "/x" } }),
  },
  "a request without an answer": { answer: () => new Promise(() => {}) },
  "a body": { answer: () => new Response(new ReadableStream()) },
  "a short body": { answer: () => new Response(new ReadableStream(), { headers: { "content-length": "9" } }) },
  "a jar that is asked": {
    answer: () => new Response(),
    options: { cookieJar: { getCookieString: () => new Promise<string>(() => {}), setCookie() {} } },
  },
  "the stream of a Request": {
    answer: () => new Promise(() => {}),
    init: { method: "POST", body: new ReadableStream() },
  },
};

/** What is no number of milliseconds. */
const NO_GRACE: Record<string, unknown> = {
  "a string": "100",
  "an empty string": "",
  "null": null,
  "NaN": NaN,
  "a negative number": -1,
  "-Infinity": -Infinity,
  "a BigInt": 5n,
  "true": true,
  "an array": [],
  "an object": {},
  "an object with valueOf()": { valueOf: () => 100 },
  "a function": () => 100,
  "a Date": new Date(0),
};

/** How the upload of a `Request` with a form is cut off. */
const CUTS: Record<
  string,
  (session: Session, url: string, request: (path: string, signal?: AbortSignal) => Request) => Promise<unknown>
> = {
  "an abort": (session, url, make) => abortSoon((signal) => session.fetch(make(`${url}/hang`, signal))),
  "a timeout": (session, url, make) => session.request(make(`${url}/hang`), { timeout: 20 }),
  "Session.close()": async (session, url, make) => {
    const sent = session.fetch(make(`${url}/hang`));
    sent.catch(() => {});
    await pause(10);
    await session.close();
    await sent;
  },
  "an early 413": (session, url, make) => session.fetch(make(`${url}/early?status=413`)),
  "a request that was never sent": (session, url, make) => session.fetch(make(`${url}/hang`, AbortSignal.abort())),
};

/** What a `Request` is made of that sends a form. */
const FORMS: Record<string, (form: FormData) => RequestInit> = {
  "a form": (body) => ({ body }),
  "a form, and a type of its own": (body) => ({ body, headers: { "content-type": "text/plain" } }),
  "the stream of a form": (form) => ({ body: new Response(form).body, duplex: "half" } as RequestInit),
};

/** What a mock makes of a form. */
const FORM_RESPONSES: Record<string, (form: FormData) => Response> = {
  "a form": (form) => new Response(form),
  "a form, and a type of its own,": (form) => new Response(form, { headers: { "content-type": "text/plain" } }),
  "the stream of a form": (form) => new Response(new Response(form).body),
};

/** How the body of a response is left. */
const UNREAD_FORMS: Record<string, (session: Session) => Promise<unknown>> = {
  "a stream that is closed": async (session) => (await session.get(NOBODY, { prefetch: false })).close(),
  "a loop that is left": async (session) => {
    for await (const _ of await session.get(NOBODY, { prefetch: false })) break;
  },
  "a HEAD": (session) => session.head(NOBODY),
  "a cap": (session) => failure(session.get(NOBODY, { maxBodyBytes: 10 })),
  "session.fetch at Session.close()": async (session) => {
    await session.fetch(NOBODY);
    await session.close();
  },
  "an answer after an abort": async (session) => {
    const controller = new AbortController();
    const failed = failure(session.get(NOBODY, { signal: controller.signal }));
    controller.abort();
    await failed;
  },
};

/** A form that takes long to read. */
function largeForm(): FormData {
  const form = new FormData();
  for (let i = 0; i < 400; i++) form.append("file", new Blob([new Uint8Array(20_000)]), "a.bin");
  return form;
}

export const cases: Case[] = [
  {
    name: "the source of an upload is released when close() returns, though it aborts its own request",
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response()) });
      const controller = new AbortController();
      let released = 0;
      const body = {
        [Symbol.asyncIterator]() {
          controller.abort("enough");
          const next = () => Promise.resolve({ done: false as const, value: new Uint8Array(1) });
          return { next, return: () => Promise.resolve({ done: true as const, value: released++ }) };
        },
      };
      const options = { body: body as unknown as ReadableStream, signal: controller.signal };
      assertEquals(await session.post("http://x.test/", options).catch((reason) => reason), "enough");
      await session.close();
      assertEquals(released, 1);
    },
  },
  {
    name: "Session.close() ends everything at once",
    async run(t) {
      const { scope, can } = t;
      // A browser itself opens no more than six.
      const limit = can("manyConnections") ? 12 : 6;
      const session = new Session({ pool: { maxConnections: limit } });
      await Promise.all([1, 2, 3].map(() => session.get(`${scope.url}/bytes/10`))); // idle sockets
      const streams = await Promise.all(
        ["/endless", "/stall/50000", "/bytes/10000000"].map((path) =>
          session.get(`${scope.url}${path}`, { prefetch: false })
        ),
      );
      const halfRead = streams[0]![Symbol.asyncIterator]();
      await halfRead.next();
      const reading = failure(streams[1]!.bytes());
      const paths = ["/stall/10", "/drip?n=Infinity&gap=1", "/hang?1", "/hang?2", "/hang?3", "/stall/100000"];
      const pending = paths.slice(0, limit / 2 - 1).map((path) => failure(session.get(`${scope.url}${path}`)));
      const uploads = Array.from({ length: limit - 3 - pending.length }).map(() =>
        failure(session.post(`${scope.url}/hang`, { body: "x".repeat(100000) }))
      );
      const queued = Array.from({ length: 20 }, () => failure(session.get(`${scope.url}/bytes/10`)));
      await scope.wait({ requests: 3 + limit }, 10_000);
      assertEquals(session.exchanges().filter(({ state }) => state === "queued").length, 20);

      const [cut, again] = await promptly(Promise.all([session.close(), session.close()]));
      assertEquals(cut.length, limit + 20);
      assertEquals(again, cut);
      for (const error of await Promise.all([reading, ...pending, ...uploads, ...queued])) {
        assert(error instanceof SessionClosedError, String(error));
      }
      await assertRejects(() => halfRead.next(), SessionClosedError);
      await assertRejects(() => streams[2]!.text(), SessionClosedError);
      for (const stream of streams) assertEquals(stream.closed, true);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() is idempotent, and later requests are rejected",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      assertEquals(session.closed, false);
      await session.get(`${scope.url}/bytes/10`);
      assertEquals(await session.close(), []);
      assertEquals(session.closed, true);
      assertEquals(await session.close(), []);
      await session[asyncDispose]();
      const error = await assertRejects(() => session.get(`${scope.url}/bytes/10?a=1`), SessionClosedError);
      assertEquals([error.method, error.url], ["GET", `${scope.url}/bytes/10?…`]);
      const { cause } = await assertRejects(() => session.fetch(`${scope.url}/bytes/10`), TypeError, "fetch failed");
      assertIsError(cause, SessionClosedError);
      assertEquals((await scope.stats()).requests, 1);
      await assertNothingOpen(t, session);
    },
  },
  {
    // Deno's sanitizers count the timers.
    name: "Session leaves no timer of a request that comes after close()",
    async run(t) {
      const session = new Session({ timeout: 60_000 });
      await session.close();
      await assertRejects(() => session.get(`${t.scope.url}/bytes/10`), SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close({ grace }) waits for what can finish and cuts off the rest",
    async run(t) {
      const { scope } = t;
      const session = new Session({ pool: { maxConnections: 3 } });
      const held = session.get(`${scope.url}/hold?key=a`);
      const stream = await session.get(`${scope.url}/hold?key=a&sent=10`, { prefetch: false });
      const stuck = failure(session.get(`${scope.url}/hang?token=1`));
      const queued = session.get(`${scope.url}/bytes/10`);
      await scope.wait({ requests: 3 }, 10_000);
      const closing = session.close({ grace: 1000 });
      await assertRejects(() => session.get(`${scope.url}/bytes/10`), SessionClosedError);
      await scope.release("a");
      assertEquals((await held).content.byteLength, "released".length);
      assertEquals((await stream.bytes()).byteLength, 10 + "released".length);
      assertEquals((await queued).status, 200);
      const cut = await closing;
      assertEquals(cut.map(({ method, url, state }) => [method, url, state]), [
        ["GET", `${scope.url}/hang?…`, "headers"],
      ]);
      assert(await stuck instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close({ grace }) settles as soon as nothing is open",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const held = session.get(`${scope.url}/hold?key=a`);
      await scope.wait({ requests: 1 }, 10_000);
      const closing = session.close({ grace: 60_000 });
      await scope.release("a");
      await held;
      assertEquals(await promptly(closing), []);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() cuts short the grace of an earlier call",
    async run(t) {
      const { scope } = t;
      for (const grace of [60_000, 2 ** 40, Infinity]) { // of which a timer takes at most 2 ** 31
        const session = new Session();
        const stuck = failure(session.get(`${scope.url}/hang`));
        while (session.exchanges()[0]!.state !== "headers") await pause(5);
        const closing = session.close({ grace });
        await pause(10); // in which a grace that is too long for a timer would be over
        assertEquals(session.exchanges().length, 1);
        assertEquals((await promptly(session.close())).length, 1);
        assertEquals((await closing).length, 1);
        assert(await stuck instanceof SessionClosedError);
        await assertNothingOpen(t, session);
      }
    },
  },
  {
    name: "Session.close() during connect leaves nothing",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const pending = [1, 2, 3, 4].map(() => failure(session.get(`${scope.url}/bytes/10`)));
      await promptly(session.close());
      for (const error of await Promise.all(pending)) assert(error instanceof SessionClosedError, String(error));
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() a few turns after the request leaves nothing",
    async run(t) {
      const { scope } = t;
      for (let turns = 0; turns < 12; turns++) {
        const session = new Session();
        const pending = failure(session.get(`${scope.url}/bytes/100000`));
        for (let turn = 0; turn < turns; turn++) await (turn % 2 ? Promise.resolve() : macrotask());
        await promptly(session.close());
        const result = await pending;
        assert(result === "resolved" || result instanceof SessionClosedError, String(result));
        await assertNothingOpen(t, session);
      }
    },
  },
  {
    name: "Session.close() from inside a for await loop ends the loop",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const response = await session.get(`${scope.url}/endless`, { prefetch: false });
      await assertRejects(async () => {
        for await (const _ of response) await session.close();
      }, SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    // On Deno an abort did not reach a response that was collected while its body was read.
    name: "Session.close() ends a body that is being read fast",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const response = await session.get(`${scope.url}/endless`, { prefetch: false });
      let size = 0;
      let enough = () => {};
      const read = new Promise<void>((resolve) => enough = resolve);
      const loop = failure((async () => {
        for await (const chunk of response) {
          size += chunk.byteLength;
          if (size > 30_000_000) enough();
        }
      })());
      await read;
      await promptly(session.close());
      assert(await loop instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() while a redirect is between hops leaves nothing",
    needs: ["followsRedirects"],
    async run(t) {
      const { scope } = t;
      const elsewhere = await t.openScope();
      // The pool has one slot, which a request to another origin takes as soon as the first hop
      // gives it up.
      const session = new Session({ pool: { maxConnections: 1 } });
      const redirected = failure(session.get(`${scope.url}/redirect/302?to=/bytes/10`));
      const other = failure(session.get(`${elsewhere.url}/hang`));
      await elsewhere.wait({ requests: 1 }, 10_000);
      assertEquals(session.exchanges().map(({ url, state }) => [url, state]), [
        [`${scope.url}/bytes/10`, "queued"],
        [`${elsewhere.url}/hang`, "headers"],
      ]);
      await promptly(session.close());
      assert(await redirected instanceof SessionClosedError);
      assert(await other instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() leaves a borrowed pool open, and ends what was the session's",
    async run(t) {
      const { scope } = t;
      const pool = new Pool();
      const [mine, other] = [new Session({ pool }), new Session({ pool })];
      try {
        const stream = await mine.get(`${scope.url}/endless`, { prefetch: false });
        const others = await other.get(`${scope.url}/hold?key=a&sent=1`, { prefetch: false });
        await mine.close();
        assertEquals([stream.closed, others.closed, pool.closed], [true, false, false]);
        await scope.release("a");
        assertEquals((await others.bytes()).byteLength, 1 + "released".length);
        assertEquals((await other.get(`${scope.url}/bytes/10`)).status, 200);
        await other.close();
      } finally {
        await pool.close();
      }
      await assertNothingOpen(t, mine);
    },
  },
  {
    name: "Session.exchanges() shows what is open, without credentials and query values",
    async run({ scope }) {
      const session = new Session();
      try {
        const url = new URL(`${scope.url}/endless?token=s3cret#frag`);
        url.username = "ann";
        url.password = "s3cret";
        const response = await session.get(url, { prefetch: false });
        const [exchange] = session.exchanges();
        const { age, ...rest } = exchange!;
        assertEquals(rest, { method: "GET", url: `${scope.url}/endless?…`, state: "streaming" });
        assert(age >= 0);
        await response.close();
        assertEquals(session.exchanges(), []);
      } finally {
        await session.close();
      }
    },
  },
  ...Object.entries(UNREAD).map(([what, { status = 200, headers, options, needs, use }]): Case => ({
    name: `a body that nobody reads is canceled, over a fetch that ignores its signal: ${what}`,
    needs,
    async run() {
      const made: (() => boolean)[] = [];
      const session = new Session({
        ...options,
        async fetch(url) {
          if (String(url).endsWith("late")) await pause(60);
          const { response, canceled } = endless({ status, headers });
          made.push(canceled);
          return response;
        },
      });
      await within(10_000, use(session)).catch(() => {});
      await session.close();
      const pending = () => made.filter((canceled) => !canceled()).length;
      for (let turn = 0; turn < 80 && (made.length === 0 || pending() > 0); turn++) await pause(5);
      assertEquals([made.length > 0, pending()], [true, 0]);
    },
  })),
  ...["an abort", "Session.close()"].map((what): Case => ({
    name: `an upload is ended that is cut off within its own [Symbol.asyncIterator](): ${what}`,
    async run() {
      const controller = new AbortController();
      const session: Session = new Session({ fetch: () => Promise.resolve(new Response()) });
      let returned = 0;
      const body = {
        [Symbol.asyncIterator]() {
          if (what === "an abort") controller.abort();
          else void session.close();
          return {
            next: () => Promise.resolve({ done: false as const, value: new Uint8Array(1) }),
            return() {
              returned++;
              return Promise.resolve({ done: true as const, value: undefined });
            },
          };
        },
      };
      await assertRejects(() => session.post(NOBODY, { body, signal: controller.signal }));
      await session.close();
      for (let turn = 0; turn < 40 && returned === 0; turn++) await pause(5);
      assertEquals(returned, 1);
    },
  })),
  ...(["a stream", "an async generator", "a Request"] as const).map((what): Case => ({
    name: `an upload that was sent to its end is not aborted: ${what}`,
    async run() {
      let signal: AbortSignal | undefined;
      const session = new Session({
        async fetch(_, init) {
          signal = init!.signal!;
          return new Response(await new Response(init!.body).arrayBuffer());
        },
      });
      const content = new Blob(["x".repeat(100)]);
      const body = what === "a stream" ? content.stream() : (async function* () {
        yield new Uint8Array(await content.arrayBuffer());
      })();
      const response = what === "a Request"
        ? await session.fetch(new Request(NOBODY, { method: "POST", body: content }))
        : await session.post(NOBODY, { body: body as SessionRequestInit["body"] });
      assertEquals((await response.arrayBuffer()).byteLength, 100);
      await pause(10);
      assertEquals([session.exchanges(), signal?.aborted], [[], false]);
      await session.close();
    },
  })),
  ...Object.entries(UNDER_WAY).map(([what, { answer, init, options }]): Case => ({
    name: `Session.close() leaves no timer: ${what}`,
    async run() {
      const timers = watchTimers();
      try {
        const session = new Session({ ...options, fetch: () => Promise.resolve(answer()) });
        const got = session.request(NOBODY, init).catch((error) => error);
        await pause(20);
        await session.close({ grace: 10 });
        assert(await got instanceof Error);
        assertEquals(timers.count, 0);
      } finally {
        timers.restore();
      }
    },
  })),
  {
    name: "a 205 leaves nothing open, though a body comes with it",
    needs: ["sendsOnce"], // Chromium takes the body for the answer to the next request
    async run(t) {
      const session = new Session({ pool: { maxConnections: 2 }, timeout: 3000 });
      const head = "HTTP/1.1 205 Reset Content\r\naccess-control-allow-origin: *\r\ntransfer-encoding: chunked";
      const path = `/raw?${new URLSearchParams({ head, chunk: "1000", times: "Infinity" })}`;
      try {
        for (let i = 0; i < 4; i++) assertEquals((await session.get(`${t.scope.url}${path}&${i}`)).status, 205);
        assertEquals((await session.fetch(`${t.scope.url}${path}&4`)).status, 205);
        await (await session.get(`${t.scope.url}${path}&5`, STREAM)).close();
        await t.scope.wait({ pending: 0 }, 10_000); // while the session is open
      } finally {
        await session.close();
      }
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() lists each exchange once, also when it is called within an abort",
    async run() {
      const session: Session = new Session({
        pool: { maxConnections: 2 },
        fetch: (_, init) =>
          new Promise((_, reject) => {
            init!.signal!.addEventListener("abort", () => {
              void session.close();
              reject(init!.signal!.reason);
            });
          }),
      });
      const urls = [1, 2, 3].map((i) => `${NOBODY}${i}`);
      const all = urls.map((url) => failure(session.get(url)));
      await pause(5);
      const [cut, again] = await Promise.all([session.close(), session.close()]);
      assertEquals(cut.map(({ url }) => url).sort(), urls);
      assertEquals([again, await session.close()], [cut, cut]);
      for (const error of await Promise.all(all)) assert(error instanceof SessionClosedError, String(error));
    },
  },
  ...(["its signal", "its timeout", "its failure", "its end"] as const).map((what): Case => ({
    name: `Session.close() within an abort lists no exchange that another reason ended: ${what}`,
    async run() {
      const controller = new AbortController();
      let closing: Promise<unknown[]> | undefined;
      const session: Session = new Session({
        fetch(url, init) {
          if (String(url).endsWith("other")) return new Promise(() => {});
          init!.signal!.addEventListener("abort", () => closing ??= session.close());
          if (what === "its end") {
            closing ??= pause(5).then(() => session.close());
            return Promise.resolve(new Response("ok"));
          }
          return what === "its failure"
            ? pause(5).then(() => Promise.reject(closing = session.close()))
            : new Promise(() => {});
        },
      });
      const timeout = what === "its timeout" ? 20 : 5000;
      const first = failure(session.get(`${NOBODY}first`, { signal: controller.signal, timeout }));
      const other = failure(session.get(`${NOBODY}other`));
      await pause(5);
      if (what === "its signal") controller.abort();
      await first;
      const cut = await session.close();
      assertEquals(cut.map(({ url }) => url).filter((url) => what !== "its failure" || !url.endsWith("first")), [
        `${NOBODY}other`,
      ]);
      assertEquals(await closing, cut);
      assert(await other instanceof SessionClosedError);
    },
  })),
  {
    name: "Session.close() in a grace lists what it cut off, and not what ended meanwhile",
    async run() {
      const session = new Session({
        fetch: (url) => String(url).endsWith("slow") ? new Promise(() => {}) : pause(20).then(() => new Response("ok")),
      });
      const all = [`${NOBODY}quick`, `${NOBODY}slow`].map((url) => failure(session.get(url)));
      all.push(failure(session.get(`${NOBODY}slow?timeout`, { timeout: 20 })));
      const cut = await session.close({ grace: 60 });
      assertEquals(cut.map(({ url }) => url), [`${NOBODY}slow`]);
      await Promise.all(all);
    },
  },
  ...Object.entries(NO_GRACE).map(([what, grace]): Case => ({
    name: `Session.close() refuses a grace that is ${what}, before anything changes`,
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response("ok")) });
      const error = await session.close({ grace: grace as number }).catch((error) => error);
      assert(error instanceof (typeof grace === "number" ? RangeError : TypeError), String(error));
      assert(error.message.includes('"grace"'), error.message);
      assertEquals([session.closed, (await session.get(NOBODY)).status], [false, 200]);
      await session.close({ grace: undefined });
      assertEquals(session.closed, true);
    },
  })),
  ...Object.entries(FORMS).flatMap(([made, init]) =>
    Object.entries(CUTS).map(([what, cut]): Case => ({
      name: `nothing escapes from a Request with ${made} whose upload is cut off: ${what}`,
      needs: made === "the stream of a form" ? ["streamsUploads"] : [],
      async run(t) {
        const session = new Session();
        await catchingAll(async () => {
          for (let time = 0; time < 3; time++) {
            const make = (url: string, signal?: AbortSignal) =>
              new Request(url, { method: "POST", ...init(largeForm()), signal });
            await within(10_000, cut(session, t.scope.url, make)).catch(() => {});
          }
          await session.close();
          await pause(50);
        });
        await assertNothingOpen(t, session);
      },
    }))
  ),
  ...["at once", "by a redirect"].map((how): Case => ({
    name: `nothing escapes from a form that goes to a port that fetch refuses ${how}`,
    async run(t) {
      const refused = "http://127.0.0.1:25/";
      const url = how === "at once" ? refused : `${t.scope.url}/redirect/307?to=${encodeURIComponent(refused)}`;
      const session = new Session();
      await catchingAll(async () => {
        assert(await failure(session.post(url, { body: largeForm() })) instanceof NetworkError);
        await session.close();
        await pause(50);
      });
      await assertNothingOpen(t, session);
    },
  })),
  ...Object.entries(UNREAD_FORMS).flatMap(([what, use]) =>
    Object.entries(FORM_RESPONSES).map(([how, make]): Case => ({
      name: `nothing escapes from a Response with ${how} that nobody reads: ${what}`,
      needs: ["readsForms"],
      async run() {
        await catchingAll(async () => {
          const session = new Session({ fetch: () => Promise.resolve(make(largeForm())) });
          await use(session);
          await session.close();
          await pause(50);
        });
      },
    }))
  ),
  ...["", " with a grace"].map((grace): Case => ({
    name: `Session.close()${grace} cuts off more requests than a stack has room for`,
    needs: ["processes"],
    async run({ run }) {
      // With V8's own stack it would take 130,000, and on Bun several 100,000.
      const count = 20_000;
      const script = { script: "scripts/many.ts", v8: ["--stack-size=150"] };
      const { code, stdout, stderr } = await run(script, `${count}`, grace === "" ? "0" : "20");
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout), { cut: count, once: count, open: 0, rejected: count });
    },
  })),
];

function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
