// Copyright 2026 the Hangup authors. MIT license.
//
// As sdks.ts. Apart from it, because with Bun's types `@trpc/client` does not take Bun's own
// `fetch` either.
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink } from "@trpc/client";
import type { Session } from "@hangup/session";

declare const session: Session;
const options = { url: "https://example.com", fetch: session.fetch };

export const client = createTRPCClient({
  links: [httpLink(options), httpBatchLink(options), httpBatchStreamLink(options)],
});
