// Calls of a service by its type alone, among providers that are gone, lie or come back.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { CreateNodeOptions } from "../../../src/create-node.ts";
import { createProvider } from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { freeTcpPort, startNode, swarmOf, until } from "./rig.ts";

const key = RecordKey.ofName(EchoService.typeName);

function at(nodes: readonly DswarmNode[], index: number): DswarmNode {
  return nodes[index] ?? assert.fail();
}

/** Says in the DHT that so many nodes provide the service that were killed before. */
async function listDead(node: DswarmNode, others: readonly DswarmNode[], count: number): Promise<void> {
  const port = await freeTcpPort();
  for (let i = 0; i < count; i++) {
    const sequence = BigInt(Date.now() + i);
    const record = createProvider({ keys: generateKeyPair(), key, addresses: [{ host: "127.0.0.1", port }], sequence });
    for (const other of [node, ...others]) await other.dht.store.put(record, { ttlS: 3600, from: undefined });
  }
}

function serve(node: DswarmNode): void {
  node.serve(EchoService, { echo: () => ({ payload: node.id.bytes }) });
}

test("one living provider among fifty that are gone is called, at once from then on", async (t) => {
  const nodes = await swarmOf(t, 4);
  const [provider, caller] = [at(nodes, 1), at(nodes, 3)];
  serve(provider);
  await provider.provide(EchoService);
  await listDead(at(nodes, 0), nodes.slice(1), 50);
  const echo = caller.client(EchoService);
  for (let i = 0; i < 3; i++) assert.deepEqual((await echo.echo({})).payload, provider.id.bytes);
  for (let i = 0; i < 20; i++) await echo.echo({});
  assert.ok(caller.counters.get("dial.failed.unreachable") <= 50, "each is tried once");
});

test("where no provider answers, calls say so in bounded time and tries, and a later one is found", async (t) => {
  const nodes = await swarmOf(t, 3, { maxProvidersTried: 6, providerSearchMs: 3000 });
  const [provider, caller] = [at(nodes, 1), at(nodes, 2)];
  await listDead(at(nodes, 0), nodes.slice(1), 30);
  const echo = caller.client(EchoService);
  await assert.rejects(echo.echo({}), /no provider is found/);
  assert.ok(caller.counters.get("dial.failed.unreachable") <= 2 * 6, "each of six, and where the DHT finds it");
  serve(provider);
  await provider.provide(EchoService);
  await until("the living one is found", async () => {
    try {
      return Buffer.from((await echo.echo({})).payload).equals(provider.id.bytes);
    } catch (error) {
      assert.equal(ConnectError.from(error).code, Code.Unavailable);
      return false;
    }
  });
});

test("a caller waits for a provider no longer than its deadline and its signal say", async (t) => {
  const nodes = await swarmOf(t, 2);
  // It takes connections and says nothing.
  const mute = createServer(() => undefined).listen(0, "127.0.0.1");
  await until("it listens", () => mute.listening);
  t.after(() => mute.close());
  const address = mute.address();
  assert.ok(typeof address === "object" && address !== null);
  const addresses = [{ host: "127.0.0.1", port: address.port }];
  const record = createProvider({ keys: generateKeyPair(), key, addresses, sequence: BigInt(Date.now()) });
  await at(nodes, 0).dht.store.put(record, { ttlS: 3600, from: undefined });
  const echo = at(nodes, 1).client(EchoService);
  await assert.rejects(echo.echo({}, { timeoutMs: 300 }), { code: Code.DeadlineExceeded });
  const stop = new AbortController();
  const call = echo.echo({}, { signal: stop.signal });
  stop.abort();
  await assert.rejects(call, { code: Code.Canceled });
});

test("a call that a provider may have seen is not made again elsewhere", async (t) => {
  const nodes = await swarmOf(t, 4);
  const providers = [at(nodes, 1), at(nodes, 2)];
  let calls = 0;
  for (const provider of providers) {
    provider.serve(EchoService, {
      echo: () => {
        calls += 1;
        throw new ConnectError("not now", Code.Unavailable);
      },
      repeat: async function* () {
        calls += 1;
        await provider.abort();
        yield {};
      },
    });
    await provider.provide(EchoService);
  }
  const echo = at(nodes, 3).client(EchoService);
  await assert.rejects(echo.echo({}), /not now/);
  assert.equal(calls, 1);
  await assert.rejects(async () => {
    for await (const _ of echo.repeat({ payload: new Uint8Array(1), count: 1 })) assert.fail("an answer");
  });
  assert.equal(calls, 2);
});

test("a provider that moved is found where it is now", async (t) => {
  const nodes = await swarmOf(t, 4);
  const keys = generateKeyPair();
  const before = await startNode(t, { discovery: false, keys, bootstrap: [at(nodes, 0).address] });
  const oldPort = before.port;
  await before.abort();
  const after = await startNode(t, { discovery: false, keys, bootstrap: [at(nodes, 0).address] });
  serve(after);
  await until("a peer knows where it is now", () => {
    const contact = at(nodes, 0).dht.table.get(after.id.bytes);
    return contact?.addresses.some(({ port }) => port === after.port) === true;
  });
  const addresses = [{ host: "127.0.0.1", port: oldPort }];
  const record = createProvider({ keys, key, addresses, sequence: 1n });
  await at(nodes, 1).dht.store.put(record, { ttlS: 3600, from: undefined });
  const caller = await startNode(t, { discovery: false });
  await caller.dht.bootstrap([{ id: at(nodes, 0).id, addresses: [{ host: "127.0.0.1", port: at(nodes, 0).port }] }]);
  const echo = caller.client(EchoService);
  assert.deepEqual((await echo.echo({})).payload, after.id.bytes);
});

test("a node that closes takes back what it provides, one that is killed does not, and one that starts again provides again", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "dswarm-providers-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const nodes = await swarmOf(t, 3);
  const [first, other] = [at(nodes, 0), at(nodes, 1)];
  const contact = { id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] };
  const providers = async () => (await other.dht.findProviders(key)).map(({ provider }) => provider.id.toString());
  const start = async (options: CreateNodeOptions): Promise<DswarmNode> => {
    const node = await startNode(t, { discovery: false, bootstrap: [first.address], ...options });
    await node.dht.bootstrap([contact]);
    return node;
  };
  const kept = await start({ dataDir });
  const killed = await start({});
  await Promise.all([kept.provide(EchoService), killed.provide(EchoService)]);
  assert.equal((await providers()).length, 2);
  await Promise.all([kept.close(), killed.abort()]);
  assert.deepEqual(await providers(), [killed.id.toString()]);
  const again = await start({ dataDir });
  assert.ok(again.id.equals(kept.id));
  await until("it provides again", async () => (await providers()).includes(again.id.toString()));
});

test("what a node took back itself stays taken back over a restart with the clock put back", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "dswarm-providers-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const nodes = await swarmOf(t, 3);
  const [first, other] = [at(nodes, 0), at(nodes, 1)];
  const contact = { id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] };
  const before = await startNode(t, { discovery: false, dataDir });
  await before.dht.bootstrap([contact]);
  const withdraw = await before.provide(EchoService);
  await withdraw();
  await before.close();
  const clock = { ...systemClock, wallMs: () => Date.now() - 3_600_000 };
  const after = await startNode(t, { discovery: false, dataDir, clock });
  await after.dht.bootstrap([contact]);
  assert.deepEqual(await other.dht.findProviders(key), []);
  await after.provide(EchoService);
  assert.equal((await other.dht.findProviders(key)).length, 1);
});
