// Announces that a test sends in a node's name, with its key.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { type AnnounceContent, encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import type { KeyPair } from "../../../src/identity/keys.ts";
import type { TestNetwork } from "./rig.ts";

/** Sends one announce to the multicast group on the loopback interface. */
export async function announceAs(
  keys: KeyPair,
  { network, discovery }: TestNetwork,
  content: Pick<AnnounceContent, "port"> & Partial<AnnounceContent>,
): Promise<void> {
  const packet = encodeAnnounce(
    { addresses: [], certificateSha256: undefined, epochMs: Date.now(), leaving: false, ...content },
    networkIdOf(networkKeyOf(network)),
    keys,
  );
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  socket.setMulticastTTL(0);
  await new Promise((sent) => socket.send(packet, discovery.udpPort, "239.255.255.19", sent));
  socket.close();
}
