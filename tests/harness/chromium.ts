// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for Chromium, run on Node: a page that has all cases, driven from here. A Chromium of the machine's
// own goes before the package's.
import packaged from "@sparticuz/chromium";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { chromium } from "playwright-core";
import { bundleCases } from "./bundle.ts";
import { type Capability, runSuites } from "./case.ts";
import { importSuites } from "./suites.ts";

/** What the bundle adds to the page's globals. */
interface Page {
  runHangupCase(which: { suite: string; name: string }): Promise<{ error?: string; without?: Capability[] }>;
}

const [, only = "", ...files] = process.argv.slice(2);

function installed(): string | undefined {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = process.env.PATH?.split(delimiter) ?? [];
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
}

const browser = await chromium.launch({
  executablePath: process.env.HANGUP_CHROMIUM ?? installed() ?? await packaged.executablePath(),
  // What the browser asks the network for by itself, off; the last two let it start in a container.
  args: [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-sandbox",
    `--ignore-certificate-errors-spki-list=${process.env.HANGUP_SPKI}`,
    "--disable-gpu",
  ],
});
const page = await browser.newPage();
page.on("console", (message) => console.log(message.text()));
const bundle = await bundleCases("chromium", files);
const load = async () => {
  await page.goto(`${process.env.HANGUP_CONTROL_URL}/blank`);
  await page.addScriptTag({ content: bundle, type: "module" });
  await page.waitForFunction(() => "runHangupCase" in globalThis);
};
await load();
await runSuites(await importSuites(files), "chromium", only, async ({ name }, { name: suite }) => {
  const { error, without = [] } = await page.evaluate(
    (which) => (globalThis as unknown as Page).runHangupCase(which),
    { suite, name },
  );
  if (!error) return without;
  await load(); // the next case starts afresh
  throw error;
});
await browser.close();
