// Writes what was measured into docs/performance.md, between markers:
//
//     <!-- bench:NAME -->
//     …
//     <!-- bench:NAME end -->
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../../docs/performance.md", import.meta.url);

/**
 * Replaces a block.
 * @param name of the markers: "rpc", "startup", "swarm" or "dht"
 * @throws Error where the markers are not there
 */
export function writeDocs(name: string, markdown: string): void {
  const begin = `<!-- bench:${name} -->`;
  const end = `<!-- bench:${name} end -->`;
  const text = readFileSync(path, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no ${begin} … ${end}`);
  writeFileSync(path, `${text.slice(0, from + begin.length)}\n\n${markdown.trim()}\n\n${text.slice(to)}`);
}
