// Copyright 2026 the Hangup authors. MIT license.
//
// `session.fetch` is `fetch`: each situation is met by the runtime's own and by a session's, and
// what is seen and what arrives must be equal, but for the differences of
// `tests/differential/differences.ts`, where `docs/fetch.md` has them.
import { Session } from "../../mod.ts";
import { type Aspects, aspectsOf, compare, type Difference } from "../differential/compare.ts";
import { reasonOf, reasons } from "../differential/differences.ts";
import { type Fetch, type Place, settle, type Situation } from "../differential/observe.ts";
import recorded from "../differential/recorded.json" with { type: "json" };
import { situations } from "../differential/situations.ts";
import type { Case, TestContext } from "../harness/case.ts";
import { note, type Scope } from "../server/client.ts";

// Taken before any test replaces it.
const bare: Fetch = globalThis.fetch;

/** Where each difference shows that is meant: the ids of reasons by runtime by situation. */
const record: Record<string, Record<string, string[]>> = recorded;

/** Meets a situation with a `fetch`, on ports of its own, the first of which is given. */
async function meet(situation: Situation, fetch: Fetch, scope: Scope, { openScope }: TestContext): Promise<Aspects> {
  const scopes = [scope];
  const ports: [port: number, name: string][] = [[scope.port, "here"]];
  let another: Promise<string> | undefined;
  const openOther = async () => {
    const other = await openScope({ record: 1 });
    scopes.push(other);
    ports.push([other.port, "there"]);
    return other.url;
  };
  const at: Place = {
    url: scope.url,
    other: () => another ??= openOther(),
    async dead() {
      // A port that is taken at another address, so that nobody else comes to listen at this one.
      const other = await openScope();
      scopes.push(other);
      ports.push([other.port, "nobody"]);
      return `http://[::1]:${other.port}`;
    },
    arrived: (requests) => scope.wait({ requests }, 1000).then(() => {}, () => {}),
    left: (aborted) => scope.wait({ aborted }, 1000).then(() => true, () => false),
    release: (key) => scope.release(key),
  };
  const { outcome, error, value } = await settle(() => situation.run(fetch, at), { patience: 3000 });
  const seen = outcome === "resolves" ? value : { outcome, error };
  const sent = (await Promise.all(scopes.map((each) => each.close()))).flat();
  // Where a URL is in another, its colons are escaped, once or twice.
  const normalize = (text: string) =>
    ports.reduce((text, [port, name]) => {
      const address = new RegExp(`(127\\.0\\.0\\.1|\\[::1\\])?(:|%(?:25)?3A)${port}`, "g");
      return text.replaceAll(address, (_, host, colon) => host ? name : colon + name);
    }, text);
  return aspectsOf(seen, sent, normalize);
}

/**
 * Meets a situation with the runtime's own `fetch` at this scope, and with a session's at another.
 */
async function differ(situation: Situation, scope: Scope, t: TestContext): Promise<Difference[]> {
  const expected = await meet(situation, bare, scope, t);
  const session = new Session();
  try {
    const found = await meet(situation, session.fetch, await t.openScope({ record: 1 }), t);
    return compare(expected, found, situation.unsteady);
  } finally {
    await session.close();
  }
}

const print = ({ aspect, bare, session }: Difference) => `${aspect}\n  bare:    ${bare}\n  session: ${session}`;

/** Whether a difference shows in some runs, and in others not. */
const varies = (id: string) => reasons.find((each) => each.id === id)?.varies === true;

function differentialCase(situation: Situation): Case {
  const { name } = situation;
  return {
    name,
    needs: ["plainFetch"],
    leaks: true,
    records: true,
    async run(t) {
      let differences = await differ(situation, t.scope, t);
      for (let again = 0; situation.timed && differences.length > 0 && again < 3; again++) {
        differences = await differ(situation, await t.openScope({ record: 1 }), t);
      }
      const { runtime, scope: { recording } } = t;
      const found = differences.map((difference) => ({ ...difference, id: reasonOf(name, runtime, difference)?.id }));
      if (recording) await note(JSON.stringify({ name, runtime, differences: found }));
      const meant = new Set(found.flatMap(({ id }) => id ?? []));
      const listed = record[name]?.[runtime] ?? [];
      const faults = found.filter(({ id }) => id === undefined || !recording && !listed.includes(id) && !varies(id));
      if (faults.length > 0) throw new Error(`Differs from fetch:\n${faults.map(print).join("\n")}`);
      if (recording) return;
      const gone = listed.filter((id) => !meant.has(id) && !varies(id));
      if (gone.length > 0) throw new Error(`No longer differs, so run \`deno task docs:fetch\`: ${gone.join(", ")}`);
    },
  };
}

export const cases: Case[] = situations.map(differentialCase);
