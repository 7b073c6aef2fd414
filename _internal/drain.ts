// Copyright 2026 the Hangup authors. MIT license.

/**
 * The drain: it decides when the slot of an exchange that is over is really free again.
 *
 * @module
 */

import { type Linked, List } from "./list.ts";
import { PlatformPromise } from "./runtime.ts";
import { takeTurns } from "./timers.ts";

/**
 * Decides when the socket of a released slot is free. The transport makes one for each pool.
 * Without a drain, a slot is free as soon as it is released.
 */
export interface Drain {
  /**
   * Notes that a request is sent over a slot of this origin.
   *
   * @param init The options of the request. The drain may add to them what its transport needs.
   * @param earlier The slot, if a request was sent over it before.
   * @returns The slot, for {@linkcode Drain.add}.
   */
  sent(origin: string, init: RequestInit, earlier?: Slot): Slot;
  /**
   * Takes a slot whose exchange is over.
   *
   * @param aborted Whether the exchange was aborted. If so, its socket is closed rather than used
   * again.
   */
  add(slot: Slot, aborted: boolean): void;
  /**
   * Frees each slot as soon as its socket is free, because a request waits. It frees no slot before
   * this call returns.
   */
  start(): void;
  /** Stops, because no request waits. */
  stop(): void;
  /** Frees every slot now. */
  flush(): void;
}

/** A slot over which a request was sent. While it drains, it is in one of two lists. */
export interface Slot<Connection = unknown> extends Linked<Slot<Connection>> {
  readonly origin: string;
  /** The turn in which the first request was sent. */
  readonly sentIn: number;
  /** The turn in which a slot that drains is free. */
  freeIn: number;
  /** The connection of the exchange, if the transport gives one to each slot. */
  connection: Connection | undefined;
}

const { setImmediate, clearImmediate } = takeTurns();

/** Waits for a number of turns of the event loop. A platform without turns does not wait. */
export async function passTurns(turns: number): Promise<void> {
  for (; turns > 0 && setImmediate !== undefined; turns--) {
    await new PlatformPromise<void>((resolve) => setImmediate(resolve));
  }
}

/** The number of slots that may drain before turns are counted although no request waits. */
const MAX_DRAINING = 1000;

/**
 * Counts turns of the event loop, for a platform that does not tell when a socket is back in its
 * pool or closed, but always needs a fixed number of turns for it. Each turn is counted only while
 * a request waits, or more than 1,000 slots drain. Otherwise an answer counts as one turn.
 */
export class TurnDrain<Connection = unknown> implements Drain {
  readonly #free: (origins: string[]) => void;
  readonly #turns: number;
  readonly #closingTurns: number;
  /**
   * The draining slots: those of finished exchanges, and the slower ones. Each list is in the order
   * of `freeIn`.
   */
  readonly #fast: List<Slot<Connection>> = new List();
  readonly #slow: List<Slot<Connection>> = new List();
  #turn = 0;
  /** The handle of the `setImmediate` callback that ends the turn. */
  #timer: unknown;
  #wanted = false;

  /**
   * @param free Called with the origins of the slots that became free.
   * @param turns The number of turns until a socket can be used again.
   * @param closingTurns The number of turns until a socket is closed.
   */
  constructor(free: (origins: string[]) => void, turns: number, closingTurns: number) {
    this.#free = free;
    this.#turns = turns;
    this.#closingTurns = closingTurns;
  }

  sent(origin: string, _init: RequestInit, earlier?: Slot<Connection>): Slot<Connection> {
    return earlier ?? { previous: null, next: null, origin, sentIn: this.#turn, freeIn: 0, connection: undefined };
  }

  add(slot: Slot<Connection>, aborted: boolean): void {
    // An answer takes at least one turn, so the end of an exchange shows that one has passed. While
    // turns are counted, that turn is counted already.
    if (!aborted && slot.sentIn >= this.#turn && this.#timer === undefined) this.#turn++;
    slot.freeIn = this.#turn + (aborted ? this.#closingTurns : this.#turns);
    (aborted ? this.#slow : this.#fast).push(slot);
    this.#freeUntil(this.#turn);
    this.#schedule();
  }

  start(): void {
    this.#wanted = true;
    this.#schedule();
  }

  stop(): void {
    this.#wanted = false;
    if (this.#timer === undefined || this.#counts) return;
    clearImmediate?.(this.#timer);
    this.#timer = undefined;
  }

  flush(): void {
    this.#freeUntil(Infinity);
  }

  /** Called when a slot becomes free. */
  protected freed(_slot: Slot<Connection>): void {}

  /** Whether to count turns: a request waits, or the draining slots would take too much memory. */
  get #counts(): boolean {
    return this.#fast.size + this.#slow.size > (this.#wanted ? 0 : MAX_DRAINING);
  }

  #schedule(): void {
    if (this.#timer !== undefined || !this.#counts) return;
    if (setImmediate === undefined) return queueMicrotask(() => this.flush());
    this.#timer = setImmediate(() => {
      this.#timer = undefined;
      this.#turn++;
      this.#freeUntil(this.#turn);
      this.#schedule();
    });
  }

  /** Frees the slots that are free in this turn or an earlier one. */
  #freeUntil(turn: number): void {
    const origins: string[] = [];
    for (const slots of [this.#fast, this.#slow]) {
      for (let slot = slots.first; slot !== null && slot.freeIn <= turn; slot = slots.first) {
        slots.remove(slot);
        this.freed(slot);
        origins.push(slot.origin);
      }
    }
    if (origins.length > 0) this.#free(origins);
  }
}
