// The files of README's example: blocks whose first line is a comment with the name of a file.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const block = /^```(\w*)\n([\s\S]*?)^```$/gm;

/** The blocks of a document, without their fences. */
export function readmeBlocks(document = "README.md"): readonly string[] {
  return [...readFileSync(document, "utf8").matchAll(block)].map(([, , text = ""]) => text);
}

/** The commands of README's tables, which are for copying as those of its blocks. */
export function readmeTableCommands(): readonly string[] {
  return [...readFileSync("README.md", "utf8").matchAll(/^\| `(npm run -s dswarm -- [^`]+)` +\|/gm)].map(
    ([, command = ""]) => command,
  );
}

/** Writes the files of a document's example into a directory. Returns their names. */
export function writeReadmeFiles(directory: string, document = "README.md"): string[] {
  return readmeBlocks(document).flatMap((text) => {
    const [, name] = /^(?:\/\/|#) ([\w./-]+\.\w+)\n/.exec(text) ?? [];
    if (name === undefined) return [];
    mkdirSync(join(directory, dirname(name)), { recursive: true });
    writeFileSync(join(directory, name), text);
    return [name];
  });
}

/** The commands that README installs a program's libraries with, one a line. */
export function readmeInstallCommands(): readonly string[] {
  const found = readmeBlocks().find((text) => text.includes("npm install dswarm "));
  return found?.trim().split("\n") ?? [];
}
