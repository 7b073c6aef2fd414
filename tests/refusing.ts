// Copyright 2026 the Hangup authors. MIT license.
//
// What the tests of wrong arguments share.
import { assert, assertThrows } from "@std/assert";

/** Fails unless `work` throws such an error, whose message has these words. Returns the error. */
export function assertRefuses(
  work: () => unknown,
  message: string,
  ErrorClass: typeof TypeError | typeof RangeError = TypeError,
) {
  const error = assertThrows(work, ErrorClass);
  assert(error.message.includes(message), error.message);
  return error;
}
