// Copyright 2026 the Hangup authors. MIT license.
//
// Cookies go through `cookieJar`: two methods, those of the real tough-cookie.
import { assertEquals, assertStrictEquals } from "@std/assert";
import { CookieJar } from "tough-cookie";
import { type CookieJar as Jar, Session, type SessionOptions } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { catchingAll } from "../harness/uncaught.ts";
import { type Echo, header, readEcho, withSession } from "../harness/with_session.ts";

const NEEDS = ["followsRedirects" as const, "allHeaders" as const];

/** A jar that keeps what it is asked and told, and has one cookie for each URL. */
class Recorder implements Jar {
  readonly calls: string[] = [];

  getCookieString(url: string): string {
    this.calls.push(`get ${new URL(url).pathname}`);
    return `of=${new URL(url).pathname}`;
  }

  setCookie(cookie: string, url: string): void {
    this.calls.push(`set ${cookie} for ${new URL(url).pathname}`);
  }
}

/** A case with a jar of its own, closed after it. */
function withJar<T extends Jar>(
  name: string,
  jar: () => T,
  run: (session: Session, jar: T, t: TestContext) => Promise<void>,
  options: SessionOptions = {},
): Case {
  return {
    name,
    needs: NEEDS,
    async run(t) {
      const cookieJar = jar();
      const session = new Session({ ...options, cookieJar });
      try {
        await run(session, cookieJar, t);
      } finally {
        await session.close();
      }
      await t.scope.wait(session.pool.closesSockets ? { open: 0, pending: 0 } : { pending: 0 });
    },
  };
}

function redirect(url: string, to: string, status = 302): string {
  return `${url}/redirect/${status}?to=${encodeURIComponent(to)}`;
}

/** A 200 with these headers, or, with `to`, a redirect. */
function setting(url: string, cookies: string[], to?: string): string {
  const query = new URLSearchParams(cookies.map((cookie) => ["h", `Set-Cookie:${cookie}`]));
  if (to !== undefined) query.set("to", to);
  return `${url}/${to === undefined ? "headers" : "redirect/302"}?${query}`;
}

/** A method of a jar that fails, in one way or the other. */
function failing(how: "throws" | "rejects", failure: Error): () => Promise<never> {
  return () => {
    if (how === "throws") throw failure;
    return Promise.reject(failure);
  };
}

const jars: [what: string, make: () => Jar][] = [
  ["tough-cookie", () => new CookieJar()],
  ["a synchronous jar over tough-cookie", () => {
    const jar = new CookieJar();
    return {
      getCookieString: (url) => jar.getCookieStringSync(url),
      setCookie: (cookie, url) => jar.setCookieSync(cookie, url),
    };
  }],
];

export const cases: Case[] = [
  ...jars.flatMap(([what, make]) => [
    withJar(`cookies are kept and sent: ${what}`, make, async (session, _, { scope }) => {
      const cookie = async (path: string) => header(await readEcho(await session.get(scope.url + path)), "cookie");
      assertEquals(await cookie("/echo"), undefined);
      await session.get(`${scope.url}/set-cookie?a=1&b=2`);
      assertEquals(await cookie("/echo"), "a=1; b=2");
      await session.get(setting(scope.url, ["a=; Max-Age=0", "c=3; Path=/echo", "d=4; Path=/elsewhere"]));
      assertEquals(await cookie("/echo"), "c=3; b=2");
      assertEquals(header(await readEcho(await session.fetch(`${scope.url}/echo`)), "cookie"), "c=3; b=2");
      const streamed = await session.get(`${scope.url}/echo`, { prefetch: false });
      assertEquals(header(await streamed.json<Echo>(), "cookie"), "c=3; b=2");
    }),
    withJar(`a login that answers 302 with Set-Cookie works: ${what}`, make, async (session, _, { scope }) => {
      const login = setting(scope.url, ["sid=s3cret; Path=/; HttpOnly; SameSite=Lax"], "/echo");
      const response = await session.post(login, { body: "user=ann&password=s3cret" });
      const echo = await readEcho(response);
      assertEquals([echo.method, header(echo, "cookie")], ["GET", "sid=s3cret"]);
      assertEquals(response.history.map(({ status }) => status), [302]);
    }),
    withJar(`an Expires with a comma survives: ${what}`, make, async (session, _, { scope }) => {
      await session.get(setting(scope.url, [
        "past=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Path=/",
        "future=2; Expires=Fri, 31 Dec 2100 23:59:59 GMT; Path=/",
        "last=3; Path=/",
      ]));
      const echo = await readEcho(await session.get(`${scope.url}/echo`));
      assertEquals(header(echo, "cookie"), "future=2; last=3");
    }),
    withJar(`a name that is given and in the jar is sent once: ${what}`, make, async (session, _, { scope }) => {
      await session.get(setting(scope.url, ["sid=jar; Path=/", "b=2; Path=/"]));
      const headers = { cookie: "a=1; sid=given" };
      const first = await readEcho(await session.get(`${scope.url}/echo`, { headers }));
      assertEquals(header(first, "cookie"), "a=1; sid=given; b=2");
      const kept = await readEcho(await session.get(redirect(scope.url, "/echo"), { headers }));
      assertEquals(header(kept, "cookie"), "a=1; sid=given; b=2");
      const renewed = setting(scope.url, ["sid=new; Path=/"], "/echo");
      const next = await readEcho(await session.get(renewed, { headers }));
      assertEquals(header(next, "cookie")!.split("; ").sort(), ["a=1", "b=2", "sid=new"]);
    }),
    withJar(`a cookie that the jar rejects is no failure: ${what}`, make, async (session, _, { scope }) => {
      const url = setting(scope.url, ["a=1; Domain=example.com; Path=/", "b=2; Path=/"]);
      assertEquals((await session.get(url)).status, 200);
      assertEquals(header(await readEcho(await session.get(`${scope.url}/echo`)), "cookie"), "b=2");
    }),
    withJar(`a cookie of one host is not sent to another: ${what}`, make, async (session, _, { scope }) => {
      // The same server under another name: cookies know no ports, so that a second port would not
      // do.
      const local = scope.url.replace("127.0.0.1", "localhost");
      await session.get(`${scope.url}/set-cookie?a=1`);
      const away = await readEcho(await session.get(redirect(scope.url, `${local}/echo`)));
      assertEquals(header(away, "cookie"), undefined);
      const back = await readEcho(await session.get(redirect(scope.url, redirect(local, `${scope.url}/echo`))));
      assertEquals(header(back, "cookie"), "a=1");
    }),
  ]),

  withJar("each hop asks the jar for its own URL, and tells it what it set", () => new Recorder(), async (
    session,
    jar,
    { scope },
  ) => {
    const response = await session.get(setting(scope.url, ["a=1", "b=2"], redirect(scope.url, "/echo", 307)));
    assertEquals(jar.calls, [
      "get /redirect/302",
      "set a=1 for /redirect/302",
      "set b=2 for /redirect/302",
      "get /redirect/307",
      "get /echo",
    ]);
    // The cookies of the hops before did not ride along, nor do they stay on the request.
    assertEquals(header(await readEcho(response), "cookie"), "of=/echo");
  }),
  withJar("a hop's cookies never ride along, even where the jar has none for the next", () => {
    const jar: Jar = { getCookieString: (url) => url.endsWith("/echo") ? "" : "secret=1", setCookie() {} };
    return jar;
  }, async (session, _, { scope }) => {
    const echo = await readEcho(await session.get(redirect(scope.url, redirect(scope.url, "/echo"))));
    assertEquals(header(echo, "cookie"), undefined);
  }),
  withJar(
    "a Cookie of the caller's goes before those of the jar, and stops at a change of origin",
    () => new Recorder(),
    async (
      session,
      _,
      { scope, openScope },
    ) => {
      const other = await openScope();
      const cookie = async (url: string) =>
        header(await readEcho(await session.get(url, { headers: { cookie: "own=1" } })), "cookie");
      assertEquals(await cookie(`${scope.url}/echo`), "own=1; of=/echo");
      assertEquals(await cookie(redirect(scope.url, "/echo")), "own=1; of=/echo");
      assertEquals(await cookie(redirect(scope.url, `${other.url}/echo`)), "of=/echo");
    },
  ),
  withJar(
    'cookies are kept with redirect: "manual" and "error" too',
    () => new CookieJar(),
    async (session, _, { scope }) => {
      await session.get(setting(scope.url, ["a=1; Path=/"], "/echo"), { redirect: "manual" });
      await session.get(setting(scope.url, ["b=2; Path=/"], "/echo"), { redirect: "error" }).catch(() => {});
      assertEquals(header(await readEcho(await session.get(`${scope.url}/echo`)), "cookie"), "a=1; b=2");
    },
  ),
  ...(["throws", "rejects"] as const).map((how) => {
    const failure = new Error("the jar's disk is full");
    const fail = failing(how, failure);
    return withJar(
      `a jar that ${how} when asked ends the request with its error`,
      () => ({ getCookieString: fail, setCookie() {} }),
      async (session, _, { scope }) => {
        assertStrictEquals(await session.get(`${scope.url}/echo`).catch((error) => error), failure);
        assertStrictEquals(await session.fetch(`${scope.url}/echo`).catch((error) => error), failure);
        assertEquals((await scope.stats()).requests, 0);
        assertEquals([session.exchanges(), session.pool.stats().active], [[], 0]);
      },
    );
  }),
  ...(["throws", "rejects"] as const).map((how) => {
    const failure = new Error("no such cookie");
    const fail = failing(how, failure);
    return withJar(
      `a jar that ${how} when told of a cookie does no harm`,
      () => ({ getCookieString: () => "", setCookie: fail }),
      async (session, _, { scope }) => {
        assertEquals(await (await session.get(setting(scope.url, ["a=1", "b=2"], "/chain/1"))).text(), "end");
      },
    );
  }),
  withJar("a jar that never answers is ended by the total timeout, and holds no connection", () => ({
    getCookieString: () => new Promise<string>(() => {}),
    setCookie() {},
  }), async (session, _, { scope }) => {
    const error = await session.get(`${scope.url}/echo`, { timeout: 50 }).catch((error) => error);
    assertEquals([error.name, error.phase], ["TimeoutError", "total"]);
    const pending = session.get(`${scope.url}/echo`).catch((error) => error);
    assertEquals(session.pool.stats().active, 0);
    await session.close();
    assertEquals((await pending).name, "SessionClosedError");
    assertEquals((await scope.stats()).requests, 0);
  }),
  withJar("sessions may share a jar", () => new CookieJar(), async (session, jar, { scope }) => {
    await session.get(`${scope.url}/set-cookie?a=1`);
    const other = new Session({ cookieJar: jar });
    try {
      assertEquals(header(await readEcho(await other.get(`${scope.url}/echo`)), "cookie"), "a=1");
    } finally {
      await other.close();
    }
  }),
  withSession("without a jar no cookie is kept", async (session, { scope }) => {
    await session.get(`${scope.url}/set-cookie?a=1`);
    const echo = await readEcho(await session.get(setting(scope.url, ["b=2; Path=/"], "/echo")));
    assertEquals(header(echo, "cookie"), undefined);
  }, { needs: ["allHeaders"] }),
  {
    name: "a response whose headers give no list of cookies is one without cookies",
    async run() {
      const throwing = () => {
        throw new Error("Not implemented");
      };
      for (const value of [throwing, () => undefined, () => 1, () => ({}), undefined]) {
        const answer = () => {
          const response = new Response("text");
          Object.defineProperty(response.headers, "getSetCookie", { value });
          return Promise.resolve(response);
        };
        const kept: string[] = [];
        const cookieJar = { getCookieString: () => "", setCookie: (cookie: string) => void kept.push(cookie) };
        const session = new Session({ cookieJar, fetch: answer });
        const texts = await catchingAll(async () => [
          await (await session.get("http://x.test/")).text(),
          await (await session.fetch("http://x.test/")).text(),
        ]);
        assertEquals([texts, kept], [["text", "text"], []]);
        await session.close();
      }
    },
  },
];
