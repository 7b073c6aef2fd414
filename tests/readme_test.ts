// Copyright 2026 the Hangup authors. MIT license.
import { assertEquals } from "@std/assert";

const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
const snippets = Array.from(readme.matchAll(/^```ts\n(.*?)^```$/gms), ([, code]) => code);

/** What the README's examples talk to. It answers `/stuck` when the test is `over`. */
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
    case "GET /stuck":
      await over;
      return new Response();
    default:
      return Response.json({ name: "Ada" });
  }
}

/** Imports a snippet with the server in place of example.com; returns what it logged. */
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
    await import(`data:application/typescript,${encodeURIComponent(resolved)}`);
  } finally {
    console.log = log;
  }
  return logged.map((text) => text.replaceAll(origin, "https://example.com"));
}

for (const [i, code] of snippets.entries()) {
  const [, heading] = [...readme.slice(0, readme.indexOf(code)).matchAll(/^#+ (.*)$/gm)].at(-1) ?? [];
  Deno.test(`README.md's example ${i + 1}, under "${heading}", logs what its comments say`, async () => {
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
