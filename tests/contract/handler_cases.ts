// Copyright 2026 the Hangup authors. MIT license.
//
// What holds in the handler of a server: a session for each request, and upstream bodies passed on.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Session } from "../../mod.ts";
import type { Capability, Case, TestContext } from "../harness/case.ts";
import { pause } from "../harness/with_session.ts";
import { pattern, type Scope } from "../server/client.ts";

const from = (handler: string, upstream: string) => `${handler}?from=${encodeURIComponent(upstream)}`;

async function assertNothingInFlight(scope: Scope, can: TestContext["can"]): Promise<void> {
  await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
}

/** A client that leaves after the first bytes of a body that is passed on. */
function leaving(when: string, paths: string[], { idle, needs = [] }: { idle?: number; needs?: Capability[] }): Case {
  return {
    name: `toResponse() releases its connection when the client leaves ${when}`,
    needs: ["serves", ...needs],
    async run({ scope, can, serve }) {
      const url = await serve("proxy");
      for (const path of paths) {
        const controller = new AbortController();
        const query = idle === undefined ? "" : `&idle=${idle}`;
        const response = await fetch(from(url, scope.url + path) + query, { signal: controller.signal });
        const reader = response.body!.getReader();
        await reader.read();
        await scope.wait({ pending: 1 });
        reader.read().catch(() => {});
        controller.abort();
        await scope.wait({ pending: 0 }, 10_000);
        await assertNothingInFlight(scope, can);
      }
      assertEquals((await scope.stats()).aborted, paths.length);
    },
  };
}

/** What a handler answers, as JSON. Fails if the answer is an error of the platform's. */
async function askFor(url: string): Promise<unknown> {
  const text = await (await fetch(url)).text();
  assertMatch(text, /^(?:\d+|"\w+")$/, url);
  return JSON.parse(text);
}

async function assertTimeoutsComeBack({ scope, serve }: TestContext): Promise<void> {
  const url = await serve("global");
  const ask = (path: string) => askFor(`${from(url, scope.url + path)}&timeout=1000`);
  try {
    assertEquals([await ask("/bytes/10"), await ask("/status/404")], [200, 404]);
    const first = ask("/hold?key=a");
    await scope.wait({ pending: 1 }, 10_000);
    const second = ask("/hang");
    await scope.wait({ pending: 2 }, 10_000);
    await scope.release("a");
    assertEquals(await first, 200);
    let over = false;
    const done = () => over = true;
    second.then(done, done);
    for (let turn = 0; turn < 40 && !over; turn++) await pause(100);
    assertEquals(await ask("/bytes/10"), 200);
    assertEquals(await second, "TimeoutError");
    await scope.wait({ pending: 0 });
  } finally {
    assertEquals(await askFor(url), "closed");
  }
}

export const cases: Case[] = [
  ...["prefetched", "streamed", "fetched"].map((how): Case => ({
    name: `a status of a server that HTTP does not know never becomes a success when it is passed on: ${how}`,
    needs: ["serves"],
    async run({ scope, serve }) {
      const url = await serve("relay");
      for (const status of [600, 999]) {
        const response = await fetch(`${from(url, `${scope.url}/status/${status}`)}&how=${how}`);
        assertEquals([[status, 502].includes(response.status), (await response.text()).length], [true, 10]);
      }
    },
  })),
  {
    name: "a session for each request leaves nothing in flight when its handler has returned",
    needs: ["serves"],
    async run({ scope, can, serve }) {
      const url = await serve("session");
      for (let i = 0; i < 5; i++) {
        const response = await fetch(from(url, scope.url));
        assertEquals(await response.json(), [10, 100000]);
        await assertNothingInFlight(scope, can);
      }
    },
  },
  {
    name: "toResponse() passes a body on whole, and its connection is released at the end",
    needs: ["serves"],
    async run({ scope, can, serve }) {
      const url = await serve("proxy");
      for (const path of ["/bytes/10", "/bytes/3000000", "/chunked/300000", "/gzip/100000", "/drip?n=20&gap=5"]) {
        const response = await fetch(from(url, scope.url + path));
        const content = await response.bytes();
        assertEquals(content, pattern(content.byteLength), path);
        assertEquals(content.byteLength, path.startsWith("/drip") ? 20 : Number(path.split("/").at(-1)));
        await assertNothingInFlight(scope, can);
      }
      assertEquals((await scope.stats()).aborted, 0);
    },
  },
  ...["prefetched", "streamed", "fetched"].map((how): Case => ({
    name: `a gzipped upstream response is passed on without stale headers: ${how}`,
    needs: ["serves"],
    async run({ scope, can, serve }) {
      const url = await serve("relay");
      for (const path of ["/gzip/1000", "/gzip/3000000", "/status/404", "/headers?h=content-encoding:identity"]) {
        const query = `${from(url, scope.url + path)}&how=${how}`;
        // Servers may compress by themselves what a client takes compressed.
        const response = await fetch(query, { headers: { "accept-encoding": "identity" } });
        const content = new Uint8Array(await response.arrayBuffer());
        const expected = path.startsWith("/gzip/") ? Number(path.split("/").at(-1)) : 10;
        assertEquals([response.status, content], [path === "/status/404" ? 404 : 200, pattern(expected)]);
        const length = response.headers.get("content-length");
        if (length !== null) assertEquals(length, String(expected));
        const coding = response.headers.get("content-encoding");
        assertEquals(coding, path.startsWith("/headers") ? "identity" : null);
        await assertNothingInFlight(scope, can);
      }
    },
  })),
  {
    name: "a header that a handler changes in an upstream response is passed on as with fetch",
    needs: ["serves"],
    async run({ scope, serve }) {
      const url = await serve("change");
      for (const path of ["/headers?h=x-upstream:1", "/bytes/300000"]) {
        const told = [];
        for (const by of ["fetch", "session"]) {
          const response = await fetch(`${from(url, scope.url + path)}&by=${by}`);
          await response.arrayBuffer();
          told.push([response.headers.get("x-changed"), response.headers.get("x-upstream")]);
        }
        assertEquals(told[1], told[0], path);
      }
    },
  },
  leaving("while the body flows", ["/endless", "/drip?n=Infinity&gap=5"], {}),
  leaving("while the upstream is silent", ["/stall/1000"], { needs: ["seesClientsLeave"] }),
  leaving("while the upstream is silent, at the idle timeout at the latest", ["/stall/1000"], { idle: 1000 }),
  {
    // On workerd the timer for both deadlines is lost with the request that ends first, until there
    // is another request.
    name: "a session kept in global scope serves request after request, and its timeouts come back",
    needs: ["serves"],
    run: assertTimeoutsComeBack,
  },
  {
    // Code that workerd has compiled for speed makes promises without a note of the request that
    // they belong to.
    name: "a session kept in global scope goes on in the request that called it, also in a module that was used often",
    needs: ["serves"],
    async run(t) {
      const { scope, serve } = t;
      assertEquals(await askFor(await serve("busy")), "compiled");
      await assertTimeoutsComeBack(t);
      const url = await serve("global");
      const ask = (path: string) => askFor(`${from(url, scope.url + path)}&connections=1`);
      try {
        for (const key of ["b", "c", "d"]) {
          const first = ask(`/hold?key=${key}`);
          await scope.wait({ pending: 1 }, 10_000);
          const second = ask("/drip?n=3&gap=50");
          await scope.release(key);
          assertEquals([await first, await second], [200, 200]);
        }
      } finally {
        assertEquals(await askFor(url), "closed");
      }
    },
  },
  {
    name: "50 requests at once with a limit of 6 never have more than 6 open",
    async run({ scope, can }) {
      const session = new Session({ pool: { maxConnections: 6 } });
      try {
        const requests = Array.from({ length: 50 }, (_, i) => session.get(`${scope.url}/drip?n=3&gap=5&i=${i}`));
        for (const { content } of await Promise.all(requests)) assertEquals(content.byteLength, 3);
      } finally {
        await session.close();
      }
      const { requests, maxPending } = await scope.stats();
      assertEquals(requests, 50);
      assert(maxPending > 1 && maxPending <= 6, `${maxPending} were open at once`);
      await assertNothingInFlight(scope, can);
    },
  },
];
