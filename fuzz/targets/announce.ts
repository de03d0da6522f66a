// Datagrams: as they come, and as a stranger with a key of its own signs them.
import { create, toBinary } from "@bufbuild/protobuf";
import { SignedAnnounceSchema } from "../../gen/dswarm/v1/announce_pb.ts";
import { networkKeyOf } from "../../src/channel/options.ts";
import { encodeAnnounce, maxPacketBytes, networkIdOf } from "../../src/discovery/announce.ts";
import { resolveDiscoveryOptions } from "../../src/discovery/options.ts";
import { Receiver } from "../../src/discovery/receiver.ts";
import { keyPairFromSeed, sign } from "../../src/identity/keys.ts";
import { Counters } from "../../src/util/counters.ts";
import { silentLogger } from "../../src/util/log.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";
import type { FuzzTarget } from "../engine/target.ts";

const networkId = networkIdOf(networkKeyOf("dev"));
const stranger = keyPairFromSeed(new Uint8Array(32).fill(7));
const listener = keyPairFromSeed(new Uint8Array(32).fill(8));
const domain = Buffer.from("dswarm-announce-v1\0", "ascii");

const content = {
  port: 4711,
  addresses: ["192.0.2.1", "2001:db8::1"],
  certificateSha256: new Uint8Array(32).fill(1),
  epochMs: 1_700_000_000_000,
  leaving: false,
};

/** The first byte says whether the rest is the packet, or the announce in it, which is then signed. */
function packetOf(input: Uint8Array): Uint8Array {
  const rest = input.subarray(1);
  if (((input[0] ?? 0) & 1) === 0) return rest;
  const signature = sign(Buffer.concat([domain, rest]), stranger);
  return toBinary(SignedAnnounceSchema, create(SignedAnnounceSchema, { announce: rest, signature }));
}

export const announce: FuzzTarget = {
  name: "announce",
  description: "UDP datagrams of the multicast group",
  maxBytes: maxPacketBytes + 16,
  covers: ["src/discovery/", "src/identity/"],
  seeds: () => {
    const packet = encodeAnnounce(content, networkId, stranger);
    const leaving = encodeAnnounce({ ...content, addresses: [], leaving: true, epochMs: 2 }, networkId, stranger);
    return [packet, leaving].flatMap((one) => [
      Uint8Array.from([0, ...one]),
      Uint8Array.from([1, ...one.subarray(one[1] === undefined || one[1] < 0x80 ? 2 : 3, -66)]),
    ]);
  },
  dictionary: [
    networkId,
    stranger.id.bytes,
    listener.id.bytes,
    Buffer.from("127.0.0.1"),
    Buffer.from("::ffff:1.2.3.4"),
  ],
  run: (input) => {
    const clock = new VirtualClock();
    const receiver = new Receiver(resolveDiscoveryOptions({ host: "127.0.0.1" }), clock);
    const counters = new Counters();
    const membership = receiver.join(networkId, {
      id: listener.id,
      counters,
      logger: silentLogger,
      onPeer: () => undefined,
      onLeave: () => undefined,
      onNewcomer: () => undefined,
    });
    const packet = packetOf(input);
    for (const port of [1, 2]) receiver.receive(packet, { address: "127.0.0.1", port });
    if (membership.size() > 1) throw new Error("one key is one peer");
    membership.leave();
  },
};
