// announces.json: packets of discovery.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AnnounceSchema } from "../../../gen/dswarm/v1/announce_pb.ts";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { keyPairFromSeed, sign } from "../../../src/identity/keys.ts";
import { bytesFor, hex, type VectorFile } from "./vector-file.ts";

const keys = keyPairFromSeed(bytesFor("dswarm vectors: an announcer"));
const networkId = networkIdOf(networkKeyOf("dev"));
const epochMs = 1_700_000_000_000;
const dayMs = 86_400_000;
const certificate = bytesFor("dswarm vectors: a certificate");
const domain = "dswarm-announce-v1\0";

type Fields = MessageInitShape<typeof AnnounceSchema>;

const base = { version: 1, networkId, publicKey: keys.id.bytes, port: 4000, epochMs: BigInt(epochMs) } satisfies Fields;

function announceBytes(fields: Fields = {}): Uint8Array {
  return toBinary(AnnounceSchema, create(AnnounceSchema, { ...base, ...fields }));
}

function signatureOf(announce: Uint8Array, ofDomain = domain): Uint8Array {
  return sign(Buffer.concat([Buffer.from(ofDomain), announce]), keys);
}

/** A length as a varint of two bytes at least where it is `long`. */
function length(value: number, long = value >= 0x80): number[] {
  return long ? [(value & 0x7f) | 0x80, value >> 7] : [value];
}

function wrap(announce: Uint8Array, signature = signatureOf(announce), long?: boolean): Buffer {
  const head = [0x0a, ...length(announce.length, long)];
  return Buffer.concat([Buffer.from(head), announce, Buffer.from([0x12, ...length(signature.length)]), signature]);
}

/** The announce with an unknown field that makes it that long. */
function padded(bytes: number): Uint8Array {
  const announce = announceBytes();
  const padding = bytes - announce.length - 3;
  return Buffer.concat([announce, Buffer.from([0x7a, ...length(padding, true)]), Buffer.alloc(padding)]);
}

type Case = VectorFile["cases"][number];
const listening = { network_id: hex(networkId), wall_ms: epochMs };

interface Good {
  readonly addresses?: readonly string[];
  readonly certificateSha256?: Uint8Array;
  readonly port?: number;
  readonly epochMs?: number;
  readonly leaving?: boolean;
}

function good(name: string, content: Good, extra: { heard?: string; wall_ms?: number } = {}): Case {
  const { addresses = [], certificateSha256, port = 4000, leaving = false } = content;
  const made = { addresses, certificateSha256, port, leaving, epochMs: content.epochMs ?? epochMs };
  return {
    name,
    packet: hex(encodeAnnounce(made, networkId, keys)),
    ...listening,
    ...extra,
    announce: {
      public_key: keys.id.toHex(),
      port,
      addresses,
      certificate_sha256: certificateSha256 && hex(certificateSha256),
      epoch_ms: made.epochMs,
      leaving,
    },
  };
}

function bad(name: string, error: string, packet: Uint8Array, extra: { heard?: string; wall_ms?: number } = {}): Case {
  return { name, packet: hex(packet), ...listening, ...extra, error };
}

function badFields(name: string, error: string, fields: Fields): Case {
  return bad(name, error, wrap(announceBytes(fields)));
}

function structure(): Case[] {
  const announce = announceBytes();
  const packet = wrap(announce);
  const signature = signatureOf(announce);
  const half = packet.length - signature.length - 2;
  return [
    bad("an empty packet is refused", "structure", Buffer.alloc(0)),
    bad("a packet of 513 bytes is refused", "size", Buffer.concat([packet, Buffer.alloc(513 - packet.length)])),
    bad("an announce of 421 bytes is refused", "structure", wrap(padded(421))),
    bad("a length in more bytes than it needs is refused", "structure", wrap(announce, signature, true)),
    bad(
      "the fields in the other order are refused",
      "structure",
      Buffer.concat([packet.subarray(half), packet.subarray(0, half)]),
    ),
    bad("a third field is refused", "structure", Buffer.concat([packet, Buffer.from("1a00", "hex")])),
    bad("a packet without a signature is refused", "structure", packet.subarray(0, half)),
    bad("a packet that is cut short is refused", "structure", packet.subarray(0, -1)),
    bad("a signature of 63 bytes is refused", "structure", wrap(announce, signature.subarray(1))),
    bad("an announce that does not decode is refused", "structure", wrap(Buffer.from("08", "hex"))),
  ];
}

function badContent(): Case[] {
  const ofAddresses = (name: string, ...addresses: string[]): Case => badFields(name, "address", { addresses });
  return [
    badFields("version 0 is refused", "version", { version: 0 }),
    badFields("version 2 is refused", "version", { version: 2 }),
    badFields("another network is refused", "network", { networkId: networkIdOf(networkKeyOf("other")) }),
    badFields("a network id of 7 bytes is refused", "network", { networkId: networkId.subarray(1) }),
    badFields("port 0 is refused", "port", { port: 0 }),
    badFields("port 65536 is refused", "port", { port: 65_536 }),
    badFields("epoch 0 is refused", "epoch", { epochMs: 0n }),
    badFields("an epoch of 2^53 is refused", "epoch", { epochMs: 2n ** 53n }),
    badFields("a fingerprint of 31 bytes is refused", "certificate", { certificateSha256: certificate.subarray(1) }),
    ofAddresses("five addresses are refused", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"),
    ofAddresses("a host name is refused", "localhost"),
    ofAddresses("an address with a port is refused", "192.0.2.1:4000"),
    ofAddresses("an address with a zone is refused", "fe80::1%eth0"),
    ofAddresses("an empty address is refused", ""),
    ofAddresses("the unspecified address is refused", "0.0.0.0"),
    ofAddresses("a multicast address is refused", "239.255.255.19"),
    ofAddresses("the broadcast address is refused", "255.255.255.255"),
    ofAddresses("the unspecified IPv6 address is refused", "::"),
    ofAddresses("an IPv6 multicast address is refused", "ff02::1"),
    badFields("a key of 31 bytes is refused", "key", { publicKey: keys.id.bytes.subarray(1) }),
    badFields("a key of small order is refused", "key", { publicKey: new Uint8Array(32) }),
    badFields("a key that is not canonical is refused", "key", {
      publicKey: Buffer.from(`f0${"ff".repeat(30)}7f`, "hex"),
    }),
    badFields("a bad network is found before a bad port", "network", { networkId: Buffer.alloc(8), port: 0 }),
  ];
}

function signatures(): Case[] {
  const announce = announceBytes();
  const signature = signatureOf(announce);
  const flipped = Uint8Array.from(signature);
  flipped[0] = (flipped[0] ?? 0) ^ 1;
  const other = keyPairFromSeed(bytesFor("dswarm vectors: somebody else"));
  const byOther = sign(Buffer.concat([Buffer.from(domain), announce]), other);
  return [
    bad("a flipped bit of the signature is refused", "signature", wrap(announce, flipped)),
    bad("a signature of another key is refused", "signature", wrap(announce, byOther)),
    bad("a signature without the domain is refused", "signature", wrap(announce, signatureOf(announce, ""))),
    bad(
      "a signature without the domain's zero byte is refused",
      "signature",
      wrap(announce, signatureOf(announce, domain.slice(0, -1))),
    ),
    bad("a changed port is refused", "signature", wrap(announceBytes({ port: 4001 }), signature)),
  ];
}

function packetOf(changed: Fields): Uint8Array {
  return wrap(announceBytes(changed));
}

function packetAt(ms: number): string {
  return hex(packetOf({ epochMs: BigInt(ms) }));
}

function epochs(): Case[] {
  const ahead = epochMs + dayMs + 1;
  return [
    good("a larger epoch replaces a smaller one", { epochMs: epochMs + 1 }, { heard: packetAt(epochMs) }),
    bad("a smaller epoch is stale", "stale", packetOf({ epochMs: BigInt(epochMs - 1) }), { heard: packetAt(epochMs) }),
    bad("an equal epoch with other content is stale", "stale", packetOf({ port: 4001 }), { heard: packetAt(epochMs) }),
    good("an epoch that is not ahead replaces one that is more than a day ahead", {}, { heard: packetAt(ahead) }),
    bad(
      "an epoch more than a day ahead does not replace one that is not",
      "stale",
      packetOf({ epochMs: BigInt(ahead) }),
      {
        heard: packetAt(epochMs),
      },
    ),
    good("of two epochs more than a day ahead the larger counts", { epochMs: ahead + 1 }, { heard: packetAt(ahead) }),
    good(
      "leaving is taken of a peer that is known",
      { leaving: true, epochMs: epochMs + 1 },
      { heard: packetAt(epochMs) },
    ),
    bad("leaving is stale of a stranger", "stale", packetOf({ leaving: true })),
  ];
}

/** The file. */
export function makeAnnounces(): VectorFile {
  const four = ["192.0.2.7", "198.51.100.7", "2001:db8::7", "127.0.0.1"];
  return {
    description:
      "UDP payloads (packet), heard by a node of the network network_id whose wall clock shows wall_ms, after the packet heard where there is one. A case with announce is accepted and says that; a case with error is dropped for that reason, which a node counts as announce.dropped and the reason. Bytes are lower-case hex.",
    source: "scripts/vectors.ts",
    cases: [
      good("an announce with all fields is accepted", { addresses: four, certificateSha256: certificate }),
      good("an announce without addresses and fingerprint is accepted", {}),
      good("port 1 is accepted", { port: 1 }),
      good("port 65535 is accepted", { port: 65_535 }),
      good("an epoch of 1 is accepted", { epochMs: 1 }),
      good("an epoch of 2^53 - 1 is accepted", { epochMs: Number.MAX_SAFE_INTEGER }),
      {
        ...good("an announce of 420 bytes with an unknown field is accepted", {}),
        packet: hex(wrap(padded(420))),
      },
      ...structure(),
      ...badContent(),
      ...signatures(),
      ...epochs(),
    ],
  };
}
