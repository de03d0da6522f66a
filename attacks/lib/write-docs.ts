// Writes the table into docs/attacks.md, between its markers.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";

const path = new URL("../../docs/attacks.md", import.meta.url);

/**
 * Replaces what stands between `<!-- attacks:NAME -->` and `<!-- attacks:NAME end -->`.
 * @throws Error where the markers are missing
 */
export function writeDocs(name: string, markdown: string): void {
  const [begin, end] = [`<!-- attacks:${name} -->`, `<!-- attacks:${name} end -->`];
  const text = readFileSync(path, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/attacks.md has no ${begin} … ${end}`);
  writeFileSync(path, `${text.slice(0, from + begin.length)}\n\n${markdown.trim()}\n\n${text.slice(to)}`);
}

/** The machine of a run and what it did at its end, in a line. */
export function machine(): string {
  const all = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  const load = (loadavg()[1] ?? 0).toFixed(1);
  const cores = `${all.length} cores (${all[0]?.model ?? "unknown"})`;
  return `${cores}, ${gib} GiB, Node ${process.versions.node}, loopback, load average ${load}`;
}
