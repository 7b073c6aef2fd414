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
import { findNode } from "./undici.ts";

/** The default time that an idle socket is kept, in milliseconds. */
export const DEFAULT_IDLE_TIMEOUT = 30_000;

/**
 * The options of each runtime that not all others have. `nodeTransport()` says what to give for a
 * proxy.
 */
const OPTIONS: Record<string, readonly string[]> = {
  Deno: "allowHost caCerts cert http1 http2 key localAddress poolIdleTimeout poolMaxIdlePerHost proxy".split(" "),
  Bun: "decompress proxy tls unix verbose".split(" "),
  Node: ("allowH2 bodyTimeout connect connections dispatcher headersTimeout keepAliveMaxTimeout keepAliveTimeout " +
    "localAddress maxHeaderSize pipelining proxy").split(" "),
};

/** The options of a request that only the `fetch` of one runtime has. */
const REQUEST_OPTIONS: typeof OPTIONS = { Deno: ["client"], Bun: ["proxy", "tls", "unix"], Node: ["dispatcher"] };

/**
 * Returns the name of the runtime if it has options of its own, and otherwise words for the
 * platform.
 */
function findPlatform(): string {
  return ["Deno", "Bun"].find((name) => name in globalThis) ?? (findNode() ? "Node" : "this platform");
}

/**
 * Refuses options that would have no effect on this runtime. Options that no runtime is known to
 * have are accepted.
 */
function checkOptions(options: object, known: typeof OPTIONS, action: string): void {
  for (const [option, value] of Object.entries(options)) {
    const there = Object.keys(known).filter((name) => known[name]!.includes(option));
    if (value === undefined || value === null || there.length === 0) continue;
    const here = findPlatform();
    if (there.includes(here)) continue;
    throw new TypeError(`${action} as ${here} has no option "${option}": it is for ${there.join(" and ")}`);
  }
}

/**
 * Refuses options of a request that only another runtime has, such as `proxy`, because this one's
 * `fetch` ignores them.
 */
export function checkRequestOptions(options: object): void {
  checkOptions(options, REQUEST_OPTIONS, "Cannot send the request");
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
  checkOptions(rest, OPTIONS, "Cannot create a transport");
  return denoTransport(idleTimeout, rest) ?? bunTransport(idleTimeout, rest) ??
    nodeTransport(idleTimeout, rest, connections) ??
    portable(undefined, Object.keys(rest).length > 0 ? rest : undefined);
}
