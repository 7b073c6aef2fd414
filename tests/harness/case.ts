// Copyright 2026 the Hangup authors. MIT license.
//
// A case is a value: written once, run on every runtime, knowing nothing of any test framework.
import { openScope, type Scope } from "../server/client.ts";

export type Runtime = "deno" | "bun" | "node22" | "node24" | "node26" | "workerd" | "chromium" | "firefox" | "webkit";

/**
 * What a case may need that some platform cannot do. Nothing else is a reason not to run a case.
 */
export const capabilities = {
  closesSockets: "The module can close the sockets itself. Without it, cases check that nothing is in flight.",
  followsRedirects: "Redirects are followed by the module, not by the platform.",
  observesRedirects: "Status, URL and headers of a redirect can be read.",
  allHeaders: "Any header can be sent and read: Cookie, Set-Cookie, Connection and the like.",
  streamsUploads: "A request's body can be a stream over HTTP/1.1.",
  sendsStreams: "A request's body can be a stream, if only over HTTP/2.",
  manyConnections: "More than six sockets to a host can be open at once.",
  processes: "A case can start a process of the same runtime, `t.run()`.",
  serves: "A case can have a handler of `tests/handlers.ts` served, `t.serve()`.",
  backpressure: "A reader that stops reading stops the server, so that what it has not read takes no more memory.",
  byteStreams: 'There are byte streams: `new ReadableStream({ type: "bytes" })`.',
  readsForms: "The stream of a `Response` made from a `FormData` can be read.",
  noticesPlaintext: "A server that answers a TLS handshake with something else is an error, and not waited for.",
  noticesTruncation: "A chunked body that breaks off is an error, not a complete one.",
  resetsStreams: "An aborted HTTP/2 request is reset at once, not with the next one.",
  seesClientsLeave: "A server notices that its client left while it has nothing to send.",
  speaksHttp2: "The runtime's `fetch` speaks HTTP/2.",
  explainsFailures: "The platform tells why a connection failed.",
  sendsOnce: "The platform itself never repeats a POST, as Chromium does where a reused connection died.",
  retriesStale: "A GET or PUT is sent once more where a reused connection died, by the module or by the platform.",
  retriesFresh: "That goes over a fresh connection, also where several died: the platform itself may try those too.",
  retriesOnce: "A GET that the platform repeats is repeated once, not up to ten times.",
  readsAtOnce: "Two reads of a response's stream can wait at once.",
  keepsStreamErrors: "`text()` and the like of a `Response` made from a stream reject with the stream's own error.",
  exactQueries: "The query of a URL is sent byte for byte.",
  exactLocation: "A Location that is empty, or neither ASCII nor UTF-8, is seen as it was sent.",
  exactRedirects: "No other statuses than 301, 302, 303, 307 and 308 are redirects.",
  redirectError: 'A `Request` can be made with `redirect: "error"`.',
  takesIntegrity: "`fetch` takes the option `integrity`.",
  unixSockets: "Requests can go to a Unix socket.",
  timePasses: "Time passes while a program computes.",
  awaitUsing: "The runtime knows `await using`, or what bundles for it lowers it.",
  asyncContext: "There is an async context: `AsyncLocalStorage`.",
  plainFetch: "The platform's `fetch` has neither CORS nor a cache, so that a session's can be compared with it.",
};

export type Capability = keyof typeof capabilities;

/** What no browser can do. */
const BROWSER: Capability[] = [
  "closesSockets",
  "followsRedirects",
  "observesRedirects",
  "allHeaders",
  "streamsUploads",
  "manyConnections",
  "processes",
  "serves",
  "seesClientsLeave",
  "explainsFailures",
  "retriesFresh",
  "keepsStreamErrors",
  "unixSockets",
  "asyncContext",
  "plainFetch",
];

/** What each platform cannot do. Those that are not named can do everything. */
export const lacking: Partial<Record<Runtime, Capability[]>> = {
  bun: ["speaksHttp2", "retriesFresh"],
  node22: ["speaksHttp2", "awaitUsing"],
  node24: ["speaksHttp2"],
  workerd: [
    "closesSockets",
    "processes",
    "seesClientsLeave",
    "speaksHttp2",
    "explainsFailures",
    "retriesStale",
    "retriesFresh",
    "readsAtOnce",
    "exactLocation",
    "redirectError",
    "takesIntegrity",
    "unixSockets",
    "timePasses",
  ],
  chromium: [...BROWSER, "sendsOnce"],
  firefox: [...BROWSER, "sendsOnce", "sendsStreams", "backpressure", "noticesPlaintext", "retriesOnce"],
  webkit: [
    ...BROWSER,
    "sendsStreams",
    "backpressure",
    "byteStreams",
    "noticesTruncation",
    "resetsStreams",
    "readsForms",
    "retriesStale",
    "exactQueries",
    "exactRedirects",
  ],
};

const { Deno } = globalThis as { Deno?: { build: { os: string } } };
if (Deno?.build.os === "windows") lacking.deno!.push("unixSockets");

/** One thing that must be true on every runtime that can show it. */
export interface Case {
  /** A sentence, such as `get() leaves no socket open after a 404`. */
  name: string;
  needs?: Capability[];
  /**
   * Whether it uses bare `fetch`, which may leave resources behind; then Deno's sanitizers are off.
   */
  leaks?: boolean;
  /** Whether its scope keeps what arrives. */
  records?: boolean;
  run(t: TestContext): Promise<void> | void;
}

/** A script to run. */
export interface Script {
  script: string;
  /** What its environment has besides that of the tests. */
  env?: Record<string, string>;
  /** Options for V8, on the runtimes that have it. */
  v8?: string[];
  /** Whether it has tests for the test runner that the runtime brings. */
  tests?: boolean;
}

/** How a process ended that a case started. */
export interface Exit {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The time from its last line to its exit, in milliseconds. */
  rest: number;
}

/** What a case is given. */
export interface TestContext {
  readonly runtime: Runtime;
  /** A listening port for this case alone, so that its counts are exact. */
  readonly scope: Scope;
  /** Another such port, for a second origin; closed after the case. */
  openScope: typeof openScope;
  /**
   * Whether the platform can do this. If not, the case goes on without it, and the matrix says so.
   */
  can(capability: Capability): boolean;
  /**
   * Runs a script of `tests/` in a process of its own, on the same runtime. Needs `"processes"`.
   */
  run(script: string | Script, ...args: string[]): Promise<Exit>;
  /**
   * Serves a handler of `tests/handlers.ts` for this case and returns its URL. Needs `"serves"`.
   */
  serve(name: string): Promise<string>;
}

/** What a case has that must be closed. */
interface Closable {
  close(): Promise<unknown>;
}

/** A file of cases. */
export interface Suite {
  name: string;
  cases: Case[];
}

/** What became of a case on a runtime. */
export interface Result {
  suite: string;
  name: string;
  /** What the platform cannot do, so that the case was not run. */
  lacks?: Capability;
  /** What the case asked for and did without. */
  without?: Capability[];
  /** The stack, if it failed. */
  error?: string;
  ms: number;
}

/** A case that takes longer has hung. */
const LIMIT_MS = 45_000;

/** The surroundings that a registrar gives its cases. */
export interface Surroundings {
  runtime: Runtime;
  run?: TestContext["run"];
  /** Serves a handler by its name. */
  serve?(name: string): Promise<Closable & { url: string }>;
}

/** A scope for the next case. Some cases do not look at theirs. */
let spare: Scope | undefined;

/** The first capability that the case needs and the runtime lacks. */
export function lacks(test: Case, runtime: Runtime): Capability | undefined {
  return test.needs?.find((capability) => lacking[runtime]?.includes(capability));
}

/**
 * Runs a case; throws if it fails, or hangs. Resolves with what the case asked for and did without.
 */
export async function runCase(test: Case, { runtime, run, serve }: Surroundings): Promise<Capability[]> {
  const opened: Closable[] = [];
  const open: typeof openScope = async (options) => {
    const scope = await openScope(options);
    opened.push(scope);
    return scope;
  };
  const serveNamed = async (name: string) => {
    if (!serve) throw new Error(`Cannot serve on ${runtime}: needs "serves"`);
    const served = await serve(name);
    opened.push(served);
    return served.url;
  };
  const cannotRun = () => Promise.reject(new Error(`Cannot start a process on ${runtime}: needs "processes"`));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Hung: not settled within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  const without = new Set<Capability>();
  const can = (capability: Capability) => {
    const lacked = lacking[runtime]?.includes(capability) ?? false;
    if (lacked) without.add(capability);
    return !lacked;
  };
  const settled = (async () => {
    const scope = test.records ? await open({ record: 1 }) : spare ??= await openScope();
    const context: TestContext = {
      runtime,
      get scope() {
        if (scope === spare) {
          spare = undefined;
          opened.push(scope);
        }
        return scope;
      },
      openScope: open,
      can,
      run: run ?? cannotRun,
      serve: serveNamed,
    };
    await test.run(context);
  })();
  try {
    await Promise.race([settled, hung]);
    return [...without];
  } finally {
    clearTimeout(timer);
    await Promise.all(opened.map((each) => each.close()));
  }
}

/**
 * Runs suites one case after another where there is no test framework, and prints each case as it
 * starts and ends, as a line that the runner reads: `@case ` and JSON. Then `@end`.
 *
 * `execute` runs a case: by `runCase`, or in a worker or page that has the same suites.
 */
export async function runSuites(
  suites: Suite[],
  runtime: Runtime,
  only: string,
  execute: (test: Case, suite: Suite) => Promise<Capability[]>,
): Promise<void> {
  const print = (event: { start: string } | Result) => console.log(`@case ${JSON.stringify(event)}`);
  for (const suite of suites) {
    for (const test of suite.cases) {
      const { name } = test;
      const title = titleOf(suite.name, test);
      if (!title.includes(only)) continue;
      const missing = lacks(test, runtime);
      if (missing) {
        print({ suite: suite.name, name, lacks: missing, ms: 0 });
        continue;
      }
      print({ start: title });
      const began = performance.now();
      let error: string | undefined;
      let without: Capability[] | undefined;
      try {
        without = await execute(test, suite);
      } catch (thrown) {
        error = describe(thrown);
      }
      print({ suite: suite.name, name, error, without, ms: Math.round(performance.now() - began) });
    }
  }
  console.log("@end");
}

/** The name of a case in a report, and what `--only` is matched against. */
export function titleOf(suite: string, test: Case): string {
  return `[${suite}] ${test.name}`;
}

/** The stack of what was thrown, with that of its causes. */
export function describe(thrown: unknown): string {
  if (typeof thrown === "string") return thrown; // described already, where the case ran
  if (!(thrown instanceof Error)) return `Thrown: ${String(thrown)}`;
  const own = thrown.stack?.includes(thrown.message) ? thrown.stack : `${thrown}\n${thrown.stack ?? ""}`;
  return thrown.cause === undefined ? own : `${own}\nCaused by: ${describe(thrown.cause)}`;
}
