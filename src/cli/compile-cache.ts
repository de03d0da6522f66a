// Keeps compiled code between runs: a node then starts in two thirds of the time, as nothing has to be stripped of types or
// compiled again.
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Keeps the code of all modules that are imported from now on, in the user's own cache directory: one that others may write to,
 * as /tmp, would let them choose the code that runs. Where it cannot be written, nothing is kept.
 */
export function keepCompiledCode(): void {
  const { XDG_CACHE_HOME: cacheHome = "" } = process.env;
  const directory = isAbsolute(cacheHome) ? cacheHome : join(homedir(), ".cache");
  enableCompileCache(join(directory, "dswarm", "compile-cache"));
}
