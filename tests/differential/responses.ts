// Copyright 2026 the Hangup authors. MIT license.
//
// What a response is, and how its body is read.
import { faults } from "../server/faults.ts";
import {
  ask,
  atOnce,
  describeError,
  group,
  head,
  type How,
  latin1,
  ok,
  one,
  raw,
  read,
  response,
  settle,
  type Situation,
  unsteady,
} from "./observe.ts";

/** A situation that asks for a response and does something with it. */
function got(name: string, path: string, how: How, init?: RequestInit): Situation {
  return one(name, path, init, how);
}

/**
 * What is done with a response in steps, each settled: so a step that fails does not hide the next.
 */
type Steps = Record<string, (response: Response) => unknown>;

function steps(name: string, path: string, steps: Steps, init?: RequestInit): Situation {
  return {
    name,
    async run(fetch, { url }) {
      const response = await fetch(url + path, init);
      const seen: Record<string, unknown> = { head: head(response) };
      for (const [step, take] of Object.entries(steps)) {
        seen[step] = { ...await settle(() => take(response)), bodyUsed: response.bodyUsed };
      }
      return seen;
    },
  };
}

const text: Steps[string] = (response) => response.text();
const size: Steps[string] = async (response) => (await response.arrayBuffer()).byteLength;

async function readAll(stream: ReadableStream<Uint8Array> | null): Promise<string> {
  const reader = stream!.getReader();
  let all = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) all += latin1(next.value);
  return all;
}

const TEXT = "content-type: text/plain";

const statuses: Situation[] = [
  ...[
    200,
    201,
    202,
    203,
    204,
    205,
    206,
    226,
    299,
    304,
    400,
    401,
    404,
    407,
    408,
    410,
    418,
    421,
    425,
    429,
    451,
    500,
    503,
    599,
  ]
    .map((status) => one(`status ${status}`, `/status/${status}`)),
  ...[100, 199, 600, 999].map((status) =>
    one(`status ${status}`, raw(response(`${status} Odd`, ["content-length: 2"], "ok"), { then: "finish" }))
  ),
  ...Object.entries({
    "empty": "200 ",
    "missing": "200",
    "of one's own": "200 Very Well",
    "with spaces around": "200   a  b  ",
    "in Latin-1": "200 \xe9\xff",
    "in UTF-8": "200 \xc3\xa4",
    "with a tab": "200 a\tb",
    "with a control character": "200 a\x01b",
    "long": `200 ${"a".repeat(1000)}`,
  }).map(([name, status]) => one(`a reason phrase ${name}`, raw(response(status, ["content-length: 2"], "ok")))),
  one("a header whose name is no token", raw(response("200 OK", ["powered by: me", "content-length: 2"], "ok"))),
  one("a body with 204", raw(response("204 None", ["content-length: 5"], ""))),
  one("headers of a body with 204", raw(response("204 None", ["content-type: text/x", "content-encoding: gzip"]))),
  one("205 without a body", raw(response("205 Reset", ["content-length: 0"]))),
  one("headers of a body with 205", raw(response("205 Reset", ["content-type: text/x", "content-length: 0"]))),
  one(
    "headers of a body with 304",
    raw(response("304 Same", ["content-encoding: gzip", "content-length: 1234", "etag: a"])),
  ),
  one("103 before", raw("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", ok([TEXT], "hello"))),
  one("100 before", raw("HTTP/1.1 100 Continue\r\n\r\n", ok([TEXT], "hello")), { method: "POST", body: "text" }),
  one("102 twice before", raw("HTTP/1.1 102 P\r\n\r\n".repeat(2), ok([TEXT], "hello"))),
];

const HEAD = { method: "HEAD" };

const heads: Situation[] = [
  one("HEAD with a length", "/bytes/100", HEAD),
  one("HEAD with a length above 64 KiB", "/bytes/100000", HEAD),
  one("HEAD of chunks", "/chunked/100", HEAD),
  one("HEAD with gzip", raw(response("200 OK", ["content-encoding: gzip", "content-length: 1234"])), HEAD),
  one("HEAD with gzip and no length", raw(response("200 OK", ["content-encoding: gzip"]), { then: "finish" }), HEAD),
  one("HEAD with br and a type", raw(response("200 OK", ["content-encoding: br", TEXT, "content-length: 9"])), HEAD),
  one("HEAD with 404", "/status/404", HEAD),
  one("HEAD with 204", "/status/204", HEAD),
  ...(["text", "json", "blob", "arrayBuffer", "bytes", "formData"] as const).map((how) =>
    one(`HEAD, read by ${how}()`, raw(response("200 OK", ["content-type: text/x", "content-length: 9"])), HEAD, how)
  ),
  ...(["text", "json", "blob", "arrayBuffer", "bytes"] as const).map((how) =>
    one(`204, read by ${how}()`, "/status/204", {}, how)
  ),
];

const fields = (name: string, ...headers: string[]) => one(name, raw(ok([...headers], "hello")));

const headers: Situation[] = [
  fields("several of a name", "x-a: 1", "x-a: 2", "X-A: 3"),
  fields("set-cookie", "set-cookie: a=1; Path=/", "set-cookie: b=2, c", "x-a: 1"),
  fields("an empty value", "x-a:", "x-b: "),
  fields("whitespace around a value", "x-a: \t 1 2 \t"),
  fields("Latin-1", "x-a: \xe9\xff"),
  fields("UTF-8", "x-a: \xc3\xa4"),
  fields("names in capitals", "X-UPPER: A", "Content-Type: Text/Plain"),
  fields("a long value", `x-a: ${"a".repeat(7000)}`),
  fields("many", ...Array.from({ length: 80 }, (_, i) => `x-${i}: ${i}`)),
  fields("commas and quotes", 'x-a: "a, b", c', "vary: a", "vary: b"),
  fields("odd names", "x!#$%&'*+-.^_`|~: 1"),
  fields("set-cookie2 and cookies' kin", "set-cookie2: a", "cookie: a"),
  steps("methods", raw(ok(["x-a: 1", "x-a: 2", "set-cookie: a=1", "set-cookie: b=2"], "hello")), {
    get: ({ headers }) => headers.get("X-A"),
    getMissing: ({ headers }) => headers.get("x-b"),
    has: ({ headers }) => headers.has("x-a"),
    getCookie: ({ headers }) => headers.get("set-cookie"),
    getSetCookie: ({ headers }) => headers.getSetCookie(),
    entries: ({ headers }) => [...headers],
    keys: ({ headers }) => [...headers.keys()],
    same: (response) => response.headers === response.headers,
    instance: ({ headers }) => headers instanceof Headers,
    tag: ({ headers }) => Object.prototype.toString.call(headers),
    copy: ({ headers }) => [...new Headers(headers)],
    badName: ({ headers }) => headers.get("a b"),
  }),
  steps("cannot be changed", raw(ok(["x-a: 1"], "hello")), {
    append: ({ headers }) => headers.append("x-b", "2"),
    set: ({ headers }) => headers.set("x-a", "2"),
    delete: ({ headers }) => headers.delete("x-a"),
    after: ({ headers }) => [headers.get("x-a"), headers.get("x-b")],
  }),
  steps("cannot be changed, of a decoded response", "/encoded/gzip/1000", {
    append: ({ headers }) => headers.append("x-b", "2"),
    set: ({ headers }) => headers.set("x-a", "2"),
    delete: ({ headers }) => headers.delete("x-a"),
    after: ({ headers }) => [headers.get("x-a"), headers.get("x-b")],
  }),
  steps("cannot be changed, of a large response", "/bytes/200000", {
    set: ({ headers }) => headers.set("x-a", "2"),
    size,
  }),
  steps("of a clone", raw(ok(["x-a: 1"], "hello")), {
    change: (response) => response.clone().headers.set("x-b", "2"),
    original: ({ headers }) => headers.get("x-b"),
  }),
];

const object: Steps = {
  instance: (response) => response instanceof Response,
  tag: (response) => Object.prototype.toString.call(response),
  constructorName: (response) => response.constructor.name,
  isResponse: (response) => Object.getPrototypeOf(response) === Response.prototype,
  json: (response) => JSON.stringify(response),
  keys: (response) => Object.keys(response).length,
  ownNames: (response) => Object.getOwnPropertyNames(response).length,
  spread: (response) => Object.keys({ ...response }).length,
  forIn: (response) => {
    const names: string[] = [];
    for (const name in response) names.push(name);
    return names.sort();
  },
  body: ({ body }) => [body instanceof ReadableStream, body?.locked],
  bodySame: (response) => response.body === response.body,
  clone: async (response) => {
    const clone = response.clone();
    return [head(clone), clone instanceof Response, await clone.text()];
  },
  rewrapped: async (response) => {
    const again = new Response(response.clone().body, response);
    return [again.status, again.headers.get("x-a"), await again.text()];
  },
  getters: (response) => Object.getOwnPropertyDescriptor(Response.prototype, "status")?.get?.call(response),
  method: (response) => Response.prototype.text.call(response.clone()),
  assigned: (response) => Reflect.set(response, "status", 1) && response.status,
  own: (response) => Reflect.set(response, "own", 1) && Reflect.get(response, "own"),
  cloned: (response) => structuredClone(response),
  proxied: (response) => new Proxy(response, {}).status,
  text,
};

const objects: Situation[] = [
  steps("a small one", raw(ok(["x-a: 1", TEXT], "hello")), object),
  steps("a large one", "/bytes/200000", { ...object, text: size }),
  steps("a chunked one", "/chunked/1000", { ...object, text: size }),
  steps("one without a body", "/status/204", { ...object }),
  steps("one after a redirect", "/redirect/302?to=/ok", { ...object }),
  steps("one that failed", "/status/404", { ...object, text: size }),
];

const BOM = "\xef\xbb\xbf";
const content = (type: string, body: string) => raw(ok(type === "" ? [] : [`content-type: ${type}`], body));
const MULTIPART =
  '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\ncontent-disposition: form-data; name="f"; filename="n.txt"\r\ncontent-type: text/x\r\n\r\nfile\r\n--b--\r\n';

const readings: Situation[] = [
  got("text() of UTF-8", content("text/plain", "\xc3\xa4\xe2\x82\xac"), "text"),
  got("text() with a BOM", content("text/plain", `${BOM}a${BOM}`), "text"),
  got("text() of broken UTF-8", content("text/plain", "a\xff\xc3"), "text"),
  got("text() of Latin-1 so labeled", content("text/plain; charset=iso-8859-1", "\xe4"), "text"),
  got("text() of UTF-16", content("text/plain; charset=utf-16", "\xff\xfea\x00"), "text"),
  got("text() of nothing", content("text/plain", ""), "text"),
  got("json()", content("application/json", '{"a":[1,null]}'), "json"),
  got("json() with a BOM", content("application/json", `${BOM}1`), "json"),
  got("json() of nothing", content("application/json", ""), "json"),
  got("json() of what is none", content("application/json", "{"), "json"),
  ...(["text", "json", "bytes", "arrayBuffer", "blob"] as const).flatMap((how) => [
    atOnce(`${how}() of nothing, at once`, content("application/json", ""), how),
    atOnce(`${how}() of a number, at once`, content("application/json", "1"), how),
    atOnce(`${how}() in chunks, at once`, "/chunked/10", how),
  ]),
  got("json() of text", content("text/plain", "1"), "json"),
  got("arrayBuffer()", content("", "a\xff"), "arrayBuffer"),
  got("bytes()", content("", "a\xff"), "bytes"),
  got("bytes() of 200,000", "/bytes/200000", "bytes"),
  got("arrayBuffer() of chunks", "/chunked/200000", "arrayBuffer"),
  ...Object.entries({
    "a type": "text/plain",
    "a type with a charset": "Text/Plain; Charset=UTF-8",
    "a type with spaces": "text/plain ; a=1",
    "no type": "",
    "a type that is none": "nonsense",
    "a type beyond ASCII": "text/\xe4",
    "multipart": "multipart/form-data; boundary=AbC",
  }).map(([name, type]) => got(`blob() with ${name}`, content(type, "hello"), "blob")),
  one("blob() with two types", raw(ok(["content-type: text/a", "content-type: text/b"], "hello")), {}, "blob"),
  got("blob() of a large body", "/bytes/200000", "blob"),
  got("blob() of nothing", content("text/x", ""), "blob"),
  got("formData() of multipart", content("multipart/form-data; boundary=b", MULTIPART), "formData"),
  got("formData() of multipart that is none", content("multipart/form-data; boundary=b", "hello"), "formData"),
  got("formData() of multipart without a boundary", content("multipart/form-data", MULTIPART), "formData"),
  got("formData() of pairs", content("application/x-www-form-urlencoded", "a=1+2&b=%c3%a4&a"), "formData"),
  got(
    "formData() of pairs with a charset",
    content("application/x-www-form-urlencoded;charset=UTF-8", "a=1"),
    "formData",
  ),
  got("formData() of text", content("text/plain", "a=1"), "formData"),
  got("formData() without a type", content("", "a=1"), "formData"),
];

const bytesOf = (promise: Promise<ReadableStreamReadResult<Uint8Array>>) =>
  promise.then(({ done, value }) => [done, value && latin1(value)]);

/** Not every runtime has `textStream()`. */
const textStream: Steps[string] = async (response) => {
  const { textStream } = response as { textStream?(): ReadableStream<string> };
  if (textStream === undefined) return "no such method";
  let length = 0;
  for await (const text of textStream.call(response)) length += text.length;
  return length;
};

const bodies: Situation[] = [
  steps("textStream()", content("", "\xc3\xa4"), { textStream, text }),
  steps("textStream() of a large body", "/bytes/200000", { textStream, text }),
  steps("textStream() of 204", "/status/204", { textStream }),
  steps("textStream() after text()", content("", "hello"), { text, textStream }),
  steps("textStream() of a body that is locked", content("", "hello"), {
    lock: ({ body }) => void body?.getReader(),
    textStream,
  }),
  steps("textStream() of a clone", content("", "hello"), {
    clone: (response) => textStream(response.clone()),
    textStream,
  }),
  steps("text() twice", content("", "hello"), { first: text, second: text }),
  steps("text() twice of a large body", "/bytes/200000", { first: size, second: size }),
  steps("text() twice of nothing", content("", ""), { first: text, second: text }),
  steps("text() twice of 204", "/status/204", { first: text, second: text }),
  steps("clone(), both read", content("", "hello"), { clone: (response) => response.clone().text(), text }),
  steps("clone(), both read, of a large body", "/bytes/200000", {
    clone: (response) => {
      const clone = response.clone();
      return Promise.all([size(response), size(clone)]);
    },
  }),
  steps("clone() of a body that was read", content("", "hello"), { text, clone: (response) => response.clone() }),
  steps("clone() of a body that is locked", content("", "hello"), {
    lock: ({ body }) => void body?.getReader(),
    clone: (response) => response.clone(),
    text,
  }),
  steps("clone() of a body whose stream was taken", content("", "hello"), {
    clone: async (response) => {
      const { body } = response;
      const clone = response.clone();
      return [body?.locked, response.body === body, await clone.text()];
    },
    text,
  }),
  steps("clone() of 204", "/status/204", { clone: (response) => head(response.clone()) }),
  steps("clone() of a clone", content("", "hello"), {
    clone: (response) => response.clone().clone().text(),
    text,
  }),
  steps("a reader", content("", "hello"), {
    all: ({ body }) => readAll(body),
    text,
  }),
  steps("a reader of chunks", "/chunked/1000", { all: ({ body }) => readAll(body) }),
  steps("a reader of a large body", "/bytes/200000", { all: ({ body }) => readAll(body) }),
  steps("a reader of an empty body", content("", ""), {
    first: ({ body }) => body && bytesOf(body.getReader().read()),
  }),
  steps("a reader after the end", content("", "hello"), {
    ends: async ({ body }) => {
      const reader = body!.getReader();
      for (let next = await reader.read(); !next.done;) next = await reader.read();
      return [await bytesOf(reader.read()), await reader.closed === undefined];
    },
    text,
  }),
  steps("a reader that lets go", content("", "hello"), {
    lock: ({ body }) => body?.getReader().releaseLock(),
    text,
  }),
  steps("a reader that reads and lets go", "/bytes/200000", {
    part: async ({ body }) => {
      const reader = body!.getReader();
      await reader.read();
      reader.releaseLock();
    },
    text,
  }),
  steps("a stream that is taken after text()", content("", "hello"), {
    text,
    locked: ({ body }) => body?.locked,
    lock: ({ body }) => void body?.getReader(),
  }),
  steps("two readers", content("", "hello"), {
    first: ({ body }) => void body?.getReader(),
    second: ({ body }) => void body?.getReader(),
    text,
  }),
  steps("a chunk's class", content("", "hello"), {
    chunk: async ({ body }) => {
      const { value } = await body!.getReader().read();
      return [value?.constructor.name, value instanceof Uint8Array, value?.buffer instanceof ArrayBuffer];
    },
  }),
  ...Object.entries({ small: content("", "hello"), large: "/bytes/200000", chunked: "/chunked/1000" }).flatMap((
    [name, path],
  ) => [
    steps(`a BYOB reader of a ${name} body`, path, {
      all: async ({ body }) => {
        const reader = body!.getReader({ mode: "byob" });
        let all = "";
        for (;;) {
          const { done, value } = await reader.read(new Uint8Array(1000));
          if (done) return all;
          all += latin1(value);
        }
      },
      text,
    }),
    steps(`cancel() of a ${name} body`, path, {
      cancel: ({ body }) => body?.cancel(),
      text,
      reader: ({ body }) => body && bytesOf(body.getReader().read()),
    }),
    steps(`a reader's cancel() of a ${name} body`, path, {
      cancel: async ({ body }) => {
        const reader = body!.getReader();
        await reader.read();
        await reader.cancel(new Error("enough"));
      },
      text,
    }),
    steps(`tee() of a ${name} body`, path, {
      tee: async ({ body }) => await Promise.all(body!.tee().map(readAll)),
      text,
    }),
    steps(`pipeThrough() of a ${name} body`, path, {
      pipe: ({ body }) => readAll(body!.pipeThrough(new TransformStream())),
      text,
    }),
    steps(`pipeTo() of a ${name} body`, path, {
      pipe: async ({ body }) => {
        let length = 0;
        await body!.pipeTo(new WritableStream({ write: (chunk) => void (length += chunk.length) }));
        return length;
      },
    }),
    steps(`for await of a ${name} body`, path, {
      all: async ({ body }) => {
        let length = 0;
        for await (const chunk of body!) length += chunk.length;
        return length;
      },
      text,
    }),
    steps(`for await of a ${name} body, left`, path, {
      part: async ({ body }) => {
        for await (const chunk of body!) return chunk.length > 0;
      },
      text,
    }),
    steps(`a Response of a ${name} body`, path, {
      again: ({ body }) => new Response(body).text(),
      text,
    }),
    steps(`tag and names of a ${name} body`, path, {
      tag: ({ body }) => Object.prototype.toString.call(body),
      proto: ({ body }) => Object.getPrototypeOf(body) === ReadableStream.prototype,
    }),
  ]),
  steps("a body of 64 KiB", "/bytes/65536", { size }),
  steps("a body of 64 KiB and a byte", "/bytes/65537", { size }),
  steps("a body without a length", raw(response("200 OK", [TEXT], "hello"), { then: "finish" }), { text }),
  steps("a body of one byte at a time", "/drip?n=20&gap=1", { size }),
  steps(
    "chunks with an extension and trailers",
    raw(response("200 OK", ["transfer-encoding: chunked", "trailer: x-t"], "5;a=b\r\nhello\r\n0\r\nx-t: 1\r\n\r\n")),
    { text },
  ),
  steps("chunks of no length", raw(response("200 OK", ["transfer-encoding: chunked"], "0\r\n\r\n")), { text }),
  {
    name: "a body that comes later than its head",
    async run(fetch, at) {
      const response = await fetch(`${at.url}/hold?key=a&sent=3`);
      const reader = response.body!.getReader();
      const first = await settle(() => bytesOf(reader.read()));
      await at.release("a");
      const second = await settle(() => bytesOf(reader.read()));
      return { head: head(response), first, second };
    },
  },
  {
    name: "text() begun before the body has come",
    async run(fetch, at) {
      const response = await fetch(`${at.url}/hold?key=a&sent=3`);
      const promise = read(response);
      const { bodyUsed } = response;
      await at.release("a");
      return { bodyUsed, text: await promise };
    },
  },
  {
    name: "two responses at once",
    run: async (fetch, { url }) => ({ ...await Promise.all([1, 2].map((i) => ask(() => fetch(`${url}/bytes/${i}`)))) }),
  },
  {
    name: "a body read by each method at once",
    async run(fetch, { url }) {
      const response = await fetch(url + content("", "hello"));
      const [first, second] = [response.text(), response.text()].map((each) => each.catch(describeError));
      return { first: await first, second: await second };
    },
  },
];

const HELLO_GZIP = "H4sIAAAAAAAAE8tIzcnJBwCGphA2BQAAAA==";

const encoded = (name: string, base64: string, ...headers: string[]) =>
  one(name, raw(response("200 OK", [TEXT, ...headers, `content-length: ${atob(base64).length}`]), { base64 }));

/**
 * Node loses such a failure now and then, and Deno tells of it before or after it gives the body
 * away.
 */
const LOST = /^(read\.|bodyUsed$)/;

const codings: Situation[] = [
  one("gzip", "/encoded/gzip/1000"),
  one("gzip of 1,000,000 bytes", "/encoded/gzip/1000000"),
  one("br", "/encoded/br/1000"),
  one("br of 1,000,000 bytes", "/encoded/br/1000000"),
  one("deflate", "/encoded/deflate/1000"),
  encoded("hello", HELLO_GZIP, "content-encoding: gzip"),
  encoded("x-gzip", HELLO_GZIP, "content-encoding: x-gzip"),
  encoded("GZIP", HELLO_GZIP, "content-encoding: GZIP"),
  encoded("gzip with spaces", HELLO_GZIP, "content-encoding:  gzip "),
  encoded("identity, gzip", HELLO_GZIP, "content-encoding: identity, gzip"),
  encoded("gzip, identity", HELLO_GZIP, "content-encoding: gzip, identity"),
  encoded("gzip and gzip in two headers", HELLO_GZIP, "content-encoding: gzip", "content-encoding: identity"),
  encoded("identity", btoa("hello"), "content-encoding: identity"),
  encoded("an empty coding", btoa("hello"), "content-encoding:"),
  encoded("an unknown coding", btoa("hello"), "content-encoding: own"),
  encoded("raw deflate", "y0jNyckHAA==", "content-encoding: deflate"),
  encoded("gzip of nothing", "", "content-encoding: gzip"),
  unsteady(encoded("gzip that is none", btoa("hello"), "content-encoding: gzip"), LOST),
  unsteady(encoded("gzip cut off", "H4sIAAAAAAAAE8tIzck=", "content-encoding: gzip"), LOST),
  unsteady(encoded("gzip with more behind", `${btoa(atob(HELLO_GZIP) + "more")}`, "content-encoding: gzip"), LOST),
  unsteady(encoded("br that is none", btoa("hello"), "content-encoding: br"), LOST),
  one(
    "gzip in chunks",
    raw(
      response("200 OK", ["content-encoding: gzip", "transfer-encoding: chunked"], "19\r\n"),
      { base64: HELLO_GZIP },
      "\r\n0\r\n\r\n",
    ),
  ),
  one(
    "gzip without a length",
    raw(response("200 OK", ["content-encoding: gzip"]), { base64: HELLO_GZIP }, { then: "finish" }),
  ),
  one(
    "gzip of 404",
    raw(response("404 None", ["content-encoding: gzip", "content-length: 25"]), { base64: HELLO_GZIP }),
  ),
  one(
    "gzip, asked for as identity",
    raw(response("200 OK", ["content-encoding: gzip", "content-length: 25"]), { base64: HELLO_GZIP }),
    {
      headers: { "accept-encoding": "identity" },
    },
  ),
  steps("gzip, cloned", "/encoded/gzip/1000", { clone: (response) => size(response.clone()), size }),
];

/**
 * What the peer does wrong. Those that never end are for other suites, and so are those of whose
 * failure Node may lose sight.
 */
const ENDLESS =
  /stall|drip|for-ever|endless|bomb|hang|silent|never|continue-flood|stops-reading|stays-open|speaks-first|reused|idle$|late-response|at-accept|huge|half-closes|switches|loop|status-of|status-99|http-2|negative|not-a-number|early-|gzip-wrong|gzip-not/;

const broken: Situation[] = [
  steps(
    "a reader of a small body that breaks off",
    raw(response("200 OK", ["content-length: 50"], "only this"), 20, { then: "reset" }),
    { first: ({ body }) => bytesOf(body!.getReader().read()) },
  ),
  ...Object.entries(faults).filter(([name]) => !ENDLESS.test(name))
    .map(([name, { does }]) => one(`a server that ${does}`, `/fault/${name}`)),
  one("a body of 200,000 bytes that is cut off", "/truncate/200000"),
  one("a small body that is cut off", "/truncate/10?of=50"),
  one(
    "a small body that is cut off, of 503",
    raw(response("503 Busy", ["retry-after: 7", "content-length: 50"], "only this"), { then: "close" }),
  ),
  one("a small body that is cut off, by bytes()", "/truncate/10?of=50", {}, "bytes"),
  one("a small body that is cut off, by json()", "/truncate/10?of=50", {}, "json"),
  one("a small body that is cut off, by blob()", "/truncate/10?of=50", {}, "blob"),
  one("a small body that is cut off, by a reader", "/truncate/10?of=50", {}, ({ body }) => readAll(body)),
  one("a small body that is cut off, by a clone", "/truncate/10?of=50", {}, (response) => response.clone().text()),
  one("a small body that is cut off, unread", "/truncate/10?of=50", {}, "not"),
  one("a body that is reset", raw(response("200 OK", ["content-length: 50"], "only this"), 20, { then: "reset" })),
  one("chunks that are cut off", "/truncate-chunked/10"),
  one("chunks of 200,000 bytes that are cut off", "/truncate-chunked/200000"),
  one("a body of no bytes that is cut off", "/truncate/0?of=50"),
  ...["/truncate/10?of=50", "/truncate-chunked/10", "/fault/gzip-not"].map((path) =>
    one(`a small body, canceled once it is broken: ${path}`, path, {}, async ({ body }) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await body!.cancel();
    })
  ),
];

export const responses: Situation[] = [
  ...group("responses", statuses),
  ...group("responses", heads),
  ...group("response headers", headers),
  ...group("Response", objects),
  ...group("reading", readings),
  ...group("reading", bodies),
  ...group("codings", codings),
  // On Node, the news of a reset may come as that of an end, if other work comes between.
  ...group("broken responses", broken.map((each) => ({ ...each, timed: each.name.includes("reset") }))),
];
