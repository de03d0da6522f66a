// Calls of a service by its type name alone, through the API of a node that knows neither the service nor who provides it.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { apiJson, send, startNode, until } from "./rig.ts";

const echo = "dswarm.example.v1.EchoService";

/** A caller and others that all know one another. */
async function swarmOf(t: TestContext, count: number): Promise<[DswarmNode, ...DswarmNode[]]> {
  const first = await startNode(t, { discovery: false, providerSearchMs: 3000 });
  const others: DswarmNode[] = [];
  while (others.length < count) others.push(await startNode(t, { discovery: false, bootstrap: [first.address] }));
  for (const node of others) {
    await node.dht.bootstrap([{ id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] }]);
  }
  await until("all are in all tables", () => [first, ...others].every(({ dht }) => dht.table.size === count));
  return [first, ...others];
}

/** Lets a node provide the service, and answer with its own id. */
async function provide(node: DswarmNode | undefined): Promise<string> {
  assert(node !== undefined);
  node.serve(EchoService, {
    echo: () => ({ payload: node.id.bytes }),
    async *repeat({ count }) {
      for (let index = 0; index < count; index++) yield { payload: node.id.bytes, index };
    },
    async collect(requests) {
      let count = 0;
      for await (const _ of requests) count += 1;
      return { count };
    },
  });
  await node.provide(EchoService);
  return Buffer.from(node.id.bytes).toString("base64");
}

function call(node: DswarmNode, path: string, body = "{}", type = "application/json") {
  return send(node.port, `/api/services/${path}`, { method: "POST", headers: { "Content-Type": type } }, body);
}

test("a service is called by its type name, described, and its streams come as of a peer", async (t) => {
  const [caller, provider] = await swarmOf(t, 2);
  const payload = await provide(provider);
  const answer = await call(caller, `${echo}/Echo`);
  assert.deepEqual([answer.status, JSON.parse(answer.text)], [200, { payload }], answer.text);
  const lines = await call(caller, `${echo}/Repeat`, `{"count":2}`);
  assert.deepEqual(
    lines.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).result.index),
    [0, 1],
  );
  const collected = await call(caller, `${echo}/Collect`, "{}\n{}\n{}", "application/x-ndjson");
  assert.equal(JSON.parse(collected.text).count, 3);
  const { service } = await apiJson(caller.port, `/api/services/${echo}`);
  assert.deepEqual(
    [service.name, service.methods.map(({ name }: { name: string }) => name)],
    [echo, EchoService.methods.map(({ name }) => name)],
  );
  const unknown = await call(caller, `${echo}/Nope`);
  assert.deepEqual([unknown.status, JSON.parse(unknown.text).code], [501, "unimplemented"]);
  const bad = await call(caller, `${echo}/Echo`, `{"nope":1}`);
  assert.equal(bad.status, 400);
});

test("where nobody provides it, the call says so; a name that is none is refused", async (t) => {
  const [caller] = await swarmOf(t, 1);
  const answer = await call(caller, "no.such.Service/Echo");
  assert.deepEqual([answer.status, JSON.parse(answer.text).reason], [503, "provider_not_found"], answer.text);
  const described = await send(caller.port, "/api/services/no.such.Service");
  assert.deepEqual([described.status, JSON.parse(described.text).reason], [503, "provider_not_found"]);
  for (const name of ["a..b", "a%20b", "a".repeat(257), "%00"]) {
    const refused = await call(caller, `${name}/Echo`);
    assert.equal(refused.status, 400, `${name}: ${refused.text}`);
  }
});

test("a provider that says so and does not serve it is told of; another takes the place of one that has gone", async (t) => {
  const [caller, first, second] = await swarmOf(t, 3);
  assert(first !== undefined);
  await first.provide(EchoService);
  const liar = await call(caller, `${echo}/Echo`);
  assert.deepEqual([liar.status, JSON.parse(liar.text).fromPeer], [404, true], liar.text);
  await first.abort();
  const payload = await provide(second);
  await until("the one that is left is called", async () => {
    const answer = await call(caller, `${echo}/Echo`);
    return answer.status === 200 && JSON.parse(answer.text).payload === payload;
  });
});
