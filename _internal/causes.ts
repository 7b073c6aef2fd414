// Copyright 2026 the Hangup authors. MIT license.

/**
 * The runtimes' own errors: what they mean, and what they must not show. Any code may have thrown
 * them, so nothing here relies on their shape, and nothing here throws or loops without end.
 *
 * @module
 */

import { isObject, isPlainObject, printable, tagOf } from "./options.ts";

/** Node's codes for failures, with the words by which other runtimes report the same failure. */
const CODES: readonly [code: string, words: RegExp][] = [
  // The words contain a space, so they cannot be a part of a URL that the message quotes.
  ["ECONNREFUSED", /^ConnectionRefused:|Connection refused|os error 10061/],
  ["ECONNRESET", /^UND_ERR_SOCKET:|^Connection(?:Closed|Reset):|Connection reset|os error 10054/],
  ["ECONNRESET", /connection closed before message|tls handshake eof/],
  ["EPIPE", /Broken pipe/],
  ["ETIMEDOUT", /^UND_ERR_\w+_TIMEOUT:|timed out \(os error|os error 10060/],
  ["ENETUNREACH", /Network is unreachable|os error 10051/],
  ["EHOSTUNREACH", /No route to host|os error 10065/],
  ["EAI_AGAIN", /dns error: .*Temporary failure/],
  ["ENOTFOUND", /dns error: /],
  ["CERT_HAS_EXPIRED", /peer certificate: (?:certificate e|E)xpired/],
  ["CERT_NOT_YET_VALID", /peer certificate: (?:certificate not valid yet|NotValidYet)/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", /peer certificate: (?:certificate not valid for|NotValidForName)/],
  // Deno does not tell a self-signed certificate from one whose issuer is unknown. Node does, but
  // this is true of both.
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", /peer certificate: UnknownIssuer/],
  ["EPROTO", /\(Connect\): received (?:corrupt|fatal)/],
  ["ERR_UNSAFE_PORT", /^\w*: bad port$|Requests to port \d+ are blocked/],
  ["ERR_ACCESS_DENIED", /^\w*: Requires net access |\(Connect\): Requires net access /],
];

/**
 * Matches codes that look like Node's. It leaves out undici's `UND_ERR_SOCKET` and the like, which
 * {@linkcode CODES} translates.
 */
const NODE_CODE = /^(?!UND_ERR_(?:SOCKET|\w+_TIMEOUT)$)[A-Z][A-Z\d_]+$/;

/**
 * Matches Node's own message within that of a `fetch` which leaves out the code, as happy-dom's
 * does.
 */
const QUOTED_CODE = / (?:connect|getaddrinfo|read|write) (E[A-Z]+)\b/;

/** What failed, for each of Node's codes. If `stays` is true, another try does not help. */
const FAILURES: readonly [what: string, codes: RegExp, stays: boolean][] = [
  ["The server refuses connections", /^ECONNREFUSED$/, false],
  ["The connection timed out", /^ETIMEDOUT$/, false],
  ["The host name does not resolve", /^ENOTFOUND$|^EAI_/, false],
  // Node's ERR_SSL_… codes are not about the server's certificate: the server reports them about
  // the client's.
  ["The server's certificate is not trusted", /^(?!ERR_SSL_).*CERT|^UNABLE_TO_/, true],
  ["The server does not speak TLS, or refuses the handshake", /^EPROTO$|^ERR_SSL_.*(?:_VERSION|HANDSHAKE)/, true],
  ["The program has no permission to reach the server", /^ERR_ACCESS_DENIED$/, true],
  ["The Fetch standard blocks the port", /^ERR_UNSAFE_PORT$/, true],
];

/**
 * Matches errors that say that there was no connection yet. The code alone is not enough: an open
 * connection can also be lost with `EHOSTUNREACH` or `ECONNRESET`.
 */
const CONNECTING =
  /^UND_ERR_CONNECT_|^\w*: connect E|client error \(Connect\)|Unable to connect|typo in the url|before secure TLS connection/;

/** The largest number of errors to look at, because a getter may create a new cause each time. */
const MAX_ERRORS = 100;

/** The result of `work`, or `undefined` if it throws, as getters and proxies may. */
export function resultOf<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

const read = (error: object, key: string): unknown => resultOf(() => Reflect.get(error, key));

/** Returns a property that is a string, or an empty string in place of any other. */
function readText(error: object, key: string): string {
  const value = read(error, key);
  return typeof value === "string" ? value : "";
}

/**
 * Returns the thrown error, its causes, and the errors of an `AggregateError`, each once, outer
 * errors first. An error is any object with a message, because an error of another realm is not an
 * instance of `Error` here.
 */
export function causes(thrown: unknown): object[] {
  const found = new Set<object>();
  const add = (value: unknown) => {
    if (found.size < MAX_ERRORS && isObject(value) && resultOf(() => "message" in value)) found.add(value);
  };
  add(thrown);
  // A Set also iterates over what is added meanwhile, and adds nothing twice.
  for (const error of found) {
    add(read(error, "cause"));
    resultOf(() => {
      const errors = read(error, "errors");
      if (Array.isArray(errors)) errors.slice(0, MAX_ERRORS).forEach(add);
    });
  }
  return [...found];
}

/** Returns the code and the message of an error, such as `ENOENT: no such file`. */
function textOf(error: object): string {
  return `${readText(error, "code")}: ${readText(error, "message")}`;
}

function codeOf(error: object): string | undefined {
  const code = readText(error, "code");
  if (NODE_CODE.test(code)) return code;
  const text = textOf(error);
  return CODES.find(([, words]) => words.test(text))?.[0] ?? QUOTED_CODE.exec(text)?.[1];
}

/**
 * Returns Node's code for the thrown error, if it is known: `ECONNREFUSED`, `ENOTFOUND`,
 * `CERT_HAS_EXPIRED`.
 */
export function findCode(thrown: unknown): string | undefined {
  return causes(thrown).map(codeOf).find((code) => code !== undefined);
}

const findFailure = (code = "") => FAILURES.find(([, codes]) => codes.test(code));

/** Whether another try would fail in the same way. */
export function isPermanent(code: string | undefined): boolean {
  return findFailure(code)?.[2] === true;
}

/** Matches the codes that HTTP clients give their failures of the network. */
const NETWORK_CODE = /^(?:E[A-Z\d]+$|(?:ERR|UND_ERR|HPE|Z|UNABLE_TO|INVALID)_|HOSTNAME_MISMATCH$)|CERT/;

/**
 * Whether a wrapper or a hook has thrown this on purpose, so that it is no failure of the network:
 * what is of a class of its own, a `Response`, and the errors by which React's servers redirect,
 * which have a `digest`.
 *
 * The errors of another HTTP client have classes of their own too, but its failures of the network
 * have a code.
 */
export function isCustom(thrown: unknown): boolean {
  // Proxies and accessors may throw. An error with those does not count.
  return resultOf(() => {
    if (!isObject(thrown) || NETWORK_CODE.test(findCode(thrown) ?? "") || explain(thrown) !== undefined) return false;
    if ("digest" in thrown || isResponse(thrown)) return true;
    // The class of an error, event or object of another realm is not global here either.
    const isForeign = "message" in thrown || "target" in thrown || isPlainObject(thrown);
    if (!(thrown instanceof Error) && isForeign) return false;
    return Reflect.get(globalThis, thrown.constructor.name) !== thrown.constructor;
  }) === true;
}

/** Whether a wrapper has thrown a `Response`, as the loaders of some frameworks do. */
export function isResponse(thrown: unknown): boolean {
  return resultOf(() => tagOf(thrown)) === "[object Response]"; // a proxy may throw
}

/** Whether an error says that a signal has aborted, or has timed out. */
export function isAbort(thrown: unknown): boolean {
  return /^(?:Abort|Timeout)Error$/.test(readText(thrown as Error, "name"));
}

/** Matches what Bun says if it cannot open or read the file that is the body. */
const NO_FILE = /^E[A-Z]+: .*, (?:open|read)\b/;

/**
 * Whether the own `fetch` of Deno, Bun or Node has refused its arguments, so that nothing was sent.
 * Their failures of the network have a cause or a code.
 */
export function isRefusal(thrown: unknown): boolean {
  return resultOf(() => {
    if (NO_FILE.test(readText(thrown as Error, "message"))) return true;
    if (!(thrown instanceof TypeError) || thrown.cause !== undefined) return false;
    const code = readText(thrown, "code");
    return code === "" ? codeOf(thrown) === undefined : /^ERR_INVALID_ARG_/.test(code);
  }) === true;
}

/** What went wrong, in a few words, if that is known. */
export function explain(thrown: unknown): string | undefined {
  const failure = findFailure(findCode(thrown));
  if (failure) return failure[0];
  return causes(thrown).some((error) => CONNECTING.test(textOf(error))) ? "Cannot connect to the server" : undefined;
}

/**
 * Whether it is certain that the request was not sent. Every root cause must say so, because the
 * errors of an `AggregateError` may be those of several attempts.
 */
export function neverSent(thrown: unknown): boolean {
  const roots = causes(thrown).filter((error) => causes(error).length === 1);
  return roots.length > 0 && roots.every((error) => {
    const code = codeOf(error);
    // These may also come after the request was sent: on Bun, every TLS failure is EPROTO.
    return CONNECTING.test(textOf(error)) || findFailure(code) !== undefined && !/^(?:EPROTO|ETIMEDOUT)$/.test(code!);
  });
}

/**
 * Escapes the message of an error that quotes what a server has sent, as a JSON parser's does. It
 * would otherwise control the terminal that shows it.
 */
export function escapeMessage(error: Error): void {
  const { message, stack } = error;
  const shown = printable(message);
  if (shown === message) return;
  error.message = shown;
  if (stack !== undefined) error.stack = stack.replace(message, () => shown);
}

/**
 * Removes the query and the fragment of the URL from a runtime's own error, which may quote the
 * whole URL: Deno does in its message, Bun in a property. Also removes the part of the response
 * that Node's parser quotes, because it may contain a cookie.
 *
 * @param thrown The thrown error. It and its causes are changed in place, if they can be changed.
 * @param url The URL of the request, without credentials.
 */
export function redact(thrown: unknown, { search, hash }: URL): void {
  for (const error of causes(thrown)) {
    // Check the name, because from Node 24 on this error has no code.
    if (read(error, "name") === "HTTPParserError") resultOf(() => Reflect.deleteProperty(error, "data"));
    if (search === "" && hash === "") continue;
    for (const key of new Set(["message", "stack", ...resultOf(() => Object.keys(error)) ?? []])) {
      const value = readText(error, key);
      // An empty hash changes nothing here. An empty query would.
      let shown = value.replaceAll(hash, "");
      if (search !== "") shown = shown.replaceAll(search, "?…");
      if (shown !== value) resultOf(() => Reflect.set(error, key, shown));
    }
  }
}
