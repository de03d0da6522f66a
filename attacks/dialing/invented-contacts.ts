// Peers whose answers name contacts that do not exist, all at one port: does a lookup connect there for each of them?
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { Attack } from "../attack.ts";
import { Bystander } from "./bystander.ts";
import { createLiar, introduce } from "./liar.ts";

const liars = 4;
const contacts = 30;
const perNode = 20;
const lookups = 20;

export const inventedContacts: Attack = {
  name: "invented-contacts",
  does: "4 peers answer every FindNode and FindValue with 30 new invented contacts at the port of a bystander.",
  promise: "Limits of dialing are those of an endpoint: a node makes at most 20 connections to it in 60 s.",
  spends: { megabytes: 5, connections: 20, seconds: 25 },
  nodes: [{ discovery: false }],
  testScale: 0.2,
  async run(attacker) {
    await using bystander = await Bystander.start();
    const invented = () => ({
      contacts: Array.from({ length: contacts }, (_, i) => ({
        id: generateKeyPair().id.bytes,
        addresses: [`127.0.0.${1 + (i % 4)}:${bystander.port}`],
      })),
    });
    for (let i = 0; i < liars; i++) {
      const liar = await createLiar(attacker.network, {
        findNode: invented,
        findValue: () => ({ ...invented(), records: [] }),
        store: () => ({}),
      });
      attacker.atEnd(() => liar.abort());
      await introduce(liar, attacker.node);
    }
    await attacker.until(async () => (await attacker.owner("/api/buckets")).text.includes('"id"'), 10_000);
    for (let i = 0; i < attacker.scaled(lookups) && !attacker.isOver; i++) {
      const target = generateKeyPair().id.toHex();
      await attacker.owner(`/api/lookup/${target}`, { ms: 10_000 }).catch(() => undefined);
    }
    attacker.check("connections to the bystander", bystander.connections, { most: perNode });
  },
};
