// Emits dist/: JavaScript, types and source maps, for Node and for TypeScript projects that depend on dswarm, and the
// dashboard.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { buildDashboard } from "./dashboard.mjs";

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["--project", "tsconfig.build.json"], { stdio: "inherit" });
await buildDashboard();
