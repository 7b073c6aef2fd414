// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 7, "your process is yours": wherever the module calls what a user gave, it survives a
// throw, a rejection, a hang, a re-entry and nonsense in return. The exchange ends, the session can
// be used, and nothing escapes.
import { assert, assertEquals } from "@std/assert";
import { Session, type SessionOptions, type SessionRequestInit, type Transport } from "../../mod.ts";
import type { Capability, Case } from "../harness/case.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { pause, within } from "../harness/with_session.ts";

const BAD = "http://x.test/bad";
const GOOD = "http://x.test/good";

/** What is open while a callback runs. */
interface Bench {
  readonly session: Session;
  readonly controller: AbortController;
}

/** How a callback behaves. `proper` is what it would do if it were well-behaved. */
type Behavior = (bench: Bench, proper: () => unknown) => unknown;

const failure = () => new Error("The callback failed");

/** The ways to misbehave, each with its variants. */
const BEHAVIORS: Record<string, Record<string, Behavior>> = {
  "throws": {
    "an error": () => {
      throw failure();
    },
    "undefined": () => {
      throw undefined;
    },
  },
  "rejects": {
    "with an error": () => Promise.reject(failure()),
    "with undefined": () => Promise.reject(undefined),
    "later": () => pause(5).then(() => Promise.reject(failure())),
  },
  "hangs": { "for ever": () => new Promise(() => {}) },
  "re-enters": {
    "Session.get()": ({ session }, proper) => {
      session.get(GOOD).catch(() => {});
      return proper();
    },
    "Session.close()": ({ session }, proper) => {
      session.close().catch(() => {});
      return proper();
    },
    "Pool.close()": ({ session }, proper) => {
      session.pool.close().catch(() => {});
      return proper();
    },
    "abort()": ({ controller }, proper) => {
      controller.abort();
      return proper();
    },
  },
  "gives nonsense": Object.fromEntries([
    ...[undefined, null, 1, "x", {}, [], Symbol("x"), new Error("x")].flatMap((value): [string, Behavior][] => [
      [`${typeof value} ${String(value)}`, () => value],
      [`a promise of ${typeof value} ${String(value)}`, () => Promise.resolve(value)],
    ]),
    ["a thenable that throws", () => ({
      then() {
        throw failure();
      },
    })],
    ["a thenable that cannot be looked at", () => ({
      get then() {
        throw failure();
      },
    })],
    ["a thenable that never calls", () => ({ then() {} })],
  ]),
};

type Call = (proper: () => unknown) => unknown;

/** A place where the module calls what a user gave. */
interface Place {
  needs?: Capability[];
  /** The session's options, by which `call` is called for the request of {@linkcode BAD} alone. */
  options?(call: Call): SessionOptions;
  /** What the request is made with. */
  init?(call: Call): SessionRequestInit;
  /** What is done, if that is not the request. */
  work?(session: Session, call: Call, controller: AbortController): Promise<unknown>;
  /** Whether no promise is expected of it, so that one that rejects is the user's own to handle. */
  sync?: boolean;
  /** Whether what it returns is awaited by the session's close, which then may wait for ever. */
  holdsClose?: boolean;
}

const isBad = (url: unknown) => String(url) === BAD;
const ok = () => new Response("ok");

/** A `fetch` that calls for the bad request, and answers the others. */
const fetchOf = (bad: (init: RequestInit) => unknown) => (url: unknown, init?: RequestInit) =>
  (isBad(url) ? bad(init!) : Promise.resolve(ok())) as Promise<Response>;

function transportOf(call: Partial<Record<keyof Transport, unknown>>): SessionOptions {
  const transport = { closesSockets: false, fetch: fetchOf(() => Promise.resolve(ok())), close() {}, ...call };
  return { pool: { transport: transport as Transport } };
}

/** A `fetch` that reads what is uploaded, and one that does not and never answers. */
const reading = () => ({ fetch: fetchOf(async ({ body }) => new Response(await new Response(body).arrayBuffer())) });
const hanging = () => ({
  fetch: fetchOf(async ({ body, signal }) => {
    const reader = (body as ReadableStream).getReader();
    await reader.read();
    return await new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
  }),
});

const CHUNK = () => Promise.resolve({ done: false, value: new Uint8Array(1) });
const DONE = () => Promise.resolve({ done: true, value: undefined });

const readOnce = () => {
  let reads = 0;
  return () => reads++ === 0 ? CHUNK() : DONE();
};

/** An upload of which one method misbehaves. */
function upload(methods: (call: Call) => Partial<Record<"start" | "next" | "return", () => unknown>>) {
  return (call: Call): SessionRequestInit => {
    const { start = () => {}, next = readOnce(), return: end = DONE } = methods(call);
    const iterator = { next, return: end };
    return { method: "PUT", body: { [Symbol.asyncIterator]: () => start() ?? iterator } as never };
  };
}

/** A response as a polyfill may give it, of which one method of the body misbehaves. */
function responding(methods: (call: Call) => Record<string, () => unknown>, headers: HeadersInit = {}) {
  return (call: Call): SessionOptions => ({
    fetch: fetchOf(() => {
      const { getReader, cancelBody, ...rest } = methods(call);
      const reader = {
        read: CHUNK,
        cancel: () => Promise.resolve(),
        releaseLock() {},
        closed: Promise.resolve(),
        ...rest,
      };
      const response = new Response(null, { headers });
      const body = {
        locked: false,
        getReader: getReader ?? (() => reader),
        cancel: cancelBody ?? (() => Promise.resolve()),
      };
      Object.defineProperty(response, "body", { value: body });
      return Promise.resolve(response);
    }),
  });
}

/** A signal as a polyfill may give it. */
function signal(methods: (call: Call, fire: () => void) => object): (call: Call) => SessionRequestInit {
  return (call) => {
    let listener: (() => void) | { handleEvent(): void } | undefined;
    const fire = () => typeof listener === "function" ? listener() : listener?.handleEvent();
    const signal = {
      aborted: false,
      reason: undefined,
      addEventListener: (_: string, given: typeof listener) => void (listener = given),
      removeEventListener() {},
      throwIfAborted() {},
    };
    Object.defineProperties(signal, Object.getOwnPropertyDescriptors(methods(call, fire)));
    return { signal: signal as unknown as AbortSignal };
  };
}

const stream = async (session: Session, _: Call, { signal }: AbortController) => {
  const response = await session.get(BAD, { prefetch: false, signal });
  for await (const _ of response) break;
};

const PLACES: Record<string, Place> = {
  "Transport.fetch()": { options: (call) => transportOf({ fetch: fetchOf(() => call(() => Promise.resolve(ok()))) }) },
  "Transport.close()": {
    options: (call) => transportOf({ close: () => call(() => {}) }),
    work: async (session) => void await session.close(),
    holdsClose: true,
  },
  "the fetch option": { options: (call) => ({ fetch: fetchOf(() => call(() => Promise.resolve(ok()))) }) },
  "CookieJar.getCookieString()": {
    options: (call) => ({
      fetch: fetchOf(() => Promise.resolve(ok())),
      cookieJar: {
        getCookieString: (url) => (isBad(url) ? call(() => "a=1") : "") as string,
        setCookie() {},
      },
    }),
  },
  "CookieJar.setCookie()": {
    needs: ["allHeaders"],
    options: (call) => ({
      fetch: fetchOf(() =>
        Promise.resolve(new Response("ok", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=1"]] }))
      ),
      cookieJar: { getCookieString: () => "", setCookie: () => call(() => {}) },
    }),
  },
  "an upload's [Symbol.asyncIterator]()": {
    sync: true,
    options: reading,
    init: upload((call) => ({ start: () => call(() => undefined) })),
  },
  "an upload's next()": { options: reading, init: upload((call) => ({ next: () => call(DONE) })) },
  "an upload's return()": { options: hanging, init: upload((call) => ({ return: () => call(DONE) })) },
  "an upload's pull()": {
    options: reading,
    init: (call) => ({
      method: "PUT",
      body: new ReadableStream({
        pull(controller) {
          const result = call(() => controller.close());
          // Nonsense and hanging are no end of a stream.
          return result as Promise<void>;
        },
      }, { highWaterMark: 0 }),
    }),
  },
  "an upload's cancel()": {
    options: hanging,
    init: (call) => ({
      method: "PUT",
      body: new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1)),
        cancel: () => call(() => {}) as Promise<void>,
      }, { highWaterMark: 0 }),
    }),
  },
  "getReader() of a body": {
    sync: true,
    options: responding((call) => ({ getReader: () => call(() => ({ read: DONE, cancel: DONE })) })),
  },
  "read() of a body": { options: responding((call) => ({ read: () => call(DONE) })) },
  "read() of a body of announced length": {
    options: responding((call) => {
      const read = readOnce();
      return { read: () => call(read) };
    }, { "content-length": "1" }),
  },
  "cancel() of a reader": {
    options: responding((call) => ({ cancel: () => call(() => Promise.resolve()) })),
    work: stream,
  },
  "cancel() of a reader that hangs": {
    options: responding((call) => ({ read: () => new Promise(() => {}), cancel: () => call(() => Promise.resolve()) })),
  },
  "cancel() of a body that nobody read": {
    options: responding((call) => ({ cancelBody: () => call(() => Promise.resolve()) })),
    work: async (session, _, { signal }) => await (await session.get(BAD, { prefetch: false, signal })).close(),
  },
  "addEventListener() of a signal": {
    sync: true,
    init: signal((call) => ({ addEventListener: () => call(() => {}) })),
  },
  "removeEventListener() of a signal": {
    sync: true,
    init: signal((call) => ({ removeEventListener: () => call(() => {}) })),
  },
  "reason of a signal": {
    sync: true,
    options: () => ({ fetch: fetchOf(() => new Promise(() => {})) }),
    init: signal((call, fire) => {
      setTimeout(() => {
        try {
          fire();
        } catch {
          // As an event target reports it, and goes on.
        }
      }, 10);
      return {
        get reason() {
          return call(failure);
        },
      };
    }),
  },
  "an abort listener of a transport": {
    options: (call) => ({
      fetch: fetchOf(({ signal }) => {
        signal!.addEventListener("abort", () => {
          try {
            // What a listener throws is reported by the platform, whoever aborts.
            void Promise.resolve(call(() => {})).catch(() => {});
          } catch {
            // As above.
          }
        });
        return new Promise(() => {});
      }),
    }),
  },
  "toJSON() of json": { sync: true, init: (call) => ({ method: "PUT", json: { toJSON: () => call(() => 1) } }) },
  "onClose() of a lease": {
    async work(session, call) {
      const lease = await session.pool.acquire(new URL(BAD).origin, { onClose: () => call(() => {}) as void });
      const closing = session.pool.close();
      closing.catch(() => {});
      lease.release();
      await closing;
    },
  },
};

async function attempt(place: Place, behavior: Behavior): Promise<void> {
  const controller = new AbortController();
  const bench = { controller } as { session: Session; controller: AbortController };
  let calls = 0;
  const call: Call = (proper) => {
    if (++calls > 100) return proper(); // so that what loops without a turn of the event loop ends, and is noticed
    const result = behavior(bench, proper);
    if (place.sync && result instanceof Promise) result.catch(() => {});
    return result;
  };
  const options: SessionOptions = place.options?.(call) ?? { fetch: fetchOf(() => Promise.resolve(ok())) };
  const pool = { maxConnections: 1, ...options.pool as object };
  const timeout = { queue: 500, headers: 60, idle: 60, total: 400 };
  const session = bench.session = new Session({ ...options, pool, timeout });
  const { work = () => session.request(BAD, { signal: controller.signal, ...place.init?.(call) }) } = place;
  const working = work(session, call, controller).catch(() => {});
  await within(place.holdsClose ? 1500 : 10_000, working).catch((error) => {
    if (!place.holdsClose) throw error;
  });

  // What is given back takes a turn or two.
  const open = () => [session.exchanges().length, session.pool.stats().active, session.pool.stats().queued];
  for (let turn = 0; turn < 40 && open().some((count) => count > 0); turn++) await pause(5);
  assertEquals(open(), [0, 0, 0], "exchanges, leases held and waiting");
  if (!session.closed && !session.pool.closed) assertEquals((await within(10_000, session.get(GOOD))).status, 200);
  assert(calls <= 100, "it was called again and again");
  const closing = session.close().catch(() => {});
  if (!place.holdsClose) await within(10_000, closing);
}

function misbehaves(what: string, how: string): Case {
  return {
    name: `a session survives ${what} that ${how}`,
    needs: PLACES[what]!.needs,
    async run() {
      const failures: string[] = [];
      // All at once, because most of the time is spent waiting for timeouts.
      await catchingAll(() =>
        Promise.all(
          Object.entries(BEHAVIORS[how]!).map(([variant, behavior]) =>
            attempt(PLACES[what]!, behavior).catch((error: Error) => {
              failures.push(`${variant}: ${error}${error.cause ? ` < ${error.cause}` : ""}`);
            })
          ),
        )
      );
      assertEquals(failures, []);
    },
  };
}

export const cases: Case[] = Object.keys(PLACES).flatMap((what) =>
  Object.keys(BEHAVIORS).map((how) => misbehaves(what, how))
);
