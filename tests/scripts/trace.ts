// Copyright 2026 the Hangup authors. MIT license.
//
// A traced program: each caller has a span of its own, and all requests go through one connection.
// On Node it prints the spans as JSON; Deno prints them itself. The argument is the counting
// server's URL.
import { trace } from "@opentelemetry/api";
import process from "node:process";
import { Session } from "../../mod.ts";

const [url] = process.argv.slice(2);

/** Has `@opentelemetry/instrumentation-undici` trace `fetch`, and returns what prints the spans. */
async function traceNode(): Promise<() => void> {
  const { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } = await import(
    "@opentelemetry/sdk-trace-node"
  );
  const { UndiciInstrumentation } = await import("@opentelemetry/instrumentation-undici");
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register();
  const instrumentation = new UndiciInstrumentation();
  instrumentation.setTracerProvider(provider);
  return () => {
    const spans = exporter.getFinishedSpans().map((span) => ({
      id: span.spanContext().spanId,
      parent: span.parentSpanContext?.spanId,
      name: span.name,
      url: span.attributes["url.full"],
    }));
    console.log(JSON.stringify(spans));
  };
}

const print = "Deno" in globalThis ? () => {} : await traceNode();
const tracer = trace.getTracer("hangup");
const as = (who: string, work: () => Promise<unknown>) =>
  tracer.startActiveSpan(who, (span) => work().finally(() => span.end()));

const session = new Session({ pool: { maxConnections: 1 } });
const redirect = new URLSearchParams({ to: "/bytes/1?who=dan", who: "dan" });
await Promise.all([
  as("ann", () => session.get(`${url}/bytes/1?who=ann`)),
  as("bob", () => session.get(`${url}/bytes/1?who=bob`)),
  as("dan", () => session.get(`${url}/redirect/302?${redirect}`)),
  as("cyd", async () => await (await session.fetch(`${url}/bytes/1?who=cyd`)).text()),
]);
await session.close();
print();
