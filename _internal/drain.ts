// Copyright 2026 the Hangup authors. MIT license.

/**
 * When a slot whose exchange is over is really free again.
 *
 * @module
 */

import { takeTurns } from "./timers.ts";

/**
 * What a transport answers to the question when the socket of a released slot is free. A pool has one, made by its
 * transport; without one, a slot is free as soon as it is released.
 */
export interface Drain {
  /** Notes that a request is sent over a slot of this origin. */
  sent(origin: string): void;
  /**
   * Takes a slot whose exchange is over.
   *
   * @param origin The slot's origin, which was {@linkcode Drain.sent}.
   * @param aborted Whether the exchange was aborted, so that its socket is closed instead of used again.
   */
  add(origin: string, aborted: boolean): void;
  /** Frees the slots whose sockets must be free by now. */
  freeOld(): void;
  /** Frees each slot as soon as its socket is free, because somebody waits. Never frees one before it returns. */
  start(): void;
  /** Stops, because nobody waits. */
  stop(): void;
  /** Frees every slot now. */
  flush(): void;
}

const { setImmediate, clearImmediate } = takeTurns();

/** How many slots may drain while nobody waits. */
const MOST_DRAINING = 1000;

/** After this many milliseconds a slot is free, though nobody counted turns. */
const LONGEST = 100;

/** What is known of the sockets of an origin. */
interface Sockets {
  /** How many slots are in use or draining. */
  slots: number;
  /** How many sockets are surely idle. */
  idle: number;
  /** The turn from which on no socket is being dialed. */
  dialedBy: number;
}

interface Slot {
  readonly origin: string;
  readonly aborted: boolean;
  /** The turn in which its socket is free. */
  readonly turn: number;
  /** Whether it has waited for a dial already. */
  readonly waited: boolean;
  /** When its exchange was over. */
  readonly since: number;
}

/**
 * Counts turns of the event loop, for a platform that gives no sign when a socket is back in its pool or closed, but is
 * done with that after some turns. It counts only while somebody waits, or more than 1,000 slots drain.
 *
 * A platform that dials a socket for a request gives that request another one if it comes back first. Then the dialed
 * one arrives unasked. So while a socket may be dialed to an origin, its slots take as long as those of aborted
 * exchanges do.
 */
export class TurnDrain implements Drain {
  readonly #free: (origins: string[]) => void;
  readonly #turns: number;
  readonly #closingTurns: number;
  /** The slots that drain, each list in the order of its turns: those of finished exchanges, and the slower ones. */
  #fast: Slot[] = [];
  #slow: Slot[] = [];
  readonly #sockets = new Map<string, Sockets>();
  #turn = 0;
  /** Calls at the end of the turn. */
  #timer: unknown;
  #wanted = false;

  /**
   * @param free Called with the origins of slots that are free.
   * @param turns How many turns it takes until a socket can be used again.
   * @param closingTurns How many turns it takes until a socket is closed, or a dialed one has arrived.
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

  /** Whether turns are counted: somebody waits, or so many slots drain that they would fill the memory. */
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

  /** Takes those out whose turn has come, but for those that wait for a dial now. */
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

/** Takes the first slots out of a list, as long as they are `free`. */
function takeWhile(slots: Slot[], free: (slot: Slot) => boolean): Slot[] {
  let count = 0;
  while (count < slots.length && free(slots[count]!)) count++;
  return slots.splice(0, count);
}
