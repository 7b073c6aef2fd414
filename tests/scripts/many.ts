// Copyright 2026 the Hangup authors. MIT license.
//
// Closes a session that has many requests open, and prints what became of them. Arguments: how
// many, and the grace in ms.
import process from "node:process";
import { Session, SessionClosedError } from "../../mod.ts";

const [count, grace] = process.argv.slice(2).map(Number) as [number, number];
const session = new Session({ fetch: () => new Promise(() => {}), timeout: { queue: Infinity, headers: Infinity } });
let rejected = 0;
for (let i = 0; i < count; i++) {
  session.get(`http://x.test/${i}`).catch((error) => void (error instanceof SessionClosedError && rejected++));
}
const cut = await session.close({ grace });
await new Promise((resolve) => setTimeout(resolve, 0));
const once = new Set(cut.map(({ url }) => url)).size;
console.log(JSON.stringify({ cut: cut.length, once, open: session.exchanges().length, rejected }));
