// Copyright 2026 the Hangup authors. MIT license.

/**
 * Following a redirect: section 4.4, "HTTP-redirect fetch", of the Fetch standard.
 *
 * @module
 */

import { NetworkError } from "../errors.ts";
import type { RequestSummary } from "../request.ts";
import { decodeStrictly } from "./bytes.ts";
import { resultOf } from "./causes.ts";
import { ORIGIN_HEADERS, takeCredentials, withoutHeaders } from "./headers.ts";
import { headerOf, isBodiless } from "./http.ts";
import { makeRest, type Outgoing } from "./prepare.ts";
import type { Referring } from "./runtime.ts";
import { isStream } from "./upload.ts";
import { displayScheme } from "./url.ts";

/** Headers that describe the body: RFC 9110, section 8. They are dropped with the body. */
const BODY_HEADERS = ["content-encoding", "content-language", "content-location", "content-type"];

const REDIRECTS = [301, 302, 303, 307, 308];

/** Whether a response's status is that of a redirect. It may lack a `Location`. */
export function isRedirect({ status }: Response): boolean {
  return REDIRECTS.includes(status);
}

/**
 * Makes the error for a redirect that cannot be followed. Another try would meet the same redirect.
 */
export function refuseRedirect(message: string, { method, url }: RequestSummary): NetworkError {
  return new NetworkError(message, { method, url, repeatable: "never" });
}

function cannotFollow(reason: string, request: RequestSummary): NetworkError {
  return refuseRedirect(`Cannot follow the redirect as ${reason}`, request);
}

/**
 * Returns the request that follows a redirect.
 *
 * @param cuts Whether the platform sends only a part of the referrer, as its policy says.
 * @throws {NetworkError} If the redirect cannot be followed, because its `Location` is malformed or
 * of another scheme, or because the body cannot be sent again.
 */
export function followRedirect(sent: Outgoing, response: Response, request: RequestSummary, cuts = false): Outgoing {
  const url = parseLocation(headerOf(response.headers, "location")!, sent.url, request);
  const { status } = response;
  // A redirect's status below 303 is 301 or 302.
  const toGet = status === 303 ? !isBodiless(sent.method) : status < 303 && sent.method === "POST";
  if (!toGet && isStream(sent.body)) throw cannotFollow("the body is a stream, which cannot be sent again", request);
  const leaves = url.origin !== sent.url.origin;
  if (leaves && sent.rest.mode === "same-origin") {
    throw cannotFollow('"mode" is "same-origin", and it leads to another origin', request);
  }
  const headers = withoutHeaders(sent.headers, [...(leaves ? ORIGIN_HEADERS : []), ...(toGet ? BODY_HEADERS : [])]);
  takeCredentials(url, headers);
  const rest = makeRest(sent.rest, referrerAfter(response, sent, cuts));
  // On Bun, a Unix socket is the address of one origin.
  if (leaves) delete rest.unix;
  const next = { ...sent, url, headers, rest };
  if (!toGet) return next;
  // To send the request again would send the POST again, too.
  const repeatable = sent.repeatable === "refused" ? "never" : sent.repeatable;
  return { ...next, method: "GET", body: undefined, repeatable };
}

const POLICY = /^(?:no-referrer(?:-when-downgrade)?|same-origin|(?:strict-)?origin(?:-when-cross-origin)?|unsafe-url)$/;

/**
 * Returns the referrer after a redirect, if it changes: only the part that the redirect received
 * (Fetch standard, section 4.1, "main fetch"), with the policy that the redirect sets (Referrer
 * Policy, section 8.3).
 */
function referrerAfter({ headers }: Response, { rest, url }: Outgoing, cuts: boolean): Referring | undefined {
  const { referrer = "", referrerPolicy: before = "" } = rest;
  const policies = headerOf(headers, "referrer-policy")?.split(",").map((policy) => policy.trim());
  const given = policies?.findLast((policy) => POLICY.test(policy));
  if (given === undefined && !cuts || !/^https?:/i.test(referrer)) return undefined;
  const referrerPolicy = given ?? before;
  const from = new URL(referrer);
  // Node knows no page, so to it every request goes to another origin than that.
  const elsewhere = from.origin !== url.origin || cuts && /^(?:same-origin|origin-when-cross-origin)$/.test(before);
  const open = /^(?:unsafe-url|origin(?:-when-cross-origin)?)$/.test(before);
  const hidden = before === "no-referrer" || before === "same-origin" && elsewhere ||
    from.protocol === "https:" && url.protocol === "http:" && !open;
  const whole = !/^(?:strict-)?origin$/.test(before) && (!elsewhere || /^unsafe-url$|downgrade/.test(before));
  return { referrerPolicy, referrer: hidden ? "" : whole ? from.href : `${from.origin}/` };
}

function parseLocation(location: string, base: URL, request: RequestSummary): URL {
  const url = resultOf(() => new URL(decodeLocation(location), base));
  // No `cause`, because it would quote the location.
  if (url === undefined) throw cannotFollow("its Location is malformed", request);
  if (!/^https?:$/.test(url.protocol)) {
    throw cannotFollow(`its scheme is not http or https${displayScheme(" but", url)}`, request);
  }
  if (!url.href.includes("#")) url.hash = base.hash;
  return url;
}

/** Decodes a `Location` as UTF-8, if possible. A header's value has one character for each byte. */
function decodeLocation(location: string): string {
  if (/[\u0100-\uffff]/.test(location)) return location;
  const bytes = Uint8Array.from(location, (character) => character.charCodeAt(0));
  return decodeStrictly(bytes) ?? location;
}
