// Scenarios on a small DHT: the same seed gives the same run; deaths, partitions, churn and liars do what they say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { misbehaviours } from "../../src/testbed/byzantine.ts";
import { constantLatency } from "../../src/testbed/latency.ts";
import { formatReport, reportsToCsv } from "../../src/testbed/report.ts";
import { runScenario, type ScenarioProgress } from "../../src/testbed/scenario.ts";
import type { ScenarioOptions } from "../../src/testbed/scenario-options.ts";
import type { OperationReport, ScenarioReport } from "../../src/testbed/scenario-report.ts";
import { SimulationError } from "../../src/testbed/simulation-error.ts";
import { FakeDht } from "./fake-dht.ts";

function run(options: Partial<ScenarioOptions> = {}): Promise<ScenarioReport> {
  return runScenario({ createDht: (init) => new FakeDht(init), nodes: 60, lookups: 30, seed: 21, ...options });
}

function operation(report: ScenarioReport, name: OperationReport["name"]): OperationReport {
  const found = report.operations.find((each) => each.name === name);
  assert.ok(found !== undefined, `${name} in ${formatReport(report)}`);
  return found;
}

test("the same seed gives the same report, another seed another", async () => {
  const options = {
    nodes: 40,
    lossShare: 0.02,
    puts: 5,
    gets: 10,
    deadShare: 0.1,
    churn: { hours: 0.1, medianSessionMs: 300_000 },
  };
  const first = await run(options);
  const second = await run(options);
  assert.deepEqual({ ...second, machine: undefined }, { ...first, machine: undefined });
  const other = await run({ ...options, seed: 22 });
  assert.notEqual(other.digest, first.digest);
});

test("lookups find the closest nodes that are up, values are found again, however the network came to be", async () => {
  for (const formation of ["join", "ideal"] as const) {
    const report = await run({ formation, puts: 5, gets: 10 });
    const lookups = operation(report, "lookup");
    assert.equal(lookups.success, 1);
    assert.ok((lookups.recall ?? 0) > 0.99, formatReport(report));
    assert.deepEqual([operation(report, "put").success, operation(report, "get").success], [1, 1]);
    assert.equal(report.nodesUp, 60);
  }
});

test("ideal tables at 1000 nodes give the hops that are known", async () => {
  const { operations } = await run({ nodes: 1000, formation: "ideal", lookups: 50, latency: constantLatency(10) });
  const [{ hops, recall, success } = { hops: undefined }] = operations;
  assert.ok(hops !== undefined && Math.abs(hops.mean - 1.83) < 0.25, String(hops?.mean));
  assert.deepEqual([success, (recall ?? 0) > 0.99], [1, true]);
});

test("the closest node that is up is found though a fifth is dead", async () => {
  const report = await run({ deadShare: 0.2 });
  assert.deepEqual([report.nodesUp, report.crashes], [48, 12]);
  assert.ok(operation(report, "lookup").success > 0.95, formatReport(report));
  assert.ok((operation(report, "lookup").failures?.mean ?? 0) > 0);
});

test("dead nodes that refuse cost less time than those that are silent", async () => {
  const refusing = await run({ deadShare: 0.3, deadNodes: "refuse" });
  const silent = await run({ deadShare: 0.3, deadNodes: "silent" });
  assert.ok(refusing.calls.refused > 0);
  assert.equal(silent.calls.refused, 0);
  assert.ok(operation(refusing, "lookup").latencyMs.mean < operation(silent, "lookup").latencyMs.mean);
});

test("in a partition lookups find the closest of their side", async () => {
  const report = await run({ partition: { groups: 2, durationMs: 60_000 } });
  assert.ok(operation(report, "lookup in partition").success > 0.9, formatReport(report));
  assert.ok(operation(report, "lookup in partition").count > 0);
  assert.ok(report.calls.lost > 0);
});

test("churn replaces nodes and keeps their number", async () => {
  const report = await run({ churn: { hours: 1, medianSessionMs: 1_800_000, gracefulShare: 0.5 } });
  assert.equal(report.nodesUp, 60);
  assert.ok(report.departures > 30 && report.crashes < report.departures, formatReport(report));
});

test("liars of every kind cost queries, but end no run", async () => {
  for (const misbehaviour of misbehaviours) {
    const report = await run({ puts: 3, gets: 6, lookups: 10, liars: { share: 0.15, misbehaviour } });
    assert.equal(operation(report, "lookup").count, 10, misbehaviour);
  }
});

test("progress is told of each node and operation", async () => {
  const told: ScenarioProgress[] = [];
  await runScenario({ createDht: (init) => new FakeDht(init), nodes: 5, lookups: 3 }, (each) => told.push(each));
  assert.deepEqual(
    told.map(({ phase, done, total }) => `${phase} ${done}/${total}`),
    ["form 1/1", "form 1/4", "form 2/4", "form 3/4", "form 4/4", "lookup 1/3", "lookup 2/3", "lookup 3/3"],
  );
});

test("an error within a run prints its seed", async () => {
  class Faulty extends FakeDht {
    override lookup(): never {
      throw new TypeError("a mistake");
    }
  }
  await assert.rejects(
    run({ createDht: (init) => new Faulty(init), formation: "ideal", seed: 77 }),
    (error) =>
      error instanceof SimulationError && error.seed === 77 && /^seed 77, at .* a mistake$/.test(error.message),
  );
});

test("an abort ends a run with its reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = runScenario(
    { createDht: (init) => new FakeDht(init), nodes: 30, signal: controller.signal },
    ({ done }) => {
      if (done === 10) controller.abort(reason);
    },
  );
  await assert.rejects(running, reason);
});

test("options out of their range are refused", async () => {
  for (const options of [
    { nodes: 0 },
    { deadShare: 1 },
    { lookups: -1 },
    { partition: { groups: 1, durationMs: 1 } },
    { churn: { hours: Infinity, medianSessionMs: 1 } },
  ]) {
    await assert.rejects(run(options), RangeError);
  }
});

test("a report has a line for each operation, as text and as CSV", async () => {
  const report = await run({ nodes: 10, lookups: 3, puts: 2 });
  const text = formatReport(report);
  assert.match(text, /^seed 21, digest [0-9a-f]{16}\n/);
  assert.match(text, /\nlookup +3 +100\.0 /);
  const lines = reportsToCsv([report, report]).split("\r\n");
  assert.equal(lines.length, 1 + 2 * 2 + 1);
  const columns = lines.slice(0, -1).map((line) => line.split(",").length);
  assert.deepEqual(new Set(columns).size, 1);
});

test("what a lone node has no numbers of is empty in text and CSV", async () => {
  const report = await run({ nodes: 1, lookups: 3 });
  const [head = "", row = ""] = reportsToCsv([report]).split("\r\n");
  assert.equal(row.split(",")[head.split(",").indexOf("recall")], "");
  assert.doesNotMatch(row + formatReport(report), /NaN|undefined/);
});

test("the CSV has the numbers of the table, exact, under names", async () => {
  const report = await run({ nodes: 30, lookups: 20, puts: 4, gets: 8, deadShare: 0.2 });
  const [head = [], ...rows] = reportsToCsv([report])
    .trimEnd()
    .split("\r\n")
    .map((line) => line.split(","));
  assert.deepEqual(head.slice(0, 5), ["seed", "nodes", "nodes_up", "operation", "count"]);
  const table = formatReport(report).split("\n");
  assert.deepEqual(
    rows.map((row) => row[head.indexOf("operation")]),
    ["put", "lookup", "get"],
  );
  for (const row of rows) {
    const cells = new Map(head.map((name, i) => [name, row[i] ?? ""]));
    const shown = (name: string, digits: number, factor = 1): string[] => {
      const text = cells.get(name);
      assert.ok(text !== undefined && (text === "" || Number.isFinite(Number(text))), `${name}: ${text}`);
      return text === "" ? [] : [(Number(text) * factor).toFixed(digits)];
    };
    const operationName = cells.get("operation") ?? "";
    const line = table.find((each) => each.startsWith(operationName));
    assert.deepEqual(line?.slice(operationName.length).trim().split(/ +/), [
      cells.get("count"),
      ...shown("success", 1, 100),
      ...shown("recall", 3),
      ...shown("hops_mean", 2),
      ...shown("rpcs_mean", 1),
      ...shown("failures_mean", 1),
      ...shown("ms_p50", 0),
      ...shown("ms_p99", 0),
    ]);
    assert.deepEqual([cells.get("seed"), cells.get("nodes"), cells.get("nodes_up")], ["21", "30", "24"]);
    assert.equal(cells.get("digest"), report.digest);
  }
});
