// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals } from "@std/assert";
import {
  causes,
  explain,
  findCode,
  isAbort,
  isCustom,
  isPermanent,
  isRefusal,
  neverSent,
  redact,
} from "../_internal/causes.ts";
import { printable } from "../_internal/options.ts";

const coded = (code: unknown, message = "", options?: ErrorOptions) =>
  Object.assign(new Error(message, options), { code });
const reset = coded("ECONNRESET", "read ECONNRESET");
const refused = coded("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:80");

/** Causes that form a ring, of this many errors. */
function ring(size: number, first = new Error("0")): Error {
  let last = first;
  for (let i = 1; i < size; i++) last = new Error(`${i}`, { cause: last });
  first.cause = last;
  return last;
}

const url = new URL("https://example.com/a?token=s3cret#s3cret");
const throws = () => {
  throw new Error("a trap");
};
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

/** What a hostile or careless `fetch` may reject with. */
const HOSTILE: Record<string, unknown> = {
  "undefined": undefined,
  "null": null,
  "a string": "https://example.com/a?token=s3cret",
  "a symbol": Symbol("a"),
  "a function": throws,
  "an object without a prototype": Object.create(null),
  "a ring of one": ring(1),
  "a ring of two": ring(2),
  "a ring of a thousand": ring(1000),
  "an AggregateError that has itself": (() => {
    const error = new AggregateError([], "a");
    error.errors.push(error, ring(2));
    return error;
  })(),
  "an AggregateError with a million errors": new AggregateError(new Array(1_000_000).fill(reset)),
  "errors that are no array": Object.assign(new Error(), { errors: { length: 1e9, 0: reset } }),
  "a cause that is new at each look": (() => {
    const error = () => Object.defineProperty(new Error("a"), "cause", { get: error });
    return error();
  })(),
  "getters that throw": Object.defineProperties(new Error(), {
    cause: { get: throws },
    code: { get: throws },
    message: { get: throws },
    stack: { get: throws, set: throws },
    errors: { get: throws },
    path: { get: throws, enumerable: true },
  }),
  "a setter that throws": Object.defineProperty(new Error(), "message", { get: () => url.search, set: throws }),
  "a frozen error": Object.freeze(new Error(`at ${url}`)),
  "a proxy whose traps throw": new Proxy(new Error(), { get: throws, has: throws, ownKeys: throws, set: throws }),
  "a proxy whose keys cannot be listed": new Proxy(new Error(`at ${url}`), { ownKeys: throws, set: throws }),
  "a revoked proxy": revoked,
  "errors that are a revoked proxy": Object.assign(new Error(), { errors: revoked }),
  "a code that is an object": coded({ toString: throws }),
  "a message that is an object": Object.assign(new Error(), { message: { toString: throws } }),
};

for (const [what, thrown] of Object.entries(HOSTILE)) {
  Deno.test(`causes() and all that use it survive ${what}`, () => {
    const start = performance.now();
    assert(causes(thrown).length <= 100);
    findCode(thrown);
    explain(thrown);
    neverSent(thrown);
    isRefusal(thrown);
    redact(thrown, url);
    assert(performance.now() - start < 10_000);
  });
}

Deno.test("causes() gives each error once, the outer ones first", () => {
  const error = new TypeError("fetch failed", { cause: new AggregateError([reset, refused, reset], "both") });
  assertEquals(causes(error), [error, error.cause, reset, refused] as object[]);
  const last = ring(3);
  assertEquals(causes(last).map((error) => (error as Error).message), ["2", "1", "0"]);
  assertEquals(causes({ message: "an error of another realm", cause: reset }).length, 2);
});

Deno.test("findCode() and explain() see an error in a ring", () => {
  const error = ring(5, coded("ECONNREFUSED"));
  assertEquals([findCode(error), explain(error)], ["ECONNREFUSED", "The server refuses connections"]);
});

const DENO = "error sending request for url (https://a.test/): client error (Connect): ";
const PEER = `${DENO}invalid peer certificate: `;
const CODES: [error: unknown, code: string | undefined, unsent: boolean][] = [
  [refused, "ECONNREFUSED", true],
  [new TypeError("fetch failed", { cause: refused }), "ECONNREFUSED", true],
  [coded("ConnectionRefused", "Unable to connect. Is the computer able to access the url?"), "ECONNREFUSED", true],
  [new Error(`${DENO}tcp connect error: Connection refused (os error 111)`), "ECONNREFUSED", true],
  [new Error(`${DENO}tcp connect error: Aktiv abgelehnt. (os error 10061)`), "ECONNREFUSED", true],
  [new Error(`${DENO}dns error: failed to lookup address information: Name or service not known`), "ENOTFOUND", true],
  [new Error(`${DENO}dns error: failed to lookup: Temporary failure in name resolution`), "EAI_AGAIN", true],
  [coded("ENOTFOUND", "getaddrinfo ENOTFOUND a.test"), "ENOTFOUND", true],
  [coded("EAI_AGAIN", "getaddrinfo EAI_AGAIN a.test"), "EAI_AGAIN", true],
  [new Error(`${DENO}tcp connect error: Network is unreachable (os error 101)`), "ENETUNREACH", true],
  [new Error(`${DENO}tcp connect error: No route to host (os error 113)`), "EHOSTUNREACH", true],
  [new Error(`${DENO}tcp connect error: Connection timed out (os error 110)`), "ETIMEDOUT", true],
  [coded("UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error"), "ETIMEDOUT", true],
  [coded("ETIMEDOUT", "connect ETIMEDOUT 10.0.0.1:80"), "ETIMEDOUT", true],
  [coded("ETIMEDOUT", "read ETIMEDOUT"), "ETIMEDOUT", false],
  [coded("UND_ERR_HEADERS_TIMEOUT", "Headers Timeout Error"), "ETIMEDOUT", false],
  [coded("ENETUNREACH", "ENETUNREACH: Was there a typo in the url or port?"), "ENETUNREACH", true],
  [coded("EHOSTUNREACH", "read EHOSTUNREACH"), "EHOSTUNREACH", false],
  [reset, "ECONNRESET", false],
  [coded("ECONNRESET", "connect ECONNRESET 127.0.0.1:80"), "ECONNRESET", true],
  [coded("UND_ERR_SOCKET", "other side closed"), "ECONNRESET", false],
  [coded("ConnectionClosed", "The socket connection was closed unexpectedly"), "ECONNRESET", false],
  [new Error("Connection reset by peer (os error 104)"), "ECONNRESET", false],
  [new Error("client error (SendRequest): connection closed before message completed"), "ECONNRESET", false],
  [new Error(`${DENO}tls handshake eof`), "ECONNRESET", true],
  [
    coded("ECONNRESET", "Client network socket disconnected before secure TLS connection was established"),
    "ECONNRESET",
    true,
  ],
  [coded("EPIPE", "write EPIPE"), "EPIPE", false],
  [new Error("Broken pipe (os error 32)"), "EPIPE", false],
  [coded("EPROTO", "The TLS handshake failed"), "EPROTO", false],
  [new Error(`${DENO}received corrupt message of type InvalidContentType`), "EPROTO", true],
  [coded("ERR_SSL_WRONG_VERSION_NUMBER"), "ERR_SSL_WRONG_VERSION_NUMBER", true],
  [coded("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"), "DEPTH_ZERO_SELF_SIGNED_CERT", true],
  [coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "UNABLE_TO_VERIFY_LEAF_SIGNATURE", true],
  [new Error(`${PEER}UnknownIssuer`), "UNABLE_TO_VERIFY_LEAF_SIGNATURE", true],
  [new Error(`${PEER}certificate expired: verification time 2 (UNIX)`), "CERT_HAS_EXPIRED", true],
  [new Error(`${PEER}certificate not valid yet: verification time 2`), "CERT_NOT_YET_VALID", true],
  [new Error(`${PEER}certificate not valid for name "127.0.0.1"`), "ERR_TLS_CERT_ALTNAME_INVALID", true],
  [coded("ERR_TLS_CERT_ALTNAME_INVALID"), "ERR_TLS_CERT_ALTNAME_INVALID", true],
  // The server says this about the client's certificate, and may have read the request.
  [coded("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"), "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", false],
  [new Error('Requires net access to "a.test:443", run again with the --allow-net flag'), "ERR_ACCESS_DENIED", true],
  [new Error(`${DENO}Requires net access to "127.0.0.1:80", run again with`), "ERR_ACCESS_DENIED", true],
  [new TypeError("fetch failed", { cause: new Error("bad port") }), "ERR_UNSAFE_PORT", true],
  [new TypeError("Fetch failed: Requests to port 25 are blocked"), "ERR_UNSAFE_PORT", true],
  // happy-dom quotes Node's message, and leaves out its code.
  [new Error('Failed to execute "fetch()": connect ECONNREFUSED 127.0.0.1:80'), "ECONNREFUSED", true],
  [new Error('Failed to execute "fetch()": getaddrinfo ENOTFOUND a.test'), "ENOTFOUND", true],
  [new Error('Failed to execute "fetch()": read ECONNRESET'), "ECONNRESET", false],
  [coded("Malformed_HTTP_Response"), undefined, false],
  [coded("ZlibError"), undefined, false],
  [coded(20, "a DOMException has a number"), undefined, false],
  [new Error("error reading a body from connection"), undefined, false],
  [new Error("Network connection lost."), undefined, false],
  // A URL cannot say it, because it has no spaces.
  [new Error("error sending request for url (https://a.test/Connection%20refused)"), undefined, false],
  // Several attempts: one of them was sent.
  [new AggregateError([refused, reset]), "ECONNREFUSED", false],
  [new AggregateError([refused, coded("ENETUNREACH", "connect ENETUNREACH ::1:80")]), "ECONNREFUSED", true],
  [new Error("the second attempt", { cause: new Error("the first", { cause: reset }) }), "ECONNRESET", false],
  [coded("ECONNREFUSED", "the second attempt", { cause: reset }), "ECONNREFUSED", false],
];

for (const [error, code, unsent] of CODES) {
  const { message, code: given = "", name } = error as Error & { code?: string };
  Deno.test(`findCode() and neverSent(): ${name} ${String(given)} ${message}`, () => {
    assertEquals([findCode(error), neverSent(error)], [code, unsent]);
    assert(!unsent || explain(error) !== undefined);
  });
}

Deno.test("isPermanent() is true of certificates, TLS and permissions, and of nothing that passes", () => {
  for (
    const code of [
      "CERT_HAS_EXPIRED",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "EPROTO",
      "ERR_ACCESS_DENIED",
      "ERR_UNSAFE_PORT",
    ]
  ) {
    assertEquals(isPermanent(code), true, code);
  }
  for (const code of [undefined, "ECONNREFUSED", "ENOTFOUND", "ECONNRESET", "ETIMEDOUT", "HPE_INVALID_CONSTANT"]) {
    assertEquals(isPermanent(code), false, code);
  }
});

Deno.test("redact() takes the query and the fragment out of all that an error quotes, in all its causes", () => {
  const inner = Object.assign(new Error(`for url (${url})`), { path: String(url), port: 1, input: { url } });
  const other = new Error(`for url (${url})`);
  const error = new TypeError("fetch failed", { cause: new AggregateError([inner, other]) });
  other.cause = error;
  redact(error, url);
  for (const { message, stack } of [inner, other]) {
    assertEquals(message, "for url (https://example.com/a?…)");
    assert(!stack!.includes("s3cret"));
  }
  assertEquals([inner.path, inner.port, inner.input], ["https://example.com/a?…", 1, { url }]);
});

Deno.test("redact() removes what Node's parser quotes of the response, whether it has a code or not", () => {
  for (const code of ["HPE_INVALID_HEADER_TOKEN", undefined]) {
    const cause = Object.assign(coded(code), { name: "HTTPParserError", data: "set-cookie: s3cret\r\n" });
    redact(new TypeError("terminated", { cause }), new URL("https://example.com/"));
    assert(!("data" in cause));
  }
  const mine = Object.assign(new Error("mine"), { data: "kept" });
  redact(mine, url);
  assertEquals(mine.data, "kept");
});

Deno.test("redact() takes out each quotation, also from a stack that was looked at, and if there is but a fragment", () => {
  const hash = new URL("https://example.com/a#s3cret");
  for (const secret of [url, hash]) {
    const error = new Error(`from ${secret} to ${secret}`);
    assert(error.stack!.includes("s3cret"));
    redact(error, secret);
    const shown = secret === url ? "https://example.com/a?…" : "https://example.com/a";
    assertEquals(error.message, `from ${shown} to ${shown}`);
    assert(!error.stack!.includes("s3cret"));
  }
});

Deno.test("redact() does not mind what Node's parser quotes if that cannot be removed", () => {
  const error = new Proxy(Object.assign(new Error(`at ${url}`), { name: "HTTPParserError" }), {
    deleteProperty: throws,
  });
  redact(error, url);
  assertEquals(error.message, "at https://example.com/a?…");
});

Deno.test("redact() goes on where a property cannot be read or changed", () => {
  const error = new Error(`at ${url}`);
  Object.defineProperty(error, "first", { get: throws, enumerable: true });
  Object.assign(error, { path: String(url) });
  redact(error, url);
  assertEquals([error.message, Reflect.get(error, "path")], ["at https://example.com/a?…", "https://example.com/a?…"]);
});

Deno.test("printable() escapes what is not printable, and nothing else", () => {
  assertEquals(printable("\x1b[31m\r\n\t\x00\x7f\x9b"), "\\u{1b}[31m\\u{d}\\u{a}\\u{9}\\u{0}\\u{7f}\\u{9b}");
  assertEquals(
    printable("\u2028\u2029\u202e\u2066\u200f\u061c\ufeff"),
    "\\u{2028}\\u{2029}\\u{202e}\\u{2066}\\u{200f}\\u{61c}\\u{feff}",
  );
  assertEquals(printable("\ud800 \u{e0041}"), "\\u{d800} \\u{e0041}");
  const text = 'Not Found "é" 日本語 🎉 \\ %0A';
  assertEquals(printable(text), text);
});

Deno.test("findCode() knows the words of Windows, of older Deno and of clients that leave out the code", () => {
  const codes: [words: string, code: string | undefined][] = [
    ["error (os error 10061)", "ECONNREFUSED"],
    ["error (os error 10054)", "ECONNRESET"],
    ["error (os error 10060)", "ETIMEDOUT"],
    ["error (os error 10051)", "ENETUNREACH"],
    ["error (os error 10065)", "EHOSTUNREACH"],
    ["invalid peer certificate: Expired", "CERT_HAS_EXPIRED"],
    ["invalid peer certificate: NotValidYet", "CERT_NOT_YET_VALID"],
    ["invalid peer certificate: NotValidForName", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["client error (Connect): received fatal alert: HandshakeFailure", "EPROTO"],
    ["client error (SendRequest): received fatal alert: BadRecordMac", undefined],
    ["Failed to execute: write EPIPE", "EPIPE"],
    ["a page that Requires net access to a", undefined],
  ];
  for (const [words, code] of codes) assertEquals([words, findCode(new Error(words))], [words, code]);
  assertEquals(isPermanent("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"), true);
  assertEquals(
    explain(new Error("Unable to connect. Is the computer able to access the url?")),
    "Cannot connect to the server",
  );
});

Deno.test("causes() and neverSent() take for errors what has a message, and know nothing of a ring", () => {
  assertEquals([causes({}), causes({ message: 1 }).length], [[], 1]);
  assertEquals([ring(1), ring(2), {}, "text", undefined].map(neverSent), [false, false, false, false, false]);
});

Deno.test("isAbort() knows an abort and a timeout by their names", () => {
  const names = ["AbortError", "TimeoutError", "NoAbortError", "TimeoutErrors"];
  assertEquals(names.map((name) => isAbort({ name })), [true, true, false, false]);
  assertEquals([undefined, "AbortError", revoked].map(isAbort), [false, false, false]);
});

Deno.test("isCustom() knows the user's own classes, unless their errors are of the network", () => {
  class Own extends Error {}
  assertEquals([new Own("mine"), new Error("a"), new DOMException("a")].map(isCustom), [true, false, false]);
  assertEquals([coded("ECONNRESET"), Object.assign(new Own(), { code: "ECONNRESET" })].map(isCustom), [false, false]);
  assertEquals(isCustom(new Own("Unable to connect. Is the computer able to access the url?")), false);
  assertEquals(isCustom(new Own("a", { cause: reset })), false);
  assertEquals(isCustom(Object.assign(new Own(), { code: "TOKEN_EXPIRED" })), true);
  class Redirect {
    location = "/login";
  }
  const digest = Object.assign(new Error("NEXT_REDIRECT"), { digest: "NEXT_REDIRECT;replace;/login;307;" });
  assertEquals([new Redirect(), new Response(), digest].map(isCustom), [true, true, true]);
  class Progress extends Event {}
  const parser = Object.assign(new Own(), { code: "HPE_INVALID_CONSTANT" });
  assertEquals([{}, [], new Progress("error"), parser].map(isCustom), [false, false, false, false]);
  class Thrown {
    message = "mine";
  }
  assertEquals([new Thrown(), undefined, "text", HOSTILE["a proxy whose traps throw"]].map(isCustom), [
    ...[false, false, false, false],
  ]);
});

Deno.test("isRefusal() tells a refused argument from a failure of the network", () => {
  const refusals: unknown[] = [
    new TypeError("Argument 2 `client` must be a Deno.HttpClient"),
    Object.assign(new TypeError("fetch() proxy URL is invalid"), { code: "ERR_INVALID_ARG_VALUE" }),
    Object.assign(new Error("ENOENT: no such file or directory, open '/a'"), { code: "ENOENT" }),
    Object.assign(new Error("EISDIR: illegal operation on a directory, read"), { code: "EISDIR" }),
  ];
  for (const error of refusals) assert(isRefusal(error), String(error));
  const others: unknown[] = [
    new TypeError("fetch failed", { cause: new Error("other side closed") }),
    new TypeError("Requests to port 1 are blocked"),
    Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" }),
    Object.assign(new TypeError("Unable to connect"), { code: "ConnectionRefused" }),
    Object.assign(new TypeError("The response is malformed"), { code: "Malformed_HTTP_Response" }),
    new RangeError("no"),
    "text",
    undefined,
  ];
  for (const error of others) assert(!isRefusal(error), String(error));
});
