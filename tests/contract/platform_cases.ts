// Copyright 2026 the Hangup authors. MIT license.
//
// What a platform can do is what the module says of it.
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createTransport, NetworkError, Pool, Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { pattern } from "../server/client.ts";

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
];
