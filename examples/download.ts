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
const validator = `${path}.etag`; // says to which version of the file the part belongs

/** Gets the file from an offset on, and returns its size. */
async function download(from: number, etag: string): Promise<number> {
  await using response = await get(url, {
    prefetch: false,
    headers: {
      "accept-encoding": "identity", // offsets count the bytes that arrive
      ...(from > 0 ? { range: `bytes=${from}-`, "if-range": etag } : {}),
    },
  });
  const { status, headers } = response;
  const found = headers.get("etag") ?? "";
  if (status === 206 || status === 416) {
    const range = headers.get("content-range") ?? "";
    const same = found === "" || found === etag;
    // The part is the whole file already.
    if (same && status === 416 && range === `bytes */${from}`) return from;
    if (!same || !range.startsWith(`bytes ${from}-`)) {
      if (from === 0) throw new Error(`Got ${status} for a request without a range`);
      await response.close();
      return await download(0, "");
    }
    console.log(`Resumed at ${from} bytes`);
  } else {
    await response.throwIfNotOk();
    from = 0; // all of the file: it has changed, or the server sends no ranges
  }

  let size = from;
  const length = headers.get("content-length");
  const total = length === null ? undefined : size + Number(length);
  const file = await open(part, from > 0 ? "a" : "w");
  try {
    // Written once the bytes of another version are gone. A weak validator cannot resume (RFC 9110,
    // section 13.1.5).
    const resumable = found.startsWith('"') && !headers.has("content-encoding");
    if (resumable) await writeFile(validator, found);
    else await rm(validator, { force: true });
    for await (const chunk of response) {
      await file.appendFile(chunk);
      size += chunk.byteLength;
      const progress = total === undefined ? `${size} bytes` : `${(100 * size / total).toFixed(1)} %`;
      if (process.stderr.isTTY) process.stderr.write(`\r${progress}`);
    }
  } finally {
    await file.close();
  }
  return size;
}

const etag = await readFile(validator, "utf8").catch(() => "");
const from = etag === "" ? 0 : (await stat(part).catch(() => undefined))?.size ?? 0;
const size = await download(from, etag);
await rename(part, path);
await rm(validator, { force: true });
console.log(`Downloaded ${size} bytes`);
