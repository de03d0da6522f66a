// Which libraries a TypeScript program loads: the packages and Node modules that its own files import.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

// A part of a program that it loads when it is needed counts as well: a node needs all of them.
const laterPattern = /\bimport\(\s*"([^"]+)"/g;
const importPattern = /^(?:import|export)\s+(?!type\b)(?:([^;"]*?)\s*from\s+)?"([^"]+)"/gm;

/**
 * Specifiers of what the file and the files that it imports, near or far, load that are no files of their own.
 * @param path of a TypeScript file
 */
export function importedLibraries(path: string): string[] {
  const libraries = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    const later = [...text.matchAll(laterPattern)].map(([, specifier = ""]) => ["", "", specifier]);
    for (const [, bindings = "", specifier = ""] of [...text.matchAll(importPattern), ...later]) {
      if (isTypesOnly(bindings)) continue;
      if (specifier.startsWith(".")) visit(join(dirname(file), specifier));
      else libraries.add(specifier);
    }
  };
  visit(path);
  return [...libraries].sort();
}

/** `{ type A, type B }` loads nothing that is used. */
function isTypesOnly(bindings: string): boolean {
  const [, names] = /^\{([^}]*)\}$/s.exec(bindings.trim()) ?? [];
  if (names === undefined) return false;
  return names
    .split(",")
    .filter((name) => name.trim() !== "")
    .every((name) => name.trim().startsWith("type "));
}
