// Copyright 2026 the Hangup authors. MIT license.

/**
 * What a `Request` carries beside the standard's properties: a client or a dispatcher of the caller's.
 *
 * @module
 */

/** What is used of the `Deno` namespace. */
interface DenoNamespace {
  createHttpClient?(options: object): Disposable;
}

/**
 * The options that make a transport send over what a `Request` carries, on Deno and on Node 22.
 *
 * Later versions of Node show nobody what a `Request` carries, and Bun's carries nothing.
 *
 * @returns The options, or `undefined` if the request carries nothing that can be seen.
 */
export function carried(request: Request): object | undefined {
  const { Deno } = globalThis as { Deno?: DenoNamespace };
  if (Deno?.createHttpClient === undefined) {
    const dispatcher = read(request, "dispatcher");
    return dispatcher ? { dispatcher } : undefined;
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
