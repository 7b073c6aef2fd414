// Copyright 2026 the Hangup authors. MIT license.
//
// Installs what the package-lock.json of a folder names, unless that was done since the lock file
// last changed. npm, because it installs of the runtimes' packages only those of this machine's
// platform.
//
// Arguments: the folder, and what is installed.
const [folder = ".", what = "packages"] = Deno.args;
const root = new URL(`../../${folder}/`, import.meta.url);

function modified(path: string): number {
  try {
    return Deno.statSync(new URL(path, root)).mtime?.getTime() ?? 0;
  } catch {
    return 0;
  }
}

if (modified("node_modules/.package-lock.json") < modified("package-lock.json")) {
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  console.error(`Installing ${what}`);
  const args = ["ci", "--loglevel=error"];
  try {
    const { success } = await new Deno.Command(npm, { args, cwd: root, stdout: "null" }).spawn().status;
    if (!success) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.error("npm is not installed. It comes with Node, and installs what this task needs besides Deno");
    Deno.exit(1);
  }
}
