// Providers of a service whose records are genuine and whose addresses are those of a bystander.
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { createProvider } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { Attack } from "../attack.ts";
import { acquainted, hourOf } from "../store/records.ts";
import { Bystander } from "./bystander.ts";

const providers = 64;
const perNode = 20;
const calls = 5;

export const providerAddresses: Attack = {
  name: "provider-addresses",
  does: "64 keys store provider records of a service at the port of a bystander; another node calls that service by name.",
  promise: "Limits of dialing are those of an endpoint: a node makes at most 20 connections to it in 60 s.",
  spends: { megabytes: 1, connections: 1, seconds: 60 },
  limits: { slowdown: 100, p99FloorMs: 1000 },
  testScale: 0,
  async run(attacker) {
    await using bystander = await Bystander.start();
    const key = RecordKey.ofName(EchoService.typeName);
    const peer = await attacker.peer();
    for (let i = 0; i < providers; i++) {
      const addresses = Array.from({ length: 4 }, (_, at) => ({ host: `127.0.0.${at + 1}`, port: bystander.port }));
      const record = createProvider({ keys: generateKeyPair(), key, addresses, sequence: 1n });
      // A holder may refuse some of them.
      await peer
        .client(DhtService)
        .store({ record: hourOf(record) })
        .catch(() => undefined);
    }
    const caller = await attacker.startNode();
    await acquainted(attacker, [attacker.node, caller.facts]);
    for (let i = 0; i < attacker.scaled(calls) && !attacker.isOver; i++) await caller.tell("callProviders", 60_000);
    attacker.check("connections to the bystander", bystander.connections, { most: perNode });
  },
};
