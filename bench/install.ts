// Copyright 2026 the Hangup authors. MIT license.
//
// Installs the peers that package-lock.json beside this names, unless that was done since the file last changed.

const here = new URL("./", import.meta.url);

function modified(path: string): number {
  try {
    return Deno.statSync(new URL(path, here)).mtime?.getTime() ?? 0;
  } catch {
    return 0;
  }
}

if (modified("node_modules/.package-lock.json") < modified("package-lock.json")) {
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  const { success } = await new Deno.Command(npm, { args: ["ci", "--loglevel=error"], cwd: here }).spawn().status;
  if (!success) Deno.exit(1);
}
