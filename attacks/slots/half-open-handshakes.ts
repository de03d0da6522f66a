// Websockets on which the handshake begins and never ends.
import { randomBytes } from "node:crypto";
import { Handshake } from "../../src/channel/handshake.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import { NodeId } from "../../src/identity/node-id.ts";
import type { Attack } from "../attack.ts";
import { checkHandshakes } from "./handshakes.ts";

const connections = 300;
const handshakes = 12;

export const halfOpenHandshakes: Attack = {
  name: "half-open-handshakes",
  does: "300 websockets of one address send a genuine hello and then nothing, and are made again when they are closed.",
  promise: "The oldest unproven connection gives way: honest handshakes and the owner get through.",
  spends: { megabytes: 5, connections: 10_000, seconds: 12 },
  nodes: [{ host: "0.0.0.0", discovery: false }],
  // 300 TLS handshakes at once are half a second of work. Of an address that is not this machine's, fewer are taken.
  limits: { ownerMs: 1000 },
  testScale: 0.25,
  async run(attacker) {
    const { networkKey } = attacker;
    const remoteId = NodeId.parse(attacker.node.id);
    const hold = async (): Promise<void> => {
      while (!attacker.isOver) {
        const socket = await attacker.webSocket({ from: "127.0.0.66" }).catch(() => undefined);
        if (socket !== undefined) {
          const dialer = Handshake.dialer({ keys: generateKeyPair(), networkKey, seed: randomBytes(32), remoteId });
          socket.send(dialer.start().send ?? new Uint8Array());
          await new Promise((closed) => socket.once("close", closed));
        }
        await attacker.pause(100);
      }
    };
    for (let i = 0; i < connections; i++) void hold();
    await attacker.pause(attacker.scaledMs(2000));
    await checkHandshakes(attacker, handshakes);
  },
};
