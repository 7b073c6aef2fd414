// Copyright 2026 the Hangup authors. MIT license.

import { turns } from "./fake_turns.ts"; // before the module that takes setImmediate
import { assert, assertEquals } from "@std/assert";
import { type Slot, TurnDrain } from "../_internal/drain.ts";
import { settle } from "./fake_clock.ts";

const A = "https://a.test";
const B = "https://b.test";

/** Options of a request, to which a drain may add. */
const init = {};

/** A drain, with what it has freed. */
function create(fast = 2, slow = 5) {
  const freed: string[] = [];
  const drain = new TurnDrain((origins) => freed.push(...origins), fast, slow);
  return {
    drain,
    freed,
    /** Lets turns pass, and returns what was freed meanwhile. */
    take(count: number): string {
      for (let turn = 0; turn < count; turn++) turns.take();
      return freed.splice(0).map((origin) => origin.slice(8, 9)).join(" ");
    },
    /** Sends a request over a slot, and releases it. */
    use: (origin: string, aborted = false) => drain.add(drain.sent(origin, init), aborted),
  };
}

Deno.test("TurnDrain frees the slot of a finished exchange after its turns", () => {
  const { drain, take, use } = create();
  drain.start();
  use(A);
  assertEquals([take(1), take(1)], ["", "a"]);
  assertEquals(turns.pending, 0);
  drain.stop();
});

Deno.test("TurnDrain frees the slot of an aborted exchange when its socket is closed", () => {
  const { drain, take, use } = create();
  drain.start();
  use(A, true);
  assertEquals([take(4), take(1)], ["", "a"]);
  assertEquals(turns.pending, 0);
  drain.stop();
});

Deno.test("TurnDrain frees slots in the order in which their turns come", () => {
  const { drain, take, use } = create(1, 3);
  const origins = ["https://1.test", "https://2.test", "https://3.test"];
  drain.start();
  use(origins[0]!, true);
  assertEquals(take(1), "");
  use(origins[1]!, true);
  assertEquals(take(2), "1");
  use(origins[2]!);
  assertEquals([take(1), turns.pending], ["3 2", 0]);
  drain.stop();
});

Deno.test("TurnDrain counts turns only while somebody waits and a slot drains", () => {
  const { drain, take, use } = create();
  use(A, true);
  assertEquals(turns.pending, 0);
  drain.start();
  assertEquals(turns.pending, 1);
  assertEquals(take(3), "");
  drain.stop();
  drain.stop();
  assertEquals(turns.pending, 0);
  assertEquals(take(10), "");
  drain.start();
  assertEquals([take(1), take(1), turns.pending], ["", "a", 0]);
  use(B, true);
  assertEquals(turns.pending, 1);
  drain.stop();
});

Deno.test("TurnDrain has one callback pending, however many slots drain", () => {
  const { drain, take, use } = create();
  drain.start();
  for (let slot = 0; slot < 100; slot++) {
    use(A, slot % 2 === 0);
    assertEquals(turns.pending, 1);
  }
  drain.start();
  assertEquals(turns.pending, 1);
  assertEquals(take(20).split(" ").length, 100);
  assertEquals(turns.pending, 0);
  drain.stop();
});

Deno.test("TurnDrain may be stopped and used again by what it frees", () => {
  const freed: string[] = [];
  const use = () => drain.add(drain.sent(A, init), true);
  const drain: TurnDrain = new TurnDrain(
    (origins) => {
      freed.push(...origins);
      if (freed.length === 1) use();
      else drain.stop();
    },
    1,
    1,
  );
  drain.start();
  use();
  turns.take();
  assertEquals([freed.length, turns.pending], [1, 1]);
  turns.take();
  assertEquals([freed.length, turns.pending], [2, 0]);
  use();
  assertEquals(turns.pending, 0);
});

Deno.test("TurnDrain.flush() frees every slot at once, and each slot once", () => {
  const { drain, freed, take, use } = create();
  use(A);
  use(B, true);
  drain.flush();
  assertEquals(freed.splice(0), [A, B]);
  drain.flush();
  assertEquals(freed, []);
  use(A);
  drain.start();
  take(1);
  drain.flush();
  assertEquals(freed.splice(0), [A]);
  assertEquals(take(20), "");
  drain.stop();
  assertEquals(turns.pending, 0);
});

Deno.test("TurnDrain counts each answer as a turn, so that sequential requests need no turns", () => {
  const { freed, use } = create();
  for (let request = 0; request < 20; request++) use(A);
  assertEquals([freed.length, turns.pending], [18, 0]); // the last two drain
});

Deno.test("TurnDrain counts answers to requests that were sent in one turn as one turn", () => {
  const { drain, freed, use } = create();
  const sent = [1, 2, 3, 4, 5].map(() => drain.sent(A, init));
  for (const slot of sent) drain.add(slot, false);
  use(A, true); // no answer
  use(A, true);
  assertEquals([freed, turns.pending], [[], 0]);
});

Deno.test("TurnDrain counts no answer while it counts the turns themselves", () => {
  const { drain, freed, use } = create();
  use(A);
  drain.start();
  for (let request = 0; request < 20; request++) use(A);
  assertEquals([freed, turns.pending], [[], 1]);
  drain.stop();
});

Deno.test("TurnDrain.start() frees nothing before it returns", () => {
  const { drain, freed, take, use } = create();
  use(A, true);
  drain.start();
  assertEquals([freed.length, take(5)], [0, "a"]);
  drain.stop();
});

Deno.test("TurnDrain counts also when more than 1,000 slots drain and nobody waits", () => {
  const { drain, take } = create();
  const release = (slot: Slot) => {
    drain.add(slot, false);
    drain.stop(); // a pool says so at every release
  };
  const [first, second, ...others] = Array.from({ length: 1002 }, () => drain.sent(A, init));
  others.forEach(release);
  assertEquals(turns.pending, 0);
  release(first!);
  assertEquals(turns.pending, 1);
  take(20);
  assertEquals(turns.pending, 0);
  release(second!);
  assertEquals(turns.pending, 0);
  drain.flush();
});

Deno.test("TurnDrain frees within a microtask on a platform that has no turns, and never within a call", async () => {
  const real = { setImmediate, clearImmediate };
  Object.assign(globalThis, { setImmediate: undefined, clearImmediate: undefined });
  try {
    const url = `${new URL("../_internal/drain.ts", import.meta.url)}?without-turns`;
    const module: { TurnDrain: typeof TurnDrain } = await import(url);
    assert(module.TurnDrain !== TurnDrain);
    const freed: string[] = [];
    const drain = new module.TurnDrain((origins) => freed.push(...origins), 2, 5);
    const slots = [A, A, B, A].map((origin) => drain.sent(origin, init));
    drain.add(slots[0]!, false);
    await settle();
    assertEquals(freed, []);
    drain.start();
    assertEquals(freed, []);
    await Promise.resolve();
    assertEquals(freed.splice(0), [A]);
    drain.add(slots[1]!, true);
    drain.add(slots[2]!, false);
    assertEquals(freed, []);
    await Promise.resolve();
    assertEquals(freed.splice(0), [B, A]);
    drain.stop();
    drain.add(slots[3]!, false);
    await settle();
    assertEquals(freed, []);
  } finally {
    Object.assign(globalThis, real);
  }
});
