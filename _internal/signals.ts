// Copyright 2026 the Hangup authors. MIT license.

/**
 * Many callbacks on one abort signal, with only one listener.
 *
 * A signal that outlives its requests, such as that of a server, may be given to thousands of
 * requests. With one listener for each, Node prints `MaxListenersExceededWarning`, and on Node 20
 * removing one of n takes O(n). `AbortSignal.any()` leaks on Bun and workerd. Here every signal has
 * one listener while there are callbacks, and none afterwards.
 *
 * @module
 */

import { own, refuse } from "./options.ts";

/** A function to call when a signal aborts. */
type AbortCallback = (reason: unknown) => void;

interface Registration {
  readonly callbacks: Set<AbortCallback>;
  readonly listener: () => void;
}

const registrations = new WeakMap<AbortSignal, Registration>();

function register(signal: AbortSignal): Registration {
  const callbacks = new Set<AbortCallback>();
  const listener = () => {
    const reason = reasonOf(signal);
    // The iteration is live: a callback that is removed meanwhile is not called, and one that is
    // added meanwhile is.
    for (const callback of callbacks) {
      callbacks.delete(callback);
      callback(reason);
    }
    registrations.delete(signal);
  };
  const registration = { callbacks, listener };
  signal.addEventListener("abort", listener, own({ once: true }));
  registrations.set(signal, registration);
  return registration;
}

/**
 * Returns the reason of an aborted signal. The signal may be a user's object whose getter throws. A
 * polyfill that is older than `reason` has none, so it gets the standard one.
 */
function reasonOf(signal: AbortSignal): unknown {
  try {
    const { reason = AbortSignal.abort().reason } = signal;
    return reason;
  } catch (error) {
    return error;
  }
}

/** Throws a `TypeError` unless an option is missing or is a signal, of whatever realm. */
export function checkSignal(subject: string, signal: AbortSignal | null | undefined): void {
  if (signal != null && typeof signal.aborted !== "boolean") refuse(`${subject} must be an AbortSignal`, signal);
}

/** Throws the reason if the signal is aborted. A polyfill's signal may have no such method. */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/**
 * Calls `callback` once when `signal` aborts, unless the disposer is called before.
 *
 * Callbacks must not throw. If the signal is aborted already, the callback is never called, so
 * check `signal.aborted` first.
 *
 * @param signal The signal to watch.
 * @param callback Called with the signal's reason. Each call of `onAbort` needs a function of its
 * own.
 * @returns The disposer. It is O(1) and idempotent.
 */
export function onAbort(signal: AbortSignal, callback: AbortCallback): () => void {
  const { callbacks, listener } = registrations.get(signal) ?? register(signal);
  callbacks.add(callback);
  return () => {
    // While the signal fires, its registration stays: the listener removes it.
    if (!callbacks.delete(callback) || callbacks.size > 0 || signal.aborted) return;
    registrations.delete(signal);
    try {
      signal.removeEventListener("abort", listener);
    } catch {
      // The signal is not the platform's own. The listener stays, but has no callback to call.
    }
  };
}
