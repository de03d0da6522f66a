// Installs the packed package from the registry as README says, with npm and with pnpm, each into a project of its own. It runs
// README's example there, and checks its types with two versions of TypeScript, all declarations included. It fails where an
// install takes more than docs/package.md states.
//
// Usage: npm run check:package           about a minute; needs the npm registry
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readmeInstallCommands, writeReadmeFiles } from "../test/project/readme-files.ts";

const pnpm = "pnpm@10.34.9";
const oldTypescript = "typescript@5.9.3";
const mib = 1024 * 1024;
/** What an install may take. docs/package.md states what it takes. */
const maxPackages = 155;
const maxMib = 28;

const { values: options } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const root = resolve(".");
const directory = mkdtempSync(join(tmpdir(), "dswarm-package-"));
const env = {
  ...process.env,
  PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`,
  // One for all installs, and for pnpm itself.
  npm_config_cache: join(directory, "cache"),
};

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

function makeProject(name: string): string {
  const project = join(directory, name);
  mkdirSync(project);
  return project;
}

/** Runs README's commands, with the tarball in place of the package and other words in place of npm's. */
function install(project: string, tarball: string, replaced: Readonly<Record<string, string>>): void {
  const commands = readmeInstallCommands().flatMap((line) => line.split(" && "));
  assert(commands.length > 2, "README says how to install");
  for (const command of commands) {
    const found = Object.keys(replaced).find((start) => command.startsWith(start));
    const [program = "", ...args] = (
      found === undefined ? command : `${replaced[found]}${command.slice(found.length)}`
    ).split(" ");
    run(
      program,
      args.map((arg) => (arg === "dswarm" ? tarball : arg)),
      project,
    );
  }
}

function checkExample(project: string, compilers: Readonly<Record<string, string>>): void {
  writeReadmeFiles(project);
  run(join(project, "node_modules/.bin/buf"), ["generate"], project);
  assert.equal(run("node", ["main.ts"], project), "hello\n");
  writeReadmeFiles(project, "docs/testing.md");
  run("node", ["--test", "echo.test.ts"], project);
  const flags = [
    "--strict",
    "--noEmit",
    "--allowImportingTsExtensions",
    "--target",
    "es2022",
    "main.ts",
    "echo.test.ts",
  ];
  for (const [version, compiler] of Object.entries(compilers)) {
    for (const [module, moduleResolution] of [
      ["nodenext", "nodenext"],
      ["preserve", "bundler"],
    ] as const) {
      run("node", [compiler, "--module", module, "--moduleResolution", moduleResolution, ...flags], project);
      console.log(`${project.slice(directory.length + 1)}: TypeScript ${version}, ${moduleResolution} resolution`);
    }
  }
}

/** Installed packages, bytes of their files, and the places of sodium-native. */
function sizeOf(project: string): { packages: number; bytes: number; sodium: string[] } {
  const files = globSync("node_modules/**/*", { cwd: project, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + lstatSync(join(parentPath, name)).size, 0);
  const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")) as { packages: object };
  const places = Object.keys(lock.packages).filter((place) => place !== "");
  return { packages: places.length, bytes, sodium: places.filter((place) => place.endsWith("/sodium-native")) };
}

try {
  run("npm", ["pack", "--silent", "--pack-destination", directory], root);
  const [name = ""] = globSync("*.tgz", { cwd: directory });
  const tarball = join(directory, name);
  const quiet = "npm install --no-audit --no-fund --loglevel=error";

  const alone = makeProject("alone");
  writeFileSync(join(alone, "package.json"), "{}");
  run("npm", [...quiet.split(" ").slice(1), tarball], alone);
  const { packages, bytes, sodium } = sizeOf(alone);
  console.log(`an install: ${packages} packages, ${(bytes / mib).toFixed(1)} MiB`);
  assert(packages <= maxPackages, `${packages} packages, ${maxPackages} at most`);
  assert(bytes <= maxMib * mib, `${bytes} bytes, ${maxMib} MiB at most`);
  assert.deepEqual(sodium, ["node_modules/sodium-native"]);

  const compilerProject = makeProject("compilers");
  writeFileSync(join(compilerProject, "package.json"), "{}");
  run("npm", [...quiet.split(" ").slice(1), oldTypescript], compilerProject);
  const compilers = {
    "5.9": join(compilerProject, "node_modules/typescript/bin/tsc"),
    "7": join(root, "node_modules/typescript/bin/tsc"),
  };

  const byNpm = makeProject("npm");
  install(byNpm, tarball, { "npm install": quiet });
  run("npm", [...quiet.split(" ").slice(1), "--save-dev", "@types/node"], byNpm);
  checkExample(byNpm, compilers);

  const byPnpm = makeProject("pnpm");
  const add = `npx --yes ${pnpm} --store-dir ${join(directory, "store")} --config.strict-peer-dependencies=true add`;
  install(byPnpm, tarball, { "npm install": add });
  run("npx", [...add.split(" ").slice(1), "--save-dev", "@types/node"], byPnpm);
  checkExample(byPnpm, compilers);
} finally {
  if (options.keep) console.log(directory);
  else rmSync(directory, { recursive: true, force: true });
}
