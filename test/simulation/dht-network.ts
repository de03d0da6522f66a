// A small simulated network of the daemon's DHT, for tests that look into its nodes.
import assert from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { FindNodeRequestSchema, type RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { Dht } from "../../src/dht/dht.ts";
import type { DhtPeers } from "../../src/dht/dht-peers.ts";
import type { DhtOptions } from "../../src/dht/options.ts";
import type { KeyPair } from "../../src/identity/keys.ts";
import type { NodeId } from "../../src/identity/node-id.ts";
import { createSimulatedDhts } from "../../src/testbed/create-simulated-dht.ts";
import type { Endpoint } from "../../src/testbed/endpoint.ts";
import { lognormalLatency } from "../../src/testbed/latency.ts";
import { SimulatedNetwork } from "../../src/testbed/network.ts";
import { Population, type SimulatedNode } from "../../src/testbed/population.ts";
import type { PeerAnswers } from "../../src/testbed/rpc-method.ts";
import { inParallel, runUntil, sleep } from "../../src/testbed/run.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";

/** A node. */
export interface NetworkNode {
  readonly dht: Dht;
  readonly keys: KeyPair;
  readonly endpoint: Endpoint;
  /** What it answers as long as it is honest. */
  readonly honest: PeerAnswers;
}

/** Nodes that have joined one another. */
export interface DhtNetwork {
  readonly nodes: readonly NetworkNode[];
  readonly clock: VirtualClock;
  /** Runs simulated time until a promise settles. */
  run<T>(work: Promise<T>): Promise<T>;
  sleep(ms: number): Promise<void>;
  /** A new node joins, by any nodes or by those given. */
  join(by?: readonly NetworkNode[]): Promise<NetworkNode>;
  /** What each node comes to, one after the other. */
  each<T>(nodes: readonly NetworkNode[], ask: (node: NetworkNode) => Promise<T>): Promise<T[]>;
}

/** These nodes answer records, whatever they were given, and say that they keep, and have passed on, what they forget. */
export function lie(liars: readonly NetworkNode[], records: readonly MessageInitShape<typeof RecordSchema>[]): void {
  for (const { endpoint, honest } of liars) {
    endpoint.serve({
      ping: (request, caller) => honest.ping(request, caller),
      findNode: (request, caller) => honest.findNode(request, caller),
      findValue: async ({ key: target }, caller) => {
        const { contacts = [] } = await honest.findNode(create(FindNodeRequestSchema, { target }), caller);
        return { contacts, records: [...records] };
      },
      store: ({ forwardTo }) => ({ keptBy: forwardTo }),
    });
  }
}

/**
 * Forms a network.
 * @param isConnected whether two nodes can call each other without a connection to be made @default all can
 */
export async function dhtNetwork(
  count: number,
  seed: number,
  options: DhtOptions = {},
  isConnected?: (one: NodeId, other: NodeId) => boolean,
): Promise<DhtNetwork> {
  const clock = new VirtualClock(seed);
  const network = new SimulatedNetwork({ clock, latency: lognormalLatency(20) });
  const createDht = createSimulatedDhts(options);
  const keyPairs = new Map<string, KeyPair>();
  const population = new Population(network, (init) => {
    const { peers, keys } = init;
    keyPairs.set(keys.id.toString(), keys);
    if (isConnected === undefined) return createDht(init);
    const partly: DhtPeers = {
      isConnected: ({ id }) => isConnected(keys.id, id),
      ping: (...call) => peers.ping(...call),
      findNode: (...call) => peers.findNode(...call),
      findValue: (...call) => peers.findValue(...call),
      store: (...call) => peers.store(...call),
    };
    return createDht({ ...init, peers: partly });
  });
  const run = <T>(work: Promise<T>): Promise<T> => runUntil(clock, work);
  await run(population.create());
  await run(inParallel(count - 1, 8, async () => void (await population.join())));
  const view = ({ dht, endpoint }: SimulatedNode): NetworkNode => {
    assert.ok(dht instanceof Dht && dht.answers !== undefined);
    const keys = keyPairs.get(dht.id.toString());
    assert.ok(keys !== undefined);
    return { dht, keys, endpoint, honest: dht.answers };
  };
  const nodes = population.nodes.map(view);
  return {
    nodes,
    clock,
    run,
    sleep: (ms) => run(sleep(clock, ms)),
    async join(by) {
      const node = view(await run(by === undefined ? population.join() : population.create()));
      if (by !== undefined) await run(node.dht.bootstrap(by.map(({ endpoint }) => endpoint.contact)));
      nodes.push(node);
      return node;
    },
    async each<T>(some: readonly NetworkNode[], ask: (node: NetworkNode) => Promise<T>) {
      const results: T[] = [];
      for (const node of some) results.push(await run(ask(node)));
      return results;
    },
  };
}
