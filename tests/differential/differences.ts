// Copyright 2026 the Hangup authors. MIT license.
//
// The differences between a session's `fetch` and a bare one that are meant, each with its reason.
// Any other is a fault.
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
  /**
   * Whether it shows now and then only, as it depends on time. Then it need not show where it is
   * recorded.
   */
  varies?: true;
}

const NODE: Runtime[] = ["node22", "node24", "node26"];

export const reasons: Reason[] = [
  {
    id: "decoded",
    what: "A decoded body comes without `content-encoding` and `content-length`",
    reason: "They describe the body as it was sent. Whoever passes the response on would send them with other bytes.",
    situations:
      /^codings: (?!identity$|an empty coding|an unknown coding)|^broken responses: .*\bgzip\b|of a decoded response$/,
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
    id: "cut-off",
    what: "A reader gets nothing of a body of announced length, at most 64 KiB, that breaks off",
    reason: "Such a body is read at once, as `text()` reads it, which fails.",
    situations: /^broken responses: a reader of a small body that breaks off$/,
    aspects: /^first\./,
  },
  {
    id: "unknown-getter",
    what: "An option that throws when it is read makes the call fail, even an unknown one",
    reason: "All options are read, because those that the session does not know may be the runtime's.",
    situations: /^requests: an init whose unknown getter throws$/,
    aspects: /^(call\.|sent\.count$)/,
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
    id: "own-refusal",
    what: "What the session itself refuses has no error of the runtime's among its causes",
    reason: "The runtime was not asked: the session follows redirects, and checks URLs and chunks, itself.",
    situations: /^(schemes|redirects|broken responses|streams sent|policies|bodies): |^methods: a number$/,
    aspects: /error\.chain$/,
    session: /^\["TypeError"(,"(NetworkError|TooManyRedirectsError)"(,"(Type|Range)Error")?)?\]$/,
  },
  {
    id: "subclass",
    what: "A response is an instance of a subclass of `Response`",
    reason:
      "The standard constructor cannot be given a URL or a type. `instanceof Response` and `constructor` say `Response`. What " +
      "replaces a method of `Response.prototype`, as a spy of a test does, is not called.",
    situations: /^Response: /,
    aspects: /^isResponse\.value$/,
  },
  {
    id: "constructor",
    what: "`session.fetch` looks like a constructor",
    reason: "It is a plain function, as on Deno and Node. The functions of Bun and workerd are built in.",
    situations: /^requests: what the function looks like$/,
    aspects: /^isConstructor$/,
    runtimes: ["bun", "workerd"],
  },
  {
    id: "lenient-bun",
    what: "What the standard refuses is refused",
    reason:
      "Bun ignores wrong methods, options and bodies, or sends something else. So does workerd with a few. A session reports " +
      "the mistake before anything is sent.",
    situations:
      /^requests: init a (number|string)$|^methods: (GET with an empty body|"TRACE")$|^options: (mode|cache|a wrong option)|^redirects: redirect: (null|"Follow")$/,
    aspects: /^(call\.outcome|read\.outcome|sent\.count)$/,
    runtimes: ["bun", "workerd"],
  },
  {
    id: "empty-json",
    what: "An empty body is no JSON",
    reason: "So says the standard. Bun takes it for `null`, unless the body was looked at before.",
    situations: /^reading: json\(\) of nothing, at once$/,
    aspects: /^(outcome|value|error)/,
    runtimes: ["bun"],
  },
  {
    id: "null-body",
    what: "A `Request` keeps its body if `init.body` is `null`",
    reason: "So says the standard: only a body that is not null takes its place. Bun and workerd send none.",
    situations: /^requests: a Request with a body, and none in init$/,
    aspects: /^sent\.1\./,
    runtimes: ["bun", "workerd"],
  },
  {
    id: "buffers",
    what: "A view of shared or resizable memory is sent as it is at the call, and a detached buffer is refused",
    reason:
      "A session copies a body at the call, because the request may wait. The runtimes differ from each other here.",
    situations: /^bodies: a (view of a SharedArrayBuffer|detached buffer|resizable buffer)$/,
    aspects: /^(call\.outcome|sent\.)/,
  },
  {
    id: "empty-bodies",
    what: "An empty body of a `Request` is sent with `content-length: 0` and its type",
    reason:
      "It is in memory, so that its length is known. Deno sends an empty Blob in chunks, and Bun drops some types.",
    situations: /^bodies: a Request with (an empty Blob|empty URLSearchParams)/,
    aspects: /^sent\.1\.headers\.(content-length|transfer-encoding|content-type)$/,
    runtimes: ["deno", "bun"],
  },
  {
    id: "one-line",
    what: "Headers of one name are sent as one line",
    reason:
      "It means the same (RFC 9110, section 5.3). Deno sends a line for each only if they are given as pairs. Cookies are " +
      "joined with a semicolon (RFC 6265, section 4.2.1); workerd joins them with a comma, which makes one cookie of them.",
    situations: /^headers: (pairs|names that differ in case|several cookies)$/,
    aspects: /^sent\.1\.headers\./,
    runtimes: ["deno", "workerd"],
  },
  {
    id: "own-length",
    what: "A `content-length` of the caller's is ignored, unless the body is a stream",
    reason:
      "The length of a body in memory is known. With a wrong one, Node hangs or fails, and Bun sends it with a GET.",
    situations: /^headers: (a content-length|content-length 0 on a GET)/,
    aspects: /^(call\.outcome|sent\.count|sent\.1\.headers\.content-length)$/,
    runtimes: ["bun", ...NODE],
  },
  {
    id: "upload",
    what: "A stream is sent in chunks, unless the caller gives its length",
    reason:
      "The session reads it itself, so that it ends with its request. Runtimes know the length of some streams that they " +
      "have made themselves, such as `blob.stream()`, and tell nobody. Deno sends no other length of a stream: give it bytes.",
    situations: /^streams sent: of a (Blob|Response|Request, in init with its headers)$/,
    aspects: /^sent\.1\.headers\.(content-length|transfer-encoding)$/,
    session: /^(nothing|chunked)$/,
  },
  {
    id: "request-stream",
    what: "A `Request`'s body that is there within 10 ms is sent with its length",
    reason:
      "Deno, Bun and workerd do not tell whether a `Request` was made from a stream or from a string. So its body is read " +
      "ahead: what is at hand at once counts as in memory, and can be sent again at a redirect.",
    situations: /^streams sent: of a Request$|^redirects: 30\d after a Request with a stream$/,
    aspects: /^(call\.outcome|sent\.count|sent\.1\.headers\.(content-length|transfer-encoding))$/,
    runtimes: ["deno", "bun", "workerd"],
  },
  {
    id: "request-init",
    what: "The body of a `Request` that is given as the options is sent with its length",
    reason: "It is in memory, as that of a `Request` that is given as the input. Node takes it for a stream.",
    situations: /^requests: a Request with a body as init$/,
    aspects: /^sent\.1\.headers\.(content-length|transfer-encoding)$/,
    runtimes: NODE,
  },
  {
    id: "chunks",
    what: "A stream may only give chunks that are a `Uint8Array`",
    reason: "So says the standard. Bun, Node and workerd send some other chunks, and leave out others.",
    situations: /^streams sent: of (strings|numbers|ArrayBuffers)$|^bodies: an? (array|Map)$/,
    aspects: /^(call\.outcome|sent\.)/,
  },
  {
    id: "upload-fails",
    what: "An upload whose stream fails rejects with a `TypeError`",
    reason:
      "So says the standard, and the failure is among its causes. Bun throws the failure itself; workerd resolves.",
    situations: /^streams sent: (that fails|of a Request that fails|with a content-length)/,
    aspects: /(outcome|error\.(name|classes)|bodyUsed)$/,
    runtimes: ["bun", "workerd"],
  },
  {
    id: "upload-ends",
    what: "The stream of an upload is locked at the call, and canceled when its request ends",
    reason: "Nothing of a request may stay open when it is over. Some runtimes leave the stream as it is.",
    situations:
      /^streams sent: (locked after the call|to nobody|to a server that resets)$|^aborts: (an upload of a stream|a stream before the call)$/,
    aspects: /^(locked|(ended|canceled)\.(outcome|value))$/,
  },
  {
    id: "unsent",
    what: "A `Request` is left unused if its signal had aborted before the call",
    reason: "Nothing was sent, so its body can still be.",
    situations: /^aborts: a Request's body is used$/,
    aspects: /^used$/,
  },
  {
    id: "stream-to-get",
    what: "A redirect that turns a POST into a GET is followed, though the body was a stream",
    reason: "The GET has no body, so none has to be sent again.",
    situations: /^redirects: 30[12] after a (POST of a stream|Request with a stream)$/,
    aspects: /^(call\.outcome|sent\.count)$/,
  },
  {
    id: "put-again",
    what: "A body of bytes is sent again at a redirect",
    reason: "Bare `fetch` of Node 22 has detached them by then, and fails.",
    situations: /^redirects: 30\d after a PUT of bytes$/,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["node22"],
  },
  {
    id: "no-location",
    what: "A redirect without a `Location` has its body",
    reason: "It is the response, as the standard has it. Deno gives no body.",
    situations: /^redirects: 30\d without a Location$/,
    aspects: /^(call\.value\.body|read\.value|bodyUsed)$/,
    runtimes: ["deno"],
  },
  {
    id: "locations",
    what: "A `Location` is read as the standard says, in UTF-8 if it can be",
    reason:
      "The runtimes differ: Deno reads UTF-8 as Latin-1, others lose Latin-1; of two Locations each takes another; Node " +
      "refuses spaces around one, and Bun stops at an empty one.",
    situations:
      /^redirects: (a Location (in UTF-8|in Latin-1|that is empty|with spaces around)|two (equal )?Locations)$|^broken responses: a server that sends two different Locations$/,
    aspects: /^(call\.(outcome|value\.(url|headers\.content-length))|read\.value|sent\.(count|2\.target))$/,
  },
  {
    id: "credentials",
    what: "A user name and password in a URL are sent as `Authorization`, and not shown in `response.url`",
    reason:
      "They work on every runtime, and do not get into logs. Node refuses such URLs, workerd sends nothing, and Deno and Bun " +
      "show the password in `response.url`.",
    situations: /^(redirects: a Location with credentials|connections: (credentials|a user) in the URL)/,
    aspects: /^(call\.(outcome|value\.url)|sent\.(count|\d\.headers\.authorization))$/,
  },
  {
    id: "fragment",
    what: "`response.url` has no fragment",
    reason: "So says the standard. Bun leaves that of the request or of the last `Location`.",
    situations:
      /^(requests: (a fragment|an empty query and fragment|a Request with a fragment)|redirects: a (Location with a )?fragment)/,
    aspects: /^call\.value\.url$/,
    runtimes: ["bun"],
  },
  {
    id: "redirect-count",
    what: "At most 20 redirects are followed",
    reason: "So says the standard. Bun follows more, and has an option for it, which a session ignores.",
    situations: /^redirects: (21 in a row|a loop|maxRedirects: 0, an option of others)$/,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["bun"],
  },
  {
    id: "redirect-error",
    what: '`redirect: "error"` works',
    reason: "workerd refuses the option. A session sends the request and refuses a redirect.",
    situations: /^redirects: error: /,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["workerd"],
  },
  {
    id: "redirect-headers",
    what: "A redirect drops what is not meant for it",
    reason:
      "As the standard says: `Cookie` and `Proxy-Authorization` stay at their origin, and headers of a body go with the body. " +
      "workerd sends them on.",
    situations: /^redirects: /,
    aspects: /^sent\.\d\.headers\.(cookie|proxy-authorization|content-(type|encoding|language|location))$/,
    session: /^nothing$/,
    runtimes: ["workerd"],
  },
  {
    id: "redirect-body",
    what: "A redirect is followed though its own body is broken or endless",
    reason: "Nobody reads that body. The session discards it within bounds, or closes the connection.",
    situations:
      /^(redirects: a redirect whose body|broken responses: a server that redirects, and resets in the body$)/,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["workerd", ...NODE],
    varies: true,
  },
  {
    id: "no-cors",
    what: '`mode: "no-cors"` hides no response',
    reason:
      "There is no page to hide it from. Node makes a response opaque that comes from another origin by a redirect.",
    situations: /^policies: mode no-cors, redirected to another$/,
    aspects: /^(call\.|read\.|bodyUsed)/,
    runtimes: NODE,
  },
  {
    id: "same-origin",
    what: '`mode: "same-origin"` refuses a redirect to another origin',
    reason: "So says the standard. Deno, Bun and workerd ignore the mode.",
    situations: /^policies: mode same-origin, redirected to another$/,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["deno", "bun", "workerd"],
  },
  {
    id: "referrer",
    what: "The referrer of a `Request` is sent",
    reason: "So says the standard. Bare `fetch` of Node 24 drops it.",
    situations: /^(policies: a referrer of a Request|requests: a Request with a referrer)$/,
    aspects: /^sent\.1\.headers\.referer$/,
    runtimes: ["node24"],
  },
  {
    id: "two-lengths",
    what: "A chunked response whose `content-length` is wrong fails when it is read",
    reason: "Two lengths for one body are how a response is smuggled (RFC 9112, section 6.3). Node refuses it at once.",
    situations: /^broken responses: a server that announces 3 bytes and chunks$/,
    aspects: /^read\.outcome$/,
    runtimes: ["deno", "bun", "workerd"],
  },
  {
    id: "byte-streams",
    what: "Every body is a byte stream",
    reason:
      "So says the standard. On Bun, bare bodies have no BYOB readers, and count as used as soon as they have a reader; on " +
      "workerd the end of an empty body comes with an empty chunk.",
    situations:
      /^reading: (a BYOB reader|a reader that lets go|two readers|(clone|textStream)\(\) of a body that is locked|a reader of an empty body)/,
    aspects: /^(\w+\.(outcome|bodyUsed)|first\.value)$/,
    runtimes: ["bun", "workerd"],
  },
  {
    id: "form-used",
    what: "A body that is read as a form counts as read, though it is none",
    reason: "It was read. Bun and workerd look at the type first.",
    situations: /^reading: formData\(\)/,
    aspects: /^bodyUsed$/,
    runtimes: ["bun", "workerd"],
  },
  {
    id: "blob-type",
    what: "A `Blob` of a large body has its type",
    reason: "Bun leaves it out now and then.",
    situations: /^reading: blob\(\) of a large body$/,
    aspects: /^read\.value\.type$/,
    runtimes: ["bun"],
    varies: true,
  },
  {
    id: "aborted-used",
    what: "A body whose read failed because of an abort counts as read",
    reason: "Somebody has tried to read it. The runtimes differ.",
    situations: /^aborts: (after the headers|AbortSignal\.timeout\(\) in the body)/,
    aspects: /^bodyUsed$/,
    varies: true,
  },
  {
    id: "aborted-part",
    what: "An abort shows when a body is read or canceled, though it has arrived",
    reason: "As on the other runtimes. On Bun and workerd, a body that has arrived cannot fail any more.",
    situations: /^aborts: (a body before its cancel|right after text)\(\)/,
    aspects: /^(canceled|text)\.outcome$/,
    runtimes: ["bun", "workerd"],
    varies: true,
  },
  {
    id: "broken-canceled",
    what: "A broken body that nobody has read can be canceled",
    reason: "Whoever does not want an error page need not know of it. Bare `fetch` does so on Deno alone.",
    situations: /^broken responses: a small body, canceled once it is broken/,
    aspects: /^(read\.outcome|bodyUsed)$/,
    varies: true,
  },
  {
    id: "aborted-empty",
    what: "An empty body can be read after an abort",
    reason: "As on the other runtimes. Node 22 rejects.",
    situations: /^aborts: after the headers, no body, then text\(\)$/,
    aspects: /^text\.outcome$/,
    runtimes: ["node22"],
  },
  {
    id: "signal-like",
    what: "A signal that only looks like one aborts the request",
    reason: "It may be that of a polyfill or of another realm. Bare `fetch` refuses it, but on Node 22.",
    situations: /^aborts: a signal that looks like one$/,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["deno", "bun", "node24", "node26", "workerd"],
  },
  {
    id: "request-like",
    what: "A `Request` that only looks like one is sent",
    reason: "It may be that of a library or of another realm. Bare `fetch` takes it for a URL.",
    situations: /^requests: a Request that looks like one$/,
    aspects: /^(call\.outcome|sent\.count)$/,
    runtimes: ["deno", "node22", "node24", "node26", "workerd"],
  },
  {
    id: "url-in-options",
    what: "The URL is not taken from the options",
    reason: "The standard has it as the first argument. Only Bun's `fetch` takes an object with a `url`.",
    situations: /^requests: the options alone, with a url$/,
    aspects: /./,
    runtimes: ["bun"],
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
    session:
      /^(true|object null|number 0|string enough|\[\]||RangeError|RangeError Error|\["RangeError"\]|AbortError|DOMException Error|\["DOMException"\])$/,
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
