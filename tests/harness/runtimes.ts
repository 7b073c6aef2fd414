// Copyright 2026 the Hangup authors. MIT license.
//
// Where the pinned runtimes are, once they were installed from tests/runtimes/package.json, and the
// machine's browsers.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The executable of a runtime, or `undefined` where there is none. An environment variable such as
 * `HANGUP_NODE22` goes before the package, for platforms that the registry has no package for.
 */
export function findRuntime(name: "bun" | "node22" | "node24" | "node26"): string | undefined {
  const { platform, arch } = process;
  const exe = platform === "win32" ? ".exe" : "";
  const named = process.env[`HANGUP_${name.toUpperCase()}`];
  const bun = `${platform === "win32" ? "windows" : platform}-${arch === "arm64" ? "aarch64" : arch}`;
  const packages = name === "bun"
    ? [`@oven/bun-${bun}/bin/bun${exe}`, `@oven/bun-${bun}-musl/bin/bun${exe}`]
    : [`${name}-${platform}-${arch}/bin/node${exe}`];
  const candidates = packages.map((path) => `${root}node_modules/${path}`);
  return named ?? candidates.find((path) => existsSync(path));
}

/** What the program is called that is, or drives, a browser. */
const PROGRAMS = {
  chromium: ["chromium", "chromium-browser", "google-chrome"],
  firefox: ["firefox-esr", "firefox"],
  webkit: ["WebKitWebDriver"],
};

/**
 * The program of a browser that is on this machine. An environment variable such as
 * `HANGUP_FIREFOX` goes before those on the path.
 */
export function findBrowser(name: keyof typeof PROGRAMS): string | undefined {
  const folders = process.env.PATH?.split(delimiter) ?? [];
  const candidates = folders.flatMap((folder) => PROGRAMS[name].map((program) => join(folder, program)));
  return process.env[`HANGUP_${name.toUpperCase()}`] ?? candidates.find((path) => existsSync(path));
}
