// Small files: nothing but a file is read, within bounds, and a secret is its owner's alone.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readSmallFile, UnsafeFileError } from "../../../src/util/small-file.ts";

const options = { maxBytes: 100, isSecret: true };
const isRoot = process.geteuid?.() === 0;

function newDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "dswarm-small-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function refuses(path: string, reason: RegExp): void {
  assert.throws(
    () => readSmallFile(path, options),
    (error) => error instanceof UnsafeFileError && reason.test(error.message) && error.message.includes(path),
  );
}

test("reads a file of the user, also through a link; a file that is missing is undefined", (t) => {
  const directory = newDirectory(t);
  const path = join(directory, "file");
  writeFileSync(path, "ä".repeat(50), { mode: 0o600 });
  assert.equal(readSmallFile(path, options), "ä".repeat(50));
  symlinkSync(path, join(directory, "link"));
  assert.equal(readSmallFile(join(directory, "link"), options), "ä".repeat(50));
  assert.equal(readSmallFile(join(directory, "none"), options), undefined);
});

test("refuses one byte too many, and a sparse file of a terabyte at once", (t) => {
  const path = join(newDirectory(t), "file");
  writeFileSync(path, new Uint8Array(101), { mode: 0o600 });
  refuses(path, /too long: it may have 100 bytes/);
  truncateSync(path, 2 ** 40);
  refuses(path, /too long/);
});

test("refuses a pipe that nobody writes to, a device without an end and a directory", { timeout: 60_000 }, (t) => {
  const directory = newDirectory(t);
  const pipe = join(directory, "pipe");
  assert.equal(spawnSync("mkfifo", ["-m", "600", pipe]).status, 0);
  symlinkSync("/dev/zero", join(directory, "zero"));
  mkdirSync(join(directory, "directory"), { mode: 0o700 });
  for (const path of [pipe, join(directory, "zero"), join(directory, "directory")]) refuses(path, /is not a file/);
});

test("refuses a secret of another user, and one that others may read or change", (t) => {
  const path = join(newDirectory(t), "file");
  writeFileSync(path, "secret", { mode: 0o600 });
  for (const mode of [0o640, 0o604, 0o620, 0o602]) {
    chmodSync(path, mode);
    refuses(path, /others may read or change .*; run: chmod 600/);
    assert.equal(readSmallFile(path, { ...options, isSecret: false }), "secret");
  }
  if (!isRoot) return t.diagnostic("only root can give a file away");
  chmodSync(path, 0o600);
  chownSync(path, 65_534, 65_534);
  refuses(path, /belongs to user 65534; run: chown 0 /);
});
