// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { type Fetched, type ResponseHead, takeResponse, webResponse } from "../_internal/web_response.ts";

const HEAD: ResponseHead = {
  status: 200,
  statusText: "Fine \u00fc",
  headers: new Headers({ "content-encoding": "gzip", "content-length": "9", "content-type": "text/x" }),
  url: "https://a.test/#part",
  redirected: false,
  type: "basic",
  decoded: false,
  history: [],
  method: "GET",
  requestUrl: "https://a.test/",
  requestHeaders: undefined,
  repeatable: "always",
};

function respond(body: string | null, fetched?: Fetched, head: Partial<ResponseHead> = {}): Response {
  return webResponse({ ...HEAD, ...head }, body === null ? null : new TextEncoder().encode(body), fetched);
}

Deno.test("WebResponse is a Response by its class, and has what the constructor cannot be given", () => {
  const response = respond("hello", { signal: null }, { status: 600 });
  assert(response instanceof Response);
  assertStrictEquals(response.constructor, Response);
  const { status, ok, statusText, url, type } = response;
  assertEquals([status, ok, statusText, url, type], [600, false, "Fine \u00fc", "https://a.test/", "basic"]);
});

Deno.test("WebResponse of a fetch has the platform's headers, unless they are not true", () => {
  assertStrictEquals(respond("hello", { signal: null }).headers, HEAD.headers);
  const decoded = respond("hello", { signal: null }, { decoded: true });
  assertEquals([...decoded.headers], [["content-type", "text/x"]]);
  assertStrictEquals(respond(null, { signal: null }, { decoded: true, method: "HEAD" }).headers, HEAD.headers);
  const own = respond("hello");
  own.headers.set("x-a", "1");
  assertEquals(HEAD.headers.has("x-a"), false);
});

Deno.test("WebResponse gives a body in memory as a byte stream, in one chunk", async () => {
  const { body } = respond("hello", { signal: null });
  const filler = body!.getReader({ mode: "byob" });
  assertEquals(new TextDecoder().decode((await filler.read(new Uint8Array(9))).value), "hello");
  assertEquals((await filler.read(new Uint8Array(9))).done, true);
  const reader = respond("hello", { signal: null }).body!.getReader();
  assertEquals([(await reader.read()).value?.length, (await reader.read()).done], [5, true]);
  assertEquals((await respond("", { signal: null }).body!.getReader().read()).done, true);
});

Deno.test("WebResponse is read once, however it is read", async () => {
  const ways: ((response: Response) => unknown)[] = [
    (response) => response.text(),
    (response) => response.blob(),
    (response) => response.body!.cancel(),
    (response) => response.body!.getReader().read(),
  ];
  for (const way of ways) {
    const response = respond("hello", { signal: null });
    assertStrictEquals(response.body, response.body);
    assertEquals(response.bodyUsed, false);
    await way(response);
    assertEquals(response.bodyUsed, true);
    await assertRejects(() => response.text(), TypeError);
    assertThrows(() => response.clone(), TypeError);
  }
  const locked = respond("hello", { signal: null });
  locked.body!.getReader();
  await assertRejects(() => locked.arrayBuffer(), TypeError);
});

Deno.test("WebResponse fails with the reason of its signal until it, or a clone, was read", async () => {
  const controller = new AbortController();
  const make = () => respond("hello", { signal: controller.signal });
  const read = make();
  const clone = read.clone();
  await read.text();
  const [late, streamed, empty] = [make(), make(), respond(null, { signal: controller.signal })];
  const reader = streamed.body!.getReader();
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => late.text()), reason);
  assertEquals(late.bodyUsed, true);
  assertStrictEquals(await assertRejects(() => reader.read()), reason);
  assertEquals([await clone.text(), await empty.text()], ["hello", ""]);
});

Deno.test("WebResponse has its reason phrase for the platform too, if every platform would take it", () => {
  const { get } = Object.getOwnPropertyDescriptor(Response.prototype, "statusText")!;
  const phrases = ["Not Found", "caf\u00e9"].map((statusText) => {
    const response = webResponse({ ...HEAD, statusText }, null);
    return [response.statusText, get!.call(response)];
  });
  assertEquals(phrases, [["Not Found", "Not Found"], ["caf\u00e9", ""]]);
});

Deno.test("WebResponse has headers without those that the platform refuses, if it refuses any", () => {
  const pairs: [string, string][] = [["x-a", "1"], ["bad name", "2"], ["x-b", "3"]];
  const headers = {
    forEach: (add: (value: string, name: string) => void) => pairs.forEach(([name, value]) => add(value, name)),
    [Symbol.iterator]: () => pairs[Symbol.iterator](),
  } as unknown as Headers;
  assertEquals([...respond(null, undefined, { headers }).headers], [["x-a", "1"], ["x-b", "3"]]);
});

Deno.test("WebResponse has its status for the platform too, or 502 if that is none of HTTP", () => {
  const { get } = Object.getOwnPropertyDescriptor(Response.prototype, "status")!;
  for (const [status, platforms] of [[200, 200], [599, 599], [199, 502], [600, 502], [101, 502]] as const) {
    const response = respond(null, undefined, { status });
    assertEquals([response.status, get!.call(response), response.ok], [status, platforms, status === 200]);
  }
});

Deno.test("WebResponse says whether it was redirected, and is shown without what may be secret", () => {
  assertEquals([true, false].map((redirected) => respond("", undefined, { redirected }).redirected), [true, false]);
  const shown = Deno.inspect(respond("", undefined, { url: "https://a.test/?token=secret" }));
  assertEquals(shown, 'Response { status: 200, url: "https://a.test/?…", bodyUsed: false }');
});

Deno.test("WebResponse is read by the reader of its body, if that can read all of it", async () => {
  const stream = () => new Response("stream").body as ReadableStream<Uint8Array<ArrayBuffer>>;
  const bytes = new TextEncoder().encode("bytes");
  const read = (readAll?: () => Promise<typeof bytes>) => webResponse(HEAD, { stream, ...(readAll && { readAll }) });
  assertEquals(await read(() => Promise.resolve(bytes)).text(), "bytes");
  assertEquals(await read().text(), "stream");
  const locked = read(() => Promise.resolve(bytes));
  const { body } = locked;
  const text = locked.text();
  assertEquals([body!.locked, locked.bodyUsed], [true, true]);
  assertEquals(await text, "bytes");
  const teed = read(() => Promise.resolve(bytes));
  const [first, second] = teed.body!.tee();
  Object.defineProperty(teed, "body", { value: first });
  await assertRejects(() => teed.text(), TypeError);
  assertEquals(await new Response(second).text(), "stream");
  const copied = read(() => Promise.resolve(bytes));
  const clone = copied.clone();
  assertEquals([await copied.text(), await clone.text()], ["stream", "stream"]);
});

Deno.test("WebResponse of bytes that others have gives them memory of their own", async () => {
  const content = new TextEncoder().encode("hello");
  const make = (fetched?: Fetched) => webResponse(HEAD, content, fetched);
  new Uint8Array(await make().arrayBuffer()).fill(0);
  for (const fetched of [undefined, { signal: null }]) {
    (await make(fetched).body!.getReader().read()).value!.fill(0);
    (await make(fetched).clone().bytes()).fill(0);
  }
  assertEquals(new TextDecoder().decode(content), "hello");
  assertStrictEquals(await make({ signal: null }).arrayBuffer(), content.buffer); // nobody else has them
});

Deno.test("WebResponse of which a method has read the body has a stream that is locked", async () => {
  const response = respond("hello", { signal: null });
  await response.text();
  assertEquals([response.body!.locked, response.bodyUsed], [true, true]);
});

Deno.test("WebResponse clones the headers as they are now", () => {
  const response = respond("hello", undefined, { decoded: true });
  response.headers.set("content-encoding", "own");
  assertEquals(response.clone().headers.get("content-encoding"), "own");
  const streamed = webResponse(HEAD, { stream: () => new Response("x").body as never });
  streamed.headers.set("x-own", "1");
  assertEquals(streamed.clone().headers.get("x-own"), "1");
  assertEquals(HEAD.headers.has("x-own"), false);
});

Deno.test("WebResponse stops a read at once by an abort that comes right after the call", async () => {
  const controller = new AbortController();
  const text = respond("hello", { signal: controller.signal }).text();
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => text), reason);
});

Deno.test("WebResponse of a fetch has headers that refuse a change if the platform's do, though they are others", () => {
  const { headers } = Response.redirect("https://a.test/next");
  const fixed = respond("hello", { signal: null }, { decoded: true, headers }).headers;
  assertThrows(() => fixed.set("x-a", "1"), TypeError);
  assertThrows(() => fixed.append("x-a", "1"), TypeError);
  assertThrows(() => fixed.delete("location"), TypeError);
  assertEquals([...fixed], [["location", "https://a.test/next"]]);
  const free = respond("hello", { signal: null }, { decoded: true, headers: new Headers(HEAD.headers) }).headers;
  free.set("x-a", "1");
  assertEquals([...free], [["content-type", "text/x"], ["x-a", "1"]]);
  const own = respond("hello", undefined, { decoded: true, headers }).headers;
  own.set("x-a", "1");
  assertEquals([own.get("x-a"), headers.has("x-a")], ["1", false]);
  const head = respond(null, undefined, { decoded: true, method: "HEAD" }).headers;
  assertEquals([head.get("content-encoding"), HEAD.headers.get("content-encoding")], ["gzip", "gzip"]);
});

Deno.test("WebResponse tells that its stream was read, and no longer minds its signal then", async () => {
  const fetched: Fetched = { signal: new AbortController().signal };
  const response = respond("hello", fetched);
  for await (const _ of response.body!) assertEquals(response.bodyUsed, true);
  assertEquals(fetched.signal, undefined);
  const streamed = webResponse(HEAD, { stream: () => new Response("x").body as never });
  await streamed.body!.getReader().read();
  assertEquals(streamed.bodyUsed, true);
});

Deno.test("WebResponse has a clone that is one of the same fetch, and a stream that is another after it", async () => {
  const controller = new AbortController();
  const response = respond("hello", { signal: controller.signal });
  const { body } = response;
  const clone = response.clone();
  assertEquals([body!.locked, response.body === body, response.body!.locked], [true, false, false]);
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => clone.text()), reason);
  const streamed = webResponse(HEAD, { stream: () => new Response("x").body as never }, { signal: null });
  assertStrictEquals(streamed.clone().headers, HEAD.headers);
});

Deno.test("WebResponse has members that are enumerable, of one class, and no type that it was not given", async () => {
  const names: string[] = [];
  for (const name in respond("hello")) names.push(name);
  assert(["url", "status", "headers", "text", "bytes", "clone"].every((name) => names.includes(name)), names.join());
  assertStrictEquals(takeResponse(), takeResponse());
  assertEquals((await respond("hello", undefined, { headers: new Headers() }).blob()).type, "");
});

Deno.test("WebResponse clones what is in memory with memory of its own", async () => {
  const response = respond("hello", { signal: null });
  const bytes = await response.clone().bytes();
  bytes.fill(0);
  assertEquals(await response.text(), "hello");
});

Deno.test("WebResponse can be made where the global Response is a proxy that reads the headers of what it makes", async () => {
  const { Response: real } = globalThis;
  globalThis.Response = new Proxy(real, {
    construct(target, args, made) {
      const response = Reflect.construct(target, args, made);
      void response.headers;
      return response;
    },
  });
  try {
    const { webResponse }: typeof import("../_internal/web_response.ts") = await import(
      `${new URL("../_internal/web_response.ts", import.meta.url)}?proxy`
    );
    const response = webResponse(HEAD, new Uint8Array(10), { signal: null });
    assertEquals([response.headers.get("content-type"), response instanceof Response], ["text/x", true]);
    assertEquals((await response.bytes()).length, 10);
  } finally {
    globalThis.Response = real;
  }
});
