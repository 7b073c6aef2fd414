// Copyright 2026 the Hangup authors. MIT license.

import { turns } from "./fake_turns.ts"; // before the module that takes setImmediate
import { assert, assertEquals } from "@std/assert";
import { TurnDrain } from "../_internal/drain.ts";
import { settle } from "./fake_clock.ts";

const A = "https://a.test";
const B = "https://b.test";

/** A drain, with what it has freed. */
function create(fast = 2, slow = 5): { drain: TurnDrain; freed: string[]; take: (count: number) => string } {
  const freed: string[] = [];
  const drain = new TurnDrain((origins) => freed.push(...origins), fast, slow);
  /** Lets turns pass, and returns what was freed meanwhile. */
  const take = (count: number) => {
    for (let turn = 0; turn < count; turn++) turns.take();
    return freed.splice(0).map((origin) => origin.slice(8, 9)).join(" ");
  };
  return { drain, freed, take };
}

/**
 * Uses and frees a slot, so that its socket is surely idle. Another slot must be in use, or nothing
 * is remembered.
 */
function warm({ drain, take }: ReturnType<typeof create>, origin: string): void {
  drain.sent(origin);
  drain.add(origin, false, 0);
  drain.start();
  take(20);
  drain.stop();
}

Deno.test("TurnDrain frees the slot of a finished exchange after its turns, if its socket is an idle one", () => {
  const context = create();
  const { drain, take } = context;
  drain.sent(A); // a slot that stays in use
  warm(context, A);
  drain.sent(A);
  drain.start();
  drain.add(A, false, 0);
  assertEquals([take(1), take(1)], ["", "a"]);
  assertEquals(turns.pending, 0);
  drain.stop();
});

Deno.test("TurnDrain frees the slot of an aborted exchange when its socket is closed", () => {
  const context = create();
  const { drain, take } = context;
  drain.sent(A);
  warm(context, A);
  drain.sent(A);
  drain.start();
  drain.add(A, true, 0);
  assertEquals([take(4), take(1)], ["", "a"]);
  assertEquals(turns.pending, 0);
  drain.stop();
});

Deno.test("TurnDrain waits longer while a socket may be dialed to the origin", () => {
  const { drain, take } = create();
  drain.sent(A); // no socket is idle: one is dialed
  drain.start();
  drain.add(A, false, 0);
  assertEquals([take(2), take(4), take(1)], ["", "", "a"]);
  drain.stop();
});

Deno.test("TurnDrain does not wait for a dial that is over", () => {
  const { drain, take } = create();
  drain.sent(A);
  drain.sent(B);
  drain.start();
  drain.add(B, true, 0); // keeps the turns going
  assertEquals(take(5), "b");
  drain.add(A, false, 0);
  assertEquals([take(1), take(1)], ["", "a"]);
  drain.stop();
});

Deno.test("TurnDrain forgets an origin's sockets once none of its slots is in use or drains", () => {
  const context = create();
  const { drain, take } = context;
  warm(context, A);
  drain.sent(A); // the idle socket may be closed by now
  drain.start();
  drain.add(A, false, 0);
  assertEquals([take(2), take(4), take(1)], ["", "", "a"]);
  drain.stop();
});

Deno.test("TurnDrain waits for a dial once only", () => {
  const { drain, take } = create();
  drain.sent(A);
  drain.start();
  drain.add(A, false, 0);
  assertEquals(take(2), "");
  for (let turn = 0; turn < 4; turn++) {
    drain.sent(A); // another dial, and another
    assertEquals(take(1), "");
  }
  assertEquals(take(1), "a");
  drain.stop();
});

Deno.test("TurnDrain takes an idle socket for one request only", () => {
  const context = create();
  const { drain, take } = context;
  drain.sent(A);
  warm(context, A);
  drain.sent(A); // gets the idle socket
  drain.sent(A); // is dialed one
  drain.start();
  drain.add(A, false, 0);
  assertEquals([take(2), take(5)], ["", "a"]);
  drain.stop();
});

Deno.test("TurnDrain counts the socket of an aborted exchange as closed", () => {
  const { drain, take } = create();
  drain.sent(A);
  drain.sent(A);
  drain.start();
  drain.add(A, true, 0);
  assertEquals(take(5), "a");
  drain.sent(A); // no socket is idle
  drain.add(A, false, 0);
  assertEquals([take(2), take(5)], ["", "a"]);
  drain.stop();
});

Deno.test("TurnDrain keeps the origins apart", () => {
  const context = create();
  const { drain, take } = context;
  drain.sent(A);
  warm(context, A);
  drain.sent(A);
  drain.sent(B); // dials, but not to a.test
  drain.start();
  drain.add(A, false, 0);
  drain.add(B, false, 0);
  assertEquals([take(2), take(5)], ["a", "b"]);
  drain.stop();
});

Deno.test("TurnDrain frees slots in the order in which their turns come", () => {
  const { drain, take } = create(1, 3);
  const origins = ["https://1.test", "https://2.test", "https://3.test"];
  for (const origin of origins) drain.sent(origin);
  drain.start();
  drain.add(origins[0]!, true, 0);
  assertEquals(take(1), "");
  drain.add(origins[1]!, true, 0);
  assertEquals(take(2), "1");
  drain.add(origins[2]!, false, 0); // its dial is over
  assertEquals([take(1), turns.pending], ["3 2", 0]);
  drain.stop();
});

Deno.test("TurnDrain counts turns only while somebody waits and a slot drains", () => {
  const { drain, take } = create();
  drain.sent(A);
  drain.add(A, true, 0);
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
  drain.sent(B);
  drain.add(B, true, 0);
  assertEquals(turns.pending, 1);
  drain.stop();
});

Deno.test("TurnDrain has one callback pending, however many slots drain", () => {
  const { drain, take } = create();
  for (let slot = 0; slot < 100; slot++) drain.sent(A);
  drain.start();
  for (let slot = 0; slot < 100; slot++) {
    drain.add(A, slot % 2 === 0, 0);
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
  const drain: TurnDrain = new TurnDrain(
    (origins) => {
      freed.push(...origins);
      if (freed.length === 1) {
        drain.sent(A);
        drain.add(A, true, 0);
      } else drain.stop();
    },
    1,
    1,
  );
  drain.sent(A);
  drain.sent(A);
  drain.start();
  drain.add(A, true, 0);
  turns.take();
  assertEquals([freed.length, turns.pending], [1, 1]);
  turns.take();
  assertEquals([freed.length, turns.pending], [2, 0]);
  drain.add(A, true, 0);
  assertEquals(turns.pending, 0);
});

Deno.test("TurnDrain.flush() frees every slot at once, and each slot once", () => {
  const { drain, freed, take } = create();
  for (const origin of [A, B, A]) drain.sent(origin);
  drain.add(A, false, 0);
  drain.add(B, true, 0);
  drain.flush();
  assertEquals(freed.splice(0), [A, B]);
  drain.flush();
  assertEquals(freed, []);
  drain.add(A, false, 0);
  drain.start();
  take(1);
  drain.flush();
  assertEquals(freed.splice(0), [A]);
  assertEquals(take(20), "");
  drain.stop();
  assertEquals(turns.pending, 0);
});

Deno.test("TurnDrain counts each answer as a turn, so that sequential requests need no turns", () => {
  const context = create();
  const { drain, freed } = context;
  drain.sent(B); // a slot that stays in use
  warm(context, A);
  freed.length = 0;
  for (let request = 0; request < 20; request++) drain.add(A, false, drain.sent(A));
  // The last two drain. Those before them waited for a dial at most once.
  assertEquals([freed.length, turns.pending], [18, 0]);
});

Deno.test("TurnDrain counts answers to requests that were sent in one turn as one turn", () => {
  const context = create();
  const { drain, freed } = context;
  drain.sent(B);
  warm(context, A);
  freed.length = 0;
  const sent = [1, 2, 3, 4, 5].map(() => drain.sent(A));
  for (const mark of sent) drain.add(A, false, mark);
  drain.add(A, true, drain.sent(A)); // no answer
  drain.add(A, true, drain.sent(A));
  assertEquals([freed, turns.pending], [[], 0]);
});

Deno.test("TurnDrain counts no answer while it counts the turns themselves", () => {
  const context = create();
  const { drain, freed } = context;
  drain.sent(B); // a slot that stays in use
  warm(context, A);
  freed.length = 0;
  drain.add(A, false, drain.sent(A));
  drain.start();
  for (let request = 0; request < 20; request++) drain.add(A, false, drain.sent(A));
  assertEquals([freed, turns.pending], [[], 1]);
  drain.stop();
});

Deno.test("TurnDrain.start() frees nothing before it returns", () => {
  const { drain, freed, take } = create();
  drain.sent(A);
  drain.add(A, true, 0);
  drain.start();
  assertEquals([freed.length, take(5)], [0, "a"]);
  drain.stop();
});

Deno.test("TurnDrain counts also when more than 1,000 slots drain and nobody waits", () => {
  const { drain, take } = create();
  for (let slot = 0; slot < 1002; slot++) drain.sent(A);
  for (let slot = 0; slot < 1000; slot++) {
    drain.add(A, false, 0);
    drain.stop(); // a pool says so at every release
  }
  assertEquals(turns.pending, 0);
  drain.add(A, false, 0);
  drain.stop();
  assertEquals(turns.pending, 1);
  take(20);
  assertEquals(turns.pending, 0);
  drain.add(A, false, 0);
  drain.stop();
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
    for (const origin of [A, A, B, A]) drain.sent(origin);
    drain.add(A, false, 0);
    await settle();
    assertEquals(freed, []);
    drain.start();
    assertEquals(freed, []);
    await Promise.resolve();
    assertEquals(freed.splice(0), [A]);
    drain.add(A, true, 0);
    drain.add(B, false, 0);
    assertEquals(freed, []);
    await Promise.resolve();
    assertEquals(freed.splice(0), [B, A]);
    drain.stop();
    drain.add(A, false, 0);
    await settle();
    assertEquals(freed, []);
  } finally {
    Object.assign(globalThis, real);
  }
});
