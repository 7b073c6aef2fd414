// Copyright 2026 the Hangup authors. MIT license.

/**
 * What this module's classes get: how their instances appear in logs, and `using` and `await using`
 * on platforms that do not have them yet.
 *
 * @module
 */

import { hide, printable } from "./options.ts";

/**
 * Makes runtimes print the instances of a class as one line, such as `Session { open: 3, queued: 12
 * }`, because their contents may be secret or long. Gives them a tag, because Vue takes objects
 * without one for plain data, and puts them into proxies.
 *
 * @param type The class.
 * @param name Its name, which a minifier may have changed.
 * @param facts Returns the properties of an instance to print.
 */
export function showAs<T extends object>(
  type: { readonly prototype: T },
  name: string,
  facts: (instance: T) => object,
): void {
  function show(this: T): string {
    let told: string[] = [];
    try {
      told = Object.entries(facts(this)).map(([name, fact]) => `${name}: ${printable(JSON.stringify(fact))}`);
    } catch {
      // A test double or a proxy lacks the private fields.
    }
    return `${this.constructor === type ? name : this.constructor.name} { ${told.join(", ")} }`;
  }
  const { prototype } = type;
  // The keys of the method that runtimes call to print an object: Node and Bun, and Deno.
  for (const key of ["nodejs.util.inspect.custom", "Deno.customInspect"]) hide(prototype, Symbol.for(key), show);
  if (!(Symbol.toStringTag in prototype)) hide(prototype, Symbol.toStringTag, name);
}

/** Functions that give the renamed methods their proper symbols, once a polyfill has made those. */
const renamed: (() => void)[] = [];

/**
 * Renames the method that disposes of a class's instances if the platform has no symbol for it, as
 * WebKit has none. Without the symbol, the name of the method is "undefined". It gets the symbol
 * that esbuild's lowered `using` looks for instead.
 */
export function nameDisposal({ prototype }: { readonly prototype: object }, name: "dispose" | "asyncDispose"): void {
  if (Symbol[name] !== undefined) return;
  const value = Reflect.get(prototype, "undefined");
  Reflect.deleteProperty(prototype, "undefined");
  hide(prototype, Symbol.for(`Symbol.${name}`), value);
  renamed.push(() => Symbol[name] && hide(prototype, Symbol[name], value));
}

/**
 * Looks for a polyfill that was loaded after this module, and names the renamed methods by its
 * symbols.
 */
export function followPolyfill(): void {
  for (const rename of renamed) rename();
}
