// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading options where `Object.prototype` may have been polluted.
 *
 * @module
 */

const NOTHING = {};

/**
 * Options as they were given: without what every object inherits, where something was assigned to `Object.prototype`. A
 * `timeout`, `body` or `proxy` there would else become an option of every request.
 */
export function own<T extends object>(options: T): T {
  // What was assigned is enumerable, what belongs there is not. Without such, this costs next to nothing.
  for (const _ in NOTHING) {
    const plain = Object.getPrototypeOf(options) === Object.prototype;
    return plain ? { __proto__: null, ...options } : options;
  }
  return options;
}
