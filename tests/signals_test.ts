// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { addAbortListener, removeAbortListener, throwIfAborted } from "../_internal/signals.ts";

/** A controller whose signal counts its listeners. */
function counted(): { controller: AbortController; signal: AbortSignal; listeners: () => number; added: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  let added = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    added++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  return { controller, signal, listeners: () => listeners, added: () => added };
}

/** Adds a listener. Returns a function that removes it. */
function onAbort(signal: AbortSignal, callback: (reason: unknown) => void): () => void {
  const listener = { onAbort: callback };
  addAbortListener(signal, listener);
  return () => removeAbortListener(signal, listener);
}

Deno.test("addAbortListener() has every listener told once with the reason", () => {
  const { controller, signal, listeners } = counted();
  const seen: unknown[] = [];
  for (const name of ["a", "b", "c"]) onAbort(signal, (reason) => seen.push(name, reason));
  assertEquals(listeners(), 1);
  const reason = new Error("enough");
  controller.abort(reason);
  controller.abort();
  assertEquals(seen, ["a", reason, "b", reason, "c", reason]);
  assertStrictEquals(seen[1], reason);
});

Deno.test("addAbortListener() tells nobody of an event that is dispatched without an abort", () => {
  const { controller, signal, listeners } = counted();
  const seen: unknown[] = [];
  onAbort(signal, (reason) => seen.push(reason));
  signal.dispatchEvent(new Event("abort"));
  assertEquals([seen, listeners()], [[], 1]);
  controller.abort("enough");
  assertEquals([seen, listeners()], [["enough"], 0]);
});

Deno.test("addAbortListener() adds one event handler for all listeners, which goes with the last", () => {
  const { signal, listeners, added } = counted();
  const disposers = Array.from({ length: 1000 }, () => onAbort(signal, () => {}));
  assertEquals([listeners(), added()], [1, 1]);
  for (const dispose of disposers.slice(1)) dispose();
  assertEquals(listeners(), 1);
  disposers[0]!();
  assertEquals(listeners(), 0);
  onAbort(signal, () => {})();
  assertEquals([listeners(), added()], [0, 2]);
});

Deno.test("removeAbortListener() acts once", () => {
  const { controller, signal, listeners } = counted();
  const seen: string[] = [];
  const dispose = onAbort(signal, () => seen.push("a"));
  dispose();
  dispose();
  assertEquals(listeners(), 0);
  onAbort(signal, () => seen.push("b"));
  // Of a former registration: it must not touch the new one.
  dispose();
  assertEquals(listeners(), 1);
  controller.abort();
  assertEquals(seen, ["b"]);
});

Deno.test("removeAbortListener() acts while the signal fires", () => {
  const { controller, signal } = counted();
  const seen: string[] = [];
  onAbort(signal, () => {
    seen.push("a");
    disposeB();
  });
  const disposeB = onAbort(signal, () => seen.push("b"));
  const disposeC: () => void = onAbort(signal, () => {
    seen.push("c");
    disposeC();
  });
  controller.abort();
  assertEquals(seen, ["a", "c"]);
});

Deno.test("addAbortListener() acts while the signal fires", () => {
  const { controller, signal } = counted();
  const seen: string[] = [];
  onAbort(signal, () => {
    seen.push("a");
    onAbort(signal, () => seen.push("b"));
  });
  controller.abort();
  assertEquals(seen, ["a", "b"]);
});

Deno.test("addAbortListener() gives what a signal's reason throws as the reason", () => {
  const { controller, signal } = counted();
  const failure = new RangeError("no reason");
  Object.defineProperty(signal, "reason", {
    get() {
      throw failure;
    },
  });
  const seen: unknown[] = [];
  for (let i = 0; i < 2; i++) onAbort(signal, (reason) => seen.push(reason));
  controller.abort();
  assertEquals(seen.length, 2);
  for (const reason of seen) assertStrictEquals(reason, failure);
});

Deno.test("removeAbortListener() does not mind a signal that keeps its event handler", () => {
  const { controller, signal } = counted();
  signal.removeEventListener = () => {
    throw new TypeError("no signal of the platform's");
  };
  const seen: string[] = [];
  const dispose = onAbort(signal, () => seen.push("disposed of"));
  dispose();
  dispose();
  onAbort(signal, () => seen.push("a"));
  controller.abort();
  assertEquals(seen, ["a"]);
});

Deno.test("removeAbortListener() leaves nothing behind when a listener removes the last one", () => {
  const { controller, signal, listeners } = counted();
  const seen: string[] = [];
  onAbort(signal, () => {
    seen.push("a");
    dispose();
  });
  const dispose = onAbort(signal, () => seen.push("b"));
  controller.abort();
  assertEquals([seen, listeners()], [["a"], 0]);
  onAbort(signal, () => seen.push("too late"));
  controller.abort();
  assertEquals(seen, ["a"]);
});

Deno.test("throwIfAborted() and addAbortListener() take a signal of a polyfill, without a reason or methods for it", () => {
  const listeners: (() => void)[] = [];
  const polyfill = {
    aborted: false,
    addEventListener: (_: string, listener: () => void) => listeners.push(listener),
    removeEventListener() {},
  };
  const signal = polyfill as unknown as AbortSignal;
  throwIfAborted(undefined);
  throwIfAborted(signal);
  const seen: unknown[] = [];
  onAbort(signal, (reason) => seen.push(reason));
  polyfill.aborted = true;
  listeners[0]!();
  assert(seen[0] instanceof DOMException && seen[0].name === "AbortError");
  assertThrows(() => throwIfAborted(signal), DOMException);
  assertThrows(() => throwIfAborted(AbortSignal.abort(new RangeError("mine"))), RangeError, "mine");
});

Deno.test("addAbortListener() has a listener told once, also by a signal that keeps its event handler", () => {
  const controller = new AbortController();
  const { signal } = controller;
  signal.removeEventListener = () => {
    throw new Error("not here");
  };
  let told = 0;
  addAbortListener(signal, { onAbort: () => told++ });
  controller.abort();
  signal.dispatchEvent(new Event("abort"));
  assertEquals(told, 1);
});
