// Copyright 2026 the Hangup authors. MIT license.

/**
 * Cleaning up after a transport that is garbage-collected before it is closed.
 *
 * @module
 */

import { makeRegistry } from "../runtime.ts";

/**
 * The part of a transport that outlives it. Nothing in here may refer to the transport; otherwise
 * the transport is never garbage-collected. A closure can do so unnoticed, because all closures of
 * one function share the variables that any of them uses.
 *
 * @typeParam T The type of the objects that own sockets.
 */
export interface Remains<T = unknown> {
  /** Whether the transport has sent a request. */
  used: boolean;
  /** The objects that own sockets. */
  readonly owners: Iterable<T>;
  /** Closes the sockets of an owner. */
  release(owner: T): void;
  /** Reports the dropped transport to the user. Must not throw. */
  report?: (() => void) | undefined;
}

/**
 * Releases the remains of a transport that is garbage-collected. Each transport is registered when
 * it is made, and unregistered when it is closed.
 */
export const dropped = makeRegistry<Remains>(({ used, owners, release, report }) => {
  for (const owner of owners) release(owner);
  if (used) report?.();
});
