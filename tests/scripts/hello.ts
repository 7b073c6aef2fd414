// Copyright 2026 the Hangup authors. MIT license.
import process from "node:process";

console.log(`hello ${process.argv[2]}`);
