// Copyright 2026 the Hangup authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { isRetriable, NetworkError, QueueFullError, retryAfter, Session, StatusError, TimeoutError } from "../mod.ts";

Deno.test("isRetriable() is true of an error without a request only if nothing can have been sent", () => {
  const unsent = [new TimeoutError("queue", 1), new QueueFullError(1)];
  assertEquals(unsent.map(isRetriable), [true, true]);
  const others = [new TimeoutError("headers", 1), new TimeoutError("total", 1), new NetworkError("It failed")];
  assertEquals(others.map(isRetriable), [false, false, false]);
});

Deno.test("retryAfter() takes a year of two digits for one that is at most 50 years after the server's date", async () => {
  const date = "Wed, 01 Jan 2020 00:00:00 GMT";
  const yearsAfter = async (year: string) => {
    const headers = { date, "retry-after": `Thursday, 01-Jan-${year} 00:00:00 GMT` };
    await using session = new Session({ fetch: () => Promise.resolve(new Response(null, { status: 503, headers })) });
    const error = await assertRejects(() => session.get("https://a.test/", { throwIfNotOk: true }), StatusError);
    return Math.round(retryAfter(error)! / 1000 / 3600 / 24 / 365.25);
  };
  assertEquals(await Promise.all(["20", "21", "70", "71", "19"].map(yearsAfter)), [0, 1, 50, 0, 0]);
});

Deno.test("isRetriable() and retryAfter() take an error whose prototype cannot be read for another one", () => {
  const error = new Proxy(new Error("It failed"), {
    getPrototypeOf() {
      throw new RangeError("hostile");
    },
  });
  assertEquals([isRetriable(error), retryAfter(error)], [false, undefined]);
});
