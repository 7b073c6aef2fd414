// Copyright 2026 the Hangup authors. MIT license.
import * as fc from "fast-check";

/**
 * Runs a model test. `HANGUP_RUNS` sets the number of runs; `HANGUP_SEED` and `HANGUP_PATH` replay
 * what has failed.
 *
 * @param runs The number of runs by default.
 */
export async function checkModel<T>(arbitrary: fc.Arbitrary<T>, runs: number, run: (value: T) => Promise<void>) {
  const { env } = (globalThis as unknown as { process: { env: Record<string, string | undefined> } }).process;
  await fc.assert(fc.asyncProperty(arbitrary, run), {
    numRuns: Number(env.HANGUP_RUNS ?? runs),
    seed: env.HANGUP_SEED === undefined ? undefined : Number(env.HANGUP_SEED),
    path: env.HANGUP_PATH,
  });
}
