// Copyright 2026 the Hangup authors. MIT license.

/**
 * Which requests may be sent again, and when.
 *
 * @module
 */

import { causes, isPermanent, resultOf } from "./_internal/causes.ts";
import { headerOf, isIdempotent } from "./_internal/http.ts";
import { HangupError, NetworkError, QueueFullError, TimeoutError } from "./errors.ts";
import { StatusError } from "./response.ts";

/** Statuses of temporary failures: RFC 9110, section 15; RFC 6585 (429); RFC 8470 (425). */
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/**
 * Whether a failed request may be sent again: it cannot arrive twice, and another try may help.
 *
 * | error | result |
 * |---|---|
 * | {@linkcode QueueFullError}, {@linkcode TimeoutError} of the phase `"queue"` | `true`, because nothing was sent, unless a redirect was followed before |
 * | {@linkcode NetworkError}, if it is certain that nothing was sent | `true` |
 * | any other {@linkcode NetworkError} or {@linkcode TimeoutError} | `true` for idempotent methods (RFC 9110, section 9.2.2), `false` for POST and PATCH |
 * | {@linkcode StatusError}, idempotent methods | `true` for 408, 425, 429, 500, 502, 503, 504 |
 * | {@linkcode StatusError}, POST and PATCH | `true` for 425, 429, and for 503 with `Retry-After`: the server says that it did not act on the request |
 * | a certificate that is not trusted, a missing permission, a redirect that cannot be followed | `false`, because another try fails in the same way |
 * | all other errors, the reason of the caller's signal among them | `false` |
 *
 * The method that counts is the one of the original request: after a POST that was redirected to a
 * GET, the result is `false`, because another try would be another POST. It is also `false` if the
 * body is a stream or the body of a `Request`, because both can be read only once. The error's
 * {@linkcode HangupError.repeatable} says whether the request can be sent again.
 *
 * If the request was made with {@linkcode Session.fetch}, pass the `TypeError` that it rejected
 * with.
 *
 * @param error The error that a request threw.
 * @returns Whether the same request may be sent again.
 *
 * @example Retry with `@std/async`
 * ```ts
 * import { isRetriable, Session } from "@hangup/session";
 * import { retry } from "@std/async";
 * import { assertEquals } from "@std/assert";
 *
 * let calls = 0;
 * const answer = () => Promise.resolve(new Response(null, { status: ++calls < 3 ? 503 : 200 })); // in place of a server
 * await using session = new Session({ fetch: answer });
 * const load = async () => (await session.get("https://example.com/")).throwIfNotOk();
 * const { status } = await retry(load, { isRetriable, minTimeout: 1 });
 * assertEquals([status, calls], [200, 3]);
 * ```
 *
 * @example Send a POST at most once, unless the server refused it
 * ```ts
 * import { isRetriable, Session, StatusError } from "@hangup/session";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const answer = () => Promise.resolve(new Response(null, { status: 500 })); // it may have been carried out
 * await using session = new Session({ fetch: answer });
 * const order = async () => (await session.post("https://example.com/orders", { json: { id: 1 } })).throwIfNotOk();
 * assertEquals(isRetriable(await assertRejects(order, StatusError)), false);
 * ```
 */
export function isRetriable(error: unknown): boolean {
  const failure = findHangupError(error);
  if (!failure) return false;
  const unsent = failure instanceof QueueFullError || failure instanceof TimeoutError && failure.phase === "queue";
  const { repeatable = unsent || isIdempotent(failure.method ?? "") ? "always" : "refused" } = failure;
  if (failure instanceof StatusError) {
    const { status } = failure.response;
    if (repeatable !== "refused") return repeatable === "always" && PASSING.includes(status);
    return status === 425 || status === 429 || status === 503 && retryAfter(failure) !== undefined;
  }
  return repeatable === "always" &&
    (unsent || failure instanceof TimeoutError || failure instanceof NetworkError && !isPermanent(failure.code));
}

/**
 * How long the server asks the client to wait before it sends another request: the `Retry-After`
 * header of a {@linkcode StatusError}'s response (RFC 9110, section 10.2.3), as a number of seconds
 * or as a date. A date counts from the response's `Date`, so that a clock that is wrong here or
 * there does not matter.
 *
 * A server can ask for years. Cap the time, and note that `setTimeout()` cannot wait for more than
 * 2,147,483,647 ms.
 *
 * @param error The error that a request threw.
 * @returns The time in milliseconds, 0 or more; `undefined` if there is no such header or it is
 * malformed.
 *
 * @example Wait in a loop
 * ```ts
 * import { isRetriable, retryAfter, Session } from "@hangup/session";
 * import { assertEquals } from "@std/assert";
 *
 * let calls = 0;
 * const busy = { status: 429, headers: { "retry-after": "0" } };
 * const answer = () => Promise.resolve(new Response(null, ++calls < 3 ? busy : undefined)); // in place of a server
 * await using session = new Session({ fetch: answer });
 *
 * async function load() {
 *   for (let tries = 1;; tries++) {
 *     try {
 *       return (await session.get("https://example.com/")).throwIfNotOk();
 *     } catch (error) {
 *       if (tries === 5 || !isRetriable(error)) throw error;
 *       const wait = Math.min(retryAfter(error) ?? Math.random() * 2 ** tries * 100, 60_000);
 *       await new Promise((resolve) => setTimeout(resolve, wait));
 *     }
 *   }
 * }
 * assertEquals([(await load()).status, calls], [200, 3]);
 * ```
 */
export function retryAfter(error: unknown): number | undefined {
  const failure = findHangupError(error);
  if (!(failure instanceof StatusError)) return undefined;
  const { headers } = failure.response;
  const value = (headerOf(headers, "retry-after") ?? "").trim(); // Node keeps spaces at the end
  const now = parseDate((headerOf(headers, "date") ?? "").trim(), Date.now()) ?? Date.now();
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : (parseDate(value, now) ?? NaN) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

/**
 * Returns this module's error: either `error` itself, or the cause of a `TypeError` of
 * `session.fetch`.
 */
function findHangupError(error: unknown): HangupError | undefined {
  const [first, second] = causes(error);
  return resultOf(() => { // a proxy may throw
    const failure = first instanceof TypeError ? second : first;
    return failure instanceof HangupError ? failure : undefined;
  });
}

const DATE = /^[A-Z]\w+, (\d\d)[ -](\w{3})[ -](\d\d|\d{4}) (\d\d:\d\d):(\d\d) GMT$/;

/**
 * Parses a date in one of the three forms that HTTP allows (RFC 9110, section 5.6.7).
 * `Date.parse()` alone cannot do it, because it accepts many other forms, and because some engines
 * do not accept all three.
 *
 * @param now The time that decides the century of a year with two digits.
 */
function parseDate(text: string, now: number): number | undefined {
  // "Sun Nov  6 08:49:37 1994" becomes "Sun, 06 Nov 1994 08:49:37 GMT".
  const match = DATE.exec(
    text.replace(/^(\w{3} \w{3}) {2}/, "$1 0").replace(/^(\w{3}) (\w{3}) (\d\d) (\S+) (\d{4})$/, "$1, $3 $2 $5 $4 GMT"),
  );
  if (match === null) return undefined;
  const [, day, month, digits, minutes, seconds] = match;
  // A year with two digits is at most 50 years in the future and less than 50 in the past.
  const latest = new Date(now).getUTCFullYear() + 50;
  const year = digits!.length === 2 ? latest - (latest - Number(digits)) % 100 : Number(digits);
  // JavaScript has no leap second, such as 23:59:60.
  const isLeap = seconds === "60";
  const date = `${day} ${month} ${year} ${minutes}:${isLeap ? "59" : seconds} GMT`;
  const time = Date.parse(date);
  // A date that does not exist, such as 31 Feb, is parsed as another one, or not at all.
  return new Date(time).toUTCString().endsWith(date) ? time + (isLeap ? 1000 : 0) : undefined;
}
