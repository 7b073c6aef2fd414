// Copyright 2026 the Hangup authors. MIT license.

import { assertThrows } from "@std/assert";
import { refuseForeign, REQUEST_OPTIONS_OF_OTHERS, SESSION_OPTIONS_OF_OTHERS } from "../_internal/foreign.ts";

/** What stands for an option of a request. */
const REQUEST: Record<string, string> = {
  auth: 'the header "authorization", or a URL with a name and password',
  baseURL: 'the session\'s "baseUrl"',
  data: '"json" or "body"',
  files: '"body: formData"',
  form: '"body: new URLSearchParams(…)", or a FormData',
  hooks: "a transport of your own: createTransport()",
  params: '"query"',
  prefixUrl: 'the session\'s "baseUrl"',
  responseType: "a method of the response: json(), bytes(), blob()",
  retry: "isRetriable() and a loop",
  searchParams: '"query"',
  throwHttpErrors: '"throwIfNotOk: true"',
  validateStatus: '"throwIfNotOk: true"',
};

Deno.test("refuseForeign() names what stands for another client's option", () => {
  const cases: [typeof REQUEST_OPTIONS_OF_OTHERS, Record<string, string>][] = [
    [REQUEST_OPTIONS_OF_OTHERS, REQUEST],
    [SESSION_OPTIONS_OF_OTHERS, {
      ...REQUEST,
      baseURL: '"baseUrl"',
      prefixUrl: '"baseUrl"',
      dispatcher: '"pool: { transport: createTransport({ dispatcher }) }"',
    }],
  ];
  for (const [names, expected] of cases) {
    for (const [option, name] of Object.entries(expected)) {
      for (const value of ["a", {}, 0, false, null]) {
        const message = `"${option}" is not an option here: use ${name}`;
        assertThrows(() => refuseForeign({ headers: {}, [option]: value }, names), TypeError, message);
      }
    }
  }
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
