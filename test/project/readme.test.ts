// The commands of README.md, which readers copy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readmeBlocks, readmeTableCommands } from "./readme-files.ts";

test("no command of README names a port, which is another one at each start", () => {
  const inBlocks = readmeBlocks().flatMap((text) => text.split("\n").filter((line) => line.startsWith("$ ")));
  const commands = [...inBlocks, ...readmeTableCommands()];
  assert(commands.length > 20);
  assert.deepEqual(
    commands.filter((line) => /(?:localhost|127\.0\.0\.1):\d/.test(line)),
    [],
  );
});

test("README says how to install the package, and what with", () => {
  const text = readmeBlocks().join("\n");
  assert.match(text, /^npm install dswarm @bufbuild\/protobuf @connectrpc\/connect$/m);
  assert.match(text, /^# buf\.gen\.yaml$/m);
});
