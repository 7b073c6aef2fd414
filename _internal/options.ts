// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading options where `Object.prototype` may have been polluted.
 *
 * @module
 */

import { printable } from "./text.ts";

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

/**
 * Throws what is wrong with an option that must be a number.
 *
 * @throws {RangeError} If it is one, else a `TypeError`.
 */
export function refuse(subject: string, expected: string, value: unknown): never {
  const message = `${subject} must be ${expected}: received ${describe(value)}`;
  throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/** A value as it may be shown in a message: that of an object may be long, or secret. */
export function describe(value: unknown): string {
  if (typeof value === "string") return printable(JSON.stringify(value));
  return typeof value === "object" && value !== null || typeof value === "function" ? typeof value : String(value);
}
