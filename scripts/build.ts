// Makes dist/, which is what the package holds: JavaScript for Node, types for TypeScript projects, and the dashboard.
//
//     dist/index.js, testing.js, cli.js, chunks/  the code, with the libraries that are in devDependencies alone
//     dist/types/                      the types that index.js and testing.js export, and those that they mention
//     dist/licenses.txt                the licenses of the libraries within the code
//     dist/dashboard/                  the page
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { buildCode } from "./build-code.ts";
import { pruneTypes } from "./build-types.ts";
import { buildDashboard } from "./dashboard.mjs";

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["--project", "tsconfig.build.json"], { stdio: "inherit" });
pruneTypes("dist/types", ["src/index.d.ts", "src/testing/index.d.ts"]);
const entries = { index: "src/index.ts", testing: "src/testing/index.ts", cli: "src/cli/main.ts" };
writeFileSync("dist/licenses.txt", await buildCode(entries, "dist"));
await buildDashboard();
