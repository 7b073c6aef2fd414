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
   * Whether the platform follows redirects itself, because it hides them from `fetch`'s caller. If
   * so, `init.redirect` is the caller's own value, and `maxRedirects` and `history` have no effect.
   * Otherwise it is always `"manual"`.
   */
  readonly followsRedirects?: boolean;
  /**
   * Whether the platform ends a body at its `content-length`, so that `arrayBuffer()` takes no more
   * memory than that. It never does if there is a `transfer-encoding`, be it empty. It may not if
   * the caller gives a dispatcher or client with the request. Read it after the response has
   * arrived.
   */
  readonly endsBodies?: boolean;
  /**
   * Whether a body is best read into a buffer that is given for it, by a BYOB reader (Streams
   * standard, section 4.5).
   */
  readonly fillsBuffers?: boolean;
  /**
   * Whether the platform's `fetch` checks the integrity of a body, be it that of a redirect, and marks responses of another
   * origin with the type "cors".
   */
  readonly policies?: boolean;
  /**
   * Makes what says when a slot is free again. Without it, a slot is free as soon as its exchange
   * is over.
   */
  readonly drain?: (free: (origins: string[]) => void) => Drain;
  /**
   * Whether the platform decodes a body, so that `content-encoding` and `content-length` no longer
   * describe it. No runtime removes these headers. Without this method gzip, deflate, br and zstd
   * count as decoded.
   *
   * @param coding The response's `content-encoding`, in lower case.
   * @param init What the request was sent with.
   */
  decodes?(coding: string, init: RequestInit): boolean;
  /**
   * Sets a function to call if the transport is collected unclosed after it has sent a request.
   *
   * @param report Must not throw, nor refer to the transport, its pool or its session.
   */
  onDropped?(report: () => void): void;
}

/** A transport of this module: see `Transport`, with what is known of its platform. */
export interface Adapter {
  readonly [PLATFORM]: Platform;
  readonly closesSockets: boolean;
  fetch(url: URL, init: RequestInit): Promise<Response>;
  close(): void | Promise<void>;
}

/** Makes a platform whose `endsBodies` may change, as the user may replace `fetch` at any time. */
export function makePlatform(endsBodies: () => boolean, facts: Platform): Platform {
  return Object.defineProperty({ ...facts }, "endsBodies", { get: endsBodies });
}

/** The longest time in milliseconds that every runtime's timers take: 25 days. */
export const MAX_TIMEOUT = 2 ** 31 - 1;

/** A refusal of a transport's, which the caller gets as it is: no failure of the network. */
export class Refusal extends TypeError {
  override name = "TypeError";
}

/** What a transport answers once it is closed. */
export function refuseClosed(): Promise<never> {
  return Promise.reject(new TypeError("Cannot send the request as the transport is closed"));
}

/**
 * Adds an option that a copy of the object, as in `{ ...init }`, does not have: so a wrapper of
 * `fetch` that gives a default of its own, as in `{ client, ...init }`, goes first.
 */
export function hide(init: object, name: string, value: unknown) {
  Object.defineProperty(init, name, { value, writable: true, configurable: true });
}
