// Copyright 2026 the Hangup authors. MIT license.
import { pathToFileURL } from "node:url";
import type { Suite } from "./case.ts";

/** The name of a suite: that of its file without the `_cases.ts`. */
export function suiteName(file: string): string {
  return /([^/\\]+)_cases\.ts$/.exec(file)?.[1] ?? file;
}

/**
 * Imports files of cases. One that cannot be loaded is one case that fails, so that the others
 * still run.
 */
export async function importSuites(files: string[]): Promise<Suite[]> {
  const suites: Suite[] = [];
  for (const file of files) {
    const name = suiteName(file);
    try {
      const { cases } = await import(pathToFileURL(file).href);
      suites.push({ name, cases });
    } catch (error) {
      suites.push({ name, cases: [{ name: "can be loaded", run: () => Promise.reject(error) }] });
    }
  }
  return suites;
}
