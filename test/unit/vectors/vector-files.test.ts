// The files of test vectors as files: what the script makes, with names that tell the cases apart.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bytesOf, runs } from "../../vectors/make/vector-file.ts";
import { vectorFiles } from "../../vectors/make/vector-files.ts";

for (const [name, text] of vectorFiles()) {
  test(`${name} is what scripts/vectors.ts makes`, () => {
    const committed = readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8");
    assert.ok(committed === text, `run: node scripts/vectors.ts (${name} differs)`);
  });

  test(`${name} has a head, and no two cases of one name`, () => {
    const file = JSON.parse(text) as { description: string; source: string; cases: { name: string }[] };
    assert.ok(file.description.length > 50 && file.source.startsWith("scripts/vectors.ts"));
    assert.ok(file.cases.length > 10);
    assert.equal(new Set(file.cases.map((entry) => entry.name)).size, file.cases.length);
  });
}

test("long runs of one byte are shortened, and read back", () => {
  const bytes = Buffer.concat([Buffer.from("ab"), Buffer.alloc(300, 1), Buffer.from("c"), Buffer.alloc(256, 2)]);
  const shortened = runs(bytes);
  assert.deepEqual(shortened, ["6162", { repeat: "01", times: 300 }, `63${"02".repeat(256)}`]);
  assert.deepEqual(bytesOf(shortened), bytes);
});
