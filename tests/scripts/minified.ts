// Copyright 2026 the Hangup authors. MIT license.
//
// Loads a bundle of the module, and prints as JSON what a program sees of it. Argument: the file
// of the bundle, which sets the variable `hangup`.
import { readFile } from "node:fs/promises";
import process from "node:process";
import type * as module from "../../mod.ts";

const { Session }: typeof module = new Function(`${await readFile(process.argv[2]!, "utf8")}; return hangup`)();

let leaks = 0;
const answer = () => Promise.resolve(new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(9)) })));
const session = new Session({ fetch: answer, onLeak: () => void leaks++ });
const shown = [Deno.inspect(session), String(session), Deno.inspect(session.pool)];
const drop = async () => shown.push(Deno.inspect(await session.get("http://x.test/", { prefetch: false })));
await drop();
for (let i = 0; i < 10; i++) await session.fetch("http://x.test/");
for (let turn = 0; turn < 50 && session.exchanges().length > 0; turn++) {
  (globalThis as { gc?(): void }).gc!();
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log(JSON.stringify({ shown, leaks, open: session.exchanges().length }));
await session.close();
