// Copyright 2026 the Hangup authors. MIT license.

/**
 * Why a request is aborted, and which waits end because of it.
 *
 * @module
 */

/**
 * Holds the first reason to abort a request, and the pending waits that it ends.
 *
 * Whoever aborts, the code after a wait continues in the async context in which the wait began, as
 * with any promise.
 */
export class Cancellation {
  /** Whether the request is aborted. */
  aborted = false;
  /** The first reason, unchanged. The reason of a signal may be `undefined`. */
  reason: unknown;
  #waits: ((reason: unknown) => void)[] | undefined;

  /**
   * Aborts with a reason: rejects all pending waits with it.
   *
   * @returns Whether this reason is the first one. A later reason has no effect.
   */
  abort(reason: unknown): boolean {
    if (this.aborted) return false;
    this.aborted = true;
    this.reason = reason;
    const waits = this.#waits ?? [];
    this.#waits = undefined;
    for (const reject of waits) reject(reason);
    return true;
  }

  /** Throws the reason if the request is aborted. */
  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /**
   * Waits until `resolve` is called.
   *
   * @param begin Called at once with the two functions that end the wait.
   * @returns A promise that also rejects as soon as the request is aborted.
   */
  abortablePromise<T>(begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#add(reject);
      begin((value) => {
        this.#forget(reject);
        resolve(value);
      }, (error) => {
        this.#forget(reject);
        reject(error);
      });
    });
  }

  /**
   * Settles as `work` does, or rejects as soon as the request is aborted.
   *
   * @param settled Called when `work` settles, even after an abort, with its value if it has one.
   */
  race<T>(work: PromiseLike<T>, settled?: (value?: T) => void): Promise<T> {
    // This repeats `abortablePromise()`, because each request waits here several times, and two more
    // functions for each wait take a noticeable part of its time.
    return new Promise((resolve, reject) => {
      this.#add(reject);
      work.then((value) => {
        this.#forget(reject);
        settled?.(value);
        resolve(value);
      }, (error) => {
        this.#forget(reject);
        settled?.();
        reject(error);
      });
    });
  }

  #add(reject: (reason: unknown) => void): void {
    if (this.aborted) reject(this.reason);
    else if (this.#waits?.length) this.#waits.push(reject);
    else this.#waits = [reject]; // `push()` would make room for many more, in each of thousands of waiting requests
  }

  /** Drops a wait that is over, so that its result can be garbage-collected. */
  #forget(reject: (reason: unknown) => void): void {
    const index = this.#waits?.indexOf(reject) ?? -1;
    if (index < 0) return;
    const last = this.#waits!.pop()!;
    if (last !== reject) this.#waits![index] = last;
  }
}
