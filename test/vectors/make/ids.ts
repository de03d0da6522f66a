// ids.json: text forms of keys, addresses and networks.
import { networkKeyOf } from "../../../src/channel/options.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { networkIdOf } from "../../../src/discovery/announce.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { formatPeerAddress } from "../../../src/identity/peer-address.ts";
import { bytesFor, hex, type VectorFile } from "./vector-file.ts";

const { id } = keyPairFromSeed(bytesFor("dswarm vectors: a node"));
const base64 = Buffer.from(id.bytes).toString("base64");
const base64url = id.toBase64url();
const digits = id.toHex();
const short = Buffer.from(id.bytes).subarray(1);

/** Little-endian y coordinates of the points of small order, and 2^255 - 19 and what is above it. */
const badKeys: readonly (readonly [fact: string, bytes: string])[] = [
  ["the point of order 4 (y = 0)", "00".repeat(32)],
  ["the neutral element (y = 1)", `01${"00".repeat(31)}`],
  ["a point of order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"],
  ["the other y of order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"],
  ["a point of order 8 with the sign bit", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"],
  ["the point of order 2 (y = p - 1)", `ec${"ff".repeat(30)}7f`],
  ["y = p, which is 0 not canonically", `ed${"ff".repeat(30)}7f`],
  ["y = p + 1, which is 1 not canonically", `ee${"ff".repeat(30)}7f`],
  ["y = p + 3, not canonical and of large order", `f0${"ff".repeat(30)}7f`],
  ["y = 2^255 - 1 with the sign bit", "ff".repeat(32)],
];

/** Another last character of base64, whose spare bits are not zero. */
function withStrayBits(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + (alphabet[alphabet.indexOf(text.slice(-1)) + 1] ?? "");
}

type Case = VectorFile["cases"][number];

function goodId(name: string, text: string): Case {
  return { name, kind: "node_id", text, bytes: digits };
}

function badId(name: string, text: string): Case {
  return { name, kind: "node_id", text, error: "node_id_invalid" };
}

function goodAddress(name: string, text: string, host: string, port: number): Case {
  return { name, kind: "address", text, key: digits, host, port, printed: formatPeerAddress({ id, host, port }) };
}

function badAddress(name: string, text: string, error = "address_invalid"): Case {
  return { name, kind: "address", text, error };
}

function network(fact: string, text: string): Case {
  const networkKey = networkKeyOf(text);
  const name = `${fact} has the sha256 of its UTF-8 as its key`;
  return { name, kind: "network", text, network_key: hex(networkKey), network_id: hex(networkIdOf(networkKey)) };
}

function recordKeys(): Case[] {
  const value = Buffer.from("hello");
  const key = RecordKey.ofValue(value);
  const bytes = key.toHex();
  const texts: [string, string][] = [
    ["a record key is printed as & and base64", key.toString()],
    ["a record key may be base64url", key.toBase64url()],
    ["a record key may be hex", bytes],
  ];
  const salt = Buffer.from("salt");
  const service = "dswarm.example.v1.EchoService";
  return [
    ...texts.map(([name, text]) => ({ name, kind: "record_key", text, bytes })),
    { name: "a record key with @ is refused", kind: "record_key", text: `@${bytes}`, error: "record_key_invalid" },
    {
      name: "a record key of 31 bytes is refused",
      kind: "record_key",
      text: bytes.slice(2),
      error: "record_key_invalid",
    },
    { name: "the key of a value is its sha256", kind: "key_of_value", value: hex(value), bytes },
    {
      name: "the key of a mutable record is of the public key and the salt, and no sha256",
      kind: "key_of_signer",
      public_key: digits,
      salt: hex(salt),
      bytes: RecordKey.ofSigner(id, salt).toHex(),
    },
    {
      name: "the key of a mutable record without a salt",
      kind: "key_of_signer",
      public_key: digits,
      salt: "",
      bytes: RecordKey.ofSigner(id, new Uint8Array()).toHex(),
    },
    {
      name: "the key of a service's providers is the sha256 of its type name",
      kind: "key_of_name",
      text: service,
      bytes: RecordKey.ofName(service).toHex(),
    },
  ];
}

/** The file. */
export function makeIds(): VectorFile {
  const dialed = `dswarm://${base64url}`;
  return {
    description:
      "Text forms. `kind` says what `text` is read as: node_id gives bytes; address gives key, host, port, and is printed as `printed`; network gives network_key and network_id; record_key gives bytes; key_pair gives the public key of a seed. A case with `error` is refused with that code. All bytes are lower-case hex.",
    source: "scripts/vectors.ts",
    cases: [
      {
        name: "a seed makes its public key",
        kind: "key_pair",
        seed: hex(bytesFor("dswarm vectors: a node")),
        bytes: digits,
      },
      goodId("a node id is printed as @ and base64", `@${base64}`),
      goodId("base64 without @ is taken", base64),
      goodId("base64 without = is taken", `@${base64.slice(0, -1)}`),
      goodId("base64url is taken", base64url),
      goodId("base64url with = is taken", `${base64url}=`),
      goodId("base64url with @ is taken", `@${base64url}`),
      goodId("hex is taken", digits),
      goodId("hex with @ is taken", `@${digits}`),
      goodId("hex in upper case is taken", digits.toUpperCase()),
      badId("an empty text is refused", ""),
      badId("@ alone is refused", "@"),
      badId("two @ are refused", `@@${base64}`),
      badId("two = are refused", `${base64}=`),
      badId("a space at the end is refused", `${base64} `),
      badId("a newline at the end is refused", `${base64}\n`),
      badId("31 bytes of hex are refused", hex(short)),
      badId("33 bytes of hex are refused", `${digits}00`),
      badId("31 bytes of base64 are refused", short.toString("base64")),
      badId("base64 and base64url mixed are refused", `+_${base64url.slice(2)}`),
      badId("spare bits that are not zero are refused", withStrayBits(base64url)),
      ...badKeys.map(([fact, bytes]) => badId(`${fact} is refused`, bytes)),
      goodAddress("an address has a key, a host and a port", `${dialed}@192.0.2.7:4000`, "192.0.2.7", 4000),
      goodAddress("an IPv6 host is in brackets", `${dialed}@[2001:db8::7]:4000`, "2001:db8::7", 4000),
      goodAddress("a host may be a name", `${dialed}@node-1.example.org:65535`, "node-1.example.org", 65_535),
      goodAddress("the key of an address may be hex", `dswarm://${digits}@localhost:1`, "localhost", 1),
      goodAddress("the key of an address may be base64", `dswarm://${base64}@localhost:1`, "localhost", 1),
      badAddress("another scheme is refused", `https://${base64url}@192.0.2.7:4000`),
      badAddress("a key with a second @ is refused", `dswarm://@${base64url}@192.0.2.7:4000`),
      badAddress("an address without a key is refused", "dswarm://@192.0.2.7:4000"),
      badAddress("an address without a port is refused", `${dialed}@192.0.2.7`),
      badAddress("port 0 is refused", `${dialed}@192.0.2.7:0`),
      badAddress("port 65536 is refused", `${dialed}@192.0.2.7:65536`),
      badAddress("a port with a leading zero is refused", `${dialed}@192.0.2.7:04000`),
      badAddress("a path is refused", `${dialed}@192.0.2.7:4000/`),
      badAddress("IPv6 without brackets is refused", `${dialed}@2001:db8::7:4000`),
      badAddress("a host that ends in a number and is no IPv4 address is refused", `${dialed}@127.1:4000`),
      badAddress("a label of 64 characters is refused", `${dialed}@${"a".repeat(64)}:4000`),
      badAddress("a key of small order is refused in an address", `dswarm://${"00".repeat(32)}@h:1`, "node_id_invalid"),
      network("the default network, dev,", "dev"),
      network("a network of a name", "my swarm"),
      network("a network of a name beyond ASCII", "Schwärm"),
      network("a network of an empty name", ""),
      ...recordKeys(),
    ],
  };
}
