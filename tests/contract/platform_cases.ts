// Copyright 2026 the Hangup authors. MIT license.
//
// What a platform can do is what the module says of it.
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createTransport, NetworkError, Pool, Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { pause, readEcho, withSession } from "../harness/with_session.ts";
import { pattern, type Scope } from "../server/client.ts";

/** A body that is sent piece by piece. */
async function* pieces(): AsyncGenerator<Uint8Array> {
  for (const text of ["a", "b"]) yield await Promise.resolve(new TextEncoder().encode(text));
}

/**
 * How many sockets more than the limit there may be: Bun gives no sign when one is back
 * (docs/limits.md).
 */
const spare = "Bun" in globalThis ? 2 : 0;

/** Asserts that the sockets of a session keep to its limit. */
async function assertKeepsLimit(scope: Scope, limit: number, send: (session: Session) => Promise<unknown>[]) {
  const session = new Session({ baseUrl: scope.url, pool: { maxConnections: limit } });
  await Promise.all(send(session));
  await session.close();
  const { maxOpen } = await scope.stats();
  assert(maxOpen <= limit + spare, `${maxOpen} sockets at once`);
}

export const cases: Case[] = [
  {
    name: "Pool.closesSockets says whether the module can close the sockets itself",
    async run({ can }) {
      const pool = new Pool();
      await pool.close();
      assertEquals(pool.closesSockets, can("closesSockets"));
    },
  },
  {
    name: "a slot is granted again only when its socket is closed or back, in a storm of aborts",
    needs: ["closesSockets"],
    async run({ openScope }) {
      const limit = 16;
      const scope = await openScope({ limit });
      const session = new Session({ baseUrl: scope.url, pool: { maxConnections: limit } });
      const controller = () => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), 5);
        return controller;
      };
      const kinds = [
        () => session.get("/chunked/3000"),
        () => session.get("/hang", { signal: controller().signal }),
        () => session.get("/stall/1000", { signal: controller().signal }),
        () => session.get("/kill-reused"),
      ];
      let begun = 0;
      const work = async () => {
        while (begun < 600) await kinds[begun++ % kinds.length]!().catch(() => {});
      };
      await Promise.all(Array.from({ length: limit * 2 }, work));
      await session.close();
      const { maxOpen } = await scope.stats();
      assert(maxOpen <= limit, `${maxOpen} sockets at once`);
    },
  },
  {
    name: "a pool keeps its limit of sockets to an origin also if a TLS handshake takes longer than an answer",
    needs: ["closesSockets"],
    async run({ openScope }) {
      const scope = await openScope({ tls: 1, handshake: 200, limit: 8 + spare });
      await assertKeepsLimit(scope, 8, (session) => Array.from({ length: 200 }, () => session.get("/bytes/20")));
    },
  },
  {
    name: "a pool keeps its limit of sockets to an origin also if some requests cannot use an idle socket",
    needs: ["closesSockets"],
    async run({ openScope }) {
      const scope = await openScope({ limit: 4 + spare });
      await assertKeepsLimit(
        scope,
        4,
        (session) => Array.from({ length: 60 }, (_, i) => i % 2 === 0 ? session.get("/echo") : session.post("/echo")),
      );
    },
  },
  {
    name: "a pool keeps its limit of sockets to an origin also with a transport that the user made",
    needs: ["closesSockets"],
    async run({ scope }) {
      const pool = { maxConnections: 4, transport: createTransport() };
      const session = new Session({ baseUrl: scope.url, pool });
      for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 40 }, () => session.get("/bytes/20")));
      await session.close();
      const { maxOpen } = await scope.stats();
      assert(maxOpen <= 4, `${maxOpen} sockets at once`);
    },
  },
  {
    name: "requests over TLS use sockets again also if a body has ended with its connection",
    needs: ["closesSockets"],
    async run({ openScope }) {
      const scope = await openScope({ tls: 1 });
      const session = new Session({ baseUrl: scope.url, pool: { maxConnections: 4 } });
      const steps = JSON.stringify(["HTTP/1.1 200 OK\r\n\r\nhello", { then: "close" }]);
      await session.get(`/raw?${new URLSearchParams({ steps })}`).catch(() => {}); // some want its length
      await Promise.all(Array.from({ length: 400 }, () => session.get("/bytes/20")));
      await session.close();
      const { accepted } = await scope.stats();
      assert(accepted <= 20, `${accepted} sockets for 400 requests`);
    },
  },
  {
    name: "requests over one lease, one after another, use one socket",
    needs: ["closesSockets"],
    async run({ scope }) {
      const pool = new Pool({ maxConnections: 1 });
      const url = new URL(`${scope.url}/bytes/20`);
      const lease = await pool.acquire(url.origin);
      for (let i = 0; i < 3; i++) {
        assertEquals((await (await lease.fetch(url, {})).text()).length, 20);
        await pause(20); // the body may end before its socket is idle
      }
      lease.release();
      await pool.close();
      assertEquals((await scope.stats()).accepted, 1);
    },
  },
  ...(["GET", "POST"] as const).map((method): Case => ({
    name: `requests one after another use at most two sockets, whatever their bodies are: ${method}`,
    needs: ["closesSockets"],
    async run({ openScope }) {
      for (const path of ["/bytes/20", "/bytes/100000", "/chunked/2000"]) {
        const scope = await openScope();
        const session = new Session();
        const init = { method, ...(method === "POST" && { body: "text" }) };
        for (let i = 0; i < 20; i++) await session.request(scope.url + path, init);
        await session.close();
        const { accepted } = await scope.stats();
        assert(accepted <= 2, `${accepted} sockets for 20 requests of ${path}`);
      }
    },
  })),
  {
    name: "a request whose body cannot even be begun leaves nothing open",
    async run({ scope }) {
      const session = new Session();
      const failure = new RangeError("no iterator");
      const body = {
        [Symbol.asyncIterator]() {
          throw failure;
        },
      } as unknown as ReadableStream;
      const error = await session.post(`${scope.url}/echo`, { body }).catch((error) => error);
      assertStrictEquals(error, failure);
      assertEquals(session.exchanges(), []);
      // Would wait for what is open.
      assertEquals(await session.close({ grace: Infinity }), []);
    },
  },
  {
    name: "a long body is whole, also in a clone that a user's transport has made of it",
    async run({ scope }) {
      const transport = createTransport();
      const send = transport.fetch.bind(transport);
      const clones: Promise<ArrayBuffer>[] = [];
      const url = `${scope.url}/bytes/1000000`;
      for (const cloned of [false, true]) {
        if (cloned) {
          transport.fetch = async (url, init) => {
            const response = await send(url, init);
            clones.push(response.clone().arrayBuffer());
            return response;
          };
        }
        const session = new Session(cloned ? { pool: { transport } } : {});
        try {
          assertEquals((await session.get(url)).content, pattern(1_000_000));
          for (const clone of clones) assertEquals(new Uint8Array(await clone), pattern(1_000_000));
        } finally {
          await session.close();
        }
      }
      assertEquals(clones.length, 1);
    },
  },
  {
    name: "a stream is sent as it is, or refused before anything is sent, and never sent as text",
    async run({ scope, can }) {
      const session = new Session();
      const message = "Cannot send the request as its body is a stream, and this browser sends none";
      const bodies = [() => new Blob(["a", "b"]).stream(), pieces as unknown as () => ReadableStream];
      try {
        for (const send of [session.fetch, session.request.bind(session)]) {
          for (const body of bodies) {
            const init = { method: "POST", body: body(), duplex: "half" };
            const sent = send(`${scope.url}/echo`, init);
            if (can("streamsUploads")) assertEquals((await readEcho(await sent)).body, "ab");
            else if (can("sendsStreams")) await assertRejects(() => sent); // as HTTP/1.1 has none in Chromium
            else assertEquals((await assertRejects(() => sent, TypeError)).message, message);
          }
        }
        assertEquals(session.exchanges(), []);
      } finally {
        await session.close();
      }
      if (!can("streamsUploads")) assertEquals((await scope.stats()).paths, {});
    },
  },
  {
    name: "a Node stream goes as one to a fetch of the user's, which may know no other kind of stream",
    needs: ["processes"],
    async run() {
      const { Readable } = await import("node:stream");
      const { promise: pulled, resolve: pull } = Promise.withResolvers<void>();
      const fetch = async (url: URL, { body }: { body: InstanceType<typeof Readable> }) => {
        assertEquals([typeof body.pipe, body instanceof Readable], ["function", true]);
        if (url.pathname === "/hang") {
          body.once("readable", pull);
          return await new Promise<never>(() => {});
        }
        return new Response(Buffer.concat(await body.toArray()));
      };
      const session = new Session({ baseUrl: "http://x.test", fetch: fetch as unknown as typeof globalThis.fetch });
      const send = (path: string, signal?: AbortSignal) => {
        const body = Readable.from([Buffer.from("a"), Buffer.from("b")]) as unknown as ReadableStream;
        return session.post(path, { body, ...(signal && { signal }) });
      };
      assertEquals(await (await send("/")).text(), "ab");
      const controller = new AbortController();
      const hanging = send("/hang", controller.signal);
      await pulled;
      const reason = new Error("enough"); // it must not end the process
      controller.abort(reason);
      assertEquals(await hanging.catch((error) => error), reason);
      await session.close();
    },
  },
  {
    name: "a server that passes its request on can answer its client, though the upload was cut off",
    needs: ["processes"],
    async run({ scope }) {
      const { createServer, request } = await import("node:http");
      const session = new Session({ timeout: { headers: 200 } });
      const server = createServer((incoming, answer) => {
        const body = incoming as unknown as ReadableStream;
        session.post(`${scope.url}/hang`, { body }).catch(() => answer.writeHead(502).end());
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      const status = await new Promise((resolve, reject) => {
        const client = request({ port, host: "127.0.0.1", method: "POST", agent: false }, (response) => {
          resolve(response.statusCode);
          client.destroy();
        });
        client.on("error", reject);
        client.write("half of the body");
      });
      assertEquals(status, 502);
      await session.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  },
  {
    name: "a Node stream that was read before is sent, or refused, as bare fetch does",
    needs: ["processes"],
    async run({ scope }) {
      const { Readable } = await import("node:stream");
      const session = new Session();
      const outcomes = [];
      for (const send of [fetch, session.fetch]) {
        const body = Readable.from([new Uint8Array(3)]);
        for await (const chunk of body) assertEquals(chunk.byteLength, 3);
        const init = { method: "POST", body: body as unknown as ReadableStream, duplex: "half" };
        const sent = send(`${scope.url}/upload`, init as RequestInit).then(async (response) => await response.json());
        outcomes.push(await sent.then(({ bodyLength }) => bodyLength, ({ name }) => name));
      }
      assertEquals(outcomes[1], outcomes[0]);
      await session.close();
    },
  },
  ...["204 No Content", "304 Not Modified"].flatMap((status) =>
    ["content-length: 5", "transfer-encoding: chunked"].map((header): Case => ({
      name: `a ${status.slice(0, 3)} that announces a body costs no connection: ${header}`,
      needs: ["allHeaders"],
      async run({ scope }) {
        const session = new Session({ pool: { maxConnections: 1 }, timeout: { headers: 5000 } });
        const query = new URLSearchParams({ steps: JSON.stringify([`HTTP/1.1 ${status}\r\n${header}\r\n\r\n`]) });
        for (let i = 0; i < 3; i++) {
          // A runtime may refuse such a response.
          const { status } = await session.get(`${scope.url}/raw?${query}`).catch(() => ({ status: 0 }));
          assert([0, 204, 304].includes(status), `${status}`);
          assertEquals((await session.get(`${scope.url}/bytes/1`)).status, 200);
        }
        await session.close();
      },
    }))
  ),
  {
    name: "a generator may use the memory of a chunk for the next one",
    needs: ["streamsUploads"],
    async run({ scope }) {
      const body = async function* () {
        const memory = new Uint8Array(1000);
        for (const code of [65, 66, 67, 68]) yield memory.fill(code);
      };
      const session = new Session();
      const echo = await readEcho(await session.post(`${scope.url}/echo`, { body: body() }));
      assertEquals(echo.body, ["A", "B", "C", "D"].map((letter) => letter.repeat(1000)).join(""));
      await session.close();
    },
  },
  {
    name: "what Cloudflare is to do with a Request goes with it",
    async run({ runtime }) {
      if (runtime !== "workerd") return; // only there a Request has such a property
      const seen: unknown[] = [];
      const session = new Session({
        fetch(_, init: RequestInit & { cf?: unknown }) {
          seen.push(init.cf);
          return Promise.resolve(new Response());
        },
      });
      const cf = { cacheTtl: 300 };
      const request = new Request("http://x.test/", { cf } as RequestInit);
      await session.fetch(request);
      await session.fetch(new Request("http://y.test/", request));
      await session.fetch("http://z.test/", request);
      await session.get(request);
      await session.get(request, { headers: { "x-mine": "a" } });
      await session.close();
      assertEquals(seen, Array(5).fill(cf));
    },
  },
  {
    name: "a WebSocket on workerd is left to the platform, or to the session's own fetch",
    async run({ runtime }) {
      if (runtime !== "workerd") return; // elsewhere no response comes with one
      const { WebSocketPair } = globalThis as unknown as { WebSocketPair: new () => Record<0 | 1, unknown> };
      const switching = () => new Response(null, { status: 101, webSocket: new WebSocketPair()[0] } as ResponseInit);
      const session = new Session({ fetch: () => Promise.resolve(switching()) });
      const headers = { upgrade: "WebSocket" };
      const url = "http://x.test/";
      for (
        const response of [
          await session.fetch(url, { headers }),
          await session.fetch(new Request(url, { headers })),
        ]
      ) {
        assertEquals([response.status, (response as { webSocket?: unknown }).webSocket != null], [101, true]);
      }
      await session.close();
    },
  },
  {
    name: "the body of a response that is sent on has a length on workerd, as R2 asks for",
    needs: ["streamsUploads", "plainFetch"],
    async run({ scope, runtime }) {
      if (runtime !== "workerd") return; // on Deno and Bun it is a byte stream, which has none
      const session = new Session();
      const lengthOf = async (response: Response) => {
        const init = { method: "POST", body: response.body, duplex: "half" };
        const echo = await readEcho(await fetch(`${scope.url}/echo`, init as RequestInit));
        return echo.headers.find(([name]) => name.toLowerCase() === "content-length")?.[1];
      };
      const path = `${scope.url}/bytes/10`;
      const passedOn = (await session.get(path)).toResponse();
      const lengths = [await lengthOf(await session.fetch(path)), await lengthOf(passedOn)];
      const expected = await lengthOf(await fetch(path));
      assertEquals(lengths, [expected, expected]);
      await session.close();
    },
  },
  {
    name: "a stream is sent over HTTP/2",
    needs: ["speaksHttp2", "sendsStreams"],
    async run({ openScope }) {
      const scope = await openScope({ tls: 1, h2: 1 });
      const session = new Session();
      try {
        const echo = await session.post(`${scope.url}/echo`, { body: new Blob(["a", "b"]).stream() });
        assertEquals((await readEcho(echo)).body, "ab");
      } finally {
        await session.close();
      }
    },
  },
  {
    name: "a stream goes to a fetch of the user's, whatever the platform's can send",
    async run() {
      let given: unknown;
      const fetch: typeof globalThis.fetch = async (_, init) => {
        given = await new Response(init?.body).text();
        return new Response();
      };
      const session = new Session({ fetch });
      await session.post("http://x.test/", { body: new Blob(["a", "b"]).stream() });
      assertEquals(given, "ab");
      await session.close();
    },
  },
  {
    name: "await using closes what it declares, and no method is named undefined",
    needs: ["awaitUsing"],
    async run({ scope, can }) {
      // Imported here, as Node 22 cannot parse it.
      const { leaveScope } = await import("../scripts/using.ts");
      const { session, pool, response, lease } = await leaveScope(`${scope.url}/endless`);
      assertEquals([session.closed, pool.closed, response.closed, lease.released], [true, true, true, true]);
      for (const object of [session, pool, response, lease]) assertEquals(Reflect.has(object, "undefined"), false);
      await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
    },
  },
  {
    name: "a redirect is followed, refused or returned, by the module or by the platform",
    async run({ scope, can }) {
      const session = new Session();
      const url = `${scope.url}/redirect/302?to=/bytes/10`;
      try {
        const followed = await session.get(url);
        assertEquals([followed.status, followed.redirected, followed.url], [200, true, `${scope.url}/bytes/10`]);
        assertEquals(followed.content.byteLength, 10);
        assertEquals(followed.history.length, can("observesRedirects") ? 1 : 0);
        await assertRejects(() => session.get(url, { redirect: "error" }), NetworkError);
        const returned = await session.get(url, { redirect: "manual" });
        assertEquals([returned.status, returned.redirected], [can("observesRedirects") ? 302 : 0, false]);
        assertEquals(returned.headers.get("location"), can("observesRedirects") ? "/bytes/10" : null);
        assertEquals((await scope.stats()).paths, { "GET /redirect/302": 3, "GET /bytes/10": 1 });
      } finally {
        await session.close();
      }
    },
  },
  withSession(
    "a client of null is none: the request goes over the session's own sockets",
    async (session, { scope }) => {
      const options: object = { client: null };
      await session.get(`${scope.url}/bytes/10`, options);
      await session.post(`${scope.url}/echo`, { body: "text", ...options });
      await session.fetch(`${scope.url}/bytes/10`, options);
      await scope.wait({ requests: 3 }); // and nothing is open after the session's close
    },
  ),
];
