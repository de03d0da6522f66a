// The DHT of the daemon in simulated networks: it forms, finds and keeps, and does the same again with the same seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dht } from "../../src/dht/dht.ts";
import type { RecordStore } from "../../src/dht/record-store.ts";
import { misbehaviours } from "../../src/testbed/byzantine.ts";
import { createSimulatedDhts } from "../../src/testbed/create-simulated-dht.ts";
import { formatReport } from "../../src/testbed/report.ts";
import { runScenario } from "../../src/testbed/scenario.ts";
import type { ScenarioOptions } from "../../src/testbed/scenario-options.ts";
import type { ScenarioReport } from "../../src/testbed/scenario-report.ts";
import type { CreateDht } from "../../src/testbed/simulated-dht.ts";

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

test("tables of nodes that have joined lead to the closest in hardly more hops than ideal ones do", async () => {
  // With many more nodes than a bucket holds.
  const k = 8;
  const createDht = createSimulatedDhts({ routing: { k } });
  const hops = async (formation: "join" | "ideal"): Promise<number> => {
    const report = await run({ createDht, k, nodes: 300, formation, lookups: 500, puts: 0, gets: 0 });
    return report.operations.find(({ name }) => name === "lookup")?.hops?.mean ?? Infinity;
  };
  const [joined, ideal] = [await hops("join"), await hops("ideal")];
  // Where those who were met first kept their places in full buckets, it was above 1.1.
  assert.ok(joined <= ideal * 1.07, `${joined} hops, and ${ideal} with ideal tables`);
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

test("values are put all along while nodes come and go, and got at the end", async () => {
  const churn = { hours: 4, medianSessionMs: 3_600_000, gracefulShare: 0.5 };
  const report = await run({ nodes: 40, churn, lookups: 0, puts: 40, gets: 80, putsDuring: true });
  assert.ok(report.simulatedMs >= 4 * 3_600_000 && report.departures > 40, formatReport(report));
  assert.deepEqual(successes(report), { put: 1, get: 1 }, formatReport(report));
});

test("few queries of a lookup go to nodes that have left, where half leave within an hour", async () => {
  const churn = { hours: 3, medianSessionMs: 3_600_000, gracefulShare: 0.5 };
  const report = await run({ nodes: 100, churn, lookups: 200, puts: 50, gets: 0, putsDuring: true });
  const lookups = report.operations.find(({ name }) => name === "lookup");
  assert.equal(lookups?.success, 1, formatReport(report));
  // Where nodes told of whoever had not missed three answers it was ten.
  assert.ok((lookups?.failures?.mean ?? Infinity) <= 4, formatReport(report));
});

test("in a flood of stores no peer has more room than its quota, and honest values are kept and got", async () => {
  const maxPeerRecords = 40;
  const stores: RecordStore[] = [];
  const createSimulated = createSimulatedDhts({ store: { maxPeerRecords } });
  const createDht: CreateDht = async (init) => {
    const dht = await createSimulated(init);
    assert.ok(dht instanceof Dht);
    stores.push(dht.store);
    return dht;
  };
  const most: number[] = [];
  const nodes = 50;
  const report = await runScenario(
    {
      createDht,
      nodes,
      seed: 31,
      lookups: 20,
      puts: 20,
      gets: 40,
      liars: { share: 0.1, misbehaviour: "flood" },
      churn: { hours: 0.1, medianSessionMs: 1e12 },
      putsDuring: true,
    },
    () => most.push(Math.max(...stores.map((store) => store.size))),
  );
  assert.deepEqual(successes(report), { put: 1, lookup: 1, get: 1 }, formatReport(report));
  const flooders = 0.1 * nodes;
  // Each flooder reaches its quota within seconds, and there it stays; the rest are the values of honest nodes.
  assert.ok(Math.max(...most) > maxPeerRecords, formatReport(report));
  assert.ok(Math.max(...most) <= maxPeerRecords * flooders + 20, `${Math.max(...most)} records`);
});

test("where floods fill half of the stores, values of honest nodes that come before, meanwhile and after are kept and got", async () => {
  const maxRecords = 50;
  const stores: RecordStore[] = [];
  const createSimulated = createSimulatedDhts({ store: { maxRecords, maxPeerRecords: maxRecords } });
  const createDht: CreateDht = async (init) => {
    const dht = await createSimulated(init);
    assert.ok(dht instanceof Dht);
    stores.push(dht.store);
    return dht;
  };
  const sizes: number[][] = [];
  const report = await runScenario(
    {
      createDht,
      nodes: 50,
      seed: 37,
      lookups: 10,
      puts: 20,
      gets: 40,
      liars: { share: 0.1, misbehaviour: "flood" },
      churn: { hours: 0.1, medianSessionMs: 1e12 },
      putsDuring: true,
    },
    () => sizes.push(stores.map((store) => store.size)),
  );
  assert.ok(
    sizes.some((all) => all.filter((size) => size === maxRecords).length > 20),
    "half of them are full",
  );
  assert.ok(sizes.flat().every((size) => size <= maxRecords));
  assert.deepEqual(successes(report), { put: 1, lookup: 1, get: 1 }, formatReport(report));
});

test("a fifth that lies, in whatever way, keeps honest nodes from nothing that is there, and costs bounded queries", async () => {
  for (const misbehaviour of misbehaviours) {
    const report = await run({ lookups: 60, gets: 40, liars: { share: 0.2, misbehaviour } });
    const { lookup = 0, get } = successes(report);
    const text = `${misbehaviour}\n${formatReport(report)}`;
    assert.ok(lookup > 0.9, text);
    assert.equal(get, 1, text);
    const lookups = report.operations.find(({ name }) => name === "lookup");
    assert.ok((lookups?.rpcs?.mean ?? Infinity) <= 60 && (lookups?.latencyMs.max ?? Infinity) < 10_000, text);
  }
});

test("a partition in two halves heals: within a refresh interval all values are got by all again", async () => {
  const partition = { groups: 2, durationMs: 3_600_000 };
  const report = await run({ partition, nodes: 80, puts: 40, gets: 160, lookups: 40 });
  const { "lookup in partition": within = 0, ...others } = successes(report);
  assert.ok(within > 0.9, formatReport(report));
  assert.deepEqual(others, { put: 1, lookup: 1, get: 1 }, formatReport(report));
});

test("values whose time is over while their publishers are gone are not counted as lost, but told of", async () => {
  const valueLifeMs = 1_200_000;
  const report = await run({
    createDht: createSimulatedDhts({ ttlS: valueLifeMs / 1000 }),
    valueLifeMs,
    lookups: 0,
    puts: 60,
    gets: 60,
    churn: { hours: 1, medianSessionMs: 1e12 },
    putsDuring: true,
  });
  assert.ok(report.expired >= 38 && report.expired <= 42, formatReport(report));
  assert.match(formatReport(report), /; \d+ values expired\n/);
  assert.deepEqual(successes(report), { put: 1, get: 1 }, formatReport(report));
});
