// Copyright 2026 the Hangup authors. MIT license.
//
// Libraries that take a `fetch` take a session's, without a cast: checked by `deno task
// check:consumer`, never run.
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { Session } from "@hangup/session";
// @ts-types="../../node_modules/@modelcontextprotocol/sdk/dist/esm/client/streamableHttp.d.ts"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { request as octokit } from "@octokit/request";
import { PostgrestClient } from "@supabase/postgrest-js";
import { createClient as createSupabase } from "@supabase/supabase-js";
import axios from "axios";
import { GraphQLClient } from "graphql-request";
import ky from "ky";
import { createFetch } from "ofetch";
import OpenAI from "openai";
import createClient from "openapi-fetch";
import Stripe from "stripe";
import wretch from "wretch";

declare const session: Session;
const { fetch } = session;
const url = "https://example.com";
const apiKey = "none";

export const clients = [
  new Anthropic({ apiKey, fetch }),
  new GraphQLClient(url, { fetch }),
  new OpenAI({ apiKey, fetch }),
  new PostgrestClient(url, { fetch }),
  new StreamableHTTPClientTransport(new URL(url), { fetch }),
  new Stripe(apiKey, { httpClient: Stripe.createFetchHttpClient(fetch) }),
  axios.create({ adapter: "fetch", env: { fetch } }),
  createClient({ baseUrl: url, fetch }),
  createFetch({ fetch }),
  createOpenAI({ apiKey, fetch }),
  createSupabase(url, apiKey, { global: { fetch } }),
  ky.create({ fetch }),
  octokit.defaults({ request: { fetch } }),
  wretch(url).fetchPolyfill(fetch),
];
