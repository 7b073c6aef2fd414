// Copyright 2026 the Hangup authors. MIT license.
//
// What a session promises in a test of a user's, whichever runner runs it, in whichever realm.
// Nothing here needs a runner.
import assert from "node:assert/strict";
import { connect } from "node:net";
import process from "node:process";
import { inspect } from "node:util";
import { runInThisContext } from "node:vm";
import type * as Hangup from "../../mod.ts";
import type { TransportOptions } from "../../mod.ts";
import { expectedUnder, type Faking, underFakes } from "../harness/fake_time.ts";
import { openScope, type Scope } from "../server/client.ts";

/** Where the promises are kept. */
export interface Place {
  hangup: typeof Hangup;
  /** Whether `fetch` is the runtime's own there, so that the sockets are a session's. */
  owns: boolean;
  /** Whether timers are faked all the time, and nobody ticks. */
  frozen?: boolean;
}

type Keep = (place: Place, scope: Scope) => Promise<unknown>;

/** Compares as text, because objects of two realms are never equal. */
function same(actual: unknown, expected: unknown): void {
  assert.equal(JSON.stringify(actual), JSON.stringify(expected));
}

/** What a promise rejects with. */
async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: unknown; phase?: unknown }> {
  return await promise.then((value) => assert.fail(`Resolved with ${inspect(value)}`), (error) => error);
}

/** Waits until nothing is open, or, where others own the sockets, nothing under way. */
async function untilOver(scope: Scope, { owns }: Place): Promise<void> {
  await scope.wait(owns ? { open: 0, pending: 0 } : { pending: 0 }, 2000);
}

/** Signals that are not of the realm's own `AbortController`, or not of the platform's. */
const SIGNALS: Record<string, () => { signal: AbortSignal; abort(reason: unknown): void }> = {
  "the realm's own": () => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
  },
  "that of the main realm": () => {
    const controller: AbortController = runInThisContext("new AbortController()");
    return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
  },
  "a polyfill's": () => {
    // As those from before `reason` and `throwIfAborted()` were standard.
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      reason: undefined as unknown,
      addEventListener: (_: string, listener: () => void) => void listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => void listeners.delete(listener),
    };
    const abort = (reason: unknown) => {
      Object.assign(signal, { aborted: true, reason });
      for (const listener of listeners) listener();
    };
    return { signal: signal as unknown as AbortSignal, abort };
  },
};

/** Options of a transport by which each request goes to the scope, whatever its URL. */
function elsewhere(scope: Scope): TransportOptions {
  if ("deno" in process.versions) return { proxy: { url: scope.url } };
  if ("bun" in process.versions) return { proxy: scope.url };
  const dial = (_: unknown, callback: (error: Error | null, socket?: unknown) => void) => {
    const socket = connect(scope.port, "127.0.0.1", () => callback(null, socket));
    socket.on("error", callback);
  };
  return { connect: dial };
}

/** Each is a test of its own. */
export const promises: Record<string, Keep> = {
  async "a session closes its sockets, or says that they are not its own"(place, scope) {
    const { get, Session } = place.hangup;
    const session = new Session({ baseUrl: scope.url });
    const lengths = await Promise.all(
      [1, 2, 3].map(async (n) => (await session.get(`/bytes/${n}`)).content.byteLength),
    );
    same(lengths, [1, 2, 3]);
    const echo = await (await session.post("/echo", { json: { a: 1 } })).json<{ body: string }>();
    same(echo.body, '{"a":1}');
    const headers = { "content-type": "text/plain" };
    const bytes = await session.put("/echo", { body: new TextEncoder().encode("bytes"), headers });
    same((await bytes.json<{ body: string }>()).body, "bytes");
    same(await (await session.get("/redirect/302?to=/chain/1")).text(), "end");
    same((await (await session.fetch(`${scope.url}/bytes/100000`)).arrayBuffer()).byteLength, 100_000);
    for await (const _ of await session.get("/endless", { prefetch: false })) break;
    const left = await session.get("/endless", { prefetch: false });
    const waiting = errorOf(session.get("/hang"));
    same(session.pool.closesSockets, place.owns);
    await scope.wait({ pending: 2 }, 2000);
    await session.close();
    same([left.closed, (await waiting).name], [true, "SessionClosedError"]);
    await untilOver(scope, place);
    same((await get(`${scope.url}/bytes/10`)).content.byteLength, 10);
    await untilOver(scope, place);
  },

  async "options of createTransport() are used, or refused"({ hangup, owns }, scope) {
    const { createTransport, Session } = hangup;
    let session: Hangup.Session;
    try {
      session = new Session({ pool: { transport: createTransport(elsewhere(scope)) } });
    } catch (error) {
      assert.match(
        String(error),
        /^TypeError: Cannot create a transport with options of an Agent as fetch goes through/,
      );
      assert.ok(!owns);
      return;
    }
    same((await session.get("http://nowhere.invalid/bytes/10")).content.byteLength, 10);
    await session.close();
    await untilOver(scope, { hangup, owns });
  },

  async "errors are explained, and show no secret"({ hangup, frozen }, scope) {
    const { get, NetworkError, Session, StatusError, TimeoutError } = hangup;
    const gone = await openScope();
    await gone.close();
    const refused = await errorOf(get(`${gone.url}/?token=s3cret`));
    assert.ok(refused instanceof NetworkError, inspect(refused));
    same([refused.message, refused.code], [`The server refuses connections: GET ${gone.url}/?…`, "ECONNREFUSED"]);
    // Not every runtime's parser minds.
    const unparsed = await get(`${scope.url}/fault/http-0.9?token=s3cret`).then(() => refused, (error) => error);
    assert.ok(unparsed instanceof NetworkError, inspect(unparsed));
    for (const error of [refused, unparsed]) {
      assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), /s3cret|hello/); // nor a part of the body
    }
    if (!frozen) {
      const late = await errorOf(get(`${scope.url}/hang`, { timeout: { headers: 50 } }));
      assert.ok(late instanceof TimeoutError && late.phase === "headers", inspect(late));
    }
    const missing = await errorOf(get(`${scope.url}/status/404`, { throwIfNotOk: true }));
    assert.ok(missing instanceof StatusError, inspect(missing));
    const mine = new RangeError("mine");
    const session = new Session({ fetch: () => Promise.reject(mine) });
    const wrapped = await errorOf(session.get(`${scope.url}/?token=s3cret`));
    assert.ok(wrapped instanceof NetworkError && wrapped.cause === mine, inspect(wrapped));
    await session.close();
  },

  async "an AbortSignal of any realm aborts"(place, scope) {
    const session = new place.hangup.Session();
    for (const [whose, make] of Object.entries(SIGNALS)) {
      const reason = new Error(whose);
      for (const send of [session.get.bind(session), session.fetch]) {
        const { signal, abort } = make();
        await scope.wait({ pending: 0 }, 2000);
        const aborted = errorOf(send(`${scope.url}/hang`, { signal }));
        await scope.wait({ pending: 1 }, 2000);
        abort(reason);
        assert.equal(await aborted, reason);
        assert.equal(await errorOf(send(`${scope.url}/hang`, { signal })), reason);
        const later = make();
        const response = await send(`${scope.url}/bytes/10`, { signal: later.signal });
        same((await response.text()).length, 10);
        later.abort(reason); // no longer matters
      }
    }
    await session.close();
    await untilOver(scope, place);
  },

  async "a Request of the realm's is sent as it is"(place, scope) {
    const session = new place.hangup.Session();
    for (const send of [session.request.bind(session), session.fetch]) {
      const controller = new AbortController();
      const init = { method: "POST", body: "text", headers: { "x-a": "1" }, signal: controller.signal };
      const response = await send(new Request(`${scope.url}/echo`, init));
      const { method, body, headers } = await response.json() as { method: string; body: string; headers: string[][] };
      same([method, body, headers.find(([name]) => name === "x-a")], ["POST", "text", ["x-a", "1"]]);
      const aborted = errorOf(send(new Request(`${scope.url}/hang`, init)));
      await scope.wait({ pending: 1 }, 2000);
      const reason = new Error("mine");
      controller.abort(reason);
      assert.equal(await aborted, reason);
      await scope.wait({ pending: 0 }, 2000);
    }
    await session.close();
    await untilOver(scope, place);
  },
};

/**
 * Registers the promises as tests: those of the place, and those under the runner's own fake
 * timers.
 */
export function register(
  test: (name: string, run: () => Promise<void>) => unknown,
  place: Place,
  ways: Record<string, Faking>,
): void {
  const add = (name: string, run: (scope: Scope) => Promise<unknown>) =>
    test(name, async () => {
      const scope = await openScope();
      try {
        await run(scope);
      } finally {
        await scope.close();
      }
    });
  for (const [name, keep] of Object.entries(promises)) add(name, (scope) => keep(place, scope));
  for (const [how, faking] of Object.entries(ways)) {
    add(`nothing hangs and no timer is left where the time is faked: ${how}`, async (scope) => {
      assert.deepEqual(await underFakes(place.hangup, scope.url, faking), expectedUnder(faking));
      await untilOver(scope, place);
    });
  }
}
