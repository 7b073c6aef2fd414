// Copyright 2026 the Hangup authors. MIT license.
//
// What holds in the handler of a server: a session for each request, and upstream bodies passed on.
import { assertEquals } from "@std/assert";
import { Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { pattern, type Scope } from "../server/client.ts";

const from = (handler: string, upstream: string) => `${handler}?from=${encodeURIComponent(upstream)}`;

async function assertNothingInFlight(scope: Scope, can: (capability: "closesSockets") => boolean): Promise<void> {
  await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
}

export const cases: Case[] = [
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
  {
    name: "toResponse() releases its connection when the client leaves",
    needs: ["serves"],
    async run({ scope, can, serve }) {
      const url = await serve("proxy");
      for (const path of ["/endless", "/drip?n=Infinity&gap=5", "/stall/1000"]) {
        const controller = new AbortController();
        const response = await fetch(from(url, scope.url + path), { signal: controller.signal });
        const reader = response.body!.getReader();
        await reader.read();
        await scope.wait({ pending: 1 });
        reader.read().catch(() => {});
        controller.abort();
        await scope.wait({ pending: 0 }, 2000);
        await assertNothingInFlight(scope, can);
      }
      assertEquals((await scope.stats()).aborted, 3);
    },
  },
  {
    name: "50 requests at once with a limit of 6 never have more than 6 open",
    async run({ scope, can }) {
      const session = new Session({ pool: { maxConnections: 6 } });
      try {
        const requests = Array.from({ length: 50 }, () => session.get(`${scope.url}/drip?n=3&gap=5`));
        for (const { content } of await Promise.all(requests)) assertEquals(content.byteLength, 3);
      } finally {
        await session.close();
      }
      const { requests, maxPending } = await scope.stats();
      assertEquals([requests, maxPending], [50, 6]);
      await assertNothingInFlight(scope, can);
    },
  },
];
