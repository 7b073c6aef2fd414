// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading options safely even if `Object.prototype` is polluted, and refusing wrong options.
 *
 * @module
 */

import { printable } from "./text.ts";

const EMPTY = {};

/** The longest delay that a timer accepts, in milliseconds. With a longer one it fires at once. */
export const MAX_DELAY: number = 2 ** 31 - 1;

/**
 * Returns options without the properties that every object inherits if some code has assigned to
 * `Object.prototype`. Otherwise a `timeout`, `body` or `proxy` there would become an option of
 * every request.
 */
export function own<T extends object>(options: T): T {
  // Only properties that were assigned are enumerable. In a clean process, this loop has no
  // iterations, so `own` costs nothing.
  for (const _ in EMPTY) return withoutInherited(options);
  return options;
}

/** Returns options as a plain object, even if they are an instance of a class with getters. */
export function plain<T extends object>(options: T): T {
  const prototype = Object.getPrototypeOf(options);
  return prototype === null || prototype === Object.prototype ? own(options) : withoutInherited(options);
}

function withoutInherited<T extends object>(options: T): T {
  const copy = Object.create(null);
  for (let source: object | null = options; source !== null; source = Object.getPrototypeOf(source)) {
    if (source !== options && Object.getPrototypeOf(source) === null) break; // the `Object.prototype` of some realm
    for (const key of Reflect.ownKeys(source)) if (key !== "constructor") copy[key] ??= Reflect.get(options, key);
  }
  return copy;
}

/**
 * Throws an error that says what an option must be.
 *
 * @throws {RangeError} If the value is a number.
 * @throws {TypeError} Otherwise.
 */
export function refuse(subject: string, expected: string, value: unknown): never {
  const message = `${subject} must be ${expected}: received ${describe(value)}`;
  throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/**
 * Formats a value for a message. The contents of an object are not shown, because they may be long
 * or secret.
 */
export function describe(value: unknown): string {
  if (typeof value === "string") return printable(JSON.stringify(value));
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" && value !== null || typeof value === "function" ? typeof value : String(value);
}
