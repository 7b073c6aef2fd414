// Copyright 2026 the Hangup authors. MIT license.

/**
 * Abort signals with many callbacks and one listener.
 *
 * A signal that outlives its requests (a server's, a user's session's) is given to thousands of them. With a listener
 * for each, Node prints `MaxListenersExceededWarning`, and on Node 20 removing one of n takes O(n);
 * `AbortSignal.any()` leaks on Bun and workerd. Here every distinct signal has one listener, while there is something
 * to call, and none after.
 *
 * @module
 */

import { own } from "./options.ts";

/** What is called when a signal aborts. */
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
    // Live iteration: a callback removed meanwhile is not called any more, one added meanwhile still is.
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

/** The reason of a signal, which may be anybody's object. */
function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}

/**
 * Calls `callback` once when `signal` aborts, unless the disposer is called before.
 *
 * Callbacks must not throw. A signal that is aborted already never calls: check `signal.aborted` first.
 *
 * @param signal The signal to watch.
 * @param callback Called with the signal's reason. It has to be a function of its own for each call of `onAbort`.
 * @returns The disposer, O(1) and idempotent.
 */
export function onAbort(signal: AbortSignal, callback: AbortCallback): () => void {
  const { callbacks } = registrations.get(signal) ?? register(signal);
  callbacks.add(callback);
  return () => {
    const registration = registrations.get(signal);
    // While it fires it stays registered: the listener removes it.
    if (!registration?.callbacks.delete(callback) || registration.callbacks.size > 0 || signal.aborted) return;
    registrations.delete(signal);
    try {
      signal.removeEventListener("abort", registration.listener);
    } catch {
      // It is no signal of the platform's. A listener that stays calls nothing.
    }
  };
}
