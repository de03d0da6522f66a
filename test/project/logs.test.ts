// docs/logs.md lists the events that the sources log, at their levels.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

// What the commands print for programs are events too, and no log lines: docs/cli.md has those.
const printed = /^src\/(?:cli\/(?!hosted-node)|dashboard)/;
const direct = /logger\.(debug|info|warn|error)\(\s*\{\s*event: "([a-z_]+)"/g;
const named = /const fields = \{ event: "([a-z_]+)"[^;]*;\s*(?:[a-z.]*)logger\.(debug|info|warn|error)\(fields/g;
const byCode = /#log\("([a-z_]+)"/g;

test("docs/logs.md has each event that is logged, at its level, and no other", () => {
  const logged = new Map<string, string>();
  for (const file of globSync("src/**/*.ts")) {
    if (printed.test(file)) continue;
    const text = readFileSync(file, "utf8");
    for (const [, level = "", event = ""] of text.matchAll(direct)) logged.set(event, level);
    for (const [, event = "", level = ""] of text.matchAll(named)) logged.set(event, level);
    // The channel logs those of the other end's doing at info or warn, by their code.
    for (const [, event = ""] of text.matchAll(byCode)) logged.set(event, "info, warn");
  }
  const rows = readFileSync("docs/logs.md", "utf8").matchAll(/^\| `([a-z_]+)` *\| ([a-z, ]+?) *\|/gm);
  const documented = [...rows].map(([, event, level]) => `${event}: ${level}`);
  assert.deepEqual(
    documented,
    [...logged].map(([event, level]) => `${event}: ${level}`).sort((a, b) => (a < b ? -1 : 1)),
  );
});
