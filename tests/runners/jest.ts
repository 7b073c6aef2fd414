// Copyright 2026 the Hangup authors. MIT license.
//
// A user's tests under jest, whose globals are those of a realm of its own.
import * as hangup from "../../mod.ts";
import type { FakeTime, Faking } from "../harness/fake_time.ts";
import { register } from "./promises.ts";

/** What jest makes global. */
declare const jest: {
  useFakeTimers(config?: { doNotFake: string[] }): void;
  useRealTimers(): void;
  advanceTimersByTimeAsync(ms: number): Promise<void>;
  getTimerCount(): number;
};
declare const test: (name: string, run: () => Promise<void>) => void;

/** All that jest fakes. It takes a list of what not to fake. */
const ALL = "Date hrtime nextTick performance queueMicrotask requestAnimationFrame cancelAnimationFrame " +
  "requestIdleCallback cancelIdleCallback setImmediate clearImmediate setInterval clearInterval setTimeout clearTimeout";

function install(toFake?: string[]): FakeTime {
  jest.useFakeTimers(toFake && { doNotFake: ALL.split(" ").filter((name) => !toFake.includes(name)) });
  return {
    tickAsync: (ms) => jest.advanceTimersByTimeAsync(ms),
    uninstall: () => jest.useRealTimers(),
    count: () => jest.getTimerCount(),
  };
}

// With `enableGlobally`, jest fakes before it loads anything.
const isFaked = "clock" in setTimeout;
const loaded: FakeTime = { tickAsync: () => Promise.resolve(), uninstall() {} };
const ways: Record<string, Faking> = isFaked
  ? { "before the module is loaded": { when: "loaded", install: () => loaded } }
  : {
    "all, before the session is made": { when: "before", install },
    "all, after the session was made": { when: "after", install },
    "setTimeout alone": { toFake: ["setTimeout", "clearTimeout"], when: "before", install },
  };
register(test, { hangup, owns: true, frozen: isFaked }, ways);
