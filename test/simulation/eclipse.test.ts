// Keys ground near a target: what those who hold some of the closest places to a key can take away, and what not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contactToMessage } from "../../src/dht/contact.ts";
import type { LookupEvent } from "../../src/dht/lookup-event.ts";
import type { DhtOptions } from "../../src/dht/options.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { inventId } from "../../src/testbed/byzantine.ts";
import { createSimulatedDhts } from "../../src/testbed/create-simulated-dht.ts";
import type { Endpoint } from "../../src/testbed/endpoint.ts";
import { constantLatency } from "../../src/testbed/latency.ts";
import { SimulatedNetwork } from "../../src/testbed/network.ts";
import { Population } from "../../src/testbed/population.ts";
import { inParallel, runUntil, sleep } from "../../src/testbed/run.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";
import { dhtNetwork } from "./dht-network.ts";

const honestNodes = 80;
const gets = 40;
const settleMs = 60_000;
const forever = new AbortController().signal;
const routing: NonNullable<DhtOptions["routing"]> = {};

interface Attack {
  /** Keys closer to the target than any honest one. */
  readonly ground: number;
  /** Whether the value was put before they came. */
  readonly isPutBefore: boolean;
  readonly routing?: NonNullable<DhtOptions["routing"]>;
  /** Where all of the attacker's nodes are; by default each has a host of its own. */
  readonly host?: string;
}

/** The share of honest nodes' gets that find a value though ground keys surround it. */
async function shareFound({ ground, isPutBefore, routing: settings = routing, host }: Attack): Promise<number> {
  const clock = new VirtualClock(19);
  const network = new SimulatedNetwork({ clock, latency: constantLatency(10) });
  const population = new Population(network, createSimulatedDhts({ routing: settings }));
  await runUntil(clock, population.create());
  await runUntil(
    clock,
    inParallel(honestNodes - 1, 8, async () => void (await population.join())),
  );
  const value = clock.randomBytes(100);
  // The attacker knows what will be put.
  const key = RecordKey.ofValue(value);
  const put = () => runUntil(clock, population.randomHonest().dht.put(value));
  if (isPutBefore) await put();
  await surround(clock, network, population, key.bytes, ground, host);
  if (!isPutBefore) await put();
  let found = 0;
  await runUntil(
    clock,
    inParallel(gets, 4, async () => {
      if ((await population.randomHonest().dht.get(key)) !== undefined) found += 1;
    }),
  );
  await runUntil(clock, population.close());
  return found / gets;
}

/** Nodes close to a target that tell of one another only, have no value, and forget what they say they keep. */
async function surround(
  clock: VirtualClock,
  network: SimulatedNetwork,
  population: Population,
  target: Uint8Array,
  count: number,
  host?: string,
): Promise<void> {
  const ground: Endpoint[] = Array.from({ length: count }, (_, i) =>
    network.attach(inventId(clock, target), host === undefined ? undefined : { host, port: 5000 + i }),
  );
  const contacts = ground.map(({ contact }) => contactToMessage(contact));
  for (const endpoint of ground) {
    endpoint.serve({
      ping: ({ nonce }) => ({ nonce }),
      findNode: () => ({ contacts }),
      findValue: () => ({ contacts }),
      store: () => ({}),
    });
  }
  // Each makes itself known to all.
  const pings = ground.flatMap((endpoint) =>
    population.nodes.map(({ contact }) => endpoint.ping(contact, { port: endpoint.address.port }, forever)),
  );
  await runUntil(clock, Promise.all(pings));
  await runUntil(clock, sleep(clock, settleMs));
}

test("fewer ground keys than replicas take no value away, whether it was put before or after they came", async () => {
  for (const isPutBefore of [true, false]) {
    assert.equal(await shareFound({ ground: 10, isPutBefore }), 1, `put before: ${isPutBefore}`);
  }
});

test("where ground keys take all of the closest places, those who held a value are still met, on disjoint paths by most", async () => {
  const attack = { ground: 25, isPutBefore: true };
  const one = await shareFound({ ...attack, routing: { disjointPaths: 1 } });
  const four = await shareFound({ ...attack, routing: { disjointPaths: 4 } });
  assert.ok(one > 0.5 && four > 0.9 && four >= one, `found by ${one} on one path, ${four} on four`);
});

test("one host, whatever keys it grinds, has its share of tables and no more: what it surrounds is put and got all the same", async () => {
  const attack = { ground: 40, isPutBefore: false, host: "10.99.0.1" };
  const unbounded = await shareFound(attack);
  const bounded = await shareFound({ ...attack, routing: { maxPerHost: 2, maxPerHostInTable: 8 } });
  assert.ok(unbounded < 0.5 && bounded === 1, `found by ${unbounded} without bounds, ${bounded} with them`);
});

test("only who is on this machine can send a node to this machine", async () => {
  const network = await dhtNetwork(12, 51);
  const [node, liar] = network.nodes;
  assert.ok(node !== undefined && liar !== undefined);
  const { clock } = network;
  const target = clock.randomBytes(32);
  const near = (addresses: string[]) => ({ id: inventId(clock, target).bytes, addresses });
  liar.endpoint.serve({
    ping: ({ nonce }) => ({ nonce }),
    findNode: () => ({ contacts: [near(["127.0.0.1:22"]), near(["[::1]:22", "127.0.0.9:80"]), near(["10.9.9.9:1"])] }),
    findValue: () => ({}),
    store: () => ({}),
  });
  const asked = new Set<string>();
  const onEvent = (event: LookupEvent): void => {
    if (event.type === "asked") for (const { host } of event.contact.addresses) asked.add(host);
  };
  await network.run(node.dht.lookup(target, { onEvent }));
  assert.ok(asked.has("10.9.9.9"), "what the liar tells is followed");
  for (const host of asked) assert.match(host, /^10\./);
});
