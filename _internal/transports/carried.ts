// Copyright 2026 the Hangup authors. MIT license.

/**
 * A client or dispatcher of the caller that a `Request` carries in addition to the standard's
 * properties.
 *
 * @module
 */

import { resultOf } from "../causes.ts";
import type { DenoNamespace } from "./deno.ts";
import { findKey, undiciVersion } from "./undici.ts";

/**
 * The option that holds the caller's `Request`, if that may carry a dispatcher that cannot be read.
 */
export const CARRIER = "hangup.carrier";

/**
 * Returns the options that make a transport use the client or dispatcher that a `Request` carries.
 *
 * On Bun, a `Request` carries none. From Node 24 on, nobody can see whether it carries one.
 *
 * @returns The options, or `undefined` if the request carries nothing.
 */
export function carried(request: Request): object | undefined {
  const { Deno } = globalThis as { Deno?: DenoNamespace };
  if (Deno?.createHttpClient === undefined) {
    const dispatcher = read(request, "dispatcher");
    if (dispatcher) return { dispatcher };
    return undiciVersion() >= 7 && isPlatformRequest(request) ? { [CARRIER]: request } : undefined;
  }
  const rid = (read(request, "request") as { clientRid?: number | null } | undefined)?.clientRid;
  if (typeof rid !== "number") return undefined;
  // Deno knows its clients by a number, which it keeps under a symbol.
  const like = Deno.createHttpClient({});
  like[Symbol.dispose]();
  const [key] = Object.getOwnPropertySymbols(like);
  return { client: Object.create(Object.getPrototypeOf(like), { [key!]: { value: rid } }) };
}

/**
 * Whether a `Request` is the platform's, and not an object that only inherits from one, as those of
 * some servers.
 */
function isPlatformRequest(request: Request): boolean {
  return resultOf(() => Reflect.get(Request.prototype, "method", request)) !== undefined;
}

/** Reads the property whose key is the symbol with this description. */
function read(request: Request, description: string): unknown {
  const key = findKey(request, description);
  return key && (request as unknown as Record<symbol, unknown>)[key];
}
