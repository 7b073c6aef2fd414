// Copyright 2026 the Hangup authors. MIT license.
//
// What wrappers, mocks and middleware around `fetch` do to requests and responses: the same as to
// those of bare `fetch`.
import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { BodyTooLargeError, createTransport, Session, type SessionOptions, type Transport } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { mocking } from "../harness/mocking.ts";
import { header, readEcho } from "../harness/with_session.ts";

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * The places where a wrapper of `fetch` can stand. Each runs `work` with a session that goes
 * through the wrapper.
 */
const PLACES: Record<
  string,
  (wrap: (send: Fetch) => Fetch, options: SessionOptions, work: (session: Session) => Promise<void>) => Promise<void>
> = {
  "the option fetch": (wrap, options, work) => withSession({ ...options, fetch: wrap(globalThis.fetch) }, work),
  "the global fetch": (wrap, options, work) =>
    mocking(globalThis, "fetch", wrap(globalThis.fetch), () => withSession(options, work)),
  "a transport": (wrap, options, work) => {
    const inner = createTransport();
    const fetch = wrap((url, init) => inner.fetch(url as URL, init!));
    const transport = { closesSockets: false, fetch, close: () => inner.close() };
    return withSession({ ...options, pool: { transport } }, work);
  },
  "a transport's own method": (wrap, options, work) => {
    const transport = createTransport();
    const fetch = transport.fetch.bind(transport);
    transport.fetch = wrap((url, init) => fetch(url as URL, init!));
    return withSession({ ...options, pool: { transport } }, work);
  },
  "a Proxy of a transport": (wrap, options, work) => {
    const inner = createTransport();
    const fetch = wrap((url, init) => inner.fetch(url as URL, init!));
    const get = (transport: Transport, name: string | symbol) => {
      const value = name === "fetch" ? fetch : Reflect.get(transport, name);
      return typeof value === "function" ? value.bind(transport) : value;
    };
    return withSession({ ...options, pool: { transport: new Proxy(inner, { get }) } }, work);
  },
};

async function withSession(options: SessionOptions, work: (session: Session) => Promise<void>): Promise<void> {
  const session = new Session(options);
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

/** The ways to read a body as text. */
const READS: Record<string, (session: Session, url: string) => Promise<string>> = {
  "prefetch": async (session, url) => await (await session.get(url)).text(),
  "text() of a stream": async (session, url) => await (await session.get(url, { prefetch: false })).text(),
  "body of a stream": async (session, url) => {
    const { body } = await session.get(url, { prefetch: false });
    return await new Response(body).text();
  },
  "session.fetch": async (session, url) => await (await session.fetch(url)).text(),
};

/** Answers with another body, and the headers of the first one. */
const answering = (body: string) => (send: Fetch): Fetch => async (input, init) => {
  const response = await send(input, init);
  await response.arrayBuffer();
  return new Response(body, { headers: { ...Object.fromEntries(response.headers), "content-length": "1000" } });
};

/**
 * Responses whose `body` is missing or no stream, as of React Native, whatwg-fetch and mocks that
 * are written by hand.
 */
const BODILESS: Record<string, object> = {
  "arrayBuffer()": { arrayBuffer: () => Promise.resolve(new TextEncoder().encode('{"a":1}').buffer) },
  "text()": { text: () => Promise.resolve('{"a":1}') },
  "json()": { json: () => Promise.resolve({ a: 1 }) },
  "json() at once": { json: () => ({ a: 1 }) },
  "a body that is a string": { body: '{"a":1}', text: () => Promise.resolve('{"a":1}') },
  "a body that is null": { body: null, text: () => Promise.resolve('{"a":1}') },
  "a body that is undefined": { body: undefined, text: () => Promise.resolve('{"a":1}') },
};

/** A `fetch` that answers with an object that only looks like a response. */
function likeness(members: object, status = 200): typeof globalThis.fetch {
  const head = { ok: true, status, headers: new Headers({ "content-type": "application/json" }) };
  // deno-lint-ignore no-explicit-any -- that it lacks members of a Response is what the cases are about
  return () => Promise.resolve({ ...head, ...members } as any);
}

/** The ways to leave a response before its end. */
const LEAVES: Record<string, (session: Session, url: string) => Promise<unknown>> = {
  "close()": async (session, url) => (await session.get(url, { prefetch: false })).close(),
  "leaving the loop": async (session, url) => {
    for await (const _ of await session.get(url, { prefetch: false })) break;
  },
  "canceling the body": async (session, url) => await (await session.get(url, { prefetch: false })).body!.cancel(),
  "canceling the body of session.fetch": async (session, url) => await (await session.fetch(url)).body!.cancel(),
};

export const cases: Case[] = [
  {
    name: "a global wrapper may make the session that it sends through, and is called three times at most",
    async run({ scope }) {
      const session: Session[] = [];
      let calls = 0;
      const wrapper: Fetch = (input, init) => {
        calls++;
        if (session.length === 0) session.push(new Session());
        return session[0]!.fetch(input, init);
      };
      const statusOf = async (response: Promise<{ status: number }>) => (await response).status;
      for (const send of [() => fetch(`${scope.url}/ok`), () => session[0]!.get(`${scope.url}/ok`)]) {
        calls = 0;
        assertEquals(await mocking(globalThis, "fetch", wrapper, () => statusOf(send())), 200);
        assert(calls <= 3, `${calls} calls`);
      }
      await session[0]!.close();
    },
  },
  {
    name: "headers whose get() throws, as SvelteKit's do, are the caller's to read, and stop nothing",
    async run() {
      const answer = (url: URL) => {
        const isMoved = url.pathname === "/moved";
        const headers = new Headers(isMoved ? { location: "/" } : { "x-a": "1" });
        const response = new Response(isMoved ? null : '{"a":1}', { status: isMoved ? 302 : 200, headers });
        response.headers.get = (name) => {
          throw new RangeError(name);
        };
        return Promise.resolve(response);
      };
      await withSession({ fetch: answer as Fetch }, async (session) => {
        const responses = [
          await session.get("http://x.test/moved"),
          await session.get("http://x.test/", { prefetch: false }),
          await session.fetch("http://x.test/moved"),
        ];
        for (const response of responses) assertEquals(await response.json(), { a: 1 });
        assertEquals(responses[0]!.headers.has("x-a"), true);
      });
    },
  },
  ...Object.entries(PLACES).map(([place, through]): Case => ({
    name: `a wrapper is called once for each request, those of a Request and its redirects too: ${place}`,
    needs: ["followsRedirects"],
    async run({ scope }) {
      const paths: string[] = [];
      const wrap = (send: Fetch): Fetch => (input, init) => {
        paths.push(new URL(String(input)).pathname);
        return send(input, init);
      };
      await through(wrap, {}, async (session) => {
        const request = new Request(`${scope.url}/redirect/302?to=/ok`);
        await (await session.fetch(request)).text();
        await session.get(new Request(`${scope.url}/ok`), { query: { a: 1 } });
      });
      assertEquals(paths, ["/redirect/302", "/ok", "/ok"]);
    },
  })),
  ...Object.entries(LEAVES).map(([way, leave]): Case => ({
    name: `the signal of a response that is left early has an AbortError, so that tracers see no failure: ${way}`,
    async run() {
      let signal: AbortSignal | null | undefined;
      const pull = (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(9));
      const fetch = (_: URL, init: RequestInit) => {
        signal = init.signal;
        return Promise.resolve(new Response(new ReadableStream({ pull })));
      };
      await withSession({ fetch: fetch as Fetch }, async (session) => {
        await leave(session, "http://x.test/");
        assertEquals([signal?.aborted, signal?.reason.name], [true, "AbortError"]);
      });
    },
  })),
  ...Object.entries(LEAVES).map(([way, leave]): Case => ({
    name: `the stream of a user's fetch is canceled without a reason, which some packages throw: ${way}`,
    async run() {
      let reason: unknown = "not canceled";
      const stream = new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(9)),
        cancel: (given) => void (reason = given),
      });
      await withSession({ fetch: () => Promise.resolve(new Response(stream)) }, async (session) => {
        await leave(session, "http://x.test/");
      });
      assertEquals(reason, undefined);
    },
  })),
  ...Object.entries(BODILESS).map(([what, members]): Case => ({
    name: `a response without a stream is read through its methods: ${what}`,
    async run() {
      const session = new Session({ fetch: likeness(members), maxBodyBytes: 7 });
      for (const [way, read] of Object.entries(READS)) {
        assertEquals(await read(session, "http://x.test/"), '{"a":1}', way);
        assertEquals(session.exchanges(), [], way);
      }
      await session.close();
      await withSession({ fetch: likeness(members), maxBodyBytes: 6 }, async (session) => {
        const error = await session.get("http://x.test/").catch((error) => error);
        assert(error instanceof BodyTooLargeError, String(error));
      });
    },
  })),
  {
    name: "a response without a body property has the timeouts and errors of any body",
    async run() {
      const boom = new Error("boom");
      const late = { fetch: likeness({ text: () => new Promise(() => {}) }), timeout: { idle: 20 } };
      const broken = { fetch: likeness({ text: () => Promise.reject(boom) }) };
      for (const [options, name, cause] of [[late, "TimeoutError"], [broken, "NetworkError", boom]] as const) {
        await withSession(options, async (session) => {
          for (const prefetch of [true, false]) {
            const read = async () => await (await session.request("http://x.test/", { prefetch })).text();
            const error = await read().catch((error) => error);
            assertEquals([error.name, error.cause], [name, cause]);
            assertEquals(session.exchanges(), []);
          }
        });
      }
    },
  },
  {
    name: "what has neither a body nor a method to read it is no Response, unless it needs none",
    async run() {
      await withSession({ fetch: likeness({}) }, async (session) => {
        const error = await session.get("http://x.test/").catch((error) => error);
        assertEquals([error.name, error.cause?.message], ["NetworkError", "It has no body"]);
      });
      for (const empty of [likeness({}, 204), likeness({ body: null })]) {
        await withSession({ fetch: empty }, async (session) => {
          assertEquals((await session.get("http://x.test/")).content.byteLength, 0);
        });
      }
    },
  },
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a header that a wrapper adds is of one request: not of the next one, the caller's or a redirect: ${place}`,
    needs: ["followsRedirects", "allHeaders"],
    async run({ scope }) {
      let sent = 0;
      const tracing = (send: Fetch): Fetch => (input, init) => {
        (init!.headers as Headers).append("x-trace", `${++sent}`);
        return send(input, init);
      };
      await run(tracing, { headers: { "x-mine": "a" } }, async (session) => {
        const mine = new Headers({ "x-mine": "b" });
        for (let i = 1; i <= 5; i += 2) {
          const response = await session.get(`${scope.url}/redirect/302?to=/echo`, { headers: mine });
          assertEquals(header(await readEcho(response), "x-trace"), `${i + 1}`);
          assertEquals([[...response.request.headers], [...mine]], [[["x-mine", "b"]], [["x-mine", "b"]]]);
        }
        const fetched = await session.fetch(`${scope.url}/redirect/302?to=/echo`);
        assertEquals(header(await readEcho(fetched), "x-trace"), "8");
      });
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a wrapper may take the headers for a plain object, as most callers of fetch give one: ${place}`,
    async run({ scope }) {
      const spreading = (send: Fetch): Fetch => (input, init) => {
        const given = init?.headers as Record<string, string>;
        return send(input, { ...init, headers: { "Content-Type": "text/y", ...given, Authorization: "new" } });
      };
      await run(spreading, { headers: { "x-mine": "a", "get": "b", authorization: "old" } }, async (session) => {
        const headers = { "content-type": "text/x" };
        for (const send of [session.post.bind(session), session.fetch]) {
          const echo = await readEcho(await send(`${scope.url}/echo`, { method: "POST", body: "text", headers }));
          const names = ["x-mine", "get", "content-type", "authorization"];
          assertEquals(names.map((name) => header(echo, name)), ["a", "b", "text/x", "new"]);
        }
      });
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a Response that a wrapper throws reaches the caller with its body: ${place}`,
    async run({ scope }) {
      const throwing = (send: Fetch): Fetch => async (input, init) => {
        throw await send(input, init);
      };
      await run(throwing, {}, async (session) => {
        for (const send of [session.get.bind(session), session.fetch]) {
          const thrown = await send(`${scope.url}/bytes/100000`).then(() => undefined, (thrown) => thrown);
          assertEquals((await thrown.arrayBuffer()).byteLength, 100_000);
        }
        assertEquals(session.exchanges(), []);
      });
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a wrapper's own timeout ends a body with its error: ${place}`,
    async run({ scope }) {
      const limited = (send: Fetch): Fetch => async (input, init) => {
        const controller = new AbortController();
        const response = await send(input, { ...init, signal: AbortSignal.any([init!.signal!, controller.signal]) });
        controller.abort(new DOMException("enough", "TimeoutError"));
        return response;
      };
      await run(limited, {}, async (session) => {
        for (const send of [session.get.bind(session), session.fetch]) {
          const read = async () => await (await send(`${scope.url}/stall/100000`)).text();
          const { name } = await read().catch((error) => error);
          assertMatch(name, /^(?:Timeout|Abort)Error$/); // some runtimes forget the reason
        }
      });
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a wrapper may send the same options twice, or a Request made of them: ${place}`,
    needs: ["streamsUploads"],
    async run({ scope }) {
      const bodies: unknown[] = [];
      const twice = (send: Fetch): Fetch => async (input, init) => {
        const { body } = init!;
        await (await send(input, init)).body?.cancel();
        bodies.push(init!.body === body);
        await (await send(input, init)).body?.cancel();
        const request = new Request(String(input), { ...init, redirect: "follow" });
        request.headers.set("x-added", "1");
        return await send(new URL(request.url), request);
      };
      await run(twice, {}, async (session) => {
        for (const send of [session.post.bind(session), session.fetch]) {
          const echo = await readEcho(await send(`${scope.url}/echo`, { method: "POST", body: "text" }));
          assertEquals([echo.method, echo.body, header(echo, "x-added")], ["POST", "text", "1"]);
        }
      });
      assertEquals([bodies, (await scope.stats()).requests], [[true, true], 6]);
    },
  })),
  {
    name: "a wrapper gets a Buffer as a Buffer, whose bytes are those at the call",
    async run() {
      const { Buffer } = globalThis as { Buffer?: { from(text: string): Uint8Array<ArrayBuffer> } };
      if (Buffer === undefined) return; // not on all platforms
      const texts: string[] = [];
      const answer: Fetch = (_, init) => {
        texts.push(String(init!.body));
        return Promise.resolve(new Response());
      };
      await withSession({ fetch: answer, pool: { maxConnections: 1 } }, async (session) => {
        const body = Buffer.from("text");
        const sent = [session.post("http://x.test/", { body }), session.post("http://x.test/", { body })];
        body.fill(0);
        await Promise.all(sent);
      });
      assertEquals(texts, ["text", "text"]);
    },
  },
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `an abort right after text() of a small body shows, though a wrapper has sent it: ${place}`,
    async run({ scope }) {
      await run((send) => (input, init) => send(input, init), {}, async (session) => {
        const controller = new AbortController();
        const response = await session.fetch(`${scope.url}/bytes/10`, { signal: controller.signal });
        const text = response.text();
        controller.abort("stop");
        assertEquals(await text.catch((reason) => reason), "stop");
      });
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `the URL of a response is the one that a wrapper has asked for instead: ${place}`,
    needs: ["followsRedirects"],
    async run({ scope }) {
      const rewriting = (send: Fetch): Fetch => (input, init) => {
        const url = new URL(String(input));
        url.host = new URL(scope.url).host;
        return send(url, init);
      };
      await run(rewriting, {}, async (session) => {
        const url = "http://x.test/bytes/10#part";
        assertEquals((await session.get(url)).url, `${scope.url}/bytes/10`);
        assertEquals((await session.fetch(url)).url, `${scope.url}/bytes/10`);
      });
    },
  })),
  {
    name: "a mock of the global fetch gets the URL as a text, as most callers give it",
    async run() {
      const mock: Fetch = (url) => Promise.resolve(new Response(String((url as string).endsWith("/users"))));
      await PLACES["the global fetch"]!(() => mock, {}, async (session) => {
        assertEquals(await (await session.get("http://x.test/users")).text(), "true");
        assertEquals(await (await session.fetch("http://x.test/users")).text(), "true");
      });
    },
  },
  {
    name: "the Request of a server may be an object that only inherits from one, and give the options",
    async run({ scope }) {
      const real = new Request("http://in.test/", { method: "POST", headers: { "x-mine": "a" } });
      const get = (target: Request, name: string | symbol) => Reflect.get(target, name, target);
      const light = new Proxy(real, { get }); // as those of @hono/node-server: no Request to the runtime
      await withSession({}, async (session) => {
        for (const request of [real, light]) {
          const echo = await readEcho(await session.fetch(`${scope.url}/echo`, request));
          assertEquals([echo.method, header(echo, "x-mine")], ["POST", "a"]);
        }
      });
    },
  },
  ...["AbortError", "TimeoutError"].map((name): Case => ({
    name: `the ${name} of a wrapper's own signal is the caller's to see`,
    async run() {
      const error = new DOMException("The wrapper has given up", name);
      await withSession({ fetch: () => Promise.reject(error) }, async (session) => {
        for (const sent of [session.get("http://x.test/"), session.fetch("http://x.test/")]) {
          assertStrictEquals(await sent.then(() => "resolved", (error: unknown) => error), error);
        }
      });
    },
  })),
  {
    name: "the body of a response is null where the mock's is, and a stream where the network's is, though it is empty",
    async run({ scope }) {
      await withSession({ fetch: () => Promise.resolve(new Response(null)) }, async (session) => {
        const responses = [
          await session.get("http://x.test/", { prefetch: false }),
          (await session.get("http://x.test/", { prefetch: false })).toResponse(),
          await session.fetch("http://x.test/"),
          (await session.fetch("http://x.test/")).clone(),
        ];
        for (const response of responses) {
          assertEquals(response.body, null);
          if (!(response instanceof Response)) continue;
          assertEquals([await response.text(), await response.text(), response.bodyUsed], ["", "", false]);
        }
      });
      await withSession({}, async (session) => {
        const url = `${scope.url}/bytes/0`;
        const responses = [await session.get(url, { prefetch: false }), await session.fetch(url)];
        for (const { body } of responses) assertEquals((await body!.getReader().read()).done, true);
      });
    },
  },
  {
    name: "the memory of a mock's chunks stays with the mock, though its slice() makes no copy, as a Buffer's",
    async run() {
      /** As Node's Buffer, all of which share one memory. */
      class View extends Uint8Array<ArrayBuffer> {
        override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
          return this.subarray(start, end);
        }
      }
      const pool = new TextEncoder().encode("hello, others").buffer;
      const chunk = new View(pool, 0, 5);
      const answer = () => {
        let sent = false;
        return Promise.resolve(
          new Response(
            new ReadableStream({
              pull: (controller) => sent ? controller.close() : (sent = true, controller.enqueue(chunk)),
            }),
          ),
        );
      };
      await withSession({ fetch: answer }, async (session) => {
        const streamed = async () => (await session.get("http://x.test/", { prefetch: false })).body!;
        const first = await (await streamed()).getReader().read();
        assertEquals([new TextDecoder().decode(first.value), chunk.byteLength], ["hello", 5]);
        assertEquals([await new Response(await streamed()).text(), chunk.byteLength], ["hello", 5]);
        for (const [way, read] of Object.entries(READS)) {
          assertEquals([await read(session, "http://x.test/"), chunk.byteLength], ["hello", 5], way);
        }
        const body = await (await session.fetch("http://x.test/")).body!.getReader().read();
        assertEquals([body.value?.byteLength, chunk.byteLength], [5, 5]);
      });
    },
  },
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a body that a wrapper has changed is whole, though its old length is still announced: ${place}`,
    async run({ scope }) {
      for (const body of ["short", "long ".repeat(1000), "large ".repeat(100_000), ""]) {
        await run(answering(body), {}, async (session) => {
          for (const [way, read] of Object.entries(READS)) {
            assertEquals(await read(session, `${scope.url}/bytes/1000`), body, way);
          }
        });
      }
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name:
      `a small body of session.fetch has arrived, so that the session may be closed, though a wrapper stands at ${place}`,
    needs: ["plainFetch"], // a browser may hide the coding of a body, so that its length says nothing
    async run({ scope }) {
      await run((send) => (input, init) => send(input, init), {}, async (session) => {
        const response = await session.fetch(`${scope.url}/bytes/50000`);
        assertEquals(session.exchanges(), []);
        await session.close();
        assertEquals((await response.arrayBuffer()).byteLength, 50_000);
      });
    },
  })),
  ...["the option fetch", "the global fetch", "a transport"].map((place): Case => ({
    name: `a mock is asked for nothing but the request, and sees its integrity: ${place}`,
    needs: ["takesIntegrity"],
    async run() {
      const url = "http://x.test/";
      const integrity = `sha256-${btoa(String.fromCharCode(...new Uint8Array(32)))}`; // of no body
      const seen: unknown[] = [];
      const mock = () => (input: string | URL | Request, init?: RequestInit) => {
        seen.push(String(input), init?.integrity);
        return Promise.resolve(new Response("hello"));
      };
      await PLACES[place]!(mock, {}, async (session) => {
        assertEquals(await (await session.fetch(url, { integrity })).text(), "hello");
      });
      assertEquals(seen, [url, integrity]);
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `a mock that compares a body with a text finds that of a Request: ${place}`,
    async run({ scope }) {
      const seen: unknown[] = [];
      const look = (send: Fetch): Fetch => (input, init) => {
        seen.push(init?.body);
        return send(input, init);
      };
      const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61); // a BOM stays
      const invalid = Uint8Array.of(0xff);
      await run(look, {}, async (session) => {
        const send = async (body: string | Uint8Array<ArrayBuffer>, type: string) => {
          const headers = { "content-type": type };
          const { body: arrived, bodyLength } = await readEcho(
            await session.fetch(new Request(`${scope.url}/echo`, { method: "POST", body, headers })),
          );
          return typeof body === "string" ? arrived : bodyLength;
        };
        assertEquals(await send('{"a":"ö"}', "application/json"), '{"a":"ö"}');
        assertEquals(await send(bytes, "text/plain;charset=utf-8"), 4);
        assertEquals(await send(invalid, "text/plain"), 1);
        assertEquals(await send("x", "application/octet-stream"), "x");
      });
      const texts = seen.map((body) => typeof body === "string" ? body : "no text");
      assertEquals(texts, ['{"a":"ö"}', "\ufeffa", "no text", "no text"]);
    },
  })),
  ...Object.entries(PLACES).map(([place, run]): Case => ({
    name: `maxBodyBytes counts the bytes of a body that a wrapper has changed, not those announced: ${place}`,
    async run({ scope }) {
      const read = async (session: Session) => (await session.get(`${scope.url}/bytes/1000`)).content.byteLength;
      await run(answering("short"), { maxBodyBytes: 10 }, async (session) => assertEquals(await read(session), 5));
      await run(answering("longer than announced".repeat(100)), { maxBodyBytes: 1100 }, async (session) => {
        const error = await read(session).catch((error) => error);
        assert(error instanceof BodyTooLargeError, String(error));
      });
    },
  })),
];
