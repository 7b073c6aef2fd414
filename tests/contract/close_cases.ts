// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 2: when `await session.close()` returns, nothing of the session is open or running.
import { assert, assertEquals, assertIsError, assertRejects } from "@std/assert";
import { Pool, Session, SessionClosedError } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";

async function assertNothingOpen({ scope, can }: TestContext, session: Session): Promise<void> {
  assertEquals(session.exchanges(), []);
  await scope.wait(can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
}

/** Asserts that `work` takes no longer than 500 ms. */
async function promptly<T>(work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  const took = performance.now() - start;
  assert(took < 500, `it took ${took} ms`);
  return result;
}

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "resolved", (error) => error);

export const cases: Case[] = [
  {
    name: "Session.close() ends everything at once",
    async run(t) {
      const { scope, can } = t;
      // A browser itself opens no more than six.
      const limit = can("manyConnections") ? 12 : 6;
      const session = new Session({ pool: { maxConnections: limit } });
      await Promise.all([1, 2, 3].map(() => session.get(`${scope.url}/bytes/10`))); // idle sockets
      const streams = await Promise.all(
        ["/endless", "/stall/50000", "/bytes/10000000"].map((path) =>
          session.get(`${scope.url}${path}`, { prefetch: false })
        ),
      );
      const halfRead = streams[0]![Symbol.asyncIterator]();
      await halfRead.next();
      const reading = failure(streams[1]!.bytes());
      const paths = ["/stall/10", "/drip?n=Infinity&gap=1", "/hang", "/hang", "/hang", "/stall/100000"];
      const pending = paths.slice(0, limit / 2 - 1).map((path) => failure(session.get(`${scope.url}${path}`)));
      const uploads = Array.from({ length: limit - 3 - pending.length }).map(() =>
        failure(session.post(`${scope.url}/hang`, { body: "x".repeat(100000) }))
      );
      const queued = Array.from({ length: 20 }, () => failure(session.get(`${scope.url}/bytes/10`)));
      await scope.wait({ requests: 3 + limit }, 2000);
      assertEquals(session.exchanges().filter(({ state }) => state === "queued").length, 20);

      const [cut, again] = await promptly(Promise.all([session.close(), session.close()]));
      assertEquals(cut.length, limit + 20);
      assertEquals(again, cut);
      for (const error of await Promise.all([reading, ...pending, ...uploads, ...queued])) {
        assert(error instanceof SessionClosedError, String(error));
      }
      await assertRejects(() => halfRead.next(), SessionClosedError);
      await assertRejects(() => streams[2]!.text(), SessionClosedError);
      for (const stream of streams) assertEquals(stream.closed, true);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() is idempotent, and later requests are rejected",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      assertEquals(session.closed, false);
      await session.get(`${scope.url}/bytes/10`);
      assertEquals(await session.close(), []);
      assertEquals(session.closed, true);
      assertEquals(await session.close(), []);
      await session[Symbol.asyncDispose]();
      const error = await assertRejects(() => session.get(`${scope.url}/bytes/10?a=1`), SessionClosedError);
      assertEquals([error.method, error.url], ["GET", `${scope.url}/bytes/10?…`]);
      const { cause } = await assertRejects(() => session.fetch(`${scope.url}/bytes/10`), TypeError, "fetch failed");
      assertIsError(cause, SessionClosedError);
      assertEquals((await scope.stats()).requests, 1);
      await assertNothingOpen(t, session);
    },
  },
  {
    // Deno's sanitizers count the timers.
    name: "Session leaves no timer of a request that comes after close()",
    async run(t) {
      const session = new Session({ timeout: 60_000 });
      await session.close();
      await assertRejects(() => session.get(`${t.scope.url}/bytes/10`), SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close({ grace }) waits for what can finish and cuts off the rest",
    async run(t) {
      const { scope } = t;
      const session = new Session({ pool: { maxConnections: 3 } });
      const held = session.get(`${scope.url}/hold?key=a`);
      const stream = await session.get(`${scope.url}/hold?key=a&sent=10`, { prefetch: false });
      const stuck = failure(session.get(`${scope.url}/hang?token=1`));
      const queued = session.get(`${scope.url}/bytes/10`);
      await scope.wait({ requests: 3 }, 2000);
      const closing = session.close({ grace: 1000 });
      await assertRejects(() => session.get(`${scope.url}/bytes/10`), SessionClosedError);
      await scope.release("a");
      assertEquals((await held).content.byteLength, "released".length);
      assertEquals((await stream.bytes()).byteLength, 10 + "released".length);
      assertEquals((await queued).status, 200);
      const cut = await closing;
      assertEquals(cut.map(({ method, url, state }) => [method, url, state]), [
        ["GET", `${scope.url}/hang?…`, "headers"],
      ]);
      assert(await stuck instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close({ grace }) settles as soon as nothing is open",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const held = session.get(`${scope.url}/hold?key=a`);
      await scope.wait({ requests: 1 }, 2000);
      const closing = session.close({ grace: 60_000 });
      await scope.release("a");
      await held;
      assertEquals(await promptly(closing), []);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() cuts short the grace of an earlier call",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const stuck = failure(session.get(`${scope.url}/hang`));
      await scope.wait({ requests: 1 }, 2000);
      const closing = session.close({ grace: Infinity });
      assertEquals((await promptly(session.close())).length, 1);
      assertEquals((await closing).length, 1);
      assert(await stuck instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() during connect leaves nothing",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const pending = [1, 2, 3, 4].map(() => failure(session.get(`${scope.url}/bytes/10`)));
      await promptly(session.close());
      for (const error of await Promise.all(pending)) assert(error instanceof SessionClosedError, String(error));
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() a few turns after the request leaves nothing",
    async run(t) {
      const { scope } = t;
      for (let turns = 0; turns < 12; turns++) {
        const session = new Session();
        const pending = failure(session.get(`${scope.url}/bytes/100000`));
        for (let turn = 0; turn < turns; turn++) await (turn % 2 ? Promise.resolve() : macrotask());
        await promptly(session.close());
        const result = await pending;
        assert(result === "resolved" || result instanceof SessionClosedError, String(result));
        await assertNothingOpen(t, session);
      }
    },
  },
  {
    name: "Session.close() from inside a for await loop ends the loop",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const response = await session.get(`${scope.url}/endless`, { prefetch: false });
      await assertRejects(async () => {
        for await (const _ of response) await session.close();
      }, SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    // On Deno an abort did not reach a response that was collected while its body was read.
    name: "Session.close() ends a body that is being read fast",
    async run(t) {
      const { scope } = t;
      const session = new Session();
      const response = await session.get(`${scope.url}/endless`, { prefetch: false });
      let size = 0;
      let enough = () => {};
      const read = new Promise<void>((resolve) => enough = resolve);
      const loop = failure((async () => {
        for await (const chunk of response) {
          size += chunk.byteLength;
          if (size > 30_000_000) enough();
        }
      })());
      await read;
      await promptly(session.close());
      assert(await loop instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() while a redirect is between hops leaves nothing",
    needs: ["followsRedirects"],
    async run(t) {
      const { scope } = t;
      // The pool has one slot, which another request takes as soon as the first hop gives it up.
      const session = new Session({ pool: { maxConnections: 1 } });
      const redirected = failure(session.get(`${scope.url}/redirect/302?to=/bytes/10`));
      const other = failure(session.get(`${scope.url}/hang`));
      await scope.wait({ requests: 2 }, 2000);
      assertEquals(session.exchanges().map(({ url, state }) => [url, state]), [
        [`${scope.url}/bytes/10`, "queued"],
        [`${scope.url}/hang`, "headers"],
      ]);
      await promptly(session.close());
      assert(await redirected instanceof SessionClosedError);
      assert(await other instanceof SessionClosedError);
      await assertNothingOpen(t, session);
    },
  },
  {
    name: "Session.close() leaves a borrowed pool open, and ends what was the session's",
    async run(t) {
      const { scope } = t;
      const pool = new Pool();
      const [mine, other] = [new Session({ pool }), new Session({ pool })];
      try {
        const stream = await mine.get(`${scope.url}/endless`, { prefetch: false });
        const others = await other.get(`${scope.url}/hold?key=a&sent=1`, { prefetch: false });
        await mine.close();
        assertEquals([stream.closed, others.closed, pool.closed], [true, false, false]);
        await scope.release("a");
        assertEquals((await others.bytes()).byteLength, 1 + "released".length);
        assertEquals((await other.get(`${scope.url}/bytes/10`)).status, 200);
        await other.close();
      } finally {
        await pool.close();
      }
      await assertNothingOpen(t, mine);
    },
  },
  {
    name: "Session.exchanges() shows what is open, without credentials and query values",
    async run({ scope }) {
      const session = new Session();
      try {
        const url = new URL(`${scope.url}/endless?token=s3cret#frag`);
        url.username = "ann";
        url.password = "s3cret";
        const response = await session.get(url, { prefetch: false });
        const [exchange] = session.exchanges();
        const { age, ...rest } = exchange!;
        assertEquals(rest, { method: "GET", url: `${scope.url}/endless?…`, state: "streaming" });
        assert(age >= 0);
        await response.close();
        assertEquals(session.exchanges(), []);
      } finally {
        await session.close();
      }
    },
  },
];

function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
