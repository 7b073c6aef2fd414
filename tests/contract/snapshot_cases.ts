// Copyright 2026 the Hangup authors. MIT license.
//
// Promise 7, "your request is yours": what is sent are the body and the headers as they were at the
// call, whatever the caller does to them while the request waits, asks a jar, is redirected or sent
// once more.
import { assert, assertEquals } from "@std/assert";
import { Session, type SessionOptions, type SessionRequestInit } from "../../mod.ts";
import type { Capability, Case, TestContext } from "../harness/case.ts";
import { foreignBuffer } from "../harness/realm.ts";
import { type Echo, header, readEcho } from "../harness/with_session.ts";

type Body = NonNullable<SessionRequestInit["body"]>;

/** What a call is given, and how the caller changes it right after the call. */
interface Given {
  init: SessionRequestInit<true>;
  change(): void;
  /** Throws unless the server got what was given. */
  check(echo: Echo): void;
}

function body(make: () => { body: Body; change: () => void }, expected: string): () => Given {
  return () => {
    const { body, change } = make();
    return { init: { method: "PUT", body }, change, check: (echo) => assertEquals(echo.body, expected) };
  };
}

function headers(make: () => { headers: HeadersInit; change: () => void }): () => Given {
  return () => {
    const { headers, change } = make();
    return {
      init: { method: "PUT", headers, body: "text" },
      change,
      check: (echo) => assertEquals([header(echo, "x-a"), header(echo, "x-b")], ["1", undefined]),
    };
  };
}

const BYTES = () => new TextEncoder().encode("..before..");
const fill = (buffer: ArrayBuffer) => () => void new Uint8Array(buffer).fill(120);

const GIVEN: Record<string, () => Given> = {
  "URLSearchParams": body(() => {
    const body = new URLSearchParams({ id: "before" });
    const change = () => {
      body.set("id", "after");
      body.set("more", "1");
    };
    return { body, change };
  }, "id=before"),
  "FormData": () => {
    const body = new FormData();
    body.set("id", "before");
    return {
      init: { method: "PUT", body },
      change: () => body.set("id", "after"),
      check(echo) {
        assert(echo.body.includes("before") && !echo.body.includes("after"), echo.body);
        // The boundary is in both.
        const [, boundary] = /boundary="?([^";]+)/.exec(header(echo, "content-type") ?? "") ?? [];
        assert(boundary && echo.body.includes(boundary), `${header(echo, "content-type")}\n${echo.body}`);
      },
    };
  },
  "an ArrayBuffer": body(() => {
    const { buffer } = BYTES();
    return { body: buffer, change: fill(buffer) };
  }, "..before.."),
  "an ArrayBuffer that is detached": body(() => {
    const { buffer } = BYTES();
    return { body: buffer, change: () => void structuredClone(buffer, { transfer: [buffer] }) };
  }, "..before.."),
  "an ArrayBuffer of another realm": body(() => {
    const buffer = foreignBuffer("..before..");
    return { body: buffer, change: fill(buffer) };
  }, "..before.."),
  "a Uint8Array": body(() => {
    const bytes = BYTES();
    return { body: bytes, change: fill(bytes.buffer) };
  }, "..before.."),
  "a view of a larger buffer": body(() => {
    const { buffer } = BYTES();
    return { body: new Uint8Array(buffer, 2, 6), change: fill(buffer) };
  }, "before"),
  "a DataView of a larger buffer": body(() => {
    const { buffer } = BYTES();
    return { body: new DataView(buffer, 2, 6), change: fill(buffer) };
  }, "before"),
  "a Uint16Array of a larger buffer": body(() => {
    const { buffer } = BYTES();
    return { body: new Uint16Array(buffer, 2, 3), change: fill(buffer) };
  }, "before"),
  "an object with toString()": body(() => {
    class Text {
      text = "before";
      toString() {
        return this.text;
      }
    }
    const text = new Text();
    return { body: text as unknown as Body, change: () => void (text.text = "after") };
  }, "before"),
  "a large Uint8Array": () => {
    const bytes = new Uint8Array(200_000).fill(97);
    return {
      init: { method: "PUT", body: bytes },
      change: () => void bytes.fill(98),
      check: ({ body, bodyLength }) => assertEquals([bodyLength, body.replaceAll("a", "")], [200_000, ""]),
    };
  },
  "json": () => {
    const json = { id: "before" };
    const change = () => void (json.id = "after");
    return { init: { method: "PUT", json }, change, check: (echo) => assertEquals(echo.body, '{"id":"before"}') };
  },
  "query": () => {
    const query = new URLSearchParams({ id: "before" });
    const change = () => query.set("id", "after");
    const check = ({ url }: Echo) => assert(url.includes("id=before") || !url.includes("id="), url);
    return { init: { method: "PUT", query, body: "text" }, change, check };
  },
  "Headers": headers(() => {
    const headers = new Headers({ "x-a": "1" });
    const change = () => {
      headers.set("x-a", "2");
      headers.set("x-b", "2");
    };
    return { headers, change };
  }),
  "a record of headers": headers(() => {
    const headers: Record<string, string> = { "x-a": "1" };
    return { headers, change: () => void Object.assign(headers, { "x-a": "2", "x-b": "2" }) };
  }),
  "pairs of headers": headers(() => {
    const headers: [string, string][] = [["x-a", "1"]];
    const change = () => {
      headers[0]![1] = "2";
      headers.push(["x-b", "2"]);
    };
    return { headers, change };
  }),
  "the init object": () => {
    const init: SessionRequestInit<true> = {
      method: "PUT",
      body: "before",
      headers: { "x-a": "1" },
      timeout: { headers: 5000 },
    };
    return {
      init,
      change() {
        Object.assign(init, { method: "DELETE", body: "after", headers: { "x-a": "2" }, redirect: "error" });
        Object.assign(init.timeout as object, { headers: 1, queue: 1, total: 1 });
      },
      check: (echo) => assertEquals([echo.method, echo.body, header(echo, "x-a")], ["PUT", "before", "1"]),
    };
  },
};

/** When the caller changes what it gave: before all that the request has to wait for. */
interface Moment {
  needs?: Capability;
  options?: SessionOptions;
  /** The path that is asked for. */
  path?: string;
  /** Prepares it, and returns what lets the request go on. */
  before?(session: Session, t: TestContext): Promise<() => Promise<unknown>>;
}

const cookieJar = {
  getCookieString: () => new Promise<string>((resolve) => setTimeout(resolve, 10, "")),
  setCookie() {},
};

const MOMENTS: Record<string, Moment> = {
  "right after the call": {},
  "while it waits for a connection": {
    options: { pool: { maxConnections: 1 } },
    async before(session, { scope }) {
      const held = session.get(`${scope.url}/hold?key=a`);
      await scope.wait({ requests: 1 }, 10_000);
      return async () => {
        await scope.release("a");
        await held;
      };
    },
  },
  "while a jar is asked": { options: { cookieJar } },
  "before a redirect": { path: "/redirect/307?to=/echo" },
  "before a redirect, with a jar": {
    needs: "followsRedirects",
    path: "/redirect/308?to=/echo",
    options: { cookieJar },
  },
  "before a redirect with a body": { path: "/redirect/307?body=1000&to=/echo" },
  "before it is sent once more, as its connection is dead": {
    needs: "retriesStale",
    options: { pool: { maxConnections: 1 } },
    async before(session, { scope }) {
      await session.get(`${scope.url}/bytes/10`);
      await scope.wait({ pending: 0 });
      await scope.drop();
      return () => Promise.resolve();
    },
  },
};

/** How a call is made. */
const CALLS: Record<string, (session: Session, url: string, init: SessionRequestInit<true>) => Promise<Echo>> = {
  "request": async (session, url, init) => await readEcho(await session.request(url, init)),
  "fetch": async (session, url, init) => await readEcho(await session.fetch(url, init)),
};

/** Makes both calls at such a moment. */
async function callAndChange(t: TestContext, make: () => Given, moment: Moment): Promise<void> {
  const { options, path = "/echo", before } = moment;
  const session = new Session(options);
  try {
    for (const [name, call] of Object.entries(CALLS)) {
      const { init, change, check } = make();
      if (name === "fetch" && (init.json ?? init.query) !== undefined) continue; // mean nothing to the standard `fetch`
      const goOn = await before?.(session, t);
      const sent = call(session, t.scope.url + path, init);
      sent.catch(() => {}); // looked at below
      change();
      await goOn?.();
      check(await sent);
    }
  } finally {
    await session.close();
  }
}

function keeps(what: string): Case {
  return {
    name: `a request is sent as it was at the call, whatever becomes of what was given: ${what}`,
    async run(t) {
      for (const [when, moment] of Object.entries(MOMENTS)) {
        if (moment.needs && !t.can(moment.needs)) continue;
        await callAndChange(t, GIVEN[what]!, moment).catch((cause) => {
          throw new Error(`It was changed ${when}`, { cause });
        });
      }
      await t.scope.wait(t.can("closesSockets") ? { open: 0, pending: 0 } : { pending: 0 });
    },
  };
}

/** What the transport is given for each body. */
async function passed(body: Body): Promise<unknown> {
  let given: unknown;
  const fetch: typeof globalThis.fetch = (_, init) => {
    given = init?.body;
    return Promise.resolve(new Response());
  };
  const session = new Session({ fetch });
  await session.post("http://x.test/", { body });
  await session.close();
  return given;
}

export const cases: Case[] = [
  ...Object.keys(GIVEN).map(keeps),
  {
    name: "what Bun sends of a SharedArrayBuffer is what it held at the call",
    async run({ runtime, scope }) {
      if (runtime !== "bun") return; // no other runtime sends its bytes
      const buffer = new SharedArrayBuffer(2);
      const bytes = new Uint8Array(buffer).fill(97);
      const session = new Session();
      const init = { method: "PUT", body: buffer as unknown as BodyInit };
      const sent = session.fetch(`${scope.url}/redirect/307?to=/echo`, init);
      bytes.fill(98);
      assertEquals((await readEcho(await sent)).body, "aa");
      await session.close();
    },
  },
  {
    name: "headers of a session are those that it was made with",
    async run({ scope }) {
      const headers = new Headers({ "x-a": "1" });
      const session = new Session({ headers });
      headers.set("x-a", "2");
      assertEquals(header(await readEcho(await session.get(`${scope.url}/echo`)), "x-a"), "1");
      await session.close();
    },
  },
  {
    name: "a request's headers are not those of the next",
    async run({ scope }) {
      const session = new Session({ headers: { "x-a": "1" } });
      await session.post(`${scope.url}/echo`, { headers: { "x-a": "2", "x-b": "2" }, json: {} });
      const echo = await readEcho(await session.get(`${scope.url}/echo`));
      assertEquals([header(echo, "x-a"), header(echo, "x-b"), header(echo, "content-type")], [
        "1",
        undefined,
        undefined,
      ]);
      await session.close();
    },
  },
  {
    name: "a string and a Blob are passed on as they are, and no bytes are copied twice",
    async run() {
      const blob = new Blob(["text"]);
      assertEquals(await passed("text"), "text");
      assert(await passed(blob) === blob);
      const bytes = new Uint8Array([97, 98, 99, 100]);
      const copy = await passed(bytes.subarray(1, 3));
      const size = copy instanceof Blob ? copy.size : ((copy as Uint8Array).buffer ?? copy as ArrayBuffer).byteLength;
      assertEquals(size, 2); // of what is sent, and nothing besides
    },
  },
];
