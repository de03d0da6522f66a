// Announces with keys that nobody has, all at one port: does the swarm connect to that port in the attacker's place?
import { encodeAnnounce, networkIdOf } from "../../src/discovery/announce.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { Attack } from "../attack.ts";
import { Bystander } from "./bystander.ts";

const keys = 1000;
const nodes = 3;
/** Connections of each node in 60 s at most, and so in any shorter time. */
const perNode = 20;
const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];

export const inventedAnnounces: Attack = {
  name: "invented-announces",
  does: "1,000 announces of invented keys name one port of a bystander at four addresses; 20 s later they come again.",
  promise: "Each of three nodes makes at most 20 connections to the bystander in 60 s, whatever keys claim its port.",
  spends: { megabytes: 1, connections: 0, seconds: 40 },
  nodes: Array.from({ length: nodes }, () => ({})),
  testScale: 0.15,
  async run(attacker) {
    await using bystander = await Bystander.start();
    const networkId = networkIdOf(attacker.networkKey);
    const invented = Array.from({ length: attacker.scaled(keys) }, () => generateKeyPair());
    const announce = function* (epochMs: number): Generator<Uint8Array> {
      for (const each of invented) {
        const content = { port: bystander.port, addresses, certificateSha256: undefined, epochMs, leaving: false };
        yield encodeAnnounce(content, networkId, each);
      }
    };
    await attacker.datagrams(announce(Date.now()), 500);
    await attacker.pause(20_000 * Math.min(1, attacker.scaled(100) / 100));
    // Newer ones must not make the nodes forget that nobody answered.
    await attacker.datagrams(announce(Date.now()), 500);
    while (!attacker.isOver) await attacker.pause(1000);
    attacker.check("connections to the bystander", bystander.connections, { most: nodes * perNode });
  },
};
