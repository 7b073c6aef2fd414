// Copyright 2026 the Hangup authors. MIT license.

/**
 * Turns of the event loop that pass when a test says so.
 *
 * The module takes `setImmediate` when it is loaded. Import this file before it, and it takes the
 * fake one.
 *
 * @module
 */

import { FakeTurns } from "./fake_clock.ts";

/** The turns of every module that is loaded after this one. */
export const turns: FakeTurns = new FakeTurns();
