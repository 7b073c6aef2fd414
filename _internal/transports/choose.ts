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
import type { NodeProcess } from "./undici.ts";
import { isWorkerd } from "../workerd.ts";

/** The default time that an idle socket is kept, in milliseconds. */
export const DEFAULT_IDLE_TIMEOUT = 30_000;

/** The options of each runtime that not all others have. `nodeTransport()` says what to give for a proxy. */
const OPTIONS: Record<string, readonly string[]> = {
  Deno: [
    ...["allowHost", "caCerts", "cert", "http1", "http2", "key", "localAddress"],
    ...["poolIdleTimeout", "poolMaxIdlePerHost", "proxy"],
  ],
  Bun: ["decompress", "proxy", "tls", "unix", "verbose"],
  Node: [
    ...["allowH2", "bodyTimeout", "connect", "connections", "dispatcher", "headersTimeout", "keepAliveMaxTimeout"],
    ...["keepAliveTimeout", "localAddress", "maxHeaderSize", "pipelining", "proxy"],
  ],
};

/** Refuses options that would have no effect on this runtime. Those that no runtime is known to have pass. */
function checkOptions(options: object) {
  const { process } = globalThis as { process?: NodeProcess };
  const isNode = process?.versions?.undici !== undefined && !isWorkerd();
  const here = ["Deno", "Bun"].find((name) => name in globalThis) ?? (isNode ? "Node" : "this platform");
  for (const [option, value] of Object.entries(options)) {
    const there = Object.keys(OPTIONS).filter((name) => OPTIONS[name]!.includes(option));
    if (value === undefined || there.length === 0 || there.includes(here)) continue;
    const reason = `${here} has no option "${option}": it is for ${there.join(" and ")}`;
    throw new TypeError(`Cannot create a transport as ${reason}`);
  }
}

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
  checkOptions(rest);
  return denoTransport(idleTimeout, rest) ?? bunTransport(idleTimeout, rest) ??
    nodeTransport(idleTimeout, rest, connections) ??
    portable(undefined, Object.keys(rest).length > 0 ? rest : undefined);
}
