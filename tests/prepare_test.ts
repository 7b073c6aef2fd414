// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { type Outgoing, prepare, prepareFetch, type SessionDefaults } from "../_internal/prepare.ts";
import type { SessionRequestInit } from "../request.ts";
import { mocking } from "./harness/mocking.ts";
import { assertRefuses } from "./refusing.ts";

const URL_A = "https://a.test/page";
const TIMEOUTS = { queue: 1, headers: 2, idle: 3, total: 4, upload: 5 };
const DEFAULTS: SessionDefaults = {
  baseUrl: undefined,
  headers: undefined,
  timeouts: TIMEOUTS,
  maxBodyBytes: 5,
  maxRedirects: 6,
  throwIfNotOk: false,
  jar: undefined,
};

/** Options as a caller without types may give them. */
type Options = SessionRequestInit<boolean> | Record<string, unknown>;

function get(
  input: string | URL | Request = URL_A,
  init: Options = {},
  defaults: Partial<SessionDefaults> = {},
): Outgoing {
  return prepare(input, init as SessionRequestInit, undefined, { ...DEFAULTS, ...defaults });
}

function post(init: Options, defaults: Partial<SessionDefaults> = {}): Outgoing {
  return prepare(URL_A, init as SessionRequestInit, "POST", { ...DEFAULTS, ...defaults });
}

function headersOf({ headers }: Outgoing): Record<string, string> | undefined {
  return headers && Object.fromEntries(headers);
}

Deno.test("prepare() completes a request with the session's defaults", () => {
  const jar = { getCookieString: () => "", setCookie() {} };
  const outgoing = get(URL_A, undefined, { jar, throwIfNotOk: true });
  assertEquals(outgoing.url.href, URL_A);
  assertEquals({ ...outgoing, url: undefined, jar: undefined }, {
    method: "GET",
    url: undefined as unknown as URL,
    headers: undefined,
    body: undefined,
    bodyOwner: undefined,
    repeatable: "always",
    prefetch: true,
    throwIfNotOk: true,
    redirect: "follow",
    signal: undefined,
    signalOwner: undefined,
    timeouts: TIMEOUTS,
    maxBodyBytes: 5,
    maxRedirects: 6,
    jar: undefined,
    rest: {},
  });
  assertStrictEquals(outgoing.jar, jar);
  assertStrictEquals(outgoing.timeouts, TIMEOUTS);
});

Deno.test("prepare() takes a request's own options before the session's", () => {
  const { signal } = new AbortController();
  const init = { prefetch: false, throwIfNotOk: false, maxBodyBytes: 0, maxRedirects: Infinity, redirect: "manual" };
  const outgoing = get(URL_A, { ...init, timeout: { idle: 7 }, signal }, { throwIfNotOk: true });
  const { prefetch, throwIfNotOk, maxBodyBytes, maxRedirects, redirect } = outgoing;
  assertEquals({ prefetch, throwIfNotOk, maxBodyBytes, maxRedirects, redirect }, init as never);
  assertEquals(outgoing.timeouts, { ...TIMEOUTS, idle: 7 });
  assertStrictEquals(outgoing.signal, signal);
});

Deno.test("prepare() leaves what it is given as it was", () => {
  const url = new URL("https://ada:secret@a.test/");
  const headers = new Headers({ "content-length": "5", "transfer-encoding": "chunked" });
  const defaults = new Headers({ accept: "text/html" });
  const init = Object.freeze({ headers, query: Object.freeze({ a: 1 }), json: 1 });
  prepare(url, init, "POST", { ...DEFAULTS, headers: defaults });
  assertEquals(url.href, "https://ada:secret@a.test/");
  assertEquals([...headers], [["content-length", "5"], ["transfer-encoding", "chunked"]]);
  assertEquals([...defaults], [["accept", "text/html"]]);
});

Deno.test("prepare() takes the method of the call, of the options or of the Request, and writes it as HTTP does", () => {
  const request = new Request(URL_A, { method: "DELETE" });
  assertEquals(prepare(request, { method: "PUT" }, "POST", DEFAULTS).method, "POST");
  assertEquals(get(request, { method: "PUT" }).method, "PUT");
  assertEquals(get(request).method, "DELETE");
  for (const method of ["get", "Post", "patch", "options", "head", "delete"]) {
    assertEquals(get(URL_A, { method }).method, method.toUpperCase());
  }
});

Deno.test("prepare() refuses methods that are no token, or forbidden", () => {
  for (const method of ["", "GET IT", "A\r\nB", "é", "a/b"]) {
    assertRefuses(() => get(URL_A, { method }), '"method" is not a token');
  }
  for (const method of ["CONNECT", "trace", "Track"]) {
    assertRefuses(() => get(URL_A, { method }), `forbidden by the Fetch standard: received "${method.toUpperCase()}"`);
  }
});

Deno.test("prepare() resolves the URL against the base, and adds the query", () => {
  const baseUrl = new URL("https://a.test/api/");
  assertEquals(get("users", { query: { x: 1 } }, { baseUrl }).url.href, "https://a.test/api/users?x=1");
  assertRefuses(() => get("users"), 'the URL is not absolute and there is no "baseUrl"');
});

Deno.test("prepare() merges headers, the request's own before the session's", () => {
  const headers = new Headers({ accept: "text/html", "x-session": "1" });
  const merged = get(URL_A, { headers: { Accept: "text/plain", "x-own": "2" } }, { headers });
  assertEquals(headersOf(merged), { accept: "text/plain", "x-own": "2", "x-session": "1" });
  assertEquals(headersOf(get(URL_A, {}, { headers })), { accept: "text/html", "x-session": "1" });
  const request = new Request(URL_A, { headers: { "x-request": "3" } });
  assertEquals(headersOf(get(request)), { "x-request": "3" });
  assertEquals(headersOf(get(request, { headers: [["x-own", "2"]] })), { "x-own": "2" });
  assert(get(URL_A, {}, { headers }).headers !== headers);
});

Deno.test("prepare() takes the session's credentials to the origin of its base alone", () => {
  const defaults = {
    baseUrl: new URL("https://a.test/"),
    headers: new Headers({ authorization: "x", accept: "y" }),
  };
  assertEquals(headersOf(get("/x", {}, defaults)), { accept: "y", authorization: "x" });
  assertEquals(headersOf(get("https://b.test/", {}, defaults)), { accept: "y" });
  assertEquals(headersOf(get("http://a.test/", {}, defaults)), { accept: "y" });
});

Deno.test("prepare() takes a name and password in the URL before the session's, and after the request's own", () => {
  const defaults = { headers: new Headers({ authorization: "Bearer x" }) };
  const authorization = (init: Options) =>
    get("https://ada:pass@a.test/", init, defaults).headers?.get("authorization");
  assertEquals(authorization({}), `Basic ${btoa("ada:pass")}`);
  assertEquals(authorization({ headers: { authorization: "own" } }), "own");
});

Deno.test("prepare() takes no jar for a request without credentials", () => {
  const jar = { getCookieString: () => "", setCookie() {} };
  assertEquals([get(URL_A, {}, { jar }).jar, get(URL_A, { credentials: "omit" }, { jar }).jar], [jar, undefined]);
});

Deno.test("prepare() lets nobody frame the message", () => {
  const headers = {
    "content-length": "1000",
    "transfer-encoding": "chunked",
    expect: "100-continue",
    "keep-alive": "timeout=5",
    te: "trailers",
    trailer: "x",
    upgrade: "h2c",
    "x-kept": "1",
  };
  assertEquals(headersOf(post({ body: "text", headers })), { "x-kept": "1" });
  // The length of a stream is the caller's to know.
  const stream = post({ body: new ReadableStream(), headers });
  assertEquals(headersOf(stream), { "content-length": "1000", "x-kept": "1" });
});

Deno.test("prepare() makes JSON of what it is told to, with the type unless there is one", () => {
  const { body, headers } = post({ json: { a: [1, null] } });
  assertEquals([body, headers?.get("content-type")], ['{"a":[1,null]}', "application/json"]);
  assertEquals(post({ json: null }).body, "null");
  const typed = post({ json: [], headers: { "Content-Type": "application/json-patch+json" } });
  assertEquals(typed.headers?.get("content-type"), "application/json-patch+json");
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const json of [cycle, 1n]) {
    assertInstanceOf(assertRefuses(() => post({ json }), '"json" cannot be converted to JSON').cause, TypeError);
  }
  for (const json of [() => {}, Symbol.iterator]) {
    assertEquals(assertRefuses(() => post({ json }), '"json" cannot be converted to JSON').cause, undefined);
  }
  for (const body of ["text", ""]) assertRefuses(() => post({ json: 1, body }), '"json" and "body" exclude each other');
  for (const body of [null, undefined]) assertEquals(post({ json: 1, body }).body, "1");
});

Deno.test("prepare() refuses plain objects and responses as bodies", () => {
  class PrefetchedResponse {
    readonly [Symbol.toStringTag] = "PrefetchedResponse";
  }
  const responses = [new Response("text"), new PrefetchedResponse() as never];
  for (const body of [{ a: 1 }, [], Object.create(null), new Map(), JSON.parse("{}"), ...responses]) {
    assertRefuses(
      () => post({ body }),
      'to send JSON, use "json", and of a response its "body" or "content": received object',
    );
  }
  for (
    const body of ["text", new Uint8Array(), new FormData(), new Blob(), new URLSearchParams(), new ReadableStream()]
  ) {
    post({ body });
  }
  post({ body: { async *[Symbol.asyncIterator]() {} } });
});

Deno.test("prepare() refuses a body of a request that has none", () => {
  for (const method of ["GET", "HEAD"]) {
    for (const body of ["", "text", new ReadableStream()]) {
      assertRefuses(() => get(URL_A, { method, body }), `a ${method} request has no body`);
    }
    for (const body of [null, undefined]) get(URL_A, { method, body });
  }
});

Deno.test("prepare() takes a body as it is at the call", async () => {
  const buffer = new TextEncoder().encode("before").buffer;
  const params = new URLSearchParams("a=before");
  const form = new FormData();
  form.append("a", "before");
  form.append("file", new File(["content"], "name.txt", { type: "text/plain" }));
  const bodies = [buffer, new Uint8Array(buffer), new DataView(buffer, 1, 3), params, form]
    .map((body) => post({ body }).body);
  new Uint8Array(buffer).fill(0);
  params.set("a", "after");
  form.set("a", "after");
  form.delete("file");
  const texts = await Promise.all(bodies.slice(0, 4).map((body) => new Response(body).text()));
  assertEquals(texts, ["before", "before", "efo", "a=before"]);
  const sent = bodies[4];
  assertInstanceOf(sent, FormData);
  assertEquals(sent.getAll("a"), ["before"]);
  const file = sent.get("file");
  assertInstanceOf(file, File);
  assertEquals([file.name, file.type, await file.text()], ["name.txt", "text/plain", "content"]);
});

Deno.test("prepare() takes a Blob of a library that is the global one, and has no tag", async () => {
  class Library {}
  const body = new Library();
  const sent = await mocking(globalThis, "Blob", Library, () => Promise.resolve(post({ body: body as Blob }).body));
  assertStrictEquals<unknown>(sent, body);
});

Deno.test("prepare() leaves the type of a form to the platform", () => {
  const body = new URLSearchParams("a=1");
  assertEquals(headersOf(post({ body })), undefined);
  assertEquals(headersOf(post({ body, headers: { "content-type": "x/y" } })), { "content-type": "x/y" });
  assertEquals(headersOf(post({ body: "text" })), undefined);
});

Deno.test("prepare() keeps what a class of parameters makes of them", () => {
  class Params extends URLSearchParams {
    override toString() {
      return super.toString().replaceAll("+", "%20");
    }
  }
  const given = new Params("a=b c");
  const { body } = post({ body: given });
  given.set("a", "changed");
  assert(body instanceof URLSearchParams);
  assertEquals([String(body), Object.keys(body)], ["a=b%20c", []]);
});

Deno.test("prepare() refuses a body that is being read or has been read", async () => {
  const locked = new ReadableStream();
  locked.getReader();
  const used = new Request(URL_A, { method: "POST", body: "text" });
  await used.text();
  for (const work of [() => post({ body: locked }), () => get(used)]) {
    assertRefuses(work, "its body is being read or has been read already");
  }
  assertEquals(get(used, { body: "another" }).body, "another");
});

Deno.test("prepare() takes all that a Request says", async () => {
  const controller = new AbortController();
  const request = new Request("https://ada:x@a.test/".replace("ada:x@", ""), {
    method: "PUT",
    body: "text",
    headers: { "x-own": "1" },
    redirect: "manual",
    signal: controller.signal,
    credentials: "omit",
  });
  const outgoing = get(request);
  assertEquals([outgoing.method, outgoing.url.href, outgoing.redirect], ["PUT", "https://a.test/", "manual"]);
  assertEquals(outgoing.headers?.get("x-own"), "1");
  assertStrictEquals(outgoing.bodyOwner, request);
  assertEquals(outgoing.body, undefined);
  controller.abort("enough");
  assertEquals(outgoing.signal?.reason, "enough");
  const own = get(request, { body: "another", signal: null, redirect: "error" });
  assertEquals([own.bodyOwner, own.body, own.signal, own.redirect], [undefined, "another", null, "error"]);
  assertEquals(await request.text(), "text"); // nobody has read it
});

Deno.test("prepare() takes no body of a Request that has none", () => {
  assertEquals(get(new Request(URL_A)).bodyOwner, undefined);
  assertEquals(get(new Request(URL_A, { method: "POST" })).bodyOwner, undefined);
});

Deno.test("prepare() passes a runtime's own options on, as they are", () => {
  const client = {};
  const outgoing = get(URL_A, { client, cf: 1, keepalive: true });
  assertEquals(Object.keys(outgoing.rest), ["client", "cf", "keepalive"]);
  assertStrictEquals((outgoing.rest as { client: unknown }).client, client);
});

Deno.test("prepare() refuses options of a wrong type or value", () => {
  assertRefuses(() => get(URL_A, { redirect: "maybe" }), '"redirect" must be "follow", "manual" or "error"');
  assertRefuses(() => get(URL_A, { redirect: null }), '"redirect" must be "follow", "manual" or "error"');
  assertRefuses(() => get(URL_A, { signal: {} }), '"signal" must be an AbortSignal: received object');
  assertRefuses(() => get(URL_A, { params: {} }), '"params" is not an option here: use "query"');
  assertRefuses(() => get(URL_A, { maxBodyBytes: -1 }), '"maxBodyBytes" must be a non-negative integer', RangeError);
  assertRefuses(() => get(URL_A, { maxRedirects: "5" }), '"maxRedirects" must be a non-negative integer');
});

Deno.test("prepareFetch() ignores our options, and keeps a runtime's own", () => {
  const init = {
    prefetch: false,
    throwIfNotOk: true,
    json: {},
    query: {},
    timeout: -1,
    maxBodyBytes: -1,
    maxRedirects: -1,
  };
  const outgoing = prepareFetch(URL_A, { ...init, client: 1, params: 2 } as never, DEFAULTS);
  assertEquals([outgoing.prefetch, outgoing.throwIfNotOk, outgoing.body], [true, false, undefined]);
  assertEquals([outgoing.maxBodyBytes, outgoing.maxRedirects, outgoing.url.href], [5, 6, URL_A]);
  assertEquals(outgoing.rest as unknown, { client: 1, params: 2 });
});

Deno.test("prepare() and prepareFetch() take no options at all, but nothing that is none", () => {
  for (const init of [undefined, null, {}]) {
    assertEquals(prepareFetch(URL_A, init, DEFAULTS).method, "GET");
    assertEquals(prepare(URL_A, init as undefined, undefined, DEFAULTS).method, "GET");
  }
  for (const init of ["POST", 5, true]) {
    assertRefuses(() => prepareFetch(URL_A, init as never, DEFAULTS), "its options are not an object");
    assertRefuses(() => prepare(URL_A, init as never, "POST", DEFAULTS), "its options are not an object");
  }
});

Deno.test("prepare() refuses a body in the place of the options", () => {
  const bodies = [
    new FormData(),
    new URLSearchParams(),
    new Uint8Array(1),
    new ArrayBuffer(1),
    new Blob(),
    [1],
    new Map(),
  ];
  for (const body of [...bodies, new ReadableStream()]) {
    assertRefuses(() => prepare(URL_A, body as never, "POST", DEFAULTS), 'A body is given as "body"');
  }
});

Deno.test("prepareFetch() takes a Request as the options too", () => {
  const init = new Request("https://b.test/", { method: "PUT", headers: { "x-own": "1" }, redirect: "manual" });
  const outgoing = prepareFetch(URL_A, init as never, DEFAULTS);
  assertEquals([outgoing.method, outgoing.url.href, outgoing.redirect], ["PUT", URL_A, "manual"]);
  assertEquals(outgoing.headers?.get("x-own"), "1");
});

Deno.test("prepareFetch() passes on all that a Request in the place of the options says, and its body as such", () => {
  const init = new Request("https://b.test/", {
    method: "POST",
    body: "text",
    integrity: "sha256-AA",
    keepalive: true,
  });
  const { body, bodyOwner, repeatable, rest, signalOwner } = prepareFetch(URL_A, init as never, DEFAULTS);
  assertEquals([body, repeatable, rest.integrity, rest.keepalive], [undefined, "never", "sha256-AA", true]);
  assertStrictEquals(bodyOwner, init);
  assertStrictEquals(signalOwner, init);
});

Deno.test("prepareFetch() passes on the runtime's options that a user has added to such a Request, but not ours", () => {
  const client = {};
  const init = Object.assign(new Request("https://b.test/", { referrer: "https://c.test/" }), { client, timeout: 1 });
  const { rest, timeouts } = prepareFetch(URL_A, init as never, DEFAULTS);
  assertStrictEquals((rest as { client?: unknown }).client, client);
  assertEquals("timeout" in rest!, false);
  assertStrictEquals(timeouts, DEFAULTS.timeouts);
});

Deno.test("prepareFetch() writes the name of a usual method as HTTP does, and leaves others as they are", () => {
  const methodOf = (method: string) => prepareFetch(URL_A, { method }, DEFAULTS).method;
  assertEquals(["post", "Put", "patch", "report"].map(methodOf), ["POST", "PUT", "patch", "report"]);
});

Deno.test("prepare() and prepareFetch() read the options of a class's instance, the runtime's own too", () => {
  class Options {
    get method() {
      return "PUT";
    }
    get client() {
      return "theirs";
    }
  }
  const options = () => new Options() as object;
  for (const outgoing of [get(URL_A, options()), prepareFetch(URL_A, options(), DEFAULTS)]) {
    assertEquals([outgoing.method, outgoing.rest as unknown], ["PUT", { client: "theirs" }]);
  }
  class Foreign {
    get params() {
      return {};
    }
  }
  assertRefuses(() => get(URL_A, new Foreign() as never), '"params" is not an option here');
});

Deno.test("prepare() reads no option that every object inherits", () => {
  const polluted = {
    timeout: 5,
    body: "evil",
    method: "DELETE",
    query: "evil",
    redirect: "manual",
    headers: { evil: "1" },
  };
  Object.assign(Object.prototype, polluted);
  try {
    const outgoing = get(URL_A, { maxRedirects: 2 });
    const fetched = prepareFetch(URL_A, {}, DEFAULTS);
    for (const { method, url, body, headers, redirect, timeouts } of [outgoing, fetched]) {
      assertEquals([method, url.href, body, headers, redirect], ["GET", URL_A, undefined, undefined, "follow"]);
      assertEquals(timeouts.total, 4);
    }
    assertEquals(outgoing.maxRedirects, 2);
  } finally {
    for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name);
  }
});

Deno.test("prepare() and prepareFetch() read options that are not enumerable, or that a Proxy does not list", () => {
  const options = { method: "PUT", headers: { "x-a": "1" }, body: "text", redirect: "manual", keepalive: true };
  const hidden = Object.defineProperties({}, Object.getOwnPropertyDescriptors(options));
  for (const name of Object.keys(options)) Object.defineProperty(hidden, name, { enumerable: false });
  const proxy = new Proxy({}, { get: (_, name) => Reflect.get(options, name) });
  for (const init of [options, hidden, proxy, Object.create(options)]) {
    for (const outgoing of [get(URL_A, init), prepareFetch(URL_A, init, DEFAULTS)]) {
      const { method, body, redirect, rest } = outgoing;
      assertEquals([method, body, redirect, rest], ["PUT", "text", "manual", { keepalive: true } as RequestInit]);
      assertEquals(headersOf(outgoing), { "x-a": "1" });
    }
  }
});

Deno.test("prepare() and prepareFetch() call the getter of an option once", () => {
  let calls: string[] = [];
  const read = <T>(name: string, value: T): T => (calls.push(name), value);
  const init = {
    get method() {
      return read("method", "PUT");
    },
    get body() {
      return read("body", "text");
    },
    get keepalive() {
      return read("keepalive", true);
    },
  };
  for (const prepareIt of [() => get(URL_A, init), () => prepareFetch(URL_A, init, DEFAULTS)]) {
    calls = [];
    prepareIt();
    assertEquals(calls.sort(), ["body", "keepalive", "method"]);
  }
});

Deno.test("prepare() checks methods, options and streams though every object inherits a type and a body", () => {
  const polluted = { type: "evil", body: "evil", mode: "evil", duplex: "evil" };
  const body = new ReadableStream();
  Object.assign(Object.prototype, polluted);
  try {
    assertEquals(get(URL_A, { method: "report", keepalive: true }).method, "REPORT");
    assertEquals(prepareFetch(URL_A, { method: "report", keepalive: true }, DEFAULTS).method, "report");
    assertStrictEquals(post({ body }).body, body);
    assertEquals(post({ body: (async function* () {})() }).repeatable, "never");
  } finally {
    for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name);
  }
});

Deno.test("prepare() takes the client of a Request, unless the options have another one", () => {
  const client = Deno.createHttpClient({});
  const own = Deno.createHttpClient({});
  try {
    const request = new Request(URL_A, { client } as RequestInit);
    const clientOf = ({ rest }: Outgoing) => (rest as { client?: object }).client;
    assertInstanceOf(clientOf(get(request)), Deno.HttpClient);
    assertStrictEquals(clientOf(get(request, { client: own })), own);
    assertStrictEquals(clientOf(prepareFetch(request, { client: own } as RequestInit, DEFAULTS)), own);
  } finally {
    client.close();
    own.close();
  }
});

Deno.test("prepare() takes the referrer of a Request, unless there is any option", () => {
  const request = new Request(URL_A, { integrity: "sha256-AA" });
  Object.defineProperties(request, { referrer: { value: "https://a.test/" }, referrerPolicy: { value: "origin" } });
  const optionsOf = ({ rest }: Outgoing) => {
    const { referrer, referrerPolicy, integrity } = rest as Record<string, unknown>;
    return [referrer, referrerPolicy, integrity];
  };
  const all = ["https://a.test/", "origin", "sha256-AA"];
  for (const init of [undefined, {}, { headers: undefined, priority: undefined }]) {
    assertEquals(optionsOf(prepare(request, init as SessionRequestInit, undefined, DEFAULTS)), all);
    assertEquals(optionsOf(prepareFetch(request, init as SessionRequestInit, DEFAULTS)), all);
  }
  assertEquals(optionsOf(get(request, { headers: {} })), [undefined, undefined, "sha256-AA"]);
  assertEquals(optionsOf(prepareFetch(request, { headers: {} }, DEFAULTS)), [undefined, undefined, "sha256-AA"]);
});

Deno.test("prepareFetch() takes the body of a Request, unless one that is the options has another", () => {
  const request = new Request(URL_A, { method: "POST", body: "text" });
  const empty = new Request(URL_A, { method: "PUT" });
  const full = new Request(URL_A, { method: "PUT", body: "other" });
  assertStrictEquals(prepareFetch(request, empty as never, DEFAULTS).bodyOwner, request);
  assertStrictEquals(prepareFetch(request, full as never, DEFAULTS).bodyOwner, full);
});

Deno.test("prepare() leaves the length to the runtime, except that of a stream", () => {
  const headers = { "content-length": "4" };
  const init = { method: "POST", headers, body: "text" };
  const stream = new ReadableStream();
  assertEquals(headersOf(get(URL_A, init)), {});
  assertEquals(headersOf(get(URL_A, { ...init, body: stream })), headers);
  assertEquals(headersOf(get(new Request(URL_A, { ...init, body: stream }))), headers);
});

Deno.test("prepare() takes all that a Request says whose class, the global one now, extends the platform's", async () => {
  class OwnRequest extends Request {}
  const { rest } = await mocking(globalThis, "Request", OwnRequest, async () => {
    return await get(new Request(URL_A, { integrity: "sha256-AA", keepalive: true }));
  });
  assertEquals([rest.integrity, rest.keepalive], ["sha256-AA", true]);
});

Deno.test("prepare() leaves an ArrayBuffer one, and makes text of a String object", () => {
  assertInstanceOf(post({ body: new ArrayBuffer(2) }).body, ArrayBuffer);
  assertEquals(post({ body: Object("text") }).body, "text");
});

Deno.test("prepare() takes an option before that of a Request, and passes no default on", () => {
  const request = new Request(URL_A, { integrity: "sha256-AA" });
  assertEquals(get(request, { integrity: "sha256-BB" }).rest, { integrity: "sha256-BB" });
  assertEquals(get(new Request(URL_A)).rest, {});
  Object.assign(Object.prototype, { integrity: "evil" });
  try {
    assertEquals(Object.entries(get(request).rest), [["integrity", "sha256-AA"]]);
  } finally {
    Reflect.deleteProperty(Object.prototype, "integrity");
  }
});

Deno.test("prepare() blames the referrer for no other option", () => {
  assertRefuses(() => get(URL_A, { referrer: "http://[::s3cret]/" }), '"referrer" is not a valid URL');
  assertThrows(() => get(URL_A, { referrer: "https://a.test/", mode: "evil" }), TypeError, "evil");
  assertThrows(() => get(URL_A, { mode: "undefined" }), TypeError, "undefined");
});

Deno.test("prepareFetch() turns the navigation of a service worker into a request that can be made", () => {
  const navigation = Object.defineProperty(new Request(URL_A), "mode", { value: "navigate" });
  assertEquals((prepareFetch(navigation, undefined, DEFAULTS).rest as { mode?: string }).mode, "same-origin");
});
