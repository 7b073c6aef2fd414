// Copyright 2026 the Hangup authors. MIT license.
//
// Crawls a site, 200 pages of one origin through 8 connections, behind a progress bar.
//
//   deno run -A examples/crawl.ts https://example.com/
import cliProgress from "cli-progress";
import { HangupError, Session } from "@hangup/session";

const MAX_PAGES = 200;
const start = new URL(Deno.args[0] ?? "https://example.com/");

await using session = new Session({
  pool: { maxConnections: 8, maxConnectionsPerOrigin: 8 },
  maxBodyBytes: 5_000_000,
  headers: { accept: "text/html" },
});
const bar = new cliProgress.SingleBar({ format: "{bar} {value}/{total} pages, {failed} failed", noTTYOutput: true });
const seen = new Set<string>();
let failed = 0;
let bytes = 0;

/** Visits a page and what it links to. All that is found waits in the pool's queue, not here. */
async function visit(url: string): Promise<void> {
  if (seen.has(url) || seen.size >= MAX_PAGES) return;
  seen.add(url);
  bar.setTotal(seen.size);
  let links: string[] = [];
  try {
    const response = (await session.get(url)).throwIfNotOk();
    bytes += response.content.byteLength;
    links = linksOf(await response.text(), response.url);
  } catch (error) {
    if (!(error instanceof HangupError)) throw error;
    failed++;
  }
  bar.increment({ failed });
  await Promise.all(links.map(visit));
}

function linksOf(html: string, base: string): string[] {
  return Array.from(html.matchAll(/<a\b[^>]*\bhref="([^"#]+)/gi), ([, href = ""]) => URL.parse(href, base))
    .filter((url) => url?.origin === start.origin)
    .map((url) => url!.href);
}

bar.start(1, 0, { failed });
await visit(start.href);
bar.stop();
console.log(`${seen.size} pages, ${bytes} bytes, ${failed} failed`);
