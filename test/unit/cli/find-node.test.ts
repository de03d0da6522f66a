// Which node a command is for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError } from "../../../src/cli/cli-error.ts";
import { findNode } from "../../../src/cli/find-node.ts";
import type { RunningNode } from "../../../src/cli/runtime-files.ts";

function runningAt(port: number, number: number, url = `https://localhost:${port}`): RunningNode {
  const certificateSha256 = `${port}`.padStart(64, "0");
  return { pid: 1, id: `@${port}`, port, url, address: "", certificateSha256, startedAt: "", index: 1, number };
}

const running = [
  runningAt(4001, 1),
  runningAt(4002, 2),
  runningAt(4003, 3, "https://192.168.1.5:4003"),
  runningAt(2, 4),
];

function find(
  selector: string | undefined,
  list: readonly RunningNode[] = running,
): [string, string | undefined, boolean] {
  const { url, certificateSha256, isLocal } = findNode(selector, list, "dswarm");
  return [url, certificateSha256, isLocal];
}

test("without a selector it is the first", () => {
  assert.deepEqual(find(undefined), ["https://localhost:4001", running[0]?.certificateSha256, true]);
  assert.equal(findNode(undefined, running.slice(0, 1), "dswarm").titles[0], "Node @4001 on port 4001");
  assert.match(findNode(undefined, running, "dswarm").titles[0] ?? "", /the first of 4 here: --node chooses another$/);
});

test("a number is the port of a node that runs here, then the number of one, then any port", () => {
  assert.equal(find("4002")[0], "https://localhost:4002");
  assert.equal(find("4003")[0], "https://192.168.1.5:4003");
  assert.equal(find("1")[0], "https://localhost:4001");
  assert.equal(find("2")[0], "https://localhost:2");
  assert.deepEqual(find("5000"), ["https://localhost:5000", undefined, true]);
});

test("a URL of a node that runs here is pinned by its file, under each name of this machine", () => {
  for (const url of [
    "https://localhost:4001",
    "https://127.0.0.1:4001/",
    "https://[::1]:4001",
    "https://LOCALHOST:4001",
  ]) {
    assert.equal(find(url)[1], running[0]?.certificateSha256, url);
  }
  assert.deepEqual(find("https://127.0.0.1:4001"), ["https://127.0.0.1:4001", running[0]?.certificateSha256, true]);
  assert.equal(find("https://192.168.1.5:4003")[1], running[2]?.certificateSha256);
  // Another host has another node on the same port.
  assert.deepEqual(find("https://192.168.1.6:4003"), ["https://192.168.1.6:4003", undefined, false]);
});

test("only of this machine is any certificate taken", () => {
  for (const url of ["https://localhost:9", "https://127.3.2.1:9", "https://[::1]:9"]) {
    assert.deepEqual(find(url, []).slice(1), [undefined, true], url);
  }
  for (const url of [
    "https://localhost.evil.example:9",
    "https://127.0.0.1.example:9",
    "https://example.org",
    "https://10.0.0.1:9",
  ]) {
    assert.deepEqual(find(url, []).slice(1), [undefined, false], url);
  }
});

for (const selector of [
  "http://localhost:4001",
  "localhost:0",
  "dswarm://localhost:4001",
  "https://localhost:4001/api",
  "https://localhost:4001/?a",
  "https://user@localhost:4001",
  "x",
  "",
  "-1",
  "123456",
]) {
  test(`refuses ${JSON.stringify(selector)} as wrong usage`, () => {
    assert.throws(
      () => find(selector),
      (error) => error instanceof CliError && error.exitCode === 2 && /HOST:PORT/.test(error.message),
    );
  });
}

test("a node keeps its number when one before it has gone", () => {
  assert.equal(find("3", running.slice(1))[0], "https://192.168.1.5:4003");
});

test("a host and port, and a dswarm:// address, name the node there", () => {
  assert.deepEqual(find("localhost:4001"), ["https://localhost:4001", running[0]?.certificateSha256, true]);
  assert.deepEqual(find("192.168.1.6:4003"), ["https://192.168.1.6:4003", undefined, false]);
  assert.equal(find("[::1]:4002")[1], running[1]?.certificateSha256);
  const key = "yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE";
  assert.deepEqual(find(`dswarm://${key}@127.0.0.1:4001`), [
    "https://127.0.0.1:4001",
    running[0]?.certificateSha256,
    true,
  ]);
});

test("the start of an id names the one node whose id begins so", () => {
  assert.equal(find("@4001")[0], "https://localhost:4001");
  assert.throws(() => find("@400"), new CliError("@400 begins 3 names; give more of one: @4001, @4002, @4003"));
  assert.throws(() => find("@9"), /no node of yours that runs here has such an id/);
});

test("says what there is when there is no such node", () => {
  assert.throws(() => find("9"), new CliError("no node 9: there are 1 to 4"));
  assert.throws(() => find("0"), new CliError("no node 0: there are 1 to 4"));
  const gap = [runningAt(4001, 2), runningAt(4002, 5)];
  assert.throws(() => find("3", gap), new CliError("no node 3: there are 2, 5"));
  assert.throws(() => find("70000"), CliError);
  assert.throws(() => find("1", []), new CliError("no node 1: none of yours runs on this machine"));
  assert.throws(() => find(undefined, []), /start one with "dswarm start"/);
});
