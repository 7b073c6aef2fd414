// Copyright 2026 the Hangup authors. MIT license.
//
// What a platform can do is what the module says of it.
import { assertEquals } from "@std/assert";
import { Pool, Session } from "../../mod.ts";
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
];
