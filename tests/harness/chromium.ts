// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for Chromium, run on Node. A Chromium of the machine's own goes before the
// package's.
import packaged from "@sparticuz/chromium";
import process from "node:process";
import { chromium } from "playwright-core";
import { runInPage } from "./page.ts";
import { findBrowser } from "./runtimes.ts";

const browser = await chromium.launch({
  executablePath: findBrowser("chromium") ?? await packaged.executablePath(),
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
await runInPage("chromium", {
  open: (url) => page.goto(url),
  evaluate: (expression) => page.evaluate(expression),
});
await browser.close();
