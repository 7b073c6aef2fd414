// Copyright 2026 the Hangup authors. MIT license.
//
// URLs that are no server's, connections that fail, and the options of the standard.
import { ask, type Fetch, group, one, type Place, type Situation, streaming, streamOf, wrong } from "./observe.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const url = (name: string, url: string, init?: RequestInit): Situation => ({
  name,
  run: (fetch) => ask(() => init ? fetch(url, init) : fetch(url)),
});

function blob(name: string, init?: RequestInit, change: (url: string) => string = (url) => url): Situation {
  return {
    name,
    async run(fetch) {
      const made = URL.createObjectURL(new Blob(["hello"], { type: "text/x" }));
      try {
        // The URL of a blob is made anew each time.
        const seen = JSON.stringify(await ask(() => init ? fetch(change(made), init) : fetch(change(made))));
        return JSON.parse(seen.replaceAll(made, "blob:made"));
      } finally {
        URL.revokeObjectURL(made);
      }
    },
  };
}

const schemes: Situation[] = [
  url("data: of text", "data:text/plain,hello%20you"),
  url("data: without a type", "data:,hello"),
  url("data: in base64", "data:application/octet-stream;base64,aGVsbG8="),
  url("data: in bad base64", "data:;base64,a"),
  url("data: without a comma", "data:text/plain"),
  url("data: of nothing", "data:,"),
  url("data: with a fragment", "data:,hello#part"),
  url("data: with a line break in its scheme", "da\nta:,hello"),
  url("data: after a control character", "\x01data:,hello"),
  url("data: by POST", "data:,hello", { method: "POST", body: "text" }),
  url("data: by HEAD", "data:,hello", { method: "HEAD" }),
  url("data: with an aborted signal", "data:,hello", { signal: AbortSignal.abort() }),
  url("data: with redirect error", "data:,hello", { redirect: "manual" }),
  {
    name: "data: of a Request",
    run: (fetch) => ask(() => fetch(new Request("data:text/plain,hello"))),
  },
  blob("blob:"),
  blob("blob: by HEAD", { method: "HEAD" }),
  blob("blob: by POST", { method: "POST" }),
  blob("blob: with a range", { headers: { range: "bytes=1-2" } }),
  blob("blob: with a fragment", undefined, (url) => `${url}#part`),
  url("blob: of nothing", "blob:nodedata:00000000-0000-0000-0000-000000000000"),
  url("about:blank", "about:blank"),
  url("about:unicorn", "about:unicorn"),
  url("javascript:", "javascript:alert(1)"),
  url("mailto:", "mailto:a@b.invalid"),
  url("ftp:", "ftp://127.0.0.1/"),
  url("ws:", "ws://127.0.0.1/"),
  url("an unknown scheme", "foo://127.0.0.1/"),
  url("file:", import.meta.url ?? "file:///nowhere/at/all"),
  url("file: of nothing", "file:///nowhere/at/all"),
  ...[1, 22, 25, 6000, 6667].map((port) => url(`the blocked port ${port}`, `http://127.0.0.1:${port}/`)),
];

const addressed = (name: string, change: (url: string) => string): Situation => ({
  name,
  run: (fetch, at) => ask(() => fetch(change(at.url))),
});

const connections: Situation[] = [
  { name: "nobody listens", run: async (fetch, at) => await ask(async () => await fetch(`${await at.dead()}/ok`)) },
  {
    name: "nobody listens, with a POST",
    run: async (fetch, at) => {
      const dead = await at.dead();
      return await ask(() => fetch(`${dead}/ok`, { method: "POST", body: "text" }));
    },
  },
  addressed("credentials in the URL", (url) => `${url.replace("//", "//user:secret@")}/ok`),
  addressed("a user in the URL", (url) => `${url.replace("//", "//user@")}/ok`),
  addressed("empty credentials in the URL", (url) => `${url.replace("//", "//:@")}/ok`),
  one("the server closes", "/kill"),
  one("the server closes after it read a POST", "/kill?read=1", { method: "POST", body: "text" }),
  {
    name: "a connection that died, reused",
    async run(fetch, { url }) {
      const first = await ask(() => fetch(`${url}/bytes/10`));
      await pause(30); // Node hands out the end of a body before the socket
      return { first, second: await ask(() => fetch(`${url}/kill-reused`)) };
    },
  },
  {
    name: "a connection that died, reused for a POST",
    async run(fetch, { url }) {
      const init = { method: "POST", body: "text" };
      const first = await ask(() => fetch(`${url}/bytes/10`));
      await pause(30);
      return { first, second: await ask(() => fetch(`${url}/kill-reused?read=1`, init)) };
    },
  },
];

const option = (name: string, init: unknown, path = "/ok", how: "text" | "not" = "text") =>
  one(name, path, wrong<RequestInit>(init), how);

const ENUMS: Record<string, unknown[]> = {
  mode: ["cors", "no-cors", "same-origin", "navigate", "websocket", "bogus", "", null],
  credentials: ["omit", "same-origin", "include", "bogus", "", null],
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached", "bogus", null],
  referrerPolicy: ["", "no-referrer", "origin", "unsafe-url", "strict-origin-when-cross-origin", "bogus", null],
  priority: ["high", "low", "auto", "bogus"],
  duplex: ["half", "full", "bogus", null],
  keepalive: [true, false, 1, null],
  window: [null, undefined, "window", {}],
  referrer: ["", "about:client", "about:blank", "no-referrer", "http://elsewhere.invalid/a", "http://:1", "/a", null],
  integrity: ["", "nonsense", "md5-a", "sha256-", null, 1],
  targetAddressSpace: ["private", "bogus"],
  isReloadNavigation: [true],
  referrerpolicy: ["bogus"],
  body: [undefined],
};

const enums: Situation[] = Object.entries(ENUMS).flatMap(([name, values]) =>
  values.map((value) => option(`${name}: ${JSON.stringify(value)}`, { [name]: value }))
);

const combined: Situation[] = [
  option("mode navigate in a POST", { mode: "navigate", method: "POST", body: "text" }),
  option("mode no-cors with PUT", { mode: "no-cors", method: "PUT", body: "text" }),
  option("mode no-cors with headers", { mode: "no-cors", headers: { "x-a": "1" } }),
  option("only-if-cached with same-origin", { cache: "only-if-cached", mode: "same-origin" }),
  option("no-store with a cache-control", { cache: "no-store", headers: { "cache-control": "max-age=1" } }),
  option("if-none-match with a cache", { cache: "default", headers: { "if-none-match": '"a"' } }),
  option("a wrong credentials in a POST", { credentials: "bogus", method: "POST", body: "text" }),
  option("keepalive with a POST", { keepalive: true, method: "POST", body: "text" }),
  option("a wrong option at a redirect", { cache: "bogus" }, "/redirect/302?to=/ok"),
];

/** The SHA-256 of "ok", and one of nothing that is sent. */
const GOOD = "sha256-Jok2eyBcFs4y7UIAlCuLix4mLfxw2byfvHfElpmk8d8=";
const NOTHING = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const BAD = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

const sameOrigin = (name: string, make: (at: Place) => Promise<Parameters<Fetch>>): Situation => ({
  name,
  async run(fetch, at) {
    const args = await make(at);
    return await ask(() => fetch(...args));
  },
});

const hops: Situation[] = [
  option("integrity that holds", { integrity: GOOD }),
  option("integrity that does not hold", { integrity: BAD }),
  option("integrity, one of two holds", { integrity: `${BAD} ${GOOD}` }),
  option("integrity with options", { integrity: `${GOOD}?a` }),
  option("integrity that holds, at a redirect", { integrity: GOOD }, "/redirect/302?to=/ok&body=5"),
  option("integrity that does not hold, at a redirect", { integrity: BAD }, "/redirect/302?to=/ok&body=5"),
  option("integrity that does not hold, of 404", { integrity: BAD }, "/status/404"),
  option("integrity that does not hold, of 204", { integrity: BAD }, "/status/204"),
  option("integrity of nothing, of 204", { integrity: NOTHING }, "/status/204"),
  option("integrity of nothing, of HEAD", { integrity: NOTHING, method: "HEAD" }),
  option("integrity that does not hold, of a large body", { integrity: BAD }, "/bytes/200000"),
  option("integrity that does not hold, of HEAD", { integrity: BAD, method: "HEAD" }),
  option(
    "integrity that does not hold, with manual",
    { integrity: BAD, redirect: "manual" },
    "/redirect/302?to=/ok&body=5",
  ),
  option("integrity in no-cors", { integrity: GOOD, mode: "no-cors" }),
  sameOrigin("integrity of a Request", ({ url }) => Promise.resolve([new Request(`${url}/ok`, { integrity: BAD })])),
  sameOrigin(
    "integrity of a Request that holds",
    ({ url }) => Promise.resolve([new Request(`${url}/ok`, { integrity: GOOD })]),
  ),
  sameOrigin("mode no-cors, redirected to another", async (at) => [
    `${at.url}/redirect/302?to=${await at.other()}/ok`,
    { mode: "no-cors" },
  ]),
  sameOrigin("mode same-origin, redirected to another", async (at) => [
    `${at.url}/redirect/302?to=${await at.other()}/ok`,
    { mode: "same-origin" },
  ]),
  sameOrigin(
    "mode same-origin, redirected to the same",
    (at) => Promise.resolve([`${at.url}/redirect/302?to=/ok`, { mode: "same-origin" }]),
  ),
  ...["no-referrer", "origin", "unsafe-url", "same-origin", "bogus", ""].flatMap((policy) => [
    sameOrigin(
      `Referrer-Policy ${JSON.stringify(policy)} of a redirect`,
      ({ url }) =>
        Promise.resolve([`${url}/redirect/302?to=/ok&h=referrer-policy:${policy}`, {
          referrer: `${url}/secret?token=1`,
          referrerPolicy: "unsafe-url",
        }]),
    ),
  ]),
  ...["no-referrer", "origin", "unsafe-url", "same-origin", "strict-origin", "no-referrer-when-downgrade", ""].flatMap((
    policy,
  ) => [
    sameOrigin(
      `a referrer of one's own and the policy ${JSON.stringify(policy)}`,
      ({ url }) =>
        Promise.resolve([`${url}/ok`, { referrer: `${url}/page?a=1#b`, referrerPolicy: policy as ReferrerPolicy }]),
    ),
    sameOrigin(`a referrer at another origin and the policy ${JSON.stringify(policy)}`, async (at) => [
      `${await at.other()}/ok`,
      { referrer: `${at.url}/page?a=1#b`, referrerPolicy: policy as ReferrerPolicy },
    ]),
  ]),
  sameOrigin("a referrer at another origin, redirected back", async (at) => [
    `${await at.other()}/redirect/302?to=${at.url}/ok`,
    { referrer: `${at.url}/secret?token=1` },
  ]),
  sameOrigin(
    "a referrer with credentials",
    ({ url }) =>
      Promise.resolve([`${url}/ok`, {
        referrer: `${url.replace("//", "//user:secret@")}/page`,
        referrerPolicy: "unsafe-url",
      }]),
  ),
  sameOrigin(
    "a referrer of a Request",
    ({ url }) => Promise.resolve([new Request(`${url}/ok`, { referrer: `${url}/page`, referrerPolicy: "unsafe-url" })]),
  ),
  ...(["cache", "credentials", "mode", "keepalive"] as const).map((name) =>
    sameOrigin(`${name} of a Request`, ({ url }) =>
      Promise.resolve([
        new Request(
          `${url}/ok`,
          wrong({ [name]: { cache: "no-store", credentials: "omit", mode: "cors", keepalive: true }[name] }),
        ),
      ]))
  ),
];

/** What means something to a session, or to other clients, and nothing to `fetch`. */
const FOREIGN: Record<string, unknown> = {
  "json": { a: 1 },
  "json: true": true,
  "query": { a: 1 },
  "prefetch": false,
  "maxBodyBytes": 1,
  "maxRedirects": 0,
  "throwIfNotOk": true,
  "cookieJar": {},
  "baseUrl": "http://elsewhere.invalid/",
  "params": { a: 1 },
  "searchParams": { a: 1 },
  "form": { a: 1 },
  "data": "text",
  "auth": "user:secret",
  "retry": 1,
  "hooks": {},
  "prefixUrl": "http://elsewhere.invalid/",
  "responseType": "json",
  "agent": {},
  "url": "http://elsewhere.invalid/",
  "next": { revalidate: 1 },
  "own": () => {},
};

const foreign: Situation[] = [
  ...Object.entries(FOREIGN).flatMap(([name, value]) => [
    option(`${name}, in a GET`, { [name.split(":")[0]]: value }),
    option(`${name}, in a POST`, { method: "POST", body: "text", [name.split(":")[0]]: value }),
  ]),
  option("timeout: 1", { timeout: 1 }, "/drip?n=5&gap=20"),
  option("timeout: 1, in a POST", { timeout: 1, method: "POST", body: "text" }, "/drip?n=5&gap=20"),
  option("timeout: 0", { timeout: 0 }),
  option("timeout with an unknown phase", { timeout: { bogus: 1 } }),
  option("timeout: 'a'", { timeout: "a" }),
  option("query of a string", { query: "a=1" }),
  option("maxBodyBytes and a larger body", { maxBodyBytes: 10 }, "/bytes/1000"),
  option("prefetch: true and a large body", { prefetch: true }, "/bytes/200000"),
  option("throwIfNotOk and 404", { throwIfNotOk: true }, "/status/404"),
  option("json on a HEAD", { method: "HEAD", json: { a: 1 } }),
  one("json beside a stream", "/ok", () => streaming(streamOf("one"), wrong({ json: { a: 1 } }))),
];

export const policies: Situation[] = [
  ...group("schemes", schemes),
  ...group("connections", connections),
  ...group("options", enums),
  ...group("options", combined),
  ...group("policies", hops),
  ...group("options of others", foreign),
];
