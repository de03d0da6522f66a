// The version of dswarm, as package.json says it.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

const file = join(packageRoot, "package.json");

/** Semantic version of dswarm. */
export const version: string = existsSync(file) ? versionIn(readFileSync(file, "utf8")) : "0.0.0";

function versionIn(packageJson: string): string {
  const parsed: unknown = JSON.parse(packageJson);
  const isManifest = typeof parsed === "object" && parsed !== null && "version" in parsed;
  return isManifest && typeof parsed.version === "string" ? parsed.version : "0.0.0";
}
