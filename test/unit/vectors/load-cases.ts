// Reads files of test vectors as an implementer would.
import { readFileSync } from "node:fs";

/** A case, in the shape that its test knows. */
type Named<T> = T & { readonly name: string };

/** The cases of a file in test/vectors. */
export function loadCases<T>(name: string): readonly Named<T>[] {
  const url = new URL(`../../vectors/${name}`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as { cases: Named<T>[] }).cases;
}
