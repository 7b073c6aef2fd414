// Copyright 2026 the Hangup authors. MIT license.

/**
 * The drain: it decides when the slot of an exchange that is over is really free again.
 *
 * @module
 */

import { takeTurns } from "./timers.ts";

/**
 * Decides when the socket of a released slot is free. The transport makes one for each pool.
 * Without a drain, a slot is free as soon as it is released.
 */
export interface Drain {
  /** Notes that a request is sent over a slot of this origin. */
  sent(origin: string): void;
  /**
   * Takes a slot whose exchange is over.
   *
   * @param origin The slot's origin. {@linkcode Drain.sent} was called with it before.
   * @param aborted Whether the exchange was aborted. If so, its socket is closed rather than used
   * again.
   */
  add(origin: string, aborted: boolean): void;
  /** Frees the slots that have drained for so long that their sockets must be free. */
  freeOld(): void;
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

const { setImmediate, clearImmediate } = takeTurns();

/** The number of slots that may drain before turns are counted although no request waits. */
const MOST_DRAINING = 1000;

/** After this many milliseconds a slot counts as free, even if no turns were counted. */
const LONGEST = 100;

/** The state of an origin's sockets, as far as it is known. */
interface Sockets {
  /** The number of slots in use or draining. */
  slots: number;
  /** The number of sockets that are certainly idle. */
  idle: number;
  /** The turn by which the platform has finished dialing sockets. */
  dialedBy: number;
}

interface Slot {
  readonly origin: string;
  readonly aborted: boolean;
  /** The turn in which the slot's socket is free. */
  readonly turn: number;
  /** Whether the slot has already waited for a dialed socket. */
  readonly waited: boolean;
  /** When the slot was released. */
  readonly since: number;
}

/**
 * Counts turns of the event loop, for a platform that does not tell when a socket is back in its
 * pool or closed, but always needs a fixed number of turns for it. Turns are counted only while a
 * request waits, or more than 1,000 slots drain.
 *
 * Such a platform may dial a new socket for a request, and then use another socket that comes back
 * first. The dialed socket then arrives although no request needs it. So while the platform may be
 * dialing a socket to an origin, the origin's slots drain as slowly as those of aborted exchanges.
 */
export class TurnDrain implements Drain {
  readonly #free: (origins: string[]) => void;
  readonly #turns: number;
  readonly #closingTurns: number;
  /**
   * The draining slots: those of finished exchanges, and the slower ones. Each list is in the order
   * of `turn`.
   */
  #fast: Slot[] = [];
  #slow: Slot[] = [];
  readonly #sockets = new Map<string, Sockets>();
  #turn = 0;
  /** The handle of the `setImmediate` callback that ends the turn. */
  #timer: unknown;
  #wanted = false;

  /**
   * @param free Called with the origins of the slots that became free.
   * @param turns The number of turns until a socket can be used again.
   * @param closingTurns The number of turns until a socket is closed, or a dialed one has arrived.
   */
  constructor(free: (origins: string[]) => void, turns: number, closingTurns: number) {
    this.#free = free;
    this.#turns = turns;
    this.#closingTurns = closingTurns;
  }

  sent(origin: string): void {
    let sockets = this.#sockets.get(origin);
    if (sockets === undefined) this.#sockets.set(origin, sockets = { slots: 0, idle: 0, dialedBy: 0 });
    sockets.slots++;
    if (sockets.idle > 0) sockets.idle--;
    else sockets.dialedBy = this.#turn + this.#closingTurns;
  }

  add(origin: string, aborted: boolean): void {
    const turn = this.#turn + (aborted ? this.#closingTurns : this.#turns);
    (aborted ? this.#slow : this.#fast).push({ origin, aborted, turn, waited: false, since: performance.now() });
    this.#schedule();
  }

  freeOld(): void {
    const old = performance.now() - LONGEST;
    this.#freeAll([this.#fast, this.#slow].flatMap((slots) => takeWhile(slots, ({ since }) => since < old)));
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
    const slots = [...this.#fast, ...this.#slow];
    this.#fast = [];
    this.#slow = [];
    this.#freeAll(slots);
  }

  /** Whether to count turns: a request waits, or the draining slots would take too much memory. */
  get #counts(): boolean {
    return this.#fast.length + this.#slow.length > (this.#wanted ? 0 : MOST_DRAINING);
  }

  #schedule(): void {
    if (this.#timer !== undefined || !this.#counts) return;
    if (setImmediate === undefined) return queueMicrotask(() => this.flush());
    this.#timer = setImmediate(() => {
      this.#timer = undefined;
      this.#turn++;
      this.#freeAll([...this.#takeDue(this.#fast), ...this.#takeDue(this.#slow)]);
      this.#schedule();
    });
  }

  /**
   * Removes and returns the slots whose turn has come. If the platform may still be dialing a
   * socket to a slot's origin, the slot moves to the slow list instead, once.
   */
  #takeDue(slots: Slot[]): Slot[] {
    return takeWhile(slots, ({ turn }) => turn <= this.#turn).filter((slot) => {
      if (slot.aborted || slot.waited || this.#turn >= this.#sockets.get(slot.origin)!.dialedBy) return true;
      this.#slow.push({ ...slot, turn: this.#turn + this.#closingTurns, waited: true });
      return false;
    });
  }

  #freeAll(slots: Slot[]): void {
    if (slots.length === 0) return;
    for (const { origin, aborted } of slots) {
      const sockets = this.#sockets.get(origin)!;
      if (!aborted) sockets.idle++;
      if (--sockets.slots === 0) this.#sockets.delete(origin);
    }
    this.#free(slots.map(({ origin }) => origin));
  }
}

/** Removes and returns the slots at the start of a list for which `free` is true. */
function takeWhile(slots: Slot[], free: (slot: Slot) => boolean): Slot[] {
  let count = 0;
  while (count < slots.length && free(slots[count]!)) count++;
  return slots.splice(0, count);
}
