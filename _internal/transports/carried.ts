// Copyright 2026 the Hangup authors. MIT license.

/**
 * What a `Request` carries beside the standard's properties: a client or a dispatcher of the
 * caller's.
 *
 * @module
 */

/**
 * On the options of a request: the `Request` that the caller gave, if it may carry a dispatcher
 * that nobody can read.
 */
export const CARRIER = "hangup.carrier";

/** The part of the globals of Deno and Node that is used here. */
interface Globals {
  Deno?: { createHttpClient?(options: object): Disposable };
  process?: { versions?: { undici?: string } };
}

/**
 * The options that make a transport send over what a `Request` carries.
 *
 * Bun's carries nothing. Node from version 24 on shows nobody whether it does.
 *
 * @returns The options, or `undefined` if the request carries nothing.
 */
export function carried(request: Request): object | undefined {
  const { Deno, process } = globalThis as Globals;
  if (Deno?.createHttpClient === undefined) {
    const dispatcher = read(request, "dispatcher");
    if (dispatcher) return { dispatcher };
    return parseInt(process?.versions?.undici ?? "") >= 7 ? { [CARRIER]: request } : undefined;
  }
  const rid = (read(request, "request") as { clientRid?: number | null } | undefined)?.clientRid;
  if (typeof rid !== "number") return undefined;
  // Deno knows its clients by a number, which it keeps under a symbol.
  const like = Deno.createHttpClient({});
  like[Symbol.dispose]();
  const [key] = Object.getOwnPropertySymbols(like);
  return { client: Object.create(Object.getPrototypeOf(like), { [key!]: { value: rid } }) };
}

/** Reads what is kept under the symbol with this description. */
function read(request: Request, description: string): unknown {
  const key = Object.getOwnPropertySymbols(request).find((symbol) => symbol.description === description);
  return key && (request as unknown as Record<symbol, unknown>)[key];
}
