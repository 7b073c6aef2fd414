// Copyright 2026 the Hangup authors. MIT license.

/**
 * The platform's own promises.
 *
 * @module
 */

/**
 * The class of the promises of async functions, even if a library has replaced the global one. Such
 * a class may lack `withResolvers()`, or lose the async context.
 */
export const PlatformPromise: PromiseConstructor = (async () => {})().constructor as PromiseConstructor;
