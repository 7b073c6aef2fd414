// Copyright 2026 the Hangup authors. MIT license.
//
// How a request is made: from which arguments, with which method and headers.
import { ask, call, group, one, type Situation, streaming, streamOf, unsteady, wrong } from "./observe.ts";

/** A situation that sends one `Request` twice. */
const twice = (name: string, init?: RequestInit): Situation => ({
  name,
  async run(fetch, { url }) {
    const request = new Request(`${url}/ok`, init);
    return {
      first: await ask(() => fetch(request)),
      used: request.bodyUsed,
      second: await ask(() => fetch(request)),
    };
  },
});

const constructions: Situation[] = [
  call("a string", ({ url }) => [`${url}/ok?a=1`]),
  call("a URL", ({ url }) => [new URL(`${url}/ok?a=1`)]),
  call("an object with toString()", ({ url }) => [{ toString: () => `${url}/ok` }]),
  call("a String object", ({ url }) => [new String(`${url}/ok`)]),
  call("nothing", () => []),
  call("undefined", () => [undefined]),
  call("null", () => [null]),
  call("a number", () => [1]),
  call("an empty string", () => [""]),
  call("a relative URL", () => ["/ok"]),
  call("a symbol", () => [Symbol("a")]),
  call("an input whose toString() throws", () => [{
    toString() {
      throw new RangeError("no");
    },
  }]),
  call("no host", () => ["http://"]),
  call("a bad port number", () => ["http://127.0.0.1:99999/"]),
  call("a fragment", ({ url }) => [`${url}/ok#part`]),
  call("an empty query and fragment", ({ url }) => [`${url}/ok?#`]),
  call("a path with spaces and letters beyond ASCII", ({ url }) => [`${url}/ok/ä b?ö=ü ß`]),
  call("a path with dots", ({ url }) => [`${url}/a/../ok/./b`]),
  call("whitespace around and within", ({ url }) => [`  \t${url}/o\nk  `]),
  call("an upper-case scheme", ({ url }) => [url.replace("http", "HTTP") + "/ok"]),
  call("backslashes", ({ url }) => [`${url}\\ok\\a`]),
  call("percent signs", ({ url }) => [`${url}/ok/%zz%2f%e4?%`]),
  call("characters that some URLs escape", ({ url }) => [`${url}/ok/a'b"c<d>e\`f{g}|h^i?a'b"c<d>e\`f{g}|h^i`]),
  call("a Request", ({ url }) => [new Request(`${url}/ok`)]),
  call("a Request with a fragment", ({ url }) => [new Request(`${url}/ok#part`)]),
  call("a Request with a method and headers", ({ url }) => [
    new Request(`${url}/ok`, { method: "PUT", headers: { "x-a": "1" }, body: "text" }),
  ]),
  call("a Request that looks like one", ({ url }) => [{
    url: `${url}/ok`,
    method: "PUT",
    headers: new Headers({ "x-a": "1" }),
    body: null,
    [Symbol.toStringTag]: "Request",
  }]),
  call("the options alone, with a url", ({ url }) => [{ url: `${url}/ok`, method: "PUT" }]),
  call("a Request, and a method in init", ({ url }) => [new Request(`${url}/ok`), { method: "DELETE" }]),
  call("a Request, and headers in init", ({ url }) => [
    new Request(`${url}/ok`, { headers: { "x-a": "1" } }),
    { headers: { "x-b": "2" } },
  ]),
  call("a Request, and empty headers in init", ({ url }) => [
    new Request(`${url}/ok`, { headers: { "x-a": "1" } }),
    { headers: {} },
  ]),
  call("a Request with a body, and another in init", ({ url }) => [
    new Request(`${url}/ok`, { method: "POST", body: "theirs" }),
    { body: "mine" },
  ]),
  call("a Request with a body, and GET in init", ({ url }) => [
    new Request(`${url}/ok`, { method: "POST", body: "theirs" }),
    { method: "GET" },
  ]),
  call("a Request with a body, and none in init", ({ url }) => [
    new Request(`${url}/ok`, { method: "POST", body: "theirs" }),
    { body: null },
  ]),
  call("a Request with a referrer", ({ url }) => [new Request(`${url}/ok`, { referrer: `${url}/page` })]),
  call("a Request with a referrer, and headers in init", ({ url }) => [
    new Request(`${url}/ok`, { referrer: `${url}/page`, referrerPolicy: "unsafe-url" }),
    { headers: { "x-a": "1" } },
  ]),
  call("a Request, and undefined everywhere in init", ({ url }) => [
    new Request(`${url}/ok`, { method: "POST", body: "text", headers: { "x-a": "1" } }),
    { method: undefined, body: undefined, headers: undefined, signal: undefined, redirect: undefined },
  ]),
  call("a copy of a Request", ({ url }) => [
    new Request(new Request(`${url}/ok`, { method: "POST", body: "text" }), { headers: { "x-a": "1" } }),
  ]),
  call("a clone of a Request", ({ url }) => [new Request(`${url}/ok`, { method: "POST", body: "text" }).clone()]),
  call("a subclass of Request", ({ url }) => {
    class Own extends Request {}
    return [new Own(`${url}/ok`, { method: "POST", body: "text" })];
  }),
  call("a Request as init", ({ url }) => [
    `${url}/ok`,
    new Request("http://elsewhere.invalid/", { headers: { "x-a": "1" } }),
  ]),
  call("a Request with a body as init", ({ url }) => [
    `${url}/ok`,
    new Request("http://elsewhere.invalid/", streaming(wrong("text"), { headers: { "x-a": "1" } })),
  ]),
  call("a Request as init of a Request", ({ url }) => [
    new Request(`${url}/ok`, { headers: { "x-a": "1" } }),
    new Request("http://elsewhere.invalid/", { method: "DELETE", headers: { "x-b": "1" } }),
  ]),
  call("a Request as init of a Request with a cache", ({ url }) => [
    new Request(`${url}/ok`, { cache: "no-store" }),
    new Request(`${url}/ok`),
  ]),
  call("a Request with a cache as init of a Request", ({ url }) => [
    new Request(`${url}/ok`),
    new Request(`${url}/ok`, { cache: "no-store" }),
  ]),
  call("a Request with redirect: manual as init", ({ url }) => [
    `${url}/redirect/302?to=/ok`,
    new Request("http://elsewhere.invalid/", { redirect: "manual" }),
  ]),
  call("a Request with an aborted signal as init", ({ url }) => [
    `${url}/ok`,
    new Request("http://elsewhere.invalid/", { signal: AbortSignal.abort() }),
  ]),
  call("a Response as init", ({ url }) => [`${url}/ok`, new Response(null, { headers: { "x-a": "1" } })]),
  call("init null", ({ url }) => [`${url}/ok`, null]),
  call("init undefined", ({ url }) => [`${url}/ok`, undefined]),
  call("init a number", ({ url }) => [`${url}/ok`, 1]),
  call("init a string", ({ url }) => [`${url}/ok`, "POST"]),
  call("init a function", ({ url }) => [`${url}/ok`, Object.assign(() => {}, { method: "PUT" })]),
  call("init an array", ({ url }) => [`${url}/ok`, []]),
  call("init inherits", ({ url }) => [`${url}/ok`, Object.create({ method: "POST", body: "text" })]),
  call("init is frozen", ({ url }) => [`${url}/ok`, Object.freeze({ method: "POST", body: "text" })]),
  call("init has getters", ({ url }) => [`${url}/ok`, {
    get method() {
      return "POST";
    },
    get body() {
      return "text";
    },
    get headers() {
      return { "x-a": "1" };
    },
  }]),
  call("an init whose getter throws", ({ url }) => [`${url}/ok`, {
    get method() {
      throw new RangeError("no");
    },
  }]),
  call("an init whose unknown getter throws", ({ url }) => [`${url}/ok`, {
    get unknown() {
      throw new RangeError("no");
    },
  }]),
  call("an init that is a Proxy", ({ url }) => [`${url}/ok`, new Proxy({ method: "PUT", body: "text" }, {})]),
  call("an init that is not enumerable", ({ url }) => [
    `${url}/ok`,
    Object.defineProperty({}, "method", { value: "PUT", enumerable: false }),
  ]),
  call("an init that inherits from an object without a prototype", ({ url }) => [
    `${url}/ok`,
    Object.create(Object.assign(Object.create(null), { method: "POST", body: "text" })),
  ]),
  call("an init whose options are not enumerable", ({ url }) => [
    `${url}/ok`,
    Object.defineProperties({}, {
      method: { value: "POST" },
      body: { value: streamOf("a", "b") },
      duplex: { value: "half" },
    }),
  ]),
  call("an init that is a Proxy with only a get trap", ({ url }) => {
    const options: Record<PropertyKey, unknown> = { method: "POST", body: streamOf("a", "b"), duplex: "half" };
    return [`${url}/ok`, new Proxy({}, { get: (_, name) => options[name] })];
  }),
  call("a third argument", ({ url }) => [`${url}/ok`, {}, { method: "PUT" }] as unknown as [unknown]),
  twice("a Request that was sent before", { method: "POST", body: "text" }),
  twice("a Request without a body that was sent before"),
  {
    name: "a Request whose body was read before",
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, { method: "POST", body: "text" });
      await request.text();
      return await ask(() => fetch(request));
    },
  },
  {
    name: "a Request whose body was read before, and another body in init",
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, { method: "POST", body: "text" });
      await request.text();
      return await ask(() => fetch(request, { body: "mine" }));
    },
  },
  {
    name: "a Request whose body is locked",
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, { method: "POST", body: "text" });
      request.body?.getReader();
      return await ask(() => fetch(request));
    },
  },
  {
    name: "a Request, both it and its clone",
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, { method: "POST", body: "text" });
      const clone = request.clone();
      return { first: await ask(() => fetch(request)), second: await ask(() => fetch(clone)) };
    },
  },
  {
    name: "whether a Request's body is used right after the call",
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, { method: "POST", body: "text" });
      const promise = fetch(request);
      const used = request.bodyUsed;
      return { used, asked: await ask(() => promise) };
    },
  },
  {
    name: "headers changed after the call",
    async run(fetch, { url }) {
      const headers = new Headers({ "x-a": "before" });
      const promise = fetch(`${url}/ok`, { headers });
      headers.set("x-a", "after");
      return await ask(() => promise);
    },
  },
  {
    name: "init changed after the call",
    async run(fetch, { url }) {
      const init = { method: "POST", body: "before" };
      const promise = fetch(`${url}/ok`, init);
      Object.assign(init, { method: "PUT", body: "after" });
      return await ask(() => promise);
    },
  },
  {
    name: "bytes changed after the call",
    async run(fetch, { url }) {
      const body = new TextEncoder().encode("before");
      const promise = fetch(`${url}/ok`, { method: "POST", body });
      body.fill(120);
      return await ask(() => promise);
    },
  },
  {
    name: "URLSearchParams changed after the call",
    async run(fetch, { url }) {
      const body = new URLSearchParams({ a: "before" });
      const promise = fetch(`${url}/ok`, { method: "POST", body });
      body.set("a", "after");
      return await ask(() => promise);
    },
  },
  {
    name: "a URL changed after the call",
    async run(fetch, { url }) {
      const given = new URL(`${url}/ok?before`);
      const promise = fetch(given);
      given.search = "after";
      return await ask(() => promise);
    },
  },
  {
    name: "what the function looks like",
    async run(fetch, { url }) {
      const promise = fetch(`${url}/ok`);
      await promise.then((response) => response.text());
      return {
        name: fetch.name,
        type: typeof fetch,
        promise: promise instanceof Promise,
        tag: Object.prototype.toString.call(promise),
        isConstructor: Object.hasOwn(fetch, "prototype"),
      };
    },
  },
  {
    name: "called without `this`",
    async run(fetch, { url }) {
      return await ask(() => Reflect.apply(fetch, undefined, [`${url}/ok`]));
    },
  },
];

const method = (name: string, body?: string) =>
  one(body === undefined ? JSON.stringify(name) : `${JSON.stringify(name)} with a body`, "/ok", {
    method: name,
    ...(body !== undefined && { body }),
  });

const methods: Situation[] = [
  ...["get", "head", "post", "put", "delete", "options", "Post", "oPTIONS"].map((name) => method(name)),
  ...["patch", "PATCH", "PaTcH", "chicken", "CHICKEN", "PROPFIND", "QUERY", "M-SEARCH"].map((name) => method(name)),
  ...["CONNECT", "TRACE", "TRACK", "connect", "Trace"].map((name) => method(name)),
  ...["", "G ET", "GET ", "GÉT", "GET\n", "a/b"].map((name) => method(name)),
  ...["DELETE", "OPTIONS", "PROPFIND", "patch", "post"].map((name) => method(name, "text")),
  ...["GET", "HEAD", "get"].map((name) => method(name, "text")),
  one("GET with an empty body", "/ok", { method: "GET", body: "" }),
  one("null", "/ok", { method: wrong(null) }),
  one("a number", "/ok", { method: wrong(1) }),
  one("an object with toString()", "/ok", { method: wrong({ toString: () => "PUT" }) }),
  one("a symbol", "/ok", { method: wrong(Symbol("GET")) }),
  one("POST without a body", "/ok", { method: "POST" }),
  one("PUT without a body", "/ok", { method: "PUT" }),
  one("PATCH without a body", "/ok", { method: "PATCH" }),
  one("POST with the body null", "/ok", { method: "POST", body: null }),
  one("DELETE without a body", "/ok", { method: "DELETE" }),
];

const sending = (name: string, headers: unknown, init: RequestInit = {}) =>
  one(name, "/ok", () => ({ ...init, headers: wrong(headers) }));

function fails(): never {
  throw new RangeError("no");
}

const headers: Situation[] = [
  sending("Headers", new Headers({ "X-A": "1" })),
  sending("a record", { "X-A": "1", "x-b": "2" }),
  sending("pairs", [["x-a", "1"], ["x-a", "2"]]),
  sending("a Map", new Map([["x-a", "1"]])),
  sending("an iterable of iterables", new Set([new Set(["x-a", "1"])])),
  sending("null", null),
  sending("a string", "x-a: 1"),
  sending("a number", 1),
  sending("triples", [["x-a", "1", "2"]]),
  sending("single names", [["x-a"]]),
  sending("an array of strings", ["x-a"]),
  sending("numbers as values", { "x-a": 1 }),
  sending("undefined and null as values", { "x-a": undefined, "x-b": null }),
  sending("an array as a value", { "x-a": ["1", "2"] }),
  sending("an object as a value", { "x-a": { toString: () => "1" } }),
  sending("a symbol as a value", { "x-a": Symbol("1") }),
  sending("an iterable that throws", { [Symbol.iterator]: fails }),
  sending("an object as a value, that throws", { "x-a": { toString: fails } }),
  sending("a symbol as a name", { [Symbol("x-a")]: "1" }),
  sending("an empty value", { "x-a": "" }),
  sending("whitespace around a value", { "x-a": " \t1 2\t " }),
  sending("letters of Latin-1", { "x-a": "é ÿ" }),
  sending("letters beyond Latin-1", { "x-a": "ł" }),
  sending("a line feed in a value", { "x-a": "1\n2" }),
  sending("a line feed at the end of a value", { "x-a": "1\r\n" }),
  sending("a NUL in a value", { "x-a": "1\x002" }),
  sending("a control character in a value", { "x-a": "1\x012" }),
  sending("a space in a name", { "x a": "1" }),
  sending("an empty name", { "": "1" }),
  sending("a name beyond ASCII", { "ü": "1" }),
  sending("a name with a colon", { "x:a": "1" }),
  sending("names that differ in case", { "x-a": "1", "X-A": "2" }),
  sending("names of an object's own prototype", { "__proto__x": "1", "constructor": "2", "toString": "3" }),
  sending("many", Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, `${i}`]))),
  sending("a long value", { "x-a": "a".repeat(8000) }),
  ...Object.entries({
    "accept": "text/html",
    "accept-charset": "utf-8",
    "accept-encoding": "identity",
    "accept-language": "de",
    "access-control-request-method": "PUT",
    "authorization": "Bearer a",
    "cache-control": "no-cache",
    "connection": "close",
    "content-type": "text/x",
    "cookie": "a=1",
    "cookie2": "a",
    "date": "today",
    "dnt": "1",
    "host": "elsewhere.invalid",
    "if-none-match": '"a"',
    "keep-alive": "timeout=1",
    "origin": "http://elsewhere.invalid",
    "pragma": "no-cache",
    "priority": "u=1",
    "proxy-authorization": "Basic a",
    "range": "bytes=0-1",
    "referer": "http://elsewhere.invalid/",
    "sec-fetch-mode": "navigate",
    "set-cookie": "a=1",
    "te": "trailers",
    "trailer": "x-a",
    "transfer-encoding": "chunked",
    "upgrade": "websocket",
    "user-agent": "own",
    "via": "1.1 own",
    "x-http-method-override": "TRACK",
  }).map(([name, value]) => sending(`a caller's ${name}`, { [name]: value })),
  sending("an empty user-agent", { "user-agent": "" }),
  sending("an empty accept", { "accept": "" }),
  sending("several cookies", [["cookie", "a=1"], ["cookie", "b=2"]]),
  sending("content-length on a GET", { "content-length": "5" }),
  sending("content-length 0 on a GET", { "content-length": "0" }),
  sending("expect", { "expect": "100-continue" }, { method: "POST", body: "text" }),
  sending("transfer-encoding with a body", { "transfer-encoding": "chunked" }, { method: "POST", body: "text" }),
  sending("connection and keep-alive with a body", { "connection": "x-a", "x-a": "1" }, { method: "POST", body: "a" }),
  sending("a content-type with a body", { "content-type": "text/x" }, { method: "POST", body: "text" }),
  sending("an empty content-type with a body", { "content-type": "" }, { method: "POST", body: "text" }),
  sending("the right content-length", { "content-length": "4" }, { method: "POST", body: "text" }),
  unsteady(sending("a content-length too small", { "content-length": "2" }, { method: "POST", body: "text" })),
  unsteady(sending("a content-length too large", { "content-length": "6" }, { method: "POST", body: "text" })),
  sending("a content-length that is none", { "content-length": "abc" }, { method: "POST", body: "text" }),
  {
    name: "of a Request, with a content-type of its own",
    run: (fetch, { url }) =>
      ask(() => fetch(new Request(`${url}/ok`, { method: "POST", body: "a", headers: { "content-type": "text/x" } }))),
  },
  {
    name: "a stream with a content-type",
    run: (fetch, { url }) =>
      ask(() => fetch(`${url}/ok`, streaming(streamOf("a", "b"), { headers: { "content-type": "text/x" } }))),
  },
];

export const requests: Situation[] = [
  ...group("requests", constructions),
  ...group("methods", methods),
  ...group("headers", headers),
];
