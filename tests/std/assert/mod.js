// Copyright 2026 the Hangup authors. MIT license.
// @ts-self-types="./mod.d.ts"
export * from "deno-std/assert/mod.js";
