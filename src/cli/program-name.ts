// How the program was called, so that what the help and the hints show can be copied and works.
import { basename, relative } from "node:path";

/**
 * The words that call this program.
 * @param environment where npm says which script it runs
 * @param script path of the program as Node got it
 * @param directory the current directory
 */
export function programName(
  environment: NodeJS.ProcessEnv = process.env,
  script: string = process.argv[1] ?? "",
  directory: string = process.cwd(),
): string {
  if (!["dswarm.mjs", "main.ts"].includes(basename(script)))
    return environment["npm_lifecycle_event"] === "npx" ? "npx dswarm" : "dswarm";
  const isScript = ["dswarm", "start"].includes(environment["npm_lifecycle_event"] ?? "");
  return isScript ? "npm run -s dswarm --" : `node ${relative(directory, script)}`;
}
