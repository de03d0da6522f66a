// Fails when proto/ breaks what main promises.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const branch = ["main", "origin/main"].find(hasSchemas);
if (branch === undefined) {
  console.error("No branch main with schemas here: nothing to compare proto/ with.");
} else {
  const directory = mkdtempSync(join(tmpdir(), "dswarm-main-"));
  try {
    const archive = execFileSync("git", ["archive", branch, "proto"]);
    execFileSync("tar", ["-x", "-C", directory], { input: archive });
    // Google's files are no promise of ours: the copy here stands on both sides, as do the rules.
    cpSync("proto/google", join(directory, "proto/google"), { recursive: true });
    cpSync("buf.yaml", join(directory, "buf.yaml"));
    execFileSync("buf", ["breaking", "--against", directory], { stdio: "inherit" });
  } catch {
    console.error(`proto/ breaks what ${branch} promises: see above.`);
    process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function hasSchemas(name: string): boolean {
  try {
    execFileSync("git", ["cat-file", "-e", `${name}:proto`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
