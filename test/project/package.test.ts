// The package as its users get it: packed, and unpacked into a project that has the declared dependencies and no others, as with
// strictly linked node_modules. scripts/check-package.ts installs it with npm and pnpm.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeReadmeFiles } from "./readme-files.ts";

const timeout = 120_000;
const maxPictureBytes = 450_000;
const env = {
  ...process.env,
  PATH: `${resolve("node_modules/.bin")}${delimiter}${process.env["PATH"]}`,
  // A test runner within this one is one of its own.
  NODE_TEST_CONTEXT: undefined,
};
/** What README tells users to install beside dswarm. */
const usersOwn = ["@bufbuild/protobuf", "@connectrpc/connect", "@types/node", "undici-types"];

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

describe("the packed package", { timeout }, () => {
  const project = mkdtempSync(join(tmpdir(), "dswarm-user-"));
  const installed = join(project, "node_modules", "dswarm");
  const files = (pattern: string): string[] => globSync(pattern, { cwd: installed });
  const textOf = (path: string): string => readFileSync(join(installed, path), "utf8");
  const run = (command: string, args: readonly string[], cwd = project): string =>
    execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

  before(() => {
    execFileSync("npm", ["pack", "--silent", "--pack-destination", project], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"));
    assert(tarball !== undefined);
    mkdirSync(installed, { recursive: true });
    execFileSync("tar", ["-xzf", join(project, tarball), "-C", installed, "--strip-components=1"]);
    const { dependencies, optionalDependencies } = manifestOf(installed);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) link(name, installed);
    for (const name of usersOwn) link(name, project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
    assert.deepEqual(writeReadmeFiles(project), ["proto/echo.proto", "buf.gen.yaml", "main.ts"]);
    run("buf", ["generate"]);
  });

  test("runs README's example as it stands", { timeout }, () => {
    assert.equal(run(process.execPath, ["main.ts"]), "hello\n");
  });

  test("runs the test of docs/testing.md as it stands", { timeout }, () => {
    assert.deepEqual(writeReadmeFiles(project, "docs/testing.md"), ["echo.test.ts"]);
    const output = run(process.execPath, ["--test", "--test-reporter=tap", "echo.test.ts"]);
    assert.match(output, /^# pass 1$/m);
  });

  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["preserve", "bundler"],
  ] as const) {
    test(`type-checks with ${moduleResolution} resolution, all declarations included`, { timeout }, () => {
      const options = ["--module", module, "--moduleResolution", moduleResolution, "--target", "es2022"];
      run("tsc", [
        "--ignoreConfig",
        "--strict",
        "--noEmit",
        "--allowImportingTsExtensions",
        ...options,
        "main.ts",
        "echo.test.ts",
      ]);
    });
  }

  test("exports the schemas and helpers that programs need to tell errors apart", { timeout }, () => {
    const names = [
      "createNode",
      "DswarmError",
      "dswarmErrorOf",
      "errorTable",
      "FailureSchema",
      "isFromPeer",
      "NodeService",
    ];
    const source = `import * as all from "dswarm"; console.log(${JSON.stringify(names)}.filter((name) => !(name in all)).join());`;
    assert.equal(run(process.execPath, ["--input-type=module", "-e", source]), "\n");
  });

  test("has the command", { timeout }, () => {
    assert.match(run(process.execPath, [join(installed, "bin/dswarm.mjs"), "--version"]), /^\d+\.\d+\.\d+\n$/);
  });

  test("answers /api and keeps a data directory", { timeout }, () => {
    const source = `
      import { request } from "node:https";
      import { createNode } from "dswarm";
      const node = await createNode({ discovery: false, dataDir: "data" });
      const get = (path) => new Promise((done, failed) => {
        request(node.url + path, { rejectUnauthorized: false }, async (response) => {
          let text = "";
          for await (const part of response) text += part;
          done(response.statusCode + " " + text);
        }).on("error", failed).end();
      });
      console.log(await get("/api/ping"), (await get("/")).includes("dashboard.js"), (await get("/metrics")).slice(0, 3));
      await node.close();`;
    assert.equal(run(process.execPath, ["--input-type=module", "-e", source]), '200 {"results":[]}\n true 200\n');
  });

  test("says what to install where LevelDB is missing", { timeout }, () => {
    const path = join(installed, "node_modules/classic-level");
    rmSync(path);
    const source = `
      import { createNode } from "dswarm";
      await createNode({ discovery: false, dataDir: "other" }).catch(({ code, message }) => console.log(code, message));`;
    const output = run(process.execPath, ["--input-type=module", "-e", source]);
    link("classic-level", installed);
    assert.match(output, /^data_dir_invalid .*npm install classic-level\n$/);
  });

  test("has schemas that build", { timeout }, () => {
    run("buf", ["build", "proto"], installed);
  });

  test("has the target of every link of its documents", () => {
    const missing = files("**/*.md").flatMap((path) =>
      linksOf(textOf(path))
        .filter((target) => !existsSync(join(installed, dirname(path), target)))
        .map((target) => `${path}: ${target}`),
    );
    assert.deepEqual(missing, []);
  });

  test("has no source map without its sources", () => {
    assert.deepEqual(files("**/*.map"), []);
    assert.deepEqual(
      files("dist/**/*.{js,ts}").filter((path) => /^\/\/# sourceMappingURL=/m.test(textOf(path))),
      [],
    );
  });

  test(`has no more than ${maxPictureBytes} bytes of pictures`, () => {
    const bytes = files("**/*.{png,webp,jpg,gif}").map((path) => statSync(join(installed, path)).size);
    assert(bytes.length > 0);
    assert(bytes.reduce((sum, each) => sum + each, 0) <= maxPictureBytes);
  });

  test("has the license of each library within its code", () => {
    const licenses = textOf("dist/licenses.txt");
    for (const name of ["commander", "lru-cache", "pino", "prom-client"]) assert(licenses.includes(`# ${name} `), name);
  });

  after(() => rmSync(project, { recursive: true }));
});

test("an install has one sodium-native", () => {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, unknown> };
  const places = Object.keys(lock.packages).filter((path) => path.endsWith("node_modules/sodium-native"));
  assert.deepEqual(places, ["node_modules/sodium-native"]);
});

/** Makes a package of this checkout importable from a directory, and no other. */
function link(name: string, from: string): void {
  const path = join(from, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(realpathSync(resolve("node_modules", name)), path);
}

function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
}

/** Relative targets of the links and pictures of a document in Markdown, without their fragments. */
function linksOf(markdown: string): string[] {
  const text = markdown.replaceAll(/^```[\s\S]*?^```$/gm, "").replaceAll(/`[^`\n]*`(?!\])/g, "");
  const found = text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g);
  return [...found]
    .map(([, linked, attribute]) => (linked ?? attribute ?? "").replace(/#.*$/, ""))
    .filter((target) => target !== "" && !/^[a-z]+:/.test(target));
}
