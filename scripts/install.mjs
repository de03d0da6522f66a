// Installs the dependencies where they are missing or older than the lock file, and bundles the dashboard where that is
// missing or older than its sources. Runs on any Node.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modifiedAt = (file) => (existsSync(root + file) ? statSync(root + file).mtimeMs : 0);

const installedAt = modifiedAt("node_modules/.package-lock.json");
if (installedAt < Math.max(modifiedAt("package-lock.json"), modifiedAt("package.json"))) {
  console.error("Installing dependencies (once; about a minute) …");
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error("npm install failed: see above. It needs the npm registry once.");
    process.exit(1);
  }
}

// What it needs may have come only just now. A node runs without it, too, and says so at /.
try {
  const { buildDashboard, isDashboardStale } = await import("./dashboard.mjs");
  if (isDashboardStale()) await buildDashboard();
} catch (error) {
  console.error("The dashboard cannot be built:", error instanceof Error ? error.message : error);
}
