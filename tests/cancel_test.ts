// Copyright 2026 the Hangup authors. MIT license.

/**
 * Cancellation at every point of a request's life, alone and in pairs.
 *
 * Everything that a request waits for is scripted, so an undisturbed run takes the same number of
 * turns of the microtask queue each time. It is run again with a disturbance before each of these
 * turns: whatever is awaited, it is disturbed there. Nobody has to name the awaits.
 *
 * Of the pairs, each is tried with its first part at every turn, and its second at one of the turns
 * until the first has taken its full effect; with `HANGUP_EXHAUSTIVE=1`, at all of them.
 *
 * @module
 */

import { turns as eventLoop } from "./fake_turns.ts"; // before the module that takes setImmediate
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type CookieJar,
  HangupError,
  Pool,
  Session,
  StatusError,
  type StreamedResponse,
  TimeoutError,
} from "../mod.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { CountingController, type ScriptedCall, ScriptedTransport } from "./scripted_transport.ts";

const URL_A = "https://a.test/";
const URL_B = "https://b.test/";

/** How long each phase may take, and everything together. */
const PHASE = 1000;
const TOTAL = 5000;
const GRACE = 500;

/** What an undisturbed run may take at most, in turns. */
const MAX_TURNS = 2000;

type Bytes = Uint8Array<ArrayBuffer>;

/** What is done to a request. */
type Disturbance = "abort" | "phase timeout" | "total timeout" | "session close" | "grace" | "pool close" | "close";

const DISTURBANCES: Disturbance[] = [
  "abort",
  "phase timeout",
  "total timeout",
  "session close",
  "grace",
  "pool close",
  "close",
];

/** What may come of a request that each of them ended. */
const ERRORS: Record<Disturbance, string[]> = {
  "abort": ["abort"],
  "phase timeout": ["timeout: queue", "timeout: headers", "timeout: idle"],
  "total timeout": ["timeout: total", "timeout: queue"],
  "session close": ["session closed"],
  "grace": [],
  "pool close": ["pool closed"],
  "close": ["closed"],
};

/**
 * What the pool tells a request that waits, which hears of it some turns later: another end may
 * come before.
 */
const late = ["timeout: queue", "pool closed"];

/** A request from its beginning to its end, and who answers it. */
interface Scenario {
  name: string;
  jar?: boolean;
  answer(call: ScriptedCall): Promise<void>;
  /** Returns what it has read, as text. */
  run(world: World): Promise<string>;
  expected: string;
  /** What else is an answer to one who disturbs: what has arrived by then. */
  partial?: string[];
  /** Whether "close" cancels a web stream, which another end may reach some turns later only. */
  cancels?: boolean;
}

function bytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/**
 * Moves the time at a stroke, as a busy event loop does, which then reads what has arrived before
 * anything expires.
 */
function jump(clock: FakeClock, ms: number): void {
  clock.jump(ms);
  while (eventLoop.pending > 0) eventLoop.take();
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await undefined;
}

/** A stream that gives a chunk now and then, and knows whether it has come to an end. */
class Source {
  ended = false;
  readonly stream: ReadableStream<Bytes>;

  constructor(chunks: string[]) {
    this.stream = new ReadableStream({
      pull: async (controller) => {
        await turns(2);
        const chunk = chunks.shift();
        if (this.ended) return;
        if (chunk !== undefined) return controller.enqueue(bytes(chunk));
        this.ended = true;
        controller.close();
      },
      cancel: () => void (this.ended = true),
    }, { highWaterMark: 0 });
  }
}

/** A jar that thinks a while. */
class SlowJar implements CookieJar {
  #cookies: string[] = [];

  async getCookieString(): Promise<string> {
    await turns(2);
    return this.#cookies.join("; ");
  }

  async setCookie(cookie: string): Promise<void> {
    await turns(2);
    this.#cookies.push(cookie);
  }
}

/** All that one run has. */
class World {
  readonly controller = new CountingController();
  readonly transport: ScriptedTransport;
  readonly session: Session;
  readonly sources: Source[] = [];
  readonly closings: Promise<unknown>[] = [];
  /** Closes the response, once there is one. */
  closeResponse: (() => unknown) | undefined;
  /** The turn under way, and that in which the last event of the script took place. */
  turn = 0;
  lastEvent = 0;

  constructor({ jar, answer }: Scenario, obeys: boolean) {
    this.transport = new ScriptedTransport(async (call) => {
      await answer(call);
      this.lastEvent = this.turn;
    }, obeys);
    this.session = new Session({
      pool: { maxConnections: 1, transport: this.transport },
      timeout: { queue: PHASE, headers: PHASE, idle: PHASE, total: TOTAL },
      cookieJar: jar ? new SlowJar() : undefined,
    });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A body to send. */
  upload(chunks: string[]): ReadableStream<Bytes> {
    const source = new Source(chunks);
    this.sources.push(source);
    return source.stream;
  }

  /** Makes a response what is closed by "close". */
  streaming(response: StreamedResponse): StreamedResponse {
    this.closeResponse = () => response.close();
    return response;
  }

  disturb(disturbance: Disturbance, clock: FakeClock): void {
    switch (disturbance) {
      case "abort":
        return this.controller.abort("aborted");
      case "phase timeout":
        return jump(clock, PHASE);
      case "total timeout":
        return jump(clock, TOTAL);
      case "session close":
        return void this.closings.push(this.session.close());
      case "grace":
        return void this.closings.push(this.session.close({ grace: GRACE }));
      case "pool close":
        return void this.closings.push(this.session.pool.close());
      case "close":
        this.closeResponse?.();
    }
  }
}

/** What came of a run. */
interface Run {
  outcome: string;
  /** When it settled, and when the script's last event took place. */
  turns: number;
  lastEvent: number;
}

function classify(error: unknown): string {
  if (error === "aborted") return "abort";
  if (error instanceof TimeoutError) return `timeout: ${error.phase}`;
  if (error instanceof HangupError) return error.name === "SessionClosedError" ? "session closed" : "pool closed";
  if (!(error instanceof TypeError)) return `unexpected: ${error}`;
  if (error.message === "fetch failed" && error.cause instanceof HangupError) return classify(error.cause);
  if (error.message.includes("the response is closed")) return "closed";
  return `unexpected: ${error}`;
}

/**
 * Runs a scenario, with disturbances before the turns given. Whatever happens, nothing may be left.
 */
async function run(
  scenario: Scenario,
  clock: FakeClock,
  disturbances: [Disturbance, turn: number][],
  obeys = true,
): Promise<Run> {
  const world = new World(scenario, obeys);
  const { session, transport } = world;
  // The only slot is taken at first, so that the request waits in the queue.
  const holder = await session.pool.acquire("https://holder.test");
  turns(6).then(() => holder.release());

  let outcome: string | undefined;
  let settledTwice = false;
  const settled = (what: string) => {
    settledTwice = outcome !== undefined;
    outcome = what;
    return world.turn;
  };
  const promise = scenario.run(world).then((text) => settled(`read ${text}`), (error) => settled(classify(error)));
  const due = [...disturbances];
  for (; (outcome === undefined || due.length > 0) && world.turn < MAX_TURNS; world.turn++) {
    while (due[0]?.[1] === world.turn) world.disturb(due.shift()![0], clock);
    await undefined;
  }
  assert(outcome !== undefined, "the request does not settle");
  await settle(60);
  assert(!settledTwice, "the request settled twice");

  const { active, queued } = session.pool.stats();
  assertEquals([active, queued], [0, 0], "leases");
  assertEquals(session.exchanges(), [], "exchanges()");
  assertEquals(clock.pending, 0, "timers");
  assertEquals(world.controller.listeners, 0, "listeners on the caller's signal");
  for (const call of transport.calls) assert(call.ended || call.signal.aborted, "a call is left open");
  for (const { ended } of world.sources) assert(ended, "the source of an upload is left open");

  let open = 2;
  world.closings.push(session.close(), session.pool.close());
  for (const closing of world.closings) closing.then(() => open--, () => open = NaN);
  open += world.closings.length - 2;
  await settle(60);
  assertEquals(open, 0, "closes that have not settled");
  assert(transport.closes > 0);
  const cut = await session.close();
  const isCut = outcome === "session closed" && cut.length === 1;
  // A request that is made after the close counts as never open, so `close()` does not return it.
  // If the body ends in the same turn as the close, `close()` may return the request or not.
  assert(isCut || cut.length === 0 || disturbances.length > 0 && cut.length === 1, "what was cut off");
  return { outcome, turns: await promise, lastEvent: world.lastEvent };
}

/** Answers a request with a body of some chunks. */
async function answerWith(call: ScriptedCall, chunks: string[], init: ResponseInit = {}): Promise<void> {
  await turns(3);
  call.respond(init);
  for (const chunk of chunks) {
    await turns(3);
    call.send(bytes(chunk));
  }
  await turns(3);
  call.end();
}

async function readStream(stream: ReadableStream<Bytes>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += new TextDecoder().decode(chunk);
  return text;
}

const scenarios: Scenario[] = [
  {
    name: "a small body prefetched",
    answer: (call) => answerWith(call, ["ab", "cd"], { headers: { "content-length": "4" } }),
    run: async ({ session, signal }) => await (await session.get(URL_A, { signal })).text(),
    expected: "abcd",
  },
  {
    name: "a body of unknown length prefetched",
    answer: (call) => answerWith(call, ["ab", "cd", "ef"]),
    run: async ({ session, signal }) => await (await session.get(URL_A, { signal })).text(),
    expected: "abcdef",
  },
  {
    name: "a stream read in a loop",
    answer: (call) => answerWith(call, ["ab", "cd"]),
    async run(world) {
      const response = world.streaming(await world.session.get(URL_A, { signal: world.signal, prefetch: false }));
      let text = "";
      for await (const chunk of response) {
        await turns(2);
        text += new TextDecoder().decode(chunk);
      }
      return text;
    },
    expected: "abcd",
  },
  {
    name: "a stream read as text",
    answer: (call) => answerWith(call, ["ab", "cd"]),
    async run(world) {
      return await world.streaming(await world.session.get(URL_A, { signal: world.signal, prefetch: false })).text();
    },
    expected: "abcd",
  },
  {
    name: "a stream read through its body",
    answer: (call) => answerWith(call, ["ab", "cd"]),
    async run(world) {
      const response = world.streaming(await world.session.get(URL_A, { signal: world.signal, prefetch: false }));
      return await readStream(response.body!);
    },
    expected: "abcd",
  },
  {
    name: "a stream that is not ok",
    partial: ["read ", "read ab"],
    answer: (call) => answerWith(call, ["ab", "cd"], { status: 404 }),
    async run(world) {
      const response = world.streaming(await world.session.get(URL_A, { signal: world.signal, prefetch: false }));
      const error = await response.throwIfNotOk().catch((error) => error);
      if (!(error instanceof StatusError)) throw error;
      return await error.response.text();
    },
    expected: "abcd",
  },
  {
    name: "redirects with cookies",
    jar: true,
    async answer(call) {
      const headers: [string, string][] = [["set-cookie", "a=1"], ["set-cookie", "b=2"]];
      if (call.url.href === URL_B) return await answerWith(call, ["ab"], { headers });
      await answerWith(call, ["not", "this"], { status: 302, headers: [...headers, ["location", URL_B]] });
    },
    run: async ({ session, signal }) => await (await session.get(URL_A, { signal })).text(),
    expected: "ab",
  },
  {
    name: "an upload",
    async answer(call) {
      const sent = await readStream(call.init.body as ReadableStream<Bytes>).catch(() => "");
      await answerWith(call, [sent]);
    },
    async run(world) {
      const body = world.upload(["up", "load"]);
      return await (await world.session.post(URL_A, { signal: world.signal, body })).text();
    },
    expected: "upload",
  },
  {
    name: "an upload that is answered before its end",
    async answer(call) {
      const reader = (call.init.body as ReadableStream<Bytes>).getReader();
      await reader.read().catch(() => {});
      await answerWith(call, ["early"]);
    },
    async run(world) {
      const body = world.upload(["up", "load", "and", "more"]);
      return await (await world.session.post(URL_A, { signal: world.signal, body })).text();
    },
    expected: "early",
  },
  {
    name: "a Request with a stream, redirected",
    async answer(call) {
      if (call.url.href === URL_B) return await answerWith(call, ["ab"]);
      await turns(2);
      call.respond({ status: 303, headers: { location: URL_B } }, null);
    },
    async run(world) {
      const body = world.upload(["up", "load"]);
      const request = new Request(URL_A, { method: "POST", body, duplex: "half" } as RequestInit);
      return await (await world.session.post(request, { signal: world.signal })).text();
    },
    expected: "ab",
  },
  {
    name: "session.fetch() of a small body",
    answer: (call) => answerWith(call, ["ab", "cd"], { headers: { "content-length": "4" } }),
    run: async ({ session, signal }) => await (await session.fetch(URL_A, { signal })).text(),
    expected: "abcd",
  },
  {
    name: "session.fetch() of a stream",
    cancels: true,
    answer: (call) => answerWith(call, ["ab", "cd", "ef"]),
    async run(world) {
      const response = await world.session.fetch(URL_A, { signal: world.signal });
      const reader = response.body!.getReader();
      world.closeResponse = () => {
        reader.cancel().catch(() => {}); // rejects where the stream has failed
        closed = true;
      };
      let closed = false;
      let text = "";
      for (let { value } = await reader.read(); value; { value } = await reader.read()) {
        text += new TextDecoder().decode(value);
      }
      if (closed) throw new TypeError("the response is closed");
      return text;
    },
    expected: "abcdef",
  },
];

const unhandled: unknown[] = [];

/** Lets the platform report the rejections that nobody handled. */
async function assertAllHandled(pause: () => Promise<void>): Promise<void> {
  await pause();
  assertEquals(unhandled, [], "unhandled rejections");
}

/** Calls back with the clock installed, and with the platform's unhandled rejections at hand. */
async function surrounded(work: (clock: FakeClock, handled: () => Promise<void>) => Promise<void>): Promise<void> {
  const { setTimeout } = globalThis;
  const pause = () => new Promise<void>((resolve) => void setTimeout(resolve, 0));
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  unhandled.length = 0;
  globalThis.addEventListener("unhandledrejection", listener);
  using clock = new FakeClock().install();
  try {
    await work(clock, () => assertAllHandled(pause));
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
    clock.restore();
  }
}

/** Says which run it was that failed. */
async function named<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`Disturbed by ${name}: ${(error as Error).message}`, { cause: error });
  }
}

for (const scenario of scenarios) {
  for (const obeys of [true, false]) {
    const title = `${scenario.name}${obeys ? "" : ", over a transport that ignores its signal"}`;
    Deno.test(`Session leaves nothing wherever it is disturbed: ${title}`, () =>
      surrounded(async (clock, handled) => {
        const undisturbed = await run(scenario, clock, [], obeys);
        const whole = `read ${scenario.expected}`;
        assertEquals(undisturbed.outcome, whole);
        /** What came of each disturbance alone, by its turn. */
        const alone = new Map<Disturbance, Run[]>();
        for (const disturbance of DISTURBANCES) {
          const runs: Run[] = [];
          alone.set(disturbance, runs);
          for (let turn = 0; turn <= undisturbed.turns + 1; turn++) {
            await named(`${disturbance} at turn ${turn}`, async () => {
              const result = await run(scenario, clock, [[disturbance, turn]], obeys);
              const allowed = [whole, ...ERRORS[disturbance], ...scenario.partial ?? []];
              assert(allowed.includes(result.outcome), result.outcome);
              runs.push(result);
            });
          }
          // The last byte is not there: what ends a request at any time ends it now.
          const always = disturbance !== "phase timeout" && disturbance !== "close" && disturbance !== "grace";
          const ends = runs.map(({ outcome }) => outcome !== whole);
          if (always && !scenario.partial) {
            assertEquals(ends.slice(0, undisturbed.lastEvent).indexOf(false), -1, `${disturbance} has no effect`);
            assert(!ends.slice(ends.indexOf(false)).includes(true), `${disturbance} comes too late, then in time`);
          }
          await named(disturbance, handled);
        }
        if (!obeys) return; // pairs are many
        const exhaustive = Deno.env.get("HANGUP_EXHAUSTIVE") === "1";
        for (const first of DISTURBANCES) {
          for (const second of DISTURBANCES) {
            for (const [turn, one] of alone.get(first)!.entries()) {
              // Until the first has taken its full effect.
              const last = Math.min(one.turns + 2, undisturbed.turns + 1);
              const window = Array.from({ length: Math.max(last - turn, 0) + 1 }, (_, i) => turn + i);
              const some = exhaustive ? window : [window[(turn * 7 + DISTURBANCES.indexOf(second)) % window.length]!];
              for (const later of some) {
                await named(`${first} at turn ${turn}, then ${second} at turn ${later}`, async () => {
                  // The first reason stays.
                  const allowed = new Set([one.outcome]);
                  if (second === "close" && scenario.cancels) allowed.add("closed");
                  if (one.outcome === whole || late.includes(one.outcome)) {
                    for (const error of [...ERRORS[first], ...ERRORS[second]]) allowed.add(error);
                    for (const answer of one.outcome === whole ? scenario.partial ?? [] : []) allowed.add(answer);
                    if (first === "grace" && second.endsWith("timeout")) allowed.add("session closed");
                  }
                  const { outcome } = await run(scenario, clock, [[first, turn], [second, later]]);
                  assert(allowed.has(outcome), `${outcome} instead of ${[...allowed].join(" or ")}`);
                });
              }
            }
            await named(`${first} and ${second}`, handled);
          }
        }
      }));
  }
}

Deno.test("the first reason stays, though who is told of it closes the session", async () => {
  const session = new Session({
    fetch: (_, init) =>
      new Promise((_, reject) => {
        const { signal } = init!;
        signal!.addEventListener("abort", () => {
          session.close();
          reject(signal!.reason);
        });
      }),
  });
  const controller = new AbortController();
  const reason = new RangeError("enough");
  const response = session.get("https://example.com/", { signal: controller.signal });
  controller.abort(reason);
  assertStrictEquals(await response.catch((error) => error), reason);
  await session.close();
});

Deno.test("the reason of a signal stays as it is, though it quotes the URL", async () => {
  const failed = Promise.withResolvers<void>();
  const session = new Session({
    fetch: (_, init) =>
      new Promise((_, reject) => {
        init!.signal!.addEventListener("abort", () => {
          reject(init!.signal!.reason);
          failed.resolve();
        });
      }),
  });
  const controller = new AbortController();
  const reason = new Error("not https://example.com/?page=2 any more");
  const response = session.get("https://example.com/?page=2", { signal: controller.signal });
  controller.abort(reason);
  assertStrictEquals(await response.catch((error) => error), reason);
  await failed.promise;
  await session.close();
  assertEquals(reason.message, "not https://example.com/?page=2 any more");
});

/** A transport that never answers. */
const silent = () => ({ closesSockets: false, fetch: () => new Promise<Response>(() => {}), close() {} });

Deno.test("a request that ends another while both run out of time in the queue leaves the pool whole", async () => {
  using clock = new FakeClock().install();
  const pool = new Pool({ maxConnections: 2, transport: silent() });
  const session = new Session({ pool, timeout: { queue: 50 } });
  const held = [1, 2].map((n) => session.get(`https://a.test/${n}`).catch(nameOf));
  const batch = new AbortController();
  const reason = new RangeError("one of the batch failed");
  const body = new ReadableStream({ cancel: () => batch.abort(reason) });
  const first = session.post("https://a.test/3", { body }).catch(nameOf);
  const second = session.get("https://a.test/4", { signal: batch.signal }).catch(nameOf);
  await settle(20);
  jump(clock, 60);
  // Both are out of time before the first one's body is canceled.
  assertEquals([await first, await second], ["TimeoutError", "TimeoutError"]);
  assertStrictEquals(batch.signal.reason, reason);
  assertEquals(pool.stats(), { active: 2, queued: 0, origins: pool.stats().origins });
  await session.close();
  await pool.close();
  assertEquals(await Promise.all(held), ["SessionClosedError", "SessionClosedError"]);
});

Deno.test("a body whose iterator throws when it is left does not keep the pool from closing", async () => {
  const pool = new Pool({ maxConnections: 1, transport: silent() });
  const session = new Session({ pool });
  const next = () => new Promise<never>(() => {});
  const body = {
    [Symbol.asyncIterator]: () => ({
      next,
      return() {
        throw new RangeError("cannot be left");
      },
    }),
  };
  const requests = [
    session.get("https://a.test/1"),
    session.post("https://a.test/2", { body: body as unknown as BodyInit }),
    session.get("https://a.test/3"),
  ].map((request) => request.catch(nameOf));
  await pool.close();
  assertEquals(await Promise.all(requests), ["PoolClosedError", "PoolClosedError", "PoolClosedError"]);
  await session.close();
});

function nameOf(error: Error): string {
  return error.name;
}
