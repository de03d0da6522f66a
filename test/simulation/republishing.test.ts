// What a node publishes is published again, each thing when its own time has come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dhtNetwork } from "./dht-network.ts";

const hourMs = 3_600_000;

test("what was published lives on for days, is left alone while it is fresh, and ends when it is taken back", async () => {
  // Replication and refreshes would make calls of their own.
  const network = await dhtNetwork(6, 41, { replicationMs: 1000 * hourMs, routing: { refreshMs: 1000 * hourMs } });
  const [publisher, other] = network.nodes;
  assert.ok(publisher !== undefined && other !== undefined);
  const calls = () => publisher.endpoint.calls;
  const first = await network.run(publisher.dht.put(Uint8Array.of(1)));
  await network.sleep(10 * hourMs);
  const second = await network.run(publisher.dht.put(Uint8Array.of(2)));
  let before = calls();
  await network.sleep(11 * hourMs);
  assert.equal(calls(), before, "21 and 11 hours old: nothing has to be done");
  await network.sleep(2 * hourMs);
  const ofOne = calls() - before;
  assert.ok(ofOne > 0, "the first is published again");
  before = calls();
  await network.sleep(8 * hourMs);
  assert.equal(calls(), before, "the second is 21 hours old");
  await network.sleep(2 * hourMs);
  assert.equal(calls(), before + ofOne);
  await network.sleep(72 * hourMs);
  for (const { key } of [first, second]) assert.ok((await network.run(other.dht.get(key))) !== undefined);
  await network.run(publisher.dht.unpublish(first.key));
  await network.sleep(25 * hourMs);
  const left = [first, second].map(({ key }) => network.run(other.dht.get(key)));
  assert.deepEqual(
    (await Promise.all(left)).map((record) => record !== undefined),
    [false, true],
  );
});
