// Nodes whose wall clock moves while they run.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { knows, LogKeeper, startNode, testNetwork, until } from "./rig.ts";

test("after the machine slept for 25 hours, values, updates and providers are found again", async (t) => {
  let sleptMs = 0;
  const clock = { ...systemClock, wallMs: () => Date.now() + sleptMs };
  const logger = new LogKeeper();
  const first = await startNode(t, { discovery: false, clock, logger });
  const contact = { id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] };
  const second = await startNode(t, { discovery: false, clock });
  const reader = await startNode(t, { discovery: false, clock });
  for (const node of [second, reader]) await node.dht.bootstrap([contact]);
  const { key } = await first.dht.put(Uint8Array.of(1));
  const { key: own } = await first.dht.update(Uint8Array.of(2));
  first.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  await first.provide(EchoService);
  const service = RecordKey.ofName(EchoService.typeName);
  const found = async (): Promise<boolean[]> => [
    (await reader.dht.get(key)) !== undefined,
    (await reader.dht.get(own)) !== undefined,
    (await reader.dht.findProviders(service)).length === 1,
  ];
  assert.deepEqual(await found(), [true, true, true]);
  sleptMs = 25 * 3_600_000;
  assert.deepEqual(await found(), [false, false, false], "their time is over");
  await until("all is found again", async () => (await found()).every(Boolean));
  assert.ok(logger.lines.some(({ fields }) => fields.event === "clock_moved"));
});

test("a node that starts again after its clock was put back is no old news to its peers", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "dswarm-clocks-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  // So slow that silence resolves nothing within the test.
  const options = await testNetwork({ intervalMs: 1000, expiryIntervals: 100 });
  const peer = await startNode(t, options);
  const before = await startNode(t, { ...options, dataDir });
  await knows(peer, before.id);
  await before.close();
  await until("it has left", () => peer.peers.get(before.id) === undefined);
  const clock = { ...systemClock, wallMs: () => Date.now() - 3_600_000 };
  const after = await startNode(t, { ...options, dataDir, clock });
  assert.ok(after.id.equals(before.id));
  await knows(peer, after.id);
});
