// Copyright 2026 the Hangup authors. MIT license.
//
// A session goes where bare `fetch` would go: through the proxies of the environment, and never
// around a proxy or a mock of the user's. The scope plays the proxy: whatever host is asked for, it
// answers itself.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createTransport, NetworkError, post, Session } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { readEcho } from "../harness/with_session.ts";

/** A name that no resolver knows: only a proxy can be asked for it. */
const ELSEWHERE = "http://upstream.invalid/echo";

/** What scripts/proxy.ts prints. */
interface Report {
  closesSockets: boolean;
  asked: unknown;
  url?: string;
  posted: unknown;
  fetched: unknown;
  open: number;
  ephemeral: unknown;
  bare: unknown;
  /** What came of the call after the mock was set, in the same turn as a call before. */
  next?: unknown;
}

async function report({ run, scope }: TestContext, how: string, url: string, env = {}): Promise<Report> {
  const { code, stdout, stderr } = await run({ script: "scripts/proxy.ts", env }, how, scope.url, url);
  assert(code === 0, stderr);
  return JSON.parse(stdout);
}

const NOTHING_OPEN = { open: 0, pending: 0 };
const ALL = { asked: 200, posted: 200, fetched: 200, open: 0, ephemeral: 200, bare: 200 };

/** Clears what the machine's own environment may say of proxies. */
const NO_PROXIES = { http_proxy: "", https_proxy: "", no_proxy: "", HTTPS_PROXY: "", NO_PROXY: "", NODE_OPTIONS: "" };

const isNode = (runtime: string) => runtime.startsWith("node");

export const cases: Case[] = [
  {
    name: "requests go through the proxy that the environment names, and its sockets are closed",
    needs: ["processes"],
    async run(t) {
      const env = { ...NO_PROXIES, HTTP_PROXY: t.scope.url, http_proxy: t.scope.url, NODE_USE_ENV_PROXY: "1" };
      const { closesSockets, url, ...rest } = await report(t, "environment", ELSEWHERE, env);
      assertEquals([closesSockets, rest], [true, ALL]);
      // As a proxy is asked, or through a tunnel.
      assert(url === "/echo", url);
      await t.scope.wait(NOTHING_OPEN);
      assertEquals((await t.scope.stats()).requests, 6);
    },
  },
  {
    name: "requests do not go through a proxy that the environment exempts them from",
    needs: ["processes"],
    async run(t) {
      const other = await t.openScope();
      const env = { ...NO_PROXIES, HTTP_PROXY: t.scope.url, http_proxy: t.scope.url, NODE_USE_ENV_PROXY: "1" };
      const exempt = { ...env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
      const { closesSockets, url, ...rest } = await report(t, "environment", `${other.url}/echo`, exempt);
      assertEquals([closesSockets, url, rest], [true, "/echo", ALL]);
      assertEquals([(await t.scope.stats()).accepted, (await other.stats()).requests], [0, 6]);
      await other.wait(NOTHING_OPEN);
    },
  },
  {
    name: "requests go through a proxy that the process gets while a session is in use",
    needs: ["processes"],
    async run(t) {
      if (!isNode(t.runtime)) return; // others look at the environment for each request, or have another way
      const how = "environment, named anew under a used session";
      const { closesSockets, url, ...rest } = await report(t, how, ELSEWHERE, {
        ...NO_PROXIES,
        NODE_USE_ENV_PROXY: "1",
      });
      assertEquals([closesSockets, url, rest], [true, "/echo", ALL]);
      await t.scope.wait(NOTHING_OPEN);
    },
  },
  ...["changed", "changed under a session", "unset under a session"].map((what): Case => ({
    name: `requests go through the proxy that the environment named when the process started, though it is ${what}`,
    needs: ["processes"],
    async run(t) {
      if (!isNode(t.runtime)) return; // others look at it for each request, or have another way
      const env = { ...NO_PROXIES, HTTP_PROXY: t.scope.url, http_proxy: t.scope.url, NODE_USE_ENV_PROXY: "1" };
      const { closesSockets, url, ...rest } = await report(t, `environment, ${what}`, ELSEWHERE, env);
      assertEquals([url, rest], ["/echo", ALL]);
      const isEarly = what.endsWith("session");
      assertEquals([closesSockets, (await t.scope.stats()).requests], isEarly ? [true, 6] : [false, 7]);
    },
  })),
  {
    name:
      "requests go through the proxy that the environment names before the first of them, though a session was made",
    needs: ["processes"],
    async run(t) {
      if (isNode(t.runtime)) return; // it looks at the environment when the process starts
      const { closesSockets, url, ...rest } = await report(
        t,
        "environment, named under a session",
        ELSEWHERE,
        NO_PROXIES,
      );
      assertEquals([closesSockets, url, rest], [true, "/echo", ALL]);
      assertEquals((await t.scope.stats()).requests, 6);
    },
  },
  ...[
    "frozen environment",
    "read-only environment",
    "environment that keeps its variables",
    "unreadable environment",
    "no environment",
    "frozen dispatcher",
  ].map((kind): Case => ({
    name: `requests go where bare fetch goes in a process that bears no look: ${kind}`,
    needs: ["processes"],
    async run(t) {
      if (!isNode(t.runtime)) return; // nobody looks elsewhere
      const env = { ...NO_PROXIES, http_proxy: t.scope.url, NODE_USE_ENV_PROXY: "1", NODE_NO_WARNINGS: "1" };
      const { code, stdout, stderr } = await t.run({ script: "scripts/guest.ts", env }, `process: ${kind}`, ELSEWHERE);
      assertEquals([code, stderr], [0, ""]);
      const { asked, closesSockets, bare, exempt } = JSON.parse(stdout);
      assertEquals([asked, closesSockets, exempt], [bare, kind.endsWith("variables"), ""]);
      assertEquals((await t.scope.stats()).requests, bare === 200 ? 2 : 0);
    },
  })),
  {
    name: "requests do not go through a proxy that the user's own agent exempts them from",
    needs: ["processes"],
    async run(t) {
      if (!isNode(t.runtime)) return; // nothing like it exists elsewhere
      const other = await t.openScope();
      const env = { ...NO_PROXIES, HTTP_PROXY: t.scope.url, http_proxy: t.scope.url, NODE_USE_ENV_PROXY: "1" };
      const { closesSockets, url, ...rest } = await report(t, "exempting", `${other.url}/echo`, env);
      assertEquals([closesSockets, url, rest], [false, "/echo", ALL]);
      assertEquals([(await t.scope.stats()).accepted, (await other.stats()).requests], [0, 6]);
    },
  },
  {
    name: "requests do not go through a proxy where bare fetch does not",
    needs: ["processes"],
    async run(t) {
      const { asked, bare, ephemeral } = await report(t, "environment", ELSEWHERE, NO_PROXIES);
      assert(String(asked).startsWith("NetworkError"), String(asked));
      assertEquals([typeof bare, ephemeral], ["string", "NetworkError"]);
      assertEquals((await t.scope.stats()).accepted, 0);
    },
  },
  {
    name: "a transport of the user's goes through its own proxy, and its sockets are closed",
    needs: ["processes"],
    async run(t) {
      const { closesSockets, url, ...rest } = await report(t, "own", ELSEWHERE, NO_PROXIES);
      assertEquals([closesSockets, url, rest], [true, "/echo", ALL]);
      await t.scope.wait(NOTHING_OPEN);
      assertEquals((await t.scope.stats()).requests, 4);
    },
  },
  ...([["mock", false], ["global proxy", false], ["interceptor", false], ["options", false]] as const).map((
    [how, closesSockets],
  ): Case => ({
    name: `what the user set by setGlobalDispatcher() is not passed by: ${how}`,
    needs: ["processes"],
    async run(t) {
      // Nothing like it exists elsewhere.
      if (!isNode(t.runtime)) return;
      const target = how === "options" ? `${t.scope.url}/echo` : ELSEWHERE;
      const result = await report(t, how, target, NO_PROXIES);
      assertEquals([result.closesSockets, result.asked, result.bare], [closesSockets, 200, 200]);
      assertEquals([result.url, result.open], [how === "mock" ? "mocked" : "/echo", 0]);
      assertEquals((await t.scope.stats()).requests, how === "mock" ? 0 : 6);
    },
  })),
  {
    name: "what the user set by setGlobalDispatcher() right after a call is not passed by",
    needs: ["processes"],
    async run(t) {
      if (!isNode(t.runtime)) return;
      const result = await report(t, "mock after a call", ELSEWHERE, NO_PROXIES);
      assertEquals([result.next, result.url], [200, "mocked"]);
      assertEquals((await t.scope.stats()).requests, 1);
    },
  },
  {
    name: "a transport of the user's trusts an authority of its own",
    needs: ["closesSockets"],
    async run({ runtime, openScope }) {
      const scope = await openScope({ tls: "untrusted" });
      const error = await assertRejects(() => post(`${scope.url}/echo`, { body: "text" }), NetworkError);
      assert(!error.message.includes("unknown"), error.message);
      const { ca } = scope;
      const transport = createTransport(
        runtime === "deno" ? { caCerts: [ca] } : runtime === "bun" ? { tls: { ca } } : { connect: { ca } },
      );
      const session = new Session({ pool: { transport } });
      try {
        assertEquals((await readEcho(await session.post(`${scope.url}/echo`, { body: "text" }))).body, "text");
        // With all that the default does: a stale connection is replaced.
        assertEquals((await session.get(`${scope.url}/bytes/10`)).status, 200);
        assertEquals((await session.get(`${scope.url}/kill-reused`)).status, 200);
        const stream = await session.get(`${scope.url}/endless`, { prefetch: false });
        await session.close();
        assertEquals(stream.closed, true);
      } finally {
        await session.close();
      }
      await scope.wait(NOTHING_OPEN);
    },
  },
  {
    name: "createTransport() refuses options that have no effect on the runtime",
    async run({ runtime }) {
      const here = isNode(runtime) ? "Node" : runtime === "deno" ? "Deno" : runtime === "bun" ? "Bun" : "";
      const options = { caCerts: "Deno", poolIdleTimeout: "Deno", tls: "Bun", unix: "Bun", connect: "Node" };
      for (const [name, there] of Object.entries(options)) {
        await createTransport({ [name]: undefined }).close();
        if (here === there) continue;
        const message = `Cannot create a transport as ${here || "this platform"} has no option "${name}"`;
        assertThrows(() => createTransport({ [name]: {} }), TypeError, `${message}: it is for ${there}`);
      }
      // What no runtime of today knows may be an option tomorrow.
      await createTransport({ future: 1 }).close();
    },
  },
  {
    name: "createTransport() keeps the runtime's own timeouts that the user gives",
    needs: ["closesSockets"],
    async run({ runtime, scope }) {
      if (runtime === "bun") return; // it has none
      const options = isNode(runtime) ? { keepAliveTimeout: 50, headersTimeout: 50 } : { poolIdleTimeout: 50 };
      const session = new Session({ pool: { transport: createTransport(options) } });
      await session.get(`${scope.url}/bytes/10`);
      await scope.wait({ open: 0 }, 5000); // undici looks once a second
      if (isNode(runtime)) {
        const { cause } = await assertRejects(() => session.get(`${scope.url}/hang`), NetworkError);
        assertEquals((cause as { cause: { code: string } }).cause.code, "UND_ERR_HEADERS_TIMEOUT");
      }
      await session.close();
    },
  },
  {
    name: "createTransport() refuses an idle timeout that is none",
    run() {
      assertThrows(() => createTransport({ idleTimeout: -1 }), RangeError, '"idleTimeout" must be a non-negative');
      assertThrows(() => createTransport({ idleTimeout: "1s" as unknown as number }), TypeError, `received "1s"`);
    },
  },
];
