// Copyright 2026 the Hangup authors. MIT license.
//
// Runs tests/runners/vitest.ts or jest.ts under that runner, and prints as JSON how many tests
// passed in each of its projects, and what failed. Arguments: the runner, and a folder for what it
// writes.
import { build } from "esbuild";
import { resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

const [runner = "", given = ""] = process.argv.slice(2);
const folder = resolve(given);
const root = fileURLToPath(new URL("../../", import.meta.url));
const passed: Record<string, number> = {};
const failed: string[] = [];

function count(project: string, name: string, errors?: readonly unknown[]): void {
  if (errors === undefined) passed[project] = (passed[project] ?? 0) + 1;
  else failed.push(`${project}: ${name}\n${errors.join("\n")}`);
}

/** A test may take so long on a busy machine. */
const LIMIT_MS = 40_000;

/**
 * Writes the tests and the module into one file. jest knows neither TypeScript nor modules by
 * itself, and vitest would transform each file once for each project.
 */
async function bundle(): Promise<string> {
  const isJest = runner === "jest";
  const outfile = `${folder}/session.test.${isJest ? "cjs" : "mjs"}`;
  await build({
    entryPoints: [`${root}tests/runners/${runner}.ts`],
    outfile,
    bundle: true,
    external: ["vitest"],
    format: isJest ? "cjs" : "esm",
    platform: "node",
    target: "node22",
    sourcemap: "inline",
  });
  return outfile;
}

async function runVitest(): Promise<void> {
  const { startVitest } = await import("vitest/node");
  const pools = ["threads", "forks", "vmThreads", "vmForks"] as const;
  const common = { root, include: [await bundle()], testTimeout: LIMIT_MS };
  const vitest = await startVitest([], {
    config: false,
    watch: false,
    reporters: [],
    root,
    maxWorkers: 6, // they mostly wait
    projects: [
      ...pools.map((pool) => ({ test: { ...common, name: pool, pool } })),
      ...["happy-dom", "jsdom"].map((environment) => ({ test: { ...common, name: environment, environment } })),
    ],
  }, { cacheDir: folder });
  for (const file of vitest.state.getTestModules()) {
    for (const error of file.errors()) count(file.project.name, "can be loaded", [error.stack ?? error.message]);
    for (const test of file.children.allTests()) {
      const { state, errors } = test.result();
      count(
        file.project.name,
        test.name,
        state === "passed" ? undefined : errors?.map((error) => error.stack) ?? [state],
      );
    }
  }
  for (const error of vitest.state.getUnhandledErrors()) count("vitest", "unhandled", [inspect(error)]);
  await vitest.close();
}

async function runJest(): Promise<void> {
  const { runCLI } = await import("jest");
  const common = { rootDir: folder, testMatch: [await bundle()], transform: {} };
  const config = {
    ...common,
    cacheDirectory: folder,
    testTimeout: LIMIT_MS,
    reporters: [],
    projects: [
      { ...common, displayName: "jest" },
      { ...common, displayName: "fakes everywhere", fakeTimers: { enableGlobally: true } },
    ],
  };
  const { results } = await runCLI({ $0: "jest", _: [], config: JSON.stringify(config), runInBand: true }, [folder]);
  for (const { displayName, testResults, testExecError } of results.testResults) {
    const project = displayName?.name ?? "";
    if (testExecError) count(project, "can be loaded", [testExecError.stack]);
    for (const { fullName, status, failureMessages } of testResults) {
      count(project, fullName, status === "passed" ? undefined : [status, ...failureMessages]);
    }
  }
}

await (runner === "vitest" ? runVitest() : runJest());
console.log(JSON.stringify({ passed, failed }));
