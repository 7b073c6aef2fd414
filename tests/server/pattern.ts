// Copyright 2026 the Hangup authors. MIT license.

/** The letters, as many times over as a body has needed yet. */
let letters = Uint8Array.from({ length: 23 }, (_, i) => 97 + i);

/**
 * The body that every route sends: letters that repeat every 23 bytes. It is ASCII, so that it
 * reads the same as bytes and as text, and 23 is prime, so that a lost or doubled chunk shows.
 */
export function pattern(length: number, offset = 0): Uint8Array<ArrayBuffer> {
  const start = offset % 23;
  while (letters.length < start + length) {
    const twice = new Uint8Array(2 * letters.length);
    twice.set(letters);
    twice.set(letters, letters.length);
    letters = twice;
  }
  return letters.slice(start, start + length);
}
