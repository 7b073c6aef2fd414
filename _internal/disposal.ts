// Copyright 2026 the Hangup authors. MIT license.

/**
 * `using` and `await using` on platforms that do not have them yet.
 *
 * @module
 */

import { own } from "./options.ts";

/**
 * Renames the method that disposes of a class's instances if the platform has no symbol for it, as
 * WebKit has none. The class has named the method "undefined". It gets the symbol that esbuild's
 * lowered `using` looks for instead.
 */
export function nameDisposal({ prototype }: { readonly prototype: object }, name: "dispose" | "asyncDispose"): void {
  if (Symbol[name] !== undefined) return;
  const value = Reflect.get(prototype, "undefined");
  Reflect.deleteProperty(prototype, "undefined");
  Object.defineProperty(prototype, Symbol.for(`Symbol.${name}`), own({ value, writable: true, configurable: true }));
}
