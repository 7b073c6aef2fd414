// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading options where `Object.prototype` may be polluted, and refusing wrong ones.
 *
 * @module
 */

import { printable } from "./text.ts";

const EMPTY = {};

/** The longest delay that a timer takes, in milliseconds. With a longer one it fires at once. */
export const MAX_DELAY: number = 2 ** 31 - 1;

/**
 * Options without what every object inherits once something is assigned to `Object.prototype`. Otherwise a `timeout`,
 * `body` or `proxy` there would become an option of every request.
 */
export function own<T extends object>(options: T): T {
  // Only what was assigned is enumerable. In a clean process this loop is all that happens.
  for (const _ in EMPTY) return withoutInherited(options);
  return options;
}

/** Options as a plain object, also if a class computes them. */
export function plain<T extends object>(options: T): T {
  const prototype = Object.getPrototypeOf(options);
  return prototype === null || prototype === Object.prototype ? own(options) : withoutInherited(options);
}

function withoutInherited<T extends object>(options: T): T {
  const copy = Object.create(null);
  for (let source: object | null = options; source !== null; source = Object.getPrototypeOf(source)) {
    if (source !== options && Object.getPrototypeOf(source) === null) break; // a realm's `Object.prototype`
    for (const key of Reflect.ownKeys(source)) if (key !== "constructor") copy[key] ??= Reflect.get(options, key);
  }
  return copy;
}

/**
 * Throws what is wrong with an option that must be a number.
 *
 * @throws {RangeError} If it is one.
 * @throws {TypeError} Otherwise.
 */
export function refuse(subject: string, expected: string, value: unknown): never {
  const message = `${subject} must be ${expected}: received ${describe(value)}`;
  throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/** A value as a message may show it. That of an object may be long, or secret. */
export function describe(value: unknown): string {
  if (typeof value === "string") return printable(JSON.stringify(value));
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" && value !== null || typeof value === "function" ? typeof value : String(value);
}
