// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals } from "@std/assert";
import { checkLimit } from "../_internal/options.ts";
import { assertRefuses } from "./refusing.ts";

Deno.test("checkLimit() takes non-negative integers and Infinity", () => {
  for (const value of [0, 1, 2 ** 40, Infinity]) assertEquals(checkLimit("max", value), value);
  for (const value of [-1, 0.5, NaN, -Infinity]) {
    assertRefuses(() => checkLimit("max", value), '"max" must be', RangeError);
  }
  for (const value of ["1", null, true, {}]) assertRefuses(() => checkLimit("max", value as never), '"max" must be');
});
