// Copyright 2026 the Hangup authors. MIT license.
//
// The adapters, each over a platform that is made up: what they give to `fetch`, and what they do
// with what comes.
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { resultOf } from "../_internal/causes.ts";
import { bunTransport } from "../_internal/transports/bun.ts";
import { carried } from "../_internal/transports/carried.ts";
import { CONNECTION, type Connection } from "../_internal/transports/connections.ts";
import { denoTransport } from "../_internal/transports/deno.ts";
import { globalFetch, isRuntimeFetch, sendThrough, sessionFetch } from "../_internal/transports/global_fetch.ts";
import { nodeTransport } from "../_internal/transports/node.ts";
import { PLATFORM } from "../_internal/transports/platform.ts";
import { portable } from "../_internal/transports/portable.ts";

type Init = RequestInit & Record<string, unknown>;
type Answer = (url: URL, init: Init) => Response | Promise<Response>;

const HTTP = new URL("http://example.test/");
const HTTPS = new URL("https://example.test/");
const TWO_GIB = 2 ** 31 - 1;

/**
 * Named in the source of a fake `fetch`, as in that of Deno's own: thereby it is taken for the
 * runtime's.
 */
const lazyFetch = (answer: Answer, url: URL, init: Init) => Promise.resolve().then(() => answer(url, init));

/** A `fetch` that is taken for the runtime's own. */
function runtimesFetch(answer: Answer) {
  return function fetch(url: URL, init: Init) {
    return lazyFetch(answer, url, init);
  } as unknown as typeof fetch;
}

/** A `fetch` that is taken for the user's. */
const usersFetch = (answer: Answer) =>
  ((url: URL, init: Init) => Promise.resolve().then(() => answer(url, init))) as unknown as typeof fetch;

/** Runs a test with globals of another platform in the place of this one's. */
async function withGlobals(globals: Record<PropertyKey, unknown>, test: () => unknown) {
  const before = Reflect.ownKeys(globals).map((key) =>
    [key, Object.getOwnPropertyDescriptor(globalThis, key)] as const
  );
  for (const key of Reflect.ownKeys(globals)) {
    Object.defineProperty(globalThis, key, { value: globals[key], configurable: true, writable: true });
  }
  try {
    await test();
  } finally {
    for (const [key, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, key, descriptor);
      else Reflect.deleteProperty(globalThis, key);
    }
  }
}

/** Notes what `fetch` was given, and answers with what is queued, or 200. */
class Network {
  readonly asked: Init[] = [];
  readonly answers: (Response | Error)[] = [];
  readonly answer: Answer = (_, init) => {
    this.asked.push({ ...init, [SEEN]: init });
    const answer = this.answers.shift() ?? new Response("ok");
    if (answer instanceof Error) throw answer;
    return answer;
  };
  /** What the last call to `fetch` was given, with what only a look at the name shows. */
  get last(): Init {
    return this.asked.at(-1)![SEEN] as Init;
  }
}

/** Under this key the object itself. */
const SEEN = Symbol("seen") as unknown as string;

// Bun

class FakeSession {
  closed = 0;
  readonly options: { keepAlive: { idleTimeout: number } };
  constructor(options: { keepAlive: { idleTimeout: number } }) {
    this.options = options;
  }
  close() {
    this.closed++;
  }
}

function onBun(name: string, test: (network: Network) => Promise<void> | void) {
  Deno.test(`bunTransport() ${name}`, async () => {
    const network = new Network();
    const globals = { Bun: { FetchSession: FakeSession }, fetch: runtimesFetch(network.answer) };
    await withGlobals(globals, () => test(network));
  });
}

onBun("gives its session to each request", async (network) => {
  const transport = bunTransport(1000)!;
  await transport.fetch(HTTP, {});
  const session = network.last.session as FakeSession;
  assertEquals(session.options, { keepAlive: { idleTimeout: 1 } });
  assertEquals([transport.closesSockets, transport[PLATFORM].sender()], [true, "sockets"]);
  await transport.close();
  assertEquals(session.closed, 1);
  await assertRejects(() => transport.fetch(HTTP, {}), TypeError, "the transport is closed");
});

onBun("gives options of its own, unless the request has them", async (network) => {
  const transport = bunTransport(1000, { proxy: "http://own.test", verbose: true })!;
  const session = new FakeSession({ keepAlive: { idleTimeout: 1 } });
  await transport.fetch(HTTP, { proxy: "http://request.test", session } as Init);
  assertEquals([network.last.proxy, network.last.verbose], ["http://request.test", true]);
  assertStrictEquals(network.last.session, session);
});

onBun("switches Bun's own timeout off, unless the request has one", async (network) => {
  const transport = bunTransport(1000)!;
  await transport.fetch(HTTP, {});
  assertEquals(network.last.timeout, false);
  await transport.fetch(HTTP, { timeout: true } as Init);
  assertEquals(network.last.timeout, true);
});

onBun("keeps no idle socket with an idle timeout of 0", async (network) => {
  await bunTransport(0)!.fetch(HTTP, { keepalive: true });
  assertEquals([network.last.keepalive, network.last.session], [false, undefined]);
});

onBun("bounds the idle timeout", async (network) => {
  for (const [idle, seconds] of [[Infinity, TWO_GIB / 1000], [2 ** 40, TWO_GIB / 1000], [0.5, 0.001]] as const) {
    await bunTransport(idle)!.fetch(HTTP, {});
    assertEquals((network.last.session as FakeSession).options, { keepAlive: { idleTimeout: seconds } });
  }
});

onBun("knows what Bun decodes", async () => {
  await withGlobals({ Deno: undefined }, () => {
    const decodes = (coding: string, init: Init = {}, own = {}) =>
      bunTransport(1, own)![PLATFORM].decodes(coding, init);
    assertEquals(["gzip", "zstd", "identity, br", "gzip, br", "", "x"].map((coding) => decodes(coding)), [
      ...[true, true, true],
      ...[false, false, false],
    ]);
    const own = { decompress: false };
    assertEquals([decodes("br", own), decodes("br", {}, own), decodes("br", { decompress: true }, own)], [
      ...[false, false, true],
    ]);
    assertEquals(
      [portable()[PLATFORM].decodes("br", own as Init), portable(undefined, own)[PLATFORM].decodes("br", {})],
      [
        false,
        false,
      ],
    );
  });
});

onBun("hides its session from a copy that the user's fetch makes", async (network) => {
  const transport = bunTransport(1000)!;
  const restored = globalThis.fetch;
  globalThis.fetch = usersFetch(network.answer);
  assertEquals([transport.closesSockets, transport[PLATFORM].sender()], [false, undefined]);
  await transport.fetch(HTTP, {});
  assertEquals([network.asked.at(-1)!.session, network.last.session instanceof FakeSession], [undefined, true]);
  assertEquals([network.asked.at(-1)!.timeout, network.last.timeout], [undefined, false]);
  globalThis.fetch = restored;
  assertEquals(transport.closesSockets, true);
});

Deno.test("bunTransport() makes none elsewhere, or if Bun has no sessions", async () => {
  assertEquals(bunTransport(1), undefined);
  await withGlobals({ Bun: {} }, () => assertEquals([bunTransport(1), !!bunTransport(0)], [undefined, true]));
});

// Deno

/** What `Deno.createHttpClient()` makes. */
class FakeClient {
  disposed = 0;
  readonly options: Record<string, unknown>;
  constructor(options: Record<string, unknown>) {
    this.options = options;
  }
  [Symbol.dispose]() {
    this.disposed++;
  }
}

/** Waits for so many microtasks. */
async function pass(microtasks: number): Promise<void> {
  while (microtasks-- > 0) await undefined;
}

function onDeno(name: string, test: (network: Network, clients: FakeClient[]) => Promise<void> | void) {
  Deno.test(`denoTransport() ${name}`, async () => {
    const network = new Network();
    const clients: FakeClient[] = [];
    const createHttpClient = (options: Record<string, unknown>) => {
      clients.push(new FakeClient(options));
      return clients.at(-1)!;
    };
    const globals = { Deno: { createHttpClient }, fetch: runtimesFetch(network.answer) };
    await withGlobals(globals, () => test(network, clients));
  });
}

const OVER_TLS = Object.assign(new TypeError("fetch failed"), {
  cause: "peer closed without sending TLS close_notify",
});

onDeno("sends over reused connections only what Deno may repeat, or cannot", async (network, clients) => {
  const transport = denoTransport(1000, { caCerts: [] })!;
  const bodies: [string, BodyInit | null | undefined, boolean][] = [
    ["GET", undefined, true],
    ["PUT", "text", true],
    ["POST", "text", true],
    ["POST", new Uint8Array(9), true],
    ["POST", new URLSearchParams("a=b"), true],
    ["POST", new Response("stream").body, true],
    ["POST", new Blob(["blob"]), true],
    ["POST", "", false],
    ["POST", undefined, false],
    ["POST", "x".repeat(70_000), false],
    ["PATCH", new Uint8Array(70_000), false],
  ];
  for (const [method, body, reused] of bodies) {
    await transport.fetch(HTTP, { method, body });
    const { options } = network.last.client as FakeClient;
    assertEquals([method, options.poolMaxIdlePerHost], [method, reused ? undefined : 0]);
    if (method === "POST" && reused) {
      assert(network.last.body instanceof Blob || network.last.body instanceof ReadableStream);
    }
  }
  assertEquals(clients.map(({ options }) => options), [
    { caCerts: [], poolIdleTimeout: 1000 },
    { caCerts: [], poolIdleTimeout: 1000, poolMaxIdlePerHost: 0 },
  ]);
  await transport.close();
  await transport.close();
  assertEquals(clients.map(({ disposed }) => disposed), [1, 1]);
  await assertRejects(() => transport.fetch(HTTP, {}), TypeError, "the transport is closed");
});

onDeno("keeps the type of a body that it makes another one of", async (network) => {
  const transport = denoTransport(1000)!;
  const types = [
    [{ method: "POST", body: "text" }, "text/plain;charset=UTF-8"],
    [{ method: "POST", body: new URLSearchParams() + "a=b", headers: { "content-type": "a/b" } }, "a/b"],
    [{ method: "POST", body: new URLSearchParams("a=b") }, "application/x-www-form-urlencoded;charset=UTF-8"],
    [{ method: "PUT", body: new Blob(["x"], { type: "c/d" }) }, "c/d"],
  ] as const;
  for (const [init, type] of types) {
    await transport.fetch(HTTP, { ...init });
    assertEquals(new Headers(network.last.headers).get("content-type"), type);
  }
  assert(network.last.body instanceof ArrayBuffer);
});

onDeno("uses the client of a request, and has a POST arrive at most once over it too", async (network, clients) => {
  const transport = denoTransport(1000)!;
  const client = new FakeClient({});
  for (const body of ["text", "x".repeat(70_000)]) {
    await transport.fetch(HTTPS, { method: "POST", body, client } as Init);
    assertStrictEquals(network.last.client, client);
    assert(network.last.body instanceof Blob);
  }
  network.answers.push(new Response(), OVER_TLS);
  await transport.fetch(HTTPS, { client } as Init);
  await assertRejects(() => transport.fetch(HTTPS, { client } as Init), TypeError);
  assertEquals(clients.length, 0);
});

onDeno(
  "makes its client at the first request, but at once if it has options, which may be wrong",
  async (_, clients) => {
    const transport = denoTransport(1000)!;
    assertEquals(clients.length, 0);
    await transport.fetch(HTTP, {});
    await transport.fetch(HTTP, {});
    assertEquals(clients.length, 1);
    denoTransport(1000, { proxy: {} });
    assertEquals(clients.length, 2);
  },
);

onDeno("has a client for each connection that its drain gives to a slot", async (network, clients) => {
  const transport = denoTransport(1000)!;
  const drain = transport[PLATFORM].drain!(() => {}, 64);
  const inits = Array.from({ length: 66 }, (): RequestInit => ({}));
  const slots = inits.map((init) => drain.sent("http://a.test", init));
  await Promise.all(inits.map((init) => transport.fetch(HTTP, init)));
  assertEquals(new Set(network.asked.map(({ client }) => client)).size, 66);
  assertEquals(clients.map(({ options }) => options.poolMaxIdlePerHost), clients.map(() => 1));
  for (const slot of slots) drain.add(slot, false);
  drain.flush();
  assertEquals(clients.map(({ disposed }) => disposed), clients.map((_, i) => i < 2 ? 1 : 0));
  await transport.close();
  assertEquals(clients.map(({ disposed }) => disposed), clients.map(() => 1));
});

onDeno("drops a connection that has no client, because its requests had their own", async (_, clients) => {
  const transport = denoTransport(1000)!;
  const freed: string[] = [];
  const drain = transport[PLATFORM].drain!((origins) => freed.push(...origins), 64);
  const inits = Array.from({ length: 66 }, () => ({ client: new FakeClient({}) }) as Init);
  const slots = inits.map((init) => drain.sent("http://a.test", init));
  await Promise.all(inits.map((init) => transport.fetch(HTTP, init)));
  for (const slot of slots) drain.add(slot, false);
  drain.flush();
  assertEquals([freed.length, clients], [66, []]);
  await transport.close();
});

onDeno("learns from a request of any kind which version of HTTP a server speaks", async (network) => {
  for (const [method, connections] of [["GET", 1], ["POST", 1], ["GET", 3]] as const) {
    const transport = denoTransport(1000)!;
    const drain = transport[PLATFORM].drain!(() => {}, 4);
    const used = new Set<unknown>();
    for (let request = 0; request < 3; request++) {
      const init: RequestInit = { method };
      drain.sent("https://a.test", init);
      network.answers.push(new Response("", { headers: connections === 1 ? {} : { connection: "keep-alive" } }));
      await transport.fetch(HTTPS, init);
      used.add((init as { [CONNECTION]?: Connection })[CONNECTION]);
    }
    assertEquals(used.size, connections);
  }
  const transport = denoTransport(1000, { http2: false })!;
  const init: RequestInit & { [CONNECTION]?: Connection } = {};
  transport[PLATFORM].drain!(() => {}, 4).sent("https://a.test", init);
  assertEquals(init[CONNECTION]!.origin.http1, true);
});

onDeno("closes the idle socket of a connection first if a request cannot use it", async (network, clients) => {
  const transport = denoTransport(1000)!;
  const drain = transport[PLATFORM].drain!(() => {}, 4);
  const used = [];
  for (const method of ["POST", "GET", "POST", "GET"]) {
    const init: RequestInit = { method };
    const slot = drain.sent("http://a.test", init);
    const disposed = clients.at(-1)?.disposed;
    const answer = transport.fetch(HTTP, init);
    if (method === "POST" && disposed !== undefined) assertEquals([clients.length, clients[0]!.disposed], [1, 1]);
    await answer;
    used.push(clients.indexOf(network.last.client as FakeClient));
    drain.add(slot, false);
  }
  assertEquals(used, [0, 0, 1, 1]);
  assertEquals(clients.map(({ options }) => options.poolMaxIdlePerHost), [1, 1]);
  drain.sent("http://a.test", {}); // keeps its connection
  const [first, second]: RequestInit[] = [{ method: "POST" }, { method: "POST" }];
  drain.sent("https://a.test", first!);
  network.answers.push(new Response(""));
  await transport.fetch(HTTPS, first!);
  drain.sent("https://a.test", second!); // over HTTP/2, others use the connection
  await transport.fetch(HTTPS, second!);
  assertEquals((network.last.client as FakeClient).options.poolMaxIdlePerHost, 0);
  assertEquals(clients.map(({ disposed }) => disposed), [1, 0, 0, 0]);
  await transport.close();
});

for (const method of ["GET", "POST"]) {
  onDeno(`sends a ${method} over a draining connection once its socket is back`, async (network) => {
    const transport = denoTransport(1000)!;
    const drain = transport[PLATFORM].drain!(() => {}, 4);
    const send = () => {
      const init: RequestInit = { method, body: method === "POST" ? "text" : undefined };
      const slot = drain.sent("http://a.test", init);
      return transport.fetch(HTTP, init).then(() => drain.add(slot, false));
    };
    for (const [length, asked] of [["65537", 1], ["5", 0], ["5", 1]] as const) {
      network.answers.push(new Response("hello", { headers: { "content-length": length } }));
      const before = network.asked.length;
      const sent = send();
      for (let i = 0; i < 10; i++) await null; // no turn passes
      assertEquals(network.asked.length - before, asked);
      await sent;
    }
    await transport.close();
  });
}

onDeno("closes no connection that is shared, though nobody else uses it now", async (network, clients) => {
  const transport = denoTransport(1000)!;
  const drain = transport[PLATFORM].drain!(() => {}, 4);
  for (const method of ["GET", "POST"]) {
    const init: RequestInit = { method };
    const slot = drain.sent("https://a.test", init);
    network.answers.push(new Response("")); // over HTTP/2
    await transport.fetch(HTTPS, init);
    drain.add(slot, false);
    drain.flush();
  }
  assertEquals(clients.map(({ disposed, options }) => [disposed, options.poolMaxIdlePerHost]), [[0, undefined], [
    0,
    0,
  ]]);
  await transport.close();
});

onDeno("sends nothing once it is closed", async (network, clients) => {
  const transport = denoTransport(1000)!;
  await transport.close();
  for (const url of [HTTP, HTTPS]) {
    for (const method of ["GET", "POST"]) {
      await assertRejects(() => transport.fetch(url, { method }), TypeError, "the transport is closed");
    }
  }
  assertEquals([network.asked.length, clients.length], [0, 0]);
});

onDeno("makes no client if it is closed while an idle socket is being closed", async (network, clients) => {
  const transport = denoTransport(1000)!;
  const drain = transport[PLATFORM].drain!(() => {}, 4);
  const [first, second]: RequestInit[] = [{}, { method: "POST" }];
  const slot = drain.sent("http://a.test", first!);
  await transport.fetch(HTTP, first!);
  drain.add(slot, false);
  drain.sent("http://a.test", second!);
  const answer = transport.fetch(HTTP, second!);
  await transport.close();
  await assertRejects(() => answer, TypeError, "the transport is closed");
  assertEquals([network.asked.length, clients.map(({ disposed }) => disposed)], [1, [1]]);
});

onDeno("gives a fetch of the user's the body as it is, and hides its client from a copy", async (network) => {
  const transport = denoTransport(1000)!;
  globalThis.fetch = usersFetch(network.answer);
  for (const [method, once] of [["POST", 0], ["PUT", undefined]] as const) {
    await transport.fetch(HTTP, { method, body: "text" });
    assertEquals([network.last.body, network.asked.at(-1)!.client], ["text", undefined]);
    assertEquals((network.last.client as FakeClient).options.poolMaxIdlePerHost, once);
  }
  const init: RequestInit = {};
  transport[PLATFORM].drain!(() => {}, 4).sent("http://a.test", init);
  await transport.fetch(HTTP, init);
  assertEquals(Object.getOwnPropertySymbols(network.last), []);
  assertEquals([transport.closesSockets, transport[PLATFORM].sender()], [false, undefined]);
  // Options must not get lost.
  await denoTransport(1000, { proxy: {} })!.fetch(HTTP, {});
  assert(network.asked.at(-1)!.client instanceof FakeClient);
});

onDeno("sends once more over TLS if a reused connection died without a farewell", async (network, clients) => {
  const transport = denoTransport(1000)!;
  network.answers.push(OVER_TLS);
  await assertRejects(() => transport.fetch(HTTPS, {}), TypeError); // not a reused one
  network.answers.push(new Response(), OVER_TLS, new Response("again"));
  await transport.fetch(HTTPS, {});
  assertEquals(await (await transport.fetch(HTTPS, {})).text(), "again");
  assertStrictEquals(network.last.client, clients[1]);
  network.answers.push(OVER_TLS);
  await assertRejects(() => transport.fetch(HTTPS, { signal: AbortSignal.abort() }), TypeError);
  network.answers.push(new TypeError("another"));
  await assertRejects(() => transport.fetch(HTTPS, {}), TypeError, "another");
  assertEquals(network.asked.length, 6);
});

onDeno(
  "knows after a request that must arrive at most once whether its socket can be a reused one",
  async (network) => {
    for (const [alone, asked] of [[true, 3], [false, 2]] as const) {
      const transport = denoTransport(1000)!;
      const drain = transport[PLATFORM].drain!(() => {}, 4);
      const before = network.asked.length;
      network.answers.push(new Response("", { headers: { connection: "keep-alive" } }), OVER_TLS);
      const inits: RequestInit[] = [{ method: "POST" }, {}];
      let slot: ReturnType<typeof drain.sent> | undefined;
      // Without a connection of its own, the first one goes over a socket that is closed after it.
      if (alone) { for (const init of inits) slot = drain.sent("https://a.test", init, slot); }
      await transport.fetch(HTTPS, inits[0]!);
      await transport.fetch(HTTPS, inits[1]!).catch(() => {});
      assertEquals(network.asked.length - before, asked);
      await transport.close();
    }
  },
);

/** How Deno's `fetch` fails for this cause. */
const failing = (cause: string) => Object.assign(new TypeError("fetch failed"), { cause });

onDeno("sends a POST once more that a server has refused without processing it", async (network) => {
  const refused = failing("http2 error: refused stream before processing any application logic");
  const transport = denoTransport(1000)!;
  network.answers.push(refused, new Response("again"));
  assertEquals(await (await transport.fetch(HTTPS, { method: "POST", body: "text" })).text(), "again");
  const post = (init: RequestInit, ...answers: (Response | Error)[]) => {
    network.answers.push(...answers);
    return assertRejects(() => transport.fetch(HTTPS, { method: "POST", ...init }), TypeError);
  };
  await post({ body: "text" }, failing("another"));
  // What a server says is in quotes.
  const told = 'b"connection error received: not a result of an error"';
  await post({ body: "text" }, failing(`connection error received: unexpected internal error encountered (${told})`));
  await post({ body: new ReadableStream() }, refused);
  await post({ body: "text", signal: AbortSignal.abort() }, refused);
  assertEquals([network.asked.length, network.answers], [6, []]);
  network.answers.push(refused, new Response("again"));
  assertEquals(await (await denoTransport(0)!.fetch(HTTPS, {})).text(), "again"); // nor does Deno without idle ones
});

onDeno("looks whether the server has closed a connection before a POST, once the program was busy", async (network) => {
  const transport = denoTransport(1000)!;
  const waits = async (init: RequestInit) => {
    const before = network.asked.length;
    const response = transport.fetch(HTTP, init);
    await pass(8);
    const waited = network.asked.length === before;
    await response;
    return waited;
  };
  const post = { method: "POST", body: "text" };
  assertEquals([await waits(post), await waits(post)], [false, false]);
  for (const end = performance.now() + 110; performance.now() < end;);
  assertEquals([await waits({}), await waits(post)], [false, false]); // a response has arrived since
  for (const end = performance.now() + 110; performance.now() < end;);
  assertEquals([await waits(post), await waits(post)], [true, false]);
  await transport.close();
});

onDeno("sends once more if the connection that a disguised request used was stale", async (network, clients) => {
  const stale = failing("connection closed before message completed");
  const transport = denoTransport(1000)!;
  const fails = (init: RequestInit = {}) => {
    network.answers.push(stale);
    return assertRejects(() => transport.fetch(HTTP, init), TypeError);
  };
  await fails(); // Deno itself has sent it again
  network.answers.push(stale);
  await assertRejects(() => transport.fetch(HTTPS, {}), TypeError); // here too
  await transport.fetch(HTTP, { method: "POST", body: "text" });
  network.answers.push(stale, new Response("again"));
  assertEquals(await (await transport.fetch(HTTP, {})).text(), "again");
  assertStrictEquals(network.last.client, clients[1]);
  await fails({ method: "PUT", body: new ReadableStream() });
  await transport.fetch(HTTP, {});
  await fails(); // nothing is disguised any more
  await transport.fetch(HTTP, { method: "POST", body: "text" });
  network.answers.push(stale, new Response("again"));
  const closing = transport.fetch(HTTP, {});
  await transport.close();
  await assertRejects(() => closing, TypeError);
});

onDeno("knows that no request was disguised on a socket that took the place of another one", async (network) => {
  const transport = denoTransport(1000)!;
  const drain = transport[PLATFORM].drain!(() => {}, 4);
  const send = async (init: RequestInit) => {
    const slot = drain.sent("http://a.test", init);
    await transport.fetch(HTTP, init);
    drain.add(slot, false);
    drain.flush();
  };
  await send({ method: "POST", body: "text" });
  await send({ method: "POST" });
  network.answers.push(failing("connection closed before message completed"));
  await assertRejects(() => send({}), TypeError); // Deno itself has sent it again
  assertEquals(network.asked.length, 3);
});

onDeno("forgets origins if there are too many", async (network) => {
  const transport = denoTransport(1000)!;
  const again = async () => {
    network.answers.push(OVER_TLS, new Response("again"));
    const text = await transport.fetch(HTTPS, {}).then((response) => response.text(), () => "failed");
    network.answers.length = 0;
    return text;
  };
  await transport.fetch(HTTPS, {});
  assertEquals(await again(), "again");
  for (let i = 0; i < 1000; i++) await transport.fetch(new URL(`https://${i}.test/`), {});
  assertEquals(await again(), "failed");
});

onDeno("leaves the body of a request alone if it keeps no idle connection", async (network, clients) => {
  const transport = denoTransport(0)!;
  await transport.fetch(HTTP, { method: "POST", body: "text" });
  assertEquals([network.last.body, clients.length], ["text", 1]);
});

onDeno("takes no client or body from a request that has its own", async (network) => {
  const client = new FakeClient({});
  await denoTransport(1000)!.fetch(HTTP, { method: "PUT", body: "text", client } as Init);
  assertEquals([network.last.body, network.last.client === client], ["text", true]);
  globalThis.fetch = usersFetch(network.answer);
  for (const options of [{}, { proxy: {} }]) {
    await denoTransport(1000, options)!.fetch(HTTP, { client } as Init);
    assertStrictEquals(network.asked.at(-1)!.client, client);
  }
});

onDeno("sends nothing more if it was closed while it read the body", async (network) => {
  const transport = denoTransport(1000)!;
  const response = transport.fetch(HTTP, { method: "PUT", body: new Blob(["x"]) });
  await transport.close();
  await assertRejects(() => response, TypeError, "the transport is closed");
  assertEquals(network.asked, []);
});

onDeno("has Deno not see of what the stream of a POST was made", async (network) => {
  const { body } = new Response("text");
  await denoTransport(1000)!.fetch(HTTP, { method: "POST", body });
  assert(network.last.body !== body);
  assertEquals(await new Response(network.last.body).text(), "text");
});

onDeno("leaves the body of a request alone that Deno will refuse", async (network, clients) => {
  const asked: unknown[] = [];
  const permissions = {
    querySync({ host }: { name: "net"; host?: string }) {
      if (host === undefined) return { state: "granted", partial: true }; // as with --deny-net=…
      asked.push(host);
      return { state: "prompt" };
    },
  };
  Object.assign((globalThis as unknown as { Deno: object }).Deno, { permissions });
  const transport = denoTransport(1000)!;
  const stream = new ReadableStream();
  for (const url of [HTTP, HTTPS, new URL("http://example.test:8080/")]) {
    await transport.fetch(url, { method: "POST", body: stream });
    assertStrictEquals(network.last.body, stream);
    await transport.fetch(url, { method: "POST", body: stream, client: new FakeClient({}) } as Init);
    assertStrictEquals(network.last.body, stream);
  }
  assertEquals(clients.map(({ options }) => options.poolMaxIdlePerHost), [0]);
  assertEquals(
    asked,
    [80, 80, 443, 443, 8080, 8080].map((port) => `example.test:${port}`),
  );
});

onDeno("disguises nothing with a Blob that Deno would not send as its bytes", async (network, clients) => {
  const transport = denoTransport(1000, {})!;
  const post = async () => {
    await transport.fetch(HTTP, { method: "POST", body: "text" });
    return [network.last.body, (network.last.client as FakeClient).options.poolMaxIdlePerHost];
  };
  class Library {}
  await withGlobals({ Blob: Library }, async () => assertEquals(await post(), ["text", 0]));
  Object.assign(Object.prototype, { poolIdleTimeout: "evil", proxy: "evil" });
  try {
    assertEquals(await post(), ["text", 0]);
    await denoTransport(1000)!.fetch(HTTP, {});
    assertEquals(clients.at(-1)!.options.proxy, undefined);
  } finally {
    for (const name of ["poolIdleTimeout", "proxy"]) Reflect.deleteProperty(Object.prototype, name);
  }
  assertEquals((await post())[1], undefined);
});

onDeno("sends a Blob or a form that may be sent again as its bytes", async (network) => {
  const transport = denoTransport(1000)!;
  const form = new FormData();
  form.append("file", new Blob(["x"]), "name");
  for (const body of [new Blob(["x"], { type: "a/b" }), form]) {
    for (const url of [HTTP, HTTPS]) {
      await transport.fetch(url, { method: "PUT", body });
      assert(network.last.body instanceof ArrayBuffer);
    }
  }
  assert(new Headers(network.last.headers).get("content-type")!.startsWith("multipart/form-data; boundary="));
});

onDeno("keeps the user's own time for idle sockets, unless it keeps none", (_, clients) => {
  for (const idle of [1000, 0]) denoTransport(idle, { poolIdleTimeout: 5, poolMaxIdlePerHost: 6 });
  assertEquals(clients.map(({ options }) => options), [
    { poolIdleTimeout: 5, poolMaxIdlePerHost: 6 },
    { poolIdleTimeout: 5, poolMaxIdlePerHost: 0 },
  ]);
});

onDeno("bounds the idle timeout, and keeps no idle socket with 0", async (_, clients) => {
  for (const idle of [Infinity, 2 ** 40, 0.5, 0]) await denoTransport(idle)!.fetch(HTTP, {});
  assertEquals(clients.map(({ options }) => options.poolIdleTimeout ?? options), [
    ...[TWO_GIB, TWO_GIB, 1],
    { poolMaxIdlePerHost: 0 },
  ]);
});

onDeno("knows what Deno decodes", () => {
  const { decodes } = denoTransport(1)![PLATFORM];
  const asked: HeadersInit = { "accept-encoding": "gzip" };
  const results = [decodes("gzip", {}), decodes("br", { headers: { range: "bytes=0-" } })];
  assertEquals([...results, decodes("br", { headers: asked }), decodes("zstd", {})], [true, false, true, false]);
  assertEquals(decodes("gzip", { headers: { "accept-encoding": "Identity" } }), false);
});

Deno.test("carried() finds the client of a Request", async () => {
  const client = Deno.createHttpClient({});
  const found = carried(new Request(HTTP, { client } as RequestInit));
  assertEquals(carried(new Request(HTTP)), undefined);
  const key = Object.getOwnPropertySymbols(client)[0]!;
  const { client: like } = found as { client: Record<symbol, unknown> };
  assertEquals(like[key], Reflect.get(client, key));
  client.close();
  await withGlobals({ Deno: undefined }, () => {
    const dispatcher = {};
    const request = Object.assign(new Request(HTTP), { [Symbol("dispatcher")]: dispatcher });
    assertEquals([carried(request), carried(new Request(HTTP))], [{ dispatcher }, undefined]);
  });
});

// Node

interface Handler {
  onConnect?(): void;
  onRequestStart?(): void;
}

/** Where undici keeps what an agent was made with. */
const OPTIONS = Symbol("options");

/** What undici's dispatchers have in common. */
class DispatcherBase {
  closed = false;
  destroyed = 0;
  readonly listeners: string[] = [];
  eventNames() {
    return this.listeners;
  }
}

/** undici's `Agent`. */
class Agent extends DispatcherBase {
  readonly [OPTIONS]: object;
  readonly settings: Record<string, unknown>;
  readonly dispatched: Handler[] = [];
  constructor(options: Record<string, unknown> = {}) {
    super();
    this.settings = options;
    this[OPTIONS] = options.user ? { user: options.user } : {};
  }
  dispatch(_: object, handler: Handler) {
    this.dispatched.push(handler);
    return true;
  }
  close = () => Promise.resolve();
  destroy = () => Promise.resolve(void this.destroyed++);
}

interface Dispatcher {
  dispatch(options: object, handler: Handler): boolean;
}

const OLD = Symbol.for("undici.globalDispatcher.1");
const NEW = Symbol.for("undici.globalDispatcher.2");

/** What undici's diagnostics channels publish, by their name. */
type Channels = Record<string, (message: object) => void>;

const channels: Channels = {};

class FakeSocket {
  bytesRead = 0;
  destroyed = false;
  alpnProtocol: string | false = false;
  destroy() {
    this.destroyed = true;
  }
}

function onNode(name: string, test: (network: Network, globals: Record<symbol, unknown>) => Promise<void> | void) {
  Deno.test(`nodeTransport() ${name}`, async () => {
    const network = new Network();
    const diagnostics = {
      subscribe(name: string, listener: (message: object) => void) {
        channels[name] = listener;
      },
    };
    const process = { versions: { undici: "8.0.0" }, env: {}, execArgv: [], getBuiltinModule: () => diagnostics };
    const globals = { process, [OLD]: {}, [NEW]: new Agent(), fetch: runtimesFetch(network.answer) };
    await withGlobals(globals, () => test(network, globalThis as unknown as Record<symbol, unknown>));
  });
}

/** Does what undici does with a request: tells which socket it goes over. */
function goOver(socket: FakeSocket | undefined, { dispatcher }: Init) {
  const request = {};
  const agent = Agent.prototype.dispatch;
  // undici makes its request within `dispatch()`.
  Agent.prototype.dispatch = function (...args) {
    channels["undici:request:create"]!({ request });
    return agent.apply(this, args);
  };
  (dispatcher as Dispatcher).dispatch({}, { onRequestStart() {} });
  Agent.prototype.dispatch = agent;
  if (socket !== undefined) channels["undici:client:sendHeaders"]!({ request, socket });
}

/** The agent that a request goes to. */
function agentOf({ dispatcher }: Init): Agent {
  let found: Agent | undefined;
  const { dispatch } = Agent.prototype;
  Agent.prototype.dispatch = function () {
    found = this;
    return true;
  };
  (dispatcher as Dispatcher).dispatch({}, { onRequestStart() {} });
  Agent.prototype.dispatch = dispatch;
  return found!;
}

onNode("makes one agent, as the global one is made", async (network) => {
  const transport = nodeTransport(1000, {}, 5)!;
  assertEquals([transport.closesSockets, transport[PLATFORM].sender()], [true, "sockets"]);
  const agents: Agent[] = [];
  for (const url of [HTTP, HTTPS, HTTP]) {
    await transport.fetch(url, {});
    agents.push(agentOf(network.last));
  }
  assertEquals(new Set(agents).size, 1);
  const { connections, keepAliveTimeout } = agents[0]!.settings;
  assertEquals([connections, keepAliveTimeout], [5, 1000]);
  await transport.close();
  assertEquals(agents[0]!.destroyed, 1);
  await assertRejects(() => transport.fetch(HTTP, {}), TypeError, "the transport is closed");
});

onNode("takes a pool's limit of connections, unless it has a smaller one", async (network) => {
  for (const [own, pools, connections] of [[5, 9, 5], [9, 5, 5], [Infinity, 5, 5], [5, Infinity, 5]] as const) {
    const transport = nodeTransport(1000, {}, own)!;
    transport[PLATFORM].limit!(pools);
    await transport.fetch(HTTP, {});
    assertEquals(agentOf(network.last).settings.connections, connections);
  }
});

onNode("takes a dispatcher beside options that are undefined", async (network) => {
  const dispatcher = new Agent();
  await nodeTransport(1000, { dispatcher, connect: undefined } as never)!.fetch(HTTP, {});
  assertStrictEquals(agentOf(network.last), dispatcher);
});

onNode("uses the dispatcher of a request", async (network) => {
  const dispatcher = { dispatch() {} };
  await nodeTransport(1000, { connect: {} })!.fetch(HTTP, { dispatcher } as Init);
  assertStrictEquals(network.last.dispatcher, dispatcher);
});

onNode("takes null for no dispatcher, and refuses what is none", async (network) => {
  const transport = nodeTransport(1000)!;
  await transport.fetch(HTTP, { dispatcher: null } as unknown as RequestInit);
  assert(network.last.dispatcher instanceof Object); // the agent's
  for (const dispatcher of [false, 0, "", "x", {}, { dispatch: 1 }, () => {}]) {
    const sent = () => transport.fetch(HTTP, { dispatcher } as unknown as RequestInit);
    await assertRejects(sent, TypeError, '"dispatcher" must have the method "dispatch": received');
    const make = () => nodeTransport(1000, { dispatcher } as object);
    assertThrows(make, TypeError, '"dispatcher" must have the methods "dispatch" and "destroy": received');
  }
  assertEquals([network.asked.length, nodeTransport(1000, { dispatcher: null } as object)!.closesSockets], [1, true]);
});

onNode("lets a Request use the dispatcher that it carries, and says where that cannot be", async (_, globals) => {
  const carrying = new Set<unknown>();
  const foreign = new Request(HTTP);
  const seen: unknown[] = [];
  // As undici does: the global one is looked for only if the request carries none.
  globalThis.fetch = function fetch(input: Request | URL, init: Init) {
    void lazyFetch;
    if (input === foreign) throw new TypeError("Failed to parse URL from [object Request]");
    const dispatcher = carrying.has(input) ? "carried" : init.dispatcher ?? globals[NEW];
    if (!dispatcher) throw Object.assign(new Error("It is falsy"), { code: "ERR_ASSERTION" });
    const copied = !globals[NEW] && resultOf(() => (init.body as Blob).stream().tee());
    if (copied === undefined) return Promise.reject(new TypeError("It is locked"));
    seen.push(dispatcher);
    if (dispatcher !== "carried") (dispatcher as Dispatcher).dispatch({}, { onRequestStart() {} });
    return Promise.resolve(new Response());
  } as unknown as typeof fetch;
  const before = globals[NEW];
  const [plain, carries] = [new Request(HTTP), new Request(HTTP)];
  carrying.add(carries);
  await withGlobals({ Deno: undefined }, async () => {
    for (const options of [{}, { connect: {} }, { dispatcher: new Agent() }]) {
      const transport = nodeTransport(1000, options)!;
      await transport.fetch(HTTP, { ...carried(plain) });
      assertEquals([seen.at(-1) === before, globals[NEW] === before], [false, true]);
      await transport.fetch(HTTPS, { ...carried(plain) }); // after a redirect
      await transport.fetch(HTTP, { ...carried(carries) });
      assertEquals([seen.at(-1), globals[NEW] === before], ["carried", true]);
      const message = "its Request carries a dispatcher";
      await assertRejects(() => transport.fetch(HTTPS, { ...carried(carries) }), TypeError, message);
      const init = { ...carried(carries), dispatcher: { dispatch: () => true } };
      await transport.fetch(HTTPS, init as RequestInit);
      assertEquals([seen.at(-1) === init.dispatcher, globals[NEW] === before], [true, true]);
    }
    const transport = nodeTransport(1000)!;
    globals[NEW] = { dispatch() {} };
    await assertRejects(() => transport.fetch(HTTPS, { ...carried(carries) }), TypeError);
    await transport.fetch(HTTP, { ...carried(carries) });
    assertEquals(seen.at(-1), "carried");
    await transport.fetch(HTTP, { ...carried(plain) });
    assertStrictEquals(seen.at(-1), globals[NEW]);
    const native = globalThis.fetch;
    globalThis.fetch = (input, init) => native(input, init); // a wrapper
    await transport.fetch(HTTP, { ...carried(carries) });
    assertEquals(seen.at(-1), "carried");
    await assertRejects(() => transport.fetch(HTTPS, { ...carried(carries) }), TypeError);
    for (const request of [plain, foreign]) {
      for (const url of [HTTP, HTTPS]) {
        const { length } = seen;
        const sent = transport.fetch(url, { ...carried(request) });
        assertEquals([seen.length, seen.at(-1) === globals[NEW]], [length + 1, true]); // at once
        await sent;
      }
    }
    const { length } = seen;
    const leaving = new AbortController();
    const left = transport.fetch(HTTP, { ...carried(carries), signal: leaving.signal });
    leaving.abort(new RangeError("The caller has left"));
    await assertRejects(() => left, RangeError);
    const closed = transport.fetch(HTTP, { ...carried(carries) });
    await transport.close();
    await assertRejects(() => closed, TypeError, "the transport is closed");
    assertEquals(seen.length, length);
  });
});

onNode("looks at the global dispatcher for each request", async (network, globals) => {
  const transport = nodeTransport(1000)!;
  const configured = nodeTransport(1000, { connect: {} })!;
  const before = globals[NEW] as Agent;
  const listening = new Agent();
  listening.listeners.push("connect");
  const closed = Object.assign(new Agent(), { closed: true });
  /** It has the name of undici's own class. */
  const named = new ({
    Agent: class extends Agent {
      constructor(token?: Record<string, unknown>) {
        super();
        assert(token, "constructed without the user's argument");
      }
    },
  }.Agent)({});
  const users = [new Agent({ user: 1 }), new (class Mock extends Agent {})(), named, listening, closed];
  for (const foreign of [{ dispatch() {} }, ...users]) {
    globals[NEW] = foreign;
    await transport.fetch(HTTP, {});
    assertEquals([network.last.dispatcher, transport.closesSockets], [undefined, false]);
    await assertRejects(() => configured.fetch(HTTP, {}), TypeError, "fetch goes through another dispatcher");
    assertThrows(() => nodeTransport(1000, { connect: {} }), TypeError, "fetch goes through another dispatcher");
  }
  globals[NEW] = before;
  await transport.fetch(HTTP, {});
  assertEquals([network.last.dispatcher !== undefined, transport.closesSockets], [true, true]);
  before.dispatch = () => true; // an interceptor
  assertEquals([transport.closesSockets, transport[PLATFORM].sender()], [false, undefined]);
});

onNode("gives a fetch of the user's no dispatcher, unless the user chose one", async (network) => {
  const transport = nodeTransport(1000)!;
  const configured = nodeTransport(1000, { connect: {} })!;
  globalThis.fetch = usersFetch(network.answer);
  await transport.fetch(HTTP, {});
  assertEquals([network.last.dispatcher, transport.closesSockets], [undefined, false]);
  await configured.fetch(HTTP, {});
  assertEquals([network.last.dispatcher !== undefined, configured.closesSockets], [true, false]);
});

onNode("refuses options and dispatchers that the fetch of happy-dom would ignore", async (network) => {
  const configured = nodeTransport(1000, { connect: {} })!;
  const transport = nodeTransport(1000)!;
  await withGlobals({ happyDOM: {} }, async () => {
    const message = "options of an Agent as fetch goes through another dispatcher";
    await configured.fetch(HTTP, {}); // the runtime's own takes them
    globalThis.fetch = usersFetch(network.answer);
    await assertRejects(() => configured.fetch(HTTP, {}), TypeError, message);
    await assertRejects(() => transport.fetch(HTTP, { dispatcher: new Agent() } as RequestInit), TypeError, message);
    for (const options of [{ connect: {} }, { dispatcher: new Agent() }]) {
      assertThrows(() => nodeTransport(1000, options), TypeError, message);
    }
    await nodeTransport(1000)!.fetch(HTTP, {});
    assertEquals(network.last.dispatcher, undefined);
  });
});

onNode("leaves the handlers of another undici to that one's dispatcher", async (network, globals) => {
  const transport = nodeTransport(1000)!;
  const other = globals[OLD] = new Agent();
  await transport.fetch(HTTP, {});
  const handler = { onConnect() {} };
  (network.last.dispatcher as Dispatcher).dispatch({}, handler);
  assertStrictEquals(other.dispatched[0], handler);
  await transport.fetch(HTTP, {});
  assertEquals([network.last.dispatcher, transport.closesSockets], [undefined, false]);
});

onNode("sends once more if a reused connection died before an answer", async (network) => {
  const reset = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
  const socket = new FakeSocket();
  let tries = 0;
  let answers = 0;
  globalThis.fetch = runtimesFetch((url, init) => {
    goOver(socket, init);
    if (++tries > answers) throw reset;
    socket.bytesRead += 100;
    return network.answer(url, init);
  });
  const transport = nodeTransport(1000)!;
  const trial = async (init: RequestInit) => {
    tries = 0;
    await transport.fetch(HTTP, init).catch((error) => assertStrictEquals(error, reset));
    return tries;
  };
  assertEquals(await trial({}), 1); // a fresh one
  answers = 1;
  assertEquals(await trial({}), 1);
  answers = 0;
  assertEquals(await trial({ method: "POST" }), 1);
  assertEquals(await trial({ signal: AbortSignal.abort() }), 1);
  assertEquals(await trial({ method: "PUT", body: new ReadableStream() }), 1);
  // The second try closes connections that are not fresh, for as long as it is given some.
  const closing = trial({});
  socket.alpnProtocol = "h2";
  assertEquals([await closing, socket.destroyed], [2, false]);
});

onNode("sends again if idle connections died before the request was written", async (network) => {
  const refused = { code: "ECONNRESET" }; // as in a handshake of TLS
  let tries = 0;
  let dead = 3;
  let cause: object | undefined;
  let creates = true;
  globalThis.fetch = runtimesFetch((url, init) => {
    if (creates) goOver(tries++ < dead ? undefined : new FakeSocket(), init);
    else tries++;
    if (tries <= dead) throw Object.assign(new TypeError("fetch failed"), { cause: cause ?? { code: "ECONNRESET" } });
    return network.answer(url, init);
  });
  const transport = nodeTransport(1000)!;
  const trial = async (init: RequestInit) => {
    tries = 0;
    await transport.fetch(HTTP, init).catch(() => {});
    return tries;
  };
  assertEquals(await trial({}), 4);
  assertEquals(await trial({ method: "POST" }), 1);
  assertEquals(await trial({ method: "PUT", body: new ReadableStream() }), 1);
  dead = Infinity;
  channels["undici:client:connectError"]!({ error: cause = refused });
  assertEquals(await trial({}), 1);
  channels["undici:client:connectError"]!({ error: cause = "not an object" as never });
  assertEquals(await trial({}), 1);
  cause = undefined;
  creates = false; // a mock
  assertEquals(await trial({}), 1);
});

onNode("ends the socket of a body that comes with status 205", async (network) => {
  const transport = nodeTransport(1000)!;
  const trial = async (headers: HeadersInit, alpnProtocol: string | false = false) => {
    const socket = Object.assign(new FakeSocket(), { alpnProtocol });
    globalThis.fetch = runtimesFetch((_, init) => {
      goOver(socket, init);
      return new Response(null, { status: 205, headers });
    });
    await transport.fetch(HTTP, {});
    return socket.destroyed;
  };
  assertEquals([await trial({}), await trial({ "content-length": "5" })], [true, true]);
  assertEquals([await trial({ "content-length": "0" }), await trial({}, "h2")], [false, false]);
  assertEquals(network.asked, []);
});

onNode("knows each code of a dead connection, of fetch's error or of its cause", async (network) => {
  const trial = async (error: object) => {
    const sockets = [new FakeSocket()];
    const failure = Object.assign(new TypeError("fetch failed"), error);
    globalThis.fetch = runtimesFetch((url, init) => {
      goOver(sockets.at(-1)!, init);
      sockets.at(-1)!.bytesRead += 100;
      if (network.asked.length % 2 === 0) return network.answer(url, init);
      sockets.at(-1)!.bytesRead -= 100;
      sockets.push(new FakeSocket());
      network.asked.push(init);
      throw failure;
    });
    const transport = nodeTransport(1000)!;
    network.asked.length = 0;
    await transport.fetch(HTTP, {});
    return await transport.fetch(HTTP, {}).then(() => sockets.length, (error) => error === failure);
  };
  for (const code of ["UND_ERR_SOCKET", "ECONNRESET", "ECONNABORTED", "EPIPE"]) {
    assertEquals([code, await trial({ code }), await trial({ cause: { code } })], [code, 2, 2]);
  }
  assertEquals([await trial({}), await trial({ cause: { code: "ENOTFOUND" } })], [true, true]);
});

onNode("ends the socket of a body that undici 6 awaits with status 204 or 304", async (_, globals) => {
  globals[OLD] = globals[NEW];
  globals[NEW] = undefined;
  const { process } = globals as unknown as { process: object };
  const trial = async (undici: string, status: number, headers: HeadersInit) => {
    const socket = new FakeSocket();
    globalThis.fetch = runtimesFetch((_, init) => {
      goOver(socket, init);
      return new Response(null, { status, headers });
    });
    await withGlobals({ process: { ...process, versions: { undici } } }, () => nodeTransport(1000)!.fetch(HTTP, {}));
    return socket.destroyed;
  };
  for (const status of [204, 304]) {
    for (
      const [headers, ended] of [
        [{ "content-length": "5" }, true],
        [{ "transfer-encoding": "chunked" }, true],
        [{ "content-length": "0" }, false],
        [{}, false],
      ] as const
    ) {
      assertEquals([await trial("6.0.0", status, headers), await trial("7.0.0", status, headers)], [ended, false]);
    }
  }
  assertEquals(await trial("6.0.0", 200, { "content-length": "5" }), false);
});

onNode("gives its agents no timeouts but that for connecting", async (network) => {
  const settings = async (idle: number) => {
    await nodeTransport(idle)!.fetch(HTTP, {});
    const { connect: _, proxyTls: __, ...settings } = agentOf(network.last).settings;
    return settings;
  };
  const none = { headersTimeout: 0, bodyTimeout: 0 };
  assertEquals(await settings(1000), { ...none, keepAliveTimeout: 1000, keepAliveMaxTimeout: 1000 });
  assertEquals(await settings(0), { ...none, keepAliveTimeout: 1, keepAliveMaxTimeout: 1, pipelining: 0 });
});

onNode("adds to the user's options for connecting what ends a connection that is not open yet", async (network) => {
  const ended: string[] = [];
  const transport = nodeTransport(1000, { connect: { ca: "a" }, proxyTls: { ca: "b" } } as never)!;
  await transport.fetch(HTTP, {});
  const { connect, proxyTls } = agentOf(network.last).settings as Record<string, { ca: string; signal: AbortSignal }>;
  assertEquals([connect!.ca, proxyTls!.ca], ["a", "b"]);
  const [first, second] = [() => void ended.push("direct"), () => void ended.push("proxied")];
  connect!.signal.addEventListener("abort", first);
  proxyTls!.signal.addEventListener("abort", second);
  await transport.close();
  await transport.close();
  assertEquals([ended, first === second], [["direct", "proxied"], false]);
  const own = () => {};
  await nodeTransport(1000, { connect: own } as never)!.fetch(HTTP, {});
  assertStrictEquals(agentOf(network.last).settings.connect, own);
});

onNode("uses a dispatcher of the user's, whatever the global one is", async (network, globals) => {
  const own = new Agent({ user: 1 });
  const transport = nodeTransport(1000, { dispatcher: own })!;
  globals[NEW] = { dispatch() {} };
  await transport.fetch(HTTPS, {});
  assertStrictEquals(agentOf(network.last), own);
  assertEquals([transport.closesSockets, transport[PLATFORM].sender()], [true, undefined]);
  await transport.close();
  assert(own.destroyed > 0);
});

onNode("keeps the user's options, and refuses those beside a dispatcher", async (network) => {
  const given = { keepAliveTimeout: 5, headersTimeout: 6, bodyTimeout: 7, connections: 8 };
  await nodeTransport(1000, given, 1)!.fetch(HTTP, {});
  const { connect: _, proxyTls: __, ...settings } = agentOf(network.last).settings;
  assertEquals(settings, { ...given, keepAliveMaxTimeout: 5 });
  const message = '"dispatcher" and "connect" exclude each other';
  assertThrows(() => nodeTransport(1000, { connect: {}, dispatcher: new Agent() }), TypeError, message);
});

onNode("finds the dispatcher of the main realm", async (network) => {
  const main = { Headers, [NEW]: new Agent() };
  const vm = { runInThisContext: () => main, subscribe() {} };
  const process = { versions: { undici: "8.0.0" }, env: {}, execArgv: [], getBuiltinModule: () => vm };
  await withGlobals({ process }, async () => {
    Reflect.deleteProperty(globalThis, OLD);
    Reflect.deleteProperty(globalThis, NEW);
    const transport = nodeTransport(1000)!;
    await transport.fetch(HTTP, {});
    assertEquals([transport.closesSockets, network.last.dispatcher !== undefined], [true, true]);
  });
});

onNode("bounds the idle timeout", async (network) => {
  for (const [idle, timeout] of [[Infinity, TWO_GIB], [2 ** 40, TWO_GIB], [0.5, 1]] as const) {
    await nodeTransport(idle)!.fetch(HTTP, {});
    assertEquals(agentOf(network.last).settings.keepAliveTimeout, timeout);
  }
});

onNode("knows what undici decodes, and refuses a proxy", async () => {
  const { decodes } = nodeTransport(1)![PLATFORM];
  const codings = ["gzip", "br, x-gzip", "zstd", "identity"];
  await withGlobals({ Deno: undefined }, () => {
    assertEquals(codings.map((coding) => decodes(coding, {})), [true, true, true, false]);
  });
  assertThrows(() => nodeTransport(1, { proxy: "" } as object), TypeError, '"proxy"');
});

Deno.test("nodeTransport() makes none elsewhere, nor on workerd", async () => {
  await withGlobals({ process: {} }, () => assertEquals(nodeTransport(1), undefined));
  const workerd = { process: { versions: { undici: "7" } }, navigator: { userAgent: "Cloudflare-Workers" } };
  await withGlobals(workerd, () => assertEquals(nodeTransport(1), undefined));
});

Deno.test("portable() knows what workerd decodes, by its date of compatibility and by the option", async () => {
  const { decodes } = portable()[PLATFORM];
  const navigator = { userAgent: "Cloudflare-Workers" };
  const withBrotli = (on: boolean) => ({ compatibilityFlags: { brotli_content_encoding: on } });
  for (const Cloudflare of [undefined, withBrotli(true)]) {
    await withGlobals({ navigator, Cloudflare }, () => {
      assertEquals(["gzip", "br", "deflate"].map((coding) => decodes(coding, {})), [true, true, false]);
      assertEquals(decodes("gzip", { encodeResponseBody: "manual" } as RequestInit), false);
    });
  }
  await withGlobals({ navigator, Cloudflare: withBrotli(false) }, () => {
    assertEquals(["gzip", "br"].map((coding) => decodes(coding, {})), [true, false]);
  });
});

// Portable

Deno.test("portable() gives options of its own, unless the request has them", async () => {
  const network = new Network();
  const transport = portable(usersFetch(network.answer), { cf: 1, mode: "own" });
  await transport.fetch(HTTP, { mode: "cors" });
  assertEquals([network.last.cf, network.last.mode, transport.closesSockets], [1, "cors", false]);
  await transport.close();
  await assertRejects(() => transport.fetch(HTTP, {}), TypeError, "the transport is closed");
});

Deno.test("portable() rejects if fetch throws", async () => {
  const thrown = new Error("mine");
  const transport = portable(() => {
    throw thrown;
  });
  assertStrictEquals(await transport.fetch(HTTP, {}).catch((error) => error), thrown);
});

// Whose fetch is global

Deno.test("sessionFetch() is passed by when it is global, also by a session that is made meanwhile", async () => {
  const network = new Network();
  const behind = runtimesFetch(network.answer);
  await withGlobals({ fetch: behind }, async () => {
    const performed: string[] = [];
    const perform = (input: string | URL | Request) => {
      performed.push(String(input));
      return Promise.resolve(new Response("session"));
    };
    const first = sessionFetch(perform);
    assertEquals(first.name, "fetch");
    globalThis.fetch = first as typeof fetch;
    const second = sessionFetch(perform);
    globalThis.fetch = second as typeof fetch;
    assertStrictEquals(globalFetch(), behind);
    assertEquals([isRuntimeFetch(globalFetch()), isRuntimeFetch(second)], [true, false]);
    // A request that comes back goes behind; another one, and one that comes later, go through the
    // session.
    const other = new URL("http://other.test/");
    const { promise, resolve } = Promise.withResolvers<void>();
    let later: Promise<unknown> | undefined;
    const wrapper = async (input: string | URL | Request, init?: RequestInit) => {
      later = promise.then(() => second(HTTP));
      await second(other);
      return await first(new Request(input, init));
    };
    await sendThrough(wrapper, HTTP, {});
    resolve();
    await later;
    assertEquals([performed, network.asked.length], [[other.href, HTTP.href], 1]);
  });
});
