// Copyright 2026 the Hangup authors. MIT license.
//
// The instrument itself, by plain `fetch` alone: that the counting server counts what the runtimes
// do, and that its routes answer as they say.
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Case } from "../harness/case.ts";
import { pattern } from "../server/client.ts";

export const cases: Case[] = [
  {
    name: "bodies read fully arrive whole, and no exchange stays under way",
    async run({ scope }) {
      for (const path of ["/bytes/0", "/bytes/10", "/bytes/200000", "/chunked/10", "/chunked/200000", "/gzip/50000"]) {
        const response = await fetch(scope.url + path);
        const length = Number(path.split("/").at(-1));
        assertEquals(new Uint8Array(await response.arrayBuffer()), pattern(length), path);
      }
      const stats = await scope.wait({ pending: 0 });
      assertEquals(stats.requests, 6);
      assertEquals(stats.aborted, 0);
      assertEquals(stats.perSocket.reduce((sum, requests) => sum + requests), 6);
      assertEquals(stats.paths["GET /bytes/10"], 1);
    },
  },
  {
    name: "20 never-ending bodies whose status alone is looked at hold 20 sockets",
    needs: ["manyConnections"],
    async run({ scope }) {
      const controllers: AbortController[] = [];
      const responses: Response[] = [];
      for (let i = 0; i < 20; i++) {
        const controller = new AbortController();
        controllers.push(controller);
        responses.push(await fetch(scope.url + "/endless", { signal: controller.signal }));
      }
      const stats = await scope.stats();
      assertEquals(stats.open, 20);
      assertEquals(stats.pending, 20);
      for (const controller of controllers) controller.abort();
      await Promise.allSettled(responses.map((response) => response.body?.cancel()));
      await scope.wait({ pending: 0, aborted: 20 }, 10_000);
    },
  },
  {
    name: "a request aborted before its headers is counted as aborted",
    async run({ scope }) {
      const controller = new AbortController();
      const pending = fetch(scope.url + "/hang", { signal: controller.signal });
      await scope.wait({ pending: 1 }, 10_000);
      controller.abort();
      await assertRejects(() => pending);
      await scope.wait({ pending: 0, aborted: 1 }, 10_000);
    },
  },
  {
    name: "a held route answers when it is released, before or after the request",
    async run({ scope }) {
      const after = fetch(scope.url + "/hold?key=a");
      await scope.wait({ pending: 1 }, 10_000);
      await scope.release("a");
      assertEquals(await (await after).text(), "released");
      await scope.release("b");
      assertEquals(await (await fetch(scope.url + "/hold?key=b&sent=3")).text(), "abcreleased");
    },
  },
  {
    name: "truncated bodies are errors of the reader",
    async run({ scope, can }) {
      for (const path of ["/truncate/10?of=20", "/truncate-chunked/10"]) {
        const read = async () => await (await fetch(scope.url + path)).arrayBuffer();
        if (path.includes("chunked") && !can("noticesTruncation")) await read();
        else await assertRejects(read, path);
      }
      await scope.wait({ pending: 0, killed: 2 });
    },
  },
  {
    name: "the request's body and method arrive",
    async run({ scope }) {
      const response = await fetch(scope.url + "/echo?x=1", { method: "POST", body: "hello" });
      const { method, url, body, bodyLength } = await response.json();
      assertEquals({ method, url, body, bodyLength }, {
        method: "POST",
        url: "/echo?x=1",
        body: "hello",
        bodyLength: 5,
      });
      const upload = await fetch(scope.url + "/upload", { method: "PUT", body: pattern(300_000) });
      assertEquals(await upload.json(), { bodyLength: 300_000, isPattern: true });
      assertEquals((await scope.stats()).requests, 2);
    },
  },
  {
    name: "a streamed upload arrives chunk by chunk",
    needs: ["streamsUploads"],
    async run({ scope }) {
      const body = new ReadableStream({
        start(controller) {
          for (let at = 0; at < 100_000; at += 10_000) controller.enqueue(pattern(10_000, at));
          controller.close();
        },
      });
      const init = { method: "POST", body, duplex: "half" } as RequestInit;
      const response = await fetch(scope.url + "/upload", init);
      assertEquals(await response.json(), { bodyLength: 100_000, isPattern: true });
    },
  },
  {
    name: "a chain of redirects ends, and every hop is counted",
    async run({ scope }) {
      const response = await fetch(scope.url + "/chain/3?body=100");
      assertEquals(await response.text(), "end");
      assert(response.redirected);
      assertEquals((await scope.stats()).requests, 4);
    },
  },
  {
    name: "statuses without a body, lines, events and drips",
    async run({ scope }) {
      assertEquals((await fetch(scope.url + "/status/204")).status, 204);
      assertEquals(await (await fetch(scope.url + "/status/500?body=3")).text(), "abc");
      assertEquals(await (await fetch(scope.url + "/lines?n=2")).text(), "line 0\nline 1\n");
      assertEquals(await (await fetch(scope.url + "/sse?n=1")).text(), "id: 0\ndata: 0\n\n");
      assertEquals(await (await fetch(scope.url + "/drip?n=3&gap=1")).text(), "abc");
      assertEquals((await fetch(scope.url + "/bytes/10", { method: "HEAD" })).headers.get("content-length"), "10");
    },
  },
  {
    name: "a second scope has counters of its own, and a closed one refuses",
    async run({ scope, openScope }) {
      const other = await openScope();
      await (await fetch(other.url + "/bytes/1")).text();
      assertEquals((await scope.stats()).accepted, 0);
      assertEquals((await other.stats()).requests, 1);
      const { url } = other;
      await scope.drop();
      // Another process may get the port of one that is closed.
      for (let answered = true, tries = 1; answered; tries++) {
        const third = await openScope();
        await third.close();
        answered = await fetch(third.url).then(() => true, () => false);
        assert(!answered || tries < 5);
      }
      assert(url !== scope.url);
    },
  },
  {
    name: "a process of the same runtime can be run",
    needs: ["processes"],
    async run({ run }) {
      const { code, stdout } = await run("scripts/hello.ts", "world");
      assertEquals({ code, stdout }, { code: 0, stdout: "hello world\n" });
    },
  },
];
