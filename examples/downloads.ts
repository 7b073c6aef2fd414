// Copyright 2026 the Hangup authors. MIT license.
//
// Downloads many files to disk, five at a time, and shows the progress of all. What is cut off
// resumes: at once, up to five times, and in the next run.
//
//   node examples/downloads.ts folder https://example.com/1.iso https://example.com/2.iso
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import process from "node:process";
import { isRetriable, Session } from "@hangup/session";

const [folder = "", ...urls] = process.argv.slice(2);
const names = urls.map((url) => basename(new URL(url).pathname));
const twice = names.find((name, i) => names.indexOf(name) < i);
if (twice !== undefined) throw new Error(`Two files would be ${twice}: download them to folders of their own`);

let done = 0;
let resumed = 0;
let bytes = 0;

// The other files wait in the pool's queue. That takes as long as it takes: bytes that arrive are
// progress.
const session = new Session({ pool: { maxConnections: 5 } });

function showProgress(): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${urls.length} files, ${bytes} bytes`);
}

async function download(url: string): Promise<void> {
  const path = join(folder, basename(new URL(url).pathname));
  for (let tries = 1;; tries++) {
    try {
      await fill(url, `${path}.part`, `${path}.etag`);
      break;
    } catch (error) {
      if (tries === 5 || !isRetriable(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100 * 2 ** tries));
    }
  }
  await rename(`${path}.part`, path);
  await rm(`${path}.etag`, { force: true });
  done++;
  showProgress();
}

/**
 * Downloads what is missing of a file. The validator says to which version of the file the part
 * belongs.
 */
async function fill(url: string, part: string, validator: string): Promise<void> {
  const etag = await readFile(validator, "utf8").catch(() => "");
  const from = etag === "" ? 0 : (await stat(part).catch(() => undefined))?.size ?? 0;
  const headers: Record<string, string> = { "accept-encoding": "identity" }; // offsets count the bytes that arrive
  if (from > 0) Object.assign(headers, { range: `bytes=${from}-`, "if-range": etag });
  await using response = await session.get(url, { prefetch: false, headers });
  const range = response.headers.get("content-range") ?? "";
  const found = response.headers.get("etag") ?? "";
  const same = found === "" || found === etag; // a server may ignore If-Range
  if (same && response.status === 416 && range === `bytes */${from}`) return; // the part is the whole file
  const resumes = same && response.status === 206 && range.startsWith(`bytes ${from}-`);
  if (response.status === 416 || response.status === 206 && !resumes) {
    await rm(validator, { force: true });
    if (from === 0) throw new Error(`Got ${response.status} for a request without a range`);
    await response.close();
    return await fill(url, part, validator);
  }
  await response.throwIfNotOk();
  if (resumes) resumed++;
  const file = await open(part, resumes ? "a" : "w");
  try {
    // A weak validator cannot resume (RFC 9110, section 13.1.5).
    if (found.startsWith('"')) await writeFile(validator, found);
    else await rm(validator, { force: true });
    for await (const chunk of response) {
      await file.appendFile(chunk);
      bytes += chunk.byteLength;
      showProgress();
    }
  } finally {
    await file.close();
  }
}

try {
  await mkdir(folder, { recursive: true });
  const results = await Promise.allSettled(urls.map(download));
  const failed = results.filter(({ status }) => status === "rejected").length;
  console.log(`${done} files, ${bytes} bytes, ${resumed} resumed, ${failed} failed`);
} finally {
  await session.close();
}
