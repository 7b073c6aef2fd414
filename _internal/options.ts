// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading options safely even if `Object.prototype` is polluted, refusing wrong options, and
 * showing values in messages.
 *
 * @module
 */

const EMPTY = {};

/** The longest delay that the timers of every runtime accept, in milliseconds: 25 days. */
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
  for (let source: object = options;; source = Object.getPrototypeOf(source)) {
    for (const key of Reflect.ownKeys(source)) if (key !== "constructor") copy[key] ??= Reflect.get(options, key);
    const next = Object.getPrototypeOf(source);
    // Of the objects without a prototype, only the `Object.prototype` of each realm has this
    // method.
    if (next === null || Object.getPrototypeOf(next) === null && Object.hasOwn(next, "hasOwnProperty")) return copy;
  }
}

/**
 * Adds a property that is not enumerable, so that a copy such as `{ ...init }` does not have it.
 * Therefore the default of a user's wrapper of `fetch`, as in `{ client, ...init }`, takes
 * precedence.
 */
export function hide(object: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(object, key, own({ value, writable: true, configurable: true }));
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether a value is a plain object, perhaps of another realm. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Whether something is a `Request`, of whatever realm. */
export function isRequest(value: unknown): value is Request {
  return isObject(value) && (value instanceof Request || tagOf(value) === "[object Request]");
}

/** Returns what names the class of a value in any realm: `[object Blob]`. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

/**
 * Throws an error that ends with the wrong value.
 *
 * @param problem What is wrong: `"signal" must be an AbortSignal`.
 */
export function refuse(problem: string, value: unknown, ErrorClass: ErrorConstructor = TypeError): never {
  throw new ErrorClass(`${problem}: received ${describe(value)}`);
}

/** Makes the error for a request that cannot be sent. */
export function cannotSend(reason: string, options?: ErrorOptions): TypeError {
  return new TypeError(`Cannot send the request as ${reason}`, options);
}

/** The numbers that an option can ask for, by the words for them in messages. */
const NUMBERS = {
  "a positive number of milliseconds": (value: number) => value > 0,
  "a non-negative number of milliseconds": (value: number) => value >= 0,
  "a positive integer or Infinity": (value: number) => value >= 1 && Math.floor(value) === value,
  "a non-negative integer or Infinity": (value: number) => value >= 0 && Math.floor(value) === value,
};

/**
 * Checks an option that is a number.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is another number than `expected`.
 */
export function checkNumber(subject: string, expected: keyof typeof NUMBERS, value: unknown): number {
  const isNumber = typeof value === "number";
  if (isNumber && NUMBERS[expected](value)) return value;
  refuse(`${subject} must be ${expected}`, value, isNumber ? RangeError : TypeError);
}

/**
 * Checks a limit. If it is missing, `fallback` takes its place.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is neither a non-negative integer nor `Infinity`.
 */
export function checkLimit(option: string, value: number | undefined, fallback?: number): number {
  return checkNumber(`"${option}"`, "a non-negative integer or Infinity", value === undefined ? fallback : value);
}

/** Throws a `TypeError` unless an option is a function. */
export function checkFunction(subject: string, value: unknown): void {
  if (typeof value !== "function") refuse(`${subject} must be a function`, value);
}

/** Throws a `TypeError` unless an option has both methods. */
export function checkMethods(subject: string, value: unknown, first: string, second: string): void {
  const methods = Object(value) as Record<string, unknown>;
  if (typeof methods[first] === "function" && typeof methods[second] === "function") return;
  refuse(`${subject} must have the methods "${first}" and "${second}"`, value);
}

/**
 * Formats a value for a message. The contents of an object are not shown, because they may be long
 * or secret.
 */
export function describe(value: unknown): string {
  if (typeof value === "string") return printable(JSON.stringify(value));
  if (typeof value === "bigint") return `${value}n`;
  return isObject(value) || typeof value === "function" ? typeof value : printable(String(value));
}

/**
 * Escapes all characters that are not printable, as Python's `repr()` does: control characters
 * (line breaks and TAB are among them), invisible and bidirectional format characters, line and
 * paragraph separators, and lone surrogates. A server or a caller can therefore not forge a line of
 * a log, nor control the terminal that shows it.
 *
 * @param text Any text.
 * @returns The text, with `\u{1b}` in place of an ESC.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}
