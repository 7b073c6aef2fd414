// Copyright 2026 the Hangup authors. MIT license.
//
// A process that uses the module in every way, closes it, and has nothing left to do. It must end by itself.
// Arguments: the counting server's URL, and what to do.
import { get, Pool, Session } from "../../mod.ts";

const [url, what] = process.argv.slice(2);

const ways: Record<string, () => Promise<void>> = {
  async ephemeral() {
    await get(`${url}/bytes/100000`);
    await get(`${url}/hang`, { timeout: { headers: 50 } }).catch(() => {});
  },
  async session() {
    const pool = new Pool({ maxConnections: 4 });
    const session = new Session({ pool });
    await session.get(`${url}/bytes/10`);
    const stream = await session.get(`${url}/endless`, { prefetch: false });
    for await (const _ of stream) break;
    const rest: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) rest.push(session.get(`${url}/hang`).catch(() => {}));
    rest.push(session.post(`${url}/hang`, { body: "x".repeat(100000) }).catch(() => {}));
    await session.close();
    await pool.close();
    await Promise.all(rest);
  },
  // Not closed, but with nothing in flight: idle sockets and timers hold no process either.
  async unclosed() {
    const session = new Session();
    await session.get(`${url}/bytes/10`);
  },
};

await ways[what!]!();
console.log("done", Math.round(performance.now()));
