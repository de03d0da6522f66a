// The table of `npm run attacks`: Markdown that also reads well in a terminal.
import type { Report } from "./run-attack.ts";

interface Column {
  readonly head: string;
  readonly cell: (report: Report) => string;
}

const nothing = "–";

function rounded(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return nothing;
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(2)));
}

const columns: readonly Column[] = [
  { head: "attack", cell: ({ name }) => name },
  { head: "MB sent", cell: ({ spent }) => rounded(spent.megabytes) },
  { head: "connections", cell: ({ spent }) => rounded(spent.connections) },
  { head: "s", cell: ({ spent }) => rounded(spent.seconds) },
  { head: "MiB grown (limit)", cell: ({ suffered, limits }) => `${rounded(suffered.grownMiB)} (${limits.grownMiB})` },
  { head: "MiB counted", cell: ({ suffered }) => rounded(suffered.heldBytes / 2 ** 20) },
  { head: "stall ms (limit)", cell: ({ suffered, limits }) => `${rounded(suffered.stallMs)} (${limits.stallMs})` },
  {
    head: "owner ms (limit)",
    cell: ({ seen, limits }) => (seen ? `${rounded(seen.ownerMs)} (${limits.ownerMs})` : nothing),
  },
  {
    head: "failed",
    cell: ({ seen }) => (seen ? `${seen.failedCalls + seen.failedRequests} of ${seen.calls + seen.requests}` : nothing),
  },
  { head: "p99 ms", cell: ({ seen }) => rounded(seen?.p99Ms) },
  { head: "quiet", cell: ({ quiet }) => rounded(quiet?.p99Ms) },
  {
    head: "counted",
    cell: ({ checks }) =>
      checks.map(({ what, value, limit }) => `${what} ${rounded(value)} (${limit})`).join("; ") || nothing,
  },
  { head: "held", cell: ({ faults }) => (faults.length === 0 ? "yes" : "**no**") },
];

/** The table of some reports. */
export function tableOf(reports: readonly Report[]): string {
  const lines = reports.map((report) => columns.map(({ cell }) => cell(report)));
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...lines.map((line) => line[i]?.length ?? 0)));
  const draw = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [
    draw(columns.map(({ head }) => head)),
    draw(widths.map((width) => "-".repeat(width))),
    ...lines.map(draw),
  ].join("\n");
}

/** A list of the limits that are not held; "" where all are. */
export function faultsOf(reports: readonly Report[]): string {
  const open = reports.filter(({ faults }) => faults.length > 0);
  return open.map(({ name, faults }) => `- **${name}** is not held: ${faults.join("; ")}.`).join("\n");
}

/** A line for a run that has just ended. */
export function lineOf({ name, faults, spent }: Report): string {
  return `${faults.length === 0 ? "held" : "NOT HELD"}  ${name} (${rounded(spent.seconds)} s)${faults.length === 0 ? "" : `: ${faults.join("; ")}`}`;
}
