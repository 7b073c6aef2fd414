// Copyright 2026 the Hangup authors. MIT license.

/**
 * Whether the platform is workerd.
 *
 * @module
 */

/**
 * Whether the platform is workerd. There, a timer ends with the request that made it, and some
 * codings are not decoded.
 */
export function isWorkerd(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } };
  return navigator?.userAgent === "Cloudflare-Workers";
}
