// Copyright 2026 the Hangup authors. MIT license.
import { assertEquals } from "@std/assert";
import * as hangup from "../mod.ts";

Deno.test("mod.ts exports these names and no others", () => {
  assertEquals(Object.keys(hangup).sort(), [
    "BodyTooLargeError",
    "HangupError",
    "NetworkError",
    "Pool",
    "PoolClosedError",
    "PrefetchedResponse",
    "QueueFullError",
    "Session",
    "SessionClosedError",
    "StatusError",
    "StreamedResponse",
    "TimeoutError",
    "TooManyRedirectsError",
    "createTransport",
    "del",
    "get",
    "head",
    "isRetriable",
    "options",
    "patch",
    "post",
    "put",
    "request",
    "retryAfter",
  ]);
});
