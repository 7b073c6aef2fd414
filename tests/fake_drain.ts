// Copyright 2026 the Hangup authors. MIT license.

/**
 * A drain that frees slots when a test says so.
 *
 * @module
 */

import type { Drain, Slot } from "../_internal/drain.ts";

/** A slot that drains. */
interface Draining {
  readonly origin: string;
  readonly aborted: boolean;
}

/** Takes slots, checks that it is called in a proper order, and frees them on demand. */
export class FakeDrain implements Drain {
  /** Whether somebody waits for a slot. */
  wanted = false;
  /** The slots that drain, in the order in which they came. */
  slots: Draining[] = [];
  /** How many slots of each origin are in use. */
  readonly inUse = new Map<string, number>();
  readonly #free: (origins: string[]) => void;

  constructor(free: (origins: string[]) => void) {
    this.#free = free;
  }

  /** The slots that drain, each with a `!` if its exchange was aborted. */
  get draining(): string {
    return this.slots.map(({ origin, aborted }) => origin.replace("https://", "") + (aborted ? "!" : "")).join(" ");
  }

  sent(origin: string, _init: RequestInit, earlier?: Slot): Slot {
    if (earlier !== undefined) return earlier;
    this.inUse.set(origin, (this.inUse.get(origin) ?? 0) + 1);
    return { previous: null, next: null, origin, sentIn: 0, freeIn: 0, connection: undefined };
  }

  add({ origin }: Slot, aborted: boolean): void {
    const inUse = this.inUse.get(origin) ?? 0;
    if (inUse === 0) throw new TypeError(`Nothing was sent over this slot: ${origin}`);
    this.inUse.set(origin, inUse - 1);
    this.slots.push({ origin, aborted });
  }

  start(): void {
    if (this.wanted) throw new TypeError("Somebody waits already");
    this.wanted = true;
  }

  stop(): void {
    this.wanted = false;
  }

  flush(): void {
    this.free(this.slots.length);
  }

  /** Frees slots, those that have drained for longest first. */
  free(count: number): void {
    const freed = this.slots.splice(0, count).map(({ origin }) => origin);
    if (freed.length > 0) this.#free(freed);
  }
}
