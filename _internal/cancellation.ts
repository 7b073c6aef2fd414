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
      if (this.aborted) reject(this.reason);
      else if (this.#waits === undefined || this.#waits.length === 0) this.#waits = [reject];
      else this.#waits.push(reject);
      begin((value) => {
        this.#forget(reject);
        resolve(value);
      }, (error) => {
        this.#forget(reject);
        reject(error);
      });
    });
  }

  /** Settles as `work` does, or rejects as soon as the request is aborted. */
  race<T>(work: PromiseLike<T>): Promise<T> {
    return this.abortablePromise((resolve, reject) => work.then(resolve, reject));
  }

  /** Drops a wait that is over, so that its result can be garbage-collected. */
  #forget(reject: (reason: unknown) => void): void {
    const index = this.#waits?.indexOf(reject) ?? -1;
    if (index >= 0) this.#waits!.splice(index, 1);
  }
}
