// The token file: of its owner alone, and what it holds is in no message.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CliError, exitCodes } from "../../../src/cli/cli-error.ts";
import { readTokenFile } from "../../../src/cli/token-file.ts";

const secret = "s3cret-0123456789";

test("a token file is read when nobody else may read it, and refused otherwise", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "dswarm-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "token");
  const write = (text: string, mode: number): void => {
    writeFileSync(path, text);
    chmodSync(path, mode);
  };
  const refused = (reason: RegExp, at = path): void =>
    assert.throws(
      () => readTokenFile(at),
      (error) => {
        assert.ok(error instanceof CliError);
        assert.equal(error.exitCode, exitCodes.usage);
        assert.match(error.message, reason);
        assert.ok(!error.message.includes("s3cret"));
        return true;
      },
    );
  write(`${secret}\n`, 0o600);
  assert.equal(readTokenFile(path), secret);
  write(secret, 0o400);
  assert.equal(readTokenFile(path), secret);
  for (const mode of [0o640, 0o604, 0o620, 0o666]) {
    write(secret, mode);
    refused(new RegExp(`--token-file ${path}: others may .* chmod 600 ${path}`));
  }
  for (const text of ["", "s3cret", `${secret} ${secret}`, `${secret}!`, `s3cret-übermäßig-lang`]) {
    write(text, 0o600);
    refused(/at least 16 characters/);
  }
  write(secret.repeat(1000), 0o600);
  refused(/is too long/);
  refused(/is not a file/, directory);
  refused(/no such file/, join(directory, "none"));
});
