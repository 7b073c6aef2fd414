// Copyright 2026 the Hangup authors. MIT license.
//
// An SDK over a session: what the SDK leaves open ends with the session.
//
//   OPENAI_API_KEY=… OPENAI_BASE_URL=https://api.openai.com/v1 deno run -A examples/openai.ts "Why is the sky blue?"
import process from "node:process";
import OpenAI from "openai";
import { Session } from "@hangup/session";

const [question = ""] = process.argv.slice(2);

await using session = new Session();
const client = new OpenAI({ fetch: session.fetch });
const stream = await client.chat.completions.create({
  model: "gpt-5-mini",
  messages: [{ role: "user", content: question }],
  stream: true,
});
for await (const { choices } of stream) {
  const text = choices[0]?.delta.content ?? "";
  console.log(text);
  if (text.includes(".")) break; // one sentence will do: the SDK aborts, and the connection is given back
}
console.log(`${session.exchanges().length} open`);
