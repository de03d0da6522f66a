// Discovery: which announces are heeded. After each packet that is to be dropped comes a good one of somebody else: when that
// one is known, the other has been judged.
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { AnnounceSchema } from "../../gen/dswarm/v1/announce_pb.ts";
import { networkKeyOf } from "../../src/channel/options.ts";
import { type AnnounceContent, encodeAnnounce, networkIdOf } from "../../src/discovery/announce.ts";
import { discoveryDefaults } from "../../src/discovery/options.ts";
import { generateKeyPair, type KeyPair, sign } from "../../src/identity/keys.ts";
import { base64, type CaseContext, group } from "../case.ts";
import { type Sign, signWithSmallOrderR } from "../forged-proofs.ts";
import { until } from "../until.ts";

const now = Date.now();
const dayMs = 86_400_000;
/** So long a peer that is silent is kept: 3.5 intervals of 5 s in a small swarm. */
const expiryMs = 17_500;

function announce(network: string, keys: KeyPair, content: Partial<AnnounceContent> = {}): Buffer {
  const all = { port: 4000, addresses: [], certificateSha256: undefined, epochMs: now, leaving: false, ...content };
  return Buffer.from(encodeAnnounce(all, networkIdOf(networkKeyOf(network)), keys));
}

const announceDomain = "dswarm-announce-v1\0";

/** A packet of any fields, signed in any way under any domain. */
function forged(
  network: string,
  keys: KeyPair,
  fields: object,
  domain = announceDomain,
  signAnnounce: Sign = sign,
): Buffer {
  const bytes = toBinary(
    AnnounceSchema,
    create(AnnounceSchema, {
      version: 1,
      networkId: networkIdOf(networkKeyOf(network)),
      publicKey: keys.id.bytes,
      port: 4000,
      epochMs: BigInt(now),
      ...fields,
    }),
  );
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  const signature = signAnnounce(Buffer.concat([Buffer.from(domain), bytes]), keys);
  return Buffer.concat([Buffer.of(0x0a, ...length), bytes, Buffer.of(0x12, 64), signature]);
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

/** A program that listens for announces, and a sender of any. */
class Ether {
  readonly udpPort: number;
  readonly #context: CaseContext;
  readonly #socket: Socket;
  readonly #discovery: string;

  private constructor(context: CaseContext, socket: Socket, udpPort: number, discovery: string) {
    this.#context = context;
    this.#socket = socket;
    this.udpPort = udpPort;
    this.#discovery = discovery;
  }

  static async open(context: CaseContext): Promise<Ether> {
    const udpPort = await freeUdpPort();
    const socket = createSocket("udp4").bind(0);
    await once(socket, "listening");
    socket.setMulticastInterface("127.0.0.1");
    socket.setMulticastTTL(0);
    context.after(async () => void socket.close());
    const { discovery } = await context.program.request("discover", { network: context.network, udpPort });
    context.after(() => context.program.request("close", { discovery }));
    return new Ether(context, socket, udpPort, String(discovery));
  }

  async send(packet: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(packet, this.udpPort, discoveryDefaults.group, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Addresses of a peer, as the program knows it. */
  async addresses(keys: Pick<KeyPair, "id">): Promise<string[] | undefined> {
    const { peers } = await this.#context.program.request("peers", { discovery: this.#discovery });
    const id = base64(keys.id.bytes);
    return (peers as { id: string; addresses: string[] }[]).find((peer) => peer.id === id)?.addresses;
  }

  /** Sends a good announce, again and again, until its peer is known. */
  async becomesKnown(keys: KeyPair, packet: Uint8Array, onSend?: () => void): Promise<void> {
    let sentAt = 0;
    await until("the peer is known", async () => {
      if (performance.now() - sentAt > 200) {
        sentAt = performance.now();
        onSend?.();
        await this.send(packet);
      }
      return (await this.addresses(keys)) !== undefined;
    });
  }

  /** All that was sent before has been judged when this is done. */
  async judged(): Promise<void> {
    const keys = generateKeyPair();
    await this.becomesKnown(keys, announce(this.#context.network, keys));
  }
}

/** A packet of a stranger that makes nobody known. */
function dropped(make: (network: string, keys: KeyPair) => Uint8Array) {
  return async (context: CaseContext): Promise<void> => {
    const ether = await Ether.open(context);
    // When somebody is known, the program listens.
    await ether.judged();
    const keys = generateKeyPair();
    await ether.send(make(context.network, keys));
    await ether.judged();
    assert.equal(await ether.addresses(keys), undefined);
  };
}

/** Cases of announces. */
export const announceCases = group("announces", ["discovery"], {
  node: async (context) => {
    const ether = await Ether.open(context);
    const node = await context.node({ discovery: { udpPort: ether.udpPort, intervalMs: 100 } });
    const address = `127.0.0.1:${node.port}`;
    await until("the node is known", async () => (await ether.addresses(node))?.includes(address) === true);
  },
  good: async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    await ether.becomesKnown(keys, announce(context.network, keys, { port: 4321 }));
    assert.ok((await ether.addresses(keys))?.includes("127.0.0.1:4321"));
  },
  "bad-signature": dropped((network, keys) => {
    const packet = announce(network, keys);
    packet[packet.length - 40] = (packet.at(-40) ?? 0) ^ 1;
    return packet;
  }),
  "changed-content": dropped((network, keys) => {
    const [packet, other] = [announce(network, keys), announce(network, keys, { port: 4001 })];
    return Buffer.concat([packet.subarray(0, -64), other.subarray(-64)]);
  }),
  "without-domain": dropped((network, keys) => forged(network, keys, {}, "")),
  "r-of-small-order": dropped((network, keys) => forged(network, keys, {}, announceDomain, signWithSmallOrderR)),
  "other-network": dropped((network, keys) => announce(`${network}-another`, keys)),
  "other-version": dropped((network, keys) => forged(network, keys, { version: 2 })),
  "port-0": dropped((network, keys) => forged(network, keys, { port: 0 })),
  "epoch-0": dropped((network, keys) => forged(network, keys, { epochMs: 0n })),
  "listed-elsewhere": async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    const addresses = ["127.0.0.9", "192.0.2.1", "2001:db8::1"];
    await ether.becomesKnown(keys, announce(context.network, keys, { addresses }));
    // No handshake has proven the key: what it says of other machines makes nobody dial them.
    assert.deepEqual(await ether.addresses(keys), ["127.0.0.1:4000", "127.0.0.9:4000"]);
  },
  "five-addresses": dropped((network, keys) =>
    forged(network, keys, { addresses: ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] }),
  ),
  "multicast-address": dropped((network, keys) => forged(network, keys, { addresses: ["224.0.0.1"] })),
  "third-field": dropped((network, keys) => Buffer.concat([announce(network, keys), Buffer.from("1a00", "hex")])),
  "too-large": dropped((network, keys) => Buffer.concat([announce(network, keys), Buffer.alloc(400)])),
  "leaving-stranger": dropped((network, keys) => announce(network, keys, { leaving: true })),
  garbage: async (context) => {
    const ether = await Ether.open(context);
    for (const size of [0, 1, 2, 100, 512, 1400, 9000]) await ether.send(Buffer.alloc(size, 0x0a));
    await ether.judged();
  },
  stale: async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    await ether.becomesKnown(keys, announce(context.network, keys, { port: 4001 }));
    await ether.send(announce(context.network, keys, { port: 4002, epochMs: now - 1 }));
    await ether.send(announce(context.network, keys, { port: 4003, epochMs: now }));
    await ether.judged();
    assert.deepEqual(await ether.addresses(keys), ["127.0.0.1:4001"]);
  },
  newer: async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    await ether.becomesKnown(keys, announce(context.network, keys, { port: 4001 }));
    await ether.send(announce(context.network, keys, { port: 4002, epochMs: now + 1 }));
    await ether.judged();
    assert.ok((await ether.addresses(keys))?.includes("127.0.0.1:4002"));
  },
  // A clock that was far ahead locks its node out of nothing, and displaces no epoch that is sound.
  "day-ahead": async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    const ahead = Date.now() + 2 * dayMs;
    await ether.becomesKnown(keys, announce(context.network, keys, { port: 4001, epochMs: ahead }));
    await ether.send(announce(context.network, keys, { port: 4002, epochMs: now }));
    await ether.judged();
    assert.ok((await ether.addresses(keys))?.includes("127.0.0.1:4002"), "an epoch a day ahead wins for ever");
    await ether.send(announce(context.network, keys, { port: 4003, epochMs: ahead + 1 }));
    await ether.judged();
    assert.deepEqual(await ether.addresses(keys), ["127.0.0.1:4002"]);
  },
  "silent-peer": async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    let sentAt = 0;
    await ether.becomesKnown(keys, announce(context.network, keys), () => {
      sentAt = performance.now();
    });
    const isForgotten = async () => (await ether.addresses(keys)) === undefined;
    await until("the peer is forgotten", isForgotten, expiryMs + 8000);
    const keptMs = performance.now() - sentAt;
    assert.ok(keptMs >= expiryMs, `a peer that is silent is forgotten after ${Math.round(keptMs)} ms`);
  },
  leaving: async (context) => {
    const ether = await Ether.open(context);
    const keys = generateKeyPair();
    await ether.becomesKnown(keys, announce(context.network, keys));
    await ether.send(announce(context.network, keys, { leaving: true, epochMs: now + 1 }));
    await until("the peer is forgotten", async () => (await ether.addresses(keys)) === undefined);
  },
});
