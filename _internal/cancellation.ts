// Copyright 2026 the Hangup authors. MIT license.

/**
 * Why a request is cut short, and who must not wait any longer then.
 *
 * @module
 */

/**
 * The first reason to abort a request, and those who wait for something meanwhile.
 *
 * Whoever aborts, those who wait go on in the async context in which they began to wait, as a promise's reactions do.
 */
export class Cancellation {
  /** Whether there is a reason. */
  aborted = false;
  /** The first reason, as it was given: that of a signal may be `undefined`. */
  reason: unknown;
  #waits: ((reason: unknown) => void)[] | undefined;

  /**
   * Takes a reason and rejects with it whatever waits.
   *
   * @returns Whether it is the first reason. A later one has no effect.
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

  /** Throws the reason, if there is one. */
  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /**
   * Waits until `resolve` is called.
   *
   * @param begin Called at once, with what ends the wait.
   * @returns A promise that rejects as soon as there is a reason.
   */
  wait<T>(begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => void): Promise<T> {
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

  /** Settles as `work` does, or rejects as soon as there is a reason. */
  race<T>(work: PromiseLike<T>): Promise<T> {
    return this.wait((resolve, reject) => work.then(resolve, reject));
  }

  /** Once a wait is over nothing of it is kept, so that what it ended with can be collected. */
  #forget(reject: (reason: unknown) => void): void {
    const index = this.#waits?.indexOf(reject) ?? -1;
    if (index >= 0) this.#waits!.splice(index, 1);
  }
}
