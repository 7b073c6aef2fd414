// Copyright 2026 the Hangup authors. MIT license.
//
// What the programs of the pages talk to, in the place of example.com.

const xml = { headers: { "content-type": "application/xml" } };

/**
 * A server for one program. It answers `/stuck` when the program is `over`, and `/busy` at the
 * third try.
 */
export function startSnippetServer(over: Promise<void>) {
  let busy = 2;
  let tokens = 0;
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();

  async function answer(request: Request): Promise<Response> {
    const { pathname, searchParams, origin } = new URL(request.url);
    const name = `${request.method} ${pathname}`;
    switch (name.replace(/\/(file|users|items|s3)\/.+/, "/$1/…")) {
      case "POST /users":
        return Response.json(await request.json(), { status: 201 });
      case "POST /login":
        return new Response(null, { status: 204, headers: { "set-cookie": "id=1" } });
      case "GET /me":
        return new Response(request.headers.get("cookie"));
      case "GET /log":
        return new Response("first\nsecond\n".repeat(100_000));
      case "GET /busy":
        if (busy-- <= 0) return new Response("at last");
        return new Response("later", { status: 503, headers: { "retry-after": "0" } });
      case "GET /stuck":
        await over;
        return new Response();
      case "GET /missing":
        return new Response("No such page", { status: 404 });
      case "POST /token":
        return Response.json({ token: `token-${++tokens}` });
      case "GET /api/items/…":
        if (tokens === 0 || request.headers.get("authorization") !== `Bearer token-${tokens}`) {
          return new Response(null, { status: 401 });
        }
        return Response.json({});
      case "GET /linked":
        if (searchParams.has("page")) return Response.json(["c"]);
        return Response.json(["a", "b"], { headers: { link: `<${origin}/linked?page=2>; rel="next", </>; rel="up"` } });
      case "GET /listed": {
        const all = ["a", "b", "c", "d", "e"];
        const from = Number(searchParams.get("cursor") ?? 0);
        const end = from + Number(searchParams.get("limit"));
        return Response.json({ items: all.slice(from, end), next: end < all.length ? String(end) : undefined });
      }
      case "GET /events": {
        const start = (controller: ReadableStreamDefaultController) =>
          controller.enqueue(new TextEncoder().encode(": a comment\n\nevent: greeting\ndata: hello\n\n"));
        return new Response(new ReadableStream({ start }), { headers: { "content-type": "text/event-stream" } });
      }
      case "GET /file/…":
        return new Response(new Uint8Array(100_000));
      case "GET /latin1":
        return new Response(Uint8Array.of(0x6e, 0x61, 0xef, 0x76, 0x65), {
          headers: { "content-type": "text/plain; charset=iso-8859-1" },
        });
      case "POST /graphql":
        return Response.json({ data: { me: "Ada" } });
      case "GET /v1/models":
        return Response.json({ object: "list", data: [{ id: "small" }] });
      case "PUT /s3/…":
        objects.set(pathname, await request.bytes());
        return new Response();
      case "GET /s3/…": {
        const object = objects.get(pathname);
        return object
          ? new Response(object)
          : new Response("<Error><Code>NoSuchKey</Code></Error>", { ...xml, status: 404 });
      }
      case "GET /":
      case "GET /items":
      case "GET /users":
      case "GET /users/…":
      case "GET /files/a":
      case "DELETE /users/…":
        return Response.json({ name: "Ada" });
      default:
        return new Response(`The server of the snippets has no ${name}`, { status: 501 });
    }
  }
  return Deno.serve({ port: 0, onListen() {} }, answer);
}
