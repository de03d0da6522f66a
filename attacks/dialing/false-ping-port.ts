// A Ping says on which port its sender serves the DHT. Here that is the port of somebody else, and the sender answers for it
// on the connection that it has made itself.
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { Attack } from "../attack.ts";
import { Bystander } from "./bystander.ts";

const connections = 60;
const perNode = 20;

export const falsePingPort: Attack = {
  name: "false-ping-port",
  does: "60 connections of fresh keys send a Ping with the port of a bystander every second, and answer the node's own Pings.",
  promise: "A port counts when its key has been proven there: none of them enters the table or an answer.",
  spends: { megabytes: 1, connections: 61, seconds: 20 },
  testScale: 0.3,
  async run(attacker) {
    await using bystander = await Bystander.start();
    const { port } = bystander;
    const clients = [];
    for (let i = 0; i < attacker.scaled(connections); i++) {
      const peer = await attacker.peer({}, { ping: ({ nonce }) => ({ nonce }), findNode: () => ({}) });
      clients.push(peer.client(DhtService));
    }
    const asker = (await attacker.peer()).client(DhtService);
    const isNamed = (address: string): boolean => address.endsWith(`:${port}`);
    let told = 0;
    while (!attacker.isOver) {
      await Promise.allSettled(clients.map((client) => client.ping({ nonce: new Uint8Array(8), port })));
      attacker.count(clients.length * 60);
      const { contacts } = await asker.findNode({ target: generateKeyPair().id.bytes });
      told = Math.max(told, contacts.filter(({ addresses }) => addresses.some(isNamed)).length);
      await attacker.pause(1000);
    }
    const { text } = await attacker.owner("/api/buckets");
    attacker.check("in the table", text.split(`:${port}"`).length - 1, { most: 0 });
    attacker.check("in answers", told, { most: 0 });
    attacker.check("connections to the bystander", bystander.connections, { most: perNode });
  },
};
