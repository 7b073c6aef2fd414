// Copyright 2026 the Hangup authors. MIT license.

/**
 * The body that every route sends: letters that repeat every 23 bytes. It is ASCII, so that it
 * reads the same as bytes and as text, and 23 is prime, so that a lost or doubled chunk shows.
 */
export function pattern(length: number, offset = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = 97 + (offset + i) % 23;
  return bytes;
}
