// Copyright 2026 the Hangup authors. MIT license.

/**
 * A request's way from hop to hop: the jar is asked, a connection waited for, and redirects are followed.
 *
 * @module
 */

import { keepCookies, withCookies } from "../cookies.ts";
import { TooManyRedirectsError } from "../errors.ts";
import type { Pool } from "../pool.ts";
import type { Repeatable } from "../request.ts";
import type { Redirect, ResponseHead } from "../response.ts";
import { BodyReader, discard } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { own } from "./options.ts";
import type { Outgoing } from "./prepare.ts";
import { followRedirect, isRedirect, refuseRedirect } from "./redirect.ts";
import { isStream, settleBody } from "./upload.ts";

/** Makes what the caller gets of a response whose headers have arrived. */
export interface Respond<T> {
  /** How many bytes of the body are read into memory at most; `undefined` where it is streamed. */
  limit(outgoing: Outgoing, reader: BodyReader): number | undefined;
  prefetched(head: ResponseHead, content: Uint8Array<ArrayBuffer>): T;
  streamed(head: ResponseHead, reader: BodyReader, outgoing: Outgoing): T;
}

/** Shared by all that were not redirected. */
const NO_HOPS: readonly Redirect[] = Object.freeze([]);

/**
 * Sends a request, follows its redirects, and has a response made of the last one. Runs within {@linkcode Exchange.guard}.
 */
export async function send<T>(
  exchange: Exchange,
  pool: Pool,
  respond: Respond<T>,
): Promise<T> {
  if (exchange.hop.settle) {
    exchange.hop = { ...exchange.hop, body: await settleBody(exchange.hop.body as ReadableStream) };
  }
  let history: readonly Redirect[] = NO_HOPS;
  while (true) {
    const outgoing = exchange.hop;
    // The jar is asked before a connection is taken, so that a slow one holds none.
    const { jar } = outgoing;
    const headers = jar ? await withCookies(jar, outgoing) : outgoing.headers;
    const ticket = exchange.claim(pool);
    if (ticket.state === "waiting") await ticket.wait();
    let response: Response;
    try {
      response = await exchange.send(toInit(outgoing, headers, pool));
    } catch (cause) {
      throw exchange.fault(cause);
    }
    exchange.arrive(response);
    if (jar) await keepCookies(exchange, jar, outgoing.url, response.headers);
    if (outgoing.redirect === "manual" || !isRedirect(response)) {
      const head = toHead(outgoing, response, history, pool, exchange.repeatable);
      const reader = new BodyReader(exchange, response, head, pool.ownsChunks);
      const limit = respond.limit(outgoing, reader);
      exchange.state = limit === undefined ? "streaming" : "prefetch";
      if (limit === undefined) {
        // The response has the exchange, and may be kept for long: not so what was sent.
        exchange.hop = { ...outgoing, body: undefined, rest: undefined, signal: undefined, jar: undefined };
        return respond.streamed(head, reader, outgoing);
      }
      return respond.prefetched(head, await reader.prefetch(limit));
    }
    if (outgoing.redirect === "error") {
      throw refuseRedirect('The response is a redirect, and "redirect" is "error"', exchange);
    }
    if (history.length >= outgoing.maxRedirects) throw new TooManyRedirectsError(outgoing.maxRedirects, exchange);
    const next = followRedirect(outgoing, response, exchange);
    history = [...history, { status: response.status, url: outgoing.url.href, headers: response.headers }];
    exchange.leave(await discard(exchange, response));
    exchange.begin(next);
  }
}

function toInit({ method, body, redirect, rest }: Outgoing, headers: Headers | undefined, pool: Pool): RequestInit {
  const init: RequestInit & { duplex?: "half" } = {
    ...rest,
    method,
    redirect: pool.followsRedirects ? redirect : "manual",
  };
  if (headers) init.headers = headers;
  if (body !== undefined && body !== null) {
    init.body = body;
    if (isStream(body)) init.duplex = "half";
  }
  return own(init);
}

function toHead(
  outgoing: Outgoing,
  response: Response,
  history: readonly Redirect[],
  pool: Pool,
  repeatable: Repeatable,
): ResponseHead {
  const { method, url: { href }, headers: sent } = outgoing;
  const { status, statusText, headers, type, redirected } = response;
  const coding = headers.get("content-encoding");
  return {
    status,
    statusText,
    headers,
    // Where the platform follows redirects, it alone knows the way.
    url: redirected ? response.url : href,
    redirected: redirected || history.length > 0,
    type,
    coded: coding !== null,
    decoded: coding !== null && pool.decodes(coding.toLowerCase(), sent ?? new Headers()),
    method,
    asked: href,
    // A redirect that the platform followed may have turned a POST into a GET.
    repeatable: redirected && repeatable === "refused" ? "never" : repeatable,
    sent,
    history,
  };
}
