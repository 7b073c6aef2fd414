// Copyright 2026 the Hangup authors. MIT license.
//
// The differences between a session's `fetch` and a bare one that are meant, each with its reason. Any other is a fault.
import type { Runtime } from "../harness/case.ts";
import type { Difference } from "./compare.ts";

/** A difference that is meant. */
export interface Reason {
  /** A short name, for the record of where it shows. */
  id: string;
  /** Why, as a sentence for those who use `session.fetch`. */
  reason: string;
  /** The situations in which it may show. */
  situations: RegExp;
  /** The aspects in which it may show. */
  aspects: RegExp;
  /** Where it may show; everywhere by default. */
  runtimes?: Runtime[];
  /** Whether it shows now and then only, as it depends on time. Then it need not show where it is recorded. */
  varies?: true;
}

export const reasons: Reason[] = [];

/** The reason of a difference, if it has one. */
export function reasonOf(situation: string, runtime: Runtime, { aspect }: Difference): Reason | undefined {
  return reasons.find(({ situations, aspects, runtimes }) =>
    situations.test(situation) && aspects.test(aspect) && (runtimes?.includes(runtime) ?? true)
  );
}
