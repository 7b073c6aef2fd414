// Copyright 2026 the Hangup authors. MIT license.

/**
 * Bytes of unknown number, gathered in memory.
 *
 * @module
 */

/** The size of the first block if nothing is announced, and of the largest one, in bytes. */
const FIRST_BLOCK = 4096;
const LARGEST_BLOCK = 1024 * 1024;

export type Bytes = Uint8Array<ArrayBuffer>;

const NO_BYTES: Bytes = new Uint8Array(0);

/** Whether something is a `Uint8Array`, of whatever realm. */
export function isBytes(value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/**
 * Bytes that arrive in pieces, in growing blocks of our own. So it does not matter how small the pieces are, nor how
 * large the buffers are that the platform keeps behind them: what is held is at most twice what has arrived.
 */
export class ByteCollector {
  /** The number of bytes gathered. */
  size = 0;
  /** The blocks that are full. */
  readonly #full: Bytes[] = [];
  #block: Bytes = NO_BYTES;
  /** How many bytes of the block are used. */
  #used = 0;
  readonly #announced: number;

  /** @param announced The number of bytes to be expected. It is only a hint, and need not be true. */
  constructor(announced: number = FIRST_BLOCK) {
    this.#announced = announced;
  }

  /**
   * Copies a piece.
   *
   * @param ours Whether nobody else uses the memory of the piece, so that it may be kept as it is.
   */
  append(piece: Bytes, ours = false): void {
    if (ours && this.size === 0 && piece.byteLength === piece.buffer.byteLength) {
      this.#block = piece;
      return this.#advance(piece.byteLength);
    }
    for (let rest = piece; rest.byteLength > 0;) {
      const room = this.room();
      const part = rest.subarray(0, room.byteLength);
      room.set(part);
      this.#advance(part.byteLength);
      rest = rest.subarray(part.byteLength);
    }
  }

  /** Where the next bytes go: at least one. */
  room(): Bytes {
    if (this.#used === this.#block.byteLength) {
      if (this.#used > 0) this.#full.push(this.#block);
      const size = this.size === 0 ? this.#announced : Math.max(this.size, FIRST_BLOCK);
      this.#block = new Uint8Array(Math.min(Math.max(size, 1), LARGEST_BLOCK));
      this.#used = 0;
    }
    return this.#block.subarray(this.#used);
  }

  /** Takes back what `room()` gave and a BYOB reader has filled: the same memory under another name. */
  fill(view: Bytes): void {
    this.#block = new Uint8Array(view.buffer);
    this.#advance(view.byteLength);
  }

  #advance(bytes: number): void {
    this.#used += bytes;
    this.size += bytes;
  }

  /** The bytes, in a buffer of their exact size. Nothing can be gathered afterwards. */
  take(): Bytes {
    const last = this.#used === this.#block.byteLength ? this.#block : this.#block.slice(0, this.#used);
    if (this.#full.length === 0) return last;
    const whole = new Uint8Array(this.size);
    let offset = 0;
    for (const block of [...this.#full, last]) {
      whole.set(block, offset);
      offset += block.byteLength;
      // At once, because garbage collection comes late and they take as much memory again.
      block.buffer.transfer?.(0);
    }
    return whole;
  }
}
