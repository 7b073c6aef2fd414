// Copyright 2026 the Hangup authors. MIT license.
//
// A process that is done with its sessions exits at once: no timer, listener or socket holds it.
import { assert, assertEquals } from "@std/assert";
import type { Case } from "../harness/case.ts";

function exits(way: string, env: Record<string, string> = {}): Case {
  return {
    name: `a process exits at once after its last request: ${way}`,
    needs: ["processes"],
    async run({ scope, run }) {
      const { code, stdout, stderr, rest } = await run({ script: "scripts/exit.ts", env }, scope.url, way);
      assertEquals([code, stdout.trim(), stderr], [0, "done", ""]);
      assert(rest < 1500, `it ran for ${rest} ms more`);
      await scope.wait({ open: 0 }, 10_000);
    },
  };
}

/** A proxy that answers nothing: an address of the documentation's (RFC 5737). */
const NOBODY = "http://192.0.2.1:3128";

/**
 * What a program may find as the cause of an error, and what a look at its causes must come back
 * from.
 */
const CAUSES = [
  "a ring",
  "itself",
  "a long chain",
  "a cause that throws",
  "an aggregate of itself",
  "a proxy",
  "no error",
];

export const cases: Case[] = [
  exits("ephemeral"),
  exits("session"),
  exits("connecting"),
  exits("connecting to a proxy", {
    http_proxy: NOBODY,
    https_proxy: NOBODY,
    no_proxy: "",
    NODE_USE_ENV_PROXY: "1",
    NODE_NO_WARNINGS: "1",
  }),
  exits("without permission"),
  exits("unclosed"),
  exits("unread"),
  ...CAUSES.map((shape): Case => ({
    name: `an error of a fetch neither stops nor ends the process: its cause is ${shape}`,
    needs: ["processes"],
    async run({ run }) {
      const { code, stdout, stderr } = await run("scripts/causes.ts", shape);
      assertEquals([code, stderr, stdout], [0, "", "NetworkError NetworkError\n"]);
    },
  })),
];
