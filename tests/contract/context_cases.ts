// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 7, "your request is yours": a request is sent, hooked and traced in the async context of
// the call that made it, whoever's release let it go.
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AsyncLocalStorage } from "node:async_hooks";
import { createTransport, post, Session, type SessionOptions, type StreamedResponse, TimeoutError } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { pause } from "../harness/with_session.ts";

const needs = ["asyncContext" as const];

/** The caller's name, kept in the async context as a program would keep a request id. */
type Context = AsyncLocalStorage<string>;

/** What ran for whom, and in whose context it ran. */
class Log {
  readonly context: Context;
  readonly entries: string[] = [];

  constructor(context: Context) {
    this.context = context;
  }

  /** To be called where a user's code runs for `who`. */
  note(what: string, who: string): void {
    this.entries.push(`${what} of ${who} as ${this.context.getStore()}`);
  }

  /**
   * The number of entries with this beginning. Throws if any ran in the context of another call.
   */
  count(what: string): number {
    const wrong = this.entries.filter((entry) => !/ of (\w+) as \1$/.test(entry));
    assertEquals(wrong, [], "in the context of another call");
    return this.entries.filter((entry) => entry.startsWith(what)).length;
  }
}

/** Waits until a source that is in the middle of a pull has noticed its end. */
async function untilEnded(log: Log, count: number): Promise<void> {
  const ended = () => log.entries.filter((entry) => entry.startsWith("ended")).length;
  for (let turn = 0; turn < 100 && ended() < count; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(ended(), count, log.entries.join("\n"));
  log.count("ended");
}

/** The contexts of the case. */
const contexts: Context[] = [];

async function startLog(): Promise<Log> {
  // Not at the top: a browser cannot load it.
  const { AsyncLocalStorage } = await import("node:async_hooks");
  const log = new Log(new AsyncLocalStorage());
  contexts.push(log.context);
  return log;
}

/**
 * Disables the contexts of a case. On Node 22, each that is not disabled takes time for every
 * promise that is made later.
 */
function disabling(test: Case): Case {
  return {
    ...test,
    async run(t) {
      try {
        await test.run(t);
      } finally {
        for (const context of contexts.splice(0)) if (t.runtime !== "workerd") context.disable(); // it has none
      }
    },
  };
}

const whoOf = (url: string | URL) => new URL(url).searchParams.get("who") ?? "nobody";

/** The places where a user hooks into the sending of requests, each as options of a session. */
const HOOKS: Record<string, (log: Log) => SessionOptions> = {
  "transport": (log) => {
    const transport = createTransport();
    const send = transport.fetch.bind(transport);
    transport.fetch = (url, init) => {
      log.note("sent", whoOf(url));
      return send(url, init);
    };
    return { pool: { transport } };
  },
  "fetch option": (log) => ({
    fetch(url, init) {
      log.note("sent", whoOf(url as URL));
      return fetch(url, init);
    },
  }),
  "cookie jar": (log) => ({
    cookieJar: {
      getCookieString(url) {
        log.note("asked", whoOf(url));
        return "";
      },
      async setCookie(_, url) {
        log.note("told", whoOf(url));
        await Promise.resolve();
      },
    },
  }),
};

/** A request in a context of its own; what it comes to does not matter. */
function as(log: Log, who: string, work: () => Promise<unknown>): Promise<void> {
  return log.context.run(who, work).then(() => {}, () => {});
}

type Url = (path: string, who: string) => string;

/** `/path?…&who=ann` of the case's scope. A redirect leads to a URL of the same caller. */
function urls({ scope }: TestContext): Url {
  return (path, who) => {
    const url = new URL(path, scope.url);
    const to = url.searchParams.get("to");
    if (to !== null) url.searchParams.set("to", `${to}${to.includes("?") ? "&" : "?"}who=${who}`);
    url.searchParams.set("who", who);
    return url.href;
  };
}

/** How a call may send its request. */
const CALLS: Record<string, (session: Session, url: string) => Promise<unknown>> = {
  "get": (session, url) => session.get(url),
  "post": (session, url) => session.post(url, { json: {} }),
  "stream": async (session, url) => await (await session.get(url, { prefetch: false })).bytes(),
  "fetch": async (session, url) => await (await session.fetch(url)).text(),
  "upload": (session, url) =>
    session.post(url, { body: new Blob(["text"]).stream() as ReadableStream<Uint8Array<ArrayBuffer>> }),
  "request": async (session, url) =>
    await (await session.fetch(new Request(url, { method: "POST", body: "text" }))).text(),
};

/** How the request that holds the only slot comes to give it back. */
const RELEASES: Record<string, (session: Session, url: Url, t: TestContext, log: Log) => Promise<unknown>> = {
  "a response": (session, url) => session.get(url("/bytes/10", "ann")),
  "a failure": (session, url) => session.get(url("/kill", "ann")),
  "a body that fails": (session, url) => session.get(url("/truncate/10", "ann")),
  "a body that is too large": (session, url) => session.get(url("/bytes/1000", "ann"), { maxBodyBytes: 10 }),
  "a timeout": (session, url) => session.get(url("/hang", "ann"), { timeout: { headers: 40 } }),
  "an idle timeout": (session, url) => session.get(url("/stall/10", "ann"), { timeout: { idle: 40 } }),
  "an abort": async (session, url, { scope }, log) => {
    const controller = new AbortController();
    const sent = session.get(url("/hang", "ann"), { signal: controller.signal });
    sent.catch(() => {});
    await scope.wait({ requests: 1 }, 10_000);
    log.context.run("zoe", () => controller.abort());
    await sent;
  },
  "a stream that is closed": async (session, url) =>
    await (await session.get(url("/endless", "ann"), { prefetch: false })).close(),
  "a loop that is left": async (session, url) => {
    for await (const _ of await session.get(url("/endless", "ann"), { prefetch: false })) break;
  },
  "a body of session.fetch": async (session, url) => await (await session.fetch(url("/endless", "ann"))).body!.cancel(),
  "a redirect": (session, url) => session.get(url("/redirect/302?to=/bytes/10", "ann")),
  "a redirect with a body": (session, url) => session.get(url("/redirect/307?body=100&to=/chunked/10", "ann")),
};

/** Requests of several callers that wait for one slot, which `release` frees. */
function queued(hook: string, release: string): Case {
  return {
    name: `a queued request runs in its caller's context: ${hook}, after ${release}`,
    needs,
    async run(t) {
      const log = await startLog();
      const { pool, ...options } = HOOKS[hook]!(log);
      const session = new Session({ ...options, pool: { ...pool as object, maxConnections: 1 } });
      const url = urls(t);
      try {
        const all = [as(log, "ann", () => RELEASES[release]!(session, url, t, log))];
        for (const [way, call] of Object.entries(CALLS)) {
          all.push(as(log, way, () => call(session, url("/set-cookie?a=1", way))));
        }
        all.push(as(log, "bob", () => session.get(url("/redirect/302?to=/set-cookie", "bob"))));
        all.push(as(log, "cyd", () => session.fetch(url("/redirect/308?to=/set-cookie", "cyd"))));
        await Promise.all(all);
      } finally {
        await session.close();
      }
      assert(log.count(hook === "cookie jar" ? "asked" : "sent") >= 11, log.entries.join("\n"));
      if (hook === "cookie jar") assert(log.count("told") >= 6, log.entries.join("\n"));
    },
  };
}

/** A case over each hook that sends. */
function sends(name: string, run: (session: Session, log: Log, t: TestContext) => Promise<void>): Case[] {
  return ["transport", "fetch option"].map((hook): Case => ({
    name: `${name}: ${hook}`,
    needs,
    async run(t) {
      const log = await startLog();
      const session = new Session(HOOKS[hook]!(log));
      try {
        await run(session, log, t);
      } finally {
        await session.close();
      }
    },
  }));
}

/** How what a call has begun comes to be cut off. */
const CUTS: Record<string, (session: Session, log: Log, cut: () => void) => Promise<unknown> | unknown> = {
  "its timeout": () => {},
  "its signal": (_, log, cut) => log.context.run("zoe", cut),
  "Session.close()": (session, log) => log.context.run("zoe", () => session.close()),
};

/**
 * Tries with longer and longer timeouts, in milliseconds, until the upload is under way when its
 * timeout passes: on a busy machine that may take long.
 */
async function underWay(attempt: (timeout: number) => Promise<boolean>): Promise<void> {
  for (let timeout = 100; timeout < 10_000; timeout *= 4) if (await attempt(timeout)) return;
  throw new Error("The upload was never under way");
}

/** Endless bodies that note in whose context they run. The pause lets others run between. */
const SOURCES: Record<string, (log: Log, who: string) => AsyncIterable<Uint8Array<ArrayBuffer>>> = {
  "an async generator": async function* (log, who) {
    try {
      while (true) {
        log.note("pulled", who);
        yield new Uint8Array(10);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } finally {
      log.note("ended", who);
    }
  },
  "an iterator": (log, who) => ({
    [Symbol.asyncIterator]() {
      log.note("pulled", who);
      let timer: ReturnType<typeof setTimeout>;
      return {
        async next() {
          log.note("pulled", who);
          await new Promise((resolve) => timer = setTimeout(resolve, 5));
          return { done: false, value: new Uint8Array(10) };
        },
        return() {
          clearTimeout(timer);
          log.note("ended", who);
          return Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  }),
  "a stream": (log, who) => {
    let timer: ReturnType<typeof setTimeout>;
    return new ReadableStream({
      async pull(controller) {
        log.note("pulled", who);
        await new Promise((resolve) => timer = setTimeout(resolve, 5));
        controller.enqueue(new Uint8Array(10));
      },
      cancel() {
        clearTimeout(timer);
        log.note("ended", who);
      },
    }, { highWaterMark: 0 });
  },
};

interface Span {
  id: string;
  parent?: string;
  name: string;
  url?: string;
}

/** The spans that Deno prints where it is told to. */
function parseSpans(printed: string): Span[] {
  return printed.split(/^(?=\S)/m).flatMap((entry) => {
    const [, name, id] = /^SPAN (.*?) \[\w+\/(\w+)\]/.exec(entry) ?? [];
    const read = (field: string) => new RegExp(`^  ${field}: (.*)$`, "m").exec(entry)?.[1];
    return name && id ? [{ name, id, parent: read("parent"), url: read("url.full") }] : [];
  });
}

const TELEMETRY = { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console", OTEL_METRICS_EXPORTER: "none" };

/** Each request of a traced program has the span of its caller as its parent. */
function traced(name: string, applies: (runtime: string) => boolean): Case {
  return {
    name,
    needs: [...needs, "processes"],
    async run({ runtime, run, scope }) {
      if (!applies(runtime)) return; // nothing like it exists elsewhere
      const { code, stdout, stderr } = await run({ script: "scripts/trace.ts", env: TELEMETRY }, scope.url);
      assertEquals(code, 0, stderr);
      const spans = runtime === "deno" ? parseSpans(stderr) : JSON.parse(stdout) as Span[];
      const callers = new Map(spans.map(({ id, name }) => [id, name]));
      const requests = spans.filter(({ url }) => url !== undefined);
      assertEquals(requests.map(({ url, parent }) => `${whoOf(url!)} of ${callers.get(parent!)}`).sort(), [
        "ann of ann",
        "bob of bob",
        "cyd of cyd",
        "dan of dan",
        "dan of dan",
      ]);
    },
  };
}

const all: Case[] = [
  ...sends("a request that finds a free slot runs in its caller's context", async (session, log, t) => {
    const url = urls(t);
    for (const [way, call] of Object.entries(CALLS)) await as(log, way, () => call(session, url("/bytes/10", way)));
    assertEquals(log.count("sent"), Object.keys(CALLS).length);
  }),
  ...sends("the 65th request at once runs in its caller's context", async (session, log, t) => {
    const url = urls(t);
    const callers = Array.from({ length: 80 }, (_, i) => `caller${i}`);
    await Promise.all(callers.map((who) => as(log, who, () => session.get(url("/bytes/10", who)))));
    assertEquals(log.count("sent"), 80);
  }),
  ...sends(
    "a request that waits for a socket that is on its way back runs in its caller's context",
    async (session, log, t) => {
      const url = urls(t);
      for (let round = 0; round < 10; round++) {
        const callers = Array.from({ length: 8 }, (_, i) => `caller${round}x${i}`);
        await Promise.all(callers.map((who) =>
          as(log, who, async () => {
            await session.get(url("/bytes/10", who));
            await session.get(url("/chunked/10", who));
          })
        ));
      }
      assertEquals(log.count("sent"), 160);
    },
  ),
  ...[2, 5].map((maxConnections): Case => ({
    name: `undici makes a request in its caller's context, as tracers need it: ${maxConnections} connections`,
    needs,
    async run(t) {
      if (!t.runtime.startsWith("node")) return;
      const log = await startLog();
      const { subscribe, unsubscribe } = await import("node:diagnostics_channel");
      const note = (message: unknown) => {
        const { request } = message as { request: { origin: string; path: string } };
        if (request.origin === t.scope.url) log.note("made", whoOf(request.origin + request.path));
      };
      const session = new Session({ pool: { maxConnections } });
      const url = urls(t);
      subscribe("undici:request:create", note);
      try {
        for (let round = 0; round < 3; round++) {
          const callers = Array.from({ length: 4 * maxConnections }, (_, i) => `caller${round}x${i}`);
          await Promise.all(callers.map((who) => as(log, who, () => session.get(url("/bytes/10", who)))));
        }
      } finally {
        unsubscribe("undici:request:create", note);
        await session.close();
      }
      assertEquals(log.count("made"), 12 * maxConnections);
    },
  })),
  ...Object.keys(RELEASES).flatMap((release) => ["transport", "fetch option"].map((hook) => queued(hook, release))),
  ...["a response", "a timeout", "an abort"].map((release) => queued("cookie jar", release)),
  ...Object.keys(CUTS).map((cut): Case => ({
    name: `an abort listener of a transport runs in its caller's context: ${cut}`,
    needs,
    async run({ scope }) {
      const log = await startLog();
      const fetch: typeof globalThis.fetch = (url, init) => {
        const who = whoOf(url as URL);
        init!.signal!.addEventListener("abort", () => log.note("aborted", who));
        return new Promise(() => {});
      };
      const session = new Session({ fetch, timeout: { headers: cut === "its timeout" ? 40 : 5000 } });
      const controller = new AbortController();
      const { signal } = controller;
      const callers = ["ann", "bob", "cyd"];
      const all = callers.map((who) => as(log, who, () => session.get(`${scope.url}/?who=${who}`, { signal })));
      await Promise.resolve();
      await CUTS[cut]!(session, log, () => controller.abort());
      await Promise.all(all);
      await session.close();
      // An abort runs its listeners in the context of the code that aborts, as with bare fetch. A
      // timeout or close() runs in the request's own context.
      if (cut === "its signal") assertEquals(log.entries.length, 3);
      else assertEquals(log.count("aborted"), 3);
    },
  })),
  {
    name: "an abort listener of a transport runs in its caller's context: another caller closes the response",
    needs,
    async run() {
      const log = await startLog();
      const fetch: typeof globalThis.fetch = (_, init) => {
        init!.signal!.addEventListener("abort", () => log.note("aborted", "ann"));
        return Promise.resolve(new Response(new ReadableStream()));
      };
      const session = new Session({ fetch });
      const { promise, resolve } = Promise.withResolvers<StreamedResponse>();
      await as(log, "ann", async () => resolve(await session.get("http://x.test/", { prefetch: false })));
      await as(log, "bob", async () => (await promise).close());
      await session.close();
      assertEquals(log.count("aborted"), 1);
    },
  },
  ...Object.keys(SOURCES).flatMap((source) =>
    Object.keys(CUTS).map((cut): Case => ({
      name: `an upload is pulled and ended in its caller's context: ${source}, ${cut}`,
      needs: [...needs, "streamsUploads"],
      async run({ scope }) {
        await underWay(async (total) => {
          const log = await startLog();
          const session = new Session({
            pool: { maxConnections: 1 },
            timeout: { total: cut === "its timeout" ? total : Infinity },
          });
          const controller = new AbortController();
          const first = as(log, "ann", () => session.get(`${scope.url}/drip?n=3`));
          const body = SOURCES[source]!(log, "bob");
          const upload = as(
            log,
            "bob",
            () =>
              session.post(`${scope.url}/upload`, { body, signal: controller.signal, timeout: { headers: Infinity } }),
          );
          await first;
          const pulled = () => log.count("pulled") >= 2;
          while (!pulled() && session.exchanges().length > 0) await pause(5);
          await CUTS[cut]!(session, log, () => controller.abort());
          await upload;
          await session.close();
          if (pulled()) await untilEnded(log, 1);
          return pulled();
        });
      },
    }))
  ),
  {
    name: "an upload of post() is pulled in its caller's context",
    needs: [...needs, "streamsUploads"],
    async run({ scope }) {
      await underWay(async (timeout) => {
        const log = await startLog();
        const upload = (who: string) =>
          log.context.run(
            who,
            () => post(`${scope.url}/upload`, { body: SOURCES["an async generator"]!(log, who), timeout }),
          );
        await Promise.all(["ann", "bob"].map((who) => assertRejects(() => upload(who), TimeoutError)));
        if (log.count("pulled") < 4) return false;
        await untilEnded(log, 2);
        return true;
      });
    },
  },
  {
    name: "onLeak runs in the context of the request that was dropped",
    needs: [...needs, "processes"],
    async run({ run, scope }) {
      const { code, stdout, stderr } = await run("scripts/gc.ts", scope.url, "in a context");
      assertEquals(code, 0, stderr);
      assertEquals(JSON.parse(stdout), [{ contexts: ["ann", "bob"] }]);
    },
  },
  traced(
    "OpenTelemetry gives each span of a queued request its own parent, on Node",
    (name) => name.startsWith("node"),
  ),
  traced("Deno's own telemetry gives each span of a queued request its own parent", (name) => name === "deno"),
];

export const cases: Case[] = all.map(disabling);
