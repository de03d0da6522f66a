// Of the connections that the DHT dials, few idle ones are kept; those that calls have used stay.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { startNode, until } from "./rig.ts";

test("of the connections that only the DHT has used, so many idle ones are kept, and any is dialed again", async (t) => {
  const first = await startNode(t, { discovery: false });
  const bootstrap = [first.address];
  const others = await Promise.all(Array.from({ length: 7 }, () => startNode(t, { discovery: false, bootstrap })));
  await until("all know all", () => [first, ...others].every(({ dht }) => dht.table.size === 7));

  const maxSpareConnections = 2;
  const asker = await startNode(t, { discovery: false, bootstrap, maxSpareConnections, dht: { isClient: true } });
  await until("the first is reached", () => asker.isConnected(first.id));
  const [called, watched] = others;
  assert(called !== undefined && watched !== undefined);
  await asker.client(Health, called.address).check({});
  const ends = new AbortController();
  const watching = asker.client(Health, watched.address).watch({}, { signal: ends.signal })[Symbol.asyncIterator]();
  assert.equal((await watching.next()).done, false);

  for (let i = 0; i < 5; i++) {
    const { key, replicas } = await asker.dht.put(Uint8Array.of(i));
    assert.equal(replicas, 8, "each of them is asked, whether it was connected or not");
    const found = await asker.dht.get(key);
    assert(found?.kind === "immutable" && found.value[0] === i);
  }
  await until("spare ones are closed", () => asker.connections === 3 + maxSpareConnections);
  for (const kept of [first, called, watched]) assert(asker.isConnected(kept.id));
  const next = watching.next();
  watched.setHealth(Health, false);
  ends.abort();
  await assert.rejects(next, /canceled/);
  assert.equal(
    [first, ...others].filter(({ dht }) => dht.table.size === 7).length,
    8,
    "a closed connection evicts nobody",
  );
});
