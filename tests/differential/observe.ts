// Copyright 2026 the Hangup authors. MIT license.
//
// What a situation sees of a `fetch`, as plain values that can be compared. Nothing here waits for
// ever: what does not settle in time is an observation of its own, "hangs".
import type { Step } from "../server/faults.ts";

/** Any `fetch`: the runtime's own, or that of a session. */
export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

/** Where a situation takes place. */
export interface Place {
  /** The origin of the server. */
  readonly url: string;
  /** Another origin. */
  other(): Promise<string>;
  /** An origin where nobody listens. */
  dead(): Promise<string>;
  /**
   * Resolves when so many requests have arrived; gives up in silence, as what arrived is compared
   * anyway.
   */
  arrived(requests: number): Promise<void>;
  /** Resolves when the client has left so many exchanges; gives up in silence, and says so. */
  left(exchanges: number): Promise<boolean>;
  /** Lets `/hold?key=` go on. */
  release(key: string): Promise<void>;
}

/** Something done with a `fetch`, and what is seen of it. */
export interface Situation {
  /** The group and the situation, such as `redirects: 302 after a POST`. */
  name: string;
  /** Aspects that depend on time, and are not compared. */
  unsteady?: RegExp;
  /**
   * Whether the outcome depends on how busy the machine is, as with a short time limit, or on when
   * garbage is collected: if the two differ, both meet it again.
   */
  timed?: boolean;
  run(fetch: Fetch, at: Place): Promise<unknown>;
}

/** What takes longer hangs. */
const PATIENCE_MS = 2000;

type Read = (response: Response) => unknown;

/** The ways to read a body. */
const READS = {
  text: (response) => response.text(),
  json: (response) => response.json(),
  bytes: async (response) => latin1(await response.bytes()),
  arrayBuffer: async (response) => latin1(new Uint8Array(await response.arrayBuffer())),
  blob: async (response) => {
    const blob = await response.blob();
    return { type: blob.type, size: blob.size, text: await blob.text() };
  },
  formData: async (response) => {
    const entries = [...await response.formData()];
    return entries.map(([name, value]) => [name, typeof value === "string" ? value : [value.name, value.type]]);
  },
} satisfies Record<string, Read>;

/** How to read a body: by a method's name, by a function that gives what is seen, or not at all. */
export type How = keyof typeof READS | Read | "not";

/** Bytes as text, a character for each. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** A long text by its length and a hash. */
function shorten(text: string): string {
  if (text.length <= 500) return text;
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash, 31) + text.charCodeAt(i) | 0;
  return `${text.length} characters, hash ${hash}`;
}

/**
 * What was thrown: its name and classes, and its chain of causes by class and code. No messages, as
 * they are prose.
 */
export function describeError(error: unknown, signal?: AbortSignal): Record<string, unknown> {
  const known = { TypeError, RangeError, SyntaxError, DOMException, Error };
  const classes = Object.entries(known).filter(([, each]) => error instanceof each).map(([name]) => name);
  const chain: string[] = [];
  for (let each = error, i = 0; each instanceof Error && i < 10; each = each.cause, i++) {
    const { code } = each as { code?: unknown };
    // ERR_… is Node's word for a wrong argument: prose in capitals.
    chain.push(
      typeof code === "string" && !code.startsWith("ERR_") ? `${each.constructor.name} ${code}` : each.constructor.name,
    );
  }
  return {
    name: error instanceof Error ? error.name : `${typeof error} ${String(error)}`,
    classes: classes.join(" "),
    chain,
    ...(signal && { isReason: error === signal.reason }),
  };
}

/**
 * Settles what a function does, whatever that is: a throw, a rejection, a value, or nothing in
 * time.
 */
export async function settle<T>(
  work: () => T | Promise<T>,
  { signal, patience = PATIENCE_MS, show = (value) => value }: {
    /** Whether the error is its reason is seen too. */
    signal?: AbortSignal;
    patience?: number;
    /** What is seen of the value. */
    show?: (value: T) => unknown;
  } = {},
): Promise<{ outcome: string; error?: unknown; value?: unknown }> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), patience));
  try {
    let promise: T | Promise<T>;
    try {
      promise = work();
    } catch (error) {
      return { outcome: "throws", error: describeError(error, signal) };
    }
    const result = await Promise.race([Promise.resolve(promise).then((value) => ({ value })), late]);
    if (result === "late") return { outcome: "hangs" };
    const value = await show(result.value);
    return { outcome: "resolves", value: typeof value === "string" ? shorten(value) : value };
  } catch (error) {
    return { outcome: "rejects", error: describeError(error, signal) };
  } finally {
    clearTimeout(timer);
  }
}

/** What can be seen of a response before its body is read. */
export function head(response: Response): Record<string, unknown> {
  const { status, statusText, ok, type, url, redirected, bodyUsed, body } = response;
  const headers: Record<string, string> = {};
  for (const [name, value] of response.headers) headers[name] = name in headers ? `${headers[name]} | ${value}` : value;
  delete headers["connection"];
  delete headers["keep-alive"];
  return { status, statusText, ok, type, url, redirected, bodyUsed, body: body === null ? "null" : "stream", headers };
}

/** Reads a body, and sees how that goes. */
export function read(response: Response, how: Exclude<How, "not"> = "text", signal?: AbortSignal): Promise<unknown> {
  const reader: Read = typeof how === "string" ? READS[how] : how;
  return settle(() => reader(response), { signal });
}

/** Asks, sees how that goes, and reads what comes. */
export async function ask(
  work: () => Promise<Response>,
  how: How = "text",
  signal?: AbortSignal,
): Promise<unknown> {
  let response: Response | undefined;
  const call = await settle(work, { signal, show: (value) => head(response = value) });
  if (!response || how === "not") return { call };
  return { call, read: await read(response, how, signal), bodyUsed: response.bodyUsed };
}

type Init = RequestInit | ((at: Place) => RequestInit | undefined);

/** A situation that is one call: the path on the server, and an init, or what makes one. */
export function one(name: string, path: string, init?: Init, how?: How): Situation {
  return {
    name,
    run: (fetch, at) => {
      const made = typeof init === "function" ? init(at) : init;
      return ask(() => made === undefined ? fetch(at.url + path) : fetch(at.url + path, made), how);
    },
  };
}

/**
 * A situation that is one call, whose response is read at once: on Bun, a look at `body` changes
 * how it is read.
 */
export function atOnce(name: string, path: string, how: Exclude<How, "not">): Situation {
  return { name, run: async (fetch, at) => await read(await fetch(at.url + path), how) };
}

/** A situation that calls `fetch` with an input and an init, whatever they are. */
export function call(name: string, make: (at: Place) => [input?: unknown, init?: unknown]): Situation {
  return { name, run: (fetch, at) => ask(() => fetch(...make(at) as Parameters<Fetch>)) };
}

/** The path of a response that is exactly these bytes. */
export function raw(...steps: Step[]): string {
  return `/raw?steps=${encodeURIComponent(JSON.stringify(steps))}`;
}

/** The bytes of a response. */
export function response(status: string, headers: string[] = [], body = ""): string {
  return [`HTTP/1.1 ${status}`, ...headers, "", body].join("\r\n");
}

/** The bytes of a response with status 200 and its length. */
export function ok(headers: string[], body: string): string {
  return response("200 OK", [...headers, `content-length: ${body.length}`], body);
}

/** What is not what the types say. */
export function wrong<T>(value: unknown): T {
  return value as T;
}

/** A stream of texts or bytes; an `Error` among them is what it fails with. */
export function streamOf(...pieces: (string | Uint8Array | Error)[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let i = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces[i++];
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
    },
  });
}

/** An init that sends a stream. */
export function streaming(body: ReadableStream, init: RequestInit = {}): RequestInit {
  return { method: "POST", duplex: "half", ...init, body } as RequestInit;
}

/** What arrived of a request that was broken off depends on time. */
export const BROKEN_OFF = /^sent\.(count|\d+\.(length|body|whole))$/;

/** A situation in which some aspects depend on time. */
export function unsteady(situation: Situation, aspects: RegExp = BROKEN_OFF): Situation {
  return { ...situation, unsteady: aspects };
}

/** Names situations by their group. */
export function group(name: string, situations: Situation[]): Situation[] {
  return situations.map((situation) => ({ ...situation, name: `${name}: ${situation.name}` }));
}
