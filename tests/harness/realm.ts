// Copyright 2026 the Hangup authors. MIT license.

/** The part of `process` that is used here. */
interface Process {
  getBuiltinModule?(id: "node:vm"): { runInNewContext(code: string): ArrayBuffer };
}

/**
 * An `ArrayBuffer` of another realm that holds a text, or of this realm if the runtime has no
 * other.
 */
export function foreignBuffer(text: string): ArrayBuffer {
  const { process } = globalThis as { process?: Process };
  const { buffer } = new TextEncoder().encode(text);
  try {
    const foreign = process!.getBuiltinModule!("node:vm").runInNewContext(`new ArrayBuffer(${buffer.byteLength})`);
    new Uint8Array(foreign).set(new Uint8Array(buffer));
    return foreign;
  } catch {
    return buffer;
  }
}
