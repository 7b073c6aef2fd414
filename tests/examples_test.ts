// Copyright 2026 the Hangup authors. MIT license.
//
// The examples, each run on its runtime against a server of the test's.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { lines } from "./harness/lines.ts";
import { findRuntime } from "./harness/runtimes.ts";

const LIMIT_MS = 30_000;

const deno = [Deno.execPath(), "run", "-A", "--no-check"];
const bun = [findRuntime("bun") ?? "bun"];
const node = [findRuntime("node26") ?? "node"];

interface Options {
  args?: string[];
  env?: Record<string, string>;
  /** Called with each line as it comes. */
  onLine?(line: string, child: Deno.ChildProcess): void | Promise<void>;
}

/** Runs an example to its end; returns the lines that it printed. Fails if it fails, or hangs. */
async function run(runtime: string[], name: string, { args = [], env, onLine }: Options = {}): Promise<string[]> {
  const [executable, ...before] = runtime;
  const child = new Deno.Command(executable, {
    args: [...before, ...name === "" ? [] : [fileURLToPath(new URL(`../examples/${name}`, import.meta.url))], ...args],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  try {
    const errors = new Response(child.stderr).text();
    const printed: string[] = [];
    for await (const line of lines(child.stdout)) {
      printed.push(line);
      await onLine?.(line, child);
    }
    const { code } = await child.status;
    assertEquals(code, 0, `${printed.join("\n")}\n${await errors}`);
    return printed;
  } finally {
    clearTimeout(timer);
  }
}

/** Serves on the loopback. */
function serve(handler: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ port: 0, onListen() {} }, handler);
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("examples/crawl.ts visits 200 pages through 8 connections", async () => {
  const visited = new Set<string>();
  const full = Promise.withResolvers<void>();
  let underWay = 0;
  let most = 0;
  await using server = serve(async (request) => {
    most = Math.max(most, ++underWay);
    if (underWay === 8) setTimeout(full.resolve, 50); // time for a ninth, which must not come
    if (request.url !== server.url) await full.promise;
    underWay--;
    const { pathname } = new URL(request.url);
    assert(!visited.has(pathname), `Visited twice: ${pathname}`);
    visited.add(pathname);
    if (pathname === "/3") return new Response(null, { status: 404 });
    const page = Number(pathname.slice(1));
    const links = Array.from({ length: 20 }, (_, i) => `<a href="/${page * 20 + i + 1}">`).join("\n");
    return new Response(`${links}<a href="https://example.com/elsewhere">`);
  });
  const printed = await run(deno, "crawl.ts", { args: [server.url] });
  assertMatch(printed.at(-1)!, /^200 pages, \d+ bytes, 1 failed$/);
  assertEquals(visited.size, 200);
  assertEquals(most, 8);
});

Deno.test({
  name: "examples/service.ts answers what it has taken when it is told to end, and ends",
  ignore: Deno.build.os === "windows", // has no SIGTERM
  async fn() {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    await using users = serve(({ url }) => Response.json({ id: new URL(url).pathname }));
    await using orders = serve(async ({ url }) => {
      if (url.endsWith("?user=slow")) {
        asked.resolve();
        await answer.promise;
      }
      return Response.json([new URL(url).search]);
    });
    let quick: unknown, slow: Promise<unknown> | undefined;
    const get = async (url: string) => await (await fetch(url, { headers: { connection: "close" } })).json();
    const printed = await run(bun, "service.ts", {
      env: { USERS_URL: users.url, ORDERS_URL: orders.url, PORT: "0" },
      async onLine(line, child) {
        const [, url] = /^Listening on (.*)$/.exec(line) ?? [];
        if (!url) return;
        quick = await get(`${url}ada`);
        slow = get(`${url}slow`);
        slow.catch(() => {}); // awaited below
        await asked.promise;
        child.kill("SIGTERM");
        answer.resolve();
      },
    });
    assertEquals(quick, { user: { id: "/ada" }, orders: ["?user=ada"] });
    assertEquals(await slow, { user: { id: "/slow" }, orders: ["?user=slow"] });
    assertEquals(printed.at(-1), "Drained, 0 requests cut off");
  },
});

/** Starts the worker on workerd: `ask` sends it a request. */
const onWorkerd = `
  import { build } from "esbuild";
  import { convertV4MiniflareOptions, Miniflare } from "miniflare";
  const entryPoints = ["examples/worker.ts"];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: "esm", target: "es2024", write: false });
  const worker = new Miniflare(convertV4MiniflareOptions({
    modules: true,
    script: outputFiles[0].text,
    compatibilityDate: "2026-10-01",
    cf: false,
    bindings: env,
  }));
  const ask = (url, init) => worker.dispatchFetch(url, init);
  const end = () => worker.dispose();`;
/** The same where a handler can be called as a function. */
const asFunction = `
  import worker from "./examples/worker.ts";
  const ask = (url, init) => worker.fetch(new Request(url, init), env);
  const end = () => {};`;

for (
  const [name, runtime, start] of [
    ["Deno", [Deno.execPath(), "eval"], asFunction],
    ["Bun", [...bun, "--eval"], asFunction],
    ["workerd", [...node, "--input-type=module", "--eval"], onWorkerd],
  ] as const
) {
  Deno.test(`examples/worker.ts passes a stream on and sets a cookie on ${name}`, async () => {
    await using server = serve(({ url }) => new Response(`${"log\n".repeat(50_000)}${new URL(url).pathname}`));
    const script = `
      const env = { UPSTREAM: ${JSON.stringify(server.url)} };
      ${start}
      for (const [path, headers] of [["log", {}], ["/log", { cookie: "visited=1" }]]) {
        const response = await ask("http://worker.example/" + path, { headers });
        const text = await response.text();
        console.log(response.status, text.slice(200_000).endsWith("/log"), response.headers.getSetCookie().join());
      }
      await end();`;
    assertEquals((await run([...runtime, script], "")).map((line) => line.trim()), [
      "200 true visited=1; Path=/; Secure; HttpOnly; SameSite=Lax",
      "200 true",
    ]);
  });
}

const CONTENT = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);

/** How a server answers downloads, and what it was asked. */
interface Files {
  etag?: string;
  /** By how many bytes a resumed answer begins later than requested. */
  shift?: number;
  /** Whether answers have no Content-Length. */
  chunked?: boolean;
  /** Whether ranges are served whatever If-Range says. */
  careless?: boolean;
  ranges: (string | null)[];
}

function answer(request: Request, { etag, shift = 0, chunked, careless, ranges }: Files): Response {
  const range = request.headers.get("range");
  ranges.push(range);
  // Node adds "identity" to what a request with a range has.
  assertMatch(request.headers.get("accept-encoding")!, /^identity(?:, identity)?$/);
  const headers = new Headers(etag === undefined ? {} : { etag });
  const served = range !== null && (careless || request.headers.get("if-range") === etag);
  const from = served ? Number(/^bytes=(\d+)-$/.exec(range)![1]) + shift : 0;
  if (served && from >= CONTENT.length) {
    headers.set("content-range", `bytes */${CONTENT.length}`);
    return new Response("Nothing there", { status: 416, headers });
  }
  if (served) headers.set("content-range", `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`);
  const bytes = CONTENT.subarray(from);
  return new Response(chunked ? new Blob([bytes]).stream() : bytes, { status: served ? 206 : 200, headers });
}

for (const [name, runtime] of [["Deno", deno], ["Bun", bun], ["Node", node]] as const) {
  Deno.test(`examples/download.ts resumes where it can on ${name}`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/file`;
    let files: Files = { ranges: [] };
    await using server = serve((request) => answer(request, files));
    /**
     * Downloads with what an earlier run left, and checks the file. Returns what was asked for and
     * printed.
     */
    async function download(answers: Omit<Files, "ranges">, part?: Uint8Array, etag?: string) {
      files = { ...answers, ranges: [] };
      if (part) await Deno.writeFile(`${path}.part`, part);
      if (etag) await Deno.writeTextFile(`${path}.etag`, etag);
      const printed = await run(runtime, "download.ts", { args: [server.url, path] });
      assertEquals(await Deno.readFile(path), CONTENT);
      assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name), ["file"]);
      assertEquals(printed.pop(), "Downloaded 300000 bytes");
      return [...files.ranges, ...printed];
    }
    const begun = CONTENT.subarray(0, 100_000);
    const other = new Uint8Array(100_000);
    try {
      assertEquals(await download({ etag: '"1"' }), [null]);
      assertEquals(await download({}), [null], "without a validator");
      assertEquals(await download({ chunked: true }), [null], "without a length");
      const resumed = ["bytes=100000-", "Resumed at 100000 bytes"];
      assertEquals(await download({ etag: '"1"' }, begun, '"1"'), resumed);
      assertEquals(await download({ etag: '"1"', chunked: true }, begun, '"1"'), resumed);
      assertEquals(await download({ etag: '"1"' }, CONTENT, '"1"'), ["bytes=300000-"], "a part that is whole");
      assertEquals(await download({ etag: '"1"' }, other, '"0"'), ["bytes=100000-"], "another version");
      assertEquals(await download({ etag: '"1"', careless: true }, other, '"0"'), ["bytes=100000-", null]);
      assertEquals(await download({ etag: '"1"', careless: true }, new Uint8Array(400_000), '"1"'), [
        "bytes=400000-",
        null,
      ], "a part that is longer than the file");
      assertEquals(await download({ etag: '"1"', shift: 7 }, begun, '"1"'), ["bytes=100000-", null]);
      assertEquals(await download({ etag: '"1"', shift: -7 }, begun, '"1"'), ["bytes=100000-", null]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  Deno.test(`examples/download.ts keeps only validators that can resume on ${name}`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/file`;
    let headers: Record<string, string> = {};
    await using server = serve(() => {
      const body = new ReadableStream({ start: (controller) => controller.enqueue(CONTENT) }); // never ends
      return new Response(body, { headers });
    });
    const script = fileURLToPath(new URL("../examples/download.ts", import.meta.url));
    const [executable, ...before] = runtime;
    /** Kills a download after it has what the server sent. Returns the validator that it leaves. */
    async function cutOff(sent: Record<string, string>): Promise<string | undefined> {
      headers = sent;
      const args = [...before, script, server.url, path];
      const child = new Deno.Command(executable!, { args, stdout: "null", stderr: "null" }).spawn();
      const size = () => Deno.stat(`${path}.part`).then(({ size }) => size, () => 0);
      const began = performance.now();
      while (await size() !== CONTENT.length) {
        assert(performance.now() - began < LIMIT_MS, "The part did not arrive");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      child.kill("SIGKILL");
      await child.status;
      return await Deno.readTextFile(`${path}.etag`).catch(() => undefined);
    }
    try {
      assertEquals(await cutOff({ etag: '"1"' }), '"1"');
      await Deno.remove(`${path}.part`);
      assertEquals(await cutOff({ etag: 'W/"1"' }), undefined, "weak");
      await Deno.remove(`${path}.part`);
      assertEquals(await cutOff({ etag: '"2"' }), '"2"');
      await Deno.remove(`${path}.part`);
      assertEquals(await cutOff({ etag: '"3"', "content-encoding": "x-odd" }), undefined, "of coded bytes");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

for (const [name, runtime] of [["Deno", deno], ["Bun", bun], ["Node", node]] as const) {
  Deno.test(`examples/downloads.ts downloads 50 files, five at a time, and resumes what is cut off on ${name}`, async () => {
    const folder = await Deno.makeTempDir();
    const full = Promise.withResolvers<void>();
    let underWay = 0;
    let most = 0;
    const cut = new Set<string>();
    await using server = serve((request) => {
      most = Math.max(most, ++underWay);
      if (underWay === 5) setTimeout(full.resolve, 50); // time for a sixth, which must not come
      const { pathname } = new URL(request.url);
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
      // Each fifth file is cut off once, in its middle.
      const cuts = Number(pathname.slice(1)) % 5 === 0 && !cut.has(pathname);
      if (cuts) cut.add(pathname);
      else if (cut.has(pathname)) assertEquals([from, request.headers.get("if-range")], [100_000, '"1"']);
      const headers = new Headers({ etag: '"1"', "content-length": String(CONTENT.length - from) });
      if (from > 0) headers.set("content-range", `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`);
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          await full.promise;
          if (cuts) {
            controller.enqueue(CONTENT.subarray(0, 100_000));
            const size = () => Deno.stat(`${folder}${pathname}.part`).then(({ size }) => size, () => 0);
            while (await size() !== 100_000) await new Promise((resolve) => setTimeout(resolve, 5));
            underWay--;
            controller.error(new Error("Cut off"));
          } else {
            underWay--;
            controller.enqueue(CONTENT.subarray(from));
            controller.close();
          }
        },
      });
      return new Response(body, { status: from > 0 ? 206 : 200, headers });
    });
    try {
      const urls = Array.from({ length: 50 }, (_, i) => `${server.url}${i}`);
      const printed = await run(runtime, "downloads.ts", { args: [folder, ...urls] });
      assertEquals(printed, [`50 files, ${50 * CONTENT.length} bytes, 10 resumed, 0 failed`]);
      assertEquals([...Deno.readDirSync(folder)].length, 50);
      for (let i = 0; i < 50; i++) assertEquals(await Deno.readFile(`${folder}/${i}`), CONTENT, String(i));
      assertEquals(most, 5);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("examples/events.ts leaves an endless stream of events, which closes it", async () => {
  const canceled = Promise.withResolvers<void>();
  await using server = serve(() =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("data: a\n\nevent: end\ndata: done\n\n")),
        cancel: () => canceled.resolve(),
      }),
      { headers: { "content-type": "text/event-stream" } },
    )
  );
  assertEquals(await run(deno, "events.ts", { args: [server.url] }), ["message: a", "end: done", "0 open"]);
  await canceled.promise;
});

Deno.test("examples/login.ts sends the cookie that a redirect set", async () => {
  await using server = serve(async (request) => {
    switch (`${request.method} ${new URL(request.url).pathname}`) {
      case "POST /login": {
        const form = await request.formData();
        if (form.get("user") !== "ada" || form.get("password") !== "secret") return new Response(null, { status: 403 });
        return new Response(null, { status: 302, headers: { location: "/welcome", "set-cookie": "id=1; HttpOnly" } });
      }
      case "GET /account":
        return new Response(`Cookie: ${request.headers.get("cookie")}`);
      default:
        return new Response();
    }
  });
  const env = { USER: "ada", PASSWORD: "secret" };
  assertEquals(await run(deno, "login.ts", { args: [server.url], env }), ["[ 302 ] 200", "Cookie: id=1"]);
});

Deno.test("examples/openai.ts leaves the stream after a sentence, and nothing is open", async () => {
  const canceled = Promise.withResolvers<void>();
  await using server = serve(() => {
    const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(event("Rayleigh") + event("scattering."))),
      cancel: () => canceled.resolve(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const env = { OPENAI_API_KEY: "none", OPENAI_BASE_URL: `${server.url}v1` };
  const printed = await run(deno, "openai.ts", { args: ["Why is the sky blue?"], env });
  assertEquals(printed, ["Rayleigh", "scattering.", "0 open"]);
  await canceled.promise;
});

for (
  const [name, runtime] of [["Deno", [Deno.execPath(), "test", "-A", "--no-check"]], ["Node", [...node, "--test"]]]
) {
  Deno.test(`examples/testing.ts passes on ${name as string}`, async () => {
    const printed = (await run(runtime as string[], "testing.ts")).join("\n");
    assertMatch(printed, /4 passed|pass 4/);
  });
}

Deno.test("examples/live.ts shows what is open by origin and state, and in the end nothing", async () => {
  const shown = Promise.withResolvers<void>();
  await using server = serve(async () => {
    await shown.promise;
    return new Response("done");
  });
  const other = server.url.replace("127.0.0.1", "localhost");
  const rows = new Set<string>();
  const printed = await run(deno, "live.ts", {
    args: [`${server.url}a`, `${other}b`],
    onLine(line) {
      const [, origin, state, requests] = /"(.*)" +│ "(.*)" +│ +(\d+) │ +\d+ │/.exec(line) ?? [];
      rows.add(`${origin}/ ${state} ${requests}`);
      const expected = [server.url, other].flatMap((url) => [`${url} headers 4`, `${url} queued 96`]);
      if (expected.every((row) => rows.has(row))) shown.resolve();
    },
  });
  assertEquals(printed.at(-1), "0 active, 0 queued");
});
