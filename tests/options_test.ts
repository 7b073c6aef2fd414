// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { runInNewContext } from "node:vm";
import { checkLimit, checkMethods, describe, isPlainObject, isRequest, plain } from "../_internal/options.ts";
import { assertRefuses } from "./refusing.ts";

Deno.test("checkLimit() takes non-negative integers and Infinity", () => {
  for (const value of [0, 1, 2 ** 40, Infinity]) assertEquals(checkLimit("max", value), value);
  for (const value of [-1, 0.5, NaN, -Infinity]) {
    assertRefuses(() => checkLimit("max", value), '"max" must be', RangeError);
  }
  for (const value of ["1", null, true, {}]) assertRefuses(() => checkLimit("max", value as never), '"max" must be');
});

Deno.test("plain() has what an instance of a class has, and leaves a plain object as it is, of whatever realm", () => {
  class Base {
    get a() {
      return "base";
    }
    get b() {
      return "base";
    }
  }
  class Derived extends Base {
    override get a() {
      return "derived";
    }
  }
  for (
    const options of [new Derived(), runInNewContext("class A { get a() { return 'derived' } b = 'base' }; new A()")]
  ) {
    assertEquals({ ...plain(options) }, { a: "derived", b: "base" });
  }
  class Own extends Base {
    override hasOwnProperty() {
      return true;
    }
  }
  class Last extends Own {}
  assertEquals(plain(new Last()).b, "base");
  const bare = Object.assign(Object.create(null), { a: 1 });
  assertEquals(plain(Object.create(bare)).a, 1);
  for (const options of [{ a: 1 }, bare]) assertStrictEquals(plain(options), options);
});

Deno.test("isPlainObject() and isRequest() know objects of another realm", () => {
  assertEquals([{}, Object.create(null), runInNewContext("({})")].map(isPlainObject), [true, true, true]);
  assertEquals([new Date(), Object.create({}), runInNewContext("new Date()")].map(isPlainObject), [
    false,
    false,
    false,
  ]);
  const other = {
    get [Symbol.toStringTag]() {
      return "Request";
    },
  };
  const untagged = Object.defineProperty(new Request("https://a.test/"), Symbol.toStringTag, { value: "Own" });
  assertEquals([other, untagged, new URL("https://a.test/"), null, "text"].map(isRequest), [
    ...[true, true, false, false, false],
  ]);
});

Deno.test("checkMethods() needs both methods", () => {
  checkMethods("It", { a() {}, b() {} }, "a", "b");
  for (const value of [{ a() {} }, { b() {} }, {}, null, undefined]) {
    assertThrows(() => checkMethods("It", value, "a", "b"), TypeError, 'It must have the methods "a" and "b"');
  }
});

Deno.test("describe() shows a value, but not what an object has", () => {
  const values = ["a\n\u202e", 5n, 5, () => {}, { secret: 1 }, Symbol("\x1b"), null, undefined];
  assertEquals(values.map(describe), [
    ...['"a\\n\\u{202e}"', "5n", "5", "function", "object", "Symbol(\\u{1b})", "null", "undefined"],
  ]);
});
