// Copyright 2026 the Hangup authors. MIT license.
//
// Where a request can go: two origins, IPv6, a name that does not resolve, a Unix socket.
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { get, NetworkError, Pool, post, Session, TimeoutError, type Transport } from "../../mod.ts";
import type { Case, Runtime } from "../harness/case.ts";

/** What is used of the runtimes' own ways to a Unix socket. */
interface Surroundings {
  Deno: { createHttpClient(options: object): { close(): void } };
  [dispatcher: symbol]: { constructor: new (options: object) => { destroy(): Promise<void> } } | undefined;
}

/** A transport as a user writes one, who knows where its server listens. */
function unixTransport(runtime: Runtime, path: string): Transport {
  const surroundings = globalThis as unknown as Surroundings;
  const over = (extra: object, close: () => void | Promise<void>): Transport => ({
    closesSockets: true,
    fetch: (url, init) => fetch(url, { ...init, ...extra }),
    close,
  });
  if (runtime === "deno") {
    const client = surroundings.Deno.createHttpClient({ proxy: { transport: "unix", path } });
    let closed = false;
    return over({ client }, () => {
      if (!closed) client.close();
      closed = true;
    });
  }
  // Bun gives a Unix socket no place in a session of its own.
  if (runtime === "bun") return over({ unix: path, keepalive: false }, () => {});
  void globalThis.Headers;
  const dispatcher = surroundings[Symbol.for(`undici.globalDispatcher.${runtime === "node26" ? 2 : 1}`)]!;
  const agent = new dispatcher.constructor({ connect: { socketPath: path } });
  return over({ dispatcher: agent }, () => agent.destroy());
}

export const cases: Case[] = [
  {
    name: "a session with two origins has limits for each, and closes both",
    async run({ scope, openScope, can }) {
      const other = await openScope();
      const session = new Session({ pool: { maxConnectionsPerOrigin: 1 } });
      const stuck = [1, 2].map(() => session.get(`${scope.url}/hang`).catch((error) => error));
      await scope.wait({ pending: 1 }, 10_000);
      assertEquals((await session.get(`${other.url}/bytes/10`)).content.byteLength, 10);
      const stream = await session.get(`${other.url}/endless`, { prefetch: false });
      assertEquals(session.pool.stats().origins, {
        [scope.url]: { active: 1, queued: 1 },
        [other.url]: { active: 1, queued: 0 },
      });
      await session.close();
      assertEquals([stream.closed, (await Promise.all(stuck)).length], [true, 2]);
      assertEquals((await scope.stats()).requests, 1);
      for (const each of [scope, other]) {
        await each.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
      }
    },
  },
  {
    name: "get() reaches a server on the IPv6 loopback, and leaves no socket",
    async run({ openScope, can }) {
      const scope = await openScope({ host: "::1" });
      const response = await get(`${scope.url}/bytes/10`);
      assertEquals([response.content.byteLength, response.url], [10, `http://[::1]:${scope.port}/bytes/10`]);
      await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
    },
  },
  {
    name: "a host name that does not resolve is a NetworkError",
    async run({ can }) {
      const error = await assertRejects(() => get("http://hangup.invalid/a?token=s3cret"), NetworkError);
      if (can("explainsFailures")) {
        assertEquals(error.message, "The host name does not resolve: GET http://hangup.invalid/a?…");
      }
      assert(error.cause instanceof Error);
    },
  },
  {
    name: "a port that nothing listens on is a NetworkError",
    async run({ openScope, can }) {
      const gone = await openScope({ refuses: 1 });
      for (const origin of [gone.url, gone.url.replace("127.0.0.1", "localhost"), gone.url.replace("http", "https")]) {
        const error = await assertRejects(() => get(`${origin}/a?token=s3cret`), NetworkError);
        if (can("explainsFailures")) assertEquals(error.message, `The server refuses connections: GET ${origin}/a?…`);
        assert(error.cause instanceof Error);
      }
    },
  },
  {
    name: "an address that no network has is a NetworkError, and the outcome of a POST is known",
    needs: ["explainsFailures"],
    async run() {
      const error = await assertRejects(() => post("http://255.255.255.255/"), NetworkError);
      assertEquals(error.message, "Cannot connect to the server: POST http://255.255.255.255/");
    },
  },
  {
    name: "errors of a hook arrive as they are, and only failures of the network become a NetworkError",
    async run() {
      class Forbidden extends Error {}
      class FetchError extends Error {
        code = "ECONNREFUSED";
      }
      const own = new TimeoutError("headers", 1);
      const custom = new Forbidden("not in this tenant");
      const failures = [new TypeError("fetch failed"), new Error("unplugged"), new FetchError("refused"), "unplugged"];
      let thrown: unknown;
      for (
        const fetch of [() => Promise.reject(thrown), () => {
          throw thrown;
        }]
      ) {
        const session = new Session({ fetch });
        for (thrown of [own, custom]) {
          assertStrictEquals(await session.get("http://x.test/").catch((error) => error), thrown);
        }
        thrown = custom;
        assertStrictEquals(await session.fetch("http://x.test/").catch((error) => error), custom);
        for (thrown of failures) {
          const error = await session.get("http://x.test/").catch((error) => error);
          assert(error instanceof NetworkError, String(error));
          assertStrictEquals(error.cause, thrown);
        }
        assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
        await session.close();
      }
    },
  },
  {
    name: "a transport of the user's reaches a server on a Unix socket, and leaves no socket",
    needs: ["unixSockets"],
    async run({ runtime, openScope }) {
      const scope = await openScope({ unix: 1 });
      const pool = new Pool({ transport: unixTransport(runtime, scope.path!) });
      const session = new Session({ pool });
      try {
        assertEquals((await session.get(`${scope.url}/bytes/100000`)).content.byteLength, 100000);
        const stream = await session.get(`${scope.url}/endless`, { prefetch: false });
        for await (const _ of stream) break;
        await scope.wait({ pending: 0 });
        const hanging = assertRejects(() => session.get(`${scope.url}/hang`));
        await scope.wait({ pending: 1 }, 10_000);
        await session.close();
        await hanging;
      } finally {
        await pool.close();
      }
      await scope.wait({ open: 0, pending: 0 });
    },
  },
  {
    name: "a Unix socket is the address of one origin: a redirect to another one leaves it",
    needs: ["unixSockets"],
    async run({ runtime, openScope, scope: other }) {
      if (runtime !== "bun") return; // the others have no such option of a request
      const scope = await openScope({ unix: 1 });
      const session = new Session();
      const send = (to: string) =>
        session.request(`${scope.url}/redirect/302?to=${to}`, { unix: scope.path } as object);
      try {
        for (const to of ["/bytes/10", `${other.url}/bytes/10`]) assertEquals((await send(to)).status, 200);
      } finally {
        await session.close();
      }
      assertEquals([(await scope.stats()).requests, (await other.stats()).requests], [3, 1]);
    },
  },
];
