// The files by which running nodes are found.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CliError } from "../../../src/cli/cli-error.ts";
import { RuntimeFiles, type UnnumberedNode } from "../../../src/cli/runtime-files.ts";

const node: UnnumberedNode = {
  pid: process.pid,
  id: "@yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE=",
  port: 4242,
  url: "https://localhost:4242",
  address: "dswarm://yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE@127.0.0.1:4242",
  certificateSha256: "00".repeat(32),
  startedAt: "2026-01-02T03:04:05.000Z",
  index: 1,
};

function newDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "dswarm-test-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function openIn(parent: string): RuntimeFiles {
  return RuntimeFiles.open({ XDG_RUNTIME_DIR: parent });
}

test("writes a file for its owner only into a directory for its owner only, and removes it", (t) => {
  const files = openIn(newDirectory(t));
  const remove = files.add(node);
  assert.equal(statSync(files.directory).mode & 0o777, 0o700);
  const name = "1.json";
  assert.deepEqual(readdirSync(files.directory), [name]);
  assert.equal(statSync(join(files.directory, name)).mode & 0o777, 0o600);
  assert.deepEqual(files.list(), [{ ...node, number: 1 }]);
  remove();
  remove();
  assert.deepEqual(readdirSync(files.directory), []);
});

test("numbers the nodes of a swarm by their place in it, after those that run", (t) => {
  const files = openIn(newDirectory(t));
  const removers = [
    { ...node, port: 3, index: 10 },
    { ...node, port: 2, index: 2 },
    { ...node, port: 1, index: 1, startedAt: "2026-01-02T03:04:05.001Z" },
  ].map((entry) => files.add(entry));
  assert.deepEqual(
    files.list().map(({ port, number }) => [port, number]),
    [
      [2, 2],
      [3, 10],
      [1, 11],
    ],
  );
  for (const remove of removers) remove();
});

test("a node keeps its number when others go, and no two get the same", (t) => {
  const files = openIn(newDirectory(t));
  const add = (port: number, startedAt: string): (() => void) => files.add({ ...node, port, startedAt });
  const numbers = (): number[][] => files.list().map(({ port, number }) => [port, number]);
  const removeFirst = add(1, "a");
  const removeSecond = add(2, "b");
  const removers = [removeSecond, add(3, "c")];
  removeFirst();
  assert.deepEqual(numbers(), [
    [2, 2],
    [3, 3],
  ]);
  // Two that begin at once, in two processes, have seen the same list.
  removers.push(add(4, "d"), openIn(join(files.directory, "..")).add({ ...node, port: 5, startedAt: "d" }));
  assert.deepEqual(numbers().slice(2), [
    [4, 4],
    [5, 5],
  ]);
  files.remove({ ...node, port: 9, number: 2 });
  assert.equal(files.list().length, 4);
  for (const remove of removers) remove();
});

test("numbers begin again where they would be taken for ports", (t) => {
  const files = openIn(newDirectory(t));
  const removers = [
    files.add({ ...node, port: 1, index: 1000 }),
    files.add({ ...node, port: 2, index: 24, startedAt: "later" }),
  ];
  assert.deepEqual(
    files.list().map(({ port, number }) => [port, number]),
    [
      [2, 24],
      [1, 1000],
    ],
  );
  for (const remove of removers) remove();
});

test("removes files of processes that have ended, and leaves alone what is none of its own", (t) => {
  const files = openIn(newDirectory(t));
  const { pid } = spawnSync(process.execPath, ["--eval", ""]);
  writeFileSync(join(files.directory, "1.json"), JSON.stringify({ ...node, pid }));
  writeFileSync(join(files.directory, "other.txt"), "x");
  writeFileSync(join(files.directory, "half.json"), '{"pid":');
  assert.deepEqual(files.list(), []);
  assert.deepEqual(readdirSync(files.directory).sort(), ["half.json", "other.txt"]);
});

const faults: Readonly<Record<string, string>> = {
  "a number": "1",
  null: "null",
  "a list": "[]",
  "no fields": "{}",
  "a pid that is a text": JSON.stringify({ ...node, pid: "1" }),
  "a negative pid, which would name a process group": JSON.stringify({ ...node, pid: -1 }),
  "a URL that is none": JSON.stringify({ ...node, url: "localhost" }),
  "no certificate": JSON.stringify({ ...node, certificateSha256: undefined }),
  "too much": JSON.stringify({ ...node, more: "x".repeat(20_000) }),
};
for (const [what, text] of Object.entries(faults)) {
  test(`ignores a file with ${what}`, (t) => {
    const files = openIn(newDirectory(t));
    writeFileSync(join(files.directory, "1.json"), text);
    assert.deepEqual(files.list(), []);
  });
}

test("refuses a directory that others may change, and says what to do", (t) => {
  const parent = newDirectory(t);
  const directory = join(parent, "dswarm");
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  assert.throws(
    () => openIn(parent),
    (error) => error instanceof CliError && error.message.includes(`chmod 700 ${directory}`),
  );
});

test("refuses a link and a file in place of the directory", (t) => {
  const linked = newDirectory(t);
  symlinkSync(newDirectory(t), join(linked, "dswarm"));
  assert.throws(() => openIn(linked), CliError);
  const filed = newDirectory(t);
  writeFileSync(join(filed, "dswarm"), "", { mode: 0o600 });
  assert.throws(() => openIn(filed), CliError);
});

test("takes the directory for temporary files where XDG_RUNTIME_DIR is missing, relative, or not the user's alone", (t) => {
  const before = process.env["TMPDIR"];
  t.after(() => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  });
  process.env["TMPDIR"] = newDirectory(t);
  const expected = join(tmpdir(), `dswarm-${process.getuid?.() ?? "user"}`);
  const missing = join(newDirectory(t), "missing");
  const shared = newDirectory(t);
  chmodSync(shared, 0o1777);
  const unusable = ["run", missing, shared].map((path) => ({ XDG_RUNTIME_DIR: path }));
  for (const environment of [{}, ...unusable]) {
    assert.equal(RuntimeFiles.open(environment).directory, expected);
  }
});
