// docs/cli.md says what the commands say of themselves.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { cliDocs } from "../../scripts/cli-docs.ts";

test("docs/cli.md is what scripts/cli-docs.ts makes of the commands", () => {
  assert.equal(readFileSync("docs/cli.md", "utf8"), cliDocs(), "run: node scripts/cli-docs.ts");
});
