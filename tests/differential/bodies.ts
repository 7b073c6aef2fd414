// Copyright 2026 the Hangup authors. MIT license.
//
// Request bodies of each type that `fetch` accepts.
import {
  ask,
  BROKEN_OFF,
  group,
  one,
  settle,
  type Situation,
  streaming,
  streamOf,
  unsteady,
  wrong,
} from "./observe.ts";

type Make = () => unknown;

const { Bun } = globalThis as { Bun?: { file(url: URL): Blob } };

const bytes = (length: number) => new Uint8Array(length).fill(97);

function form(value: string | Blob = "1"): FormData {
  const body = new FormData();
  body.append("a", value);
  body.append("ü", "ö\r\nb");
  return body;
}

const file = (size: number) => new File([bytes(size)], 'a"ü\n.txt', { type: "text/x" });

class OwnBuffer extends ArrayBuffer {
  override get [Symbol.toStringTag](): "ArrayBuffer" {
    return wrong("Own");
  }
}

/** Bodies made from memory. */
const kinds: Record<string, Make> = {
  "a string": () => "text",
  "an empty string": () => "",
  "a string beyond ASCII": () => "äł€😀",
  "a string with a lone surrogate": () => "a\ud800b",
  "a String object": () => new String("text"),
  "a string of 70,000 characters": () => "a".repeat(70_000),
  "a string of 1,000,000 characters": () => "a".repeat(1_000_000),
  "bytes": () => bytes(4),
  "no bytes": () => bytes(0),
  "70,000 bytes": () => bytes(70_000),
  "a part of a buffer": () => new TextEncoder().encode("0123456789").subarray(3, 6),
  "a DataView": () => new DataView(new TextEncoder().encode("0123456789").buffer, 2, 3),
  "a Float64Array": () => new Float64Array([1, 2]),
  "an ArrayBuffer": () => bytes(4).buffer,
  "an empty ArrayBuffer": () => new ArrayBuffer(0),
  "an ArrayBuffer with a tag of its own": () => new OwnBuffer(4),
  "a Blob": () => new Blob(["text"]),
  "a Blob with a type": () => new Blob(["text"], { type: "text/X; charset=UTF-8" }),
  "an empty Blob": () => new Blob([]),
  "an empty Blob with a type": () => new Blob([], { type: "text/x" }),
  "an empty file, on Bun": () => Bun?.file(new URL("empty.txt", import.meta.url)) ?? "text",
  "a Blob of 70,000 bytes": () => new Blob([bytes(70_000)], { type: "text/x" }),
  "a File": () => file(4),
  "a form": () => form(),
  "a form with a file": () => form(file(4)),
  "a form with a file of 70,000 bytes": () => form(file(70_000)),
  "a form with a file of another name": () => {
    const body = new FormData();
    body.append("a", new File(["text"], "own.txt"), "given.txt");
    body.set("b", new Blob(["text"]), "given.bin");
    return body;
  },
  "a form with a Blob": () => form(new Blob(["text"])),
  "an empty form": () => new FormData(),
  "URLSearchParams": () => new URLSearchParams({ a: "1 2", "ü": "&" }),
  "empty URLSearchParams": () => new URLSearchParams(),
};

/** Bodies that are none, or that are made texts. */
const others: Record<string, Make> = {
  "undefined": () => undefined,
  "null": () => null,
  "a number": () => 1,
  "zero": () => 0,
  "false": () => false,
  "a bigint": () => 1n,
  "a symbol": () => Symbol("a"),
  "an object": () => ({ a: 1 }),
  "an object with toString()": () => ({ toString: () => "text" }),
  "an array": () => ["a", "b"],
  "a Date": () => new Date(0),
  "a Map": () => new Map([["a", "1"]]),
  "a function": () => () => {},
  "an object whose toString() throws": () => ({
    toString() {
      throw new RangeError("no");
    },
  }),
  "a SharedArrayBuffer": () => new SharedArrayBuffer(4),
  "a view of a SharedArrayBuffer": () => new Uint8Array(new SharedArrayBuffer(4)),
  "a detached buffer": () => {
    const { buffer } = bytes(4);
    structuredClone(buffer, { transfer: [buffer] });
    return buffer;
  },
  "a resizable buffer": () => Reflect.construct(ArrayBuffer, [4, { maxByteLength: 8 }]),
  "a Response": () => new Response("text"),
  "a Request": () => new Request("http://elsewhere.invalid/", { method: "POST", body: "text" }),
  "an iterator of bytes": () => [bytes(2), bytes(2)].values(),
};

const post = (name: string, make: Make, init: RequestInit = {}) =>
  one(name, "/ok", () => ({ method: "POST", ...init, body: wrong(make()) }));

const given: Situation[] = [
  ...Object.entries(kinds).map(([name, make]) => post(name, make)),
  ...Object.entries(others).map(([name, make]) => post(name, make)),
  post("a form by PUT", () => form(), { method: "PUT" }),
  post("a form with a content-type given", () => form(), { headers: { "content-type": "text/x" } }),
  post("URLSearchParams with a content-type given", () => new URLSearchParams("a=1"), {
    headers: { "content-type": "text/x" },
  }),
  post("a Blob with a content-type given", () => new Blob(["a"], { type: "text/y" }), {
    headers: { "content-type": "text/x" },
  }),
  post("a string with keepalive", () => "text", { keepalive: true }),
  post("70,000 bytes with keepalive", () => bytes(70_000), { keepalive: true }),
  post("a string with duplex", () => "text", wrong({ duplex: "half" })),
  post("a string with a wrong duplex", () => "text", wrong({ duplex: "both" })),
];

/** A Request with a body of each kind. */
const carried: Situation[] = Object.entries(kinds).map(([name, make]) => ({
  name: `a Request with ${name}`,
  async run(fetch, { url }) {
    const request = new Request(`${url}/ok`, { method: "PUT", body: wrong(make()) });
    return { asked: await ask(() => fetch(request)), used: request.bodyUsed };
  },
}));

const stream = (name: string, make: () => unknown, init: unknown = {}, path = "/ok") =>
  one(name, path, () => streaming(wrong(make()), wrong(init)));

function streamOfOne(chunk: unknown): ReadableStream {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(chunk);
      controller.close();
    },
  });
}

async function* generateText() {
  for (const text of ["a", "b"]) {
    await Promise.resolve();
    yield text;
  }
}

async function* generate() {
  for await (const text of generateText()) yield new TextEncoder().encode(text);
}

/** A source that says what became of it. */
function watched(pieces: number): { body: ReadableStream<Uint8Array>; canceled: Promise<unknown> } {
  let cancel = (_: unknown) => {};
  const canceled = new Promise<unknown>((resolve) => cancel = resolve);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (sent++ === pieces) controller.close();
      else controller.enqueue(bytes(1000));
    },
    cancel,
  });
  return { body, canceled };
}

const streams: Situation[] = [
  stream("of bytes", () => streamOf("one", "two")),
  stream("of bytes by PUT", () => streamOf("one", "two"), { method: "PUT" }),
  stream("without a chunk", () => streamOf()),
  stream("of an empty chunk", () => streamOf(bytes(0), "a")),
  stream("of 1,000,000 bytes", () => streamOf(...Array.from({ length: 100 }, () => bytes(10_000)))),
  stream("of a Blob", () => new Blob(["text"]).stream()),
  stream("that is a byte stream", () =>
    new ReadableStream({
      type: "bytes",
      start(controller) {
        controller.enqueue(bytes(4));
        controller.close();
      },
    })),
  stream("of a TransformStream", () => streamOf("a", "b").pipeThrough(new TransformStream())),
  stream("of a Response", () => new Response("text").body),
  one("without duplex", "/ok", () => ({ method: "POST", body: streamOf("one", "two") })),
  stream("with duplex undefined", () => streamOf("one"), { duplex: undefined }),
  stream("with duplex full", () => streamOf("one"), { duplex: "full" }),
  unsteady(stream("of strings", () => streamOfOne("text"))),
  unsteady(stream("of numbers", () => streamOfOne(1))),
  unsteady(stream("of ArrayBuffers", () => streamOfOne(bytes(4).buffer))),
  unsteady(stream("that fails at once", () => streamOf(new RangeError("no")))),
  unsteady(stream("that fails after a chunk", () => streamOf("one", new RangeError("no")))),
  stream("that was read", () => {
    const body = streamOf("one");
    body.cancel();
    return body;
  }),
  stream("that is locked", () => {
    const body = streamOf("one");
    body.getReader();
    return body;
  }),
  stream("on a GET", () => streamOf("one"), { method: "GET" }),
  stream("with its content-length", () => streamOf("one", "two"), { headers: { "content-length": "6" } }),
  unsteady(
    stream("with a content-length too small", () => streamOf("one", "two"), { headers: { "content-length": "4" } }),
    /^sent\./,
  ),
  unsteady(
    stream("with a content-length too large", () => streamOf("one", "two"), { headers: { "content-length": "9" } }),
    /^sent\./,
  ),
  stream("with keepalive", () => streamOf("one"), { keepalive: true }),
  stream("that is an async generator", generate),
  unsteady(stream("that is an async generator of strings", generateText)),
  one("that is an async generator, without duplex", "/ok", () => ({ method: "POST", body: wrong(generate()) })),
  unsteady(stream("answered before it is sent", () => watched(20).body, {}, "/early?status=413")),
  {
    name: "of a Request",
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, streaming(streamOf("one", "two")));
      return { asked: await ask(() => fetch(request)), used: request.bodyUsed };
    },
  },
  {
    name: "of a Request that fails",
    unsteady: BROKEN_OFF,
    async run(fetch, { url }) {
      const request = new Request(`${url}/ok`, streaming(streamOf("one", new RangeError("no"))));
      return { asked: await ask(() => fetch(request)), used: request.bodyUsed };
    },
  },
  {
    name: "of a Request, in init with its headers",
    async run(fetch, { url }) {
      const { method, headers, body } = new Request(`${url}/ok`, { method: "POST", body: "text" });
      return await ask(() => fetch(`${url}/ok`, streaming(wrong(body), { method, headers })));
    },
  },
  {
    name: "that is the body of a response",
    // Bun announces a length if the whole body happens to be there.
    unsteady: /^sent\.2\.headers\.(content-length|transfer-encoding)$/,
    async run(fetch, { url }) {
      const response = await fetch(`${url}/chunked/100000`);
      const asked = await ask(() => fetch(`${url}/ok`, streaming(wrong(response.body))));
      return { asked, status: response.status }; // Node cancels the body of a response that is collected
    },
  },
  {
    name: "locked after the call",
    async run(fetch, { url }) {
      const body = streamOf("one", "two");
      const promise = fetch(`${url}/ok`, streaming(body));
      const { locked } = body;
      return { locked, asked: await ask(() => promise) };
    },
  },
  {
    name: "to a server that resets",
    unsteady: BROKEN_OFF,
    async run(fetch, { url }) {
      const { body, canceled } = watched(300);
      const asked = await ask(() => fetch(`${url}/fault/early-reset`, streaming(body)));
      const ended = await settle(() => canceled, { patience: 500, show: () => "canceled" });
      return { asked, ended };
    },
  },
  {
    name: "to nobody",
    async run(fetch, at) {
      const { body, canceled } = watched(10);
      const url = await at.dead();
      const asked = await ask(() => fetch(`${url}/ok`, streaming(body)));
      const ended = await settle(() => canceled, { patience: 500, show: () => "canceled" });
      return { asked, ended };
    },
  },
];

export const bodies: Situation[] = [
  ...group("bodies", given),
  ...group("bodies", carried),
  ...group("streams sent", streams),
];
