// What a node keeps in its data directory, and that one node at a time uses it.
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createNode } from "../../../src/create-node.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { openDataDir } from "../../../src/node/data-dir.ts";
import { spawnChild, startChild } from "./child-node.ts";
import { startNode } from "./rig.ts";

async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "dswarm-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  // Missing, with a missing parent.
  return join(path, "deep", "data");
}

async function lockText(dataDir: string): Promise<string> {
  return readFile(join(dataDir, "lock"), "utf8");
}

test("the key survives a restart, in files that nobody else may read", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await startNode(t, { dataDir, discovery: false });
  const { id } = first;
  assert.deepEqual((await readdir(dataDir)).sort(), [
    "certificate-key.pem",
    "certificate.pem",
    "key",
    "lock",
    "records",
  ]);
  for (const file of ["key", "lock", "certificate-key.pem"])
    assert.equal((await stat(join(dataDir, file))).mode & 0o777, 0o600);
  assert.equal((await stat(dataDir)).mode & 0o777, 0o700);
  await first.close();
  assert.deepEqual((await readdir(dataDir)).sort(), [
    "certificate-key.pem",
    "certificate.pem",
    "contacts.json",
    "key",
    "records",
  ]);
  const second = await startNode(t, { dataDir, discovery: false });
  assert.equal(second.id.toString(), id.toString());
});

test("a second node on a data directory in use does not start, in this process or another", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const node = await startNode(t, { dataDir, discovery: false });
  const inUse = new RegExp(`process ${process.pid} uses it; stop that one, or use another directory`);
  await assert.rejects(createNode({ dataDir, discovery: false }), { code: "data_dir_in_use", message: inUse });
  // With keys of its own it would still share the rest.
  const keys = generateKeyPair();
  await assert.rejects(createNode({ dataDir, keys, discovery: false }), { code: "data_dir_in_use" });
  const child = spawnChild(t, { dataDir, discovery: false });
  const failed = await child.told("failed", { code: "data_dir_in_use" });
  assert.match(String(failed["message"]), inUse);
  await child.ended();
  child.assertUnharmed();
  await node.close();
  await (await createNode({ dataDir, discovery: false })).close();
});

test("given keys are used instead of those in the data directory, which are kept", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const { id } = await startAndClose(dataDir);
  const keys = generateKeyPair();
  const node = await startNode(t, { dataDir, keys, discovery: false });
  assert.ok(node.id.equals(keys.id));
  await node.close();
  assert.ok((await startAndClose(dataDir)).id.equals(id));
});

async function startAndClose(dataDir: string) {
  await using node = await createNode({ dataDir, discovery: false });
  return { id: node.id };
}

test("the data directory of a process that was killed is free again", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const child = await startChild(t, { dataDir, discovery: false });
  assert.equal(JSON.parse(await lockText(dataDir)).pid, child.pid);
  await child.kill();
  const node = await startNode(t, { dataDir, discovery: false });
  assert.equal(node.id.toString(), child.id);
});

test("locks that no living process holds do not keep a data directory", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await openDataDir(dataDir);
  const own = JSON.parse(await lockText(dataDir));
  await first.close();
  const token = "0".repeat(24);
  const stale = [
    { pid: 2 ** 22 + 1, startedAt: "1", token },
    // The pid was given to another process since: here, to this one.
    ...(process.platform === "linux" ? [{ ...own, startedAt: "1" }] : []),
  ];
  for (const holder of stale) {
    await writeFile(join(dataDir, "lock"), JSON.stringify(holder));
    // As left by a process that died while it was about to remove the lock.
    await writeFile(join(dataDir, `lock.${holder.token}`), JSON.stringify({ ...holder, token: "1".repeat(24) }));
    const dir = await openDataDir(dataDir);
    await assert.rejects(openDataDir(dataDir), { code: "data_dir_in_use" });
    await dir.close();
    assert.deepEqual(await readdir(dataDir), ["key"]);
  }
});

test("a lock that says nothing of its holder is left to the owner to remove", async (t) => {
  const dataDir = await temporaryDirectory(t);
  await (await openDataDir(dataDir)).close();
  for (const text of ["", "garbage", "null", "{}", `{"pid":0,"startedAt":"","token":"${"0".repeat(24)}"}`]) {
    await writeFile(join(dataDir, "lock"), text);
    await assert.rejects(openDataDir(dataDir), {
      code: "data_dir_invalid",
      message: /no lock of dswarm; .* remove it/,
    });
    assert.equal(await lockText(dataDir), text);
  }
});

test("of many that take a data directory at once, with a stale lock or none, one gets it", async (t) => {
  const dataDir = await temporaryDirectory(t);
  for (let round = 0; round < 60; round++) {
    const stale = { pid: 2 ** 22 + 1, startedAt: "1", token: round.toString(16).padStart(24, "0") };
    if (round % 3 !== 0) await writeFile(join(dataDir, "lock"), JSON.stringify(stale));
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => openDataDir(dataDir)));
    const taken = results.filter((result) => result.status === "fulfilled");
    for (const result of results) if (result.status === "rejected") assert.equal(result.reason.code, "data_dir_in_use");
    assert.equal(taken.length, 1);
    for (const { value } of taken) await value.close();
    assert.deepEqual(await readdir(dataDir), ["key"]);
  }
});

test("close leaves a lock alone that is not its own", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const dir = await openDataDir(dataDir);
  const text = JSON.stringify({ pid: process.pid, startedAt: "", token: "a".repeat(24) });
  await writeFile(join(dataDir, "lock"), text);
  await dir.close();
  assert.equal(await lockText(dataDir), text);
});

test("a data directory that cannot be written to is refused", {
  skip: process.getuid?.() === 0 && "root may write anywhere",
}, async (t) => {
  const dataDir = await temporaryDirectory(t);
  await (await openDataDir(dataDir)).close();
  await chmod(dataDir, 0o500);
  await assert.rejects(openDataDir(dataDir), { code: "data_dir_invalid" });
});
