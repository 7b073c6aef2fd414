// Copyright 2026 the Hangup authors. MIT license.
//
// The module as a strict TypeScript project sees it that is no Deno project, with the types of
// browsers, Node, Bun or Workers: checked by `deno task check:consumer`, never run. It must use
// every export.
import * as hangup from "@hangup/session";
import {
  type AcquireOptions,
  BodyTooLargeError,
  type CloseOptions,
  type CookieJar,
  createTransport,
  del,
  type ExchangeInfo,
  type ExchangeState,
  type Fetch,
  get,
  HangupError,
  type HangupResponse,
  head,
  isRetriable,
  type Lease,
  NetworkError,
  options,
  patch,
  Pool,
  PoolClosedError,
  type PoolOptions,
  type PoolStats,
  post,
  PrefetchedResponse,
  put,
  QueueFullError,
  type Redirect,
  type Repeatable,
  request,
  type RequestInput,
  type RequestSummary,
  type ResponseFor,
  retryAfter,
  type SentRequest,
  Session,
  SessionClosedError,
  type SessionOptions,
  type SessionRequestInit,
  type StandardRequestInit,
  StatusError,
  StreamedResponse,
  TimeoutError,
  type TimeoutPhase,
  type Timeouts,
  TooManyRedirectsError,
  type Transport,
  type TransportOptions,
} from "@hangup/session";

/** Fails to compile unless the types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_same: Same<A, B>): void {}

declare const url: RequestInput;
declare const unsure: boolean;

// The response's type follows `prefetch`.
const prefetched = get(url);
const streamed = get(url, { prefetch: false });
const unknown = get(url, { prefetch: unsure });
same<typeof prefetched, Promise<PrefetchedResponse>>(true);
same<typeof streamed, Promise<StreamedResponse>>(true);
same<Awaited<typeof unknown>, PrefetchedResponse | StreamedResponse>(true);
same<ResponseFor<true>, PrefetchedResponse>(true);
same<ResponseFor<false>, StreamedResponse>(true);
for (const call of [request, get, head, options, post, put, patch, del]) {
  const whole = call(url, { prefetch: true });
  const open = call(url, { prefetch: false });
  same<typeof whole, Promise<PrefetchedResponse>>(true);
  same<typeof open, Promise<StreamedResponse>>(true);
}

const jar: CookieJar = { getCookieString: () => "", setCookie: async () => {} };
const timeouts: Timeouts = { queue: 1, headers: 1, idle: 1, total: Infinity };
const transport: Transport = { closesSockets: false, fetch: (to, init) => fetch(to, init), close() {} };
const transportOptions: TransportOptions = { idleTimeout: 1000, allowHost: true };
export const own: Transport = createTransport(transportOptions);
const poolOptions: PoolOptions = { maxConnections: 8, maxConnectionsPerOrigin: 4, maxQueued: 100, idleTimeout: 1000 };
const sessionOptions: SessionOptions = {
  baseUrl: "https://example.com/",
  headers: { accept: "application/json" },
  timeout: timeouts,
  maxBodyBytes: 1000,
  maxRedirects: 5,
  pool: poolOptions,
  fetch,
  cookieJar: jar,
  onLeak: ({ url, stack }) => console.warn(url, stack),
  traceLeaks: true,
};
const init: SessionRequestInit<true> = {
  json: [1],
  query: { page: 1, all: undefined },
  timeout: 1000,
  redirect: "manual",
};
const closing: CloseOptions = { grace: 1000 };

/** Every member of a session and of the two responses. */
export async function useSession(): Promise<ExchangeInfo[]> {
  await using session = new Session(sessionOptions);
  const standard: typeof fetch = session.fetch;
  void [standard, session.closed, session.pool];
  for (const call of [session.get, session.head, session.options, session.request]) same<typeof call, typeof get>(true);
  for (const call of [session.post, session.put, session.patch, session.delete]) same<typeof call, typeof get>(true);

  const response = await session.request(url, init);
  const common: HangupResponse = response;
  const { status, statusText, ok, headers, redirected, history, request: sent } = common;
  same<[number, string, boolean, Headers, boolean], [
    typeof status,
    typeof statusText,
    typeof ok,
    typeof headers,
    typeof redirected,
  ]>(true);
  const hops: readonly Redirect[] = history;
  const { method, url: sentUrl }: SentRequest = sent;
  const content: Uint8Array = response.throwIfNotOk().content;
  const user = await response.json<{ name: string }>();
  same<typeof user, { name: string }>(true);
  void [hops.length, method, sentUrl, content, await response.text(), await response.bytes(), response.toResponse()];
  void [await response.arrayBuffer(), await response.blob(), await response.formData()];

  await using stream = await session.get(url, { prefetch: false });
  same<typeof stream, StreamedResponse>(true);
  for await (const chunk of stream) same<typeof chunk, Uint8Array<ArrayBuffer>>(true);
  for await (const line of stream.lines()) same<typeof line, string>(true);
  const body: ReadableStream<Uint8Array> | null = stream.body;
  const web: Response = (await stream.throwIfNotOk()).toResponse();
  void [body, web, stream.closed, await stream.json<number[]>(), await stream.text(), await stream.bytes()];
  void [await stream.arrayBuffer(), await stream.blob(), await stream.formData()];
  await stream.close();

  const states: ExchangeState[] = session.exchanges().map(({ state }) => state);
  void states;
  return await session.close(closing);
}

/** Every member of a pool. */
export async function usePool(): Promise<PoolStats> {
  await using pool = new Pool({ transport });
  const acquiring: AcquireOptions = { signal: AbortSignal.timeout(1000), timeout: 1000, onClose: (error) => error.url };
  using lease: Lease = await pool.acquire("https://example.com", acquiring);
  const response: Response = await lease.fetch(new URL("https://example.com/"), {});
  void [lease.origin, lease.released, response.status, pool.closed, pool.closesSockets];
  lease.release();
  await pool.close();
  return pool.stats();
}

/** Every error, told from the others by its class. */
export function explain(error: unknown): string {
  if (error instanceof TimeoutError) {
    const phase: TimeoutPhase = error.phase;
    const holders: readonly RequestSummary[] = error.holders;
    return `${phase} ${error.timeout} ${holders.length}`;
  }
  if (error instanceof StatusError) return String(error.response.status);
  if (error instanceof QueueFullError) return String(error.maxQueued);
  if (error instanceof BodyTooLargeError) return String(error.maxBodyBytes);
  if (error instanceof TooManyRedirectsError) return String(error.maxRedirects);
  if (error instanceof SessionClosedError || error instanceof PoolClosedError) return error.message;
  if (error instanceof NetworkError) {
    const code: string | undefined = error.code;
    return `${code} ${error.cause}`;
  }
  if (error instanceof HangupError) {
    const repeatable: Repeatable | undefined = error.repeatable;
    return `${error.method ?? ""} ${error.url ?? ""} ${repeatable}`;
  }
  return String(error);
}

/** When to send a request again. */
export function wait(error: unknown): number | undefined {
  const again: (error: unknown) => boolean = isRetriable;
  const time: number | undefined = retryAfter(error);
  return again(error) ? time : undefined;
}

// Whatever a project's own options hold: each may be `undefined`.
declare const maybe: {
  number: number | undefined;
  boolean: boolean | undefined;
  signal: AbortSignal | undefined;
  headers: Headers | undefined;
  request: RequestSummary | undefined;
};
export const undefinedOptions: [SessionOptions, SessionRequestInit, PoolOptions, AcquireOptions, CloseOptions] = [
  {
    baseUrl: undefined,
    headers: maybe.headers,
    timeout: { queue: maybe.number, headers: maybe.number, idle: maybe.number, total: maybe.number },
    maxBodyBytes: maybe.number,
    throwIfNotOk: maybe.boolean,
    maxRedirects: maybe.number,
    pool: undefined,
    fetch: undefined,
    cookieJar: undefined,
    onLeak: undefined,
    traceLeaks: maybe.boolean,
  },
  {
    method: undefined,
    headers: maybe.headers,
    body: undefined,
    signal: maybe.signal,
    redirect: undefined,
    json: undefined,
    query: undefined,
    timeout: maybe.number,
    maxBodyBytes: maybe.number,
    maxRedirects: maybe.number,
    throwIfNotOk: maybe.boolean,
  },
  {
    maxConnections: maybe.number,
    maxConnectionsPerOrigin: maybe.number,
    maxQueued: maybe.number,
    idleTimeout: maybe.number,
    transport: undefined,
  },
  { signal: maybe.signal, timeout: maybe.number, request: maybe.request, onClose: undefined },
  { grace: maybe.number },
];
createTransport({ idleTimeout: maybe.number });
/** As the options of a runtime's own are declared. */
interface AgentOptions {
  connections?: number;
  connect?: (options: object) => void;
}
export const ofAgent = (options: AgentOptions): Transport => createTransport(options);
get(url, { prefetch: undefined, signal: maybe.signal });
export const standardInit: StandardRequestInit = { signal: maybe.signal };
/** The options of a standard request are options of ours. */
export const ofFetch = (standard: RequestInit): Promise<PrefetchedResponse> => get(url, standard);

// What a `fetch` can be.
for (
  const send of [
    async () => await Promise.resolve(new Response()),
    async (url: URL) => await fetch(url),
    (url: URL, init: { headers: Record<string, string> }) => Promise.resolve(new Response(url.pathname, init)),
    (input: string | URL, init?: RequestInit) => fetch(input, init),
    globalThis.fetch,
  ]
) {
  const given: Fetch = send;
  new Session({ fetch: given });
}
new Session({ fetch: ({ pathname }, { method }) => Promise.resolve(new Response(`${method} ${pathname}`)) });
// @ts-expect-error -- it gets a URL
new Session({ fetch: (url: string) => fetch(url.slice(1)) });
export const nested = (session: Session): Session => new Session({ fetch: session.fetch });
/** As libraries name it that are for every platform. */
export const wide = (session: Session): (input: string | URL | Request, init?: RequestInit) => Promise<Response> =>
  session.fetch;
export function replace(session: Session): void {
  globalThis.fetch = session.fetch;
}

// Functions of a project's own that pass options on, without a cast.
declare const session: Session;
export function load(path: string, init?: SessionRequestInit): Promise<PrefetchedResponse> {
  return session.get(path, init);
}
export async function loadJson<T>(path: string, init: SessionRequestInit = {}): Promise<T> {
  const response = await session.get(path, { ...init, headers: { accept: "application/json" }, timeout: 1000 });
  return await response.throwIfNotOk().json<T>();
}
export function open(path: string, init?: SessionRequestInit<false>): Promise<StreamedResponse> {
  return session.get(path, { ...init, prefetch: false });
}
export function either<P extends boolean = true>(path: string, init?: SessionRequestInit<P>): Promise<ResponseFor<P>> {
  return session.get(path, { ...init, timeout: 1000 });
}
const byDefault = either("/");
same<typeof byDefault, Promise<PrefetchedResponse>>(true);
export async function save(path: string, json: object, init?: Omit<SessionRequestInit, "json">): Promise<void> {
  await session.post(path, { ...init, json });
}

/**
 * A forgotten `await`: the promise has nothing of the response. Each directive is a check: where
 * the line below it compiles, it is an error itself.
 */
export async function forget(response: StreamedResponse): Promise<void> {
  // @ts-expect-error: a promise has no chunks
  for await (const chunk of response.throwIfNotOk()) void chunk;
  // @ts-expect-error: a promise has no body
  void response.throwIfNotOk().body;
  // @ts-expect-error: a promise has no text
  await response.throwIfNotOk().text();
  // @ts-expect-error: a promise has no lines
  for await (const line of response.throwIfNotOk().lines()) void line;
  // @ts-expect-error: a promise cannot be closed
  await response.throwIfNotOk().close();
}

// Wrong arguments do not compile. Each directive is a check: where nothing is wrong below it, it is
// an error itself.
// @ts-expect-error: no such option
get(url, { prefetched: false });
// @ts-expect-error: a query is flat
get(url, { query: { page: { number: 1 } } });
// @ts-expect-error: a function that takes `SessionRequestInit` returns a prefetched response
load("/", { prefetch: false });
// @ts-expect-error: a `fetch` gives a promise
new Session({ fetch: () => new Response() });
// @ts-expect-error: no such timeout
new Session({ timeout: { connect: 1 } });
// @ts-expect-error: a prefetched response has nothing to close
prefetched.then((response) => response.close());

/** A name that is exported and not used above fails to compile. */
const used = {
  BodyTooLargeError,
  HangupError,
  NetworkError,
  Pool,
  PoolClosedError,
  PrefetchedResponse,
  QueueFullError,
  Session,
  SessionClosedError,
  StatusError,
  StreamedResponse,
  TimeoutError,
  TooManyRedirectsError,
  createTransport,
  del,
  get,
  head,
  isRetriable,
  options,
  patch,
  post,
  put,
  request,
  retryAfter,
};
same<keyof typeof used, keyof typeof hangup>(true);
