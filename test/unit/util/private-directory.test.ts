// Directories of one user: made private, and refused where another user could replace what is in them.
import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makePrivateDirectory } from "../../../src/util/private-directory.ts";
import { UnsafeFileError } from "../../../src/util/small-file.ts";

async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-private-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

function refuses(path: string, reason: RegExp): Promise<void> {
  return assert.rejects(
    makePrivateDirectory(path),
    (error) => error instanceof UnsafeFileError && reason.test(error.message),
  );
}

test("makes directories of mode 0700, whatever the umask is", async (t) => {
  const directory = await newDirectory(t);
  for (const [umask, name] of [
    [0o000, "open"],
    [0o277, "closed"],
  ] as const) {
    const before = process.umask(umask);
    t.after(() => process.umask(before));
    await makePrivateDirectory(join(directory, name));
    process.umask(before);
    assert.equal((await stat(join(directory, name))).mode & 0o777, 0o700);
  }
});

test("takes a directory that others may read, and leaves its mode alone", async (t) => {
  const path = await newDirectory(t);
  for (const mode of [0o700, 0o755, 0o750, 0o711]) {
    await chmod(path, mode);
    await makePrivateDirectory(path);
    assert.equal((await stat(path)).mode & 0o777, mode);
  }
});

test("refuses a directory that its group or others may write to, also through a link and with a sticky bit", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "data");
  await mkdir(path);
  await symlink(path, join(directory, "link"));
  for (const mode of [0o777, 0o770, 0o707, 0o1777]) {
    await chmod(path, mode);
    await refuses(path, /others may replace what is in .*data; run: chmod 700 /);
    await refuses(join(directory, "link"), /others may replace/);
  }
});

test("refuses a directory below one that all may write to, unless only owners may rename there", async (t) => {
  const directory = await newDirectory(t);
  await chmod(directory, 0o777);
  const path = join(directory, "one", "data");
  await refuses(path, /all users may replace .*one; run: chmod o-w /);
  await chmod(directory, 0o1777);
  await makePrivateDirectory(path);
});

test("refuses a directory of another user", {
  skip: process.geteuid?.() !== 0 && "only root can give one away",
}, async (t) => {
  const path = await newDirectory(t);
  await chown(path, 65_534, 65_534);
  await refuses(path, /belongs to user 65534, who may replace what is in it; run: chown 0 /);
});
