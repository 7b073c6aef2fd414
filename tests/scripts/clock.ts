// Copyright 2026 the Hangup authors. MIT license.
//
// Fakes the time as a user's test does, sends requests, and prints as JSON what came of each. Arguments: the counting
// server's URL, the globals to fake, and when: "before" or "after" the session is made, or while the module is "loaded".
import { createRequire } from "node:module";
import process from "node:process";
import type { Session, SessionOptions } from "../../mod.ts";

const [url = "", faked = "", when = ""] = process.argv.slice(2);
const toFake = faked === "" ? [] : faked.split(",");

/** The part of `@sinonjs/fake-timers` that is used here. jest and vitest fake timers with that package. */
interface FakeTimers {
  install(config: { toFake: string[] }): FakeTime;
}

interface FakeTime {
  tickAsync(ms: number): Promise<unknown>;
  uninstall(): void;
}

/** Timers that were made by something else than the runtime: undici has one of its own, also under bare `fetch`. */
const made = new Set<unknown>();

function watchTimers(): void {
  const { setTimeout, clearTimeout } = globalThis;
  Object.assign(globalThis, {
    setTimeout(callback: () => void, ms: number) {
      const timer = setTimeout(() => {
        made.delete(timer);
        callback();
      }, ms);
      if (!new Error().stack!.includes("undici")) made.add(timer);
      return timer;
    },
    clearTimeout(timer: ReturnType<typeof setTimeout>) {
      made.delete(timer);
      clearTimeout(timer);
    },
  });
}

const { install }: FakeTimers = createRequire(import.meta.url)("@sinonjs/fake-timers");
const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;

/** Fakes that nobody ticks, as jest has them in place before it loads anything. */
function fakeForEver(): void {
  const timer = { ref: () => timer, unref: () => timer, refresh: () => timer, hasRef: () => true };
  for (const name of toFake) Object.assign(globalThis, { [name]: Object.assign(() => timer, { clock: {} }) });
}

if (when === "loaded") fakeForEver();
const hangup = await import("../../mod.ts");
const { get, TimeoutError } = hangup;

const pause = (ms: number) => new Promise<void>((resolve) => realSetTimeout(resolve, ms));

/** What a promise comes to, or that nothing came of it in real time. */
async function outcome(work: Promise<unknown>, ms = 2500): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hung = new Promise<string>((resolve) => timer = realSetTimeout(() => resolve("nothing"), ms));
  const described = work.catch((error) => error instanceof TimeoutError ? `timeout: ${error.phase}` : error.name);
  const result = await Promise.race([described, hung]);
  realClearTimeout(timer);
  return result;
}

type Work = (session: Session, time: FakeTime) => Promise<unknown>;

/** A request that comes to nothing before its time has passed, and to a timeout then. */
function expires(path: string, phase: "headers" | "idle" | "total" | "queue", options: SessionOptions = {}) {
  const work: Work = async (session, time) => {
    if (phase === "queue") session.get(`${url}/hang`, { timeout: { headers: Infinity } }).catch(() => {});
    const request = session.get(url + path, { timeout: { [phase]: 5000 } });
    request.catch(() => {});
    await pause(100);
    const early = await outcome(request, 10);
    await time.tickAsync(5500); // what is not faked moves a little as well
    return [early, await outcome(request)];
  };
  return { options, work, ticks: true };
}

/** A request whose timeout passes in real time once nothing is faked any more. */
function restored(path: string, phase: "headers" | "idle") {
  const work: Work = async (session, time) => {
    const request = session.get(url + path, { timeout: { [phase]: 300 } });
    request.catch(() => {});
    await pause(50);
    time.uninstall();
    Object.assign(globalThis, { setTimeout: realSetTimeout, clearTimeout: realClearTimeout });
    return await outcome(request);
  };
  return { options: {}, work, restores: true };
}

const asks: Record<string, { options?: SessionOptions; work: Work; ticks?: boolean; restores?: boolean }> = {
  "get()": { work: async () => (await get(`${url}/bytes/10`)).content.byteLength },
  "a redirect": { work: async (session) => (await session.get(`${url}/redirect/302?to=/bytes/10`)).content.byteLength },
  "a redirect whose body does not end": {
    work: async (session) => (await session.get(`${url}/redirect/302?to=/bytes/10&stall=1&body=10`)).content.byteLength,
  },
  "an error page that does not end": {
    options: { throwIfNotOk: true },
    work: async (session) => await session.get(`${url}/stall/10?of=20&status=500`, { prefetch: false }),
  },
  "three requests over one connection": {
    options: { pool: { maxConnections: 1 } },
    work: async (session) => {
      const responses = await Promise.all([1, 2, 3].map((n) => session.get(`${url}/bytes/${n}`)));
      return responses.map(({ content }) => content.byteLength);
    },
  },
  "aborted requests over one connection": {
    options: { pool: { maxConnections: 1 } },
    async work(session) {
      for (let i = 0; i < 3; i++) await (await session.get(`${url}/endless`, { prefetch: false })).close();
      return (await session.get(`${url}/bytes/10`)).content.byteLength;
    },
  },
  "session.fetch()": {
    work: async (session) => (await (await session.fetch(`${url}/drip?n=10&gap=5`)).text()).length,
  },
  "session.fetch() of a Request with a slow stream": {
    async work(session) {
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await pause(50);
          controller.enqueue(new TextEncoder().encode("slow"));
          controller.close();
        },
      });
      const init = { method: "POST", body, duplex: "half" };
      const response = await session.fetch(new Request(`${url}/echo`, init));
      return (await response.json()).body;
    },
  },
  "close()": {
    async work(session) {
      const request = outcome(session.get(`${url}/hang`));
      await pause(20);
      const closed = await outcome(session.close().then((aborted) => aborted.length));
      return [closed, await request];
    },
  },
  "a grace that nobody ticks": {
    async work(session) {
      const request = outcome(session.get(`${url}/hang`));
      await pause(20);
      const closed = await outcome(session.close({ grace: 100 }).then((aborted) => aborted.length));
      return [closed, await request];
    },
  },
  "a grace": {
    ticks: true,
    async work(session, time) {
      const request = outcome(session.get(`${url}/hang`));
      await pause(20);
      const closing = session.close({ grace: 10_000 }).then((aborted) => aborted.length);
      await time.tickAsync(10_001);
      return [await outcome(closing), await request];
    },
  },
  "a headers timeout": expires("/hang", "headers"),
  "an idle timeout": expires("/stall/10", "idle"),
  "a total timeout": expires("/hang", "total"),
  "a queue timeout": expires("/bytes/10", "queue", { pool: { maxConnections: 1 } }),
  "a headers timeout after the fakes": restored("/hang", "headers"),
  "an idle timeout after the fakes": restored("/stall/10", "idle"),
};

const results: Record<string, unknown> = {};
for (const [ask, { options, work, ticks = false, restores = false }] of Object.entries(asks)) {
  // Without faked timers nothing that a test does makes them fire.
  if (ticks && !toFake.includes("setTimeout")) continue;
  const { setTimeout, clearTimeout } = globalThis;
  const fake = () => {
    const time = install({ toFake });
    if (toFake.includes("setTimeout")) watchTimers();
    return time;
  };
  if (when === "loaded" && (ticks || restores)) continue;
  const loaded: FakeTime = { tickAsync: () => Promise.resolve(), uninstall() {} };
  let time = when === "before" ? fake() : when === "loaded" ? loaded : undefined;
  const session = new hangup.Session(options);
  if (time === undefined) {
    await session.get(`${url}/bytes/10`); // with timers of its own
    time = fake();
  }
  let result = await outcome(work(session, time), 6000);
  if (await outcome(session.close()) === "nothing") result = [result, "close() did not end"];
  time.uninstall();
  Object.assign(globalThis, { setTimeout, clearTimeout });
  results[ask] = made.size === 0 ? result : [result, `${made.size} timers are left`];
  made.clear();
}
console.log(JSON.stringify(results));
