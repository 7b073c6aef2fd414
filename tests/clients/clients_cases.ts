// Copyright 2026 the Hangup authors. MIT license.
//
// Real clients over `session.fetch`: each does its work with the sockets of the session, and leaves
// none when the session is closed in the middle of it.
import { request as octokit } from "@octokit/request";
import { assertEquals, assertRejects } from "@std/assert";
import { PostgrestClient } from "@supabase/postgrest-js";
import { GraphQLClient } from "graphql-request";
import ky, { HTTPError } from "ky";
import { createFetch } from "ofetch";
import OpenAI from "openai";
import createClient from "openapi-fetch";
import type { Session } from "../../mod.ts";
import type { Case } from "../harness/case.ts";
import { withSession } from "../harness/with_session.ts";
import type { Scope } from "../server/client.ts";
import { client, drain, pending } from "./client.ts";

interface Item {
  id: number;
  name: string;
}

/** What openapi-typescript would make of the description of `/rest`. */
interface Paths {
  "/rest/items/{id}": {
    get: {
      parameters: { path: { id: number } };
      responses: {
        200: { content: { "application/json": Item } };
        404: { content: { "application/json": { error: string } } };
      };
    };
  };
  "/rest/items": {
    post: {
      requestBody: { content: { "application/json": { name: string } } };
      responses: { 201: { content: { "application/json": Item } } };
    };
  };
  "/endless": { get: { responses: { 200: { content: { "application/octet-stream": string } } } } };
}

const messages = [{ role: "user" as const, content: "What becomes of sockets?" }];

function openai(session: Session, scope: Scope): OpenAI {
  const baseURL = `${scope.url}/openai`;
  return new OpenAI({ apiKey: "none", baseURL, fetch: session.fetch, maxRetries: 0, dangerouslyAllowBrowser: true });
}

export const cases: Case[] = [
  ...client("openai", async (session, { scope }) => {
    const { chat } = openai(session, scope);
    const completion = await chat.completions.create({ model: "short", messages });
    assertEquals(completion.choices[0]?.message.content, "Sockets are closed.");
    const words: string[] = [];
    for await (const chunk of await chat.completions.create({ model: "short", messages, stream: true })) {
      words.push(chunk.choices[0]?.delta.content ?? "");
    }
    assertEquals(words, ["Sockets", " are", " closed", "."]);
  }, async (session, scope) => {
    const { chat } = openai(session, scope);
    const stream = await chat.completions.create({ model: "endless", messages, stream: true });
    return async () => {
      for await (const _ of stream);
    };
    // It hangs up at the event [DONE], mostly after the end has come with it. Where not, Node dials
    // anew unasked.
  }, { sockets: 3 }),
  withSession("openai gives its connection back when a stream is abandoned half-way", async (session, { scope }) => {
    const { chat } = openai(session, scope);
    for (let i = 0; i < 5; i++) {
      const stream = await chat.completions.create({ model: "endless", messages, stream: true });
      let words = 0;
      for await (const _ of stream) if (++words === 3) break;
      await scope.wait({ pending: 0 });
      assertEquals(session.exchanges(), []);
    }
    const stream = await chat.completions.create({ model: "endless", messages, stream: true });
    stream.controller.abort();
    await scope.wait({ pending: 0 });
    assertEquals(session.exchanges(), []);
  }, { pool: { maxConnections: 1 } }),

  ...client("@octokit/request", async (session, { scope }) => {
    const request = octokit.defaults({ baseUrl: `${scope.url}/github`, request: { fetch: session.fetch } });
    const numbers: number[] = [];
    let page = 1;
    for (let next = true; next; page++) {
      const { data, headers, status, url } = await request("GET /repos/{owner}/{repo}/issues", {
        owner: "denoland",
        repo: "deno",
        page,
      });
      assertEquals([status, url], [200, `${scope.url}/github/repos/denoland/deno/issues?page=${page}`]);
      numbers.push(...data.map(({ number }: { number: number }) => number));
      next = headers.link?.includes('rel="next"') ?? false;
    }
    assertEquals(numbers, [1, 2, 3, 4, 5, 6]);
    const error = await assertRejects(() => request("GET /nothing"), Error, "Not Found");
    assertEquals((error as Error & { status?: number }).status, 404);
  }, async (session, scope) => {
    const response = await octokit("GET /endless", {
      baseUrl: scope.url,
      request: { fetch: session.fetch, parseSuccessResponseBody: false },
    });
    return () => drain(response.data);
  }),

  ...client("openapi-fetch", async (session, { scope }) => {
    const api = createClient<Paths>({ baseUrl: scope.url, fetch: session.fetch });
    const got = await api.GET("/rest/items/{id}", { params: { path: { id: 3 } } });
    assertEquals([got.data, got.response.status], [{ id: 3, name: "Item 3" }, 200]);
    const added = await api.POST("/rest/items", { body: { name: "mine" } });
    assertEquals(added.data, { id: 7, name: "mine" });
    const missing = await api.GET("/rest/items/{id}", { params: { path: { id: 100 } } });
    assertEquals([missing.data, missing.error], [undefined, { error: "No item 100" }]);
  }, async (session, scope) => {
    const api = createClient<Paths>({ baseUrl: scope.url, fetch: session.fetch });
    const { data } = await api.GET("/endless", { parseAs: "stream" });
    return () => drain(data as ReadableStream<Uint8Array>);
  }),

  ...client("ky", async (session, { scope }) => {
    const api = ky.create({ fetch: session.fetch, prefix: scope.url });
    assertEquals(await api.get("rest/items/3").json(), { id: 3, name: "Item 3" });
    assertEquals(await api.post("rest/items", { json: { name: "mine" } }).json(), { id: 7, name: "mine" });
    assertEquals(await api.get("flaky", { retry: { limit: 2, backoffLimit: 10 } }).json(), { seen: 2 });
    const error = await assertRejects(() => Promise.resolve(api.get("rest/items/100")), HTTPError);
    assertEquals(error.response.status, 404);
    // ky clones a response for its hooks, and reads one of the two.
    let seen = 0;
    const hooks = { afterResponse: [() => void seen++] };
    assertEquals((await api.get("chunked/200000", { hooks }).arrayBuffer()).byteLength, 200_000);
    assertEquals(seen, 1);
  }, async (session, scope) => {
    const response = await ky.create({ fetch: session.fetch, prefix: scope.url }).get("endless");
    return () => drain(response.body!);
  }),

  ...client("ofetch", async (session, { scope }) => {
    const api = createFetch({ fetch: session.fetch, defaults: { baseURL: scope.url } });
    assertEquals(await api("/rest/items/3"), { id: 3, name: "Item 3" });
    assertEquals(await api("/rest/items", { method: "POST", body: { name: "mine" } }), { id: 7, name: "mine" });
    assertEquals(await api("/flaky", { retry: 2, retryDelay: 0 }), { seen: 2 });
    const error = await assertRejects(() => api("/rest/items/100", { query: { a: 1 } }), Error, "404");
    assertEquals((error as Error & { data?: unknown }).data, { error: "No item 100" });
  }, async (session, scope) => {
    const api = createFetch({ fetch: session.fetch, defaults: { baseURL: scope.url } });
    const stream = await api("/endless", { responseType: "stream" });
    return () => drain(stream as ReadableStream<Uint8Array>);
  }),

  ...client("@supabase/postgrest-js", async (session, { scope }) => {
    const database = new PostgrestClient(`${scope.url}/postgrest`, { fetch: session.fetch });
    const all = await database.from("items").select("*", { count: "exact" });
    assertEquals([all.data, all.count], [[{ id: 1 }, { id: 2 }, { id: 3 }], 3]);
    assertEquals((await database.from("items").select("*").eq("id", 2)).data, [{ id: 2 }]);
    const added = await database.from("items").insert({ name: "mine" }).select();
    assertEquals([added.status, added.data], [201, [{ id: 4, name: "mine" }]]);
    const { error, status } = await database.from("nothing").select();
    assertEquals([status, error?.code], [404, "PGRST205"]);
  }, async (session, scope) => {
    // It streams nothing: closed while it waits for the headers. It tells of errors in what it
    // resolves with.
    const database = new PostgrestClient(`${scope.url}/hang`, { fetch: session.fetch, retry: false });
    const settled = await pending(scope, database.from("items").select().throwOnError());
    return settled;
  }),

  ...client("graphql-request", async (session, { scope }) => {
    const graph = new GraphQLClient(`${scope.url}/graphql`, { fetch: session.fetch });
    const query = "query ($id: Int!) { item(id: $id) { id name } }";
    assertEquals(await graph.request(query, { id: 3 }), { item: { id: 3, name: "an item" } });
    await assertRejects(() => graph.request("{ wrong }"), Error, 'Cannot query field "wrong"');
  }, async (session, scope) => {
    const graph = new GraphQLClient(`${scope.url}/hang`, { fetch: session.fetch });
    return await pending(scope, graph.request("{ item { id } }"));
  }),
];
