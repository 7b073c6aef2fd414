// Copyright 2026 the Hangup authors. MIT license.
// deno-std ships JavaScript alone. These are the types of what the tests use.
export declare function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T>;
export declare function deadline<T>(promise: Promise<T>, ms: number, options?: { signal?: AbortSignal }): Promise<T>;
export declare function delay(ms: number, options?: { signal?: AbortSignal; persistent?: boolean }): Promise<void>;
export declare function retry<T>(fn: (() => Promise<T>) | (() => T), options?: {
  isRetriable?: (error: unknown) => boolean;
  jitter?: number;
  maxAttempts?: number;
  maxTimeout?: number;
  minTimeout?: number;
  multiplier?: number;
  signal?: AbortSignal;
}): Promise<T>;
