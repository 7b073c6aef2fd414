// Copyright 2026 the Hangup authors. MIT license.

/**
 * Turning the caller's arguments into a request that is ready to be sent. All arguments are checked
 * here, before the request asks for a connection.
 *
 * @module
 */

import type { CookieJar } from "../cookies.ts";
import type { Repeatable, SessionRequestInit, StandardRequestInit } from "../request.ts";
import { type Bytes, isWebStream } from "./bytes.ts";
import { resultOf } from "./causes.ts";
import { refuseForeign, REQUEST_OPTIONS_OF_OTHERS } from "./foreign.ts";
import { mergeHeaders, ORIGIN_HEADERS, parseHeaders, refuseUndefined, setMissing, takeCredentials } from "./headers.ts";
import { isBodiless, isIdempotent } from "./http.ts";
import { cannotSend, checkLimit, isObject, isPlainObject, isRequest, own, plain, refuse, tagOf } from "./options.ts";
import { type BodyInit, platformStream, type Referring } from "./runtime.ts";
import { checkSignal } from "./signals.ts";
import { type AllTimeouts, mergeTimeouts } from "./timing.ts";
import { carried } from "./transports/carried.ts";
import { copyForm } from "./transports/forms.ts";
import { isSpent, isStream, type StreamBody } from "./upload.ts";
import { addQuery, displayUrl, resolveUrl } from "./url.ts";

/** Settings that a session has as defaults and a request has for itself. */
interface Settings {
  readonly timeouts: AllTimeouts;
  readonly maxBodyBytes: number;
  readonly maxRedirects: number;
  readonly throwIfNotOk: boolean;
  readonly jar: CookieJar | undefined;
}

/** The defaults that a session adds to each of its requests. */
export interface SessionDefaults extends Settings {
  readonly baseUrl: URL | undefined;
  /** If there is a `baseUrl`, those in {@linkcode ORIGIN_HEADERS} are for its origin only. */
  readonly headers: Headers | undefined;
}

/**
 * Options that are passed to `fetch` unchanged: `credentials`, `cache`, and the runtime's own
 * options. Named here are those that this module looks at.
 */
export type Rest = RequestInit & Referring & Partial<Record<"client" | "credentials" | "dispatcher" | "unix", unknown>>;

/** A request that is checked, complete and ready to be sent. */
export interface Outgoing extends Settings {
  readonly method: string;
  readonly url: URL;
  /**
   * `undefined` if there are no headers. Most requests have none, and thousands of requests may
   * wait, so this saves memory.
   */
  readonly headers: Headers | undefined;
  readonly body: BodyInit | null | undefined;
  /** The `Request` whose body is to be sent. That body may be in memory already. */
  readonly bodyOwner: Request | undefined;
  /** Whether the request can be sent again after a server may have received it. */
  readonly repeatable: Repeatable;
  readonly prefetch: boolean;
  readonly redirect: NonNullable<RequestInit["redirect"]>;
  readonly signal: AbortSignal | null | undefined;
  /**
   * The `Request` that the signal is a property of. It is kept until the end, because on Node such
   * a signal no longer aborts once its `Request` was garbage-collected.
   */
  readonly signalOwner: Request | undefined;
  /** It inherits nothing, even if `Object.prototype` is polluted while the request is under way. */
  readonly rest: Rest;
}

/** The other options of most requests. All of them share it, because thousands may wait. */
export const NO_REST: Rest = Object.freeze(Object.create(null));

/** Makes other options, which inherit nothing. */
export function makeRest(...given: (object | undefined)[]): { -readonly [Name in keyof Rest]: Rest[Name] } {
  return Object.assign(Object.create(null), ...given);
}

/** The options of the standard `fetch`, with the one that not every type has. */
type Standard = StandardRequestInit & { duplex?: unknown };

/** The options of this module, which the standard `fetch` ignores. */
const OUR_OPTIONS = ["prefetch", "throwIfNotOk", "json", "query", "timeout", "maxBodyBytes", "maxRedirects"] as const;

/** Methods that every runtime knows. */
const USUAL_METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;

/** The properties of a `Request` that are passed on, each with its default. */
const INHERITED = {
  cache: "default",
  credentials: "same-origin",
  integrity: "",
  keepalive: false,
  mode: "cors",
  referrer: "about:client",
  referrerPolicy: "",
  // Only on workerd: options for Cloudflare, and the binding that gets the request.
  cf: undefined,
  fetcher: null,
} as const;

/**
 * The other options of `new Request()`. A `Request` does not have the last three as properties on
 * every platform.
 */
const OTHER_OPTIONS = ["method", "headers", "body", "redirect", "signal", "duplex", "priority", "window"];

/** All standard options. */
const STANDARD_OPTIONS = [...OTHER_OPTIONS, ...Object.keys(INHERITED)];

/**
 * Checks the arguments of `Session.request()` and completes them with the session's defaults.
 *
 * @throws {TypeError} If an argument has a wrong type or form, or two arguments exclude each other.
 * @throws {RangeError} If a number is out of range.
 */
export function prepare(
  input: string | URL | Request,
  init: SessionRequestInit<boolean> | undefined,
  method: string | undefined,
  defaults: SessionDefaults,
): Outgoing {
  if (!hasOptions(init)) return complete(input, { method }, defaults);
  if (Symbol.iterator in init || isSent(init)) refuse('A body is given as "body", not as the options', init);
  const given = plain(init);
  const { prefetch, throwIfNotOk, json, query, timeout, maxBodyBytes, maxRedirects, ...rest } = given;
  addHidden(rest, given);
  const standard: Standard = own(rest);
  refuseForeign(given, REQUEST_OPTIONS_OF_OTHERS);
  refuseUndefined(standard.headers);
  if (isMistaken(standard.body)) refuse(NO_BODY, standard.body);
  method ??= standard.method;
  if (method !== undefined) standard.method = normalizeMethod(method);
  if (isStream(standard.body)) standard.duplex = "half";
  const settings = {
    ...defaults,
    throwIfNotOk: throwIfNotOk ?? defaults.throwIfNotOk,
    timeouts: mergeTimeouts(defaults.timeouts, timeout),
    maxBodyBytes: checkLimit("maxBodyBytes", maxBodyBytes, defaults.maxBodyBytes),
    maxRedirects: checkLimit("maxRedirects", maxRedirects, defaults.maxRedirects),
  };
  return complete(input, standard, settings, undefined, prefetch !== false, query, json);
}

/**
 * Checks and completes the arguments of `Session.fetch()`. Ignores this module's own options,
 * because the standard `fetch` ignores unknown ones.
 *
 * @throws {TypeError} If an argument has a wrong type or form.
 */
export function prepareFetch(
  input: string | URL | Request,
  init: SessionRequestInit<boolean> | null | undefined,
  defaults: SessionDefaults,
): Outgoing {
  if (!hasOptions(init)) return complete(input, {}, defaults);
  if (isRequest(init)) {
    // The user may have added options of the runtime, such as a dispatcher. Those of the standard
    // are read from the class.
    const ours: readonly string[] = OUR_OPTIONS;
    const added = Object.entries(init).filter(([name]) => !ours.includes(name) && !defines(Request.prototype, name));
    return complete(input, Object.fromEntries(added), defaults, init);
  }
  const standard: Standard & SessionRequestInit<boolean> = typeof init === "function" ? {} : { ...plain(init) };
  for (const name of OUR_OPTIONS) delete standard[name];
  addHidden(standard, own(init));
  const { method } = standard;
  // The runtime itself decides which methods it can send, and in which form.
  if (method !== undefined && !USUAL_METHOD.test(method)) standard.method = asRequest({ method }).method;
  return complete(input, standard, defaults);
}

/** Whether there are options. Refuses what is neither an object nor nothing. */
function hasOptions<T extends object>(init: T | null | undefined): init is T {
  if (init === undefined || init === null) return false;
  if (Object(init) !== init) refuse("Cannot send the request as its options are not an object", init);
  return true;
}

/**
 * Adds the standard options that a copy of the given ones left out, because they are not enumerable
 * or a `Proxy` does not list them.
 */
function addHidden(copy: object, given: object): void {
  for (const name of STANDARD_OPTIONS) {
    if (Object.hasOwn(copy, name)) continue; // a getter is called once
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined) Object.assign(copy, { [name]: value });
  }
}

/** Creates a platform `Request`, which throws if something is wrong with these options. */
function asRequest(init: Standard): Request {
  return new Request("http://localhost", own(init) as RequestInit);
}

/**
 * Throws if a stream has been read already, or if the platform's `Request` refuses it for another
 * reason.
 *
 * @param duplex The caller's `duplex` option, which Node requires.
 */
function checkStream(body: StreamBody, duplex: unknown): void {
  // An iterable is replaced with an empty stream, because some platforms refuse iterables, and
  // because a check must not start it. A polyfill's stream is iterated, too.
  const Stream = platformStream();
  const stream = body instanceof Stream ? body : new Stream(own({}));
  asRequest({ method: "POST", body: stream, duplex, mode: "cors" } as Standard);
}

/**
 * Checks the standard options and completes them with the defaults.
 *
 * @param initRequest The `Request` that was given as the options. All that it says takes precedence
 * over what `input` says, except the URL.
 */
function complete(
  input: string | URL | Request,
  options: Standard,
  defaults: SessionDefaults,
  initRequest?: Request,
  prefetch = true,
  query?: SessionRequestInit["query"],
  json?: unknown,
): Outgoing {
  const init = own(options);
  const inputRequest = isRequest(input) ? input : undefined;
  const model = initRequest ?? inputRequest;
  const {
    method = model?.method ?? "GET",
    headers: ownHeaders = model?.headers,
    redirect = model?.redirect ?? "follow",
    signal = model?.signal,
    body,
    ...others
  } = init;
  if (model !== undefined) inherit(others, init, inputRequest, initRequest);
  const rest = Object.keys(others).length > 0 ? makeRest(others) : NO_REST;
  if (rest !== NO_REST) checkOptions(rest);
  checkSignal('"signal"', signal);
  if (redirect !== "follow" && redirect !== "manual" && redirect !== "error") {
    refuse('"redirect" must be "follow", "manual" or "error"', redirect);
  }

  const url = resolveUrl(inputRequest?.url ?? input as string | URL, defaults.baseUrl);
  const isBaseOrigin = defaults.baseUrl === undefined || defaults.baseUrl.origin === url.origin;
  // A name and password in the URL are given with the request, so they replace those of the
  // session.
  const given = takeCredentials(url, parseHeaders(ownHeaders));
  let headers = mergeHeaders(defaults.headers, given, isBaseOrigin ? [] : ORIGIN_HEADERS);
  if (query !== undefined) addQuery(url, query);

  if (json !== undefined && body != null) throw cannotSend('"json" and "body" exclude each other');
  const content = json === undefined ? body : toJson(json, method, url);
  // A body in the options takes precedence over that of a `Request`, unless it is null: Fetch
  // standard, section 5.4. In Firefox, a `Request` does not say whether it has one.
  const hasBody = (request: Request) => request.body === undefined ? !isBodiless(method) : request.body !== null;
  const bodyOwner = content == null
    ? [initRequest, inputRequest].find((request) => request && hasBody(request))
    : undefined;
  if (bodyOwner?.bodyUsed || bodyOwner?.body?.locked || isWebStream(content) && content.locked || isSpent(content)) {
    throw cannotSend("its body is being read or has been read already");
  }
  if (isStream(content)) checkStream(content, init.duplex);
  else if (bodyOwner === undefined) headers?.delete("content-length"); // otherwise see openBody()
  if (content != null && isBodiless(method)) throw cannotSend(`a ${method} request has no body`);
  if (json !== undefined) headers = setMissing(headers, "content-type", "application/json");
  // On Bun, a body keeps its type even if the headers of its `Request` are replaced.
  const type = bodyOwner && "Bun" in globalThis ? bodyOwner.headers.get("content-type") : null;
  if (type !== null) headers = setMissing(headers, "content-type", type);

  return {
    method,
    url,
    headers,
    body: snapshot(content),
    bodyOwner,
    // The stream or the `Request` of the caller can be used only once.
    repeatable: bodyOwner || isStream(content) ? "never" : isIdempotent(method) ? "always" : "refused",
    prefetch,
    throwIfNotOk: defaults.throwIfNotOk,
    redirect,
    signal,
    signalOwner: init.signal === undefined ? model : undefined,
    timeouts: defaults.timeouts,
    maxBodyBytes: defaults.maxBodyBytes,
    maxRedirects: defaults.maxRedirects,
    // Without credentials there are no cookies: Fetch standard, section 3.1.
    jar: rest.credentials === "omit" ? undefined : defaults.jar,
    rest,
  };
}

/** The objects of any realm that `fetch` accepts as bodies. */
const BODIES = /^\[object (?:Blob|File|FormData|URLSearchParams|ReadableStream|(?:Shared)?ArrayBuffer)\]$/;

/**
 * The buffers of any realm whose bytes `fetch` sends. Only Bun sends those of a
 * `SharedArrayBuffer`.
 */
const BUFFERS = "Bun" in globalThis ? /^\[object (?:Shared)?ArrayBuffer\]$/ : /^\[object ArrayBuffer\]$/;

/**
 * Copies a body, so that it is sent as it is now even if its owner changes it later: Fetch
 * standard, section 5.2, "extract a body".
 */
function snapshot(body: BodyInit | null | undefined): BodyInit | null | undefined {
  // `fetch` converts every primitive to a string, except a symbol, which it refuses.
  if (Object(body) !== body) return body == null || typeof body === "symbol" ? body : String(body);
  if (!isObject(body)) return body;
  if (body instanceof URLSearchParams) return copyParams(body);
  if (body instanceof ArrayBuffer) return body.slice(0);
  if (ArrayBuffer.isView(body) && isBuffer(body)) return body.constructor.from(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  if (body instanceof FormData) return copyForm(body);
  const tag = tagOf(body);
  if (BUFFERS.test(tag)) return new Uint8Array(body as BodyInit & ArrayBuffer).slice();
  if (tag === "[object String]") return String(body);
  // `fetch` converts any other object to a string. Each runtime treats iterables in its own way, so
  // they stay as they are.
  return Symbol.iterator in body || isSent(body) ? body : String(body);
}

/**
 * Whether bytes are a `Buffer` of Node, which stays one, because wrappers may use its methods. A
 * look at the global class would take Deno some milliseconds.
 */
function isBuffer(bytes: object): bytes is Bytes & { constructor: { from(bytes: Bytes): Bytes } } {
  return bytes.constructor?.name === "Buffer";
}

/** Copies parameters, and what a subclass makes of them: most runtimes send that. */
function copyParams(params: URLSearchParams): URLSearchParams {
  const copy = new URLSearchParams(params);
  if (params.toString === copy.toString) return copy;
  const text = String(params);
  return Object.defineProperty(copy, "toString", own({ value: () => text }));
}

/** Whether `fetch` sends an object as a body, and not its text. */
function isSent(body: object): boolean {
  return body instanceof Blob || isStream(body) || BODIES.test(tagOf(body));
}

function toJson(value: unknown, method: string, url: URL): string {
  let cause: unknown;
  try {
    const text: string | undefined = JSON.stringify(value);
    if (text !== undefined) return text;
  } catch (error) {
    // An engine's error about a cycle or a BigInt names neither the option nor the request.
    cause = error;
  }
  throw cannotSend(`"json" cannot be converted to JSON: ${method} ${displayUrl(url)}`, { cause });
}

const NO_BODY =
  '"body" must be what fetch() takes; to send JSON, use "json", and of a response its "body" or "content"';

/**
 * Whether a value is an object literal, an array, a `Map` or a response, of which `fetch` would
 * send the text "[object Object]" and the like.
 */
function isMistaken(value: unknown): boolean {
  return isObject(value) && !(Symbol.asyncIterator in value) &&
    (Array.isArray(value) || value instanceof Map || isPlainObject(value) || /Response\]$/.test(tagOf(value)));
}

function normalizeMethod(method: string): string {
  if (USUAL_METHOD.test(method)) return method;
  const upper = method.toUpperCase();
  if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(method)) refuse('Cannot send the request as "method" is not a token', method);
  if (/^(?:CONNECT|TRACE|TRACK)$/.test(upper)) {
    refuse('Cannot send the request as "method" is forbidden by the Fetch standard', upper);
  }
  // Bun turns unknown methods into GET; workerd throws.
  if (resultOf(() => asRequest({ method: upper }).method) !== upper) {
    refuse("Cannot send the request as the runtime does not know its method", upper);
  }
  return upper;
}

/**
 * Checks the options for the runtime's `fetch` before anything is sent. The platform's `Request`
 * finds what is wrong with them.
 */
function checkOptions(rest: Rest): void {
  const known: readonly string[] = [...inheritedOptions(), ...OTHER_OPTIONS];
  // "half" is the only value of `duplex`, and every upload has it, so it needs no check.
  const toCheck = ([name, value]: [string, unknown]) => value !== undefined && value !== "half" && known.includes(name);
  const given = Object.entries(rest).filter(toCheck);
  if (given.length === 0) return;
  try {
    asRequest(Object.fromEntries(given));
  } catch (error) {
    const { referrer } = rest;
    if (!referrer || !String(error).includes(referrer)) throw error;
    // The error shows the whole URL, which may have a password in it.
    throw cannotSend('"referrer" is not a valid URL');
  }
}

type Inherited = keyof typeof INHERITED & keyof RequestInit & keyof Request;

/**
 * The names in {@linkcode INHERITED} that the global `Request` supports. A mock may replace
 * the class for a while, so look at it each time. Looking at it at load would make Node load its
 * HTTP client.
 */
function inheritedOptions(): readonly Inherited[] {
  return (Object.keys(INHERITED) as Inherited[]).filter((name) => defines(Request.prototype, name));
}

/** Whether a class defines a property. `Object` does not count, because it may be polluted. */
function defines(prototype: object, name: string): boolean {
  const parent = Object.getPrototypeOf(prototype);
  return parent !== null && (Object.hasOwn(prototype, name) || defines(parent, name));
}

/**
 * Adds to the options what a `Request` says, except its method, URL, headers, body, redirect and
 * signal. Options that are given already take precedence.
 *
 * @param init All options that were given.
 */
function inherit(others: Standard, init: Standard, inputRequest?: Request, initRequest?: Request): void {
  // Only as the input can a `Request` carry a client or a dispatcher.
  if (inputRequest !== undefined) Object.assign(others, { ...carried(inputRequest), ...others });
  const request = (initRequest ?? inputRequest)!;
  // Any option resets the referrer: Fetch standard, section 5.4, "new Request(input, init)".
  const withReferrer = request === initRequest || Object.values(init).every((value) => value === undefined);
  // If both are a `Request`, the defaults of the second one replace what the first one says.
  const implied: Partial<typeof INHERITED> = own(initRequest && inputRequest ? {} : INHERITED);
  const given = own(others);
  for (const name of inheritedOptions()) {
    if (!withReferrer && name.startsWith("referrer")) continue;
    // A service worker may get a `Request` for a navigation. With options, its mode becomes
    // "same-origin": Fetch standard, section 5.4.
    const value = (request[name] as unknown) === "navigate" ? "same-origin" : request[name];
    if (value !== undefined && value !== implied[name]) Object.assign(others, { [name]: given[name] ?? value });
  }
}
