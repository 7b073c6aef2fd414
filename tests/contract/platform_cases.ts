// Copyright 2026 the Hangup authors. MIT license.
//
// What a platform can do is what the module says of it.
import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, Pool, Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";

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
