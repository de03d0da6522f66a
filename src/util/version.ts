// The version of dswarm, as package.json says it. src/ and dist/src/ lie at different depths below it.
import { existsSync, readFileSync } from "node:fs";

const file = [new URL("../../package.json", import.meta.url), new URL("../../../package.json", import.meta.url)].find(
  (url) => existsSync(url),
);

/** Semantic version of dswarm. */
export const version: string = file === undefined ? "0.0.0" : versionIn(readFileSync(file, "utf8"));

function versionIn(packageJson: string): string {
  const parsed: unknown = JSON.parse(packageJson);
  const isManifest = typeof parsed === "object" && parsed !== null && "version" in parsed;
  return isManifest && typeof parsed.version === "string" ? parsed.version : "0.0.0";
}
