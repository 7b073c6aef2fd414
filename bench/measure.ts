// Copyright 2026 the Hangup authors. MIT license.
//
// Has contenders take turns in one row on one runtime, each in a process of its own, one at a time.
import { isPeer } from "./clients.ts";
import type { Measurement, Ratios } from "./results.ts";
import { QUANTITIES, type Row } from "./rows.ts";
import { type Estimate, estimate, median, round } from "./statistics.ts";
import { type Contender, startContender, type Target, withServer } from "./targets.ts";
import type { Turn } from "./worker.ts";

/** How often the contenders of a row have a turn. */
export interface Plan {
  /** Sets of processes, one after the other. */
  readonly generations: number;
  /** Those of them, the first ones, that have the peers too. */
  readonly peerGenerations: number;
  /** Rounds of a set, and those before them that are not counted. */
  readonly rounds: number;
  readonly warmups: number;
}

/** Its turns by generation and round, `null` where it had none, or it failed. */
type Turns = (Turn | null)[][];

/** Measures contenders in a row, its base among them. */
export async function measure(
  row: Row,
  target: Target,
  all: readonly string[],
  plan: Plan,
): Promise<Record<string, Measurement>> {
  const turns = new Map(all.map((name): [string, Turns] => [name, []]));
  const failures = new Map<string, string>();
  const sizes = new Map<string, number>();

  async function takeTurn(contender: Contender): Promise<Turn | null> {
    const answer = await contender.takeTurn();
    if ("failure" in answer) {
      failures.set(contender.name, answer.failure);
      return null;
    }
    const { kind, size } = answer;
    const expected = sizes.get(kind) ?? size;
    sizes.set(kind, expected);
    if (size === expected) return answer;
    failures.set(contender.name, `Got ${kind} of ${size} where others got ${expected}`);
    return null;
  }

  /**
   * Starts contenders together, and has one at a time take its turn, in an order that is new in
   * each round.
   */
  async function takeTurns(names: readonly string[], origin: string) {
    const contenders = await Promise.all(names.map((name) => startContender(target, row, name, origin)));
    for (let i = -plan.warmups; i < plan.rounds; i++) {
      for (const contender of shuffle(contenders)) {
        const { name } = contender;
        // There are many peers, and a rough figure of theirs will do.
        const skipped = failures.has(name) || (i % 2 !== 0 && isPeer(name));
        const turn = skipped ? null : await takeTurn(contender);
        if (i >= 0) turns.get(name)!.at(-1)!.push(turn);
      }
    }
    await Promise.all(contenders.map((contender) => contender.end()));
  }

  for (let i = 0; i < plan.generations; i++) {
    const names = i < plan.peerGenerations ? all : all.filter((name) => !isPeer(name));
    for (const name of all) turns.get(name)!.push([]);
    // A process that is to be fresh has the machine for itself.
    const sets = row.fresh ? shuffle(names).map((name) => [name]) : [names];
    for (const set of sets) await withServer(row.path, (origin) => takeTurns(set, origin));
  }
  return summarize(row, turns, failures);
}

export function shuffle<T>(items: readonly T[]): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}

function summarize(
  row: Row,
  turns: ReadonlyMap<string, Turns>,
  failures: ReadonlyMap<string, string>,
): Record<string, Measurement> {
  const quantities = QUANTITIES.filter((what) => what !== "peak" || row.fresh);
  const compare = (name: string, base: string, what: typeof QUANTITIES[number]): Estimate | undefined => {
    const bases = turns.get(base);
    return bases && estimate(
      turns.get(name)!.map((generation, g) =>
        generation.flatMap((turn, i) => {
          const other = bases[g]![i];
          return turn && other ? [turn[what] / other[what]] : [];
        })
      ),
    );
  };
  const compareAll = (name: string, base: string): Ratios =>
    Object.fromEntries(quantities.map((what) => [what, compare(name, base, what)]));
  return Object.fromEntries(Array.from(turns, ([name, own]): [string, Measurement] => {
    const done = own.flat().filter((turn) => turn !== null);
    return [name, {
      ...compareAll(name, row.base),
      floor: turns.has(row.floor) ? compareAll(name, row.floor) : undefined,
      own: name === row.own ? undefined : compare(row.own, name, "wall"),
      ms: done.length > 0 ? round(median(done.map(({ wall }) => wall))) : undefined,
      bytes: row.fresh && done.length > 0 ? median(done.map(({ peak }) => peak)) : undefined,
      failure: failures.get(name),
    }];
  }));
}
