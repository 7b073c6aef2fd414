// Copyright 2026 the Hangup authors. MIT license.

/**
 * The facts about its platform that an adapter adds to the public contract of a transport.
 *
 * @module
 */

import type { Drain } from "../drain.ts";
import { cannotSend } from "../options.ts";
import { decodes } from "./codings.ts";
import { dropped, type Remains } from "./dropped.ts";

/**
 * The key under which an adapter keeps its {@linkcode Platform}. A user's own transport has none.
 */
export const PLATFORM: unique symbol = Symbol("hangup.platform");

/** Facts of a platform that neither the transport's user nor the pool can know. */
export interface Platform {
  /**
   * The transport that the facts are about. They do not hold for a user's `Proxy` of that
   * transport, or for an object that inherits from it.
   */
  readonly transport?: object;
  /**
   * Whether the platform follows redirects itself, because it hides them from the caller of
   * `fetch`. If so, `init.redirect` is the caller's own value, and `maxRedirects` and `history`
   * have no effect. Otherwise `init.redirect` is always `"manual"`.
   */
  readonly followsRedirects?: boolean;
  /**
   * What sends the requests now: the transport over sockets of its own, or the runtime's `fetch`
   * over the platform's. Either way, a body has its announced length. `undefined` if a mock, a
   * wrapper or a dispatcher of the user may change that. The answer may change, so call this both
   * before the request is sent and after the response has arrived.
   *
   * With `"sockets"`, the platform ends a body at its `content-length`, so that `arrayBuffer()`
   * takes no more memory than that. A body with a `transfer-encoding`, even an empty one, never
   * ends there.
   */
  sender(): "sockets" | "fetch" | undefined;
  /** Whether reading a body with a BYOB reader is best (Streams standard, section 4.5). */
  readonly prefersByob?: boolean;
  /**
   * Whether the platform's `fetch` applies the policies of browsers: it checks the integrity of
   * bodies, including those of redirects, sends only the part of the referrer that its policy
   * allows, and gives responses from another origin the type "cors".
   */
  readonly appliesPolicies?: boolean;
  /**
   * Makes the drain, which decides when a slot is free again. Without it, a slot is free as soon as
   * its exchange is over.
   *
   * @param free What the drain calls with the origins of the slots that became free.
   * @param limit The largest number of slots of an origin.
   */
  readonly drain?: (free: (origins: string[]) => void, limit: number) => Drain;
  /**
   * Sets the largest number of sockets to one origin, unless the transport has a smaller one. A
   * pool calls it before the first request. Without it, the platform opens no socket while another
   * one is on its way back to its pool.
   */
  readonly limit?: (connections: number) => void;
  /**
   * Whether the platform decodes a body: see {@linkcode decodes}.
   *
   * @param coding The response's `content-encoding`, in lower case.
   * @param init The options that the request was sent with.
   */
  decodes(coding: string, init: RequestInit): boolean;
  /**
   * Sets a function to call if the transport has sent a request and is garbage-collected before it
   * is closed.
   *
   * @param report The function. It must not throw, and must not refer to the transport, its pool or
   * its session.
   */
  onDropped?(report: () => void): void;
}

/** A transport of this module: a `Transport` with the facts of its platform. */
export interface Adapter {
  readonly [PLATFORM]: Platform;
  readonly closesSockets: boolean;
  fetch(url: URL, init: RequestInit): Promise<Response>;
  close(): void | Promise<void>;
}

/** Makes a `Platform` to which `Object.prototype` adds nothing. */
export function facts(known: Partial<Platform> = {}): Platform {
  return Object.assign(Object.create(null), { sender: () => undefined, decodes }, known);
}

/**
 * Makes the `Platform` of a transport that has sockets of its own, and has its remains released if
 * it is dropped. The user may replace its `fetch`.
 */
export function makePlatform(transport: Adapter, remains: Remains, known: Partial<Platform>): Platform {
  const { fetch } = transport;
  dropped?.register(transport, remains, transport);
  const sender = () => transport.fetch === fetch && transport.closesSockets ? "sockets" : undefined;
  return facts({ transport, sender, onDropped: (report) => remains.report = report, ...known });
}

/** An error of a transport that the caller gets as it is, because the network has not failed. */
class Refusal extends TypeError {
  override name = "TypeError";
}

/** What a transport answers if it cannot send a request as the user wants. */
export function refuseRequest(reason: string): Promise<never> {
  return Promise.reject(new Refusal(`Cannot send the request ${reason}`));
}

/** What a transport answers once it is closed. */
export function refuseClosed(): Promise<never> {
  return Promise.reject(cannotSend("the transport is closed"));
}
