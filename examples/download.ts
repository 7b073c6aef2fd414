// Copyright 2026 the Hangup authors. MIT license.
//
// Downloads a large file to disk with its progress. Run it again to resume where it was cut off.
//
//   node examples/download.ts https://example.com/large.iso large.iso
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import process from "node:process";
import { get } from "@hangup/session";

const [url = "", path = ""] = process.argv.slice(2);
const part = `${path}.part`;
const validator = `${path}.etag`; // says whether the rest still belongs to what is here

const etag = await readFile(validator, "utf8").catch(() => "");
let size = etag === "" ? 0 : (await stat(part).catch(() => undefined))?.size ?? 0;

const headers = size > 0 ? { range: `bytes=${size}-`, "if-range": etag } : undefined;
await using response = await get(url, { prefetch: false, headers });
await response.throwIfNotOk();
const resumed = response.status === 206;
if (resumed) console.log(`Resumed at ${size} bytes`);
else size = 0; // the server sends all of it: another file, or no ranges
await writeFile(validator, response.headers.get("etag") ?? "");

const total = size + Number(response.headers.get("content-length"));
const file = await open(part, resumed ? "a" : "w");
try {
  for await (const chunk of response) {
    await file.appendFile(chunk);
    size += chunk.byteLength;
    if (process.stderr.isTTY) process.stderr.write(`\r${(100 * size / total).toFixed(1)} %`);
  }
} finally {
  await file.close();
}
await rename(part, path);
await rm(validator);
console.log(`Downloaded ${size} bytes`);
