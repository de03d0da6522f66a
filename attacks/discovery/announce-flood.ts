// More strangers than the table of peers holds, all with good signatures.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { encodeAnnounce, networkIdOf } from "../../src/discovery/announce.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { Attack } from "../attack.ts";
import type { Attacker } from "../lib/attacker.ts";

const strangers = 4200;
const group = "239.255.255.19";

/** Counts the announces in which a node names its port. */
async function countAnnounces(attacker: Attacker, idBytes: Buffer): Promise<() => number> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  socket.bind(attacker.udpPort);
  await once(socket, "listening");
  socket.addMembership(group, "127.0.0.1");
  let count = 0;
  socket.on("message", (packet) => {
    if (packet.includes(idBytes)) count += 1;
  });
  attacker.atEnd(() => socket.close());
  return () => count;
}

export const announceFlood: Attack = {
  name: "announce-flood",
  does: "4,200 strangers announce themselves with good signatures within 2.5 s, from one port, and never again.",
  promise: "Unproven peers give way: a newcomer is found, and the pace of announces stays that of the proven swarm.",
  spends: { megabytes: 2, connections: 0, seconds: 30 },
  testScale: 0.5,
  async run(attacker) {
    const networkId = networkIdOf(attacker.networkKey);
    const idBytes = Buffer.from(attacker.node.id.slice(1), "base64");
    const announces = await countAnnounces(attacker, idBytes);
    const flood = function* (): Generator<Uint8Array> {
      for (let i = 0; i < attacker.scaled(strangers); i++) {
        const content = { port: 9, addresses: [], certificateSha256: undefined, epochMs: Date.now(), leaving: false };
        yield encodeAnnounce(content, networkId, generateKeyPair());
      }
    };
    await attacker.datagrams(flood(), 1700);
    const before = announces();
    const newcomer = await attacker.startNode();
    const startedAt = performance.now();
    const knows = async (): Promise<boolean> =>
      (await attacker.owner("/api/ping?ids=" + encodeURIComponent(newcomer.facts.id))).text.includes('"ok":true');
    const found = await attacker.until(knows, 15_000);
    await attacker.pause(attacker.scaledMs(10_000) - (performance.now() - startedAt));
    attacker.check("newcomers found", found ? 1 : 0, { least: 1 });
    // Nodes here announce every second, give or take 20 %.
    attacker.check("announces of the node in 10 s", announces() - before, { least: attacker.scaled(4) });
  },
};
