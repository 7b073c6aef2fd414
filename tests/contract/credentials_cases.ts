// Copyright 2026 the Hangup authors. MIT license.
//
// Where a session has a `baseUrl`, the credentials among its default headers go to that origin
// alone, wherever a URL or a redirect leads. Those that are given with a request go where the
// request goes.
import { assertEquals } from "@std/assert";
import { Session, type SessionOptions, type SessionRequestInit } from "../../mod.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { type Echo, header, readEcho } from "../harness/with_session.ts";
import type { Scope } from "../server/client.ts";

const SECRETS = { "authorization": "Bearer a", "cookie": "a=1", "proxy-authorization": "Basic a" };
const DEFAULTS = { ...SECRETS, "x-client": "c" };

/** Browsers let no program send `Cookie` and `Proxy-Authorization`. */
const needs = ["allHeaders" as const];

/** Which of the credentials arrived, and whether the other default did. */
function arrived(echo: Echo): string[] {
  return Object.keys(DEFAULTS).filter((name) => header(echo, name) !== undefined);
}

const ALL = Object.keys(DEFAULTS);
const NONE = ["x-client"];

/**
 * What a caller, or somebody who writes what a caller passes on, may ask for instead of a path.
 * `//` is the other origin.
 */
const ELSEWHERE: Record<string, (other: string) => string> = {
  "an absolute URL": (other) => `http:${other}/echo`,
  "//host": (other) => `${other}/echo`,
  "\\\\host": (other) => `${other.replaceAll("/", "\\")}/echo`,
  "/\\host": (other) => `${other.replace("//", "/\\")}/echo`,
  "/<tab>/host": (other) => `${other.replace("//", "/\t/")}/echo`,
  "/<newline>/host": (other) => `${other.replace("//", "/\n/")}/echo`,
  "spaces and //host": (other) => `  ${other}/echo`,
  "HTTP:host": (other) => `HTTP:${other}/echo`,
  "a path with .. and //host": (other) => `${other}/a/../echo`,
};

/** What stays on the origin. */
const HERE: Record<string, (own: string) => string> = {
  "a relative path": () => "./../../echo",
  "an absolute path": () => "/echo",
  "..": () => "../../echo",
  "an absolute URL": (own) => `${own}/echo`,
  "an absolute URL with a user": (own) => `${own.replace("//", "//:@")}/echo`,
  "a URL object": (own) => `${own}/echo?`,
};

/** How a request is made of an input. */
const CALLS: Record<string, (session: Session, input: string, init?: SessionRequestInit<true>) => Promise<Echo>> = {
  "get()": async (session, input, init) => await readEcho(await session.get<true>(input, init)),
  "request() of a URL": async (session, input, init) => {
    const { baseUrl } = BASES.get(session)!;
    return await readEcho(await session.request<true>(new URL(input, baseUrl), init));
  },
  "fetch()": async (session, input, init) => await readEcho(await session.fetch(input, init)),
  "fetch() of a Request": async (session, input, init) => {
    const { baseUrl } = BASES.get(session)!;
    return await readEcho(await session.fetch(new Request(new URL(input, baseUrl), init)));
  },
};

/** What each session was made with. */
const BASES = new WeakMap<Session, SessionOptions>();

/** Runs with a session whose base is the case's scope, and a second origin. */
async function withBase(
  t: TestContext,
  run: (session: Session, own: string, other: Scope) => Promise<void>,
  options: SessionOptions = {},
): Promise<void> {
  const other = await t.openScope();
  const all = { baseUrl: `${t.scope.url}/api/v1/`, headers: DEFAULTS, ...options };
  const session = new Session(all);
  BASES.set(session, all);
  try {
    await run(session, t.scope.url, other);
  } finally {
    await session.close();
  }
}

const redirect = (to: string, status = 307) => `/redirect/${status}?to=${encodeURIComponent(to)}`;

export const cases: Case[] = [
  ...Object.entries(ELSEWHERE).map(([what, elsewhere]): Case => ({
    name: `default credentials do not leave the origin of baseUrl: ${what}`,
    needs,
    run: (t) =>
      withBase(t, async (session, _, other) => {
        const input = elsewhere(other.url.replace(/^http:/, ""));
        for (const [way, call] of Object.entries(CALLS)) assertEquals(arrived(await call(session, input)), NONE, way);
        assertEquals((await t.scope.stats()).requests, 0);
      }),
  })),
  ...Object.entries(HERE).map(([what, here]): Case => ({
    name: `default credentials go to the origin of baseUrl: ${what}`,
    needs,
    run: (t) =>
      withBase(t, async (session, own) => {
        const input = here(own);
        const echo = await readEcho(await session.get(what === "a URL object" ? new URL(input) : input));
        assertEquals(arrived(echo), ALL);
      }),
  })),
  ...[301, 302, 303, 307, 308].map((status): Case => ({
    name: `default credentials stop where a redirect leaves the origin of baseUrl: ${status}`,
    needs: ["followsRedirects", ...needs],
    run: (t) =>
      withBase(t, async (session, own, other) => {
        for (const input of [redirect(`${other.url}/echo`, status), redirect(`//${other.url.slice(7)}/echo`, status)]) {
          assertEquals(arrived(await readEcho(await session.get(input))), NONE);
        }
        // And stay away on the way back, as at any change of origin.
        const back = redirect(`${other.url}${redirect(`${own}/echo`, status)}`, status);
        assertEquals(arrived(await readEcho(await session.get(back))), NONE);
        assertEquals(arrived(await readEcho(await session.get(redirect("/echo", status)))), ALL);
      }),
  })),
  {
    name: "a redirect from elsewhere to the origin of baseUrl brings no default credentials",
    needs: ["followsRedirects", ...needs],
    run: (t) =>
      withBase(t, async (session, own, other) => {
        assertEquals(arrived(await readEcho(await session.get(`${other.url}${redirect(`${own}/echo`)}`))), NONE);
      }),
  },
  ...Object.entries(CALLS).map(([way, call]): Case => ({
    name: `credentials that are given with a request go where it goes: ${way}`,
    needs,
    run: (t) =>
      withBase(t, async (session, _, other) => {
        for (const name of Object.keys(SECRETS)) {
          const echo = await call(session, `${other.url}/echo`, { headers: { [name]: "b" } });
          assertEquals([header(echo, name), arrived(echo).sort()], ["b", [name, ...NONE].sort()]);
        }
      }),
  })),
  {
    name: "a user in the URL goes where that goes, and the session's own does not",
    needs,
    run: (t) =>
      withBase(t, async (session, _, other) => {
        const echo = await readEcho(await session.get(`${other.url.replace("//", "//ann:b@")}/echo`));
        assertEquals([header(echo, "authorization"), arrived(echo)], [`Basic ${btoa("ann:b")}`, [
          "authorization",
          ...NONE,
        ]]);
      }),
  },
  {
    name: "a user in baseUrl goes to its origin alone",
    needs,
    async run(t) {
      const baseUrl = `${t.scope.url.replace("//", "//ann:b@")}/`;
      await withBase(t, async (session, _, other) => {
        const of = async (url: string) => header(await readEcho(await session.get(url)), "authorization");
        assertEquals(await of("echo"), `Basic ${btoa("ann:b")}`);
        assertEquals(await of(`${other.url}/echo`), undefined);
      }, { baseUrl, headers: {} });
    },
  },
  {
    name: "default credentials go everywhere without a baseUrl, and stop at a redirect",
    needs,
    async run(t) {
      const other = await t.openScope();
      const session = new Session({ headers: DEFAULTS });
      for (const { url } of [t.scope, other]) {
        assertEquals(arrived(await readEcho(await session.get(`${url}/echo`))), ALL);
      }
      if (t.can("followsRedirects")) {
        const elsewhere = `${t.scope.url}${redirect(`${other.url}/echo`)}`;
        assertEquals(arrived(await readEcho(await session.get(elsewhere))), NONE);
      }
      await session.close();
    },
  },
  {
    name: "another port, and another scheme, is another origin than that of baseUrl",
    needs: ["closesSockets", ...needs],
    run: (t) =>
      withBase(t, async (session, own) => {
        const secure = await t.openScope({ tls: 1 });
        assertEquals(arrived(await readEcho(await session.get(`${secure.url}/echo`))), NONE);
        const named = own.replace("127.0.0.1", "localhost");
        assertEquals(arrived(await readEcho(await session.get(`${named}/echo`))), NONE);
      }),
  },
];
