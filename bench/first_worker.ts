// Copyright 2026 the Hangup authors. MIT license.
//
// The first request of a process, on the runtime that runs this: `first_worker.ts CLIENT MODULE
// URL`. CLIENT is `fetch`, `hangup` or `ky`, MODULE the address that the client is imported from.
// Prints a `First` as JSON. Nothing is imported before the clock starts but `node:process`, which
// every runtime holds ready.
import process from "node:process";

/** Milliseconds; `cpu` is that of the whole process, its start included. */
export interface First {
  readonly imported: number;
  readonly total: number;
  readonly cpu: number;
}

const [client, module, url] = process.argv.slice(2) as [string, string, string];

const start = performance.now();
const imported = client === "fetch" ? undefined : await import(module);
const importedAt = performance.now();
let text: string;
let close: (() => Promise<unknown>) | undefined;
if (client === "fetch") text = await (await fetch(url)).text();
else if (client === "ky") text = await imported.default(url).text();
else {
  const session = new imported.Session();
  text = await (await session.get(url)).text();
  close = () => session.close();
}
const end = performance.now();
if (text.length !== 1024) throw new RangeError(`Got ${text.length} characters in place of 1024`);
const { user, system } = process.cpuUsage();
await close?.();
console.log(
  JSON.stringify(
    { imported: importedAt - start, total: end - start, cpu: (user + system) / 1000 } satisfies First,
  ),
);
// Idle sockets of bare `fetch` keep some processes for seconds.
process.exit(0);
