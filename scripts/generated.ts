// Fails when gen/ is not what `buf generate` makes of proto/.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const output = mkdtempSync(join(tmpdir(), "dswarm-gen-"));
try {
  execFileSync("buf", ["generate", "--output", output], { stdio: "inherit" });
  execFileSync("diff", ["--recursive", "--brief", "gen", join(output, "gen")], { stdio: "inherit" });
} catch {
  console.error("gen/ differs from proto/. Run: npm run gen");
  process.exitCode = 1;
} finally {
  rmSync(output, { recursive: true });
}
