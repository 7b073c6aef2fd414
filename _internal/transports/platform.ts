// Copyright 2026 the Hangup authors. MIT license.

/**
 * What an adapter knows of its platform, beside the public contract of a transport.
 *
 * @module
 */

import type { Drain } from "../drain.ts";

/** The key under which an adapter has its {@linkcode Platform}. A user's own transport has none. */
export const PLATFORM: unique symbol = Symbol("hangup.platform");

/** Facts of a platform that neither the transport's user nor the pool can know. */
export interface Platform {
  /**
   * Whether the platform follows redirects itself, because it hides them from `fetch`'s caller. If so, `init.redirect` is
   * the caller's own value, and `maxRedirects` and `history` have no effect. Otherwise it is always `"manual"`.
   */
  readonly followsRedirects?: boolean;
  /**
   * Whether the platform ends a body at the length that its headers announce, so that `arrayBuffer()` takes no more
   * memory than that.
   */
  readonly endsBodies?: boolean;
  /** Whether a body is best read into a buffer that is given for it, by a BYOB reader (Streams standard, section 4.5). */
  readonly fillsBuffers?: boolean;
  /** Makes what says when a slot is free again. Without it, a slot is free as soon as its exchange is over. */
  readonly drain?: (free: (origins: string[]) => void) => Drain;
  /**
   * Whether the platform decodes a body, so that `content-encoding` and `content-length` no longer describe it. No
   * runtime removes these headers. Without this method gzip, deflate, br and zstd count as decoded.
   *
   * @param coding The response's `content-encoding`, in lower case.
   * @param init What the request was sent with.
   */
  decodes?(coding: string, init: RequestInit): boolean;
}

/** What an adapter has under {@linkcode PLATFORM}. */
export interface Adapter {
  readonly [PLATFORM]: Platform;
}
