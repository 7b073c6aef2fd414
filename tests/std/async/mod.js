// Copyright 2026 the Hangup authors. MIT license.
// @ts-self-types="./mod.d.ts"
// Not async/mod.js: deno-std 1.4.0's imports a file that the package lacks.
export { abortable } from "deno-std/async/abortable.js";
export { deadline } from "deno-std/async/deadline.js";
export { delay } from "deno-std/async/delay.js";
export { retry } from "deno-std/async/retry.js";
