// Keys made on the command line.
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { CliRig } from "./cli-rig.ts";

test("without a file it prints an id, and how to keep a key", async (t) => {
  const { code, stdout, stderr } = await new CliRig(t).result(["keygen"]);
  assert.equal(code, 0);
  assert.equal(NodeId.parse(stdout.trim()).toString(), stdout.trimEnd());
  assert.match(stderr, /This key is not kept.*keygen --out DIR\/key\n.* start --data-dir DIR\n$/s);
});

test("with --json it prints the forms of the id and nothing of the secret", async (t) => {
  const { code, stdout, stderr } = await new CliRig(t).result(["keygen", "--json"]);
  const id = NodeId.parse(JSON.parse(stdout).id);
  assert.deepEqual(JSON.parse(stdout), { id: id.toString(), base64url: id.toBase64url(), hex: id.toHex() });
  assert.deepEqual([code, stderr, stdout.split("\n").length], [0, "", 2]);
});

test("with --out the secret is in a file for its owner only, and a node runs with it", async (t) => {
  const rig = new CliRig(t);
  const path = join(rig.directory, "data", "key");
  const { code, stdout } = await rig.result(["keygen", "--json", "--out", path]);
  assert.equal(code, 0);
  const { id, file } = JSON.parse(stdout);
  assert.equal(file, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const seed = readFileSync(path, "utf8").trim();
  assert.equal(keyPairFromSeed(Buffer.from(seed, "hex")).id.toString(), id);
  assert.ok(!stdout.includes(seed));
  const { run, node } = await rig.startNode("--data-dir", join(rig.directory, "data"));
  assert.equal(node.id, id);
  await run.stop();
});

test("overwrites no file", async (t) => {
  const rig = new CliRig(t);
  const path = join(rig.directory, "key");
  writeFileSync(path, "precious");
  const { code, stdout, stderr } = await rig.result(["keygen", "--out", path]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /is there already and is not overwritten; give another path, or move it away\n$/);
  assert.equal(readFileSync(path, "utf8"), "precious");
});

test("says so when the path is a directory, or cannot be made", async (t) => {
  const rig = new CliRig(t);
  const directory = await rig.result(["keygen", "--out", rig.directory]);
  assert.equal(directory.code, 1);
  assert.match(directory.stderr, /is a directory; give a file, for example .*\/key\n$/);
  writeFileSync(join(rig.directory, "file"), "");
  const below = join(rig.directory, "file", "key");
  const { code, stderr } = await rig.result(["keygen", "--json", "--out", below]);
  assert.equal(code, 1);
  assert.equal(JSON.parse(stderr).code, "key_file_invalid");
  assert.ok(!existsSync(below));
});
