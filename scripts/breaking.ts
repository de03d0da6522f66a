// Fails when proto/ breaks what main promises. The module that node.proto imports is not in git, so main is laid out in a
// directory that borrows it from here.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const branch = ["main", "origin/main"].find(hasSchemas);
if (branch === undefined) {
  console.error("No branch main with schemas here: nothing to compare proto/ with.");
} else {
  const directory = mkdtempSync(join(tmpdir(), "dswarm-main-"));
  try {
    const archive = execFileSync("git", ["archive", branch, "proto", "buf.yaml"]);
    execFileSync("tar", ["-x", "-C", directory], { input: archive });
    mkdirSync(join(directory, "node_modules"));
    symlinkSync(resolve("node_modules/protobufjs"), join(directory, "node_modules/protobufjs"));
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
