// Copyright 2026 the Hangup authors. MIT license.
//
// The differences between a session's `fetch` and a bare one that are meant, each with its reason. Any other is a fault.
import type { Runtime } from "../harness/case.ts";
import type { Difference } from "./compare.ts";

/** A difference that is meant. */
export interface Reason {
  /** A short name, for the record of where it shows. */
  id: string;
  /** What differs, in a line. */
  what: string;
  /** Why, for those who use `session.fetch`. */
  reason: string;
  /** The situations in which it may show. */
  situations: RegExp;
  /** The aspects in which it may show. */
  aspects: RegExp;
  /** What bare `fetch` does where it shows; anything by default. */
  bare?: RegExp;
  /** What the session does where it shows; anything by default. */
  session?: RegExp;
  /** Where it may show; everywhere by default. */
  runtimes?: Runtime[];
  /** Whether it shows now and then only, as it depends on time. Then it need not show where it is recorded. */
  varies?: true;
}

const NODE: Runtime[] = ["node22", "node24", "node26"];

export const reasons: Reason[] = [
  {
    id: "decoded",
    what: "A decoded body comes without `content-encoding` and `content-length`",
    reason: "They describe the body as it was sent. Whoever passes the response on would send them with other bytes.",
    situations: /^codings: (?!identity$|an empty coding|an unknown coding)|^broken responses: .*\bgzip\b/,
    aspects: /(value|head)\.headers\.content-(encoding|length)$/,
    session: /^nothing$/,
  },
  {
    id: "ahead",
    what: "The call resolves once a body of at most 64 KiB has arrived",
    reason: "Such a body is read ahead, so that a response that nobody reads holds no connection.",
    situations: /^aborts: after the headers, a body that stalls,/,
    aspects: /^outcome$/,
    session: /^hangs$/,
  },
  {
    id: "framing",
    what: "Headers that frame a message or belong to one connection are not sent",
    reason:
      "The connection is the session's: what a caller says of it could end it, or smuggle a second request into it. " +
      "Where bare `fetch` refuses them, they are dropped as the standard drops its forbidden headers.",
    situations:
      /^headers: (a caller's (te|trailer|transfer-encoding|upgrade|expect|connection|keep-alive)$|expect$|transfer-encoding with|connection and)/,
    aspects:
      /^(call\.outcome|sent\.count|sent\.1\.(length|body)|sent\.1\.headers\.(te|trailer|transfer-encoding|content-length|upgrade|expect|sec-websocket-version))$/,
  },
  {
    id: "never-twice",
    what: "A POST is never sent again after a reused connection died",
    reason: "The server may have done what it asked for. Deno sends it again, even if the server had read it all.",
    situations: /^connections: a connection that died, reused for a POST$/,
    aspects: /^(second\.|sent\.count$)/,
    runtimes: ["deno"],
  },
  {
    id: "once-more",
    what: "A GET is sent once more after a reused connection died",
    reason:
      "It is safe to repeat, and the connection had died before the request: Deno, Bun and workerd do so themselves.",
    situations: /^connections: a connection that died, reused$/,
    aspects: /^(second\.|sent\.count$)/,
    runtimes: NODE,
  },
  {
    id: "file",
    what: "URLs of `file:` are refused",
    reason: "A session speaks HTTP. A URL from outside must not read the machine's files.",
    situations: /^schemes: file:/,
    aspects: /^call\./,
  },
  {
    id: "typeerror",
    what: "A failed connection is a `TypeError`",
    reason: "So says the standard; workerd throws a plain `Error`.",
    situations: /./,
    aspects: /error\.(name|classes)$/,
    bare: /^Error$/,
    session: /^TypeError/,
    runtimes: ["workerd"],
  },
  {
    id: "abort-reason",
    what: "An abort fails with the very reason of the signal",
    reason: "So says the standard; workerd passes on a copy, and Node an `AbortError` in place of some reasons.",
    situations: /^(aborts|redirects: aborted)/,
    aspects: /error\.(isReason|name|classes|chain)$/,
    session: /^(true|object null|number 0|string enough|\[\]|)$/,
    runtimes: ["workerd", ...NODE],
  },
];

/** The reason of a difference, if it has one. */
export function reasonOf(
  situation: string,
  runtime: Runtime,
  { aspect, bare, session }: Difference,
): Reason | undefined {
  return reasons.find((reason) =>
    reason.situations.test(situation) && reason.aspects.test(aspect) && (reason.bare?.test(bare) ?? true) &&
    (reason.session?.test(session) ?? true) &&
    (reason.runtimes?.includes(runtime) ?? true)
  );
}
