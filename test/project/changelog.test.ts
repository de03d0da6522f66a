// CHANGELOG.md tells each change once, in the list of its area. Git merges it line by line, and keeps both sides where they differ.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const [, unreleased = ""] = readFileSync("CHANGELOG.md", "utf8").split("\n## Unreleased\n");
const parts = unreleased.split(/^#### /m);

test("each change in CHANGELOG.md stands below the heading of an area", () => {
  const [before = "", ...areas] = parts;
  assert.doesNotMatch(before, /^- /m, "move these lines to the list of their area, and remove those that are there");
  assert(areas.length > 5);
  for (const area of areas) assert.match(area, /^- /m);
});

test("CHANGELOG.md has each area and each change once", () => {
  const headings = parts.slice(1).map((part) => part.split("\n", 1)[0] ?? "");
  const changes = unreleased.split(/^(?=- |#)/m).filter((text) => text.startsWith("- "));
  for (const all of [headings, changes.map((text) => text.trim())]) {
    assert.deepEqual(
      all.filter((text, i) => all.indexOf(text) !== i),
      [],
    );
  }
});
