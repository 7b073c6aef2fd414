// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { inspect } from "node:util";
import type * as hangup from "../mod.ts";
import { Session } from "../mod.ts";
import { runScript } from "./harness/run_script.ts";

Deno.test("where there is no Symbol.asyncDispose, no method is named undefined, and esbuild's await using finds it", async () => {
  const { text } = JSON.parse((await runScript("scripts/bundle.ts")).stdout);
  const symbols: Record<PropertyKey, symbol | undefined> = { dispose: undefined, asyncDispose: undefined };
  // Not over `Symbol` itself, whose properties no proxy may hide.
  const symbol = new Proxy((description?: string) => Symbol(description), {
    get: (_, name) => name in symbols ? symbols[name] : Reflect.get(Symbol, name),
  });
  const module: typeof hangup = new Function("Symbol", `${text}; return hangup;`)(symbol);
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== "function" || value.prototype === undefined) continue;
    assertEquals(Reflect.has(value.prototype, "undefined"), false, name);
  }
  const session = new module.Session({ fetch: () => Promise.resolve(new Response("ok")) });
  const lease = await session.pool.acquire("https://a.test");
  Reflect.get(lease, Symbol.for("Symbol.dispose")).call(lease);
  assertEquals([lease.released, Reflect.has(lease, "undefined")], [true, false]);
  const streamed = await session.get("https://a.test/", { prefetch: false });
  for (const closable of [streamed, session, session.pool]) {
    await Reflect.get(closable, Symbol.for("Symbol.asyncDispose")).call(closable);
  }
  assertEquals([streamed.closed, session.closed, session.pool.closed], [true, true, true]);

  // A polyfill that comes after the module.
  Object.assign(symbols, { dispose: Symbol("dispose"), asyncDispose: Symbol("asyncDispose") });
  const later = new module.Session({ fetch: () => Promise.resolve(new Response("ok")) });
  const pooled = await later.pool.acquire("https://a.test");
  Reflect.get(pooled, symbols.dispose!).call(pooled);
  await Reflect.get(later, symbols.asyncDispose!).call(later);
  assertEquals([pooled.released, later.closed], [true, true]);

  // One that comes after a pool, and before what is made next: a pool, or a session over it.
  const pool = new module.Pool();
  for (const make of [() => new module.Session({ pool }), () => new module.Pool()]) {
    symbols.asyncDispose = Symbol("asyncDispose");
    const last = make();
    await Reflect.get(last, symbols.asyncDispose!).call(last);
    assertEquals(last.closed, true);
  }
  await pool.close();
});

/** An instance of each class that a user sees, and what names it. */
async function instances(): Promise<[object, string][]> {
  const session = new Session({ fetch: () => Promise.resolve(new Response("hello")) });
  const streamed = await session.get("http://x.test/", { prefetch: false });
  const prefetched = await session.get("http://x.test/");
  const lease = await session.pool.acquire("http://x.test");
  lease.release();
  await session.close();
  return [
    [session, "Session"],
    [session.pool, "Pool"],
    [streamed, "StreamedResponse"],
    [prefetched, "PrefetchedResponse"],
    [lease, "Lease"],
  ];
}

Deno.test("objects of every class have its name as their tag, without which Vue makes proxies of them", async () => {
  for (const [instance, name] of await instances()) {
    assertEquals(Object.prototype.toString.call(instance), `[object ${name}]`);
  }
});

Deno.test("a proxy or a test double of every class can be printed, and its methods be replaced", async () => {
  for (const [instance, name] of await instances()) {
    for (const double of [new Proxy(instance, {}), Object.create(instance)]) {
      assert(inspect(double).includes(name), name);
      assert(Deno.inspect(double).includes(name), name);
    }
    const own: Record<PropertyKey, unknown> = Object.create(instance);
    for (const key of Reflect.ownKeys(Object.getPrototypeOf(instance))) {
      const { value } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(instance), key)!;
      if (typeof value === "function") own[key] = value; // throws if the inherited one cannot be replaced
    }
  }
});
