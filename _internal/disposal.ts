// Copyright 2026 the Hangup authors. MIT license.

/**
 * `using` and `await using` on platforms that do not have them yet.
 *
 * @module
 */

import { own } from "./options.ts";

/** Each names a method anew that was renamed, once a polyfill has made the symbol. */
const renamed: (() => void)[] = [];

/**
 * Renames the method that disposes of a class's instances if the platform has no symbol for it, as
 * WebKit has none. The class has named the method "undefined". It gets the symbol that esbuild's
 * lowered `using` looks for instead.
 */
export function nameDisposal({ prototype }: { readonly prototype: object }, name: "dispose" | "asyncDispose"): void {
  if (Symbol[name] !== undefined) return;
  const value = Reflect.get(prototype, "undefined");
  const define = (key: symbol) =>
    Object.defineProperty(prototype, key, own({ value, writable: true, configurable: true }));
  Reflect.deleteProperty(prototype, "undefined");
  define(Symbol.for(`Symbol.${name}`));
  renamed.push(() => Symbol[name] && define(Symbol[name]));
}

/** Looks for a polyfill that was loaded after this module, and names the renamed methods by its symbols. */
export function followPolyfill(): void {
  for (const rename of renamed) rename();
}
