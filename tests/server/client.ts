// Copyright 2026 the Hangup authors. MIT license.
//
// The tests' side of the counting server. Plain `fetch` and nothing else, so that it runs wherever
// a case runs.
import type { FaultName } from "./faults.ts";
import type { Arrival, Stats } from "./scope.ts";

export { pattern } from "./pattern.ts";
export type { Arrival, Stats };

/**
 * Where the control port is: a global in a page or a worker, in the environment elsewhere. And how
 * long `wait()` waits at least for an end where the platform owns the sockets, and takes its time.
 * And whether servers must be slow, as what nobody reads would fill the memory.
 */
const surroundings = globalThis as {
  HANGUP_CONTROL_URL?: string;
  HANGUP_WITHIN?: number;
  HANGUP_SLOW?: 1;
  process?: { env: Record<string, string | undefined> };
};

/** Conditions to wait for: `open` and `pending` exactly, the others at least so many. */
export interface Conditions {
  open?: number;
  pending?: number;
  accepted?: number;
  requests?: number;
  aborted?: number;
  killed?: number;
}

/** A listening port of the counting server with counters of its own. */
export interface Scope extends AsyncDisposable {
  /** The origin, such as `http://127.0.0.1:41234`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Of a Unix socket. */
  readonly path?: string;
  /** The certificate of the authority that issued the server's, in PEM. */
  readonly ca: string;
  /** Whether the runner records the texts of `note()`. */
  readonly recording: boolean;
  stats(): Promise<Stats>;
  /**
   * Resolves as soon as the conditions hold. If they do not within `within` milliseconds (250), it
   * rejects, and the error says what was counted.
   */
  wait(conditions: Conditions, within?: number): Promise<Stats>;
  /** Lets `/hold?key=` go on, before or after it was asked for. */
  release(key: string): Promise<void>;
  /** Destroys the sockets that are idle now, as a server does whose keep-alive time ran out. */
  drop(): Promise<void>;
  /**
   * Closes the port and destroys its sockets. Resolves with what arrived, in order, if the scope
   * was opened with `record`; before it closes, it waits for the rest of the bodies. With
   * conditions it waits for those first, as `wait()` does.
   */
  close(conditions?: Conditions): Promise<Arrival[]>;
}

// Taken before any test replaces it.
const { fetch } = globalThis;

async function call<T>(method: string, path: string, query: Record<string, unknown>, body?: string): Promise<T> {
  const base = surroundings.HANGUP_CONTROL_URL ?? surroundings.process?.env.HANGUP_CONTROL_URL;
  if (!base) throw new Error("HANGUP_CONTROL_URL is not set: run the tests with `deno task test`");
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, `${value}`);
  const response = await fetch(url, { method, body });
  const result = await response.json();
  if (!response.ok) throw new Error(`The counting server answered ${response.status}: ${result.error}`);
  return result;
}

/** How a scope is reached. */
export interface ScopeOptions {
  /** The address to listen on: `127.0.0.1`. */
  host?: string;
  /**
   * Speaks TLS, with a certificate that the runtimes were told to trust, or one that they were not.
   */
  tls?: 1 | "untrusted" | "self-signed";
  /** How long a TLS handshake takes at most, in milliseconds. Each one takes another time. */
  handshake?: number;
  /** Speaks HTTP/2 and nothing else. Needs `tls`. */
  h2?: 1;
  /** Listens on a Unix socket. */
  unix?: 1;
  /** Takes a port, but does not listen. */
  refuses?: 1;
  /**
   * Misbehaves from the accept on. Over plain HTTP/1.1, what misbehaves later is `/fault/NAME` on
   * any scope.
   */
  fault?: FaultName;
  /** How many sockets must not be open at once, so that `maxOpen` is exact above it. */
  limit?: number;
  /** Keeps what arrives, for `close()`. */
  record?: 1;
}

/** Leaves a text with the counting server, for the runner. */
export async function note(text: string): Promise<void> {
  await call("POST", "/note", {}, text);
}

/** What the counting server says of a scope that it has opened. */
type Opened = Pick<Scope, "url" | "port" | "path" | "ca" | "recording"> & { id: string };

/** What it says after a wait. */
interface Waited {
  met: boolean;
  stats: Stats;
  arrivals: Arrival[];
}

/** How many scopes are opened at once. Nearly every case needs one, and each call takes time. */
const AHEAD = 16;

/** The scopes that were opened ahead, by their options. */
const ahead = new Map<string, Opened[]>();

/** Opens a fresh listening port on the counting server. */
export async function openScope(options: ScopeOptions = {}): Promise<Scope> {
  const { id, ...opened } = await takeScope({ slow: surroundings.HANGUP_SLOW, ...options });
  let closing: Promise<Arrival[]> | undefined;
  const meet = async (method: string, path: string, conditions: Conditions, within = 250): Promise<Waited> => {
    if (conditions.open === 0 || conditions.pending === 0) {
      within = Math.max(within, surroundings.HANGUP_WITHIN ?? 0);
    }
    const waited = await call<Waited>(method, path, { id, within, ...conditions });
    if (waited.met) return waited;
    const wanted = JSON.stringify(conditions);
    throw new Error(`Waited ${within} ms for ${wanted} in vain: ${JSON.stringify(waited.stats)}`);
  };
  const close = (conditions: Conditions = {}) =>
    closing ??= meet("POST", "/close", conditions).then(({ arrivals }) => arrivals);
  return {
    ...opened,
    close,
    [Symbol.asyncDispose]: async () => void await close(),
    stats: () => call("GET", "/stats", { id }),
    wait: async (conditions, within) => (await meet("GET", "/wait", conditions, within)).stats,
    release: async (key) => void await call("POST", "/release", { id, key }),
    drop: async () => void await call("POST", "/drop", { id }),
  };
}

async function takeScope(options: ScopeOptions & { slow?: 1 }): Promise<Opened> {
  const key = JSON.stringify(options);
  const opened = ahead.get(key) ?? [];
  ahead.set(key, opened);
  const isPlain = Object.keys(options).every((name) => name === "slow" || name === "record");
  if (opened.length === 0) {
    opened.push(...await call<Opened[]>("POST", "/open", { count: isPlain ? AHEAD : 1, ...options }));
  }
  return opened.pop()!;
}
