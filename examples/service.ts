// Copyright 2026 the Hangup authors. MIT license.
//
// A Bun service that asks two upstreams through one pool. On SIGTERM it drains: it takes no more,
// answers what it has taken, and ends with no socket open.
//
//   USERS_URL=https://users.example/ ORDERS_URL=https://orders.example/ bun examples/service.ts
import process from "node:process";
import { HangupError, Pool, Session } from "@hangup/session";

declare const Bun: {
  serve(options: {
    port: number;
    fetch(request: Request): Promise<Response>;
    error(error: Error): Response;
  }): { url: URL; stop(): Promise<void> };
};

const { USERS_URL, ORDERS_URL, PORT = "3000" } = process.env;
const pool = new Pool({ maxConnections: 64, maxConnectionsPerOrigin: 32, maxQueued: 1000 });
const users = new Session({ pool, baseUrl: USERS_URL, timeout: 5000 });
const orders = new Session({ pool, baseUrl: ORDERS_URL, timeout: 5000 });

const server = Bun.serve({
  port: Number(PORT),
  async fetch(request) {
    const id = new URL(request.url).pathname.slice(1);
    const { signal } = request; // a caller that leaves takes its upstream requests along
    const [user, ordered] = await Promise.all([
      users.get(encodeURIComponent(id), { signal }),
      orders.get("", { query: { user: id }, signal }),
    ]);
    const [name, items] = await Promise.all([user.throwIfNotOk().json(), ordered.throwIfNotOk().json()]);
    return Response.json({ user: name, orders: items });
  },
  error(error) {
    console.error(String(error));
    return new Response("An upstream failed\n", { status: error instanceof HangupError ? 502 : 500 });
  },
});
console.log(`Listening on ${server.url}`);

process.once("SIGTERM", async () => {
  await server.stop();
  const cut = await Promise.all([users.close({ grace: 5000 }), orders.close({ grace: 5000 })]);
  await pool.close();
  console.log(`Drained, ${cut.flat().length} requests cut off`);
});
