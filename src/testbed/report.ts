// Reports of scenarios for people (a text table) and for spreadsheets (CSV, RFC 4180).
import type { OperationReport, ScenarioReport } from "./scenario-report.ts";

type Cell = string | number | undefined;

const operationHead = ["", "count", "success %", "recall", "hops", "rpcs", "failed", "ms p50", "ms p99"];

/** A report as lines of text, each ended by a newline. */
export function formatReport(report: ScenarioReport): string {
  const { nodes, nodesUp, seed, calls, machine, bytesSent, tableSize } = report;
  const rows = report.operations.map(({ name, count, success, recall, hops, rpcs, failures, latencyMs }): Cell[] => [
    name,
    count,
    fixed(success * 100, 1),
    fixed(recall, 3),
    fixed(hops?.mean, 2),
    fixed(rpcs?.mean, 1),
    fixed(failures?.mean, 1),
    fixed(latencyMs.p50, 0),
    fixed(latencyMs.p99, 0),
  ]);
  const facts = [
    `seed ${seed}, digest ${report.digest}`,
    `${nodes} nodes, ${nodesUp} up at the end; ${report.departures} left, of which ${report.crashes} crashed` +
      (report.expired > 0 ? `; ${report.expired} values expired` : ""),
    `formed in ${fixed(report.formationMs / 1000, 1)} s; ${fixed(tableSize.mean, 1)} contacts a table`,
    `calls: ${calls.ping} ping, ${calls.findNode} findNode, ${calls.findValue} findValue, ${calls.store} store; ` +
      `${calls.lost} lost, ${calls.refused} refused, ${calls.aborted} aborted`,
    `sent by a node: ${fixed(bytesSent.mean / 1024, 1)} KiB, at most ${fixed(bytesSent.max / 1024, 1)} KiB`,
    `${fixed(report.simulatedMs / 1000, 1)} s simulated in ${fixed(machine.realMs / 1000, 1)} s; ${report.events} events, ` +
      `${fixed(machine.eventsPerSecond, 0)} a second; heap ${fixed(machine.heapBytes / 1024 / 1024, 0)} MiB`,
  ];
  const table = rows.length > 0 ? alignColumns([operationHead, ...rows]) : [];
  return [...facts, ...table].map((line) => `${line}\n`).join("");
}

const csvColumns: readonly (readonly [string, (report: ScenarioReport, operation: OperationReport) => Cell])[] = [
  ["seed", ({ seed }) => seed],
  ["nodes", ({ nodes }) => nodes],
  ["nodes_up", ({ nodesUp }) => nodesUp],
  ["operation", (_, { name }) => name],
  ["count", (_, { count }) => count],
  ["success", (_, { success }) => success],
  ["recall", (_, { recall }) => recall],
  ["hops_mean", (_, { hops }) => hops?.mean],
  ["rpcs_mean", (_, { rpcs }) => rpcs?.mean],
  ["failures_mean", (_, { failures }) => failures?.mean],
  ["ms_p50", (_, { latencyMs }) => latencyMs.p50],
  ["ms_p99", (_, { latencyMs }) => latencyMs.p99],
  ["ms_max", (_, { latencyMs }) => latencyMs.max],
  ["expired", ({ expired }) => expired],
  ["formation_ms", ({ formationMs }) => formationMs],
  ["bytes_sent_mean", ({ bytesSent }) => bytesSent.mean],
  ["simulated_ms", ({ simulatedMs }) => simulatedMs],
  ["real_ms", ({ machine }) => machine.realMs],
  ["heap_bytes", ({ machine }) => machine.heapBytes],
  ["digest", ({ digest }) => digest],
];

/** Reports as CSV: a head, and a line for each operation of each report; what was not measured is empty. No field needs quotes. */
export function reportsToCsv(reports: readonly ScenarioReport[]): string {
  const rows = reports.flatMap((report) =>
    report.operations.map((operation) => csvColumns.map(([, cellOf]) => known(cellOf(report, operation)) ?? "")),
  );
  return [csvColumns.map(([head]) => head), ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

function fixed(value: number | undefined, digits: number): string {
  return known(value)?.toFixed(digits) ?? "";
}

/** Undefined for what sums up no numbers. */
function known<T>(value: T): T | undefined {
  return Number.isNaN(value) ? undefined : value;
}

/** Names to the left, numbers to the right. */
function alignColumns(rows: readonly (readonly Cell[])[]): string[] {
  const texts = rows.map((row) => row.map((cell) => String(cell ?? "")));
  const widths = texts[0]?.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0))) ?? [];
  return texts.map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join("  "),
  );
}
