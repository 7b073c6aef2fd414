// Copyright 2026 the Hangup authors. MIT license.

/**
 * How objects appear in logs.
 *
 * @module
 */

import { own } from "./options.ts";
import { printable } from "./text.ts";

/** The keys of the method that runtimes call to print an object: Node and Bun, and Deno. */
const METHODS = ["nodejs.util.inspect.custom", "Deno.customInspect"];

/**
 * Makes runtimes print the instances of a class as one line, such as
 * `Session { open: 3, queued: 12 }`, because their contents may be secret or long.
 *
 * @param type The class.
 * @param facts Returns the properties of an instance to print.
 */
export function showAs<T extends object>(type: { readonly prototype: T }, facts: (instance: T) => object): void {
  function show(this: T): string {
    const told = Object.entries(facts(this)).map(([name, fact]) => `${name}: ${printable(JSON.stringify(fact))}`);
    return `${this.constructor.name} { ${told.join(", ")} }`;
  }
  for (const name of METHODS) Object.defineProperty(type.prototype, Symbol.for(name), own({ value: show }));
}
