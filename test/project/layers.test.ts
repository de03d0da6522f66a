// Which folder of src may import which, as docs/architecture.md draws it. The text of the sources is read, not what is
// left of it when the types are gone: imports of types count too.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";

const belowNode = ["channel", "rpc", "discovery", "dht", "link", "identity", "util", "gen"];

/** What each folder of src may import, besides itself. "src" stands for the files that are in no folder. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  util: [],
  identity: ["util"],
  link: ["identity", "util"],
  channel: ["link", "identity", "util"],
  rpc: ["link", "identity", "util", "gen"],
  discovery: ["identity", "util", "gen"],
  dht: ["identity", "util", "gen"],
  node: belowNode,
  api: ["node", ...belowNode],
  testbed: ["node", ...belowNode],
  // For users' tests: what it makes are nodes.
  testing: ["node", ...belowNode],
  // It talks to /api, by HTTP; the schemas say what there is.
  dashboard: ["gen"],
  cli: ["src", "api", "testbed", "dashboard", "node", ...belowNode],
  src: ["api", "testbed", "dashboard", "node", ...belowNode],
};

// A statement begins where a line does, or after another one; between the word and its path stand names only.
const statement = /(?:^|[;}])[ \t]*(?:import|export)\b(?:[^;"'`=()]*?\bfrom)?\s*(["'])(.+?)\1/gm;
// import("…"), typeof import("…"), require("…") wherever they stand; what is not a plain string cannot be checked.
const call = /\b(?:import|require)\s*\(\s*(?:(["'`])([^"'`$]+)\1)?/g;

function importsOf(text: string): string[] {
  const statements = [...text.matchAll(statement)].map((match) => match[2] ?? "");
  const calls = [...text.matchAll(call)].map((match) => match[2] ?? "(computed)");
  return [...statements, ...calls];
}

function folderOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  if (top !== "src") return top;
  return second.includes(".") ? "src" : second;
}

/** What is wrong with the imports of a file, a line each. */
function faultsOf(path: string, text: string): string[] {
  const from = folderOf(path);
  const edges = allowed[from];
  if (edges === undefined)
    return [`${path}: the folder src/${from} is not in the table of test/project/layers.test.ts`];
  return importsOf(text).flatMap((specifier) => {
    if (specifier === "(computed)") return [`${path}: imports a computed path, which cannot be checked`];
    if (specifier === "dswarm" || specifier.startsWith("dswarm/") || /^[#/]|^file:/.test(specifier)) {
      return [`${path}: imports ${specifier}; sources import one another by relative paths`];
    }
    if (!specifier.startsWith(".")) return [];
    const to = folderOf(posix.normalize(posix.join(posix.dirname(path), specifier)));
    return to === from || edges.includes(to) ? [] : [`${path}: imports ${specifier}, but ${from} may not import ${to}`];
  });
}

test("folders import only what lies below them", () => {
  const files = globSync("src/**/*.{ts,tsx,js,mjs}");
  assert(files.length > 20);
  const faults = files.flatMap((path) => faultsOf(path, readFileSync(path, "utf8")));
  assert.equal(faults.join("\n"), "");
});

test("the table has no way back up", () => {
  const visit = (folder: string, above: readonly string[]): void => {
    assert(!above.includes(folder), [...above, folder].join(" -> "));
    for (const below of allowed[folder] ?? []) visit(below, [...above, folder]);
  };
  for (const folder of Object.keys(allowed)) visit(folder, []);
});

test("every form of a wrong import is found", () => {
  const forms = [
    `import { Dht } from "../dht/dht.ts";`,
    `import { Dht } from '../dht/dht.ts'`,
    `import type { Dht } from "../dht/dht.ts";`,
    `import { type Dht } from "../dht/dht.ts";`,
    `import Dht, * as all from "../dht/dht.ts";`,
    `import {\n  a,\n  type B,\n} from "../dht/dht.ts";`,
    `import "../dht/dht.ts";`,
    `import{Dht}from"../dht/dht.ts";`,
    `export { Dht } from "../dht/dht.ts";`,
    `export type { Dht } from "../dht/dht.ts";`,
    `export * from "../dht/dht.ts";`,
    `export * as dht from "../dht/dht.ts";`,
    `import data from "../dht/data.json" with { type: "json" };`,
    `const a = 1; import { Dht } from "../dht/dht.ts";`,
    `const a = await import("../dht/dht.ts");`,
    "const a = await import(`../dht/dht.ts`);",
    `const a = await import(\n  "../dht/dht.ts"\n);`,
    `let a: import("../dht/dht.ts").Dht;`,
    `let a: typeof import("../dht/dht.ts");`,
    `const a = require("../dht/dht.ts");`,
    `import a = require("../dht/dht.ts");`,
    `import { Dht } from "./../../src/dht/dht.ts";`,
  ];
  for (const form of forms) {
    const faults = faultsOf(
      "src/rpc/planted.ts",
      `// A head.\nimport { a } from "../util/a.ts";\n${form}\nexport const b = a;\n`,
    );
    assert.equal(faults.length, 1, form);
    assert.match(faults[0] ?? "", /^src\/rpc\/planted\.ts: imports \S+, but rpc may not import dht$/);
  }
  assert.match(faultsOf("src/rpc/a.ts", "await import(name);").join(), /computed path/);
  assert.match(faultsOf("src/rpc/a.ts", `import { a } from "dswarm";`).join(), /relative paths/);
  assert.match(faultsOf("src/rpc/a.ts", `import { a } from "../../test/a.ts";`).join(), /may not import test/);
  assert.match(faultsOf("src/rpc/a.ts", `import { a } from "../index.ts";`).join(), /may not import src/);
  assert.match(faultsOf("src/index.ts", `export { a } from "./cli/main.ts";`).join(), /src may not import cli/);
  assert.match(faultsOf("src/new/a.ts", "").join(), /src\/new is not in the table/);
});

test("what is allowed, and what only looks like an import, passes", () => {
  const text = `// import { a } from "../dht/a.ts";
 * import { a } from "../dht/a.ts";
import { readFileSync } from "node:fs";
import { a } from "./a.ts";
import { b } from "../link/b.ts";
import { c } from "../../gen/dswarm/v1/c_pb.ts";
export const from = "../dht/a.ts";
export function important(): string { return "imported from '../dht/a.ts'"; }
const url = import.meta.url;
`;
  assert.deepEqual(faultsOf("src/rpc/a.ts", text), []);
  assert.deepEqual(
    faultsOf("src/create-node.ts", `import { a } from "./api/a.ts";\nimport { b } from "./index.ts";`),
    [],
  );
});
