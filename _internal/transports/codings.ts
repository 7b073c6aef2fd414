// Copyright 2026 the Hangup authors. MIT license.

/**
 * Which bodies each runtime decodes.
 *
 * @module
 */

import { isWorkerd } from "../runtime.ts";
import { undiciVersion } from "./undici.ts";

/** The options of `fetch()` that decide about decoding: Bun's and workerd's. */
type Init = RequestInit & { decompress?: boolean | 0; encodeResponseBody?: string };

/**
 * Whether the runtime's `fetch` decodes a body, so that `content-encoding` and `content-length` no
 * longer describe it. No runtime removes these headers.
 *
 * A user's own `fetch` is taken for a wrapper of the runtime's, which decodes as that does.
 *
 * @param coding The response's `content-encoding`, in lower case.
 * @param init The options that the request was sent with.
 */
export function decodes(coding: string, init: Init): boolean {
  const { Deno, Bun } = globalThis as { Deno?: object; Bun?: object };
  const isCommon = coding === "gzip" || coding === "br";
  if (isWorkerd()) {
    // What the worker's compatibility date has switched on.
    const { Cloudflare } = globalThis as {
      Cloudflare?: { compatibilityFlags?: { brotli_content_encoding?: boolean } };
    };
    const isKnown = coding !== "br" || Cloudflare?.compatibilityFlags?.brotli_content_encoding !== false;
    return isCommon && isKnown && init.encodeResponseBody !== "manual";
  }
  if (Deno !== undefined) {
    // Deno decodes nothing if the request is for a range, or asks for the coding `identity` alone.
    const request = new Headers(init.headers);
    return isCommon && !request.has("range") && request.get("accept-encoding")?.toLowerCase() !== "identity";
  }
  const known = /^(?:(?:x-)?gzip|deflate|br|zstd)$/;
  const codings = coding.split(",").map((part) => part.trim());
  if (Bun !== undefined) {
    // Bun ignores empty and `identity` codings, and does not decode a body with two codings.
    const [first = "", second] = codings.filter((part) => part !== "" && part !== "identity");
    return init.decompress !== false && init.decompress !== 0 && second === undefined && known.test(first);
  }
  // Node decodes zstd from undici 7 on.
  return codings.every((part) => known.test(part) && !(part === "zstd" && undiciVersion() < 7));
}
