// Copyright 2026 the Hangup authors. MIT license.

/**
 * Whether the platform is workerd.
 *
 * @module
 */

/** Whether the platform is workerd, where a timer ends with the request that made it, and not every coding is decoded. */
export function isWorkerd(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } };
  return navigator?.userAgent === "Cloudflare-Workers";
}
