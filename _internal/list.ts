// Copyright 2026 the Hangup authors. MIT license.

/**
 * A doubly linked list.
 *
 * @module
 */

/** The links that a {@linkcode List} needs in its items. An item can be in only one list. */
export interface Linked<T> {
  previous: T | null;
  next: T | null;
}

/**
 * A doubly linked list whose links are in its items. Removing an item from the middle is O(1), and
 * nothing is allocated.
 */
export class List<T extends Linked<T>> {
  first: T | null = null;
  last: T | null = null;
  size = 0;

  push(item: T): void {
    this.insert(item, null);
  }

  /** Adds an item before another one, or at the end. */
  insert(item: T, next: T | null): void {
    const previous = next === null ? this.last : next.previous;
    item.previous = previous;
    item.next = next;
    if (previous === null) this.first = item;
    else previous.next = item;
    if (next === null) this.last = item;
    else next.previous = item;
    this.size++;
  }

  remove(item: T): void {
    if (item.previous === null) this.first = item.next;
    else item.previous.next = item.next;
    if (item.next === null) this.last = item.previous;
    else item.next.previous = item.previous;
    item.previous = item.next = null;
    this.size--;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (let item = this.first; item !== null; item = item.next) yield item;
  }
}
