// Copyright 2026 the Hangup authors. MIT license.
//
// Fakes the time as a user's test does, sends requests, and prints as JSON what came of each.
// Arguments: the counting server's URL, the globals to fake, and when: "before" or "after" the
// session is made, or while the module is "loaded". With "stubs" after that, what it finds then has
// no `clock`.
import { createRequire } from "node:module";
import process from "node:process";
import { type FakeTime, type Faking, underFakes } from "../harness/fake_time.ts";

const [url = "", faked = "", when = "", stubs] = process.argv.slice(2);
const toFake = faked === "" ? [] : faked.split(",");

/**
 * The part of `@sinonjs/fake-timers` that is used here. jest and vitest fake timers with that
 * package.
 */
interface FakeTimers {
  install(config: { toFake: string[] }): FakeTime;
}

const { install }: FakeTimers = createRequire(import.meta.url)("@sinonjs/fake-timers");

/** Fakes that nobody ticks, as jest has them in place before it loads anything. */
function fakeForEver(): void {
  const timer = { ref: () => timer, unref: () => timer, refresh: () => timer, hasRef: () => true };
  for (const name of toFake) Object.assign(globalThis, { [name]: Object.assign(() => timer, !stubs && { clock: {} }) });
}

if (when === "loaded") fakeForEver();
const hangup = await import("../../mod.ts");
const loaded: FakeTime = { tickAsync: () => Promise.resolve(), uninstall() {} };
const results = await underFakes(hangup, url, {
  toFake,
  when: when as Faking["when"],
  install: when === "loaded" ? () => loaded : () => install({ toFake }),
});
console.log(JSON.stringify(results));
