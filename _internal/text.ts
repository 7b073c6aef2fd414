// Copyright 2026 the Hangup authors. MIT license.

/**
 * Making text from outside safe to show in a message.
 *
 * @module
 */

/**
 * Escapes all characters that are not printable, as Python's `repr()` does: control characters
 * (line breaks and TAB are among them), invisible and bidirectional format characters, line and
 * paragraph separators, and lone surrogates. A server or a caller can therefore not forge a line of
 * a log, nor control the terminal that shows it.
 *
 * @param text Any text.
 * @returns The text, with `\u{1b}` in place of an ESC.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}
