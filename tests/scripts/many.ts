// Copyright 2026 the Hangup authors. MIT license.
//
// Closes a session that has 200,000 requests open, and prints what became of them. The argument is the grace in ms.
import process from "node:process";
import { Session, SessionClosedError } from "../../mod.ts";

const grace = Number(process.argv[2]);
const session = new Session({ fetch: () => new Promise(() => {}), timeout: { queue: Infinity, headers: Infinity } });
let rejected = 0;
for (let i = 0; i < 200_000; i++) {
  session.get(`http://x.test/${i}`).catch((error) => void (error instanceof SessionClosedError && rejected++));
}
const cut = await session.close({ grace });
await new Promise((resolve) => setTimeout(resolve, 0));
const once = new Set(cut.map(({ url }) => url)).size;
console.log(JSON.stringify({ cut: cut.length, once, open: session.exchanges().length, rejected }));
