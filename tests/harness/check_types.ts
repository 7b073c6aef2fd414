// Copyright 2026 the Hangup authors. MIT license.
//
// Compiles the module and its consumers with each version of TypeScript, for each project of
// tests/consumer: tsconfig.NAME.json has one type package alone. Those of the declarations take, in
// place of the source, what npm users of JSR get.
//
//   deno run --allow-read --allow-run tests/harness/check_types.ts
const root = new URL("../../", import.meta.url);

const compilers = { "TypeScript 5.9": "typescript59/lib/tsc.js", "TypeScript 7": "typescript/lib/tsc.js" };
const projects = [...Deno.readDirSync(new URL("tests/consumer/", root))]
  .map(({ name }) => name).filter((name) => /^tsconfig\..+\.json$/.test(name)).sort();

const declared = "--declaration --emitDeclarationOnly --noEmit false --rootDir . --outDir .tmp/declarations".split(" ");
const emitted = await compile(compilers["TypeScript 7"], "tests/consumer/tsconfig.dom.json", ...declared);
if (!emitted.success) throw new Error(`Cannot write the declarations:\n${new TextDecoder().decode(emitted.stdout)}`);

const runs = Object.entries(compilers).flatMap(([compiler, path]) =>
  projects.map((project) => ({ title: `${compiler}, ${project}`, args: [path, project] as const }))
);
let failed = 0;

function compile(path: string, project: string, ...options: string[]): Promise<Deno.CommandOutput> {
  const args = ["run", "--allow-all", `node_modules/${path}`, "--project", project, ...options];
  return new Deno.Command(Deno.execPath(), { args, cwd: root }).output();
}

async function run(): Promise<void> {
  for (let next = runs.shift(); next !== undefined; next = runs.shift()) {
    const [path, project] = next.args;
    const { success, stdout, stderr } = await compile(path, `tests/consumer/${project}`);
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
