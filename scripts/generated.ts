// Fails when generated code is not what `npm run gen` makes: gen/ of proto/, conformance/gen/ of conformance/proto/.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const outputs = {
  gen: [],
  "conformance/gen": ["conformance", "--template", "conformance/buf.gen.yaml"],
};

for (const [folder, args] of Object.entries(outputs)) {
  const output = mkdtempSync(join(tmpdir(), "dswarm-gen-"));
  try {
    execFileSync("buf", ["generate", ...args, "--output", output], { stdio: "inherit" });
    execFileSync("diff", ["--recursive", "--brief", folder, join(output, folder)], { stdio: "inherit" });
  } catch {
    console.error(`${folder} differs from its schemas. Run: npm run gen`);
    process.exitCode = 1;
  } finally {
    rmSync(output, { recursive: true });
  }
}
