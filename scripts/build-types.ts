// Leaves of the emitted types those that users of the package can see.
import { existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const specifiers = /(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']/g;

/**
 * Deletes the declaration files that none of the entries leads to.
 * @param directory where they were emitted
 * @param entries paths in it
 * @throws Error where a file names one that is missing
 */
export function pruneTypes(directory: string, entries: readonly string[]): void {
  const reached = new Set<string>();
  const waiting = entries.map((entry) => join(directory, entry));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    if (!existsSync(path)) throw new Error(`types: ${path} is missing`);
    reached.add(path);
    for (const [, specifier = ""] of readFileSync(path, "utf8").matchAll(specifiers)) {
      waiting.push(join(dirname(path), specifier.replace(/\.[jt]s$/, ".d.ts")));
    }
  }
  for (const path of globSync(`${directory}/**/*.d.ts`)) if (!reached.has(path)) rmSync(path);
}
