// What a node tells its owner of itself and its peers, over /api of real nodes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { HealthStatus, LookupStepKind, MethodKind, NodeService, RecordKind } from "../../../gen/dswarm/v1/node_pb.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { send, startNode, testNetwork, until } from "./rig.ts";

function apiOf(node: DswarmNode) {
  const nodeOptions = { rejectUnauthorized: false, agent: false as const };
  const transport = createConnectTransport({ baseUrl: `${node.url}/api`, httpVersion: "1.1", nodeOptions });
  return createClient(NodeService, transport);
}

async function threeNodes(t: Parameters<typeof startNode>[0]) {
  const network = await testNetwork();
  const nodes = await Promise.all([1, 2, 3].map(() => startNode(t, { ...network })));
  const [one, two, three] = nodes;
  assert(one !== undefined && two !== undefined && three !== undefined);
  await until("all are in all tables", () => nodes.every(({ dht }) => dht.table.size === 2));
  return { one, two, three };
}

test("the steps of a lookup come as they happen, with what came of it as the last", async (t) => {
  const { one, three } = await threeNodes(t);
  const steps = [];
  for await (const step of apiOf(one).traceLookup({ key: three.id.toString() })) steps.push(step);
  assert.equal(steps[0]?.kind, LookupStepKind.STARTED);
  assert.equal(steps[0]?.target, Buffer.from(three.id.bytes).toString("hex"));
  const last = steps.at(-1);
  assert.equal(last?.kind, LookupStepKind.ENDED);
  assert.equal(last?.result?.closest[0]?.id, three.id.toString());
  assert.equal(last?.result?.queries, steps.filter(({ kind }) => kind === LookupStepKind.ASKED).length);
  const answers = steps.filter(({ kind }) => kind === LookupStepKind.ANSWERED);
  assert.equal(answers.length, 2);
  for (const { peer, rttMs, hop } of answers) {
    assert(peer !== undefined && rttMs !== undefined && rttMs > 0);
    assert.equal(hop, 1);
    assert.equal(peer.distanceBits === 0, peer.id === three.id.toString());
  }
});

test("events and rates are told, those of the past first, until the node closes", async (t) => {
  const { one, two } = await threeNodes(t);
  const names = new Set<string>();
  const watching = (async () => {
    for await (const { name, rates } of apiOf(one).watchEvents({ past: 256, ratesMs: 250 })) {
      names.add(name);
      if (rates !== undefined) assert.equal(rates.peers, one.peers.size);
    }
  })();
  const failed = assert.rejects(watching, { code: Code.Unavailable });
  await until("the past is told", () => names.has("peer_appeared") && names.has("peer_verified"));
  await two.dht.put(Buffer.from("stored by a peer"));
  await until("a record is told of", () => names.has("record_stored") && names.has("rates"));
  await one.close();
  await failed;
});

test("only the events that were asked for are told", async (t) => {
  const { one, two } = await threeNodes(t);
  const stop = new AbortController();
  const events = apiOf(one).watchEvents({ names: ["record_stored"], past: 256 }, { signal: stop.signal });
  const first = (async () => {
    for await (const event of events) return event;
    return undefined;
  })();
  const value = Buffer.from("one of many");
  const { key } = await two.dht.put(value);
  const event = await first;
  assert.equal(event?.name, "record_stored");
  assert.equal(event?.key, key.toString());
  assert.equal(event?.peer, two.id.toString());
  assert.equal(event?.detail, "immutable");
  stop.abort();
});

test("a value is told when it is there and when it has changed", async (t) => {
  const { one, two } = await threeNodes(t);
  const { key } = await two.dht.update(Buffer.from("first"));
  const seen: string[] = [];
  for await (const { record } of apiOf(one).watchValue({ key: key.toString(), intervalMs: 100 })) {
    assert(record?.kind.case === "mutable");
    assert(record.ttlS > 0);
    seen.push(Buffer.from(record.kind.value.value).toString());
    if (seen.length === 2) break;
    await two.dht.update(Buffer.from("second"));
  }
  assert.deepEqual(seen, ["first", "second"]);
});

test("records are listed a page at a time, those kept and those published", async (t) => {
  const { one, two } = await threeNodes(t);
  for (let i = 0; i < 5; i++) await two.dht.put(Buffer.from(`value ${i}`));
  await two.provide(EchoService);
  const api = apiOf(two);
  const ids: string[] = [];
  let after = "";
  do {
    const page = await api.listRecords({ limit: 4, after });
    assert(page.records.length <= 4);
    assert.equal(page.published, 6);
    for (const record of page.records) {
      ids.push(record.id);
      assert(record.published && record.bytes > 0);
      const isProvider = record.kind === RecordKind.PROVIDER;
      assert.equal(record.provider, isProvider ? two.id.toString() : "");
    }
    after = page.next;
  } while (after !== "");
  assert.equal(new Set(ids).size, 6);
  assert.deepEqual(ids, ids.toSorted());
  const kept = await apiOf(one).listRecords({});
  assert(kept.records.every(({ held, ttlS, storedBy }) => held && (ttlS ?? 0) > 0 && storedBy === two.id.toString()));
  await assert.rejects(api.listRecords({ limit: 1001 }), { code: Code.InvalidArgument });
});

test("the services of a peer are listed with schemas, and whether they can be called", async (t) => {
  const { one, two } = await threeNodes(t);
  two.serve(EchoService, {});
  for (const node of [one, two]) {
    const { services } = await apiOf(node).listServices({ id: two.id.toString() });
    const echo = services.find(({ name }) => name === EchoService.typeName);
    assert.deepEqual(
      echo?.methods.map(({ name, kind }) => [name, kind]),
      EchoService.methods.map(({ name, methodKind }) => [
        name,
        MethodKind[methodKind.toUpperCase() as keyof typeof MethodKind],
      ]),
    );
    const { file } = fromBinary(FileDescriptorSetSchema, echo?.descriptors ?? new Uint8Array());
    assert.equal(file.at(-1)?.name, EchoService.file.proto.name);
    const health = (service: string) => apiOf(node).checkHealth({ id: two.id.toString(), service });
    assert.equal((await health(EchoService.typeName)).status, HealthStatus.SERVING);
    assert.equal((await health("no.such.Service")).status, HealthStatus.SERVICE_UNKNOWN);
    two.setHealth(EchoService, false);
    assert.equal((await health(EchoService.typeName)).status, HealthStatus.NOT_SERVING);
    two.setHealth(EchoService, true);
  }
});

test("a peer is found by its key, in the DHT where the node does not know it", async (t) => {
  const network = { network: (await testNetwork()).network, discovery: false };
  const hub = await startNode(t, network);
  const one = await startNode(t, { ...network, bootstrap: [hub.address] });
  const far = await startNode(t, { ...network, bootstrap: [hub.address] });
  await until("the hub knows both", () => hub.dht.table.has(one.id) && hub.dht.table.has(far.id));
  const { peer } = await apiOf(one).findPeer({ id: far.id.toString() });
  assert.equal(peer?.id, far.id.toString());
  assert.deepEqual(peer?.addresses, [`127.0.0.1:${far.port}`]);
  assert.equal(peer?.connected, true);
  const nobody = await apiOf(one)
    .findPeer({ id: generateKeyPair().id.toString() })
    .catch((error: unknown) => error);
  assert(nobody instanceof ConnectError);
  assert.equal(nobody.code, Code.NotFound);
});

test("a node that was started alone is its own swarm", async (t) => {
  const node = await startNode(t, { discovery: false });
  const { nodes } = await apiOf(node).listSwarm({});
  assert.deepEqual(
    nodes.map(({ id, port, index, self, pid }) => ({ id, port, index, self, pid })),
    [{ id: node.id.toString(), port: node.port, index: 1, self: true, pid: process.pid }],
  );
});

test("metrics are read in Prometheus' form, and the node says that it is well", async (t) => {
  const { one } = await threeNodes(t);
  const { status, text: body } = await send(one.port, "/metrics");
  assert.equal(status, 200);
  assert.match(body, /^dswarm_peers 2$/m);
  assert.match(body, /^dswarm_contacts 2$/m);
  assert.match(body, /^dswarm_events_total\{event="rpc\.served"\} [1-9]\d*$/m);
  const health = await send(one.port, "/healthz");
  assert.deepEqual(JSON.parse(health.text), { status: "SERVING" });
});
