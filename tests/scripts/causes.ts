// Copyright 2026 the Hangup authors. MIT license.
//
// A `fetch` that fails with an error of a certain shape, before the headers and in the body. Prints
// what a session makes of it.
import process from "node:process";
import { Session } from "../../mod.ts";

const shapes: Record<string, () => unknown> = {
  "a ring"() {
    const first = new Error("first");
    return first.cause = new Error("second", { cause: new Error("third", { cause: first }) });
  },
  "itself"() {
    const error = new Error("first");
    return error.cause = error;
  },
  "a long chain"() {
    let error = new Error("0");
    for (let i = 1; i < 100_000; i++) error = new Error(String(i), { cause: error });
    return error;
  },
  "a cause that throws": () =>
    Object.defineProperty(new Error("first"), "cause", {
      get() {
        throw new Error("of the getter");
      },
    }),
  "an aggregate of itself"() {
    const error = new AggregateError([new Error("first")], "all");
    error.errors.push(error);
    return error;
  },
  "a proxy": () =>
    new Proxy(new Error("first"), {
      get() {
        throw new Error("of the proxy");
      },
      getPrototypeOf() {
        throw new Error("of the proxy");
      },
    }),
  "no error": () => Object.freeze({ message: 1, code: {}, cause: Object.freeze([]) }),
};

const failure = shapes[process.argv[2]!]!();
const name = (error: { name: string }) => error.name;
const headers = new Session({ fetch: () => Promise.reject(failure), timeout: 500 });
const body = new Session({
  fetch: () => Promise.resolve(new Response(new ReadableStream({ pull: () => Promise.reject(failure) }))),
  timeout: 500,
});
console.log(
  await headers.get("http://x.test/").then(() => "", name),
  await body.get("http://x.test/").then(() => "", name),
);
process.exit(0);
