// dswarm/testing: a swarm in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { callerKey } from "../../../src/index.ts";
import { createMemorySwarm } from "../../../src/testing/index.ts";

test("its nodes call one another by key, by provider and by address", async (t) => {
  const swarm = await createMemorySwarm();
  t.after(() => swarm.close());
  const [server, caller] = swarm.nodes;
  assert.ok(server !== undefined && caller !== undefined);
  let calledBy: string | undefined;
  server.serve(EchoService, {
    echo: ({ payload }, { values }) => {
      calledBy = values.get(callerKey)?.toString();
      return { payload };
    },
  });
  const payload = new Uint8Array([1, 2, 3]);
  for (const name of [server.id, server.address]) {
    assert.deepEqual((await caller.client(EchoService, name).echo({ payload })).payload, payload);
  }
  assert.equal(calledBy, caller.id.toString());
  await server.provide(EchoService);
  assert.deepEqual((await caller.client(EchoService).echo({ payload })).payload, payload);
});

test("its DHT keeps values on all nodes, and a newcomer finds them", async (t) => {
  const swarm = await createMemorySwarm(5);
  t.after(() => swarm.close());
  const [first] = swarm.nodes;
  assert.ok(first !== undefined);
  assert.deepEqual(
    swarm.nodes.map(({ dht }) => dht.table.size),
    swarm.nodes.map(() => 4),
  );
  const { key, replicas } = await first.dht.put(new Uint8Array([7]));
  assert.equal(replicas, 4);
  const newcomer = await swarm.add();
  assert.deepEqual((await newcomer.dht.get(key))?.value, new Uint8Array([7]));
});

test("nodes that are closed, or end at once, are gone for the others", async (t) => {
  const swarm = await createMemorySwarm(3);
  t.after(() => swarm.close());
  const [first, second, third] = swarm.nodes;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await second.close();
  await third.abort();
  for (const gone of [second, third]) {
    await assert.rejects(first.ping(gone.address), { code: Code.Unavailable });
  }
});

test("who is not allowed does not get in", async (t) => {
  const swarm = await createMemorySwarm(1);
  t.after(() => swarm.close());
  const [first] = swarm.nodes;
  await assert.rejects(swarm.add({ authorize: () => false }), { message: /not allowed|refuses/ });
  assert.equal(first?.connections, 0);
});

test("takes options of nodes, a delay, and refuses bad ones", async (t) => {
  const swarm = await createMemorySwarm({ nodes: 2, delayMs: 5, network: "mine" });
  t.after(() => swarm.close());
  const [first, second] = swarm.nodes;
  assert.equal(first?.config.network, "mine");
  assert.ok((await first.ping(second?.id ?? "")).rttMs >= 9);
  for (const nodes of [0, 1.5, 101, Number.NaN]) await assert.rejects(createMemorySwarm(nodes), RangeError);
  await assert.rejects(createMemorySwarm({ delayMs: -1 }), RangeError);
});
