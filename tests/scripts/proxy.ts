// Copyright 2026 the Hangup authors. MIT license.
//
// A process whose requests go through a proxy, or a mock. Prints what came of them, as JSON.
// Arguments: how, the proxy's URL, and the URL to ask for.
import process from "node:process";
import { createTransport, get, Session } from "../../mod.ts";

/** The part of undici that is used here, the same in each version. */
interface Undici {
  setGlobalDispatcher(dispatcher: Dispatcher): void;
  MockAgent: new () => Dispatcher & {
    disableNetConnect(): void;
    get(origin: string): { intercept(what: object): { reply(status: number, body: unknown): { persist(): void } } };
  };
  ProxyAgent: new (url: string) => Dispatcher;
  EnvHttpProxyAgent: new (options?: { noProxy: string }) => Dispatcher;
  Agent: new (options?: object) => Dispatcher & { compose(...interceptors: unknown[]): Dispatcher };
}

interface Dispatcher {
  close(): Promise<void>;
}

const [how = "", proxy = "", url = ""] = process.argv.slice(2);

/** The version of npm's undici that is this Node's own. */
async function importUndici(): Promise<Undici> {
  return await import(`undici${parseInt(process.versions.undici!)}`);
}

/** The transport that a user builds to go through a proxy. */
async function viaProxy() {
  if ("Deno" in globalThis) return createTransport({ proxy: { url: proxy } });
  if ("Bun" in globalThis) return createTransport({ proxy });
  const { ProxyAgent } = await importUndici();
  return createTransport({ dispatcher: new ProxyAgent(proxy) });
}

let dispatcher: Dispatcher | undefined;
let next: unknown;
/** A session that has looked at the environment, but has sent nothing. */
const early = /under a (?:used )?session$/.test(how) ? new Session() : undefined;
void early?.pool.closesSockets;
if (how.endsWith("under a used session")) await early!.get(proxy); // asked as a server
if (how.startsWith("mock")) {
  const { MockAgent, setGlobalDispatcher } = await importUndici();
  const mock = dispatcher = new MockAgent();
  mock.disableNetConnect();
  mock.get(new URL(url).origin).intercept({ path: new URL(url).pathname }).reply(200, { url: "mocked" }).persist();
  const after = how === "mock after a call";
  if (after) await get(proxy);
  setGlobalDispatcher(mock);
  if (after) next = (await get(url)).status;
} else if (how === "global proxy") {
  const { ProxyAgent, setGlobalDispatcher } = await importUndici();
  setGlobalDispatcher(dispatcher = new ProxyAgent(proxy));
} else if (how === "environment, changed") {
  await get(url); // a session that has found nothing of the user's
  process.env.HTTP_PROXY = process.env.http_proxy = "http://127.0.0.1:9";
} else if (how === "environment, changed under a session") {
  process.env.HTTP_PROXY = process.env.http_proxy = "http://127.0.0.1:9";
} else if (how === "environment, named under a session") {
  process.env.HTTP_PROXY = process.env.http_proxy = proxy;
} else if (how === "environment, named anew under a used session") {
  process.env.HTTP_PROXY = process.env.http_proxy = proxy;
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await importUndici();
  setGlobalDispatcher(dispatcher = new EnvHttpProxyAgent());
} else if (how === "environment, unset under a session") {
  for (const name of ["HTTP_PROXY", "http_proxy", "NODE_USE_ENV_PROXY"]) delete process.env[name];
} else if (how === "exempting") {
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await importUndici();
  setGlobalDispatcher(dispatcher = new EnvHttpProxyAgent({ noProxy: "127.0.0.1" }));
} else if (how === "interceptor") {
  const { Agent, setGlobalDispatcher } = await importUndici();
  const agent = new Agent();
  // Sends everything elsewhere, as a mock or a cache would.
  const elsewhere = (dispatch: (options: object, handler: object) => boolean) => (options: object, handler: object) =>
    dispatch({ ...options, origin: proxy }, handler);
  dispatcher = agent;
  setGlobalDispatcher(agent.compose(elsewhere));
} else if (how === "options") {
  const { Agent, setGlobalDispatcher } = await importUndici();
  setGlobalDispatcher(dispatcher = new Agent({ connections: 1 }));
}

const session = early ?? new Session({ pool: how === "own" ? { transport: await viaProxy() } : {} });
const { closesSockets } = session.pool;
const asked = await session.get(url).then(({ status }) => status, (error) => `${error} < ${error.cause?.cause ?? ""}`);
const body = await session.get(url).then((response) => response.json<{ url: string }>(), () => undefined);
const posted = await session.post(url, { body: "text" }).then(({ status }) => status, ({ name }) => name);
const fetched = await session.fetch(url).then(({ status }) => status, ({ name }) => name);
await new Promise((resolve) => setTimeout(resolve, 20)); // for a short body that nobody reads
const open = session.exchanges().length;
await session.close();
const ephemeral = how === "own" ? 200 : await get(url).then(({ status }) => status, ({ name }) => name);
const bare = how === "own" ? 200 : await fetch(url).then((response) => response.json()).then(() => 200, String);
await dispatcher?.close();
console.log(JSON.stringify({ closesSockets, asked, url: body?.url, posted, fetched, open, ephemeral, bare, next }));
