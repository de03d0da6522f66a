// The faults of conformance/mutations can still be seeded: their places are in the Python client, and their cases in the suite.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { allCases } from "../../conformance/cases.ts";
import { allFaults, changed } from "../../conformance/mutations/main.ts";

test("each fault changes places that are in the Python client exactly once", () => {
  for (const { name, changes } of allFaults) {
    const texts = new Map<string, string>();
    for (const change of changes) {
      const text = texts.get(change.file) ?? readFileSync(join("clients/python", change.file), "utf8");
      texts.set(change.file, changed(text, change));
    }
    assert.ok(texts.size > 0, `"${name}" changes nothing`);
  }
});

test("each fault has a name of its own, and cases that are in the suite", () => {
  const known = new Set(allCases.map(({ name }) => name));
  assert.equal(new Set(allFaults.map(({ name }) => name)).size, allFaults.length);
  for (const { name, cases } of allFaults) {
    assert.ok(cases.length > 0, `no case finds "${name}"`);
    for (const each of cases) assert.ok(known.has(each), `"${name}" is to be found by ${each}, which is no case`);
  }
});
