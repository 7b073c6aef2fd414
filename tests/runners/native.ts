// Copyright 2026 the Hangup authors. MIT license.
//
// A user's tests under the test runner that the runtime brings, with the fake timers that come with
// it.
import process from "node:process";
import * as hangup from "../../mod.ts";
import type { FakeTime } from "../harness/fake_time.ts";
import { register } from "./promises.ts";

/** The part of `bun:test` that is used here. */
interface BunTest {
  test(name: string, run: () => Promise<void>, timeout: number): void;
  jest: {
    useFakeTimers(): void;
    useRealTimers(): void;
    advanceTimersByTime(ms: number): void;
    getTimerCount(): number;
  };
  setSystemTime(time?: Date): void;
}

/** Bun's types declare globals, so that they cannot stand beside Deno's. */
const BUN_TEST: string = "bun:test";

/** A test may take so long on a busy machine. */
const LIMIT_MS = 40_000;

async function onBun(): Promise<void> {
  const { test, jest, setSystemTime }: BunTest = await import(BUN_TEST);
  const install = (): FakeTime => {
    jest.useFakeTimers();
    return {
      async tickAsync(ms) {
        await Promise.resolve(); // what is under way makes its timers
        jest.advanceTimersByTime(ms);
      },
      uninstall: () => void jest.useRealTimers(),
      count: () => jest.getTimerCount(),
      forgets: true,
    };
  };
  const installDate = (): FakeTime => {
    setSystemTime(new Date(0));
    return { tickAsync: () => Promise.resolve(), uninstall: () => setSystemTime(), count: () => 0 };
  };
  register((name, run) => test(name, run, LIMIT_MS), { hangup, owns: true }, {
    "before the session is made": { when: "before", install },
    "after the session was made": { when: "after", install },
    "Date alone": { toFake: ["Date"], when: "before", install: installDate },
  });
}

async function onNode(): Promise<void> {
  const { mock, test } = await import("node:test");
  const install = (toFake?: string[]): FakeTime => {
    const apis = toFake?.filter((name) => !name.startsWith("clear"));
    mock.timers.enable(apis && { apis } as Parameters<typeof mock.timers.enable>[0]);
    return {
      async tickAsync(ms) {
        await Promise.resolve(); // what is under way makes its timers
        mock.timers.tick(ms);
      },
      uninstall: () => mock.timers.reset(),
      forgets: true,
    };
  };
  register((name, run) => test(name, { timeout: LIMIT_MS }, run), { hangup, owns: true }, {
    "all, before the session is made": { when: "before", install },
    "all, after the session was made": { when: "after", install },
    "setTimeout alone": { toFake: ["setTimeout"], when: "before", install },
  });
}

/**
 * Under `deno test`, with its sanitizers. The fakes are as those of `@std/testing`: once restored
 * they throw.
 */
async function onDeno(): Promise<void> {
  const { default: { install: installAll } } = await import("@sinonjs/fake-timers");
  const { Deno } = globalThis as unknown as { Deno: { test(name: string, run: () => Promise<void>): void } };
  const install = (): FakeTime => {
    const { setTimeout, clearTimeout } = globalThis;
    const time: FakeTime = installAll({
      toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
    });
    const fakes = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
    let restored = false;
    const check = () => {
      if (restored) throw new TypeError("The time is not faked");
    };
    Object.assign(globalThis, {
      setTimeout(...args: Parameters<typeof setTimeout>) {
        check();
        return fakes.setTimeout(...args);
      },
      clearTimeout(...args: Parameters<typeof clearTimeout>) {
        check();
        fakes.clearTimeout(...args);
      },
    });
    return {
      tickAsync: (ms) => time.tickAsync(ms),
      uninstall() {
        restored = true;
        Object.assign(globalThis, { setTimeout, clearTimeout });
        time.uninstall();
      },
    };
  };
  register((name, run) => Deno.test(name, run), { hangup, owns: true }, {
    "before the session is made": { when: "before", install },
    "after the session was made": { when: "after", install },
  });
}

await ("deno" in process.versions ? onDeno() : "bun" in process.versions ? onBun() : onNode());
