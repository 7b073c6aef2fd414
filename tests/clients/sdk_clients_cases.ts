// Copyright 2026 the Hangup authors. MIT license.
//
// The SDKs of services over `session.fetch`, and clients that take a `fetch`. A file of its own, so
// that a package that does not load on a runtime fails alone.
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
// @ts-types="../../node_modules/@modelcontextprotocol/sdk/dist/esm/client/index.d.ts"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="../../node_modules/@modelcontextprotocol/sdk/dist/esm/client/streamableHttp.d.ts"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createClient as createSupabase } from "@supabase/supabase-js";
import { createTRPCUntypedClient, httpBatchStreamLink } from "@trpc/client";
import { generateText, streamText } from "ai";
import axios, { AxiosError } from "axios";
import Stripe from "stripe";
import wretch from "wretch";
import type { Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { withSession } from "../harness/with_session.ts";
import type { Scope } from "../server/client.ts";
import { client, drain, pending } from "./client.ts";

const apiKey = "none";
const prompt = "What becomes of sockets?";
const answer = "Sockets are closed.";

/** Reads an async iterable to its end. */
async function exhaust(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks);
}

function anthropic({ fetch }: Session, scope: Scope) {
  const baseURL = `${scope.url}/anthropic`;
  const { messages } = new Anthropic({ apiKey, baseURL, fetch, maxRetries: 0, dangerouslyAllowBrowser: true });
  return (model: string) =>
    messages.create({ model, max_tokens: 100, messages: [{ role: "user", content: prompt }], stream: true });
}

function stripe({ fetch }: Session, { url }: Scope): Stripe {
  const { hostname, port } = new URL(url);
  const httpClient = Stripe.createFetchHttpClient(fetch);
  return new Stripe(apiKey, { httpClient, host: hostname, port, protocol: "http", maxNetworkRetries: 0 });
}

function supabase({ fetch }: Session, { url }: Scope) {
  const auth = { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false };
  return createSupabase(`${url}/supabase`, apiKey, { global: { fetch }, auth });
}

function trpc({ fetch }: Session, { url }: Scope) {
  return createTRPCUntypedClient({ links: [httpBatchStreamLink({ url: `${url}/trpc`, fetch })] });
}

/** A model of the AI SDK. */
function model(name: string, { fetch }: Session, { url }: Scope) {
  return createOpenAI({ apiKey, baseURL: `${url}/openai`, fetch }).chat(name);
}

async function mcp({ fetch }: Session, { url }: Scope) {
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { fetch });
  const client = new Client({ name: "hangup", version: "1.0.0" });
  await client.connect(transport);
  return client;
}

function request({ fetch }: Session, { url }: Scope) {
  return axios.create({ adapter: "fetch", env: { fetch }, baseURL: url });
}

export const cases: Case[] = [
  ...client("@anthropic-ai/sdk", async (session, { scope }) => {
    const words: string[] = [];
    for await (const event of await anthropic(session, scope)("short")) {
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") words.push(event.delta.text);
    }
    assertEquals(words.join(""), answer);
    await assertRejects(() => anthropic(session, scope)("wrong"), Anthropic.NotFoundError, "No such model");
  }, async (session, scope) => {
    const stream = await anthropic(session, scope)("endless");
    return () => exhaust(stream);
  }, { sockets: 3 }),

  ...client("stripe", async (session, { scope }) => {
    const { customers } = stripe(session, scope);
    assertEquals((await customers.create({ name: "Ada" })).name, "Ada");
    const ids: string[] = [];
    for await (const { id } of customers.list({ limit: 2 })) ids.push(id);
    assertEquals(ids, ["cus_1", "cus_2", "cus_3", "cus_4"]);
    await assertRejects(
      () => customers.retrieve("cus_100"),
      Stripe.errors.StripeInvalidRequestError,
      "No such customer",
    );
  }, async (session, scope) => await pending(scope, stripe(session, scope).customers.retrieve("cus_hang"))),

  ...client("@supabase/supabase-js", async (session, { scope }) => {
    const database = supabase(session, scope);
    assertEquals((await database.from("items").select("*").eq("id", 2)).data, [{ id: 2 }]);
    assertEquals((await database.from("nothing").select()).error?.code, "PGRST205");
    assertEquals((await database.functions.invoke("hello", { body: { name: "Ada" } })).data, { hello: "Ada" });
  }, async (session, scope) => {
    const { data } = await supabase(session, scope).functions.invoke("endless");
    return () => drain(data.body);
  }),

  ...client("@trpc/client", async (session, { scope }) => {
    const client = trpc(session, scope);
    const both = await Promise.all([client.query("item", 1), client.query("item", 2)]);
    assertEquals(both, [{ id: 1 }, { id: 2 }]);
    const words: unknown[] = [];
    for await (const word of await client.query("words") as AsyncIterable<unknown>) words.push(word);
    assertEquals(words.join(""), answer);
  }, async (session, scope) => {
    const chunks = await trpc(session, scope).query("endless");
    return () => exhaust(chunks as AsyncIterable<unknown>);
    // It may cancel a stream whose last frame has arrived, and Node dials a socket after that.
  }, { sockets: 3 }),

  ...client("ai", async (session, { scope }) => {
    assertEquals((await generateText({ model: model("short", session, scope), prompt })).text, answer);
    assertEquals(await streamText({ model: model("short", session, scope), prompt }).text, answer);
  }, async (session, scope) => {
    const { fullStream } = streamText({ model: model("endless", session, scope), prompt, maxRetries: 0, onError() {} });
    const parts = fullStream[Symbol.asyncIterator]();
    for (let words = 0; words < 3;) if ((await parts.next()).value?.type === "text-delta") words++;
    return async () => {
      for (;;) {
        const { done, value } = await parts.next();
        if (done || value.type === "error") throw value?.error;
      }
    };
  }, { sockets: 3 }),

  ...client("@modelcontextprotocol/sdk", async (session, { scope }) => {
    const client = await mcp(session, scope);
    const { content } = await client.callTool({ name: "short" });
    assertEquals(content, [{ type: "text", text: answer }]);
    await client.close();
  }, async (session, scope) => {
    const client = await mcp(session, scope);
    const failed = new Promise((_, reject) => client.onerror = reject);
    failed.catch(() => {});
    await new Promise<unknown>((resolve) => {
      client.callTool({ name: "endless" }, undefined, { onprogress: resolve }).catch(() => {});
    });
    return () => failed.finally(() => client.close());
    // It keeps the text of an error alone.
  }, { sockets: 3, tells: /SSE stream disconnected: TypeError: fetch failed$/ }),

  ...client("wretch", async (session, { scope }) => {
    const api = wretch(scope.url).fetchPolyfill(session.fetch);
    assertEquals(await api.get("/rest/items/3").json(), { id: 3, name: "Item 3" });
    assertEquals(await api.post({ name: "mine" }, "/rest/items").json(), { id: 7, name: "mine" });
    assertEquals(await api.get("/rest/items/100").notFound((error) => error.status).json(), 404);
  }, async (session, scope) => {
    const response = await wretch(scope.url).fetchPolyfill(session.fetch).get("/endless").res();
    return () => drain(response.body!);
  }),

  ...client("axios", async (session, { scope }) => {
    const api = request(session, scope);
    assertEquals((await api.get("/rest/items/3")).data, { id: 3, name: "Item 3" });
    assertEquals((await api.post("/rest/items", { name: "mine" })).data, { id: 7, name: "mine" });
    const error = await assertRejects(() => api.get("/rest/items/100"), AxiosError);
    assertEquals([error.code, error.response?.status], ["ERR_BAD_REQUEST", 404]);
  }, async (session, scope) => {
    const { data } = await request(session, scope).get("/endless", { responseType: "stream" });
    return () => drain(data);
  }),
  withSession("axios sees ERR_NETWORK when the server is gone", async (session, { openScope }) => {
    const gone = await openScope();
    const api = request(session, gone);
    assertEquals((await api.get("/ok")).data, "ok");
    await gone.close();
    const error = await assertRejects(() => api.get("/ok"), AxiosError);
    assertEquals([error.code, error.message], ["ERR_NETWORK", "Network Error"]);
    assert(error.cause instanceof Error);
  }),
];
