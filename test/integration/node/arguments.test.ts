// Every function of the public API refuses arguments of a wrong type by a TypeError, and does nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import * as api from "../../../src/index.ts";
import { startNode } from "./rig.ts";

/** Calls that are wrong, by the function. An empty list is for functions without arguments, or that take anything. */
type Table = Readonly<Record<string, readonly ((object: never) => unknown)[]>>;

const wrongBytes = ["text", 5, null, undefined, [1, 2], new ArrayBuffer(4), {}];
const wrongTexts = [5, null, undefined, {}, new Uint8Array(32)];
const wrongIds = ["@text", 5, null, undefined, {}, new Uint8Array(32)];
const wrongKeys = [5, null, undefined, {}, new Uint8Array(32)];
const wrongServices = ["dswarm.example.v1.EchoService", 5, null, undefined, {}];
const wrongObjects = ["text", 5, null, []];
const wrongSignals = ["text", 5, {}, new AbortController()].map((signal) => ({ signal }));
const unknown = { unknown: 1 };
const wrongQueries = [...wrongObjects, ...wrongSignals, unknown, { onEvent: 1 }, { disjointPaths: "2" }];
const wrongUpdates = [
  ...wrongQueries,
  { salt: "salt" },
  { expectedSequence: "1" },
  { expectedSequence: {} },
  { expectedSequence: true },
];
const wrongWatches = [...wrongObjects, ...wrongSignals, unknown, { intervalMs: "5" }];
const wrongClients = [
  ...wrongObjects,
  unknown,
  { interceptors: "none" },
  { interceptors: [1] },
  { defaultTimeoutMs: "5" },
  { check: 1 },
];
const wrongPings = [...wrongObjects, ...wrongSignals, unknown, { timeoutMs: "5" }];
const wrongNodes = [
  ...wrongObjects,
  unknown,
  { network: 5 },
  { networkKey: "x".repeat(32) },
  { keys: "key" },
  { keys: { id: "id", secretKey: new Uint8Array(64) } },
  { dataDir: 5 },
  { replaceDamaged: "no" },
  { host: 127 },
  { port: "80" },
  { httpPort: "80" },
  { discovery: "on" },
  { discovery: { intervalMs: "5" } },
  { discovery: unknown },
  { bootstrap: "dswarm://" },
  { bootstrap: [5] },
  { authorize: true },
  { maxPeers: "5" },
  { maxSpareConnections: "5" },
  { unprovenDialsPerSecond: "5" },
  { unprovenDialsPerHostPerSecond: "5" },
  { maxProvidersTried: "5" },
  { providerSearchMs: "5" },
  { channel: 5 },
  { channel: unknown },
  { channel: { maxConnections: "5" } },
  { rpc: 5 },
  { rpc: unknown },
  { rpc: { maxMessageBytes: "5" } },
  { dht: 5 },
  { dht: unknown },
  { dht: { isClient: "no" } },
  { dht: { ttlS: "5" } },
  { dht: { routing: { k: "5" } } },
  { dht: { routing: unknown } },
  { dht: { store: { maxBytes: "5" } } },
  { dht: { store: unknown } },
  { logger: console.log },
  { logger: {} },
  { clock: {} },
  { api: "on" },
  { api: unknown },
  { api: { token: 5 } },
  { api: { hosts: "localhost" } },
  { api: { pages: 5 } },
  { api: { maxBodyBytes: "5" } },
];

const bytes = new Uint8Array(32);
const key = api.RecordKey.ofName("key");
const { id } = api.generateKeyPair();

/** A call with each of some wrong values in the place of one argument. */
function each<T>(values: readonly unknown[], call: (object: T, value: never) => unknown): ((object: T) => unknown)[] {
  return values.map((value) => (object) => call(object, value as never));
}

const functions: Table = {
  createNode: each(wrongNodes, (_, value) => api.createNode(value)),
  generateKeyPair: [],
  keyPairFromSeed: each(wrongBytes, (_, value) => api.keyPairFromSeed(value)),
  loadOrCreateKeyFile: each(wrongTexts, (_, value) => api.loadOrCreateKeyFile(value)),
  formatPeerAddress: [
    ...each(wrongObjects, (_, value) => api.formatPeerAddress(value)),
    ...each(wrongIds, (_, value) => api.formatPeerAddress({ id: value, host: "127.0.0.1", port: 1 })),
    ...each(wrongTexts, (_, value) => api.formatPeerAddress({ id, host: value, port: 1 })),
    ...each(["1", null, undefined], (_, value) => api.formatPeerAddress({ id, host: "127.0.0.1", port: value })),
  ],
  parsePeerAddress: each(wrongTexts, (_, value) => api.parsePeerAddress(value)),
  // They take anything.
  dswarmErrorOf: [],
  isFromPeer: [],
};

const nodeIdStatics: Table = {
  fromBytes: each(wrongBytes, (_, value) => api.NodeId.fromBytes(value)),
  parse: each(wrongTexts, (_, value) => api.NodeId.parse(value)),
};
const nodeIdMethods: Table = {
  equals: each<api.NodeId>(wrongIds, (object, value) => object.equals(value)),
  toString: [],
  toBase64url: [],
  toHex: [],
  toJSON: [],
};

const recordKeyStatics: Table = {
  fromBytes: each(wrongBytes, (_, value) => api.RecordKey.fromBytes(value)),
  parse: each(wrongTexts, (_, value) => api.RecordKey.parse(value)),
  ofValue: each(wrongBytes, (_, value) => api.RecordKey.ofValue(value)),
  ofSigner: [
    ...each(wrongIds, (_, value) => api.RecordKey.ofSigner(value, bytes)),
    ...each(wrongBytes, (_, value) => api.RecordKey.ofSigner(id, value)),
  ],
  ofName: each(wrongTexts, (_, value) => api.RecordKey.ofName(value)),
};
const recordKeyMethods: Table = {
  equals: each<api.RecordKey>(wrongKeys, (object, value) => object.equals(value)),
  toString: [],
  toBase64url: [],
  toHex: [],
  toJSON: [],
};

type Node = api.DswarmNode;
const nodeMethods: Table = {
  serve: [
    ...each<Node>(wrongServices, (node, value) => node.serve(value, {})),
    ...each<Node>([...wrongObjects, undefined, { echo: "text" }], (node, value) => node.serve(EchoService, value)),
    ...each<Node>([...wrongObjects, unknown, { interceptors: [1] }], (node, value) =>
      node.serve(EchoService, {}, value),
    ),
  ],
  setHealth: [
    ...each<Node>(wrongServices, (node, value) => node.setHealth(value, true)),
    ...each<Node>(["yes", 1, undefined], (node, value) => node.setHealth(EchoService, value)),
  ],
  provide: each<Node>(wrongServices, (node, value) => node.provide(value)),
  client: [
    ...each<Node>(wrongServices, (node, value) => node.client(value)),
    ...each<Node>([5, null, {}, bytes], (node, value) => node.client(EchoService, value)),
    ...each<Node>(wrongClients, (node, value) => node.client(EchoService, id, value)),
    ...each<Node>(wrongClients, (node, value) => node.client(EchoService, undefined, value)),
  ],
  transport: [
    ...each<Node>([5, null, undefined, {}, bytes], (node, value) => node.transport(value)),
    ...each<Node>(wrongClients, (node, value) => node.transport(id, value)),
  ],
  providerTransport: [
    ...each<Node>([5, null, undefined, {}, bytes], (node, value) => node.providerTransport(value)),
    ...each<Node>(wrongClients, (node, value) => node.providerTransport("a.Service", value)),
  ],
  ping: [
    ...each<Node>([5, null, undefined, {}, bytes], (node, value) => node.ping(value)),
    ...each<Node>(wrongPings, (node, value) => node.ping(id, value)),
  ],
  idOf: each<Node>([5, null, undefined, {}, bytes], (node, value) => node.idOf(value)),
  locate: [
    ...each<Node>(wrongIds, (node, value) => node.locate(value)),
    ...each<Node>([...wrongObjects, ...wrongSignals, unknown], (node, value) => node.locate(id, value)),
  ],
  isConnected: each<Node>(wrongIds, (node, value) => node.isConnected(value)),
  isServing: each<Node>(wrongTexts, (node, value) => node.isServing(value)),
  close: [],
  abort: [],
  // Not for use outside.
  start: [],
  silenceMs: [],
};

type Dht = api.Dht;
const first = (watch: AsyncGenerator): Promise<unknown> => watch.next();
const dhtMethods: Table = {
  put: [
    ...each<Dht>(wrongBytes, (dht, value) => dht.put(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.put(bytes, value)),
  ],
  get: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.get(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.get(key, value)),
  ],
  find: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.find(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.find(key, value)),
  ],
  update: [
    ...each<Dht>(wrongBytes, (dht, value) => dht.update(value)),
    ...each<Dht>(wrongUpdates, (dht, value) => dht.update(bytes, value)),
  ],
  delete: each<Dht>(wrongUpdates, (dht, value) => dht.delete(value)),
  unpublish: each<Dht>(wrongKeys, (dht, value) => dht.unpublish(value)),
  keepers: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.keepers(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.keepers(key, value)),
  ],
  provide: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.provide(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.provide(key, value)),
  ],
  unprovide: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.unprovide(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.unprovide(key, value)),
  ],
  findProviders: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.findProviders(value)),
    ...each<Dht>([...wrongQueries, { limit: "5" }], (dht, value) => dht.findProviders(key, value)),
  ],
  eachProvider: [
    ...each<Dht>(wrongKeys, (dht, value) => dht.eachProvider(value, () => undefined)),
    ...each<Dht>([5, undefined, {}], (dht, value) => dht.eachProvider(key, value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.eachProvider(key, () => undefined, value)),
  ],
  watch: [
    ...each<Dht>(wrongKeys, (dht, value) => first(dht.watch(value))),
    ...each<Dht>(wrongWatches, (dht, value) => first(dht.watch(key, value))),
  ],
  watchFound: [
    ...each<Dht>(wrongKeys, (dht, value) => first(dht.watchFound(value))),
    ...each<Dht>(wrongWatches, (dht, value) => first(dht.watchFound(key, value))),
  ],
  lookup: [
    ...each<Dht>(wrongBytes, (dht, value) => dht.lookup(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.lookup(bytes, value)),
  ],
  findPeer: [
    ...each<Dht>(wrongIds, (dht, value) => dht.findPeer(value)),
    ...each<Dht>(wrongQueries, (dht, value) => dht.findPeer(id, value)),
  ],
  ping: each<Dht>([...wrongObjects, {}, { id: "id", addresses: [] }, { id, addresses: ["host:1"] }], (dht, value) =>
    dht.ping(value),
  ),
  bootstrap: [
    ...each<Dht>([...wrongObjects.slice(0, -1), {}, ["dswarm://"], [{ id, addresses: 5 }]], (dht, value) =>
      dht.bootstrap(value),
    ),
    ...each<Dht>(wrongQueries, (dht, value) => dht.bootstrap([], value)),
  ],
  close: [],
  // Not for use outside.
  start: [],
  candidate: [],
  broken: [],
  left: [],
};

/** The functions of an object or class, by name. */
function functionsOf(object: object): string[] {
  return Object.getOwnPropertyNames(object)
    .filter((name) => name !== "constructor" && name !== "prototype")
    .filter((name) => typeof Object.getOwnPropertyDescriptor(object, name)?.value === "function");
}

const classes: ReadonlySet<unknown> = new Set([api.NodeId, api.RecordKey, api.DswarmError]);

async function assertRefused(
  of: string,
  functionNames: readonly string[],
  table: Table,
  object: object,
): Promise<void> {
  assert.deepEqual(Object.keys(table).toSorted(), functionNames.toSorted(), `all functions of ${of} are in the table`);
  for (const [name, calls] of Object.entries(table)) {
    for (const [index, call] of calls.entries()) {
      const refused = async (): Promise<unknown> => await call(object as never);
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof TypeError, `${of}.${name}, wrong call ${index}: ${String(error)}`);
        // Its own words: not what the engine says of something that is no function.
        assert.match(
          error.message,
          /: (expected|there is no option|not an IPv4)/,
          `${of}.${name}, wrong call ${index}`,
        );
        return true;
      });
    }
  }
}

test("every function of the API refuses arguments of a wrong type by a TypeError", async (t) => {
  const node = await startNode(t, { discovery: false });
  const exported = Object.entries(api).filter(([, value]) => typeof value === "function" && !classes.has(value));
  const names = exported.map(([name]) => name);
  await assertRefused("dswarm", names, functions, api);
  await assertRefused("NodeId", functionsOf(api.NodeId), nodeIdStatics, api.NodeId);
  await assertRefused("NodeId", functionsOf(api.NodeId.prototype), nodeIdMethods, id);
  await assertRefused("RecordKey", functionsOf(api.RecordKey), recordKeyStatics, api.RecordKey);
  await assertRefused("RecordKey", functionsOf(api.RecordKey.prototype), recordKeyMethods, key);
  await assertRefused("DswarmNode", functionsOf(Object.getPrototypeOf(node)), nodeMethods, node);
  await assertRefused("Dht", functionsOf(Object.getPrototypeOf(node.dht)), dhtMethods, node.dht);
  assert.equal(node.isServing(EchoService.typeName), undefined);
  assert.equal(node.dht.store.size, 0);
});

test("a small sequence is one whether it is a number or a bigint; others are out of range", async (t) => {
  const { dht } = await startNode(t, { discovery: false });
  assert.equal((await dht.update(bytes)).sequence, 1n);
  assert.equal((await dht.update(bytes, { expectedSequence: 1 })).sequence, 2n);
  assert.equal((await dht.update(bytes, { expectedSequence: 2n })).sequence, 3n);
  await assert.rejects(dht.update(bytes, { expectedSequence: 1 }), { code: "record_conflict" });
  assert.equal((await dht.delete({ expectedSequence: 3 })).sequence, 4n);
  for (const expectedSequence of [1.5, NaN, Infinity, 2 ** 53, -1, -1n]) {
    await assert.rejects(dht.update(bytes, { expectedSequence }), RangeError);
  }
});
