// Copyright 2026 the Hangup authors. MIT license.

/** Has a mock as a property, such as one of the globals, while `work` runs. */
export async function mocking<T>(object: object, name: string, mock: unknown, work: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { configurable: true, writable: true, value: mock });
  try {
    return await work();
  } finally {
    if (before) Object.defineProperty(object, name, before);
    else Reflect.deleteProperty(object, name);
  }
}
