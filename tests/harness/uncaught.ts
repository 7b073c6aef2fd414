// Copyright 2026 the Hangup authors. MIT license.
//
// What would end a process: errors that nobody catches, and rejections that nobody handles.

type Listener = (event: { reason?: unknown; error?: unknown; preventDefault(): void }) => void;

interface Surroundings {
  Deno?: unknown;
  process?: {
    on?(event: string, listener: (error: unknown) => void): void;
    off(event: string, listener: unknown): void;
  };
  addEventListener(type: string, listener: Listener): void;
  removeEventListener(type: string, listener: Listener): void;
}

/**
 * Runs `work`, and throws if an error escaped from it, or within 10 ms after it. On Node and Bun
 * such an error would end the process, and with it all cases.
 */
export async function catchingAll<T>(work: () => Promise<T>): Promise<T> {
  const target = globalThis as unknown as Surroundings;
  const { Deno, process } = target;
  const escaped: unknown[] = [];
  const note = (error: unknown) => void escaped.push(error);
  const onEvent: Listener = (event) => {
    event.preventDefault();
    note(event.reason ?? event.error);
  };
  const ofProcess = !Deno && process?.on ? process : undefined;
  if (ofProcess) { for (const type of ["uncaughtException", "unhandledRejection"]) ofProcess.on!(type, note); }
  else for (const type of ["error", "unhandledrejection"]) target.addEventListener(type, onEvent);
  try {
    const result = await work();
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (escaped.length > 0) throw new Error(`Nobody caught ${escaped.length} errors`, { cause: escaped[0] });
    return result;
  } finally {
    if (ofProcess) { for (const type of ["uncaughtException", "unhandledRejection"]) ofProcess.off(type, note); }
    else for (const type of ["error", "unhandledrejection"]) target.removeEventListener(type, onEvent);
  }
}
