// Copyright 2026 the Hangup authors. MIT license.
//
// What an edge worker does with the module, as handlers that a case has served: by workerd, or by
// the runtime's own server.
import { Session } from "../mod.ts";

/**
 * Answers a request. The query parameter `from` names the upstream, a scope of the counting server.
 */
export type Handler = (request: Request) => Promise<Response>;

const upstreamOf = (request: Request) => new URL(request.url).searchParams.get("from") ?? "";

/**
 * Kept from one request to the next, which on workerd is unwise: its one timer ends with the
 * request that started it.
 */
let kept: Session | undefined;

export const handlers: Record<string, Handler> = {
  /**
   * A session for the request: two prefetched responses and a stream left early, then an answer.
   */
  "session": async (request) => {
    const session = new Session({ baseUrl: upstreamOf(request) });
    try {
      const [a, b] = await Promise.all([session.get("/bytes/10"), session.get("/chunked/100000")]);
      const stream = await session.get("/endless", { prefetch: false });
      for await (const _ of stream) break;
      return Response.json([a.content.byteLength, b.content.byteLength]);
    } finally {
      await session.close();
    }
  },

  /** A session that the handler forgets to close, with a stream that nobody reads. */
  "forgetful": async (request) => {
    const session = new Session({ baseUrl: upstreamOf(request), onLeak: () => {} });
    const stream = await session.get("/endless", { prefetch: false });
    return Response.json(stream.status);
  },

  /** Passes an upstream body on as it comes. The session ends with it. `idle` is its timeout. */
  "proxy": async (request) => {
    const idle = Number(new URL(request.url).searchParams.get("idle") ?? 30_000);
    const session = new Session({ timeout: { idle } });
    const response = await session.get(upstreamOf(request), { prefetch: false });
    // Not awaited: it settles when the body has been passed on.
    session.close({ grace: Infinity });
    return response.toResponse();
  },

  /** Answers with a gzipped upstream response, by `how`: prefetched, streamed or fetched. */
  "relay": async (request) => {
    const how = new URL(request.url).searchParams.get("how");
    const session = new Session();
    try {
      if (how === "fetched") return await session.fetch(upstreamOf(request));
      return (await session.get(upstreamOf(request), { prefetch: how === "prefetched" })).toResponse();
    } finally {
      session.close({ grace: Infinity });
    }
  },

  /**
   * Changes a header of an upstream response, where the platform lets it, and passes the response
   * on, over the `fetch` of `by`.
   */
  "change": async (request) => {
    const session = new Session();
    try {
      const send = new URL(request.url).searchParams.get("by") === "session" ? session.fetch : fetch;
      const response = await send(upstreamOf(request));
      try {
        response.headers.set("x-changed", "yes");
        response.headers.delete("x-upstream");
      } catch {
        // Most runtimes do not let it.
      }
      return response;
    } finally {
      session.close({ grace: Infinity });
    }
  },

  /**
   * A session in global scope, of `connections` or with a short `timeout`. Without an upstream it
   * is closed.
   */
  "global": async (request) => {
    const upstream = upstreamOf(request);
    const { connections = 64, timeout = 30_000 } = Object.fromEntries(new URL(request.url).searchParams);
    kept ??= new Session({ timeout: { headers: Number(timeout) }, pool: { maxConnections: Number(connections) } });
    if (upstream) {
      return await kept.get(upstream).then(({ status }) => Response.json(status), ({ name }) => Response.json(name));
    }
    await kept.close();
    kept = undefined;
    return Response.json("closed");
  },

  /**
   * Makes many requests without a network, most of which queue, so that the module's code is
   * compiled for speed.
   */
  "busy": async () => {
    const session = new Session({ fetch: () => Promise.resolve(new Response("a")), pool: { maxConnections: 1 } });
    try {
      for (let i = 0; i < 500; i++) {
        await Promise.all(Array.from({ length: 50 }, () => session.get("http://upstream.test/")));
      }
      return Response.json("compiled");
    } finally {
      await session.close();
    }
  },
};
