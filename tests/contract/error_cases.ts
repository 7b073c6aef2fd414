// Copyright 2026 the Hangup authors. MIT license.
//
// What errors tell: Node's code for each failure of the network, on every runtime that tells, and
// nothing of what the server or another realm put there.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { get, isRetriable, NetworkError, Session } from "../../mod.ts";
import type { Capability, Case, Runtime, TestContext } from "../harness/case.ts";

/** A failure: where it is, and its code. Deno does not tell why a body broke off. */
interface Failure {
  where(t: TestContext): Promise<string>;
  code: string;
  elsewhere?: Partial<Record<Runtime, string | undefined>>;
  /** Whether another try may help. */
  passes: boolean;
  needs?: Capability[];
}

const at = (path: string) => ({ scope }: TestContext) => Promise.resolve(scope.url + path);

const FAILURES: Record<string, Failure> = {
  "a port that nothing listens on": {
    async where({ openScope }) {
      const gone = await openScope({ refuses: 1 });
      return gone.url;
    },
    code: "ECONNREFUSED",
    passes: true,
  },
  "a host that does not exist": {
    where: () => Promise.resolve("http://hangup.invalid/"),
    code: "ENOTFOUND",
    passes: true,
  },
  "an address that no network has": {
    where: () => Promise.resolve("http://255.255.255.255/"),
    code: "ENETUNREACH",
    passes: true,
  },
  "a reset before the headers": { where: at("/fault/resets-before-status"), code: "ECONNRESET", passes: true },
  "an end before the headers": { where: at("/fault/closes-before-status"), code: "ECONNRESET", passes: true },
  "a reset within the body": {
    where: at("/fault/resets-in-body"),
    code: "ECONNRESET",
    elsewhere: { deno: undefined },
    passes: true,
  },
  "an end within the body": {
    where: at("/fault/chunk-cut"),
    code: "ECONNRESET",
    elsewhere: { deno: undefined },
    passes: true,
  },
  "a certificate that is not trusted": {
    where: async ({ openScope }) => (await openScope({ tls: "untrusted" })).url,
    code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    passes: false,
  },
  "a certificate that is self-signed": {
    where: async ({ openScope }) => (await openScope({ tls: "self-signed" })).url,
    code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    elsewhere: { deno: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
    passes: false,
  },
  "a server without TLS": {
    where: async ({ openScope }) => (await openScope({ fault: "speaks-first" })).url.replace("http:", "https:"),
    code: "EPROTO",
    elsewhere: {
      node22: "ERR_SSL_WRONG_VERSION_NUMBER",
      node24: "ERR_SSL_WRONG_VERSION_NUMBER",
      node26: "ERR_SSL_WRONG_VERSION_NUMBER",
    },
    passes: false,
    needs: ["noticesPlaintext"],
  },
};

const { Bun } = globalThis as { Bun?: { file(path: string): Blob } };

/** Options that some runtimes refuse, and some ignore. */
const WRONG: Record<string, object> = {
  "duplex": { duplex: "full" },
  "priority": { priority: "bogus" },
  "window": { window: "x" },
  "client": { client: {} },
  "proxy": { proxy: "not a url" },
  "tls": { tls: { ca: 1 } },
  "protocol": { protocol: "bogus" },
  "a file that is missing, on Bun": { body: Bun?.file("/none/of/these") ?? "text" },
  "a file that is a directory, on Bun": { body: Bun?.file("/") ?? "text" },
};

const { process } = globalThis as { process?: { getBuiltinModule?(id: string): { inspect(value: unknown): string } } };
const inspect = process?.getBuiltinModule?.("node:util")?.inspect ?? String;

/** Requests that fail, each in another way, at a server that resets, hangs or answers 404. */
const STACKS: Record<string, (session: Session, url: string) => Promise<unknown>> = {
  "the network": (session, url) => session.get(`${url}/fault/resets-before-status`),
  "session.fetch": (session, url) => session.fetch(`${url}/fault/resets-before-status`),
  "a call without a session": (_, url) => get(`${url}/fault/resets-before-status`),
  "a timeout": (session, url) => session.get(`${url}/hang`, { timeout: 50 }),
  "a status": (session, url) => session.get(`${url}/status/404`, { throwIfNotOk: true }),
  "a body of a session that is closed": async (session, url) => {
    const response = await session.get(`${url}/endless`, { prefetch: false });
    for await (const _ of response) await session.close();
  },
};

export const cases: Case[] = [
  ...Object.entries(STACKS).map(([what, send]): Case => ({
    name: `the stack of an error shows the call that failed: ${what}`,
    async run({ scope }) {
      if (!("captureStackTrace" in Error)) return; // engines that do not tell who awaits a promise
      const session = new Session();
      async function callOfMine() {
        return await send(session, scope.url);
      }
      const error: Error = await callOfMine().then(String, (error) => error);
      assertStringIncludes(error.stack!, "callOfMine");
      assert(error.stack!.startsWith(`${error.name}: ${error.message}`), error.stack);
      await session.close();
    },
  })),
  ...Object.entries(FAILURES).map(([what, { where, code, elsewhere, passes, needs }]): Case => ({
    name: `NetworkError has Node's code, and isRetriable() knows whether to try again: ${what}`,
    needs,
    async run(t) {
      const url = await where(t);
      const error = await assertRejects(() => get(url), NetworkError);
      const told = t.can("explainsFailures");
      const expected = elsewhere && t.runtime in elsewhere ? elsewhere[t.runtime] : code;
      assertEquals(error.code, told ? expected : undefined);
      if (told) assertEquals(isRetriable(error), passes);
    },
  })),
  ...Object.entries(WRONG).map(([name, init]): Case => ({
    name: `an option that bare fetch refuses is refused, and no failure of the network: ${name}`,
    needs: ["plainFetch"],
    leaks: true,
    async run({ scope, openScope }) {
      const elsewhere = await openScope();
      const named = (error: Error) => [error.name, error.message, isRetriable(error)];
      const told = (response: Promise<{ status: number }>) => response.then(({ status }) => status, named);
      const bare = await told(fetch(elsewhere.url + "/upload", { method: "POST", body: "text", ...init }));
      const options = { method: "POST", body: "text", ...init };
      const session = new Session();
      // What bare fetch ignores as it is another runtime's, a session refuses, and its `fetch`
      // ignores.
      const isOthers = bare === 200 && /^(?:client|proxy|tls)$/.test(name);
      const requested = await told(session.request(scope.url + "/upload", options));
      if (isOthers) assertEquals([requested].flat()[0], "TypeError");
      else assertEquals(requested, bare);
      assertEquals(await told(session.fetch(scope.url + "/upload", options)), bare);
      assertEquals(session.pool.stats().active, 0);
      await session.close();
      assertEquals((await scope.stats()).requests, typeof bare === "number" ? isOthers ? 1 : 2 : 0);
    },
  })),
  {
    name: "the error of session.fetch itself has a code where that of bare fetch has one",
    needs: ["plainFetch"],
    leaks: true,
    async run(t) {
      const session = new Session();
      for (const what of ["a port that nothing listens on", "a reset before the headers"]) {
        const url = await FAILURES[what]!.where(t);
        const codeOf = (fetch: typeof globalThis.fetch) => fetch(url).then(() => 0, ({ code }) => code);
        assertEquals(await codeOf(session.fetch), await codeOf(fetch), what);
      }
      await session.close();
    },
  },
  {
    name: "an error shows nothing of a response that is not HTTP",
    async run({ scope }) {
      for (const path of ["/fault/http-0.9", "/fault/header-without-colon", "/fault/two-lengths", "/fault/garbage"]) {
        const error = await get(scope.url + path).then(() => undefined, (error) => error);
        if (error === undefined) continue; // not every parser minds
        assert(error instanceof NetworkError, String(error));
        assertEquals(/hello|colon here|s3cret|data:/.exec(inspect(error)), null, inspect(error));
      }
    },
  },
  {
    name: "causes that form a ring stop nothing",
    async run() {
      const first = new Error("first"), second = new Error("second", { cause: first });
      first.cause = second;
      const session = new Session({ fetch: () => Promise.reject(first), timeout: 500 });
      const error = await assertRejects(() => session.get("http://example.com/?a=s3cret"), NetworkError);
      assertEquals([error.cause, error.code], [first, undefined]);
      await session.close();
    },
  },
];
