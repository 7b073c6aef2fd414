// Copyright 2026 the Hangup authors. MIT license.

/**
 * The runtime: which one it is, its own promises and modules, and types of the web platform that
 * the type packages of Node, Bun and Workers do not declare as globals.
 *
 * @module
 */

/**
 * The class of the promises of async functions, even if a library has replaced the global one. Such
 * a class may lose the async context.
 */
export const PlatformPromise: PromiseConstructor = (async () => {})().constructor as PromiseConstructor;

/**
 * A promise and the functions that settle it. A project with a `lib` before ES2024 has no such
 * type.
 */
export type Resolvers<T> = {
  promise: Promise<T>;
  resolve: (value: T | PromiseLike<T>) => void;
  reject: (reason?: unknown) => void;
};

/**
 * Returns a promise and the functions that settle it. If a compiler has replaced the async
 * functions, for zone.js in particular, the class is that of a library and may have no such method.
 */
export function withResolvers<T>(): Resolvers<T> {
  if (PlatformPromise.withResolvers !== undefined) return PlatformPromise.withResolvers();
  let resolve!: Resolvers<T>["resolve"], reject!: Resolvers<T>["reject"];
  const promise = new PlatformPromise<T>((...functions) => [resolve, reject] = functions);
  return { promise, resolve, reject };
}

let PlatformStream: typeof ReadableStream | undefined;

/** Returns the platform's class of streams, even if a polyfill has replaced the global one. */
export function platformStream(): typeof ReadableStream {
  return PlatformStream ??= findStream() ?? ReadableStream;
}

function findStream(): typeof ReadableStream | undefined {
  try {
    const { constructor } = new Blob([]).stream();
    return "pipeTo" in constructor.prototype ? constructor as typeof ReadableStream : undefined;
  } catch {
    return undefined; // The `Blob` is that of a library.
  }
}

/**
 * Whether the runtime is workerd. There, a timer ends with the request that made it, and some
 * codings are not decoded.
 */
export function isWorkerd(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } };
  return navigator?.userAgent === "Cloudflare-Workers";
}

/** Makes a `FinalizationRegistry`, which some versions of workerd lack. */
export function makeRegistry<T>(cleanUp: (held: T) => void): FinalizationRegistry<T> | undefined {
  return typeof FinalizationRegistry === "function" ? new FinalizationRegistry(cleanUp) : undefined;
}

/** Returns a module that is built into Node, and also into Deno and Bun. */
export function builtin<T>(name: string): T | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): T | undefined } };
  return process?.getBuiltinModule?.(name);
}

/**
 * Returns the globals of the main realm, on Node. A test runner may run the module in another one.
 */
export function mainRealm<T>(): T | undefined {
  return builtin<{ runInThisContext(code: string): T }>("node:vm")?.runInThisContext("globalThis");
}

/** The body of a request. */
export type BodyInit = NonNullable<RequestInit["body"]>;

/** A value that headers can be made from. */
export type HeadersInit = NonNullable<RequestInit["headers"]>;

/**
 * The options that say which page a request comes from: Fetch standard, section 5.4. Bun and
 * Workers declare none of them.
 */
export interface Referring {
  mode?: string;
  referrer?: string;
  referrerPolicy?: string;
}

/** The type of a response: Fetch standard, section 5.5. */
export type ResponseType = "basic" | "cors" | "default" | "error" | "opaque" | "opaqueredirect";
