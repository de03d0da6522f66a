// The folder of the package, of a checkout as well as of an installed one, wherever in it the code lies.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Path of the folder whose package.json is dswarm's: the nearest one above this file. */
export const packageRoot: string = nearest(import.meta.dirname);

function nearest(directory: string): string {
  const above = dirname(directory);
  return existsSync(join(directory, "package.json")) || above === directory ? directory : nearest(above);
}
