// Copyright 2026 the Hangup authors. MIT license.

/**
 * What becomes of a transport that nobody closes before it is collected.
 *
 * @module
 */

/**
 * What a transport leaves behind. Nothing in here may refer to the transport, which would then
 * never be collected. A closure may do so unseen: all closures of one function share what any of
 * them uses.
 *
 * @typeParam T The type of what owns sockets.
 */
export interface Remains<T = unknown> {
  /** Whether the transport has sent a request. */
  used: boolean;
  /** What owns sockets. */
  readonly owners: readonly T[];
  /** Gives the sockets of an owner back. */
  readonly release: (owner: T) => void;
  /** Tells the user. Must not throw. */
  report?: (() => void) | undefined;
}

// Not every workerd has a FinalizationRegistry.
const registry = typeof FinalizationRegistry === "function"
  ? new FinalizationRegistry<Remains>(({ used, owners, release, report }) => {
    owners.forEach(release);
    if (used) report?.();
  })
  : undefined;

/** Releases the remains of a transport when it is collected. */
export function watch<T>(transport: object, remains: Remains<T>) {
  registry?.register(transport, remains as Remains, transport);
}

/** To be called when a transport is closed. */
export function unwatch(transport: object) {
  registry?.unregister(transport);
}
