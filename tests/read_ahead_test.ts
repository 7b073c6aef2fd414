// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Bytes } from "../_internal/bytes.ts";
import type { Exchange } from "../_internal/exchange.ts";
import { ReadAhead } from "../_internal/read_ahead.ts";
import type { Read, Source } from "../_internal/source.ts";
import { settle } from "./fake_clock.ts";

function text(content: Bytes | undefined): string | undefined {
  return content && new TextDecoder().decode(content);
}

/** A body that is read ahead, with what becomes of its exchange. */
class Bench {
  readonly log: unknown[] = [];
  readonly ahead: ReadAhead;
  open = true;
  /** The reads that nothing was given for yet. */
  #reads: PromiseWithResolvers<Read>[] = [];

  constructor(max: number, open = true) {
    this.open = open;
    const exchange = {
      over: false,
      end: () => this.log.push("end"),
      release: (reuse: boolean) => this.log.push(`release, ${reuse ? "to reuse" : "to close"}`),
    };
    const isOpen = () => this.open;
    const source = {
      owns: () => false,
      abort: (error: unknown) => this.log.push(error),
      spareStream() {},
      get open() {
        return isOpen();
      },
      read: () => {
        this.log.push("read");
        const read = Promise.withResolvers<Read>();
        this.#reads.push(read);
        return read.promise;
      },
    };
    this.ahead = new ReadAhead(exchange as unknown as Exchange, source as unknown as Source, max);
  }

  async give(...chunks: string[]): Promise<void> {
    for (const chunk of chunks) {
      this.#reads.shift()!.resolve({ done: false, value: new TextEncoder().encode(chunk) });
      await settle();
    }
  }

  async end(): Promise<void> {
    this.open = false;
    this.#reads.shift()!.resolve({ done: true, value: undefined });
    await settle();
  }

  async fail(error: unknown): Promise<void> {
    this.#reads.shift()!.reject(error);
    await settle();
  }

  take(): unknown[] {
    return this.log.splice(0);
  }
}

Deno.test("ReadAhead reads a body to its end, and ends the exchange", async () => {
  const bench = new Bench(10);
  assert(bench.ahead.reading !== undefined);
  await bench.give("ab", "", "cd");
  assertEquals(bench.take(), ["read", "read", "read", "read"]);
  await bench.end();
  assertEquals([bench.take(), bench.ahead.reading], [["end"], undefined]);
  assertEquals([text(bench.ahead.take()), bench.ahead.take()], ["abcd", undefined]);
});

Deno.test("ReadAhead reads no more once it has read more than it may", async () => {
  const bench = new Bench(4);
  await bench.give("abcd");
  assertEquals(bench.take(), ["read", "read"]); // the body may end here
  await bench.give("e");
  assertEquals([bench.take(), bench.ahead.reading], [[], undefined]);
  assertEquals(text(bench.ahead.take()), "abcde");
});

Deno.test("ReadAhead counts what it has read, though that was taken meanwhile", async () => {
  const bench = new Bench(4);
  await bench.give("abc");
  assertEquals(text(bench.ahead.take()), "abc");
  await bench.give("def");
  assertEquals([bench.take(), bench.ahead.reading], [["read", "read"], undefined]);
  assertEquals(text(bench.ahead.takeCollector().take()), "def");
});

Deno.test("ReadAhead.stop() lets the read under way be the last", async () => {
  const bench = new Bench(100);
  await bench.give("ab");
  bench.ahead.stop();
  assert(bench.ahead.reading !== undefined);
  await bench.give("cd");
  assertEquals([bench.take(), bench.ahead.reading, text(bench.ahead.take())], [["read", "read"], undefined, "abcd"]);
});

Deno.test("ReadAhead.reading is done when the read is, and never rejects", async () => {
  const bench = new Bench(100);
  const first = bench.ahead.reading;
  await bench.give("ab");
  assertEquals(await first, undefined);
  const second = bench.ahead.reading;
  assert(second !== first);
  const failure = new Error("reset");
  await bench.fail(failure);
  assertEquals([await second, bench.ahead.reading], [undefined, undefined]);
  assertEquals(bench.take().slice(-3), [failure, "release, to close", "end"]);
  assertStrictEquals(bench.ahead.failure, failure);
  assertEquals(text(bench.ahead.take()), "ab");
});

Deno.test("ReadAhead reads nothing of a body that is at its end", async () => {
  const bench = new Bench(100, false);
  await settle();
  assertEquals([bench.take(), bench.ahead.reading, bench.ahead.take()], [[], undefined, undefined]);
});
