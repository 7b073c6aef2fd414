// Copyright 2026 the Hangup authors. MIT license.
import { assert, assertEquals, assertMatch } from "@std/assert";

const pages = ["README.md", "docs/coming-from.md"];

let busy = 2;

/** What the examples talk to. It answers `/stuck` when the test is `over`, and `/busy` at the third try. */
async function answer(request: Request, over: Promise<void>): Promise<Response> {
  const { pathname } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "POST /users":
      return Response.json(await request.json(), { status: 201 });
    case "POST /login":
      return new Response(null, { status: 204, headers: { "set-cookie": "id=1" } });
    case "GET /me":
      return new Response(request.headers.get("cookie"));
    case "GET /log":
      return new Response("first\nsecond\n".repeat(100_000));
    case "GET /busy":
      return busy-- > 0 ? new Response("later", { status: 503 }) : new Response("at last");
    case "GET /stuck":
      await over;
      return new Response();
    default:
      return Response.json({ name: "Ada" });
  }
}

/** Imports a snippet with the server in place of example.com, asks it if it is a worker; returns what it logged. */
async function run(code: string, origin: string): Promise<string[]> {
  const logged: string[] = [];
  const { log } = console;
  console.log = (...values) => {
    logged.push(values.map((value) => typeof value === "string" ? value : Deno.inspect(value)).join(" "));
  };
  try {
    const resolved = code
      .replace(/(?<= from )"([^"]+)"/g, (_, name) => JSON.stringify(import.meta.resolve(name)))
      .replaceAll(/https:\/\/example\.com(?=.*["`])/g, origin);
    const { default: worker } = await import(`data:application/typescript,${encodeURIComponent(resolved)}`);
    if (worker) assertMatch(await (await worker.fetch(new Request(origin))).text(), /^first\n/);
  } finally {
    console.log = log;
  }
  return logged.map((text) => text.replaceAll(origin, "https://example.com"));
}

for (const page of pages) {
  const text = await Deno.readTextFile(new URL(`../${page}`, import.meta.url));
  for (const [i, { 1: code, index }] of [...text.matchAll(/^ *```ts\n(.*?)^ *```$/gms)].entries()) {
    const [, heading] = [...text.slice(0, index).matchAll(/^#+ (.*)$/gm)].at(-1) ?? [];
    Deno.test(`${page}'s example ${i + 1}, under "${heading}", logs what its comments say`, async () => {
      const over = Promise.withResolvers<void>();
      await using server = Deno.serve({ port: 0, onListen() {} }, (request) => answer(request, over.promise));
      const expected = Array.from(code.matchAll(/console\.log\(.*\); \/\/ (.*)/g), ([, comment]) => comment);
      try {
        assertEquals(await run(code, `http://127.0.0.1:${server.addr.port}`), expected);
      } finally {
        over.resolve();
      }
    });
  }
}

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\d _-]/gu, "").replaceAll(" ", "-");
}

for (const page of pages) {
  Deno.test(`${page} links to what is there, and is published with it`, async () => {
    const root = new URL("../", import.meta.url);
    const { publish } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
    const text = await Deno.readTextFile(new URL(page, root));
    for (const [, link] of text.matchAll(/\]\(([^)]+)\)/g)) {
      const { href, hash } = new URL(link, new URL(page, root));
      if (!href.startsWith(root.href)) continue; // another site's
      const path = href.slice(root.href.length).replace(/#.*/, "");
      const isPublished = publish.include.some((included: string) => `${path}/`.startsWith(`${included}/`));
      assert(isPublished, `Not published: ${link}`);
      const target = await Deno.readTextFile(new URL(path, root));
      const anchors = Array.from(target.matchAll(/^#+ (.*)$/gm), ([, heading]) => anchorOf(heading));
      assert(hash === "" || anchors.includes(hash.slice(1)), `No such heading: ${link}`);
    }
  });
}
