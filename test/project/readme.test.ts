// The commands of README.md, which readers copy.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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

/** What a pattern's group matches in a text. */
function figure(text: string | undefined, pattern: RegExp): string {
  const [, found = ""] = pattern.exec(text ?? "") ?? [];
  assert.notEqual(found, "", String(pattern));
  return found;
}

test("README's figures are those of docs/performance.md", () => {
  const [readme, performance] = ["README.md", "docs/performance.md"].map((path) => readFileSync(path, "utf8"));
  const cells: readonly (readonly [inReadme: RegExp, measured: RegExp])[] = [
    [/^\| `dswarm start` until .*\| +([\d.]+) times/m, /^\| dswarm start +\| +\d+ \| +([\d.]+) \|/m],
    [/^\| its memory at rest .*\| +([\d.]+) times/m, /^\| dswarm start .*\| +([\d.]+) \|$/m],
    [/^\| calls\/s of 32 bytes .*\| +([\d,]+) \|$/m, /^\| dswarm +\| +[\d,]+ \| +[\d,]+ \| +([\d,]+) \|/m],
    [/^\| calls\/s of 32 bytes .*grpc-js: ([\d,]+)\)/m, /^\| @grpc\/grpc-js +\| +[\d,]+ \| +[\d,]+ \| +([\d,]+) \|/m],
    [/^\| messages\/s of 32 bytes .*\| +([\d,]+) \|$/m, /^### Streams[\s\S]*?^\| dswarm +\| +([\d,]+) \|/m],
    [/^\| messages\/s of 32 bytes .*grpc-js: ([\d,]+)\)/m, /^### Streams[\s\S]*?^\| @grpc\/grpc-js +\| +([\d,]+) \|/m],
  ];
  for (const [inReadme, measured] of cells) assert.equal(figure(readme, inReadme), figure(performance, measured));
  const node = figure(performance, /Each further node in the same process, without connections: ([\d.]+) KiB/);
  assert.equal(figure(readme, /^\| each further node .*\| +(\d+) KiB/m), Number(node).toFixed(0));
});
