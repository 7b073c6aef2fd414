// Copyright 2026 the Hangup authors. MIT license.

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { own } from "../_internal/options.ts";
import type { Outgoing } from "../_internal/prepare.ts";
import { followRedirect, isRedirect, refuseRedirect } from "../_internal/redirect.ts";
import { NetworkError } from "../errors.ts";
import { makeOutgoing } from "./outgoing.ts";

const SUMMARY = { method: "GET", url: "https://a.test/?…" };

/** A request that is redirected. */
function sent(changes: Partial<Outgoing> = {}): Outgoing {
  return makeOutgoing({ url: new URL("https://a.test/dir/page?query=1"), ...changes });
}

function redirect(location: string, status = 302): Response {
  return new Response(null, { status, headers: { location } });
}

/** Where a redirect leads. */
function target(location: string, from = "https://a.test/dir/page?query=1"): string {
  return followRedirect(sent({ url: new URL(from) }), redirect(location), SUMMARY).url.href;
}

function headersOf(outgoing: Outgoing): Record<string, string> {
  return Object.fromEntries(outgoing.headers ?? []);
}

Deno.test("isRedirect() knows the five statuses, also without somewhere to go", () => {
  for (const status of [301, 302, 303, 307, 308]) {
    assert(isRedirect(redirect("/", status)));
    assert(isRedirect(redirect("", status)));
    assert(isRedirect(new Response(null, { status })));
  }
  for (const status of [200, 201, 300, 304, 305, 306, 309, 400, 503]) assert(!isRedirect(redirect("/", status)));
});

Deno.test("refuseRedirect() makes an error for which another try does not help", () => {
  const error = refuseRedirect("Cannot follow", SUMMARY);
  assert(error instanceof NetworkError);
  assertEquals(error.repeatable, "never");
  assertEquals([error.message, error.method, error.url], ["Cannot follow: GET https://a.test/?…", "GET", SUMMARY.url]);
});

Deno.test("followRedirect() resolves the Location against the URL of the request", () => {
  assertEquals(target("https://b.test/x"), "https://b.test/x");
  assertEquals(target("/x"), "https://a.test/x");
  assertEquals(target("x?y"), "https://a.test/dir/x?y");
  assertEquals(target("?y"), "https://a.test/dir/page?y");
  assertEquals(target("//b.test"), "https://b.test/");
  assertEquals(target(""), "https://a.test/dir/page?query=1");
  assertEquals(target("HTTP://b.test/"), "http://b.test/");
});

Deno.test("followRedirect() keeps the fragment, unless the Location has one, an empty one too", () => {
  assertEquals(target("/x", "https://a.test/#here"), "https://a.test/x#here");
  assertEquals(target("/x#there", "https://a.test/#here"), "https://a.test/x#there");
  assertEquals(new URL(target("/x#", "https://a.test/#here")).hash, "");
});

Deno.test("followRedirect() reads a Location of UTF-8 as such, and others as they are", () => {
  const raw = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
  assertEquals(target(raw("/\u00fc")), "https://a.test/%C3%BC");
  assertEquals(target("/\u00fc"), "https://a.test/%C3%BC"); // Latin-1
  assertEquals(target("/%C3%BC"), "https://a.test/%C3%BC");
});

Deno.test("followRedirect() refuses a Location that is malformed or of another scheme, without showing it", () => {
  const cases: [string, string][] = [
    ["http://", "Cannot follow the redirect as its Location is malformed"],
    ["https://ada:secret@b.test:99999/", "Cannot follow the redirect as its Location is malformed"],
    ["ftp://secret.test/", 'Cannot follow the redirect as its scheme is not http or https but "ftp:"'],
    ["javascript:secret", 'Cannot follow the redirect as its scheme is not http or https but "javascript:"'],
    ["ada:secret@a.test", "Cannot follow the redirect as its scheme is not http or https"],
    ["data:,secret", 'Cannot follow the redirect as its scheme is not http or https but "data:"'],
  ];
  for (const [location, message] of cases) {
    const error = assertThrows(() => target(location), NetworkError);
    assertEquals(error.message, `${message}: GET https://a.test/?…`);
    assertEquals(error.cause, undefined);
  }
});

Deno.test("followRedirect() changes the method as the Fetch standard says", () => {
  const next = (method: string, status: number) =>
    followRedirect(
      sent({ method, body: method === "GET" || method === "HEAD" ? undefined : "body" }),
      redirect("/", status),
      SUMMARY,
    );
  const cases: [status: number, method: string, next: string][] = [
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [307, "POST", "POST"],
    [308, "POST", "POST"],
    [301, "PUT", "PUT"],
    [302, "DELETE", "DELETE"],
    [303, "PUT", "GET"],
    [303, "DELETE", "GET"],
    [307, "PATCH", "PATCH"],
  ];
  for (const [status, method, expected] of cases) {
    const { method: actual, body } = next(method, status);
    assertEquals([status, method, actual, body], [status, method, expected, expected === "GET" ? undefined : "body"]);
  }
  for (const status of [301, 302, 303, 307, 308]) {
    for (const method of ["GET", "HEAD"]) assertEquals(next(method, status).method, method);
  }
});

Deno.test("followRedirect() drops the headers that speak of the body with the body", () => {
  const headers = {
    "content-encoding": "gzip",
    "content-language": "de",
    "content-location": "/x",
    "content-type": "text/plain",
    "x-other": "kept",
  };
  const request = sent({ method: "POST", body: "body", headers: new Headers(headers) });
  assertEquals(headersOf(followRedirect(request, redirect("/", 303), SUMMARY)), { "x-other": "kept" });
  assertEquals(headersOf(followRedirect(request, redirect("/", 307), SUMMARY)), headers);
});

Deno.test("followRedirect() takes the headers that are for one origin to no other", () => {
  const headers = {
    accept: "text/html",
    authorization: "Bearer token",
    cookie: "a=1",
    host: "a.example",
    "proxy-authorization": "Basic x",
  };
  const request = sent({ headers: new Headers(headers) });
  for (const location of ["/x", "https://a.test:443/"]) {
    assertEquals(headersOf(followRedirect(request, redirect(location), SUMMARY)), headers);
  }
  for (const location of ["https://b.test/", "http://a.test/", "https://a.test:8443/", "https://sub.a.test/"]) {
    assertEquals(headersOf(followRedirect(request, redirect(location), SUMMARY)), { accept: "text/html" });
  }
  assertEquals(headersOf(request), headers); // they were copied
});

Deno.test("followRedirect() moves credentials of the Location to where HTTP has them", () => {
  const next = followRedirect(sent(), redirect("https://ada:pass%20word@b.test/"), SUMMARY);
  assertEquals(next.url.href, "https://b.test/");
  assertEquals(headersOf(next), { authorization: `Basic ${btoa("ada:pass word")}` });
});

Deno.test("followRedirect() refuses to send a stream again", () => {
  for (const body of [new ReadableStream(), (async function* () {})() as unknown as BodyInit]) {
    for (const [method, status] of [["POST", 307], ["POST", 308], ["PUT", 301], ["PUT", 302]] as const) {
      const request = sent({ method, body });
      assertThrows(() => followRedirect(request, redirect("/", status), SUMMARY), NetworkError, "cannot be sent again");
    }
    for (const status of [301, 302, 303]) {
      const next = followRedirect(sent({ method: "POST", body }), redirect("/", status), SUMMARY);
      assertEquals([next.method, next.body], ["GET", undefined]);
    }
  }
});

Deno.test("followRedirect() keeps all else, and leaves the request as it was", () => {
  const rest = { credentials: "omit" } as const;
  const { signal } = new AbortController();
  const request = sent({ method: "POST", body: "body", rest, signal, prefetch: false });
  const copy = { ...request };
  const next = followRedirect(request, redirect("/x", 307), SUMMARY);
  assertEquals({ ...request }, copy);
  assertEquals(next.rest, rest);
  assertStrictEquals(next.signal, signal);
  assertStrictEquals(next.timeouts, request.timeouts);
  assertEquals([next.prefetch, next.maxRedirects, next.maxBodyBytes], [false, 6, 5]);
});

Deno.test("followRedirect() gives a Unix socket to no other origin", () => {
  const rest = { unix: "/run/a.sock", cache: "no-store" } as RequestInit;
  assertEquals(followRedirect(sent({ rest }), redirect("/x"), SUMMARY).rest, rest);
  const { rest: after } = followRedirect(sent({ rest }), redirect("https://b.test/"), SUMMARY);
  assertEquals(after as unknown, { cache: "no-store" });
});

Deno.test("followRedirect() lets no POST be repeated that became a GET", () => {
  const next = (changes: Partial<Outgoing>) => followRedirect(sent(changes), redirect("/x", 303), SUMMARY).repeatable;
  assertEquals(next({ method: "POST", repeatable: "refused" }), "never");
  assertEquals(next({ method: "PUT", repeatable: "always" }), "always");
  assertEquals(next({ method: "PUT", repeatable: "never" }), "never");
});

Deno.test("followRedirect() reads no option that every object inherits", () => {
  const polluted = { mode: "same-origin", referrer: "https://evil.test/", referrerPolicy: "no-referrer" };
  const headers = { location: "https://b.test/", "referrer-policy": "origin" };
  Object.assign(Object.prototype, polluted);
  try {
    for (const given of [{}, { cache: "no-store" } as const]) {
      const rest = own(given);
      const next = followRedirect(sent({ rest }), new Response(null, { status: 302, headers }), SUMMARY, true);
      assertEquals(next.rest, rest);
    }
  } finally {
    for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name);
  }
});

Deno.test("followRedirect() shows http no referrer of https, unless its policy was to", () => {
  const next = (referrer: string, before?: ReferrerPolicy) => {
    const rest = { referrer, ...(before && { referrerPolicy: before }) };
    const url = new URL("http://a.test/");
    return followRedirect(sent({ url, rest }), redirect("/x"), SUMMARY, true).rest?.referrer;
  };
  const referrer = "HTTPS://a.test/page?1";
  assertEquals(next(referrer), "");
  assertEquals(next(referrer, "strict-origin"), "");
  assertEquals(next(referrer, "strict-origin-when-cross-origin"), "");
  assertEquals(next(referrer, "no-referrer-when-downgrade"), "");
  assertEquals(next(referrer, "unsafe-url"), "https://a.test/page?1");
  assertEquals(next(referrer, "origin"), "https://a.test/");
  assertEquals(next(referrer, "origin-when-cross-origin"), "https://a.test/");
  assertEquals(next("http://a.test/page?1"), "http://a.test/page?1");
});

Deno.test("followRedirect() takes a Location that a mock gave as text as that", () => {
  const headers = { get: (name: string) => name === "location" ? "/\u0140" : null } as Headers;
  const response = { status: 302, headers } as Response;
  assertEquals(followRedirect(sent(), response, SUMMARY).url.pathname, encodeURI("/\u0140"));
});

Deno.test("followRedirect() stays at the origin where the mode says so", () => {
  const request = sent({ rest: { mode: "same-origin" } });
  assertEquals(followRedirect(request, redirect("/x"), SUMMARY).url.href, "https://a.test/x");
  const message = 'Cannot follow the redirect as "mode" is "same-origin", and it leads to another origin';
  assertThrows(() => followRedirect(request, redirect("https://b.test/"), SUMMARY), NetworkError, message);
});

Deno.test("followRedirect() takes over a redirect's Referrer-Policy, and no more of the referrer than was sent", () => {
  const next = (referrer: string, before: string | undefined, policy: string) => {
    const rest: RequestInit = { referrer, referrerPolicy: before as ReferrerPolicy };
    const response = new Response(null, { status: 302, headers: { location: "/x", "referrer-policy": policy } });
    const { rest: after } = followRedirect(sent({ rest }), response, SUMMARY);
    return [after?.referrer, after?.referrerPolicy];
  };
  const [here, there, plain] = ["https://a.test/page?1", "https://b.test/page?1", "https://a.test/"];
  assertEquals(next(here, undefined, "no-referrer"), [here, "no-referrer"]);
  assertEquals(next(here, "unsafe-url", "bogus, origin, other"), [here, "origin"]);
  assertEquals(next(here, "unsafe-url", "no-referrer, origin"), [here, "origin"]);
  assertEquals(next(here, "origin", "bogus"), [here, "origin"]);
  assertEquals(next("about:client", "origin", "unsafe-url"), ["about:client", "origin"]);
  assertEquals(next(here, "origin", "unsafe-url"), [plain, "unsafe-url"]);
  assertEquals(next(here, "strict-origin", "unsafe-url"), [plain, "unsafe-url"]);
  assertEquals(next(here, "no-referrer", "unsafe-url"), ["", "unsafe-url"]);
  assertEquals(next(here, "same-origin", "unsafe-url"), [here, "unsafe-url"]);
  assertEquals(next(there, "same-origin", "unsafe-url"), ["", "unsafe-url"]);
  assertEquals(next(there, undefined, "unsafe-url"), ["https://b.test/", "unsafe-url"]);
  assertEquals(next(there, "no-referrer-when-downgrade", "unsafe-url"), [there, "unsafe-url"]);
});

Deno.test("followRedirect() keeps no more of the referrer than was sent, if the platform cuts it", () => {
  const next = (referrer: string, policy?: ReferrerPolicy, cuts = true) => {
    const rest = { cache: "no-store", referrer, ...(policy && { referrerPolicy: policy }) } as RequestInit;
    const { rest: after } = followRedirect(sent({ rest }), redirect("/x"), SUMMARY, cuts);
    return [after?.referrer, after?.referrerPolicy, after?.cache];
  };
  const [here, there] = ["https://a.test/page?1", "https://b.test/page?1"];
  assertEquals(next(here), [here, "", "no-store"]);
  assertEquals(next(there), ["https://b.test/", "", "no-store"]);
  assertEquals(next(there, undefined, false), [there, undefined, "no-store"]);
  assertEquals(next(there, "unsafe-url"), [there, "unsafe-url", "no-store"]);
  assertEquals(next(there, "same-origin"), ["", "same-origin", "no-store"]);
  // No page sends the request, so it goes to another origin than the page's.
  assertEquals(next(here, "same-origin"), ["", "same-origin", "no-store"]);
  const plain = "https://a.test/";
  assertEquals(next(here, "origin-when-cross-origin"), [plain, "origin-when-cross-origin", "no-store"]);
  assertEquals(next(here, "strict-origin-when-cross-origin")[0], here);
  assertEquals(next("about:client"), ["about:client", undefined, "no-store"]);
});
