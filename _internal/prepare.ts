// Copyright 2026 the Hangup authors. MIT license.

/**
 * From what a caller gives to what is sent: arguments are checked here, before a connection is asked for.
 *
 * @module
 */

import type { CookieJar } from "../cookies.ts";
import type { SessionRequestInit, Timeouts } from "../request.ts";
import { describe, own, refuse } from "./options.ts";
import { isStream } from "./upload.ts";

/** What a session adds to each of its requests. */
export interface RequestDefaults {
  readonly baseUrl: URL | undefined;
  readonly headers: Headers | undefined;
  readonly timeouts: Required<Timeouts>;
  readonly maxBodyBytes: number;
  readonly maxRedirects: number;
  readonly jar: CookieJar | undefined;
}

/** A request that is ready to be sent: checked, and complete. */
export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  /** `undefined` for none, as most requests have none, and thousands may wait. */
  readonly headers: Headers | undefined;
  readonly body: BodyInit | null | undefined;
  /** Whether the body is the stream of a `Request`, and so may be in memory already. */
  readonly settle: boolean;
  readonly prefetch: boolean;
  readonly redirect: RequestRedirect;
  readonly signal: AbortSignal | null | undefined;
  readonly timeouts: Required<Timeouts>;
  readonly maxBodyBytes: number;
  readonly maxRedirects: number;
  readonly jar: CookieJar | undefined;
  /** What is passed on to `fetch` as it is: `credentials`, `cache`, a runtime's own options. */
  readonly rest: RequestInit | undefined;
}

const TIMEOUT_PHASES = ["queue", "headers", "idle", "total"] as const;

/** Methods that every runtime knows. */
const USUAL_METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;

/** Headers that frame the message. They are the runtime's to set: a wrong one would smuggle a second request. */
const FRAMING_HEADERS = ["content-length", "transfer-encoding", "expect", "keep-alive", "te", "trailer", "upgrade"];

/** What a `Request` has that is passed on, with the value that need not be. */
const REQUEST_DEFAULTS = {
  cache: "default",
  credentials: "same-origin",
  integrity: "",
  keepalive: false,
  mode: "cors",
  referrer: "about:client",
  referrerPolicy: "",
} as const;

/**
 * Checks the arguments of a request and completes them with the session's defaults.
 *
 * @throws {TypeError} If an argument is of a wrong type or form, or two of them exclude each other.
 * @throws {RangeError} If a number is out of its range.
 */
export function prepare(
  input: string | URL | Request,
  init: SessionRequestInit | undefined,
  fixedMethod: string | undefined,
  defaults: RequestDefaults,
): Outgoing {
  const request = input instanceof Request ? input : undefined;
  const {
    method: name,
    headers: given,
    body: content,
    prefetch,
    json,
    query,
    timeout,
    maxBodyBytes,
    maxRedirects,
    redirect,
    signal,
    ...rest
  } = own(init ?? {});
  if (request) inherit(rest, request);

  const method = normalizeMethod(fixedMethod ?? name ?? request?.method ?? "GET");
  const url = resolve(request ? request.url : input as string | URL, defaults.baseUrl);
  let headers = takeCredentials(url, mergeHeaders(defaults.headers, given ?? request?.headers));
  if (query !== undefined) addQuery(url, query);

  let body = content ?? (request && content === undefined ? request.body : undefined);
  if (body instanceof ReadableStream && (body.locked || body === request?.body && request.bodyUsed)) {
    throw new TypeError("Cannot send the request as its body is being read or has been read already");
  }
  if (json !== undefined) {
    if (body !== null && body !== undefined) {
      throw new TypeError('Cannot send the request as "json" and "body" exclude each other');
    }
    body = JSON.stringify(json);
    if (body === undefined) throw new TypeError(`Cannot send the request as "json" is not JSON: ${typeof json}`);
    headers ??= new Headers();
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
  }
  if (body !== null && body !== undefined && (method === "GET" || method === "HEAD")) {
    throw new TypeError(`Cannot send the request as a ${method} request has no body`);
  }

  return {
    method,
    url,
    headers,
    body,
    settle: request !== undefined && isStream(body),
    prefetch: prefetch !== false,
    redirect: checkRedirect(redirect ?? request?.redirect ?? "follow"),
    signal: checkSignal(signal === undefined ? request?.signal : signal),
    timeouts: timeout === undefined ? defaults.timeouts : mergeTimeouts(defaults.timeouts, timeout),
    maxBodyBytes: maxBodyBytes === undefined ? defaults.maxBodyBytes : checkLimit("maxBodyBytes", maxBodyBytes),
    maxRedirects: maxRedirects === undefined ? defaults.maxRedirects : checkLimit("maxRedirects", maxRedirects),
    jar: defaults.jar,
    rest: init || request ? rest : undefined,
  };
}

/**
 * Checks timeouts and completes them.
 *
 * @throws {TypeError} If one is not a number.
 * @throws {RangeError} If one is not positive.
 */
export function mergeTimeouts(
  defaults: Required<Timeouts>,
  timeout: number | Timeouts | undefined,
): Required<Timeouts> {
  if (timeout === undefined) return defaults;
  const given: Timeouts = typeof timeout === "object" && timeout !== null ? timeout : { total: timeout };
  const merged = { ...defaults };
  for (const phase of TIMEOUT_PHASES) {
    const value = Object.hasOwn(given, phase) ? given[phase] : undefined;
    if (value === undefined) continue;
    const option = given === timeout ? `timeout.${phase}` : "timeout";
    if (typeof value !== "number" || !(value > 0)) refuse(`"${option}"`, "a positive number of milliseconds", value);
    merged[phase] = value;
  }
  return merged;
}

/**
 * Checks a limit.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is neither a non-negative integer nor `Infinity`.
 */
export function checkLimit(option: string, value: number): number {
  if (value !== Infinity && !(Number.isInteger(value) && value >= 0)) {
    refuse(`"${option}"`, "a non-negative integer or Infinity", value);
  }
  return value;
}

/**
 * Makes `Headers` of what a caller gives.
 *
 * @throws {TypeError} If a name or a value is not valid. The value is not shown, as it may be a secret.
 */
export function parseHeaders(given: HeadersInit | undefined): Headers {
  if (given === undefined) return new Headers();
  let headers: Headers;
  try {
    headers = new Headers(given);
  } catch {
    throw new TypeError(`Cannot send the request as "headers" is not valid: ${describeBadHeader(given)}`);
  }
  for (const name of FRAMING_HEADERS) headers.delete(name);
  return headers;
}

function describeBadHeader(given: HeadersInit | undefined): string {
  const entries = given && !(given instanceof Headers) ? Object.entries(given) : [];
  for (const [key, value] of entries) {
    const [name, content] = Array.isArray(value) ? value : [key, value];
    try {
      new Headers([[name, content]]);
    } catch {
      return `the name or value of ${JSON.stringify(name)}`;
    }
  }
  // A string may be a whole header.
  return given === null ? "null" : typeof given;
}

function normalizeMethod(method: string): string {
  if (USUAL_METHOD.test(method)) return method;
  if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(method)) {
    throw new TypeError(`Cannot send the request as "method" is not a token: received ${JSON.stringify(method)}`);
  }
  const upper = method.toUpperCase();
  if (/^(?:CONNECT|TRACE|TRACK)$/.test(upper)) {
    throw new TypeError(`Cannot send the request as "method" is forbidden by the Fetch standard: received "${upper}"`);
  }
  if (!isKnown(upper)) {
    throw new TypeError(`Cannot send the request as the runtime does not know its method: received "${upper}"`);
  }
  return upper;
}

/** Of a method that it does not know Bun makes a GET, and workerd an error. */
function isKnown(method: string): boolean {
  try {
    return new Request("http://localhost", { method }).method === method;
  } catch {
    return false;
  }
}

function checkRedirect(redirect: RequestRedirect): RequestRedirect {
  if (redirect !== "follow" && redirect !== "manual" && redirect !== "error") {
    throw new TypeError(`"redirect" must be "follow", "manual" or "error": received ${describe(redirect)}`);
  }
  return redirect;
}

function checkSignal(signal: AbortSignal | null | undefined): AbortSignal | null | undefined {
  if (signal === undefined || signal === null || typeof signal.aborted === "boolean") return signal;
  throw new TypeError(`"signal" must be an AbortSignal: received ${describe(signal)}`);
}

/** Shows nothing of a URL but its scheme, because a password may stand anywhere in one that is malformed. */
function resolve(input: string | URL, baseUrl: URL | undefined): URL {
  let url: URL;
  try {
    url = new URL(input, baseUrl);
  } catch {
    const isText = typeof input === "string";
    const scheme = isText ? /^[\0- ]*([a-z][a-z\d+.-]*):/i.exec(input)?.[1]!.toLowerCase() : undefined;
    const problem = scheme || baseUrl ? "cannot be parsed" : 'is not absolute and there is no "baseUrl"';
    const shown = isText ? /^https?$/.test(scheme ?? "") && `"${scheme}:…"` : describe(input);
    throw new TypeError(`Cannot send the request as the URL ${problem}${shown ? `: received ${shown}` : ""}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    // In "ada:secret@example.com" the name of the user is the scheme.
    const shown = /^[^:]*:(?!\/\/).*@/.test(url.href) ? "" : `: received "${url.protocol}"`;
    throw new TypeError(`Cannot send the request as the URL's scheme is not http or https${shown}`);
  }
  return url;
}

function mergeHeaders(defaults: Headers | undefined, given: HeadersInit | undefined): Headers | undefined {
  if (defaults === undefined) return given === undefined ? undefined : parseHeaders(given);
  const headers = new Headers(defaults);
  if (given !== undefined) parseHeaders(given).forEach((value, name) => headers.set(name, value));
  return headers;
}

/** Moves a URL's user name and password to where HTTP has them (RFC 7617), and returns the headers then. */
export function takeCredentials(url: URL, headers: Headers | undefined): Headers | undefined {
  if (url.username === "" && url.password === "") return headers;
  // They are ASCII, all else being escaped as UTF-8. A "%" that escapes nothing stands for itself.
  const bytes = `${url.username}:${url.password}`
    .replace(/%([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
  headers ??= new Headers();
  if (!headers.has("authorization")) headers.set("authorization", `Basic ${btoa(bytes)}`);
  url.username = url.password = "";
  return headers;
}

function addQuery(url: URL, query: NonNullable<SessionRequestInit["query"]>): void {
  const entries = query instanceof URLSearchParams ? query : Object.entries(query);
  for (const [name, value] of entries) {
    if (value === undefined) continue;
    if (typeof value === "object" || typeof value === "function" || typeof value === "symbol") {
      throw new TypeError(`"query" must have strings, numbers and booleans: received ${describe(value)} at "${name}"`);
    }
    url.searchParams.append(name, String(value));
  }
}

/** Those that this platform's `Request` has. */
const REQUEST_OPTIONS = (Object.keys(REQUEST_DEFAULTS) as (keyof typeof REQUEST_DEFAULTS)[])
  .filter((name) => Object.hasOwn(Request.prototype, name));

/** Passes on what a `Request` says besides method, URL, headers, body, redirect and signal. */
function inherit(rest: RequestInit, request: Request): void {
  for (const name of REQUEST_OPTIONS) {
    const value = request[name];
    if (value !== undefined && value !== REQUEST_DEFAULTS[name]) {
      Object.assign(rest, { [name]: own(rest)[name] ?? value });
    }
  }
}
