// Copyright 2026 the Hangup authors. MIT license.
//
// An edge worker that passes an upstream's answer on as it comes, and sets a cookie.
//
//   npx wrangler dev examples/worker.ts --compatibility-date=2026-10-01 --var UPSTREAM:https://example.com
import { HangupError, Session } from "@hangup/session";

export default {
  async fetch(request: Request, env: { UPSTREAM: string }): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const url = new URL(env.UPSTREAM);
    Object.assign(url, { pathname, search }); // resolved as a URL, a path such as "//host" would lead elsewhere
    const session = new Session();
    try {
      const upstream = await session.get(url, { prefetch: false, signal: request.signal });
      const response = upstream.toResponse();
      if (!request.headers.get("cookie")?.includes("visited=")) {
        response.headers.append("set-cookie", "visited=1; Path=/; Secure; HttpOnly; SameSite=Lax");
      }
      return response;
    } catch (error) {
      if (!(error instanceof HangupError)) throw error;
      return new Response("The upstream failed\n", { status: 502 });
    } finally {
      // Not awaited: it settles when the body has been passed on, or the client has left.
      session.close({ grace: Infinity });
    }
  },
};
