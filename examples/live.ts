// Copyright 2026 the Hangup authors. MIT license.
//
// A live table of what is open, by origin, age and state, while a load runs: 100 requests to each
// URL.
//
//   deno run -A examples/live.ts https://example.com/a https://example.org/b
import process from "node:process";
import { Session } from "@hangup/session";

const urls = process.argv.slice(2);

await using session = new Session({ pool: { maxConnections: 8, maxConnectionsPerOrigin: 4 } });

function show(): void {
  const groups = Map.groupBy(session.exchanges(), ({ url, state }) => `${new URL(url).origin} ${state}`);
  const rows = Array.from(groups, ([group, exchanges]) => {
    const [origin, state] = group.split(" ");
    return { origin, state, requests: exchanges.length, "oldest, in ms": Math.max(...exchanges.map(({ age }) => age)) };
  });
  console.clear();
  console.table(rows);
  const { active, queued } = session.pool.stats();
  console.log(`${active} active, ${queued} queued`);
}

const timer = setInterval(show, 100);
try {
  const load = urls.flatMap((url) => Array.from({ length: 100 }, () => session.get(url)));
  await Promise.allSettled(load);
} finally {
  clearInterval(timer);
}
show();
