// Copyright 2026 the Hangup authors. MIT license.
//
// Compiles the module and its consumers with each version of TypeScript, for each project of
// tests/consumer: tsconfig.NAME.json has one type package alone.
//
//   deno run --allow-read --allow-run tests/harness/check_types.ts
const root = new URL("../../", import.meta.url);

const compilers = { "TypeScript 5.9": "typescript59/lib/tsc.js", "TypeScript 7": "typescript/lib/tsc.js" };
const projects = [...Deno.readDirSync(new URL("tests/consumer/", root))]
  .map(({ name }) => name).filter((name) => /^tsconfig\..+\.json$/.test(name)).sort();

const runs = Object.entries(compilers).flatMap(([compiler, path]) =>
  projects.map((project) => ({ title: `${compiler}, ${project}`, args: [path, project] as const }))
);
let failed = 0;

async function run(): Promise<void> {
  for (let next = runs.shift(); next !== undefined; next = runs.shift()) {
    const [path, project] = next.args;
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", `node_modules/${path}`, "--project", `tests/consumer/${project}`],
      cwd: root,
    }).output();
    if (success) continue;
    failed++;
    console.error(`${next.title}:\n${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}`);
  }
}

const count = runs.length;
await Promise.all([run(), run()]);
if (failed > 0) {
  console.error(`${failed} of ${count} projects do not compile`);
  Deno.exit(1);
}
console.log(`${count} projects compile: ${projects.length} with each of ${Object.keys(compilers).join(" and ")}`);
