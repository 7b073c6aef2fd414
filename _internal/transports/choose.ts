// Copyright 2026 the Hangup authors. MIT license.

/**
 * The choice of the transport for the platform.
 *
 * @module
 */

import { checkNumber, own } from "../options.ts";
import { bunTransport } from "./bun.ts";
import { denoTransport } from "./deno.ts";
import { nodeTransport } from "./node.ts";
import type { Adapter } from "./platform.ts";
import { portable } from "./portable.ts";

/** The default time that an idle socket is kept, in milliseconds. */
export const DEFAULT_IDLE_TIMEOUT = 30_000;

/**
 * Makes the transport for the platform.
 *
 * @param options The options for its sockets.
 * @param connections The largest number of sockets to one origin, on a platform that could open a
 * new one while another one is still on its way back to its pool.
 */
export function makeTransport(options: { idleTimeout?: number | undefined }, connections?: number): Adapter {
  const { idleTimeout = DEFAULT_IDLE_TIMEOUT, ...others } = own(options);
  const rest = own(others);
  checkNumber('Cannot create a transport as "idleTimeout"', "a non-negative number of milliseconds", idleTimeout);
  return denoTransport(idleTimeout, rest) ?? bunTransport(idleTimeout, rest) ??
    nodeTransport(idleTimeout, rest, connections) ??
    portable(undefined, Object.keys(rest).length > 0 ? rest : undefined);
}
