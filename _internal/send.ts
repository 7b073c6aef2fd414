// Copyright 2026 the Hangup authors. MIT license.

/**
 * Sending a request and following its redirects. Each request that is sent first reads the cookie
 * jar and then takes a lease.
 *
 * @module
 */

import { NetworkError, TooManyRedirectsError } from "../errors.ts";
import type { Redirect } from "../request.ts";
import { type Bytes, decodeStrictly } from "./bytes.ts";
import type { Exchange } from "./exchange.ts";
import { spreadable } from "./headers.ts";
import { hasBody, SMALL_BODY } from "./http.ts";
import { keepCookies, withCookies } from "./jar.ts";
import { own } from "./options.ts";
import type { Outgoing } from "./prepare.ts";
import { followRedirect, isRedirect, refuseRedirect } from "./redirect.ts";
import { hasMethods, Source } from "./source.ts";
import { CARRIER } from "./transports/carried.ts";
import { globalFetch, isRuntimeFetch } from "./transports/global_fetch.ts";
import type { Platform } from "./transports/platform.ts";
import { bodyOf, isStream } from "./upload.ts";

/** A response whose headers have arrived, with the redirects that led to it. */
export interface Arrival {
  readonly response: Response;
  readonly source: Source;
  readonly init: RequestInit;
  readonly history: readonly Redirect[];
  /** Settles when the jar has taken the response's cookies. */
  readonly storing: Promise<void> | undefined;
}

/** The history of every request that was not redirected. */
const NO_REDIRECTS: readonly Redirect[] = Object.freeze([]);

/**
 * Sends a request and follows its redirects.
 *
 * @throws The first reason to abort the exchange, or an error that says what is wrong with the
 * response.
 */
export function send(exchange: Exchange, platform: Platform): Promise<Arrival> {
  const { bodyOwner } = exchange.outgoing;
  const arrival = bodyOwner === undefined
    ? sendOnce(exchange, platform)
    : openBody(exchange, bodyOwner, platform).then(() => sendOnce(exchange, platform));
  return arrival.then((arrival) => {
    // Most responses are final. An async function would cost each of them some time.
    const isFinal = !redirects(exchange.outgoing, arrival) && exchange.outgoing.rest.integrity === undefined;
    return isFinal ? arrival : follow(exchange, platform, arrival);
  });
}

/** Takes the body out of the caller's `Request`. */
async function openBody(exchange: Exchange, request: Request, platform: Platform): Promise<void> {
  const { cancellation } = exchange;
  const opened = bodyOf(request, cancellation, platform.followsRedirects);
  if (isStream(opened)) return exchange.upload(opened);
  const body = await exchange.withTimeout("headers", opened).catch((cause) => {
    throw exchange.networkError(cause, "Cannot send the body as its stream failed");
  });
  cancellation.throwIfAborted();
  if (isStream(body)) return exchange.upload(body);
  // The runtime knows the length of a body in memory. Only the caller knows that of a stream.
  exchange.outgoing.headers?.delete("content-length");
  const text = mayBeCompared(exchange.outgoing, body as Bytes, platform) ? decodeStrictly(body as Bytes) : undefined;
  exchange.outgoing = { ...exchange.outgoing, body: text ?? body, bodyOwner: undefined };
}

/** Matches the media types of bodies that mocks compare as text. */
const TEXT = /^text\/|json|urlencoded/i;

/** Whether a body in memory may reach a mock that compares it as text. */
function mayBeCompared(outgoing: Outgoing, body: Bytes | undefined, platform: Platform): boolean {
  if (!TEXT.test(outgoing.headers?.get("content-type") ?? "")) return false;
  if (platform.sender() === undefined) return true;
  // From Node 24 on, nobody can see whether a `Request` carries a dispatcher. A large body stays as
  // it is then, because most requests carry none.
  return (hasOwnClient(outgoing) || CARRIER in outgoing.rest) && (body?.byteLength ?? 0) <= SMALL_BODY;
}

/** Whether a response is a redirect that the caller does not want to see. */
function redirects({ redirect }: Outgoing, { response }: Arrival): boolean {
  return redirect !== "manual" && isRedirect(response);
}

/** Follows the redirects, and checks the last body. */
async function follow(exchange: Exchange, platform: Platform, arrival: Arrival): Promise<Arrival> {
  while (redirects(exchange.outgoing, arrival)) {
    const { response, source, storing, history } = arrival;
    const { outgoing } = exchange;
    if (outgoing.redirect === "error") {
      throw refuseRedirect('The response is a redirect, and "redirect" is "error"', exchange);
    }
    if (!response.headers.has("location")) break;
    if (history.length >= outgoing.maxRedirects) throw new TooManyRedirectsError(outgoing.maxRedirects, exchange);
    const next = followRedirect(outgoing, response, exchange, platform.appliesPolicies);
    const redirect = { status: response.status, url: outgoing.url.href, headers: response.headers };
    const reuse = await source.discard();
    if (!reuse) source.abort(undefined);
    exchange.release(reuse);
    if (storing !== undefined) await exchange.withTimeout("headers", storing);
    exchange.cancellation.throwIfAborted();
    exchange.redirect(next);
    arrival = await sendOnce(exchange, platform, [...history, redirect]);
  }
  const { integrity } = exchange.outgoing.rest;
  return integrity && checksIntegrity(platform) ? await verify(exchange, arrival, integrity, platform) : arrival;
}

/** Sends one request over one lease. */
async function sendOnce(exchange: Exchange, platform: Platform, history = NO_REDIRECTS): Promise<Arrival> {
  const { outgoing } = exchange;
  const { jar, url } = outgoing;
  // Read the jar before taking a lease, so that a slow jar does not hold a slot.
  const headers = jar ? await exchange.withTimeout("headers", withCookies(jar, outgoing, history)) : outgoing.headers;
  const waiting = exchange.acquire();
  if (waiting !== undefined) await waiting;
  // A test may set or remove a mock of `fetch` while the request is under way. So look again after
  // it.
  const sender = platform.sender();
  // A user's wrapper or transport may add headers, so it gets a copy for this request alone.
  const given = headers && (sender ? headers : spreadable(headers));
  const init = toInit(outgoing, given, platform);
  // The timeout comes first, because a mock of `setTimeout` may throw. Nobody would then handle the
  // rejection of a request that was sent.
  exchange.beginHeaders(isLarge(outgoing.body) ? "upload" : "headers");
  let response: Response;
  try {
    response = await exchange.fetch(init);
  } catch (cause) {
    throw exchange.sendError(cause, sender === "sockets");
  } finally {
    exchange.endWait();
  }
  exchange.refuseLate(response);
  checkResponse(response, exchange);
  // A transport with sockets removes the carrier if it has not used the carrier's dispatcher. Other
  // transports never use that dispatcher.
  const usesOwnClient = hasOwnClient(outgoing) || sender === "sockets" && CARRIER in init;
  const isKnown = sender === platform.sender() && !usesOwnClient;
  const source = new Source(exchange, response, platform, isKnown ? sender : undefined);
  const storing = jar && keepCookies(jar, url, response.headers, exchange.cancellation);
  return { response, source, init, history, storing };
}

/**
 * Whether a request has a client or dispatcher of its own, which may change a body and keep its
 * headers.
 */
function hasOwnClient({ rest }: Outgoing): boolean {
  return (rest.client ?? rest.dispatcher) != null;
}

/**
 * Whether the runtime's own `fetch` would check the bodies of redirects too. A user's `fetch` gets
 * the option as it is.
 */
function checksIntegrity(platform: Platform): boolean {
  return platform.appliesPolicies === true && isRuntimeFetch();
}

/**
 * Checks the last body against `integrity`. The option is not passed on with the request, because
 * the platform would also check the bodies of redirects. Instead, the buffered body is fetched from
 * a `blob:` URL, so that the platform checks only that.
 */
async function verify(exchange: Exchange, arrival: Arrival, integrity: string, platform: Platform): Promise<Arrival> {
  const refuse = (cause?: unknown) =>
    new NetworkError('The body is not the one that "integrity" asks for', exchange, cause);
  if (!hasBody(exchange.method, arrival.response.status)) throw refuse();
  const content = await arrival.source.readAll(exchange.outgoing.maxBodyBytes);
  const url = URL.createObjectURL(new Blob([content]));
  try {
    await (await globalFetch()(url, own({ integrity }))).body?.cancel();
  } catch (cause) {
    throw refuse(cause);
  } finally {
    URL.revokeObjectURL(url);
  }
  const inMemory = new Response(content, own({ headers: own({ "content-length": String(content.byteLength) }) }));
  return { ...arrival, source: new Source(exchange, inMemory, platform, "sockets") };
}

/**
 * Whether a body in memory is large, so that sending it may take longer than the timeout of the
 * headers.
 */
function isLarge(body: Outgoing["body"]): boolean {
  // The size of a form is not known. The `size` of a URLSearchParams is the number of its pairs.
  if (body instanceof FormData) return true;
  // On Bun, an empty file loses its type at the first look at its size.
  const copy = body instanceof Blob ? body.slice() : body;
  const content = Object(body instanceof URLSearchParams ? String(body) : copy);
  const { length, byteLength, size } = content as { length?: number; byteLength?: number; size?: number };
  return (size ?? byteLength ?? length ?? 0) > SMALL_BODY;
}

function toInit({ method, body, redirect, rest }: Outgoing, headers: Headers | undefined, platform: Platform) {
  const handling = platform.followsRedirects ? redirect : "manual";
  const init: RequestInit & { duplex?: "half" } = { ...rest, method, redirect: handling };
  // See verify(). A `Request` that is sent as it is has an integrity of its own.
  if (init.integrity && checksIntegrity(platform)) init.integrity = "";
  if (headers) init.headers = headers;
  if (body !== undefined && body !== null) {
    init.body = body;
    if (isStream(body)) init.duplex = "half";
  }
  return own(init);
}

/** Throws if a user's `fetch` returned something other than a response that can be read. */
function checkResponse(response: Response, exchange: Exchange): void {
  let used: boolean;
  try {
    const { status, headers, bodyUsed } = response;
    if (typeof status !== "number" || !headers.get || !headers.has) throw new TypeError("It has no status or headers");
    used = bodyUsed;
    // Look at the methods first, because on Bun, reading `body` turns the body into a stream.
    const canRead = hasMethods(response) || response.body !== undefined;
    if (!canRead && hasBody(exchange.method, status)) throw new TypeError("It has no body");
  } catch (cause) {
    throw new NetworkError('The value that "fetch" returned is not a Response', exchange, cause);
  }
  if (used) throw new NetworkError('The response that "fetch" returned has a body that was read already', exchange);
}
