// The DHT of real nodes: values, signed values, providers and services between them, over TLS, handshake and RPC.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { DhtService } from "../../../gen/dswarm/v1/dht_pb.ts";
import type { CreateNodeOptions } from "../../../src/create-node.ts";
import { createImmutable, recordToMessage } from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { type ChildNode, startChild } from "./child-node.ts";
import { type Answer, send, startNode, testNetwork, until } from "./rig.ts";

const hello = new Uint8Array(Buffer.from("hello"));

/** Nodes that know one another by the first, and whose tables hold all. */
async function swarmOf(t: TestContext, count: number, options: CreateNodeOptions = {}): Promise<DswarmNode[]> {
  const first = await startNode(t, { discovery: false, ...options });
  const nodes = [first];
  while (nodes.length < count) {
    nodes.push(await startNode(t, { discovery: false, bootstrap: [first.address], ...options }));
  }
  const contact = { id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] };
  for (const node of nodes.slice(1)) await node.dht.bootstrap([contact]);
  await until("all are in all tables", () => nodes.every(({ dht }) => dht.table.size === count - 1));
  return nodes;
}

function nameOf({ id }: DswarmNode): string {
  return id.toString();
}

function nodeAt(nodes: readonly DswarmNode[], index: number): DswarmNode {
  return nodes[index] ?? assert.fail();
}

/** Contacts in the table of a child. */
async function contactsOf(child: ChildNode): Promise<number> {
  return JSON.parse((await send(child.port, "/api/status")).text).contacts;
}

/** Sends a request, again as long as it is one too many. */
async function patiently(...request: Parameters<typeof send>): Promise<Answer> {
  let answer = await send(...request);
  await until("there is room for a request", async () => {
    if (answer.status !== 429) return true;
    answer = await send(...request);
    return answer.status !== 429;
  });
  return answer;
}

test("a node alone keeps and finds what it puts", async (t) => {
  const node = await startNode(t, { discovery: false });
  const { key, replicas, isKeptHere } = await node.dht.put(hello);
  assert.deepEqual([replicas, isKeptHere], [0, true]);
  assert.deepEqual(
    await Promise.all([node.dht.update(hello), node.dht.provide(RecordKey.ofName("a"))]).then((all) =>
      all.map((published) => [published.replicas, published.isKeptHere]),
    ),
    [
      [0, true],
      [0, true],
    ],
  );
  assert.deepEqual((await node.dht.get(key))?.value, hello);
  assert.equal(await node.dht.get(RecordKey.ofName("nothing")), undefined);
});

for (const [why, code, end] of [
  ["refuse", "quota_exceeded", undefined],
  ["are dead", "store_refused", (node: DswarmNode) => node.abort()],
] as const) {
  test(`nothing is acknowledged where all peers that a node knows ${why}`, async (t) => {
    const full = { dht: { store: { maxPeerRecords: 1 } } };
    const writer = await startNode(t, { discovery: false });
    const others = [
      await startNode(t, { discovery: false, ...full }),
      await startNode(t, { discovery: false, ...full }),
    ];
    for (const { id, port } of others) {
      await writer.dht.ping({ id, addresses: [{ host: "127.0.0.1", port }] });
    }
    const first = await writer.dht.put(hello);
    assert.deepEqual([first.replicas, first.isKeptHere], [2, true]);
    for (const other of others) await end?.(other);
    const published = writer.dht.store.publishedIds();
    const held = writer.dht.store.size;
    await assert.rejects(writer.dht.put(new Uint8Array([1])), { code });
    await assert.rejects(writer.dht.update(hello), { code });
    await assert.rejects(writer.dht.provide(RecordKey.ofName("a")), { code });
    assert.deepEqual(writer.dht.store.publishedIds(), published, "what failed is not published again later");
    assert.equal(writer.dht.store.size, held, "nor kept here alone");
    const put = await send(writer.port, "/api/values", { method: "POST" }, JSON.stringify({ value: "AQ==" }));
    assert.deepEqual([put.status, JSON.parse(put.text).reason], [code === "quota_exceeded" ? 429 : 503, code]);
  });
}

test("nodes that hear of one another by multicast build a DHT", async (t) => {
  const options = await testNetwork();
  const nodes = [await startNode(t, options), await startNode(t, options), await startNode(t, options)];
  await until("each has the others in its table", () => nodes.every(({ dht }) => dht.table.size === 2));
  const { key, replicas } = await nodeAt(nodes, 0).dht.put(hello);
  assert.equal(replicas, 2);
  assert.deepEqual((await nodeAt(nodes, 2).dht.get(key.toString()))?.value, hello);
});

test("nodes with nothing but a bootstrap address come to know one another by the DHT", async (t) => {
  const first = await startNode(t, { discovery: false });
  const options = { discovery: false, bootstrap: [first.address] };
  const nodes = [first, await startNode(t, options), await startNode(t, options), await startNode(t, options)];
  await until("each has the others in its table", () => nodes.every(({ dht }) => dht.table.size === 3));
});

test("values, signed values and their deletion reach all nodes", async (t) => {
  const nodes = await swarmOf(t, 6);
  const [writer, reader] = [nodeAt(nodes, 1), nodeAt(nodes, 4)];
  const { key, replicas } = await writer.dht.put(hello);
  assert.equal(replicas, 5);
  assert.equal(key.toHex(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  assert.deepEqual((await reader.dht.get(key.toHex()))?.value, hello);

  const first = await writer.dht.update(new Uint8Array([1]));
  assert.equal(first.sequence, 1n);
  const second = await writer.dht.update(new Uint8Array([2]), { expectedSequence: 1n });
  await assert.rejects(writer.dht.update(new Uint8Array([3]), { expectedSequence: 1n }), { code: "record_conflict" });
  const found = await reader.dht.get(second.key);
  assert.ok(found?.kind === "mutable");
  assert.deepEqual([found.sequence, [...found.value], found.signer.toString()], [2n, [2], writer.id.toString()]);
  await writer.dht.delete();
  assert.equal(await reader.dht.get(second.key), undefined);
  const other = await writer.dht.update(new Uint8Array([9]), { salt: new Uint8Array([7]) });
  assert.notEqual(other.key.toString(), second.key.toString());
  assert.deepEqual([...((await reader.dht.get(other.key))?.value ?? [])], [9]);
});

test("to delete what was never there publishes nothing", async (t) => {
  const nodes = await swarmOf(t, 3);
  const writer = nodeAt(nodes, 0);
  const salt = new Uint8Array([9]);
  await assert.rejects(writer.dht.delete({ salt }), { code: "record_not_found" });
  await assert.rejects(writer.dht.delete({ salt: new Uint8Array(65) }), { code: "record_invalid" });
  assert.deepEqual(
    nodes.map(({ dht }) => [dht.store.size, dht.store.publishedIds().length]),
    nodes.map(() => [0, 0]),
  );
  // What another process has published with the same key is there, though this one has not noted it.
  const { key } = await writer.dht.update(new Uint8Array([1]), { salt });
  await writer.dht.store.unpublish(`mutable ${key.toString()}`);
  assert.equal((await writer.dht.delete({ salt })).sequence, 2n);
});

test("a watch tells of each change", async (t) => {
  const nodes = await swarmOf(t, 3);
  const [writer, reader] = [nodeAt(nodes, 0), nodeAt(nodes, 2)];
  const key = RecordKey.ofSigner(writer.id, new Uint8Array());
  const seen: (string | undefined)[] = [];
  for await (const record of reader.dht.watch(key, { intervalMs: 100 })) {
    seen.push(record && Buffer.from(record.value).toString());
    if (seen.length === 1) await writer.dht.update(new Uint8Array(Buffer.from("a")));
    else if (seen.length === 2) await writer.dht.update(new Uint8Array(Buffer.from("b")));
    else if (seen.length === 3) await writer.dht.delete();
    else break;
  }
  assert.deepEqual(seen, [undefined, "a", "b", undefined]);
});

test("a service is called by its type alone, at another provider when one is gone", async (t) => {
  const nodes = await swarmOf(t, 6);
  const providers = [nodeAt(nodes, 1), nodeAt(nodes, 2)];
  for (const provider of providers) {
    provider.serve(EchoService, { echo: () => ({ payload: provider.id.bytes }) });
    await provider.provide(EchoService);
  }
  const echo = nodeAt(nodes, 5).client(EchoService);
  const first = Buffer.from((await echo.echo({})).payload);
  const served = providers.find(({ id }) => first.equals(id.bytes)) ?? assert.fail("nobody that provides it");
  await served.close();
  const second = Buffer.from((await echo.echo({})).payload);
  const other = providers.find((provider) => provider !== served);
  assert.ok(other !== undefined && second.equals(other.id.bytes));
});

test("a service that nobody provides is not found, nor one that is provided no more", async (t) => {
  const nodes = await swarmOf(t, 3);
  const provider = nodeAt(nodes, 1);
  const echo = nodeAt(nodes, 2).client(EchoService);
  await assert.rejects(echo.echo({}), /no provider is found/);
  provider.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  const withdraw = await provider.provide(EchoService);
  assert.deepEqual([...(await echo.echo({ payload: hello })).payload], [...hello]);
  await withdraw();
  const key = RecordKey.ofName(EchoService.typeName);
  assert.deepEqual(await nodeAt(nodes, 0).dht.findProviders(key), []);
});

test("a peer is called by its key alone: its address comes from the DHT", async (t) => {
  const nodes = await swarmOf(t, 4);
  const late = await startNode(t, { discovery: false });
  const contact = { id: nodeAt(nodes, 1).id, addresses: [{ host: "127.0.0.1", port: nodeAt(nodes, 1).port }] };
  await late.dht.bootstrap([contact]);
  late.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  const caller = await startNode(t, { discovery: false });
  await caller.dht.bootstrap([
    { id: nodeAt(nodes, 3).id, addresses: [{ host: "127.0.0.1", port: nodeAt(nodes, 3).port }] },
  ]);
  const answer = await caller.client(EchoService, late.id.toString()).echo({ payload: hello });
  assert.deepEqual(answer.payload, hello);
});

test("a client uses the DHT and is in nobody's table", async (t) => {
  const nodes = await swarmOf(t, 3);
  const first = nodeAt(nodes, 0);
  const client = await startNode(t, { discovery: false, dht: { isClient: true } });
  await client.dht.bootstrap([{ id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] }]);
  const { key, replicas, isKeptHere } = await client.dht.put(hello);
  assert.deepEqual([replicas, isKeptHere], [3, false]);
  assert.deepEqual((await client.dht.get(key))?.value, hello);
  for (const { dht } of nodes) assert.equal(dht.table.has(client.id), false);
  assert.equal(client.dht.store.size, 0);
});

test("a node passes a record on to those that it is connected with, and connects to nobody for that", async (t) => {
  const nodes = await swarmOf(t, 5);
  const [first, ...others] = nodes;
  const [second, third, fourth] = others;
  assert.ok(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined);
  const stranger = await startNode(t, { discovery: false });
  await fourth.abort();
  await until("the first has lost the fourth", () => !first.isConnected(fourth.id));
  assert.ok(first.dht.table.has(fourth.id), "which is in its table still");
  const caller = await startNode(t, { discovery: false, dht: { isClient: true } });
  const forwardTo = [second, third, fourth, stranger].map(({ id }) => id.bytes);
  const record = createImmutable(hello);
  const store = caller.client(DhtService, first.address).store;
  const { keptBy } = await store({ record: recordToMessage(record, 60), forwardTo });
  assert.deepEqual(new Set(keptBy.map((id) => NodeId.fromBytes(id).toString())), new Set([second, third].map(nameOf)));
  for (const { dht } of [first, second, third]) assert.ok(dht.store.has(record.key));
  for (const { dht } of [nodeAt(others, 3), stranger]) assert.equal(dht.store.has(record.key), false);
  assert.equal(first.isConnected(stranger.id), false);
  assert.equal(caller.connections, 1);
});

test("what a node holds goes to others when it leaves", async (t) => {
  const [writer, heir] = await swarmOf(t, 2, { dht: { routing: { k: 1 } } });
  assert.ok(writer !== undefined && heir !== undefined);
  const alone = await startNode(t, { discovery: false });
  const { key } = await alone.dht.put(hello);
  await alone.dht.ping({ id: heir.id, addresses: [{ host: "127.0.0.1", port: heir.port }] });
  await alone.close();
  assert.equal(heir.dht.store.has(key), true);
});

test("/api puts and gets values, by base64url too", async (t) => {
  const nodes = await swarmOf(t, 3);
  const put = await send(
    nodeAt(nodes, 0).port,
    "/api/values",
    { method: "POST" },
    JSON.stringify({ value: "aGVsbG8=" }),
  );
  const { key, replicas, keptHere } = JSON.parse(put.text);
  assert.deepEqual([put.status, replicas, keptHere], [200, 2, true]);
  const base64url = RecordKey.parse(key).toBase64url();
  const got = await send(nodeAt(nodes, 2).port, `/api/values/${base64url}`);
  const { record } = JSON.parse(got.text);
  assert.deepEqual([got.status, record.immutable], [200, { value: "aGVsbG8=" }]);
  assert.ok(record.ttlS > 86_000 && record.ttlS <= 86_400);
  const missing = await send(nodeAt(nodes, 2).port, `/api/values/${RecordKey.ofName("x").toBase64url()}`);
  assert.deepEqual([missing.status, JSON.parse(missing.text).reason], [404, "record_not_found"]);
  const bad = await send(nodeAt(nodes, 2).port, "/api/values/nonsense");
  assert.deepEqual([bad.status, JSON.parse(bad.text).reason], [400, "record_key_invalid"]);
});

test("what was acknowledged outlives kill -9 of three of ten processes, and of all, which come back", async (t) => {
  const base = await mkdtemp(join(tmpdir(), "dswarm-dht-"));
  t.after(() => rm(base, { recursive: true, force: true }));
  const options = await testNetwork();
  const start = (index: number) => startChild(t, { ...options, dataDir: join(base, String(index)) });
  const children: ChildNode[] = await Promise.all(Array.from({ length: 10 }, (_, i) => start(i)));
  await until("all tables hold all", async () => {
    for (const child of children) if (child.isRunning && (await contactsOf(child)) < 9) return false;
    return true;
  });
  const keys: { readonly key: string; readonly value: string }[] = [];
  const victims = children.slice(7);
  for (let i = 0; i < 1000; i++) {
    if (i === 250 || i === 500 || i === 750) void victims[i / 250 - 1]?.kill();
    const value = Buffer.from(`value ${i}`).toString("base64");
    const child = children[i % 7];
    const answer = await patiently(child?.port ?? 0, "/api/values", { method: "POST" }, JSON.stringify({ value }));
    if (answer.status === 200) keys.push({ key: RecordKey.parse(JSON.parse(answer.text).key).toBase64url(), value });
  }
  assert.ok(keys.length > 900, `${keys.length} were acknowledged`);
  const assertFound = async (ports: readonly number[]): Promise<void> => {
    for (const [i, { key, value }] of keys.entries()) {
      const { status, text } = await patiently(ports[i % ports.length] ?? 0, `/api/values/${key}`);
      assert.equal(status, 200, `${i}: ${text}`);
      assert.equal(JSON.parse(text).record.immutable.value, value);
    }
  };
  await assertFound(children.slice(0, 7).map(({ port }) => port));
  for (const child of children.slice(0, 7)) await child.kill();
  const back = await start(3);
  await assertFound([back.port]);
});
