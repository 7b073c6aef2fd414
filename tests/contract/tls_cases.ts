// Copyright 2026 the Hangup authors. MIT license.
//
// The promises over TLS: HTTP/1.1, and HTTP/2, where a lease is a stream of a connection that
// others share.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BodyTooLargeError, get, NetworkError, Session, SessionClosedError, TimeoutError } from "../../mod.ts";
import type { Capability, Case, TestContext } from "../harness/case.ts";
import { pattern, type Scope, type ScopeOptions } from "../server/client.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "resolved", (error) => error);

async function assertNothingOpen(scope: Scope, can: TestContext["can"]): Promise<void> {
  await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
}

function casesOver(protocol: string, options: ScopeOptions, needs: Capability[]): Case[] {
  const aborts: Capability[] = options.h2 ? [...needs, "resetsStreams"] : needs;
  return [
    {
      name: `get() leaves no socket over ${protocol}`,
      needs,
      async run({ openScope, can }) {
        const scope = await openScope(options);
        for (const path of ["/bytes/10", "/bytes/1000000", "/chunked/100000", "/redirect/302?to=/bytes/10"]) {
          const { content } = await get(`${scope.url}${path}`);
          assertEquals(content, pattern(content.byteLength));
          await assertNothingOpen(scope, can);
        }
        assertEquals((await get(`${scope.url}/status/404`)).status, 404);
        await assertNothingOpen(scope, can);
      },
    },
    {
      name: `get() leaves no socket after a redirect to ${protocol}, whatever goes on beside it`,
      needs: [...needs, "closesSockets", "followsRedirects"],
      async run({ scope, openScope }) {
        const secure = await openScope(options);
        const held = get(`${scope.url}/hold?key=a`);
        await scope.wait({ open: 1, pending: 1 }, 10_000);
        const to = `${scope.url}/redirect/302?to=${secure.url}`;
        assertEquals((await get(`${to}/bytes/10`)).content.byteLength, 10);
        await secure.wait({ accepted: 1, open: 0 });
        await assertRejects(() => get(`${to}/hang`, { timeout: { headers: 300 } }), TimeoutError);
        await secure.wait({ accepted: 2, open: 0 });
        await scope.release("a");
        assertEquals((await held).status, 200);
      },
    },
    {
      name: `get() leaves no socket when it fails over ${protocol}`,
      needs: aborts,
      async run({ openScope, can }) {
        const scope = await openScope(options);
        await assertRejects(() => get(`${scope.url}/hang`, { timeout: { headers: 300 } }), TimeoutError);
        await assertNothingOpen(scope, can);
        await assertRejects(() => get(`${scope.url}/stall/100`, { timeout: { idle: 100 } }), TimeoutError);
        await assertNothingOpen(scope, can);
        await assertRejects(() => get(`${scope.url}/endless`, { maxBodyBytes: 100_000 }), BodyTooLargeError);
        await assertNothingOpen(scope, can);
        await assertRejects(() => get(`${scope.url}/kill`), NetworkError);
        await assertNothingOpen(scope, can);
      },
    },
    {
      name: `StreamedResponse gives its connection back over ${protocol}`,
      needs: aborts,
      async run({ openScope, can }) {
        const scope = await openScope(options);
        const session = new Session({ pool: { maxConnections: 1 } });
        try {
          const left = await session.get(`${scope.url}/endless`, { prefetch: false });
          for await (const _ of left) break;
          await scope.wait({ pending: 0 });
          const closed = await session.get(`${scope.url}/stall/100`, { prefetch: false });
          await closed.close();
          await scope.wait({ pending: 0 });
          const read = await session.get(`${scope.url}/bytes/300000`, { prefetch: false });
          assertEquals((await read.bytes()).byteLength, 300000);
        } finally {
          await session.close();
        }
        await assertNothingOpen(scope, can);
      },
    },
    {
      name: `Session.close() ends everything at once over ${protocol}`,
      needs: aborts,
      async run({ openScope, can }) {
        const scope = await openScope(options);
        const session = new Session({ pool: { maxConnections: 5 } });
        await session.get(`${scope.url}/bytes/10`);
        const paths = ["/hang", "/stall/10", "/drip?n=Infinity&gap=5", "/endless"];
        const stream = await session.get(`${scope.url}/endless`, { prefetch: false });
        const urls = [...paths, ...paths].map((path, i) =>
          `${scope.url}${path}${path.includes("?") ? "&" : "?"}i=${i}`
        );
        const pending = urls.map((url) => failure(session.get(url)));
        await scope.wait({ requests: 1 + 5 }, 10_000);
        assertEquals((await session.close()).length, 1 + 8);
        for (const error of await Promise.all(pending)) assert(error instanceof SessionClosedError, String(error));
        await assertRejects(() => stream.bytes(), SessionClosedError);
        await assertNothingOpen(scope, can);
      },
    },
  ];
}

export const cases: Case[] = [
  ...casesOver("HTTPS", { tls: 1 }, []),
  ...casesOver("HTTP/2", { tls: 1, h2: 1 }, ["speaksHttp2"]),
  {
    name: "leases share one connection over HTTP/2, and one that ends early takes no other with it",
    needs: ["speaksHttp2", "resetsStreams"],
    async run({ openScope, can }) {
      const scope = await openScope({ tls: 1, h2: 1 });
      const session = new Session();
      try {
        await session.get(`${scope.url}/chunked/10`); // shows Deno's transport that it is HTTP/2
        const held = Array.from({ length: 20 }, (_, i) => session.get(`${scope.url}/hold?key=a&i=${i}`));
        const stream = await session.get(`${scope.url}/endless`, { prefetch: false });
        await scope.wait({ pending: 21 }, 10_000);
        assertEquals(session.pool.stats().active, 21);
        await stream.close();
        await scope.wait({ pending: 20 });
        await scope.release("a");
        for (const { content } of await Promise.all(held)) assertEquals(content.byteLength, "released".length);
        const { accepted, open, aborted } = await scope.stats();
        assertEquals([accepted, open, aborted], [1, 1, 1]);
      } finally {
        await session.close();
      }
      await assertNothingOpen(scope, can);
    },
  },
  ...["refuse-first", "leave-first"].flatMap((route) =>
    ["GET", "POST"].map((method): Case => ({
      name:
        `a request that a server does not process over HTTP/2 is sent again where fetch does so: ${route}, ${method}`,
      needs: ["speaksHttp2"],
      async run({ openScope }) {
        const session = new Session();
        const told = [];
        for (const send of [fetch, session.fetch]) {
          const scope = await openScope({ tls: 1, h2: 1 });
          await (await send(`${scope.url}/bytes/10`)).arrayBuffer(); // the server leaves a later request only
          const init = { method, body: method === "POST" ? "text" : undefined };
          const response = await send(`${scope.url}/${route}/1`, init).catch(() => undefined);
          await response?.arrayBuffer();
          told.push([response?.status, (await scope.stats()).requests]);
        }
        await session.close();
        assertEquals(told[1], told[0]);
      },
    }))
  ),
  {
    name: "a TLS handshake that never ends is broken off, and leaves no socket",
    needs: ["closesSockets"],
    async run({ openScope }) {
      const silent = await openScope({ fault: "silent-at-accept" });
      const url = silent.url.replace("http:", "https:");
      await assertRejects(() => get(url, { timeout: 300 }), TimeoutError);
      await silent.wait({ accepted: 1, open: 0 });
      const session = new Session();
      const pending = failure(session.get(url));
      await silent.wait({ open: 1 }, 10_000);
      await session.close();
      assert(await pending instanceof SessionClosedError);
      await silent.wait({ open: 0 });
    },
  },
  {
    name: "https to a server that speaks no TLS is a NetworkError, and leaves no socket",
    needs: ["noticesPlaintext"],
    async run({ openScope, can }) {
      const scope = await openScope({ fault: "speaks-first" });
      const url = `${scope.url.replace("http:", "https:")}/bytes/10`;
      const error = await assertRejects(() => get(url), NetworkError);
      if (can("explainsFailures")) {
        assertEquals(error.message, `The server does not speak TLS, or refuses the handshake: GET ${url}`);
      }
      assert(error.cause instanceof Error);
      await scope.wait({ open: 0, accepted: 1 });
    },
  },
  {
    name: "a certificate that is not trusted is a NetworkError, and leaves no socket",
    async run({ openScope, can }) {
      const scope = await openScope({ tls: "untrusted" });
      const error = await assertRejects(() => get(`${scope.url}/bytes/10`), NetworkError);
      if (can("explainsFailures")) {
        assertEquals(error.message, `The server's certificate is not trusted: GET ${scope.url}/bytes/10`);
      }
      assert(error.cause instanceof Error);
      await scope.wait({ open: 0, accepted: 1 });
      assertEquals((await scope.stats()).requests, 0);
    },
  },
];
