// What docstrings say of defaults is so. An options file exports one object whose name ends in "Defaults"; an option that
// is in it says `@default` and the value, any other option says in words what holds without it.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

// A docstring, and the option that it stands before.
const documented = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*(?:readonly\s+)?(\w+)\?:/g;

/** The `@default` texts of a file's options, by name. */
function documentedDefaults(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, docstring = "", name = ""] of text.matchAll(documented)) {
    const value = /@default\s+(.+?)\s*$/m.exec(docstring)?.[1];
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

function faultsOf(text: string, defaults: Readonly<Record<string, unknown>>): string[] {
  const said = documentedDefaults(text);
  const wrong = Object.entries(defaults).flatMap(([name, value]) =>
    said.get(name) === JSON.stringify(value) ? [] : [`${name}: @default ${JSON.stringify(value)} belongs there`],
  );
  const unfounded = [...said].flatMap(([name, value]) =>
    name in defaults || !/^(?:-?\d|"|true\b|false\b|null\b)/.test(value)
      ? []
      : [`${name}: ${value} is not in the defaults`],
  );
  return [...wrong, ...unfounded];
}

for (const path of globSync("src/*/{options,params,store-options}.ts")) {
  test(`${path} says the defaults that it has`, async () => {
    const module: Record<string, unknown> = await import(pathToFileURL(resolve(path)).href);
    const [defaults, ...more] = Object.keys(module).filter((name) => name.endsWith("Defaults"));
    assert(defaults !== undefined && more.length === 0, `${path} exports one object whose name ends in "Defaults"`);
    assert.equal(faultsOf(readFileSync(path, "utf8"), Object.assign({}, module[defaults])).join("\n"), "");
  });
}

test("a wrong, a missing and an unfounded default are found", () => {
  const text = `
  /** A. @default 1 */
  readonly a?: number;
  /**
   * B, which is
   * long.
   * @default "x"
   */
  readonly b?: string | undefined;
  /** C. */
  readonly c?: number;
  /** D. @default none */
  readonly d?: number;
  /** E. @default 7 */
  e?: number;
`;
  assert.deepEqual(faultsOf(text, { a: 1, b: "x", e: 7 }), []);
  assert.deepEqual(faultsOf(text, { a: 2, b: "x", c: 3, e: 7 }), [
    "a: @default 2 belongs there",
    "c: @default 3 belongs there",
  ]);
  assert.deepEqual(faultsOf(text, { a: 1, b: "x" }), ["e: 7 is not in the defaults"]);
});
