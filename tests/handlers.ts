// Copyright 2026 the Hangup authors. MIT license.
//
// What an edge worker does with the module, as handlers that a case has served: by workerd, or by the runtime's own server.
import { Session } from "../mod.ts";

/** Answers a request. The query parameter `from` names the upstream, a scope of the counting server. */
export type Handler = (request: Request) => Promise<Response>;

const upstreamOf = (request: Request) => new URL(request.url).searchParams.get("from") ?? "";

/** Kept from one request to the next, which workerd does not bear. */
let kept: Session | undefined;

export const handlers: Record<string, Handler> = {
  /** A session for the request: two prefetched responses and a stream left early, then an answer. */
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

  /** Passes an upstream body on as it comes. The session ends with it. */
  "proxy": async (request) => {
    const session = new Session();
    const response = await session.get(upstreamOf(request), { prefetch: false, signal: request.signal });
    // Not awaited: it settles when the body has been passed on.
    session.close({ grace: Infinity });
    return response.toResponse();
  },

  /** A session in global scope. */
  "global": async (request) => {
    kept ??= new Session();
    const { content } = await kept.get(upstreamOf(request));
    return Response.json(content.byteLength);
  },
};
