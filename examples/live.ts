// Copyright 2026 the Hangup authors. MIT license.
//
// A live table of what is open, by origin, age and state, while a load runs: 100 requests to each URL.
//
//   deno run -A examples/live.ts https://example.com/a https://example.org/b
import process from "node:process";
import { Session } from "@hangup/session";

const urls = process.argv.slice(2);

await using session = new Session({ pool: { maxConnections: 8, maxConnectionsPerOrigin: 4 } });

function show(): void {
  const rows = session.exchanges().map(({ url, state, age, method }) => {
    const { origin, pathname } = new URL(url);
    return { origin, "age in ms": age, state, request: `${method} ${pathname}` };
  });
  rows.sort((a, b) => a.origin.localeCompare(b.origin) || b["age in ms"] - a["age in ms"]);
  console.clear();
  console.table(rows.slice(0, 40));
  const { active, queued } = session.pool.stats();
  console.log(`${active} active, ${queued} queued`);
}

const timer = setInterval(show, 100);
try {
  const load = urls.flatMap((url) => Array.from({ length: 100 }, () => session.get(url)));
  show();
  await Promise.allSettled(load);
} finally {
  clearInterval(timer);
}
show();
