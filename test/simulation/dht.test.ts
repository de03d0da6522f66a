// The DHT of the daemon in simulated networks: it forms, finds and keeps, and does the same again with the same seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimulatedDhts } from "../../src/testbed/create-simulated-dht.ts";
import { formatReport } from "../../src/testbed/report.ts";
import { runScenario } from "../../src/testbed/scenario.ts";
import type { ScenarioOptions } from "../../src/testbed/scenario-options.ts";
import type { ScenarioReport } from "../../src/testbed/scenario-report.ts";

function run(options: Partial<ScenarioOptions> = {}): Promise<ScenarioReport> {
  const createDht = createSimulatedDhts();
  return runScenario({ createDht, nodes: 50, seed: 31, lookups: 30, puts: 10, gets: 20, ...options });
}

function successes({ operations }: ScenarioReport): Record<string, number> {
  return Object.fromEntries(operations.map(({ name, success }) => [name, success]));
}

test("a network that has formed finds the closest nodes and every value, and the same seed does the same", async () => {
  const report = await run();
  assert.deepEqual(successes(report), { put: 1, lookup: 1, get: 1 }, formatReport(report));
  const recall = report.operations.find(({ name }) => name === "lookup")?.recall ?? 0;
  assert.ok(recall > 0.99, String(recall));
  const again = await run();
  assert.deepEqual({ ...again, machine: undefined }, { ...report, machine: undefined });
});

test("with lost messages too, the same seed does the same", async () => {
  const options = { nodes: 30, lossShare: 0.05 };
  assert.equal((await run(options)).digest, (await run(options)).digest);
});

test("values outlive a third of the nodes", async () => {
  const report = await run({ deadShare: 0.33 });
  const { lookup = 0, get } = successes(report);
  assert.ok(lookup > 0.9, formatReport(report));
  assert.equal(get, 1, formatReport(report));
});

test("values outlive all nodes that held them first, as others take over", async () => {
  const churn = { hours: 4, medianSessionMs: 3_600_000, gracefulShare: 0.5 };
  const report = await run({ nodes: 40, churn, lookups: 20 });
  assert.ok(report.departures > 40, formatReport(report));
  const { lookup = 0, get = 0 } = successes(report);
  assert.ok(lookup > 0.9 && get > 0.9, formatReport(report));
});

test("liars that tell of themselves do not keep honest nodes from what is there", async () => {
  const report = await run({ liars: { share: 0.2, misbehaviour: "own-contacts" } });
  const { lookup = 0, get } = successes(report);
  assert.ok(lookup > 0.9, formatReport(report));
  assert.equal(get, 1, formatReport(report));
});
