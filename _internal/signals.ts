// Copyright 2026 the Hangup authors. MIT license.

/**
 * Many listeners to one abort signal, with only one event handler.
 *
 * A signal that outlives its requests, such as that of a server, may be given to thousands of
 * requests. With one event handler for each, Node prints `MaxListenersExceededWarning`, and on Node
 * 20 removing one of n takes O(n). `AbortSignal.any()` leaks on Bun and workerd. Here every signal
 * has one event handler while there are listeners, and none afterwards.
 *
 * @module
 */

import { resultOf } from "./causes.ts";
import { refuse } from "./options.ts";

/** An object to call when a signal aborts. A closure would take more memory. */
export interface AbortListener {
  /** Called once, with the signal's reason. Must not throw. */
  onAbort(reason: unknown): void;
}

interface Registration {
  readonly listeners: Set<AbortListener>;
  readonly handler: () => void;
}

const registrations = new WeakMap<AbortSignal, Registration>();

function register(signal: AbortSignal): Registration {
  const listeners = new Set<AbortListener>();
  const handler = () => {
    if (!signal.aborted) return; // anybody can dispatch the event
    const reason = reasonOf(signal);
    // The iteration is live: a listener that is removed meanwhile is not called, and one that is
    // added meanwhile is.
    for (const listener of listeners) {
      listeners.delete(listener);
      listener.onAbort(reason);
    }
    unregister(signal, handler);
  };
  const registration = { listeners, handler };
  signal.addEventListener("abort", handler);
  registrations.set(signal, registration);
  return registration;
}

function unregister(signal: AbortSignal, handler: () => void): void {
  registrations.delete(signal);
  // If the signal is not the platform's own, this may fail. The handler stays, but has no listener
  // to tell.
  resultOf(() => signal.removeEventListener("abort", handler));
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
 * Tells `listener` when `signal` aborts. If the signal is aborted already, the listener is never
 * told, so check `signal.aborted` first.
 */
export function addAbortListener(signal: AbortSignal, listener: AbortListener): void {
  (registrations.get(signal) ?? register(signal)).listeners.add(listener);
}

/** Undoes {@linkcode addAbortListener}. It is O(1). Later calls do nothing. */
export function removeAbortListener(signal: AbortSignal, listener: AbortListener): void {
  const registration = registrations.get(signal);
  // While the signal fires, its registration stays: the handler removes it.
  if (!registration?.listeners.delete(listener) || registration.listeners.size > 0 || signal.aborted) return;
  unregister(signal, registration.handler);
}
