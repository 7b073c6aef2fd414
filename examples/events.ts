// Copyright 2026 the Hangup authors. MIT license.
//
// Reads server-sent events until one says "done". The connection is closed at the end of the scope,
// however it is left.
//
//   deno run -A examples/events.ts https://example.com/events
import process from "node:process";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { Session } from "@hangup/session";

const [url = ""] = process.argv.slice(2);

await using session = new Session({ headers: { accept: "text/event-stream" } });
{
  // Events may be rare: no gap between them is too long.
  await using response = await session.get(url, { prefetch: false, timeout: { idle: Infinity } });
  await response.throwIfNotOk();
  const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) {
    console.log(`${event ?? "message"}: ${data}`);
    if (data === "done") break;
  }
}
console.log(`${session.exchanges().length} open`);
