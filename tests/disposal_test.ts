// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import type * as hangup from "../mod.ts";

Deno.test("where there is no Symbol.asyncDispose, no method is named undefined, and esbuild's await using finds it", async () => {
  const script = fileURLToPath(new URL("scripts/bundle.ts", import.meta.url));
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--no-check", script] })
    .output();
  assert(success);
  const { text } = JSON.parse(new TextDecoder().decode(stdout));
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
});
