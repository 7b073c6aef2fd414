// Copyright 2026 the Hangup authors. MIT license.
//
// Cases that need a session, and what the server's `/echo` says of a request.
import { type PrefetchedResponse, Session, type SessionOptions } from "../../mod.ts";
import type { Capability, Case, TestContext } from "./case.ts";

/**
 * A case with a session, which is closed after it. Then nothing may be under way on the server, and
 * where the module owns the sockets, none may be open.
 */
export function withSession(
  name: string,
  run: (session: Session, t: TestContext) => Promise<void>,
  { needs, ...options }: SessionOptions & { needs?: Capability[] } = {},
): Case {
  return {
    name,
    needs,
    async run(t) {
      const session = new Session(options);
      try {
        await run(session, t);
      } finally {
        await session.close();
      }
      await t.scope.close(t.can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
    },
  };
}

/**
 * What `await using` calls. If the platform has no symbol for it, as WebKit has none, it is what
 * esbuild calls there.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** What `/echo` says of the request that it got. */
export interface Echo {
  method: string;
  url: string;
  headers: [name: string, value: string][];
  body: string;
  bodyLength: number;
  socketId: number;
  requestOnSocket: number;
}

/** Reads what `/echo` said. */
export async function readEcho(response: Response | PrefetchedResponse): Promise<Echo> {
  return await response.json() as Echo;
}

/** A header of the request that `/echo` got; several of a name are joined. */
export function header(echo: Echo, name: string): string | undefined {
  const values = echo.headers.filter(([candidate]) => candidate.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(" | ");
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Returns what the promise resolves with. Throws if that takes longer than `ms` milliseconds. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not settled within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
