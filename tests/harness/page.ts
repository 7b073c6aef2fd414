// Copyright 2026 the Hangup authors. MIT license.
//
// What the registrars of browsers share: a page that has all cases, driven from Node.
import process from "node:process";
import { bundleCases } from "./bundle.ts";
import { type Capability, runSuites, type Runtime } from "./case.ts";
import { importSuites } from "./suites.ts";

/** A page of a browser. */
export interface Page {
  /** Opens a URL. Resolves once it has loaded. */
  open(url: string): Promise<unknown>;
  /** Evaluates an expression in the page. Its value is a promise of a string. */
  evaluate(expression: string): Promise<string>;
}

/** Runs the cases that the command line asks for in a page, one after another. */
export async function runInPage(runtime: Runtime, page: Page): Promise<void> {
  const [, only = "", ...files] = process.argv.slice(2);
  const bundle = await bundleCases(runtime, files);
  const load = async () => {
    await page.open(`${process.env.HANGUP_CONTROL_URL}/blank`);
    await page.evaluate(`new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.type = "module";
      script.src = URL.createObjectURL(new Blob([${JSON.stringify(bundle)}], { type: "text/javascript" }));
      script.onload = () => globalThis.runHangupCase ? resolve("") : reject(new Error("The cases cannot be run"));
      script.onerror = () => reject(new Error("The cases cannot be loaded"));
      document.head.append(script);
    })`);
  };
  await load();
  await runSuites(await importSuites(files), runtime, only, async ({ name }, { name: suite }) => {
    try {
      const which = JSON.stringify({ suite, name });
      const result = await page.evaluate(`runHangupCase(${which}).then((result) => JSON.stringify(result))`);
      const { error, without = [] } = JSON.parse(result) as { error?: string; without?: Capability[] };
      if (error) throw error;
      return without;
    } catch (error) {
      await load(); // the next case starts afresh
      throw error;
    }
  });
}
