// Copyright 2026 the Hangup authors. MIT license.
// deno-std ships JavaScript alone. These are the types of what the tests use; a name missing here can be added.

type Constructor<T> = abstract new (...args: never[]) => T;

export declare class AssertionError extends Error {}
export declare function assert(value: unknown, message?: string): asserts value;
export declare function assertEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T;
export declare function assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
export declare function assertFalse(value: unknown, message?: string): void;
export declare function assertGreater<T>(actual: T, expected: T, message?: string): void;
export declare function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
export declare function assertLess<T>(actual: T, expected: T, message?: string): void;
export declare function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
export declare function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void;
export declare function assertInstanceOf<T>(
  actual: unknown,
  expected: Constructor<T>,
  message?: string,
): asserts actual is T;
export declare function assertMatch(actual: string, expected: RegExp, message?: string): void;
export declare function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
export declare function assertStringIncludes(actual: string, expected: string, message?: string): void;
export declare function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, message?: string): void;
export declare function assertObjectMatch(actual: object, expected: object, message?: string): void;
export declare function assertIsError<T extends Error = Error>(
  error: unknown,
  expected?: Constructor<T>,
  messageIncludes?: string | RegExp,
  message?: string,
): asserts error is T;
export declare function assertThrows<T extends Error>(
  run: () => unknown,
  expected: Constructor<T>,
  messageIncludes?: string,
  message?: string,
): T;
export declare function assertThrows(run: () => unknown, message?: string): unknown;
export declare function assertRejects<T extends Error>(
  run: () => PromiseLike<unknown>,
  expected: Constructor<T>,
  messageIncludes?: string,
  message?: string,
): Promise<T>;
export declare function assertRejects(run: () => PromiseLike<unknown>, message?: string): Promise<unknown>;
export declare function equal(actual: unknown, expected: unknown): boolean;
export declare function fail(message?: string): never;
export declare function unreachable(reason?: string): never;
