// Copyright 2026 the Hangup authors. MIT license.
import { build } from "esbuild";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { lacking, type Runtime } from "./case.ts";
import { suiteName } from "./suites.ts";

/**
 * Chromium waits up to 5 s for the rest of a body of which at most 16 KiB are missing, to save the
 * connection.
 */
const WITHIN: Partial<Record<Runtime, number>> = { workerd: 1500, chromium: 6000, firefox: 1500, webkit: 1500 };

/**
 * One script with all cases and the module, for a runtime that reads no files. Its default export
 * is a worker that answers `POST { suite, name }` by running that case, and `GET /NAME` by the
 * handler of that name; in a page there is the global function `runHangupCase`. A case that was run
 * gives `{ error?, without? }`.
 */
export async function bundleCases(runtime: Runtime, files: string[]): Promise<string> {
  const imports = files.map((file, i) => `import { cases as cases${i} } from ${JSON.stringify(file)};`);
  const entries = files.map((file, i) => `[${JSON.stringify(suiteName(file))}, cases${i}]`);
  const { outputFiles } = await build({
    stdin: {
      contents: `
        ${imports.join("\n")}
        import { describe, runCase } from "./case.ts";
        import { handlers } from "../handlers.ts";
        const suites = new Map([${entries.join(", ")}]);
        globalThis.HANGUP_CONTROL_URL = ${JSON.stringify(process.env.HANGUP_CONTROL_URL)};
        globalThis.HANGUP_SLOW = ${lacking[runtime]?.includes("backpressure") ? 1 : undefined};
        globalThis.HANGUP_WITHIN = ${WITHIN[runtime] ?? 0};
        globalThis.runHangupCase = async ({ suite, name }, serve) => {
          try {
            const test = suites.get(suite).find((test) => test.name === name);
            return { without: await runCase(test, { runtime: ${JSON.stringify(runtime)}, serve }) };
          } catch (error) {
            return { error: describe(error) };
          }
        };
        export default {
          async fetch(request) {
            const url = new URL(request.url);
            if (request.method !== "POST") return await handlers[url.pathname.slice(1)](request);
            const serve = async (name) => ({ url: new URL(name, url).href, close: async () => {} });
            return Response.json(await globalThis.runHangupCase(await request.json(), serve));
          },
        };`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
      sourcefile: "bundle_entry.js",
    },
    bundle: true,
    external: ["node:async_hooks", "node:diagnostics_channel", "node:http", "node:stream", "node:vm"], // loaded by cases that need it, where there is one
    format: "esm",
    platform: "browser",
    target: "es2024",
    write: false,
    logLevel: "warning",
  });
  return outputFiles[0]?.text ?? "";
}
