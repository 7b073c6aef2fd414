// Copyright 2026 the Hangup authors. MIT license.
//
// As much of the protocols of well-known services as their clients need to be tested.
import { Buffer } from "node:buffer";
import type { Exchange, Header } from "./exchange.ts";
import type { Scope } from "./scope.ts";

const JSON_TYPE: Header = ["content-type", "application/json; charset=utf-8"];

async function send(exchange: Exchange, status: number, value: unknown, headers: Header[] = []): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(value));
  await exchange.head(status, [JSON_TYPE, ...headers], bytes.length);
  await exchange.write(bytes);
  await exchange.end();
}

async function readJson(exchange: Exchange): Promise<Record<string, unknown>> {
  return JSON.parse(Buffer.from(await exchange.body()).toString() || "{}");
}

const WORDS = ["Sockets", " are", " closed", "."];

/**
 * `POST /openai/chat/completions`: the answer at once, or as events; endless ones where `model` is
 * "endless".
 */
export async function openai(exchange: Exchange): Promise<void> {
  const { model, stream } = await readJson(exchange);
  const common = { id: "chatcmpl-1", created: 0, model };
  if (!stream) {
    const message = { role: "assistant", content: WORDS.join("") };
    const choices = [{ index: 0, message, finish_reason: "stop", logprobs: null }];
    return await send(exchange, 200, { ...common, object: "chat.completion", choices });
  }
  await exchange.head(200, [["content-type", "text/event-stream; charset=utf-8"]]);
  for (let i = 0; model === "endless" || i < WORDS.length; i++) {
    const choices = [{ index: 0, delta: { content: WORDS[i % WORDS.length] }, finish_reason: null }];
    const event = JSON.stringify({ ...common, object: "chat.completion.chunk", choices });
    await exchange.write(Buffer.from(`data: ${event}\n\n`));
  }
  await exchange.write(Buffer.from("data: [DONE]\n\n"));
  await exchange.end();
}

/**
 * `GET /github/repos/O/R/issues?page=N`: one of three pages with `Link`; anything else is a 404 in
 * GitHub's form.
 */
export async function github(exchange: Exchange, path: string, query: URLSearchParams): Promise<void> {
  if (!/^repos\/[^/]+\/[^/]+\/issues$/.test(path)) return await send(exchange, 404, { message: "Not Found" });
  const page = Number(query.get("page") ?? 1);
  const host = exchange.headers.find(([name]) => name.toLowerCase() === "host")?.[1];
  const next: Header = ["link", `<http://${host}${exchange.url.pathname}?page=${page + 1}>; rel="next"`];
  await send(exchange, 200, [{ number: 2 * page - 1 }, { number: 2 * page }], page < 3 ? [next] : []);
}

/**
 * `/rest/items/N`: GET has an item, 404 from 100 on; POST to `/rest/items` adds the one that is
 * sent.
 */
export async function rest(exchange: Exchange, path: string): Promise<void> {
  if (exchange.method === "POST") return await send(exchange, 201, { id: 7, ...await readJson(exchange) });
  const id = Number(path.replace(/^items\//, ""));
  if (!(id < 100)) return await send(exchange, 404, { error: `No item ${id}` });
  await send(exchange, 200, { id, name: `Item ${id}` });
}

/** `/flaky?failures=N`: 503 for the first N requests (1), then an object. */
export async function flaky(exchange: Exchange, _: string, query: URLSearchParams, scope: Scope): Promise<void> {
  const seen = scope.stats.paths[`${exchange.method} ${exchange.url.pathname}`] ?? 0;
  const failed = seen <= Number(query.get("failures") ?? 1);
  await send(exchange, failed ? 503 : 200, { seen }, failed ? [["retry-after", "0"]] : []);
}

/**
 * `/postgrest/items`: what PostgREST makes of a table with three rows; other tables do not exist.
 */
export async function postgrest(exchange: Exchange, table: string, query: URLSearchParams): Promise<void> {
  const given = exchange.method === "POST" ? await readJson(exchange) : undefined;
  if (table !== "items") {
    const message = `Could not find the table 'public.${table}' in the schema cache`;
    return await send(exchange, 404, { code: "PGRST205", details: null, hint: null, message });
  }
  if (given !== undefined) return await send(exchange, 201, [{ id: 4, ...given }]);
  const wanted = /^eq\.(\d+)$/.exec(query.get("id") ?? "")?.[1];
  const rows = [1, 2, 3].filter((id) => wanted === undefined || id === Number(wanted)).map((id) => ({ id }));
  await send(exchange, 200, rows, [["content-range", `0-${rows.length - 1}/${rows.length}`]]);
}

/** `POST /graphql`: the variables as data, or an error where the query asks for `wrong`. */
export async function graphql(exchange: Exchange): Promise<void> {
  const { query, variables } = await readJson(exchange);
  if (String(query).includes("wrong")) {
    return await send(exchange, 200, { errors: [{ message: 'Cannot query field "wrong" on type "Query".' }] });
  }
  await send(exchange, 200, { data: { item: { ...variables as object, name: "an item" } } });
}

const EVENTS: Header = ["content-type", "text/event-stream; charset=utf-8"];

/**
 * Sends a stream: pieces and its end, or, if it is endless, pieces and then nothing until the
 * client leaves.
 */
async function stream(exchange: Exchange, type: Header, pieces: string[], endless: boolean): Promise<void> {
  await exchange.head(200, [type]);
  for (const piece of pieces) await exchange.write(Buffer.from(piece));
  if (endless) await exchange.gone;
  await exchange.end();
}

/**
 * `POST /anthropic/v1/messages`: events, endless ones where `model` is "endless"; 404 for the model
 * "wrong".
 */
export async function anthropic(exchange: Exchange): Promise<void> {
  const { model } = await readJson(exchange);
  if (model === "wrong") {
    return await send(exchange, 404, { type: "error", error: { type: "not_found_error", message: "No such model" } });
  }
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", model, content: [], stop_reason: null, usage };
  const events = [
    { type: "message_start", message },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    ...WORDS.map((text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage },
    { type: "message_stop" },
  ];
  const lines = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  await stream(exchange, EVENTS, model === "endless" ? lines.slice(0, 6) : lines, model === "endless");
}

/**
 * `/v1/customers`: what Stripe makes of four customers. `cus_hang` is never answered, and there is
 * no `cus_100`.
 */
export async function stripe(exchange: Exchange, path: string, query: URLSearchParams): Promise<void> {
  if (exchange.method === "POST") {
    const form = new URLSearchParams(Buffer.from(await exchange.body()).toString());
    return await send(exchange, 200, { id: "cus_5", object: "customer", ...Object.fromEntries(form) });
  }
  if (path.endsWith("/cus_hang")) return await exchange.gone;
  if (path !== "customers") {
    const error = { type: "invalid_request_error", code: "resource_missing", message: "No such customer" };
    return await send(exchange, 404, { error });
  }
  const after = Number(query.get("starting_after")?.replace("cus_", "") ?? 0);
  const data = [after + 1, after + 2].map((id) => ({ id: `cus_${id}`, object: "customer" }));
  await send(exchange, 200, { object: "list", url: "/v1/customers", has_more: after < 2, data });
}

/** `/supabase/rest/v1/TABLE` as PostgREST, and the functions "hello" and "endless". */
export async function supabase(exchange: Exchange, path: string, query: URLSearchParams): Promise<void> {
  const [service, , name = ""] = path.split("/");
  if (service === "rest") return await postgrest(exchange, name, query);
  if (name === "endless") return await stream(exchange, EVENTS, ["data: 1\n\n"], true);
  await send(exchange, 200, { hello: (await readJson(exchange)).name });
}

/** `GET /trpc/NAME,NAME?batch=1`: the items asked for, or a stream of words, as lines of JSON. */
export async function trpc(exchange: Exchange, path: string, query: URLSearchParams): Promise<void> {
  const names = path.split(",");
  const inputs: Record<string, unknown> = JSON.parse(query.get("input") ?? "{}");
  const lines: unknown[] = [Object.fromEntries(names.map((_, i) => [i, [[0], [null, 0, 3 * i]]]))];
  for (const [i, name] of names.entries()) {
    const id = 3 * i;
    lines.push([id, 0, [[{ result: 0 }], ["result", 0, id + 1]]]);
    if (name === "item") lines.push([id + 1, 0, [[{ data: { id: inputs[i] } }]]]);
    else lines.push([id + 1, 0, [[{ data: 0 }], ["data", 1, id + 2]]], ...WORDS.map((word) => [id + 2, 1, [[word]]]));
    if (name === "words") lines.push([id + 2, 0, [[]]]);
  }
  await stream(exchange, JSON_TYPE, lines.map((line) => `${JSON.stringify(line)}\n`), path === "endless");
}

/** `POST /mcp`: a server of the Model Context Protocol whose tools are "short" and "endless". */
export async function mcp(exchange: Exchange): Promise<void> {
  if (exchange.method !== "POST") return await send(exchange, 405, {});
  const { id, method, params = {} } = await readJson(exchange) as { id?: number; method: string; params?: McpParams };
  if (id === undefined) return await send(exchange, 202, {});
  if (method === "initialize") {
    const { protocolVersion } = params;
    const serverInfo = { name: "counting", version: "1.0.0" };
    return await send(exchange, 200, {
      jsonrpc: "2.0",
      id,
      result: { protocolVersion, capabilities: { tools: {} }, serverInfo },
    });
  }
  const endless = params.name === "endless";
  const { progressToken } = params._meta ?? {};
  const message = endless
    ? { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: 1 } }
    : { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: WORDS.join("") }] } };
  await stream(exchange, EVENTS, [`event: message\ndata: ${JSON.stringify(message)}\n\n`], endless);
}

interface McpParams {
  name?: string;
  protocolVersion?: string;
  _meta?: { progressToken?: number };
}
