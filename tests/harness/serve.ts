// Copyright 2026 the Hangup authors. MIT license.
//
// Serves a handler by the runtime's own server: Deno's, Bun's or Node's.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";

import type { ReadableStream as NodeStream } from "node:stream/web";
import { type Handler, handlers } from "../handlers.ts";

/** A handler that is served. */
export interface Served {
  readonly url: string;
  close(): Promise<unknown>;
}

interface Runtimes {
  Deno?: {
    serve(options: object, handler: Handler): { addr: { port: number }; shutdown(): Promise<void> };
  };
  Bun?: { serve(options: object): { port: number; stop(force: boolean): Promise<void> } };
}

/** Serves a handler by its name. */
export async function serve(name: string): Promise<Served> {
  const handler = handlers[name];
  const { Deno, Bun } = globalThis as Runtimes;
  const hostname = "127.0.0.1";
  if (Deno) {
    const server = Deno.serve({ hostname, port: 0, onListen() {} }, handler);
    return { url: `http://${hostname}:${server.addr.port}/`, close: () => server.shutdown() };
  }
  if (Bun) {
    const server = Bun.serve({ hostname, port: 0, fetch: handler });
    return { url: `http://${hostname}:${server.port}/`, close: () => server.stop(true) };
  }
  const server = createServer(async (request, response) => {
    const { status, headers, body } = await handler(new Request(`http://${hostname}${request.url}`));
    response.writeHead(status, Object.fromEntries(headers));
    const source = body ? Readable.fromWeb(body as NodeStream) : Readable.from([]);
    response.on("close", () => source.destroy());
    source.on("error", () => response.destroy());
    source.pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, hostname, resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://${hostname}:${(server.address() as AddressInfo).port}/`, close };
}
