// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals, assertThrows } from "@std/assert";
import { refuseForeign, REQUEST_OPTIONS_OF_OTHERS, SESSION_OPTIONS_OF_OTHERS } from "../_internal/foreign.ts";

Deno.test("refuseForeign() names what stands for another client's option", () => {
  for (const names of [REQUEST_OPTIONS_OF_OTHERS, SESSION_OPTIONS_OF_OTHERS]) {
    for (const [option, replacement] of Object.entries(names)) {
      for (const value of ["a", {}, 0, false, null]) {
        const message = `"${option}" is not an option here: use ${replacement}`;
        assertThrows(() => refuseForeign({ headers: {}, [option]: value }, names), TypeError, message);
      }
    }
  }
  const [ofRequest, ofSession] = [REQUEST_OPTIONS_OF_OTHERS.baseURL, SESSION_OPTIONS_OF_OTHERS.baseURL];
  assertEquals([ofRequest, ofSession], ['the session\'s "baseUrl"', '"baseUrl"']);
});

Deno.test("refuseForeign() lets a runtime's own options pass", () => {
  const options = { client: 1, dispatcher: 2, cf: {}, tls: {}, proxy: "", verbose: true, agent: 3, duplex: "half" };
  refuseForeign(options, REQUEST_OPTIONS_OF_OTHERS);
  refuseForeign({}, REQUEST_OPTIONS_OF_OTHERS);
});

Deno.test("refuseForeign() lets an option pass that is undefined", () => {
  refuseForeign({ params: undefined, retry: undefined }, REQUEST_OPTIONS_OF_OTHERS);
});

Deno.test("refuseForeign() sees options that are inherited", () => {
  class Options {}
  Object.assign(Options.prototype, { params: { a: 1 } });
  assertThrows(() => refuseForeign(new Options(), REQUEST_OPTIONS_OF_OTHERS), TypeError, '"params"');
});

Deno.test("refuseForeign() takes no name of every object's for an option", () => {
  const options = Object.fromEntries(["constructor", "toString", "hasOwnProperty", "valueOf"].map((name) => [name, 1]));
  for (const names of [REQUEST_OPTIONS_OF_OTHERS, SESSION_OPTIONS_OF_OTHERS]) {
    refuseForeign(options, names);
    refuseForeign(JSON.parse('{ "__proto__": 1 }'), names);
  }
});

Deno.test("refuseForeign() knows the options of other clients, and those of a session or a pool", () => {
  const others =
    "auth baseURL data files form hooks params prefixUrl responseType retry searchParams throwHttpErrors " +
    "validateStatus";
  const ofRequest = `${others} baseUrl cookieJar fetch pool`.split(" ");
  const ofSession =
    `${others} client dispatcher idleTimeout maxConnections maxConnectionsPerOrigin maxQueued proxy tls ` +
    "transport";
  assertEquals(Object.keys(REQUEST_OPTIONS_OF_OTHERS).sort(), ofRequest.sort());
  assertEquals(Object.keys(SESSION_OPTIONS_OF_OTHERS).sort(), ofSession.split(" ").sort());
});
