// Copyright 2026 the Hangup authors. MIT license.
//
// The module is a guest: a `fetch`, dispatcher or client that the user chose is used, whenever it
// was chosen.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createTransport, NetworkError, QueueFullError, Session, type SessionOptions } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { mocking } from "../harness/mocking.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { pause, readEcho } from "../harness/with_session.ts";

/** Runs scripts/guest.ts. */
async function run(t: TestContext, what: string, ...rest: string[]) {
  const { code, stdout, stderr } = await t.run("scripts/guest.ts", what, t.scope.url, ...rest);
  assert(code === 0, stderr);
  if (what === "dropped") assertMatch(stderr, /^Hangup: a session was dropped without close\(\)/);
  else assertEquals(stderr, "");
  return JSON.parse(stdout);
}

const isNode = (runtime: string) => runtime.startsWith("node");

/** The ways in which a `fetch` may call another one. */
const CALLERS: Record<string, (fetch: typeof globalThis.fetch) => typeof globalThis.fetch> = {
  "itself": (fetch) => fetch,
  "called": (fetch) => (input, init) => fetch(input, init),
  "called late": (fetch) => async (input, init) => {
    await Promise.resolve();
    return await fetch(input, init);
  },
};

const NOTHING_OPEN = { open: 0, pending: 0 };

/**
 * What `over()` of the script prints: twice three requests, and whether the sockets are the
 * session's; then `get()`.
 */
const ALL = (closesSockets: boolean) => [200, 200, 200, closesSockets, 200, 200, 200, closesSockets, 200];

/** What `inCompany()` of the script prints if nothing is lost. */
const WHOLE = {
  lengths: [10, 100_000, 50_000, 200_000, 200_000, 20, 30],
  body: "text",
  closesSockets: false,
  ends: [true, "SessionClosedError", "TypeError"],
};

/** Has the script run in such company, and look on until nothing of its sessions is under way. */
async function inCompany(t: TestContext, what: string) {
  const gate = await t.openScope();
  const running = run(t, what, `${gate.url}/hold?key=end`);
  await Promise.race([running, gate.wait({ pending: 1 }, 20_000)]);
  await t.scope.wait({ pending: 0 }, 1000);
  await gate.release("end");
  return await running;
}

/** What only Node has: other versions of undici. */
function onNode(name: string, test: (t: TestContext) => Promise<void>): Case {
  return {
    name,
    needs: ["processes"],
    run: async (t) => isNode(t.runtime) ? await test(t) : undefined,
  };
}

export const cases: Case[] = [
  ...["itself", "called", "called late", "copied", "as a Request", "as a Request, late"].map((how): Case => ({
    name: `the fetch of a session may be the global one: ${how}`,
    needs: ["processes"],
    async run(t) {
      const { results, closesSockets } = await run(t, `session: ${how}`);
      assertEquals(results, [200, 200, 200, 200, 200, 200]);
      assertEquals(closesSockets, how === "itself");
      assertEquals((await t.scope.stats()).requests, 6);
      if (closesSockets) await t.scope.wait(NOTHING_OPEN);
    },
  })),
  ...["bound", "with another URL", "by session.request()"].map((how): Case => ({
    name: `a global fetch that sends through a session is not entered again: ${how}`,
    needs: ["processes"],
    async run(t) {
      const { results } = await run(t, `session: ${how}`);
      assertEquals(results, [200, 200, 200, 200, 200, 200]);
      assertEquals((await t.scope.stats()).requests, 6);
    },
  })),
  ...["the global one", "the option"].map((which): Case => ({
    name: `a mock of fetch that asks another service through a session answers for that, too: ${which}`,
    async run() {
      const options: SessionOptions = {};
      const mock = async (input: URL | Request) => {
        const { hostname } = new URL(input instanceof Request ? input.url : input);
        if (hostname === "stock.test") return new Response("3 left");
        const inner = new Session(options);
        const response = await inner.get("http://stock.test/");
        await inner.close();
        return new Response(`in the shop: ${await response.text()}`);
      };
      if (which === "the option") options.fetch = mock;
      const ask = async () => {
        const session = new Session(options);
        const text = await (await session.get("http://shop.test/")).text();
        await session.close();
        return text;
      };
      const text = which === "the option" ? await ask() : await mocking(globalThis, "fetch", mock, ask);
      assertEquals(text, "in the shop: 3 left");
    },
  })),
  onNode("a Request of npm's undici keeps its length, and its body through a redirect", async (t) => {
    const sent = [[["content-length", "4"]], "text"];
    assertEquals(await run(t, "request of undici"), [...sent, ...sent]);
  }),
  onNode("a Request is sent where the global object is frozen", async (t) => {
    assertEquals(await run(t, "frozen globals"), [200, 200]);
  }),
  {
    name: "responses have what those of happy-dom have, where its globals were there first",
    needs: ["processes"],
    async run(t) {
      if (t.runtime === "deno") return; // happy-dom's own `fetch` needs Node's modules as Node and Bun have them
      // The platform's `fetch` takes only its own signals. On Bun, nobody can find their class any
      // more.
      for (const way of t.runtime === "bun" ? ["happy-dom"] : ["happy-dom", "happy-dom's classes"]) {
        for (const [own, fetched, passedOn] of await run(t, way)) assertEquals([fetched, passedOn], [own, own], way);
      }
    },
  },
  ...Object.entries(CALLERS).map(([how, wrap]): Case => ({
    name: `the fetch of a session may be the fetch option of another one: ${how}`,
    async run() {
      const echo = (_: URL, init: RequestInit) => Promise.resolve(new Response(null, { headers: init.headers! }));
      const inner = new Session({ headers: { "x-inner": "passed" }, fetch: echo });
      const outer = new Session({ fetch: wrap(inner.fetch) });
      const ask = async (send: typeof outer.get | typeof fetch) =>
        await send("http://x.test/").then(({ headers }) => headers.get("x-inner"), ({ name }) => name);
      const [get, fetch] = [outer.get.bind(outer), outer.fetch];
      assertEquals([await ask(get), await ask(fetch)], ["passed", "passed"]);
      await inner.close();
      assertEquals([await ask(get), await ask(fetch)], ["NetworkError", "TypeError"]);
      await outer.close();
    },
  })),
  {
    name: "a fetch option that calls the fetch of its own session is not entered again",
    async run({ scope }) {
      let entered = 0;
      const session: Session = new Session({
        fetch(input, init) {
          entered++;
          return session.fetch(input, init);
        },
      });
      assertEquals([(await session.get(`${scope.url}/bytes/10`)).status, entered], [200, 1]);
      await session.close();
    },
  },
  ...["before", "after"].flatMap((when) =>
    ["an async function", "a function", "a spy of bun:test"].map((kind): Case => ({
      name: `a mock that replaces the global fetch ${when} the module is loaded gets every request as it is: ${kind}`,
      needs: ["processes"],
      async run(t) {
        if (kind.includes("bun") && t.runtime !== "bun") return;
        const { asked, results } = await run(t, `mock: ${when}, ${kind}`);
        const at = "http://mock.invalid/";
        assertEquals(asked, [[at, "POST", "text"], [at, "GET", null], [at, "GET", null]]);
        assertEquals(results, [false, 299, 299, 299, false, 200, true]);
        await t.scope.wait({ ...NOTHING_OPEN, requests: 1 });
      },
    }))
  ),
  {
    name: "a wrapper of the global fetch may clone responses",
    needs: ["processes"],
    async run(t) {
      const { results, read } = await run(t, "instrumented");
      assertEquals(results, ALL(false));
      assertEquals([read[0], read[2], read[6]], [10, 50000, 10]);
    },
  },
  {
    name: "a patch like Next's may share and keep responses, and Sentry trace them and read a copy of each",
    needs: ["processes"],
    async run(t) {
      const { traced, read, kept, ...rest } = await inCompany(t, "next and sentry");
      assertEquals(rest, WHOLE);
      assertEquals(traced, 12); // all that was answered, of a redirect both
      const bytes = ["/bytes/10", "/bytes/20", "/bytes/200000", "/bytes/200000", "/bytes/30"];
      assertEquals(read, [...bytes, "/chunked/100000", "/echo", "/gzip/50000", "/redirect/302"]);
      const { "/echo": echo, ...lengths } = kept;
      assert(echo > 0);
      assertEquals(lengths, {
        "/bytes/10": 10,
        "/bytes/20": 20,
        "/bytes/200000": 200_000,
        "/bytes/30": 30,
        "/chunked/100000": 100_000,
        "/gzip/50000": 50_000,
        "/redirect/302": 0,
      });
      assertEquals((await t.scope.stats()).paths["GET /bytes/200000"], 1); // shared by two
    },
  },
  ...["before", "after"].map((when) =>
    onNode(`nock may answer, set up ${when} the module is loaded`, async (t) => {
      const ada = { name: "Ada" };
      const results = await inCompany(t, `nock: ${when}`);
      const [broken, late, unknown] = results.splice(5, 3);
      assertEquals(results, [ada, "text", ada, ada, ada, false, 200, true]);
      assertMatch(broken, /^NetworkError: The connection failed/);
      assertMatch(late, /^TimeoutError: /);
      assertMatch(unknown, /^NetworkError: /);
      await t.scope.wait({ open: 0, requests: 1 });
    })
  ),
  onNode("under msw, a Request keeps its headers, and a URL may be relative to the page", async (t) => {
    assertEquals(await run(t, "msw"), [...Array(10).fill("Bearer 1"), "Ada", "Ada"]);
  }),
  ...[6, 7, 8].flatMap((version) =>
    ["undici", "undici, before", "install"].map((how) =>
      onNode(`the fetch of npm's undici may be the global one: ${how} ${version}`, async (t) => {
        assertEquals(await run(t, `${how}: ${version}`), ALL(how === "install" && version === 6));
        assertEquals((await t.scope.stats()).requests, 7);
      })
    )
  ),
  onNode("what the user sets by setGlobalDispatcher() under a session is respected, and so is its end", async (t) => {
    const refused = "Cannot send the request with options of an Agent as fetch goes through another dispatcher";
    const before = [200, 200, true];
    assertEquals(await run(t, "dispatcher"), [...before, true, 299, false, false, refused, 200, true]);
    await t.scope.wait({ ...NOTHING_OPEN, requests: 3 });
  }),
  onNode(
    "a mock of undici sees bodies and may change them, as the dispatcher of a transport or of a request",
    async (t) => {
      const results = ["edited", "edited", "edited", "edited", "closed"];
      assertEquals(await run(t, "mock dispatcher"), [...results, ...results]);
    },
  ),
  onNode("a global dispatcher that is an agent, but not a plain one, is used as it is", async (t) => {
    const through = (...seen: string[]) => [200, 200, false, false, ...seen];
    const closed = ["The client is destroyed", "The client is destroyed", false, false];
    assertEquals(await run(t, "lookalikes"), {
      "a subclass of its name": through("sent"),
      "a subclass of its name that changes nothing": through(),
      "with a listener": through("connected"),
      closed,
      "closed later": closed,
      "destroyed": closed,
    });
  }),
  onNode("null is no dispatcher, and what is none is refused and ends no process", async (t) => {
    const message = 'Cannot send the request as "dispatcher" must have the method "dispatch": received';
    const refused = (value: string) => [[`${message} ${value}`, false], `TypeError: ${message} ${value}`];
    const results = [200, 200, ...refused("false"), ...refused("0"), ...refused("object")];
    assertEquals(await run(t, "wrong dispatchers"), results);
  }),
  onNode("a session in another realm owns its sockets", async (t) => {
    assertEquals(await run(t, "realm"), [false, true, 200, 200, 200, true, 200, [200, "10", 10]]);
    await t.scope.wait(NOTHING_OPEN);
  }),
  ...["before", "after"].map((when): Case => ({
    name: `what the language brings may be frozen, ${when} the module is loaded`,
    needs: ["processes"],
    async run(t) {
      const failures = ["StatusError", "BodyTooLargeError", "TooManyRedirectsError", "TimeoutError"];
      assertEquals(await run(t, `frozen: ${when}`), [200, ...failures, "SessionClosedError"]);
    },
  })),
  {
    name: "requests are sent and cut off where a test has replaced AbortController",
    async run({ scope, can }) {
      /** Its signal is none to `fetch`. */
      class Mock {
        readonly signal = { aborted: false, addEventListener() {}, removeEventListener() {} };
        abort() {}
      }
      const results = await mocking(globalThis, "AbortController", Mock, async () => {
        const session = new Session();
        const { status } = await session.get(`${scope.url}/bytes/10`);
        const late = await session.get(`${scope.url}/hang`, { timeout: 50 }).catch(({ name }) => name);
        await session.close();
        return [status, late];
      });
      assertEquals(results, [200, "TimeoutError"]);
      await scope.wait(can("closesSockets") ? NOTHING_OPEN : { pending: 0 });
    },
  },
  {
    // On Deno and Bun, nobody could get at the platform's AbortController.
    name: "a library may have replaced Response before the module is loaded, and on Node AbortController",
    needs: ["processes"],
    async run(t) {
      const [first, second, third, late] = await run(t, "replaced");
      assertEquals([first, second, third], [100, 100, 100]);
      assertMatch(late, /^TimeoutError/);
      await t.scope.wait(NOTHING_OPEN);
    },
  },
  {
    name: "a POST arrives as it is where a library has replaced Blob",
    async run({ scope }) {
      class Library {
        readonly size = 0;
        readonly type = "";
      }
      const session = new Session();
      const url = `${scope.url}/echo`;
      const method = "POST";
      const bodies = await mocking(globalThis, "Blob", Library, async () => [
        await readEcho(await session.post(url, { json: [1] })),
        await readEcho(await session.fetch(url, { method, body: "text" })),
        await readEcho(await session.fetch(url, { method, body: new URLSearchParams({ a: "b" }) })),
      ]);
      await session.close();
      assertEquals(bodies.map(({ body }) => body), ["[1]", "text", "a=b"]);
    },
  },
  {
    name: "a form arrives as it is, with the names of its files, where a library has replaced Response",
    async run({ scope }) {
      /** To it a form is an object like any other, which has a text. */
      class Library extends Response {
        constructor(body: unknown, init?: ResponseInit) {
          super(String(body), init);
        }
      }
      const form = new FormData();
      form.append("a", new Blob(["content"]), "name.txt");
      const session = new Session();
      const echoes = await mocking(globalThis, "Response", Library, async () => [
        await readEcho(await session.post(`${scope.url}/echo`, { body: form })),
        await readEcho(await session.fetch(`${scope.url}/echo`, { method: "PUT", body: form })),
      ]);
      await session.close();
      for (const { body } of echoes) assertMatch(body, /filename="name.txt"[^]*content/);
    },
  },
  {
    name: "a session with traceLeaks bears whatever Error.prepareStackTrace returns",
    async run() {
      const session = new Session({ fetch: () => Promise.resolve(new Response()), traceLeaks: true });
      const throwing = () => {
        throw new Error("No trace");
      };
      for (
        const prepare of [throwing, () => undefined, (_: unknown, sites: unknown) => sites, () => ({ trace: true })]
      ) {
        const sent = () => session.get("http://x.test/").then(({ status }) => status, () => "rejected");
        assertEquals(await mocking(Error, "prepareStackTrace", prepare, sent), 200);
      }
      await session.close();
    },
  },
  {
    name: "a warning that a test makes an error ends no process",
    needs: ["processes"],
    async run(t) {
      assertEquals(await run(t, "warned"), ["Hangup: a session was dropped"]);
    },
  },
  {
    name: "a Node stream that fails while its request waits ends no process",
    needs: ["processes"],
    async run({ scope }) {
      const { PassThrough } = await import("node:stream");
      const lost = new Error("lost");
      const send = async (session: Session) => {
        const body = new PassThrough();
        const sent = assertRejects(() => session.post(`${scope.url}/upload`, { body }), NetworkError, "stream failed");
        setTimeout(() => body.destroy(lost), 5);
        assertEquals((await sent).cause, lost);
      };
      const queueing = new Session({ pool: { maxConnections: 1 } });
      const held = queueing.get(`${scope.url}/hold?key=a`);
      await scope.wait({ requests: 1 }, 10_000);
      const cookieJar = { getCookieString: () => pause(20).then(() => ""), setCookie() {} };
      const asking = new Session({ cookieJar });
      await catchingAll(async () => {
        const sent = [send(queueing), send(asking)];
        await pause(10);
        await scope.release("a");
        await Promise.all(sent);
      });
      await held;
      await queueing.close();
      await asking.close();
    },
  },
  {
    name: "the web stream of a Node stream whose request is refused ends no process",
    needs: ["processes"],
    async run() {
      const { PassThrough, Readable } = await import("node:stream");
      const session = new Session({ pool: { maxConnections: 1, maxQueued: 0 }, fetch: () => new Promise(() => {}) });
      const held = session.get("http://x.test/").catch(() => {});
      const makeBody = () => {
        const stream = new PassThrough();
        stream.write("text");
        return Readable.toWeb(stream) as ReadableStream;
      };
      const options = () => ({ method: "POST", body: makeBody(), duplex: "half" });
      await catchingAll(async () => {
        for (let i = 0; i < 5; i++) {
          await assertRejects(() => session.post("http://x.test/", options()), QueueFullError);
          await assertRejects(() => session.fetch(new Request("http://x.test/", options())), TypeError);
          await pause(2);
        }
      });
      await session.close();
      await held;
    },
  },
  {
    name: "a dispatcher, client or proxy that is given with a request is used, at each redirect too",
    needs: ["processes"],
    async run(t) {
      const results = [200, 200, 200, 200, 200, 200, "NetworkError", true, true, 200, 200, 200, 200];
      assertEquals(await run(t, "request"), results);
      // On Bun a Request carries nothing, and from Node 24 on its dispatcher cannot be read.
      const requests = ({ bun: 12, node24: 13, node26: 13 } as Record<string, number>)[t.runtime] ?? 16;
      assertEquals((await t.scope.stats()).requests, requests);
    },
  },
  {
    name: "a session and a transport that are dropped unclosed give their sockets back, but finish what is read",
    needs: ["processes"],
    async run(t) {
      const gate = await t.openScope();
      const running = run(t, "dropped", `${gate.url}/hold?key=end`);
      await Promise.race([running, gate.wait({ pending: 1 }, 10_000)]);
      await t.scope.wait({ requests: 11, ...NOTHING_OPEN }, 10_000);
      await gate.release("end");
      assertEquals(await running, 20);
    },
  },
  {
    name: "an idle timeout may be infinite, or very long",
    needs: ["closesSockets"],
    async run({ scope }) {
      for (const idleTimeout of [Infinity, Number.MAX_VALUE, 2 ** 33, 2 ** 32, 2 ** 31]) {
        const { accepted } = await scope.stats();
        const session = new Session({ pool: { idleTimeout } });
        for (let i = 0; i < 5; i++) await session.get(`${scope.url}/bytes/10`);
        await session.close();
        await scope.wait(NOTHING_OPEN);
        // Node opens a second one while the first is on its way back.
        assert((await scope.stats()).accepted - accepted <= 2);
      }
    },
  },
  {
    name: "the global Promise may be a library's, without withResolvers()",
    async run() {
      const { Promise: Native } = globalThis;
      const fetch = () => Native.resolve(new Response("ok"));
      class Own {
        static resolve = Native.resolve.bind(Native);
        static reject = Native.reject.bind(Native);
        static race = Native.race.bind(Native);
        static all = Native.all.bind(Native);
      }
      const texts: string[] = [];
      Object.assign(globalThis, { Promise: Own });
      try {
        const session = new Session({ fetch, pool: { maxConnections: 1 } });
        const sent = [1, 2, 3].map(() => session.get("https://example.test/"));
        for (const response of sent) texts.push(await (await response).text());
        await session.close();
      } finally {
        Object.assign(globalThis, { Promise: Native });
      }
      assertEquals(texts, ["ok", "ok", "ok"]);
    },
  },
  {
    name: "a body that comes with status 205 holds no socket",
    needs: ["closesSockets"],
    async run({ scope }) {
      const session = new Session();
      try {
        assertEquals((await session.get(`${scope.url}/redirect/205?stall`)).status, 205);
        await scope.wait(NOTHING_OPEN);
        // A body of no length does not cost the connection.
        for (let i = 0; i < 5; i++) await session.get(`${scope.url}/status/205?body=0`);
        assert((await scope.stats()).accepted <= 3);
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "a closed transport refuses, with a rejection",
    needs: ["closesSockets"],
    async run({ scope }) {
      const transport = createTransport();
      await transport.close();
      const error = await transport.fetch(new URL(scope.url), {}).catch((error) => error);
      assertEquals(String(error), "TypeError: Cannot send the request as the transport is closed");
    },
  },
];
