// Copyright 2026 the Hangup authors. MIT license.

/**
 * How objects show themselves in logs.
 *
 * @module
 */

/** The symbols under which runtimes look for a method that does so: Node and Bun, and Deno. */
const METHODS = ["nodejs.util.inspect.custom", "Deno.customInspect"];

/**
 * Has the instances of a class shown as one telling line, such as `Session { open: 3, queued: 12 }`: what they hold may be
 * secret, or long.
 *
 * @param type The class.
 * @param facts What is told of an instance.
 */
export function showAs<T extends object>(type: { readonly prototype: T }, facts: (instance: T) => object): void {
  function show(this: T): string {
    const told = Object.entries(facts(this)).map(([name, fact]) => `${name}: ${JSON.stringify(fact)}`);
    return `${this.constructor.name} { ${told.join(", ")} }`;
  }
  for (const name of METHODS) Object.defineProperty(type.prototype, Symbol.for(name), { value: show });
}
