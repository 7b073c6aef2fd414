// Copyright 2026 the Hangup authors. MIT license.
//
// What a user's test does while it fakes the time, whoever's fakes they are: requests, redirects,
// timeouts, closing.
import type * as Hangup from "../../mod.ts";
import type { Session, SessionOptions } from "../../mod.ts";

/** Fakes that are in place. */
export interface FakeTime {
  /** Lets the faked time pass. */
  tickAsync(ms: number): Promise<unknown>;
  uninstall(): void;
  /** How many faked timers wait. Without it, the timers made are watched. */
  count?(): number;
  /** Whether `uninstall()` forgets the timers that wait, so that nobody needs to remove them. */
  forgets?: boolean;
}

/** How and when the time is faked. */
export interface Faking {
  /** The globals to fake; `undefined` for whatever the fakes take by default. */
  toFake?: string[];
  /**
   * Before or after the session is made. While the module is `"loaded"`, the fakes stay, and nobody
   * ticks.
   */
  when: "before" | "after" | "loaded";
  install(toFake?: string[]): FakeTime;
}

/** What comes of everything if nothing is faked, or nobody ticks. */
const EXPECTED = {
  "get()": 10,
  "a redirect": 10,
  "a redirect whose body does not end": 10,
  "an error page that does not end": "StatusError",
  "three requests over one connection": [1, 2, 3],
  "aborted requests over one connection": 10,
  "session.fetch()": 10,
  "session.fetch() of a Request with a slow stream": "slow",
  "close()": [1, "SessionClosedError"],
  "a grace that nobody ticks": [1, "SessionClosedError"],
};

/** What comes of requests whose timer was faked, in real time. */
const RESTORED = {
  "a headers timeout after the fakes": "timeout: headers",
  "an idle timeout after the fakes": "timeout: idle",
  "close() after the fakes": [1, "SessionClosedError"],
};

/** What comes of what waits for the faked time to pass. */
const TICKED = {
  "a grace": [1, "SessionClosedError"],
  "a headers timeout": ["nothing", "timeout: headers"],
  "an idle timeout": ["nothing", "timeout: idle"],
  "a total timeout": ["nothing", "timeout: total"],
  "a queue timeout": ["nothing", "timeout: queue"],
};

const fakesTimers = ({ toFake, when }: Faking) => when !== "loaded" && (toFake?.includes("setTimeout") ?? true);

/** What {@linkcode underFakes} resolves with if every promise is kept. */
export function expectedUnder(faking: Omit<Faking, "install">): Record<string, unknown> {
  const restored = faking.when === "loaded" ? {} : RESTORED;
  return { ...EXPECTED, ...restored, ...(fakesTimers(faking as Faking) && TICKED) };
}

const { Bun, process } = globalThis as {
  Bun?: unknown;
  process?: { getBuiltinModule?(name: string): typeof globalThis | undefined };
};

/** Not imported, because the cases are bundled for browsers, too. */
const { setTimeout: setReal, clearTimeout: clearReal } = process?.getBuiltinModule?.("node:timers") ?? globalThis;

/** Waits in real time. Bun fakes all timers, those of `node:timers` and `Bun.sleep()` too. */
async function pause(ms: number): Promise<void> {
  if (Bun) await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms).value;
  else await new Promise((resolve) => setReal(resolve, ms));
}

type Work = (session: Session, time: FakeTime) => Promise<unknown>;

interface Ask {
  options?: SessionOptions;
  work: Work;
  /** Whether the faked time has to pass, so that timers must be faked. */
  ticks?: boolean;
  /** Whether the fakes are taken away meanwhile. */
  restores?: boolean;
}

/** Sends requests to the counting server under fakes. Resolves with what came of each. */
export async function underFakes(hangup: typeof Hangup, url: string, faking: Faking): Promise<Record<string, unknown>> {
  const { get, Session, TimeoutError } = hangup;
  const { toFake, when, install } = faking;
  /** The timers of the process, or those that a test runner has in their place. */
  const { setTimeout, clearTimeout } = globalThis;

  /** What a promise comes to, or that nothing came of it in real time. */
  async function outcome(work: Promise<unknown>, ms = 5000): Promise<unknown> {
    let timer: ReturnType<typeof setReal> | undefined;
    const hung = Bun
      ? pause(ms).then(() => "nothing")
      : new Promise<string>((resolve) => timer = setReal(() => resolve("nothing"), ms));
    const described = work.catch((error) => error instanceof TimeoutError ? `timeout: ${error.phase}` : error.name);
    const result = await Promise.race([described, hung]);
    clearReal(timer);
    return result;
  }

  /**
   * Timers that were made by something else than the runtime: undici has one of its own, also under
   * bare `fetch`.
   */
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

  function fake(): FakeTime {
    const time = install(toFake);
    if (fakesTimers(faking) && time.count === undefined) watchTimers();
    return time;
  }

  function restore(time: FakeTime): void {
    if (time.count === undefined) Object.assign(globalThis, { setTimeout, clearTimeout });
    time.uninstall();
  }

  /** Waits in real time until a request is in the state in which this timeout runs. */
  async function untilIn(session: Session, phase: "headers" | "idle" | "total" | "queue"): Promise<void> {
    const state = phase === "queue" ? "queued" : phase === "idle" ? "prefetch" : "headers";
    while (!session.exchanges().some((exchange) => exchange.state === state)) await pause(5);
  }

  /** A request that comes to nothing before its time has passed, and to a timeout then. */
  function expires(path: string, phase: "headers" | "idle" | "total" | "queue", options: SessionOptions = {}): Ask {
    const work: Work = async (session, time) => {
      if (phase === "queue") {
        session.get(`${url}/hang`, { timeout: { headers: Infinity } }).catch(() => {});
        await untilIn(session, "headers"); // its grant is progress, too
      }
      const request = session.get(url + path, { timeout: { [phase]: 5000 } });
      request.catch(() => {});
      await untilIn(session, phase);
      const early = await outcome(request, 10);
      await time.tickAsync(5500); // what is not faked moves a little as well
      return [early, await outcome(request)];
    };
    return { options, work, ticks: true };
  }

  /** A request whose timeout passes in real time once nothing is faked any more. */
  function restored(path: string, phase: "headers" | "idle"): Ask {
    const work: Work = async (session, time) => {
      const request = session.get(url + path, { timeout: { [phase]: 300 } });
      request.catch(() => {});
      await untilIn(session, phase);
      restore(time);
      return await outcome(request);
    };
    return { work, restores: true };
  }

  /** A request that never comes to an end, and what `close()` returns. */
  function closes(close: (session: Session, time: FakeTime) => Promise<unknown[]>, ask: Partial<Ask> = {}): Ask {
    const work: Work = async (session, time) => {
      const request = outcome(session.get(`${url}/hang`));
      await pause(20);
      const closed = await outcome(close(session, time).then((aborted) => aborted.length));
      return [closed, await request];
    };
    return { work, ...ask };
  }

  const asks: Record<string, Ask> = {
    "get()": { work: async () => (await get(`${url}/bytes/10`)).content.byteLength },
    "a redirect": {
      work: async (session) => (await session.get(`${url}/redirect/302?to=/bytes/10`)).content.byteLength,
    },
    "a redirect whose body does not end": {
      work: async (session) =>
        (await session.get(`${url}/redirect/302?to=/bytes/10&stall=1&body=10`)).content.byteLength,
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
    "close()": closes((session) => session.close()),
    "a grace that nobody ticks": closes((session) => session.close({ grace: 100 })),
    "a headers timeout after the fakes": restored("/hang", "headers"),
    "an idle timeout after the fakes": restored("/stall/10", "idle"),
    "close() after the fakes": closes((session, time) => {
      restore(time);
      return session.close();
    }, { restores: true }),
    "a grace": closes(async (session, time) => {
      const closing = session.close({ grace: 10_000 });
      await time.tickAsync(10_001);
      return await closing;
    }, { ticks: true }),
    "a headers timeout": expires("/hang", "headers"),
    "an idle timeout": expires("/stall/10", "idle"),
    "a total timeout": expires("/hang", "total"),
    "a queue timeout": expires("/bytes/10", "queue", { pool: { maxConnections: 1 } }),
  };

  const results: Record<string, unknown> = {};
  for (const [ask, { options, work, ticks = false, restores = false }] of Object.entries(asks)) {
    // Without faked timers nothing that a test does makes them fire.
    if (ticks && !fakesTimers(faking) || when === "loaded" && restores) continue;
    let time = when === "after" ? undefined : fake();
    const session = new Session(options);
    if (time === undefined) {
      await session.get(`${url}/bytes/10`); // with timers of its own
      time = fake();
    }
    let result = await outcome(work(session, time), 20_000);
    if (await outcome(session.close()) === "nothing") result = [result, "close() did not end"];
    const left = restores && time.forgets ? 0 : time.count?.() ?? made.size;
    if (!restores) restore(time);
    results[ask] = left === 0 ? result : [result, `${left} timers are left`];
    made.clear();
  }
  return results;
}
