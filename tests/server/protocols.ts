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

/** `POST /openai/chat/completions`: the answer at once, or as events; endless ones where `model` is "endless". */
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

/** `GET /github/repos/O/R/issues?page=N`: one of three pages with `Link`; anything else is a 404 in GitHub's form. */
export async function github(exchange: Exchange, path: string, query: URLSearchParams): Promise<void> {
  if (!/^repos\/[^/]+\/[^/]+\/issues$/.test(path)) return await send(exchange, 404, { message: "Not Found" });
  const page = Number(query.get("page") ?? 1);
  const host = exchange.headers.find(([name]) => name.toLowerCase() === "host")?.[1];
  const next: Header = ["link", `<http://${host}${exchange.url.pathname}?page=${page + 1}>; rel="next"`];
  await send(exchange, 200, [{ number: 2 * page - 1 }, { number: 2 * page }], page < 3 ? [next] : []);
}

/** `/rest/items/N`: GET has an item, 404 from 100 on; POST to `/rest/items` adds the one that is sent. */
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

/** `/postgrest/items`: what PostgREST makes of a table with three rows; other tables do not exist. */
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
