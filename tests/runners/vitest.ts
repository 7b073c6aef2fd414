// Copyright 2026 the Hangup authors. MIT license.
//
// A user's tests under vitest, in each of its pools and environments.
import { test, vi } from "vitest";
import * as hangup from "../../mod.ts";
import type { FakeTime, Faking } from "../harness/fake_time.ts";
import { register } from "./promises.ts";

function install(toFake?: string[]): FakeTime {
  vi.useFakeTimers(toFake && { toFake } as Parameters<typeof vi.useFakeTimers>[0]);
  return { tickAsync: (ms) => vi.advanceTimersByTimeAsync(ms), uninstall: () => vi.useRealTimers() };
}

const ways: Record<string, Faking> = {
  "all, before the session is made": { when: "before", install },
  "all, after the session was made": { when: "after", install },
  "setTimeout alone": { toFake: ["setTimeout", "clearTimeout"], when: "before", install },
};
// happy-dom has a `fetch` of its own. jsdom has none, but signals, which vitest has Node's `fetch`
// take.
const owns = !("happyDOM" in globalThis);
register(test, { hangup, owns }, owns ? ways : {});
