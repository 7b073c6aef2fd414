// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading the start of a body before anybody asks for it.
 *
 * @module
 */

import { ByteCollector, type Bytes } from "./bytes.ts";
import type { Exchange } from "./exchange.ts";
import type { Source } from "./source.ts";

/**
 * Reads the start of a body, so that a small body gives its connection back even if nobody reads
 * it.
 *
 * It holds no reference to the owner of the body, so that a dropped owner can be garbage-collected
 * while a read is pending.
 */
export class ReadAhead {
  /** The pending read. It never rejects. */
  reading: Promise<void> | undefined;
  /** Resolves when no more is read ahead. */
  readonly done: Promise<void>;
  /** Why the body broke off. The caller gets the bytes before it first. */
  failure: unknown;
  #bytes: ByteCollector = new ByteCollector();
  /** Whether somebody has taken bytes. */
  #taken = false;
  #stopped = false;

  /**
   * @param max The most to read, in bytes. One chunk more may be read.
   * @param awaited Whether a caller waits for it. Otherwise there is no timeout.
   */
  constructor(exchange: Exchange, source: Source, max: number, awaited = false) {
    this.done = this.#run(exchange, source, max, awaited);
  }

  async #run(exchange: Exchange, source: Source, max: number, awaited: boolean): Promise<void> {
    try {
      for (let size = 0; size <= max && source.open && !this.#stopped;) {
        const read = source.read(awaited);
        this.reading = read.then(() => {}, () => {});
        const { value } = await read;
        if (value === undefined) return exchange.end();
        size += value.byteLength;
        this.#bytes.append(value, source.owns(value));
      }
    } catch (error) {
      if (exchange.over) return; // it is aborted, which ends the body at once
      this.failure = error;
      // If an abort made the caller's stream fail, that would lose the bytes that have arrived. If
      // nobody has read any, its `cancel()` would fail, too.
      if (this.#bytes.size > 0 || !this.#taken) source.spareStream();
      source.abort(error);
      exchange.release(false);
      exchange.end();
    } finally {
      this.reading = undefined;
    }
  }

  /** Stops after the pending read. */
  stop(): void {
    this.#stopped = true;
  }

  /** Returns the bytes that were read and are not taken yet. */
  take(): Bytes | undefined {
    return this.#bytes.size > 0 ? this.takeCollector().take() : undefined;
  }

  /** Returns the same bytes in a collector that can be filled further. */
  takeCollector(): ByteCollector {
    const bytes = this.#bytes;
    this.#taken = true;
    this.#bytes = new ByteCollector();
    return bytes;
  }
}
