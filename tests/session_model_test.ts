// Copyright 2026 the Hangup authors. MIT license.

/**
 * The session against a naive model, over a scripted transport and a fake clock: random operations,
 * everything compared after every step.
 *
 * `HANGUP_RUNS` sets the number of runs. A failure prints its seed and path: set `HANGUP_SEED` and
 * `HANGUP_PATH` to them to replay it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { type ExchangeInfo, HangupError, Session, StreamedResponse, TimeoutError } from "../mod.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { checkModel } from "./model.ts";
import { CountingController, type ScriptedCall, ScriptedTransport } from "./scripted_transport.ts";

const ORIGINS = ["https://a.test", "https://b.test"];
const SIGNALS = 2;
const MAX_REDIRECTS = 2;
const MAX_BODY_BYTES = 6;
/** How long the body of a redirect is read on. */
const DISCARD_TIME = 250;
/** The steps in which time goes by. All times are multiples of it. */
const STEP = 10;

const TIMEOUTS = [
  { queue: Infinity, headers: Infinity, idle: Infinity, total: Infinity },
  { queue: 200, headers: 130, idle: 110, total: Infinity },
  { queue: 90, headers: 310, idle: 170, total: 400 },
  { queue: Infinity, headers: 280, idle: 60, total: 210 },
];

type Operation =
  | { type: "request"; origin: number; prefetch: boolean; signal: number; timeouts: number }
  | { type: "respond"; which: number; how: "length" | "chunked" | "none"; redirect: number }
  | { type: "chunk"; which: number }
  | { type: "end"; which: number }
  | { type: "fail"; which: number }
  | { type: "read"; which: number }
  | { type: "leave"; which: number }
  | { type: "abort"; signal: number }
  | { type: "tick"; steps: number }
  | { type: "close"; grace: number }
  | { type: "pool close" };

interface Run {
  maxConnections: number;
  maxConnectionsPerOrigin: number;
  operations: Operation[];
}

/** What comes to a reader, in its order. */
type BodyEvent = "chunk" | "end" | "failure";

/** A request, as the model sees it. */
interface Item {
  readonly id: number;
  readonly prefetch: boolean;
  readonly signal: number;
  readonly timeouts: typeof TIMEOUTS[number];
  readonly started: number;
  origin: number;
  redirects: number;
  state: "queued" | "headers" | "discard" | "prefetch" | "streaming" | "done";
  /** Since when it is in its state, by the clock, and since which step it waits. */
  since: number;
  step: number;
  /** When it last began to wait for bytes; `undefined` where it does not. */
  waiting: number | undefined;
  length: number | undefined;
  received: number;
  /** Of a stream: what has come and was not read. */
  buffer: BodyEvent[];
  /** What the session's promise must come to, and has come to. */
  expected: string | undefined;
  actual: string | undefined;
  /** Of a stream: what a read must come to from now on, what the last one must, and has come to. */
  cut: string | undefined;
  expectedRead: string | undefined;
  actualRead: string | undefined;
  reading: boolean;
  calls: ScriptedCall[];
  response: StreamedResponse | undefined;
  iterator: AsyncIterator<unknown> | undefined;
}

function classify(error: unknown): string {
  if (error instanceof TimeoutError) return `timeout: ${error.phase}`;
  if (error instanceof HangupError) return error.name;
  if (error instanceof TypeError && error.message.includes("the response is closed")) return "closed";
  return String(error);
}

/** The session and its model side by side. */
class Bench {
  readonly clock: FakeClock;
  readonly run: Run;
  readonly transport = new ScriptedTransport();
  readonly session: Session;
  readonly controllers: CountingController[] = Array.from({ length: SIGNALS }, () => new CountingController());
  /** Those that are open, the oldest first. */
  open: Item[] = [];
  readonly items: Item[] = [];
  /** Those with something to compare. */
  dirty = new Set<Item>();
  step = 0;
  calls = 0;
  /** When the pool last granted a slot, or bytes of a body that has an end arrived. */
  lastProgress = 0;
  ticking = false;
  closed = false;
  poolClosed = false;
  graceEnd = Infinity;
  cut = 0;
  closing: Promise<ExchangeInfo[]> | undefined;
  cutOff: ExchangeInfo[] | undefined;

  constructor(run: Run, clock: FakeClock) {
    this.run = run;
    this.clock = clock;
    const { maxConnections, maxConnectionsPerOrigin } = run;
    this.session = new Session({
      maxRedirects: MAX_REDIRECTS,
      maxBodyBytes: MAX_BODY_BYTES,
      pool: { maxConnections, maxConnectionsPerOrigin, transport: this.transport },
    });
  }

  get now(): number {
    return this.clock.now;
  }

  pick(which: number, filter: (item: Item) => boolean): Item | undefined {
    const items = this.open.filter(filter);
    return items[which % items.length];
  }

  async perform(operation: Operation): Promise<void> {
    this.step++;
    switch (operation.type) {
      case "request":
        this.request(operation);
        break;
      case "respond": {
        const item = this.pick(operation.which, ({ state }) => state === "headers");
        if (item) this.respond(item, operation);
        break;
      }
      case "chunk":
      case "end": {
        const item = this.pick(operation.which, (item) => item.calls.at(-1)?.ended === false && hasBody(item));
        if (item) this.feed(item, operation.type);
        break;
      }
      case "fail": {
        const item = this.pick(operation.which, (item) => item.state === "headers" || hasBody(item));
        if (item?.state === "headers") {
          item.calls.at(-1)!.fail(new Error("reset"));
          this.finish(item, "NetworkError");
        } else if (item) this.feed(item, "failure");
        break;
      }
      case "read": {
        const streams = this.items.filter(({ response, reading }) => response && !reading);
        const item = streams[operation.which % streams.length];
        if (item) this.read(item);
        break;
      }
      case "leave": {
        const item = this.pick(operation.which, ({ state, response }) => state === "streaming" && !!response);
        if (!item) break;
        void item.response!.close();
        this.finish(item, "closed");
        break;
      }
      case "abort": {
        const controller = this.controllers[operation.signal]!;
        if (controller.signal.aborted) this.controllers[operation.signal] = new CountingController();
        else {
          controller.abort(`signal ${operation.signal}`);
          this.finishAll(({ signal }) => signal === operation.signal, `signal ${operation.signal}`);
        }
        break;
      }
      case "tick":
        for (let step = 0; step < operation.steps; step++) await this.tick();
        break;
      case "close":
        this.close(operation.grace);
        break;
      case "pool close":
        this.session.pool.close();
        this.poolClosed = true;
        this.finishAll(() => true, "PoolClosedError");
    }
    await settle(60);
    this.sync();
    this.check();
  }

  request({ origin, prefetch, signal, timeouts }: Extract<Operation, { type: "request" }>): void {
    const item: Item = {
      id: this.items.length,
      prefetch,
      signal,
      timeouts: TIMEOUTS[timeouts]!,
      started: this.now,
      origin,
      redirects: 0,
      state: "queued",
      since: this.now,
      step: this.step,
      waiting: undefined,
      length: undefined,
      received: 0,
      buffer: [],
      expected: undefined,
      actual: undefined,
      cut: undefined,
      expectedRead: undefined,
      actualRead: undefined,
      reading: false,
      calls: [],
      response: undefined,
      iterator: undefined,
    };
    this.items.push(item);
    this.open.push(item);
    const abortSignal = this.controllers[signal]?.signal;
    const promise = this.session.get(`${ORIGINS[origin]}/${item.id}`, {
      prefetch,
      signal: abortSignal,
      timeout: item.timeouts,
    });
    promise.then((response) => {
      this.settled(item, "response");
      if (!(response instanceof StreamedResponse)) return assertEquals(response.content.byteLength, item.received);
      item.response = response;
      item.iterator = response[Symbol.asyncIterator]();
    }, (error) => this.settled(item, classify(error)));
    if (abortSignal?.aborted) this.finish(item, `signal ${signal}`);
    else if (this.closed) this.finish(item, "SessionClosedError");
    else if (this.poolClosed) this.finish(item, "PoolClosedError");
  }

  settled(item: Item, outcome: string): void {
    assertEquals(item.actual, undefined);
    item.actual = outcome;
    this.dirty.add(item);
  }

  respond(item: Item, { how: asked, redirect }: Extract<Operation, { type: "respond" }>): void {
    const call = item.calls.at(-1)!;
    // A stream without a body is no stream.
    const how = asked === "none" && !item.prefetch && redirect < 0 ? "chunked" : asked;
    const headers: Record<string, string> = {};
    const length = how === "length" ? 1 + (item.id + redirect + 3) % (MAX_BODY_BYTES + 1) : undefined;
    if (length !== undefined) headers["content-length"] = String(length);
    const to = ORIGINS[redirect];
    if (to !== undefined) headers["location"] = `${to}/${item.id}`;
    call.respond({ status: to === undefined ? 200 : 302, headers }, how === "none" ? null : undefined);
    item.length = length;
    item.received = 0;
    item.buffer = [];
    item.since = item.waiting = this.now;
    if (to !== undefined) {
      if (item.redirects >= MAX_REDIRECTS) return this.finish(item, "TooManyRedirectsError");
      item.redirects++;
      item.origin = redirect;
      if (how === "none") this.requeue(item);
      else item.state = "discard";
    } else if (item.prefetch) {
      item.state = "prefetch";
      if (how === "none") this.finish(item, "response");
      else if (length! > MAX_BODY_BYTES) this.finish(item, "BodyTooLargeError");
    } else {
      item.state = "streaming";
      item.waiting = undefined;
      item.expected = "response";
      this.dirty.add(item);
    }
  }

  requeue(item: Item): void {
    item.state = "queued";
    item.since = this.now;
    item.step = this.step;
    item.waiting = undefined;
  }

  /** Something arrives of a body. */
  feed(item: Item, event: BodyEvent): void {
    const call = item.calls.at(-1)!;
    if (event === "chunk") call.send(new Uint8Array(1));
    else if (event === "end") call.end();
    else call.fail(new Error("reset"));
    item.buffer.push(event);
    // What was announced is there.
    const arrived = item.received + item.buffer.filter((each) => each === "chunk").length;
    if (event === "chunk" && arrived === item.length) {
      call.end();
      item.buffer.push("end");
    }
    if (item.state !== "streaming" || item.reading) this.consume(item);
  }

  /** Somebody waits for what arrives. */
  consume(item: Item): void {
    while (item.buffer.length > 0 && item.state !== "done") {
      const event = item.buffer.shift()!;
      if (event === "chunk") item.received++;
      // A prefetched body has an end, and so has one whose length is announced.
      if (item.state === "prefetch" || item.state === "streaming" && item.length !== undefined) {
        this.lastProgress = this.now;
      }
      if (item.state === "discard") {
        if (event !== "chunk") return this.requeue(item);
        item.waiting = this.now;
      } else if (item.state === "prefetch") {
        item.waiting = this.now;
        if (event === "chunk" && item.received <= MAX_BODY_BYTES) continue;
        const whole = event === "end" && (item.length ?? item.received) === item.received;
        this.finish(item, event === "chunk" ? "BodyTooLargeError" : whole ? "response" : "NetworkError");
      } else {
        item.reading = false;
        item.waiting = undefined;
        item.expectedRead = "chunk";
        this.dirty.add(item);
        if (event === "chunk") return;
        const whole = event === "end" && (item.length ?? item.received) === item.received;
        this.finish(item, whole ? "end" : "NetworkError");
        item.expectedRead = item.cut;
      }
    }
  }

  read(item: Item): void {
    item.actualRead = item.expectedRead = undefined;
    item.reading = true;
    item.iterator!.next().then(
      ({ done }) => item.actualRead = done ? "end" : "chunk",
      (error) => item.actualRead = classify(error),
    );
    this.dirty.add(item);
    if (item.state === "done") {
      item.reading = false;
      item.expectedRead = item.cut;
    } else {
      item.waiting = this.now;
      this.consume(item);
    }
  }

  /** The exchange is over. */
  finish(item: Item, outcome: string): void {
    if (item.state === "done") return;
    item.state = "done";
    item.since = this.now;
    item.waiting = undefined;
    item.expected ??= outcome;
    item.cut = outcome;
    if (item.reading) item.expectedRead = outcome;
    item.reading = false;
    this.open = this.open.filter((each) => each !== item);
    this.dirty.add(item);
  }

  finishAll(filter: (item: Item) => boolean, outcome: string): void {
    for (const item of this.open.filter(filter)) this.finish(item, outcome);
  }

  close(grace: number): void {
    const closing = this.session.close({ grace });
    this.closing ??= closing;
    closing.then((cut) => this.cutOff = cut);
    this.closed = true;
    this.graceEnd = Math.min(this.graceEnd, this.now + grace);
    if (grace === 0) this.cutAll();
  }

  cutAll(): void {
    this.graceEnd = Infinity;
    this.cut += this.open.length;
    this.finishAll(() => true, "SessionClosedError");
  }

  /** Time goes by. */
  async tick(): Promise<void> {
    this.step++;
    await this.clock.tick(STEP);
    await settle(60);
    const { now } = this;
    // What timed out now made room for others.
    if (this.calls < this.transport.calls.length) this.lastProgress = now;
    for (const item of this.open) {
      const { state, timeouts, since, waiting = Infinity } = item;
      const must: string[] = [], may: string[] = [];
      if (item.started + timeouts.total <= now) must.push("timeout: total");
      if (state === "headers" && since + timeouts.headers <= now) must.push("timeout: headers");
      if (waiting + timeouts.idle <= now) must.push("timeout: idle");
      // A small body may be waited for as a whole.
      if (state === "prefetch" && item.length !== undefined && since + timeouts.idle <= now) may.push("timeout: idle");
      if (state === "queued" && since + timeouts.queue <= now) {
        // The pool's own model knows whose progress counts; here it is that of any request.
        (Math.max(since, this.lastProgress) + timeouts.queue <= now ? must : may).push("timeout: queue");
      }
      if (now >= this.graceEnd) may.push("SessionClosedError");
      const discarded = state === "discard" && since + DISCARD_TIME <= now;
      if (must.length + may.length > 0) {
        const isStream = state === "streaming";
        const ended = isStream ? item.response!.closed : item.actual !== undefined;
        assert(ended || must.length === 0 || discarded || now >= this.graceEnd, `no ${must} of ${item.id}`);
        const outcome = !ended
          ? undefined
          : !isStream
          ? item.actual
          : item.reading
          ? item.actualRead
          : await reasonOf(item); // nobody reads, and several may have ended it
        if (outcome !== undefined) {
          assert(must.includes(outcome) || may.includes(outcome), `${outcome} of ${item.id} instead of ${must} ${may}`);
          if (outcome === "SessionClosedError") this.cut++;
          this.finish(item, outcome);
          continue;
        }
      }
      if (discarded) this.requeue(item);
    }
    if (now >= this.graceEnd) this.cutAll();
    this.ticking = true;
    this.sync();
    this.ticking = false;
  }

  /** Takes over what the pool has granted. */
  sync(): void {
    for (; this.calls < this.transport.calls.length; this.calls++) {
      const call = this.transport.calls[this.calls]!;
      const item = this.items[Number(call.url.pathname.slice(1))]!;
      item.calls.push(call);
      // Granted by one timeout, ended by another at the same time.
      if (item.state === "done" && item.since === this.now && this.ticking) continue;
      assertEquals([item.state, call.url.origin], ["queued", ORIGINS[item.origin]], "one that does not wait is sent");
      for (const other of this.open) {
        const waits = other.state === "queued" && other.origin === item.origin;
        // One that follows a redirect has waited before, so it goes to the front.
        const overtakes = item.redirects === 0 && other.redirects === 0 && other.step < item.step;
        assert(!waits || !overtakes, "a request is overtaken");
      }
      item.state = "headers";
      item.since = this.lastProgress = this.now;
    }
  }

  check(): void {
    const { session, open } = this;
    for (const item of this.dirty) {
      assertEquals(item.actual, item.expected, `request ${item.id}`);
      assertEquals(item.actualRead, item.expectedRead, `a read of request ${item.id}`);
      if (item.response) assertEquals(item.response.closed, item.state === "done", `closed of ${item.id}`);
      if (item.state !== "done") continue;
      for (const call of item.calls) {
        assert(call.ended || call.signal.aborted, `a call of request ${item.id} is left open`);
      }
    }
    this.dirty.clear();
    const rows = session.exchanges().map(({ method, url, state }) => `${method} ${url} ${state}`);
    const expected = open.map(({ id, origin, state, calls }) => {
      const shown = state === "discard" ? "headers" : state;
      const url = state === "discard" ? calls.at(-1)!.url.href : `${ORIGINS[origin]}/${id}`;
      return `GET ${url} ${shown}`;
    });
    assertEquals(rows.join("\n"), expected.join("\n"), "exchanges()");
    const stats = session.pool.stats();
    const active = open.filter(({ state }) => state !== "queued");
    assert(stats.active === active.length && stats.queued === open.length - active.length, "stats()");
    const { maxConnections, maxConnectionsPerOrigin } = this.run;
    assert(stats.active <= maxConnections, "above the limit");
    for (const { active, queued } of Object.values(stats.origins)) {
      assert(active <= maxConnectionsPerOrigin, "above the limit of an origin");
      assert(queued === 0 || active === maxConnectionsPerOrigin || stats.active === maxConnections, "lost wake-up");
    }
    for (const { calls } of active) assert(!calls.at(-1)!.signal.aborted, "an open exchange is aborted");
    if (open.length === 0) assertEquals(this.clock.pending, 0, "timers");
    for (const [signal, controller] of this.controllers.entries()) {
      const listeners = open.some((item) => item.signal === signal) && !controller.signal.aborted ? 1 : 0;
      assertEquals(controller.listeners, listeners, "listeners");
    }
    assertEquals(session.closed, this.closed);
    if (this.closing) {
      assertEquals(this.cutOff?.length, open.length === 0 ? this.cut : undefined, "what close() cut off");
    }
  }
}

/** What a read of a stream comes to that has ended. */
async function reasonOf({ iterator }: Item): Promise<string> {
  try {
    return (await iterator!.next()).done ? "end" : "chunk";
  } catch (error) {
    return classify(error);
  }
}

function hasBody({ state }: Item): boolean {
  return state === "discard" || state === "prefetch" || state === "streaming";
}

const which = fc.nat(7);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("request" as const),
      origin: fc.nat(ORIGINS.length - 1),
      prefetch: fc.boolean(),
      signal: fc.integer({ min: -1, max: SIGNALS - 1 }),
      timeouts: fc.nat(TIMEOUTS.length - 1),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("respond" as const),
      which,
      how: fc.constantFrom("length" as const, "chunked" as const, "none" as const),
      redirect: fc.integer({ min: -3, max: ORIGINS.length - 1 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant("chunk" as const), which }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("end" as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("fail" as const), which }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("read" as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("leave" as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("abort" as const), signal: fc.nat(SIGNALS - 1) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("tick" as const), steps: fc.integer({ min: 1, max: 12 }) }) },
);

const runs: fc.Arbitrary<Run> = fc.integer({ min: 1, max: 3 }).chain((maxConnections) =>
  fc.record({
    maxConnections: fc.constant(maxConnections),
    maxConnectionsPerOrigin: fc.integer({ min: 1, max: maxConnections }),
    operations: fc.tuple(
      fc.array(operation, { maxLength: 24, size: "max" }),
      fc.constantFrom<Operation[]>([], [{ type: "close", grace: 0 }], [{ type: "close", grace: 60 }], [{
        type: "pool close",
      }]),
      fc.array(operation, { maxLength: 4, size: "max" }),
    ).map((parts): Operation[] => parts.flat()),
  })
);

/** Performs a run's operations on a session and its model. */
async function replay(run: Run): Promise<void> {
  const clock = new FakeClock().install();
  try {
    const bench = new Bench(run, clock);
    for (const operation of run.operations) await bench.perform(operation);
    await bench.perform({ type: "close", grace: 0 });
    assertEquals([bench.open.length, clock.pending], [0, 0]);
  } finally {
    clock.restore();
  }
}

/** Runs that the model once guessed wrong, by what is special in them. */
const PINNED: Record<string, Run> = {
  "a grace and the total timeout pass in one tick, and nobody reads": {
    maxConnections: 1,
    maxConnectionsPerOrigin: 1,
    operations: [
      { type: "request", origin: 0, prefetch: false, signal: -1, timeouts: 3 },
      { type: "respond", which: 0, how: "chunked", redirect: -1 },
      { type: "tick", steps: 10 },
      { type: "read", which: 0 },
      { type: "chunk", which: 0 },
      { type: "tick", steps: 5 },
      { type: "close", grace: 60 },
      { type: "tick", steps: 6 },
    ],
  },
};

for (const [what, run] of Object.entries(PINNED)) {
  Deno.test(`Session does what its model does: ${what}`, () => replay(run));
}

Deno.test("Session does what its model does, under random operations", () => checkModel(runs, 10_000, replay));
