// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 4: nothing waits for ever, and no wait ends falsely. The queue's timeout is for
// starvation.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type CookieJar, Session, type SessionOptions, TimeoutError, type Timeouts } from "../../mod.ts";
import type { Capability, Case } from "../harness/case.ts";
import { pause, within, withSession } from "../harness/with_session.ts";

const NOBODY = "http://x.test/";

/** Never settles. */
const never = <T>() => new Promise<T>(() => {});

/** What a promise comes to, a timeout by its phase. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await within(10_000, promise);
  } catch (error) {
    return error instanceof TimeoutError ? error.phase : error;
  }
}

function assertIdle(session: Session): void {
  const { active, queued } = session.pool.stats();
  assertEquals([session.exchanges(), active, queued], [[], 0, 0]);
}

/**
 * The pieces of an upload, with a gap of this many milliseconds before each. With `Infinity`, no
 * piece comes.
 */
async function* pieces(count: number, gap: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let i = 0; i < count; i++) {
    await (gap === Infinity ? never() : pause(gap));
    yield new Uint8Array(100);
  }
}

const asStream = (source: AsyncGenerator<Uint8Array<ArrayBuffer>>) =>
  new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  }, { highWaterMark: 0 });

/** A body that a program gives out chunk by chunk. */
function scripted(): { response: () => Response; send(bytes: number): void; end(): void } {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({ start: (given) => void (controller = given) });
  return {
    response: () => new Response(body),
    send: (bytes) => controller.enqueue(new Uint8Array(bytes)),
    end: () => controller.close(),
  };
}

const answer = () => Promise.resolve(new Response("", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=1"]] }));

/** Jars that never come back. */
const JARS: Record<string, () => CookieJar> = {
  "getCookieString()": () => ({ getCookieString: never, setCookie() {} }),
  "setCookie()": () => ({ getCookieString: () => "", setCookie: never }),
  "the second setCookie()": () => {
    let calls = 0;
    return { getCookieString: () => "", setCookie: () => ++calls > 1 ? never() : undefined };
  },
};

/** Keeps the event loop busy: no I/O and no timer in the meantime. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** A promise that may reject before anybody awaits it. */
function caught<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** What a program may wait for when an answer comes while it is busy. Each comes to 100. */
const BUSY: Record<string, (session: Session, url: string, busy: () => Promise<void>) => Promise<unknown>> = {
  "the headers of a short body": async (session, url, busy) => {
    const got = caught(session.get(`${url}/later/20`));
    await busy();
    return (await got).content.byteLength;
  },
  "the headers of a stream": async (session, url, busy) => {
    const got = caught(session.get(`${url}/later/20`, { prefetch: false }));
    await busy();
    return (await (await got).bytes()).byteLength;
  },
  "the headers of session.fetch": async (session, url, busy) => {
    const got = caught(session.fetch(`${url}/later/20`));
    await busy();
    return (await (await got).arrayBuffer()).byteLength;
  },
  "the rest of a short body": async (session, url, busy) => {
    const got = caught(session.get(`${url}/drip?n=2&gap=50&length=2`));
    await busy();
    return (await got).content.byteLength * 50;
  },
  "a chunk of a stream": async (session, url, busy) => {
    const response = await session.get(`${url}/drip?n=2&gap=50`, { prefetch: false });
    const bytes = caught(response.bytes());
    await busy();
    return (await bytes).byteLength * 50;
  },
};

/** What a program was called for when it came to be busy. */
const TURNS: Record<string, (url: string) => Promise<unknown>> = {
  "in a timer": () => pause(10),
  "after I/O": async (url) => await (await fetch(`${url}/later/10`)).text(),
};

/** A connection that is free soon, or not: two requests hold both slots, and a third waits. */
function starves(
  name: string,
  timeouts: Timeouts,
  hold: (session: Session, url: string, i: number) => Promise<unknown>,
  expected: "served" | "queue",
  needs?: Capability[],
): Case {
  return {
    needs,
    name: `timeout.queue ${expected === "served" ? "does not pass" : "passes"} while both slots are held by ${name}`,
    async run({ scope }) {
      // On a busy machine, nothing at all may arrive for as long as the queue may starve. A longer
      // timeout than that of the last try would outlast the downloads, and would show nothing.
      for (const queue of expected === "served" ? [300, 500, 900] : [150]) {
        const session = new Session({ pool: { maxConnections: 2 }, timeout: { queue, ...timeouts } });
        const held = [1, 2].map((i) => hold(session, scope.url, i).catch((error) => error));
        await scope.wait({ requests: 2 }, 10_000);
        const got = await outcome(session.get(`${scope.url}/bytes/10`).then(() => "served"));
        const failures = await Promise.all(expected === "served" ? held : []);
        await session.close();
        await Promise.all(held);
        if (expected === "served" && got !== expected && queue < 900) continue;
        assertEquals(got, expected);
        assertEquals(failures.filter((each) => each instanceof Error), []);
        return;
      }
    },
  };
}

/** 200 KB of announced length, within a second: more than twice as long as the queue may starve. */
const FLOWING = "/drip?n=20&gap=50&size=10000&length=200000";

export const cases: Case[] = [
  ...Object.entries(JARS).map(([what, jar]): Case => ({
    name: `a cookie jar that never comes back counts towards timeout.headers: ${what}`,
    needs: ["allHeaders"],
    async run() {
      const session = new Session({
        cookieJar: jar(),
        fetch: answer,
        timeout: { headers: 50 },
        pool: { maxConnections: 1 },
      });
      assertEquals(await outcome(session.get(NOBODY)), "headers");
      assertEquals(await outcome(session.fetch(NOBODY).catch(({ cause }) => Promise.reject(cause))), "headers");
      assertIdle(session);
      await session.close();
    },
  })),
  {
    name: "a cookie jar that hangs while it is told holds no connection",
    needs: ["allHeaders"],
    async run() {
      const { promise: told, resolve } = Promise.withResolvers<void>();
      const cookieJar: CookieJar = {
        getCookieString: () => "",
        setCookie() {
          resolve();
          return never();
        },
      };
      const session = new Session({ cookieJar, fetch: answer, timeout: { headers: 5000 } });
      const got = session.get(NOBODY).catch((error) => error);
      await told;
      for (let turn = 0; turn < 100 && session.pool.stats().active > 0; turn++) await pause(5);
      assertEquals([session.pool.stats().active, session.exchanges().length], [0, 1]);
      await session.close();
      assert(await got instanceof Error);
    },
  },
  ...[0, 1].map((sent): Case => ({
    name: `two reads at once time out each, ${sent} of them answered`,
    async run() {
      const { response, send } = scripted();
      const session = new Session({ fetch: () => Promise.resolve(response()), timeout: { idle: 60 } });
      const iterator = (await session.get(NOBODY, { prefetch: false }))[Symbol.asyncIterator]();
      const reads = [iterator.next(), iterator.next(), iterator.next()].map((read) => outcome(read));
      if (sent > 0) send(1);
      const outcomes = await Promise.all(reads);
      assertEquals(outcomes.slice(sent), ["idle", "idle", "idle"].slice(sent));
      assertIdle(session);
      await session.close();
    },
  })),
  {
    name: "a read times out, however many more reads follow it",
    async run() {
      const { response } = scripted();
      const session = new Session({ fetch: () => Promise.resolve(response()), timeout: { idle: 60 } });
      const iterator = (await session.get(NOBODY, { prefetch: false }))[Symbol.asyncIterator]();
      const reads = [outcome(iterator.next())];
      const timer = setInterval(() => reads.push(outcome(iterator.next())), 20);
      try {
        assertEquals(await reads[0], "idle");
      } finally {
        clearInterval(timer);
      }
      assertEquals(new Set(await Promise.all(reads)), new Set(["idle"]));
      assertIdle(session);
      await session.close();
    },
  },
  {
    name: "two reads at once get a chunk each, and no timeout between",
    async run() {
      const { response, send, end } = scripted();
      const session = new Session({ fetch: () => Promise.resolve(response()), timeout: { idle: 120 } });
      const iterator = (await session.get(NOBODY, { prefetch: false }))[Symbol.asyncIterator]();
      const reads = [iterator.next(), iterator.next(), iterator.next()].map((read) => outcome(read));
      for (let i = 1; i <= 2; i++) {
        await pause(80);
        send(i);
      }
      await pause(80);
      end();
      const sizes = (await Promise.all(reads)).map((read) => (read as IteratorResult<Uint8Array>).value?.byteLength);
      assertEquals(sizes, [1, 2, undefined]);
      await session.close();
    },
  },
  ...([["an async generator", (count, gap) => pieces(count, gap)], [
    "a stream",
    (count, gap) => asStream(pieces(count, gap)),
  ]] as [string, (count: number, gap: number) => AsyncIterable<Uint8Array<ArrayBuffer>>][])
    .flatMap(([what, body]) => [
      withSession(
        `timeout.headers does not run while an upload makes progress: ${what}`,
        async (session, { scope }) => {
          const response = await session.post(`${scope.url}/upload`, { body: body(20, 60) });
          assertEquals((await response.json<{ bodyLength: number }>()).bodyLength, 2000);
        },
        { timeout: { headers: 1000 }, needs: ["streamsUploads"] },
      ),
      withSession(`timeout.headers passes when an upload stalls: ${what}`, async (session, { scope }) => {
        const start = performance.now();
        assertEquals(await outcome(session.post(`${scope.url}/upload`, { body: body(2, Infinity) })), "headers");
        assert(performance.now() - start < 5000, `it took ${performance.now() - start} ms`);
      }, { timeout: { headers: 150 }, needs: ["streamsUploads"] }),
      withSession(
        `timeout.headers passes when no answer comes after an upload: ${what}`,
        async (session, { scope }) => {
          assertEquals(await outcome(session.post(`${scope.url}/hang`, { body: body(4, 30) })), "headers");
        },
        { timeout: { headers: 150 }, needs: ["streamsUploads"] },
      ),
      withSession(`timeout.total runs while an upload makes progress: ${what}`, async (session, { scope }) => {
        assertEquals(await outcome(session.post(`${scope.url}/upload`, { body: body(1000, 10) })), "total");
        await pause(20); // for the timer of the piece under way
      }, { timeout: { headers: 5000, total: 150 }, needs: ["streamsUploads"] }),
    ]),
  {
    name: "timeout.idle does not run while an upload makes progress, though the headers have come",
    needs: ["timePasses"],
    async run() {
      const fetch = (_: URL, init: RequestInit) => {
        const uploaded = new Response(init.body).arrayBuffer();
        const pull = async (controller: ReadableStreamDefaultController) => {
          controller.enqueue(new Uint8Array((await uploaded).byteLength));
          controller.close();
        };
        return Promise.resolve(new Response(new ReadableStream({ pull }, { highWaterMark: 0 })));
      };
      const session = new Session({ fetch: fetch as typeof globalThis.fetch, timeout: { idle: 250 } });
      const response = await session.post("http://x.test/", { body: pieces(12, 40) });
      assertEquals(response.content.byteLength, 1200);
      await session.close();
    },
  },
  withSession("session.fetch trips no idle timeout while nobody reads", async (session, { scope }) => {
    const response = await session.fetch(`${scope.url}/hold?key=a&sent=10`);
    await pause(200);
    await scope.release("a");
    assertEquals((await response.arrayBuffer()).byteLength, 10 + "released".length);
  }, { timeout: { idle: 80 } }),
  withSession("session.fetch times out when somebody reads, and nothing comes", async (session, { scope }) => {
    const response = await session.fetch(`${scope.url}/stall/10?of=100000`);
    await pause(150);
    const error = await assertRejects(() => within(10_000, response.arrayBuffer())) as Error;
    const timeout = error instanceof TimeoutError ? error : error.cause;
    assert(timeout instanceof TimeoutError && timeout.phase === "idle", String(error));
  }, { timeout: { idle: 80 }, needs: ["keepsStreamErrors"] }),
  ...Object.entries(BUSY).flatMap(([what, run]) =>
    // Runtimes look for timers after I/O, or before.
    Object.entries(TURNS).map(([when, turn]): Case => ({
      name: `a program that was busy while the answer came gets its answer: ${what}, busy ${when}`,
      needs: ["timePasses"],
      async run({ scope }) {
        let got: unknown;
        // On a busy machine, the server's answer may take as long as the program is busy.
        for (let ms = 160; got !== 100 && ms < 10_000; ms *= 4) {
          const limit = ms / 4;
          const session = new Session({ timeout: { queue: limit, headers: limit, idle: limit, total: ms / 3 } });
          const patience = { queue: 10_000, headers: 10_000, idle: 10_000, total: 10_000 };
          await session.get(`${scope.url}/bytes/10`, { timeout: patience }); // a connection is there
          const busy = async () => {
            await turn(scope.url);
            work(ms);
          };
          got = await outcome(run(session, scope.url, busy));
          await session.close();
        }
        assertEquals(got, 100);
      },
    }))
  ),
  withSession(
    "a program that was busy for long still meets its timeout when nothing came",
    async (session, { scope }) => {
      const got = outcome(session.get(`${scope.url}/hang`));
      await pause(1);
      work(200);
      const start = performance.now();
      assertEquals(await got, "headers");
      assert(performance.now() - start < 1500, `it took ${performance.now() - start} ms more`);
    },
    { timeout: { headers: 60 }, needs: ["timePasses"] },
  ),
  starves(
    "downloads that flow, and are prefetched",
    {},
    (session, url, i) => session.get(`${url}${FLOWING}&${i}`),
    "served",
  ),
  starves("downloads that flow, and are read", {}, async (session, url, i) => {
    for await (const _ of await session.get(`${url}${FLOWING}&${i}`, { prefetch: false }));
  }, "served"),
  starves(
    "downloads without an announced length, and are prefetched",
    {},
    (session, url, i) => session.get(`${url}/drip?n=20&gap=50&${i}`),
    "served",
  ),
  starves(
    "uploads of announced length that flow",
    {},
    (session, url, i) => {
      const headers = { "content-length": "2000" };
      return session.put(`${url}/upload?${i}`, { body: asStream(pieces(20, 50)), headers });
    },
    "served",
    ["streamsUploads"],
  ),
  starves(
    "streams that nobody reads",
    {},
    (session, url, i) => session.get(`${url}${FLOWING.replaceAll("20", "10000")}&${i}`, { prefetch: false }),
    "queue",
  ),
  starves("streams without an end", {}, async (session, url, i) => {
    for await (const _ of await session.get(`${url}/drip?n=Infinity&gap=20&${i}`, { prefetch: false }));
  }, "queue"),
  starves("requests that nobody answers", {}, (session, url, i) => session.get(`${url}/hang?${i}`), "queue"),
  starves(
    "downloads that stall",
    { idle: 5000 },
    (session, url, i) => session.get(`${url}/stall/10?of=100&${i}`),
    "queue",
  ),
  starves("requests that come and go", {}, async (session, url, i) => {
    for (let j = i; j < 18; j += 2) await session.get(`${url}/drip?n=2&gap=60&${j}`);
  }, "served"),
  {
    name: "the total timeout says how long the request had queued",
    async run({ scope }) {
      const options: SessionOptions = { pool: { maxConnections: 1 }, timeout: { queue: 5000 } };
      const session = new Session(options);
      const held = session.get(`${scope.url}/hold?key=a`);
      held.catch(() => {});
      await scope.wait({ requests: 1 }, 10_000);
      const queued = await assertRejects(() => session.get(`${scope.url}/hang`, { timeout: 60 }), TimeoutError);
      assertMatch(queued.message, /queued for \d+ ms/);
      const late = assertRejects(
        () => session.get(`${scope.url}/hang?late`, { timeout: { total: 1000 } }),
        TimeoutError,
      );
      late.catch(() => {}); // on a slow machine it may reject while the case still waits for something else
      await pause(120);
      await scope.release("a");
      await held;
      const { phase, message } = await late;
      const [, ms] = /queued for (\d+) ms/.exec(message) ?? [];
      assertEquals(phase, "total");
      assert(Number(ms) >= 100 && Number(ms) < 1000, message);
      const direct = await assertRejects(() => session.get(`${scope.url}/hang`, { timeout: 500 }), TimeoutError);
      const [, none = "0"] = /queued for (\d+) ms/.exec(direct.message) ?? [];
      assert(Number(none) < 100, direct.message);
      await session.close();
    },
  },
  {
    name: "a body that always has an empty chunk at hand holds up nothing",
    async run({ can }) {
      let chunks = 0;
      const empty = () =>
        new ReadableStream({
          // It ends after a while, so that this case fails instead of standing still.
          pull: (controller) => chunks++ < 1_000_000 ? controller.enqueue(new Uint8Array(0)) : controller.close(),
        });
      const answer = ({ pathname }: URL) => {
        const init = { status: Number(pathname.slice(1)), headers: { location: "/204" } };
        return Promise.resolve(new Response(init.status === 204 ? null : empty(), init));
      };
      const session = new Session({ baseUrl: NOBODY, fetch: answer });
      const asked: Record<string, () => Promise<unknown>> = {
        "NetworkError: prefetched": () => session.get("200"),
        "NetworkError: streamed": async () => await (await session.get("200", { prefetch: false })).bytes(),
        "TypeError: fetched": async () => await (await session.fetch(`${NOBODY}200`)).bytes(),
        "StatusError: bad": () => session.get("500", { prefetch: false, throwIfNotOk: true }),
      };
      if (can("followsRedirects")) asked["204: redirected"] = async () => await session.get("302");
      const results: unknown[] = [];
      for (const [name, ask] of Object.entries(asked)) {
        chunks = 0;
        const result = await ask().then((response) => (response as Response).status, (error) => error.name);
        results.push([`${result}: ${name.split(": ")[1]}`, chunks < 200_000]);
      }
      assertEquals(results, Object.keys(asked).map((name) => [name, true]));
      assertIdle(session);
      await session.close();
    },
  },
];
