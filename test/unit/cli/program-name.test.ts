// The words that call the program, so that hints can be copied.
import assert from "node:assert/strict";
import { test } from "node:test";
import { programName } from "../../../src/cli/program-name.ts";

test("within npm scripts it is the script", () => {
  for (const script of ["start", "dswarm"]) {
    assert.equal(
      programName({ npm_lifecycle_event: script }, "/home/a/dswarm/src/cli/main.ts", "/home/a/dswarm"),
      "npm run -s dswarm --",
    );
  }
});

test("from a checkout it is node and the path as seen from the current directory", () => {
  const path = "/home/a/dswarm/src/cli/main.ts";
  assert.equal(programName({}, path, "/home/a/dswarm"), "node src/cli/main.ts");
  assert.equal(programName({ npm_lifecycle_event: "test" }, path, "/home/a/dswarm/src"), "node cli/main.ts");
});

test("installed it is dswarm, or npx with it", () => {
  assert.equal(programName({}, "/usr/bin/dswarm", "/home/a"), "dswarm");
  assert.equal(programName({}, "/usr/lib/node_modules/dswarm/dist/cli.js", "/home/a"), "dswarm");
  assert.equal(programName({ npm_lifecycle_event: "npx" }, "/x/.bin/dswarm", "/home/a"), "npx dswarm");
});
