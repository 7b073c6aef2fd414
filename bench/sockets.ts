// Copyright 2026 the Hangup authors. MIT license.
//
// The sockets that each client leaves when a program looks at the status alone: 20 requests to the
// counting server of HANGUP_CONTROL_URL, on the runtime that runs this. Prints
// `SocketEntry.clients` as JSON.
import process from "node:process";
import { openScope } from "../tests/server/client.ts";
import { loadClient, PEERS } from "./clients.ts";
import type { SocketCounts } from "./results.ts";

const REQUESTS = 20;
/** So large that no runtime reads it to its end unasked. */
const PATH = "/bytes/4000000";

async function countSockets(name: string): Promise<SocketCounts> {
  const client = await loadClient(name);
  const scope = await openScope();
  // A socket that is closed takes a moment to be seen closed.
  const settled = () => scope.wait({ open: 0 }).catch(() => scope.stats());
  // Kept until they were counted, as a garbage collector that comes late, or never, would keep
  // them.
  const kept: unknown[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    kept.push(await client.status!(scope.url + PATH));
  }
  const { accepted, open } = await settled();
  await client.close?.();
  const closed = client.close && (await settled()).open;
  kept.length = 0;
  await scope.close();
  return { accepted, open, closed };
}

const counts: Record<string, SocketCounts> = {};
const names = ["fetch", "get()", "hangup", "hangup, streamed", "session.fetch", ...PEERS, "axios, streamed"];
for (const name of names) counts[name] = await countSockets(name);
console.log(JSON.stringify(counts));
// What is open keeps the process.
process.exit(0);
