// Directories made with those above them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeDirectory } from "../../../src/util/make-directory.ts";
import { UnsafeFileError } from "../../../src/util/small-file.ts";

async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-make-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test("makes a directory and all above it that are missing, and says whether it was missing", async (t) => {
  const path = join(await newDirectory(t), "a", "b", "c");
  assert.equal(await makeDirectory(path, 0o700), true);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.equal((await stat(join(path, ".."))).mode & 0o777, 0o700);
  assert.equal(await makeDirectory(path, 0o700), false);
  assert.equal(await makeDirectory(join(path, "d", "..", "e"), 0o700), true);
  assert.equal(await makeDirectory("/", 0o700), false);
});

test("many at once make what is missing above them, and each its own", async (t) => {
  const directory = await newDirectory(t);
  for (let round = 0; round < 20; round++) {
    const paths = Array.from({ length: 10 }, (_, i) => join(directory, String(round), "data", String(i)));
    const made = await Promise.all(paths.map((path) => makeDirectory(path, 0o700)));
    assert.ok(made.every((isNew) => isNew));
  }
});

test("refuses a path that is taken by a file, and one through a file", async (t) => {
  const file = join(await newDirectory(t), "file");
  await writeFile(file, "");
  await assert.rejects(makeDirectory(file, 0o700), (error) => {
    return error instanceof UnsafeFileError && error.message === `${file} is not a directory; give another path`;
  });
  await assert.rejects(makeDirectory(join(file, "below"), 0o700), { code: "ENOTDIR" });
});

test("refuses a link to nowhere", async (t) => {
  const link = join(await newDirectory(t), "link");
  await symlink(join(link, "nowhere"), link);
  await assert.rejects(makeDirectory(link, 0o700), { code: "EEXIST" });
});

test("fails where the file system makes no directories", { skip: !existsSync("/proc/self") }, async () => {
  await assert.rejects(makeDirectory("/proc/dswarm/data", 0o700), { code: /^(?:ENOENT|EACCES|EPERM|EROFS)$/ });
});
