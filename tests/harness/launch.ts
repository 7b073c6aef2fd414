// Copyright 2026 the Hangup authors. MIT license.
import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

/** A program that ends with this process at the latest. */
export interface Launched {
  /** What the program has said, as the pattern matched it. */
  readonly said: RegExpExecArray | undefined;
  /** Rejects when the program ends by itself. */
  readonly failed: Promise<never>;
  /** Kills the program, without waiting for its end. */
  kill(): void;
}

/** Makes a folder for a program's files. */
export function makeHome(): Promise<string> {
  return mkdtemp(join(tmpdir(), "hangup-browser-"));
}

/**
 * Starts a program, and resolves once it has printed a line that the pattern matches, or at once if
 * there is no pattern. A shell waits beside it for the end of its standard input, which comes with
 * the end of this process even if this is killed. Then the shell kills the program and removes its
 * folder, so that nothing is left.
 *
 * @param home Where the program keeps its files.
 */
export function launch(
  home: string,
  command: string,
  args: string[],
  pattern: RegExp | undefined,
  env: Record<string, string> = {},
): Promise<Launched> {
  const script = '"$@" 2>&1 & exec >/dev/null; cat; kill -KILL $!; wait; rm -rf "$HOME"';
  const shell = spawn("sh", ["-c", script, "sh", command, ...args], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, HOME: home, ...env },
  });
  const kill = () => {
    shell.stdin.end();
    shell.stdout.destroy();
    shell.unref();
  };
  const output: string[] = [];
  const reader = createInterface({ input: shell.stdout });
  const failed = new Promise<never>((_, reject) => {
    reader.on("close", () => reject(new Error(`${command} ended:\n${output.join("\n")}`)));
  });
  failed.catch(() => {}); // it ends when it is killed, too
  const ready = new Promise<Launched>((resolve) => {
    if (!pattern) return resolve({ said: undefined, failed, kill });
    reader.on("line", (line) => {
      output.push(line);
      const said = pattern.exec(line);
      if (said) resolve({ said, failed, kill });
    });
  });
  return Promise.race([ready, failed]);
}
