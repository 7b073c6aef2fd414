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
    item.previous = this.last;
    if (this.last === null) this.first = item;
    else this.last.next = item;
    this.last = item;
    this.size++;
  }

  unshift(item: T): void {
    item.next = this.first;
    if (this.first === null) this.last = item;
    else this.first.previous = item;
    this.first = item;
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
