// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals } from "@std/assert";
import { Session, type SessionRequestInit, TimeoutError } from "../mod.ts";
import { FakeClock } from "./fake_clock.ts";

/** How long a request waits for headers that never come. */
async function wait(init: SessionRequestInit): Promise<number> {
  const clock = new FakeClock().install();
  try {
    const session = new Session({ fetch: () => new Promise(() => {}) });
    let error: unknown;
    session.post("http://x.test/", init).catch((thrown) => error = thrown);
    for (let second = 1; second <= 400; second++) {
      await clock.tick(1000);
      if (error === undefined) continue;
      assertEquals([error instanceof TimeoutError, (error as TimeoutError).timeout], [true, second * 1000]);
      await session.close();
      return second;
    }
    throw new Error("No timeout");
  } finally {
    clock.restore();
  }
}

Deno.test("a large body in memory gets 300 s for the headers, unless the caller says otherwise", async () => {
  const params = new URLSearchParams({ a: "x".repeat(70_000) });
  const large = [
    new Uint8Array(70_000),
    "x".repeat(70_000),
    new Blob([new Uint8Array(70_000)]),
    new FormData(),
    params,
  ];
  for (const body of large) assertEquals(await wait({ body }), 300);
  for (const body of ["x", new URLSearchParams({ a: "1" })]) assertEquals(await wait({ body }), 30);
  for (const seconds of [5, 30]) {
    assertEquals(await wait({ body: large[0], timeout: { headers: seconds * 1000 } }), seconds);
  }
});

Deno.test("a request has no option that was assigned to Object.prototype while it was under way", async () => {
  const polluted = { mode: "same-origin", integrity: "sha256-AA", referrer: "https://evil.test/" };
  const sent: (readonly unknown[])[] = [];
  const answer = (url: URL, init: RequestInit & { referrer?: string }) => {
    sent.push([url.href, Object.hasOwn(init, "referrer")]);
    const moved = { status: 302, headers: { location: "https://b.test/", "referrer-policy": "origin" } };
    return Promise.resolve(new Response("text", url.host === "b.test" ? {} : moved));
  };
  await using session = new Session({ fetch: answer });
  for (const init of [undefined, { cache: "no-store" } as const]) {
    const response = session.get("https://a.test/", init);
    Object.assign(Object.prototype, polluted);
    try {
      assertEquals(await (await response).text(), "text");
    } finally {
      for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name);
    }
    assertEquals(sent.splice(0), [["https://a.test/", false], ["https://b.test/", false]]);
  }
});
