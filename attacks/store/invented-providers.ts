// The list of providers of a service, filled with strangers: invented ones on one connection, or real ones that crashed.
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { Attack } from "../attack.ts";
import type { Attacker } from "../lib/attacker.ts";
import { acquainted, deadProvider, hourOf } from "./records.ts";

const strangers = 64;

/** An honest node provides the service, and another one finds and calls it. */
async function checkHonestProvider(attacker: Attacker, key: RecordKey): Promise<void> {
  const provider = await attacker.startNode();
  const caller = await attacker.startNode();
  await acquainted(attacker, [...attacker.nodes, provider.facts, caller.facts]);
  const provided = await provider.tell("provide").then(
    () => 1,
    () => 0,
  );
  attacker.check("honest provide", provided, { least: 1 });
  // The list is at the holders: those under attack.
  const { text } = await attacker.owner(`/api/providers/${key.toHex()}`);
  attacker.check("honest provider found", text.includes(provider.facts.id) ? 1 : 0, { least: 1 });
  const answer = await caller.tell("callProviders", 60_000);
  attacker.check("call by service answered", answer === "ok" ? 1 : 0, { least: 1 });
}

const common = {
  nodes: [{}, {}],
  limits: { slowdown: 100, p99FloorMs: 1000, ownerMs: 2000 },
  testScale: 1,
} satisfies Partial<Attack>;

export const inventedProviders: Attack = {
  ...common,
  name: "invented-providers",
  does: "One connection stores 64 provider records of invented keys under a service's key with each of two nodes.",
  promise: "An honest provider still finds room, is found and is called.",
  spends: { megabytes: 1, connections: 2, seconds: 90 },
  async run(attacker) {
    const key = RecordKey.ofName(EchoService.typeName);
    const records = Array.from({ length: strangers }, () => hourOf(deadProvider(generateKeyPair(), key)));
    for (const node of attacker.nodes) {
      const client = (await attacker.peer({ node })).client(DhtService);
      await Promise.allSettled(records.map((record) => client.store({ record })));
      attacker.count(strangers * 250);
    }
    await checkHonestProvider(attacker, key);
  },
};

export const crashedProviders: Attack = {
  ...common,
  name: "crashed-providers",
  does: "64 providers, each by its own connection, list themselves and are gone, as after a crash.",
  promise: "A provider that lives still finds room, is found and is called.",
  spends: { megabytes: 1, connections: 128, seconds: 90 },
  async run(attacker) {
    const key = RecordKey.ofName(EchoService.typeName);
    for (let i = 0; i < strangers && !attacker.isOver; i++) {
      const keys = generateKeyPair();
      for (const node of attacker.nodes) {
        const peer = await attacker.peer({ node, keys });
        await peer
          .client(DhtService)
          .store({ record: hourOf(deadProvider(keys, key)) })
          .catch(() => undefined);
        attacker.count(250);
        peer.close();
      }
    }
    await checkHonestProvider(attacker, key);
  },
};
