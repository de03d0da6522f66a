import assert from "node:assert/strict";
import { test } from "node:test";
import { channelDefaults, networkKeyOf } from "../../../src/channel/options.ts";
import { discoveryDefaults } from "../../../src/discovery/options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { type NodeOptions, nodeDefaults, resolveNodeOptions } from "../../../src/node/options.ts";
import { rpcDefaults } from "../../../src/rpc/params.ts";

const { id } = generateKeyPair();

test("the defaults are a node of the network dev on loopback", () => {
  const config = resolveNodeOptions();
  const { network, host, port, maxPeers, maxSpareConnections, dataDir, keys, bootstrap } = config;
  const { replaceDamaged, unprovenDialsPerSecond, unprovenDialsPerHostPerSecond } = config;
  const { maxProvidersTried, providerSearchMs } = config;
  assert.deepEqual(
    {
      network,
      host,
      port,
      discovery: true,
      maxPeers,
      maxSpareConnections,
      replaceDamaged,
      unprovenDialsPerSecond,
      // On loopback all are one machine.
      unprovenDialsPerHostPerSecond: 8,
      maxProvidersTried,
      providerSearchMs,
    },
    nodeDefaults,
  );
  assert.equal(unprovenDialsPerHostPerSecond, unprovenDialsPerSecond);
  assert.equal(resolveNodeOptions({ host: "192.0.2.1" }).unprovenDialsPerHostPerSecond, 8);
  assert.deepEqual([dataDir, keys, bootstrap], [undefined, undefined, []]);
  assert.deepEqual(config.networkKey, networkKeyOf("dev"));
  assert.deepEqual(config.discovery, discoveryDefaults);
  // On loopback the share of an address is the whole.
  assert.deepEqual(config.rpc, { ...rpcDefaults, maxHeldBytesPerAddress: rpcDefaults.maxHeldBytes });
  assert.deepEqual(resolveNodeOptions({ host: "192.0.2.1" }).rpc, rpcDefaults);
  assert.equal(config.authorize(id), true);
  assert.ok(Object.isFrozen(config));
});

test("on loopback, where all have one address, the caps of one address are those of all", () => {
  const { maxHalfOpen, maxConnections } = channelDefaults;
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost"]) {
    const { channel } = resolveNodeOptions({ host });
    assert.deepEqual([channel.maxHalfOpenPerAddress, channel.maxConnectionsPerAddress], [maxHalfOpen, maxConnections]);
  }
  const given = { maxHalfOpen: 7, maxConnections: 9, maxHalfOpenPerAddress: 3 };
  const { channel } = resolveNodeOptions({ channel: given });
  assert.deepEqual([channel.maxHalfOpenPerAddress, channel.maxConnectionsPerAddress], [3, 9]);
  assert.deepEqual(resolveNodeOptions({ host: "0.0.0.0" }).channel, channelDefaults);
});

test("discovery takes the host and the bound on peers from the node, and can be off", () => {
  const { discovery } = resolveNodeOptions({ host: "192.0.2.1", maxPeers: 9, discovery: { intervalMs: 100 } });
  assert.deepEqual(discovery, { ...discoveryDefaults, host: "192.0.2.1", maxPeers: 9, intervalMs: 100 });
  assert.equal(resolveNodeOptions({ discovery: { maxPeers: 5 } }).discovery?.maxPeers, 5);
  assert.deepEqual(resolveNodeOptions({ discovery: true }).discovery, discoveryDefaults);
  assert.equal(resolveNodeOptions({ discovery: false }).discovery, undefined);
});

test("a network key is copied, and used instead of that of the name", () => {
  const networkKey = new Uint8Array(32).fill(1);
  const config = resolveNodeOptions({ network: "x", networkKey });
  networkKey.fill(2);
  assert.deepEqual(config.networkKey, new Uint8Array(32).fill(1));
});

test("bootstrap addresses are read", () => {
  const { bootstrap } = resolveNodeOptions({ bootstrap: [`dswarm://${id.toHex()}@[::1]:7`] });
  assert.deepEqual(
    bootstrap.map(({ host, port }) => ({ host, port })),
    [{ host: "::1", port: 7 }],
  );
  assert.ok(bootstrap[0]?.id.equals(id));
});

const outOfRange: readonly NodeOptions[] = [
  { network: "" },
  { network: "x".repeat(256) },
  { network: "é".repeat(128) },
  { networkKey: new Uint8Array(31) },
  { networkKey: new Uint8Array(33) },
  { port: -1 },
  { port: 65_536 },
  { port: 1.5 },
  { port: Number.NaN },
  { maxPeers: 0 },
  { maxPeers: 1_000_001 },
  { maxPeers: 10, discovery: { maxPeers: 11 } },
  { discovery: { intervalMs: 1 } },
  { channel: { maxConnections: 0 } },
  { rpc: { keepaliveIntervalMs: 0 } },
];

for (const options of outOfRange) {
  test(`a RangeError for ${JSON.stringify(options).slice(0, 60)}`, () => {
    assert.throws(() => resolveNodeOptions(options), RangeError);
  });
}

test("values at the edges of their ranges are taken", () => {
  resolveNodeOptions({ network: "x", port: 65_535, maxPeers: 1 });
  resolveNodeOptions({ network: "x".repeat(255), port: 0, maxPeers: 1_000_000 });
});

const ofWrongType: readonly object[] = [
  { network: 7 },
  { networkKey: "x".repeat(32) },
  { host: "" },
  { dataDir: "" },
  { authorize: "everybody" },
  { discovery: { group: "127.0.0.1" } },
];

for (const options of ofWrongType) {
  test(`a TypeError for ${JSON.stringify(options).slice(0, 60)}`, () => {
    assert.throws(() => resolveNodeOptions(options), TypeError);
  });
}

test("bootstrap addresses that cannot be read are refused with their error", () => {
  assert.throws(() => resolveNodeOptions({ bootstrap: ["localhost:1"] }), { code: "address_invalid" });
  assert.throws(() => resolveNodeOptions({ bootstrap: ["dswarm://x@localhost:1"] }), { code: "node_id_invalid" });
});
