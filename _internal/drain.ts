// Copyright 2026 the Hangup authors. MIT license.

/**
 * The drain: it decides when the slot of an exchange that is over is really free again.
 *
 * @module
 */

import { type Linked, List } from "./list.ts";
import { takeTurns } from "./timers.ts";

/**
 * Decides when the socket of a released slot is free. The transport makes one for each pool.
 * Without a drain, a slot is free as soon as it is released.
 */
export interface Drain {
  /**
   * Notes that a request is sent over a slot of this origin. Returns a mark for
   * {@linkcode Drain.add}.
   */
  sent(origin: string): number;
  /**
   * Takes a slot whose exchange is over.
   *
   * @param origin The slot's origin.
   * @param aborted Whether the exchange was aborted. If so, its socket is closed rather than used
   * again.
   * @param sent What {@linkcode Drain.sent} returned.
   */
  add(origin: string, aborted: boolean, sent: number): void;
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
const MAX_DRAINING = 1000;

/** The state of an origin's sockets, as far as it is known. */
interface Sockets {
  /** The number of slots in use or draining. */
  slots: number;
  /** The number of sockets that are certainly idle. */
  idle: number;
  /** The turn by which the platform has finished dialing sockets. */
  dialedBy: number;
}

/** A slot that drains. It is in one of two lists. */
interface Slot extends Linked<Slot> {
  readonly origin: string;
  readonly aborted: boolean;
  /** The turn in which the slot's socket is free. */
  turn: number;
}

/**
 * Counts turns of the event loop, for a platform that does not tell when a socket is back in its
 * pool or closed, but always needs a fixed number of turns for it. Each turn is counted only while
 * a request waits, or more than 1,000 slots drain. Otherwise an answer counts as one turn.
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
  readonly #fast: List<Slot> = new List();
  readonly #slow: List<Slot> = new List();
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

  sent(origin: string): number {
    let sockets = this.#sockets.get(origin);
    if (sockets === undefined) this.#sockets.set(origin, sockets = { slots: 0, idle: 0, dialedBy: 0 });
    sockets.slots++;
    if (sockets.idle > 0) sockets.idle--;
    else sockets.dialedBy = this.#turn + this.#closingTurns;
    return this.#turn;
  }

  add(origin: string, aborted: boolean, sent: number): void {
    // An answer takes at least one turn, so the end of an exchange shows that one has passed. While
    // turns are counted, that turn is counted already.
    if (!aborted && sent >= this.#turn && this.#timer === undefined) this.#turn++;
    const turn = this.#turn + (aborted ? this.#closingTurns : this.#turns);
    (aborted ? this.#slow : this.#fast).push({ previous: null, next: null, origin, aborted, turn });
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

  /** Frees the slots whose turn is this one or an earlier one. */
  #freeUntil(turn: number): void {
    this.#freeStart(this.#fast, turn);
    this.#freeStart(this.#slow, turn);
  }

  #freeStart(slots: List<Slot>, turn: number): void {
    let origins: string[] | undefined;
    for (let slot = slots.first; slot !== null && slot.turn <= turn; slot = slots.first) {
      slots.remove(slot);
      const sockets = this.#sockets.get(slot.origin)!;
      // If the platform may still be dialing a socket to a slot's origin, the slot moves to the
      // slow list. So it moves at most once.
      if (slots === this.#fast && turn < sockets.dialedBy) {
        slot.turn = turn + this.#closingTurns;
        this.#slow.push(slot);
        continue;
      }
      if (!slot.aborted) sockets.idle++;
      if (--sockets.slots === 0) this.#sockets.delete(slot.origin);
      (origins ??= []).push(slot.origin);
    }
    if (origins !== undefined) this.#free(origins);
  }
}
