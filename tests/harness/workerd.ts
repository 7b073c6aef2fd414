// Copyright 2026 the Hangup authors. MIT license.
//
// The registrar for workerd, run on Node: each case is a request to a worker that has them all.
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import process from "node:process";
import { bundleCases } from "./bundle.ts";
import { type Capability, runSuites } from "./case.ts";
import { importSuites } from "./suites.ts";

const [, only = "", ...files] = process.argv.slice(2);
// The form of the options that is documented is the one before version 5.
const options = convertV4MiniflareOptions({
  modules: true,
  script: await bundleCases("workerd", files),
  compatibilityDate: "2026-10-01",
  compatibilityFlags: ["nodejs_als"],
  cf: false, // else it asks the network for what a real request would have there
});
const worker = new Miniflare(options);
const url = await worker.ready;
await runSuites(await importSuites(files), "workerd", only, async ({ name }, { name: suite }) => {
  const body = JSON.stringify({ suite, name });
  const response = await fetch(url, { method: "POST", body });
  const { error, without = [] } = await response.json() as { error?: string; without?: Capability[] };
  if (error) throw error;
  return without;
});
await worker.dispose();
