// Copyright 2026 the Hangup authors. MIT license.
//
// A process that uses the module in every way, closes it, and has nothing left to do. It must end
// by itself. Arguments: the counting server's URL, and what to do.
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
  // To an address of the documentation's, which answers nothing (RFC 5737): the connection is never
  // established.
  async connecting() {
    const nowhere = ["http://192.0.2.1/", "https://192.0.2.1/"];
    const session = new Session();
    const once = new Session({ pool: { idleTimeout: 0 } });
    const send = [get, session.get.bind(session), once.get.bind(once)];
    await Promise.all(send.flatMap((get) => nowhere.map((url) => get(url, { timeout: 100 }).catch(() => {}))));
    await session.close();
    await once.close();
  },
  // Elsewhere than on Deno, nothing needs a permission.
  async "without permission"() {
    (globalThis as { Deno?: typeof Deno }).Deno?.permissions.revokeSync({ name: "net" });
    const session = new Session();
    await session.post(`${url}/echo`, { json: {} }).catch(() => {});
    await session.fetch(`${url}/echo`, { method: "PATCH", body: "x" }).catch(() => {});
    await session.close();
  },
  // Not closed, but with nothing in flight: idle sockets and timers hold no process either.
  async unclosed() {
    const session = new Session();
    kept.push(session); // a collection would warn that it was dropped
    await session.get(`${url}/bytes/10`);
  },
  // Responses that are kept, but that nobody reads any longer.
  async unread() {
    const answer = () =>
      Promise.resolve(new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(9)) })));
    const session = new Session({ fetch: answer });
    const read = await session.get(url!, { prefetch: false });
    await read.body!.getReader().read();
    kept.push(read, await session.get(url!, { prefetch: false, timeout: 60_000 }));
    kept.push(await session.fetch(url!));
    const own = new Session();
    // On Node, an open socket keeps the process alive, also with bare `fetch`.
    if (process.versions.undici === undefined) kept.push(await own.get(`${url}/stall/10`, { prefetch: false }));
  },
};

ways["connecting to a proxy"] = ways.connecting!;

/** What the process holds until its end. */
const kept: unknown[] = [];

await ways[what!]!();
console.log("done");
