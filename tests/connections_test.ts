// Copyright 2026 the Hangup authors. MIT license.

import { turns } from "./fake_turns.ts"; // before the module that takes setImmediate
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import type { Slot } from "../_internal/drain.ts";
import { CONNECTION, Connection, ConnectionDrain } from "../_internal/transports/connections.ts";

const A = "http://a.test";
const SECURE = "https://a.test";

/** A response that can only have come over HTTP/1.1. */
const HTTP1 = new Response("", { headers: { "keep-alive": "timeout=5" } });
/** A response that can only have come over HTTP/2, unless its connection is closed then. */
const HTTP2 = new Response("");
/** Responses that may have come over either version. */
const EITHER = [new Response("", { headers: { "content-length": "0" } }), new Response(null, { status: 204 })];

/** A drain, with the connections that it has dropped. */
function create(limit: number, http2 = true) {
  const dropped: Connection[] = [];
  const drain = new ConnectionDrain(() => {}, limit, http2, (connection) => dropped.push(connection));
  /** Sends a request over a slot. Its connection is what the transport gets. */
  const send = (origin = A): Slot<Connection> => {
    const init: { [CONNECTION]?: Connection } = {};
    const slot = drain.sent(origin, init);
    assertStrictEquals(init[CONNECTION], slot.connection);
    return slot;
  };
  const release = (...slots: Slot<Connection>[]) => slots.forEach((slot) => drain.add(slot, false));
  return { drain, dropped, send, release };
}

function connectionsOf(slots: Slot<Connection>[]): Set<Connection> {
  return new Set(slots.map(({ connection }) => connection!));
}

Deno.test("ConnectionDrain gives each slot a connection of its own", () => {
  const { send } = create(8);
  const slots = [send(), send(), send(), send("http://b.test")];
  assertEquals(connectionsOf(slots).size, 4);
});

Deno.test("ConnectionDrain gives a later request over the same slot the same connection", () => {
  const { drain, send } = create(8);
  const slot = send();
  const later: { [CONNECTION]?: Connection } = {};
  assertStrictEquals(drain.sent(A, later, slot), slot);
  assertStrictEquals(later[CONNECTION], slot.connection);
  assertEquals(slot.connection!.slots, 1);
});

Deno.test("ConnectionDrain gives a slot an idle connection of its origin, the one that was used last", () => {
  const { drain, send, release } = create(4);
  const [first, second, other] = [send(), send(), send("http://b.test")];
  const wanted = [second.connection, first.connection];
  release(first, second, other);
  drain.flush();
  assertEquals([send(), send()].map(({ connection }, i) => connection === wanted[i]), [true, true]);
  assertEquals(connectionsOf([send(), first, second, other]).size, 4);
});

Deno.test("ConnectionDrain gives a slot a draining connection while there are few, so that one socket is enough", () => {
  const { drain, send, release } = create(2);
  const connections = new Set<Connection>();
  for (let request = 0; request < 20; request++) {
    const slot = send();
    connections.add(slot.connection!);
    release(slot);
  }
  assertEquals(connections.size, 1);
  drain.flush(); // the slots that have lost their connection to the next
  assertStrictEquals(send().connection, [...connections][0]);
  assertEquals(connections.has(send().connection!), false);
});

Deno.test("ConnectionDrain knows which draining connections may have no socket yet", () => {
  const { drain, send, release } = create(4);
  const headers = (length: number) => ({ headers: { "content-length": String(length) } });
  const answers = [[HTTP1, true], [new Response("", headers(65_537)), true], [
    new Response("", headers(65_536)),
    false,
  ]];
  for (const [answer, late] of answers as [Response, boolean][]) {
    const slot = send();
    const connection = slot.connection!;
    connection.learn(answer);
    release(slot);
    const next = send();
    assertStrictEquals(next.connection, connection);
    assertEquals([connection.alone, connection.late], [true, late]);
    release(next);
    drain.flush();
    assertEquals(connection.late, false);
  }
});

Deno.test("ConnectionDrain gives a slot no draining connection if more than half of the slots have one", () => {
  const { send, release } = create(4);
  const slots = [send(), send(), send()];
  const connections = connectionsOf(slots); // a slot whose connection is taken has none any more
  release(slots[0]!);
  assertEquals(connections.has(send().connection!), false);
});

Deno.test("ConnectionDrain never has more connections than slots", () => {
  const { drain, dropped, send, release } = create(4);
  const connections = new Set<Connection>();
  let held: Slot<Connection>[] = [];
  const draining: Slot<Connection>[] = [];
  for (let step = 0; step < 500; step++) {
    if (step * 7 % 10 < 5 && held.length + draining.length < 4) held.push(send());
    else if (held.length > 0) {
      const [slot] = held.splice(step * 3 % held.length, 1);
      drain.add(slot!, step % 4 === 0);
      draining.push(slot!);
    } else {
      drain.flush();
      draining.length = 0;
    }
    for (const { connection } of held) connections.add(connection!);
  }
  release(...held);
  held = [];
  assert(connections.size <= 4, `${connections.size} connections`);
  assertEquals(dropped.length, 0);
});

Deno.test("ConnectionDrain gives nobody the connection of an aborted exchange before its slot is free", () => {
  const { drain, send } = create(4);
  const slot = send();
  const { connection } = slot;
  drain.add(slot, true);
  drain.start();
  for (let turn = 0; turn < 127; turn++) turns.take();
  const early = send();
  assertNotStrictEquals(early.connection, connection);
  turns.take();
  assertStrictEquals(send().connection, connection);
  drain.stop();
});

Deno.test("ConnectionDrain keeps 64 idle connections, and drops those of the origin that was used least recently", () => {
  const { drain, dropped, send, release } = create(60);
  const old = Array.from({ length: 40 }, () => send("http://old.test"));
  const recent = Array.from({ length: 40 }, () => send("http://recent.test"));
  const first = [...connectionsOf(old)];
  release(...old, ...recent);
  assertEquals(dropped, []);
  drain.flush();
  assertEquals(dropped, first.slice(0, 16));
  assertEquals(connectionsOf([...Array.from({ length: 40 }, () => send("http://recent.test")), ...recent]).size, 40);
  const again = Array.from({ length: 40 }, () => send("http://old.test"));
  assertEquals([...connectionsOf(again)].filter((connection) => dropped.includes(connection)), []);
});

for (const state of ["draining", "idle"]) {
  Deno.test(`ConnectionDrain knows what drains after a slot was cut off that had got a connection ${state}`, () => {
    const { drain, send, release } = create(8);
    const other = send();
    const { connection } = other;
    release(send());
    if (state === "idle") drain.flush();
    drain.start();
    drain.add(send(), true);
    for (let turn = 0; turn < 125; turn++) turns.take();
    release(other);
    for (let turn = 0; turn < 3; turn++) turns.take(); // the one that was cut off is free, the other one drains
    send();
    assertStrictEquals(send().connection, connection);
    drain.stop();
  });
}

Deno.test("ConnectionDrain counts the connections of an origin, and forgets it with the last one", () => {
  const { drain, dropped, send, release } = create(64);
  const fill = () => {
    release(...Array.from({ length: 64 }, () => send("http://other.test")));
    drain.flush();
  };
  const slots = Array.from({ length: 36 }, () => send(SECURE));
  slots[0]!.connection!.learn(HTTP1);
  release(...slots);
  drain.flush();
  fill();
  assertEquals(dropped.length, 36);
  const first = send(SECURE);
  const { connection } = first;
  release(first);
  const next = send(SECURE); // few have one
  assertStrictEquals(next.connection, connection);
  next.connection!.learn(HTTP2); // what was known of the server is forgotten
  assertStrictEquals(send(SECURE).connection, connection);
});

Deno.test("ConnectionDrain shares the first connection that has answered over HTTP/2, and drops the others", () => {
  const { drain, dropped, send, release } = create(4);
  const [first, second, third] = [send(SECURE), send(SECURE), send(SECURE)];
  const idle = third.connection!;
  release(third);
  drain.flush();
  const shared = second.connection!;
  for (const response of EITHER) first.connection!.learn(response);
  assertEquals(shared.learn(HTTP2), HTTP2);
  first.connection!.learn(HTTP2);
  const more = Array.from({ length: 3 }, () => send(SECURE));
  assertEquals(connectionsOf(more), new Set([shared]));
  assertEquals(dropped, [idle]);
  const other = first.connection!;
  release(first, second, ...more);
  drain.flush();
  assertEquals(dropped, [idle, other]);
  assertStrictEquals(send(SECURE).connection, shared);
});

for (const name of ["connection", "keep-alive", "transfer-encoding"]) {
  Deno.test(`ConnectionDrain shares no connection to a server that sends the header ${name}`, () => {
    const { drain, send, release } = create(2);
    const first = send(SECURE);
    first.connection!.learn(HTTP2);
    const second = send(SECURE);
    assertStrictEquals(second.connection, first.connection);
    second.connection!.learn(new Response("", { headers: { [name]: "a" } }));
    second.connection!.learn(HTTP2);
    release(first, second);
    drain.flush();
    assertEquals(connectionsOf([send(SECURE), send(SECURE)]).size, 2);
  });
}

Deno.test("ConnectionDrain shares no connection if Deno cannot speak HTTP/2", () => {
  for (const [origin, http2] of [[A, true], [SECURE, false]] as const) {
    const { send } = create(4, http2);
    const first = send(origin);
    first.connection!.learn(HTTP2);
    assertNotStrictEquals(send(origin).connection, first.connection);
  }
  const { send } = create(4);
  const first = send(SECURE);
  first.connection!.learn(HTTP1);
  assertNotStrictEquals(send(SECURE).connection, first.connection);
});

Deno.test("ConnectionDrain gives nobody a connection in use that was shared until the server spoke HTTP/1.1", () => {
  const { send, release } = create(4);
  const first = send(SECURE);
  first.connection!.learn(HTTP2);
  release(first);
  const second = send(SECURE);
  second.connection!.learn(HTTP1);
  const { connection } = second;
  assertNotStrictEquals(send(SECURE).connection, connection);
});

Deno.test("ConnectionDrain gives up a shared connection when it drops it", () => {
  const { drain, dropped, send, release } = create(64);
  const [first] = [send(SECURE), send(SECURE)]; // the other one is in use for longer
  const shared = first.connection!;
  shared.learn(HTTP2);
  const others = Array.from({ length: 64 }, () => send());
  release(first, ...others);
  drain.flush();
  assertEquals(dropped, [shared]);
  assertNotStrictEquals(send(SECURE).connection, shared);
});
