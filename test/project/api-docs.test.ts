// docs/api.md says what the schema says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { apiDocs } from "../../scripts/api-docs.ts";

test("docs/api.md is what scripts/api-docs.ts makes of the schema", () => {
  assert.equal(readFileSync("docs/api.md", "utf8"), apiDocs(), "run: node scripts/api-docs.ts");
});
