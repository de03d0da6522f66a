// Replacing a file: what a failure leaves is the old file, and nothing beside it.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { replaceFile } from "../../../src/util/replace-file.ts";
import { SmallDisk } from "../../integration/node/small-disk.ts";

async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-replace-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test("the file has mode 0600, whatever the old one, its draft and the umask had", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "file");
  for (const name of [path, `${path}.new`]) await writeFile(name, "old", { mode: 0o644 });
  const before = process.umask(0);
  t.after(() => process.umask(before));
  await replaceFile(path, "new");
  assert.equal(await readFile(path, "utf8"), "new");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), ["file"]);
});

test("a link in place of the draft is not followed", async (t) => {
  const directory = await newDirectory(t);
  await writeFile(join(directory, "victim"), "victim");
  await symlink(join(directory, "victim"), join(directory, "file.new"));
  await assert.rejects(replaceFile(join(directory, "file"), "new"), { code: "ELOOP" });
  assert.equal(await readFile(join(directory, "victim"), "utf8"), "victim");
});

test("what cannot take the file's place leaves no draft", async (t) => {
  const directory = await newDirectory(t);
  await mkdir(join(directory, "file"));
  await assert.rejects(replaceFile(join(directory, "file"), "new"));
  assert.deepEqual(await readdir(directory), ["file"]);
});

test("on a full disk the old file stays as it is, and nothing beside it", async (t) => {
  const disk = SmallDisk.mount(t, 1024 * 1024);
  if (disk === undefined) return;
  const path = join(disk.path, "file");
  await replaceFile(path, "old");
  disk.fillTo(8192);
  await assert.rejects(replaceFile(path, "new".repeat(100_000)), { code: "ENOSPC" });
  assert.equal(await readFile(path, "utf8"), "old");
  assert.deepEqual((await readdir(disk.path)).toSorted(), ["file", "filler"]);
});
