// docs/architecture.md says why each library was chosen: each that package.json installs, and each that scripts install by themselves.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

const section = /^## Dependencies, and why each\n([\s\S]*?)(?=^## |(?![\s\S]))/m;
const [, chapter = ""] = section.exec(readFileSync("docs/architecture.md", "utf8")) ?? [];

function isNamed(name: string): boolean {
  return chapter.includes(`\`${name}\``);
}

test("docs/architecture.md says why each dependency of package.json is there", () => {
  const manifest: Record<string, Record<string, string> | undefined> = JSON.parse(readFileSync("package.json", "utf8"));
  const kinds = ["dependencies", "optionalDependencies", "devDependencies"];
  const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  assert(names.length > 30);
  assert.deepEqual(
    names.filter((name) => !isNamed(name)),
    [],
  );
});

test("docs/architecture.md names what scripts and clients install beside package.json", () => {
  // "npx NAME@1.2.3", "NAME==1.2.3" of pip, and modules of Go: each where it is given a version.
  const found = new Set<string>();
  for (const path of globSync(["scripts/*.ts", "conformance/**/*.ts", "test/**/*.ts"])) {
    const text = readFileSync(path, "utf8");
    for (const [, name = ""] of text.matchAll(/"(@?[a-z][\w./-]*)(?:@v?|==)\d+\.\d+[\w.]*"/g)) found.add(name);
  }
  const pyproject = readFileSync("clients/python/pyproject.toml", "utf8");
  for (const [, list = ""] of pyproject.matchAll(/^(?:dependencies|dev) = \[(.*)\]$/gm)) {
    for (const [, name = ""] of list.matchAll(/"([\w-]+)[^"]*"/g)) found.add(name);
  }
  for (const [, name = ""] of readFileSync("clients/go/go.mod", "utf8").matchAll(/^\s+(\S+\.\S+\/\S+) v[\w.+-]+$/gm)) {
    found.add(name);
  }
  assert(found.size > 14);
  assert.deepEqual(
    [...found].filter((name) => !isNamed(name)),
    [],
  );
});
