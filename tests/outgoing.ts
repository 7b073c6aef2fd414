// Copyright 2026 the Hangup authors. MIT license.

import type { Outgoing } from "../_internal/prepare.ts";

/** A GET request that is ready to be sent, with these changes. */
export function makeOutgoing(changes: Partial<Outgoing> = {}): Outgoing {
  return {
    method: "GET",
    url: new URL("https://a.test/page"),
    headers: undefined,
    body: undefined,
    bodyOwner: undefined,
    repeatable: "always",
    prefetch: true,
    throwIfNotOk: false,
    redirect: "follow",
    signal: undefined,
    signalOwner: undefined,
    timeouts: { queue: 1, headers: 2, idle: 3, total: 4, upload: 5 },
    maxBodyBytes: 5,
    maxRedirects: 6,
    jar: undefined,
    rest: {},
    ...changes,
  };
}
