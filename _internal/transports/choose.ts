// Copyright 2026 the Hangup authors. MIT license.

/**
 * Which transport suits the platform.
 *
 * @module
 */

import { own as withoutInherited, refuse } from "../options.ts";
import { bunTransport } from "./bun.ts";
import { denoTransport } from "./deno.ts";
import { nodeTransport } from "./node.ts";
import type { Adapter } from "./platform.ts";
import { portable } from "./portable.ts";

/** The time in milliseconds that an idle socket is kept. */
export const DEFAULT_IDLE_TIMEOUT = 30_000;

/**
 * Makes a pool's own transport.
 *
 * @param options The options for its sockets.
 * @param connections The pool's limit for one origin. What opens a socket while one is on its way
 * back keeps to it too.
 */
export function makeTransport(options: { idleTimeout?: number | undefined }, connections?: number): Adapter {
  const { idleTimeout = DEFAULT_IDLE_TIMEOUT, ...rest } = withoutInherited(options);
  const own = withoutInherited(rest);
  if (!(typeof idleTimeout === "number" && idleTimeout >= 0)) {
    refuse('Cannot create a transport as "idleTimeout"', "a non-negative number of milliseconds", idleTimeout);
  }
  return denoTransport(idleTimeout, own) ?? bunTransport(idleTimeout, own) ??
    nodeTransport(idleTimeout, own, connections) ??
    portable(undefined, Object.keys(own).length > 0 ? own : undefined);
}
