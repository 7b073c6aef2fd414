// Copyright 2026 the Hangup authors. MIT license.
//
// Where what was seen of bare `fetch` and what was seen of a session's differ.
import type { Arrival } from "../server/client.ts";

/** One aspect in which the two differ. */
export interface Difference {
  aspect: string;
  bare: string;
  session: string;
}

/** What was seen and what arrived, by aspect. */
export type Aspects = Map<string, string>;

/** What only says how a connection is kept, or is another each time. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "proxy-connection", "sec-websocket-key"]);

function showArrival({ headers, ...rest }: Arrival): unknown {
  const shown: Record<string, string> = {};
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    if (HOP_BY_HOP.has(name)) continue;
    shown[name] = name in shown ? `${shown[name]} | ${value}` : value;
  }
  return { ...rest, headers: shown };
}

/**
 * Splits what was seen into aspects, named by their paths: `call.value.status`,
 * `sent.1.headers.accept`.
 */
export function aspectsOf(seen: unknown, sent: Arrival[], normalize: (text: string) => string): Aspects {
  const aspects: Aspects = new Map();
  const boundaries = sent.flatMap(({ headers }) => headers.map(([, value]) => /boundary=([^;\s"]+)/.exec(value)?.[1]));
  boundaries.push(...sent.map(({ body }) => /^--(\S+)\r\ncontent-disposition:/i.exec(body)?.[1]));
  const clean = (text: string) => {
    const last = /\r\n--(\S+)$/.exec(text)?.[1];
    for (const boundary of boundaries) {
      if (!boundary) continue;
      text = text.replaceAll(boundary, "BOUNDARY");
      // The body may have been cut off in the boundary.
      if (last && boundary.startsWith(last)) text = text.slice(0, -last.length);
    }
    return normalize(text);
  };
  const walk = (path: string, value: unknown) => {
    if (value instanceof Object && !Array.isArray(value)) {
      for (const [name, each] of Object.entries(value)) walk(path === "" ? name : `${path}.${name}`, each);
    } else if (value !== undefined) aspects.set(path, clean(typeof value === "string" ? value : JSON.stringify(value)));
  };
  walk("", seen);
  walk("sent", { count: sent.length });
  sent.forEach((arrival, i) => walk(`sent.${i + 1}`, showArrival(arrival)));
  return aspects;
}

/**
 * A session's chain of causes must have the runtime's own error in it; what is around that is its
 * own.
 */
function hasCause(bare: string, session: string): boolean {
  const root = (JSON.parse(bare) as string[]).at(-1);
  return root === undefined || (JSON.parse(session) as string[]).includes(root);
}

/** Where the two differ. Where the outcomes differ, what follows from them is left out. */
export function compare(bare: Aspects, session: Aspects, unsteady?: RegExp): Difference[] {
  const differences: Difference[] = [];
  const cut: string[] = []; // the paths below which nothing is compared
  for (const aspect of new Set([...bare.keys(), ...session.keys()])) {
    if (!/(^|\.)outcome$/.test(aspect)) continue;
    if (bare.get(aspect) === session.get(aspect)) continue;
    cut.push(aspect.slice(0, -"outcome".length));
  }
  const callsDiffer = cut.includes("call.");
  const fewer = Math.min(Number(bare.get("sent.count")), Number(session.get("sent.count")));
  for (const aspect of new Set([...bare.keys(), ...session.keys()])) {
    const [here, there] = [bare.get(aspect) ?? "nothing", session.get(aspect) ?? "nothing"];
    if (here === there || unsteady?.test(aspect)) continue;
    if (!aspect.startsWith("sent.") && cut.some((path) => aspect.startsWith(path) && aspect !== `${path}outcome`)) {
      continue;
    }
    if (callsDiffer && /^(read|bodyUsed)\b/.test(aspect)) continue;
    const sent = /^sent\.(\d+)\./.exec(aspect);
    if (sent && Number(sent[1]) > fewer) continue;
    if (aspect.endsWith(".chain") && here !== "nothing" && there !== "nothing" && hasCause(here, there)) continue;
    differences.push({ aspect, bare: show(bare, aspect), session: show(session, aspect) });
  }
  return differences;
}

/** The value of an aspect; an outcome with the name of its error. */
function show(aspects: Aspects, aspect: string): string {
  const value = aspects.get(aspect) ?? "nothing";
  if (!aspect.endsWith("outcome")) return value;
  const path = aspect.slice(0, -"outcome".length);
  const detail = aspects.get(`${path}error.name`) ?? aspects.get(`${path}value.status`) ?? aspects.get(`${path}value`);
  return detail === undefined ? value : `${value}: ${detail}`;
}
