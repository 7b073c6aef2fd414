// Copyright 2026 the Hangup authors. MIT license.
//
// What becomes of redirects.
import { ask, call, group, head, one, raw, response, type Situation, streaming, streamOf } from "./observe.ts";

const to = (status: number | string, location: string, more = "") =>
  `/redirect/${status}?read&to=${encodeURIComponent(location)}${more}`;

/** A redirect whose Location is these bytes. */
const located = (location: string, ...more: string[]) =>
  raw(response("302 Found", [`location: ${location}`, ...more, "content-length: 0"]));

const CARRIERS: Record<string, () => RequestInit> = {
  "GET": () => ({}),
  "HEAD": () => ({ method: "HEAD" }),
  "POST of a string": () => ({ method: "POST", body: "text" }),
  "POST without a body": () => ({ method: "POST" }),
  "POST of a form": () => {
    const body = new FormData();
    body.set("a", "1");
    return { method: "POST", body };
  },
  "POST of a stream": () => streaming(streamOf("one", "two")),
  "PUT of bytes": () => ({ method: "PUT", body: new Uint8Array(100) }),
  "DELETE": () => ({ method: "DELETE" }),
  "PATCH of a string": () => ({ method: "PATCH", body: "text" }),
};

const followed: Situation[] = [301, 302, 303, 307, 308].flatMap((status) =>
  Object.entries(CARRIERS).map(([name, init]) => one(`${status} after a ${name}`, to(status, "/ok"), () => init()))
);

const REQUESTS: Record<string, (url: string) => Request> = {
  "a string of 10": (url) => new Request(url, { method: "POST", body: "a".repeat(10) }),
  "a string of 70,000": (url) => new Request(url, { method: "POST", body: "a".repeat(70_000) }),
  "a Blob of 70,000": (url) => new Request(url, { method: "POST", body: new Blob(["a".repeat(70_000)]) }),
  "a stream": (url) => new Request(url, streaming(streamOf("one", "two"))),
};

const requests: Situation[] = [302, 303, 307].flatMap((status) =>
  Object.entries(REQUESTS).map(([name, make]) =>
    call(`${status} after a Request with ${name}`, ({ url }) => [make(url + to(status, "/ok"))])
  )
);

/** With `redirect: "manual"` or `"error"`. */
const held: Situation[] = (["manual", "error"] as const).flatMap((redirect) => [
  ...[301, 302, 303, 307, 308, 300, 304].map((status) =>
    one(`${redirect}: ${status}`, to(status, "/ok"), { redirect })
  ),
  one(`${redirect}: 302 with a body`, to(302, "/ok", "&body=100"), { redirect }),
  one(`${redirect}: 302 after a POST`, to(302, "/ok"), { redirect, method: "POST", body: "text" }),
  one(`${redirect}: 302 without a Location`, "/redirect/302?body=10", { redirect }),
  one(`${redirect}: 302 to nowhere`, to(302, "http://"), { redirect }),
  one(`${redirect}: 200`, "/bytes/10", { redirect }),
  call(`${redirect}: said by a Request`, ({ url }) => [new Request(url + to(302, "/ok"), { redirect })]),
]);

/** A redirect to another origin, with headers that may not go there. */
const across = (name: string, init: RequestInit = {}, status = 302): Situation => ({
  name,
  async run(fetch, at) {
    const headers = {
      "authorization": "Bearer a",
      "cookie": "a=1",
      "proxy-authorization": "Basic a",
      "x-own": "1",
      "host": "elsewhere.invalid",
    };
    const there = await at.other();
    return await ask(() => fetch(at.url + to(status, `${there}/ok`), { headers, ...init }));
  },
});

const targets: Situation[] = [
  one("a status of 300 with a Location", to(300, "/ok", "&body=5")),
  one("a status of 304 with a Location", to(304, "/ok")),
  one("a status of 305 with a Location", to(305, "/ok", "&body=5")),
  one("a status of 306 with a Location", to(306, "/ok", "&body=5")),
  one("a status of 201 with a Location", to(201, "/ok", "&body=5")),
  one("a status of 399 with a Location", to(399, "/ok", "&body=5")),
  ...[301, 302, 303, 307, 308].map((status) => one(`${status} without a Location`, `/redirect/${status}?body=5`)),
  one("a Location that is empty", located("")),
  one("a Location with spaces around", located("  /ok  ")),
  one("a Location that is a path", located("ok/a")),
  one("a Location that is a query", `/redirect/302?to=${encodeURIComponent("/redirect/302?to=/ok/?a=1")}`),
  one("a Location with spaces within", located("/ok/a b")),
  one("a Location in UTF-8", located("/ok/\xc3\xa4")),
  one("a Location in Latin-1", located("/ok/\xe4")),
  one("a Location with percent signs", located("/ok/%e4%zz")),
  one("a Location with a fragment", located("/ok#there")),
  one("a Location without a scheme", located("//")),
  one("a Location with a tab", located("/o\tk")),
  one("two Locations", located("/ok/1", "location: /ok/2")),
  one("two equal Locations", located("/ok/1", "location: /ok/1")),
  one("a Location of no URL", located("http://")),
  one("a Location with a bad port number", located("http://127.0.0.1:99999/")),
  one("a Location at a blocked port", located("http://127.0.0.1:25/")),
  one("a Location of data:", located("data:text/plain,hello")),
  one("a Location of javascript:", located("javascript:alert(1)")),
  one("a Location of ftp:", located("ftp://127.0.0.1/")),
  one("a Location of about:", located("about:blank")),
  one("a Location of blob:", located("blob:a")),
  one("a Location of an unknown scheme", located("a:b")),
  call("a fragment that goes on", ({ url }) => [`${url}${to(302, "/ok")}#here`]),
  call("a fragment that is replaced", ({ url }) => [`${url}${to(302, "/ok#there")}#here`]),
  call("a Location with credentials", ({ url }) => [url + to(302, url.replace("//", "//user:secret@") + "/ok")]),
  {
    name: "a Location with credentials at another origin",
    async run(fetch, at) {
      const there = await at.other();
      return await ask(() => fetch(at.url + to(302, there.replace("//", "//user:secret@") + "/ok")));
    },
  },
  {
    name: "a Location where nobody listens",
    async run(fetch, at) {
      const nobody = await at.dead();
      return await ask(() => fetch(at.url + to(302, `${nobody}/ok`)));
    },
  },
  { ...one("to a server that resets", to(302, "/fault/resets-before-status")), timed: true },
  one("to a server that closes in the body", to(302, "/truncate/10")),
];

const chains: Situation[] = [
  ...[1, 2, 5, 19, 20, 21].map((count) => one(`${count} in a row`, `/chain/${count}`)),
  one("a loop", `/chain/50`),
  one("2 in a row with 307 after a POST", "/chain/2?read&status=307", { method: "POST", body: "text" }),
  one("2 in a row with 303 after a POST", "/chain/2?read&status=303", { method: "POST", body: "text" }),
  one("307, then 302, after a POST", to(307, to(302, "/ok")), { method: "POST", body: "text" }),
  one("302, then 307, after a POST", to(302, to(307, "/ok")), { method: "POST", body: "text" }),
  one("303, then 307, after a HEAD", to(303, to(307, "/ok")), { method: "HEAD" }),
];

const headers: Situation[] = [
  across("to another origin"),
  across("to another origin with 307 after a POST", { method: "POST", body: "text" }, 307),
  one("to the same origin, with headers", to(302, "/ok"), {
    headers: { authorization: "a", cookie: "a=1", "x-a": "1" },
  }),
  {
    name: "to another origin and back",
    async run(fetch, at) {
      const there = await at.other();
      const path = to(302, `${there}${to(302, `${at.url}/ok`)}`);
      return await ask(() => fetch(at.url + path, { headers: { authorization: "a", cookie: "a=1" } }));
    },
  },
  one("302 after a POST, with headers of the body", to(302, "/ok"), {
    method: "POST",
    body: "text",
    headers: {
      "content-type": "text/x",
      "content-language": "de",
      "content-location": "/a",
      "content-encoding": "x",
      "x-a": "1",
    },
  }),
  one("307 after a POST, with headers of the body", to(307, "/ok"), {
    method: "POST",
    body: "text",
    headers: { "content-type": "text/x", "content-language": "de" },
  }),
  one("303 after a PUT, with headers of the body", to(303, "/ok"), {
    method: "PUT",
    body: "text",
    headers: { "content-type": "text/x", "content-length": "4" },
  }),
  one("a redirect that sets a cookie", to(302, "/ok", "&h=set-cookie:a=1")),
  one("a user-agent and an accept", to(302, "/ok"), { headers: { "user-agent": "own", "accept": "text/x" } }),
];

const contents: Situation[] = [
  one("a redirect with a body", to(302, "/ok", "&body=100")),
  one("a redirect with a body of 200,000 bytes", to(302, "/ok", "&body=200000")),
  one("a redirect with a chunked body", to(302, "/ok", "&body=100&chunked")),
  one(
    "a redirect whose body is cut off",
    raw(response("302 Found", ["location: /ok", "content-length: 9"], "a"), { then: "close" }),
  ),
  one("a redirect whose body never ends", to(302, "/ok", "&body=10&stall")),
  one(
    "a redirect with a coding that its body has not",
    raw(response("302 Found", ["location: /ok", "content-encoding: gzip", "content-length: 3"], "abc")),
  ),
  one(
    "a redirect that closes the connection",
    raw(response("302 Found", ["location: /ok", "connection: close"]), { then: "finish" }),
  ),
];

const options: Situation[] = [
  ...(["follow", "", "bogus", "Follow", null, 1] as const).map((redirect) =>
    one(`redirect: ${JSON.stringify(redirect)}`, to(302, "/ok"), { redirect: redirect as "follow" })
  ),
  one("redirect: undefined", to(302, "/ok"), { redirect: undefined }),
  one("follow: 0, an option of node-fetch", to(302, "/ok"), { follow: 0 } as RequestInit),
  one("maxRedirects: 0, an option of others", to(302, "/ok"), { maxRedirects: 0 } as RequestInit),
  {
    name: "a clone of a redirected response",
    run: (fetch, { url }) =>
      ask(async () => (await fetch(url + to(302, "/ok"))).clone(), (response) => ({ ...head(response) })),
  },
  {
    name: "aborted at the second request",
    async run(fetch, at) {
      const controller = new AbortController();
      const { signal } = controller;
      const promise = fetch(at.url + to(302, "/hang"), { signal });
      promise.catch(() => {});
      await at.arrived(2);
      controller.abort(new RangeError("enough"));
      return { asked: await ask(() => promise, "text", signal), left: await at.left(1) };
    },
  },
];

export const redirects: Situation[] = group("redirects", [
  ...followed,
  ...requests,
  ...held,
  ...targets,
  ...chains,
  ...headers,
  ...contents,
  ...options,
]);
