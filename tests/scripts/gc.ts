// Copyright 2026 the Hangup authors. MIT license.
//
// Drops things, forces garbage collections, and prints as JSON what was reported and what still
// works. Arguments: the counting server's URL, what to drop or to keep (several with "|" between),
// and a URL that answers when the process may end.
import { AsyncLocalStorage } from "node:async_hooks";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { type ExchangeInfo, get, Session, type SessionOptions } from "../../mod.ts";

const [url, what, last] = process.argv.slice(2);

interface Runtimes {
  gc?(): void;
  Bun?: { gc(force: boolean): void };
}
const { gc, Bun } = globalThis as Runtimes;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * V8 collects in the first turn what is reached by nothing, and in the next ones what its
 * finalizers held; most of the time of these tests goes into it. Bun's collector needs more turns.
 */
const TURNS = Bun ? 8 : 4;

/**
 * Collects garbage, a number of times with turns of the event loop between, or until the condition
 * holds.
 */
async function collect(until?: () => boolean): Promise<void> {
  for (let turn = 0; turn < (until ? 200 : TURNS) && !until?.(); turn++) {
    if (Bun) {
      // Bun's collector keeps whatever the stack seems to refer to. A task of another kind
      // overwrites what the last left.
      await readFile(new URL(import.meta.url));
      Bun.gc(true);
    } else gc!();
    await pause(5);
  }
}

/**
 * Calls in a frame of its own that is left before the garbage is collected: no variable keeps what
 * it returned.
 */
async function forget(work: () => unknown): Promise<void> {
  await work();
  await pause(0);
}

const leaks: ExchangeInfo[] = [];
const onLeak = (leak: ExchangeInfo) => void leaks.push(leak);
const open = (session: Session, path = "/endless?token=secret") => session.get(`${url}${path}`, { prefetch: false });

/** Drops what `work` opens; tells what was reported, and what is open then. */
async function dropped(work: (session: Session) => unknown, options: SessionOptions = {}) {
  const session = new Session({ onLeak, ...options });
  await forget(() => work(session));
  const before = session.exchanges().length + leaks.length; // the runtime may have collected garbage by itself
  await collect(() => leaks.length > 0);
  await collect(); // it is reported once
  const { active } = session.pool.stats();
  const result = { before, leaks, open: session.exchanges().length, active };
  await session.close();
  return result;
}

/**
 * Keeps what `work` gives for reading on, and nothing else; tells how many bytes come after garbage
 * collections.
 */
async function kept<T>(work: (session: Session) => Promise<T>, read: (kept: T) => Promise<number>) {
  const session = new Session({ onLeak });
  const reader = await work(session);
  await collect();
  const bytes = await read(reader);
  const result = { bytes, leaks: leaks.length };
  await session.close();
  return result;
}

async function sizeOf(chunks: AsyncIterable<Uint8Array | string>): Promise<number> {
  let size = 0;
  for await (const chunk of chunks) size += chunk.length;
  return size;
}

const SIZE = 1_000_000;
const path = `/bytes/${SIZE}`;

const ways: Record<string, () => Promise<unknown>> = {
  "an unread response": () => dropped((session) => open(session)),
  "a response, traced": () =>
    dropped(async function culprit(session) {
      await open(session);
    }, { traceLeaks: true }),
  "a response that had to wait": () =>
    dropped((session) => Promise.all([session.get(`${url}/bytes/10`), open(session)]), { pool: { maxConnections: 1 } }),
  "a half-read iterator": () =>
    dropped(async (session) => {
      const iterator = (await open(session))[Symbol.asyncIterator]();
      await iterator.next();
    }),
  "a half-read body": () =>
    dropped(async (session) => {
      const reader = (await open(session)).body!.getReader();
      await reader.read();
    }),
  "lines()": () => dropped(async (session) => void await (await open(session, "/lines?n=Infinity")).lines().next()),
  "a Response of session.fetch": () =>
    dropped(async (session) => {
      const response = await session.fetch(`${url}/endless?token=secret`);
      await response.body!.getReader().read();
    }),
  "an unread Response of session.fetch": () => dropped((session) => session.fetch(`${url}/endless?token=secret`)),
  "a Response of session.fetch whose start is read ahead": () =>
    dropped((session) => session.fetch(`${url}/drip?n=2&gap=60000&token=secret`)),
  "a half-read Response of session.fetch whose start is read ahead": () =>
    dropped(async (session) => {
      const response = await session.fetch(`${url}/drip?n=2&gap=60000&token=secret`);
      await response.body!.getReader().read();
    }),
  "a Response of session.fetch of which a clone is read ahead": () =>
    dropped(async (session) => void (await session.fetch(`${url}/drip?n=2&gap=60000&token=secret`)).clone()),
  "a toResponse()": () => dropped(async (session) => void (await open(session)).toResponse()),
  async "what has responses"() {
    const reads: Record<string, (session: Session) => Promise<object>> = {
      prefetched: (session) => session.get(`${url}/bytes/10`),
      async streamed(session) {
        const response = await session.get(`${url}/chunked/10`, { prefetch: false });
        await response.text();
        return response;
      },
      async fetched(session) {
        const response = await session.fetch(`${url}/chunked/10`);
        await response.text();
        return response;
      },
    };
    async function read(how: string) {
      const session = new Session();
      const response = await reads[how]!(session);
      await session.close();
      return { response, pool: new WeakRef(session.pool) };
    }
    const results = [];
    for (const how of Object.keys(reads)) results.push({ how, ...await read(how) });
    await collect();
    return { kept: Object.fromEntries(results.map(({ how, pool }) => [how, pool.deref() !== undefined])), results };
  },
  async "what was sent"() {
    // Runtimes may keep it themselves.
    const session = new Session({ fetch: () => Promise.resolve(new Response(new ReadableStream())) });
    let sent: WeakRef<object> | undefined;
    async function send() {
      const body = new Uint8Array(1_000_000);
      sent = new WeakRef(body);
      return await session.post(`${url}/endless`, { body, prefetch: false });
    }
    const response = await send();
    await collect(); // to look at a WeakRef between would keep what it refers to
    const kept = [response.closed, sent!.deref() !== undefined];
    await session.close();
    return { kept };
  },
  async "a response without onLeak"() {
    const session = new Session();
    await forget(() => Promise.all([open(session), open(session)]));
    await collect(() => session.exchanges().length === 0);
    const result = { open: session.exchanges().length };
    await session.close();
    return result;
  },
  async "a response of get()"() {
    const { warn } = console;
    console.warn = (message) => void leaks.push(message);
    await forget(() => get(`${url}/endless?token=secret`, { prefetch: false }));
    await collect(() => leaks.length > 0);
    console.warn = warn;
    return { leaks };
  },
  async "an idle session"() {
    for (let i = 0; i < 3; i++) await forget(() => new Session().get(`${url}/bytes/10`));
    await collect();
    return {};
  },
  async "in a context"() {
    const context = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const session = new Session({ onLeak: () => void contexts.push(context.getStore()) });
    for (const who of ["ann", "bob"]) await forget(() => context.run(who, () => open(session)));
    await context.run("zoe", () => collect(() => contexts.length === 2));
    await session.close();
    return { contexts: contexts.sort() };
  },
  /** What is no leak: a session that was closed, and one that was never used. */
  async "a closed session"() {
    await forget(async () => {
      const session = new Session();
      await session.get(`${url}/bytes/10`);
      await session.close();
    });
    await forget(() => new Session());
    await collect();
    return {};
  },
  async "a session with an open response"() {
    await forget(async () => await open(new Session({ onLeak })));
    await collect(() => leaks.length > 0);
    await collect();
    return { leaks };
  },

  async "the signals of Requests"() {
    const sends: Record<string, (session: Session, make: typeof toRequest) => Promise<unknown>> = {
      "session.fetch": (session, make) => session.fetch(make("/hang")),
      "session.get": (session, make) => session.get(make("/hang")),
      "get()": (_, make) => get(make("/hang")),
      "a POST": (session, make) => session.fetch(make("/hang", { method: "POST", body: "text" })),
      "a Request as init": (session, make) => session.fetch(`${url}/hang`, make("/hang")),
      "a redirect": (session, make) => session.fetch(make("/redirect/302?to=/hang")),
      "the body of session.fetch": async (session, make) => await (await session.fetch(make("/stall/1000000"))).text(),
      "a short body of session.fetch": async (session, make) => await (await session.fetch(make("/stall/100"))).text(),
      "a stream": async (session, make) => await (await session.get(make("/stall/100"), { prefetch: false })).text(),
      "the stream of get()": async (_, make) => await (await get(make("/stall/100"), { prefetch: false })).text(),
    };
    const session = new Session();
    const controllers: AbortController[] = [];
    /** Each has a signal of its own: one that is shared would be kept by the others. */
    function toRequest(path: string, init?: RequestInit): Request {
      const controller = new AbortController();
      controllers.push(controller);
      return new Request(url + path, { ...init, signal: controller.signal });
    }
    const ends: Record<string, unknown> = {};
    const sent = Object.entries(sends).map(([how, send]) => {
      ends[how] = "not ended";
      return send(session, toRequest).then(() => ends[how] = "the end", (error) => ends[how] = error.name);
    });
    await collect(); // the headers arrive meanwhile, and parts of the body
    const before = { ...ends };
    for (const controller of controllers) controller.abort();
    // No wait but a limit: a request that never ends is to be reported, not to hold the process.
    let timer: ReturnType<typeof setTimeout>;
    await Promise.race([Promise.all(sent), new Promise((resolve) => timer = setTimeout(resolve, 5000))]);
    clearTimeout(timer!);
    await session.close();
    return { before, ends };
  },

  ...Object.fromEntries(
    Object.entries<(session: Session) => unknown>({
      "throws": () => {
        throw new Error("The callback failed");
      },
      "rejects": () => Promise.reject(new Error("The callback failed")),
      "hangs": () => new Promise(() => {}),
      "calls get()": (session) => session.get(`${url}/bytes/10`),
      "calls close()": (session) => session.close(),
    }).map(([how, callback]) => [`onLeak ${how}`, async () => {
      let calls = 0;
      const session: Session = new Session({
        pool: { maxConnections: 2 },
        onLeak() {
          calls++;
          return callback(session) as void;
        },
      });
      await forget(() => Promise.all([open(session), open(session)]));
      await collect(() => calls === 2 || session.closed);
      await collect();
      const status = session.closed ? 200 : (await session.get(`${url}/bytes/10`)).status;
      await session.close({ grace: 10_000 }); // for the requests of the callback
      return { calls, open: session.exchanges().length, active: session.pool.stats().active, status };
    }]),
  ),

  "kept iterator": () => kept(async (session) => (await open(session, path))[Symbol.asyncIterator](), sizeOf),
  "kept loop": () =>
    kept(async (session) => {
      const iterator = (await open(session, path))[Symbol.asyncIterator]();
      const { value } = await iterator.next();
      return { iterator, first: value.length };
    }, async ({ iterator, first }) => first + await sizeOf(iterator)),
  "kept body": () => kept(async (session) => (await open(session, path)).body!, sizeOf),
  "kept reader": () =>
    kept(async (session) => (await open(session, path)).body!.getReader(), async (reader) => {
      let size = 0;
      for (let { value } = await reader.read(); value; { value } = await reader.read()) size += value.length;
      return size;
    }),
  "kept pipe": () =>
    kept(
      async (session) =>
        (await open(session, "/lines?n=20000")).body!.pipeThrough(new TextDecoderStream("latin1") as never),
      sizeOf,
    ),
  "kept lines()": () =>
    kept(async (session) => {
      const lines = (await open(session, "/lines?n=20000")).lines();
      await lines.next();
      return lines;
    }, sizeOf),
  "kept Response of session.fetch": () =>
    kept((session) => session.fetch(url + path), async (response) => (await response.arrayBuffer()).byteLength),
  "kept body of session.fetch": () =>
    kept(async (session) => (await session.fetch(url + path)).body as ReadableStream<Uint8Array>, sizeOf),
  "kept toResponse()": () =>
    kept(async (session) => (await open(session, path)).toResponse(), async (r) => (await r.arrayBuffer()).byteLength),
  "kept clone": () =>
    kept(async (session) => {
      const response = await session.fetch(url + path);
      const clone = response.clone();
      await response.arrayBuffer();
      return clone;
    }, async (clone) => (await clone.arrayBuffer()).byteLength),
  "error of an upload": async () => {
    const session = new Session();
    const refs: WeakRef<Blob>[] = [];
    const fail = async (path: string) => {
      const body = new Blob(["x".repeat(100)]);
      refs.push(new WeakRef(body));
      // Not POST: Deno itself holds the Blob of one that is reset.
      return await session.put(url + path, { body, timeout: 200 }).catch((error) => error);
    };
    const errors = [await fail("/hang"), await fail("/fault/resets-before-status")];
    await collect();
    await session.close();
    const held = refs.filter((ref) => ref.deref() !== undefined).length;
    return { names: errors.map(({ name }) => name), held };
  },
  "kept promise": () =>
    kept(async (session) => {
      const response = await open(session, "/drip?n=100&gap=5");
      return { promise: response.bytes() };
    }, async ({ promise }) => (await promise).length),
};

const results: string[] = [];
for (const way of what!.split("|")) {
  leaks.length = 0;
  results.push(JSON.stringify(await ways[way]!()));
}
console.log(`[${results}]`);
if (last) await (await fetch(last)).text();
