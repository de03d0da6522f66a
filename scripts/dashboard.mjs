// Bundles the dashboard: src/dashboard/ to dist/dashboard/, files that the node serves as they are. Takes some tens of
// milliseconds. Plain JavaScript, as scripts/install.mjs runs on any Node.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "src/dashboard");
const target = join(root, "dist/dashboard");
const copied = ["index.html", "icon.svg"];

/**
 * Builds the page.
 * @param {string} [directory] where to; what was there is replaced at once, so that nobody reads half of it
 * @returns {Promise<void>}
 */
export async function buildDashboard(directory = target) {
  const fresh = `${directory}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  try {
    await build({
      absWorkingDir: root,
      entryPoints: { dashboard: join(source, "main.tsx"), style: join(source, "style.css") },
      outdir: fresh,
      bundle: true,
      minify: true,
      format: "esm",
      target: ["chrome120", "firefox120", "safari17"],
      legalComments: "none",
      logLevel: "warning",
    });
    for (const name of copied) copyFileSync(join(source, name), join(fresh, name));
    rmSync(directory, { recursive: true, force: true });
    renameSync(fresh, directory);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * Whether the page is missing, or older than what it is made of.
 * @returns {boolean}
 */
export function isDashboardStale() {
  const page = join(target, "index.html");
  if (!existsSync(page)) return true;
  const builtAt = statSync(target).mtimeMs;
  return [source, join(root, "gen/dswarm/v1"), join(root, "node_modules/.package-lock.json")].some(
    (path) => newest(path) > builtAt,
  );
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDashboard();
