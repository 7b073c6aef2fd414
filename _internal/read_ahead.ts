// Copyright 2026 the Hangup authors. MIT license.

/**
 * Reading the start of a body though nobody asks for it.
 *
 * @module
 */

import { ByteCollector, type Bytes } from "./bytes.ts";
import type { Exchange } from "./exchange.ts";
import type { Source } from "./source.ts";

/**
 * Reads the start of a body under no timeout, because nobody waits for it: a body that is small gives its connection back
 * though nobody reads it.
 *
 * It does not know who owns the body, so that an owner who drops it can be collected while a read is pending.
 */
export class ReadAhead {
  /** The read under way. It never rejects: a failure is the exchange's. */
  reading: Promise<void> | undefined;
  #bytes: ByteCollector = new ByteCollector();
  #stopped = false;

  /** @param max The most to read, in bytes. One chunk more may be read. */
  constructor(exchange: Exchange, source: Source, max: number) {
    this.#run(exchange, source, max);
  }

  async #run(exchange: Exchange, source: Source, max: number): Promise<void> {
    try {
      for (let size = 0; size <= max && source.open && !this.#stopped;) {
        const read = source.readWithoutTimeout();
        this.reading = read.then(() => {}, () => {});
        const { value } = await read;
        if (value === undefined) return exchange.end();
        this.#bytes.append(value, source.ownsChunks);
        size += value.byteLength;
      }
    } catch (error) {
      exchange.fail(error);
    } finally {
      this.reading = undefined;
    }
  }

  /** Stops after the read under way. */
  stop(): void {
    this.#stopped = true;
  }

  /** What was read, and is not taken yet. */
  take(): Bytes | undefined {
    return this.#bytes.size > 0 ? this.takeCollector().take() : undefined;
  }

  /** The same, to be read into. */
  takeCollector(): ByteCollector {
    const bytes = this.#bytes;
    this.#bytes = new ByteCollector();
    return bytes;
  }
}
