// records.json: records of the DHT.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { RecordSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import {
  createImmutable,
  createMutable,
  createProvider,
  type MutableInit,
  type ProviderInit,
  recordToMessage,
} from "../../../src/dht/record-codec.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { mutableSignedBytes, providerSignedBytes } from "../../../src/dht/record-signature.ts";
import { keyPairFromSeed, sign } from "../../../src/identity/keys.ts";
import { formatHostPort } from "../../../src/identity/peer-address.ts";
import { errorTable } from "../../../src/util/errors.ts";
import { bytesFor, bytesNote, hex, runs, type VectorFile } from "./vector-file.ts";

const seed = bytesFor("dswarm vectors: a signer");
const keys = keyPairFromSeed(seed);
const other = keyPairFromSeed(bytesFor("dswarm vectors: another signer"));
const ttlS = 3600;
const hello = Buffer.from("hello");
const maxSequence = 2n ** 64n - 1n;
const echo = RecordKey.ofName("dswarm.example.v1.EchoService");
const address = { host: "192.0.2.7", port: 4000 };

type Case = VectorFile["cases"][number];
type Kind = NonNullable<MessageInitShape<typeof RecordSchema>["kind"]>;

function message(kind: Kind | undefined): Uint8Array {
  return toBinary(RecordSchema, create(RecordSchema, { ttlS, ...(kind && { kind }) }));
}

function immutable(name: string, value: Uint8Array): Case {
  const record = createImmutable(value);
  const bytes = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, ttlS)));
  return { name, record: runs(bytes), kind: record.kind, key: record.key.toHex(), value: runs(value), ttl_s: ttlS };
}

function mutable(name: string, init: Omit<MutableInit, "keys">): Case {
  const record = createMutable({ keys, ...init });
  const bytes = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, ttlS)));
  return {
    name,
    record: runs(bytes),
    kind: record.kind,
    seed: hex(seed),
    public_key: keys.id.toHex(),
    key: record.key.toHex(),
    salt: hex(record.salt),
    sequence: String(record.sequence),
    deleted: record.isDeleted,
    value: runs(record.value),
    signed: hex(mutableSignedBytes(record)),
    signature: hex(record.signature),
    ttl_s: ttlS,
  };
}

function provider(name: string, init: Omit<ProviderInit, "keys" | "key">): Case {
  const record = createProvider({ keys, key: echo, ...init });
  const bytes = toBinary(RecordSchema, create(RecordSchema, recordToMessage(record, ttlS)));
  return {
    name,
    record: hex(bytes),
    kind: record.kind,
    seed: hex(seed),
    public_key: keys.id.toHex(),
    key: record.key.toHex(),
    addresses: record.provider.addresses.map(formatHostPort),
    sequence: String(record.sequence),
    withdrawn: record.isWithdrawn,
    signed: hex(providerSignedBytes(record)),
    signature: hex(record.signature),
    ttl_s: ttlS,
  };
}

type Refusal = "record_invalid" | "record_too_large" | "record_forged";

function refused(name: string, error: Refusal, kind: Kind | undefined): Case {
  return { name, record: runs(message(kind)), error, status: errorTable[error].connect };
}

type MutableFields = Extract<Kind, { case: "mutable" }>["value"];

const signedMutable = createMutable({ keys, salt: Buffer.from("salt"), sequence: 7n, value: hello });
const mutableFields = {
  publicKey: keys.id.bytes,
  salt: signedMutable.salt,
  sequence: 7n,
  value: hello,
  signature: signedMutable.signature,
} satisfies MutableFields;
const signedProvider = createProvider({ keys, key: echo, addresses: [address], sequence: 7n });
const text = formatHostPort(address);
const providerFields = {
  key: echo.bytes,
  provider: { id: keys.id.bytes, addresses: [text] },
  signature: signedProvider.signature,
  sequence: 7n,
};

function badMutable(name: string, error: Refusal, change: MutableFields): Case {
  return refused(name, error, { case: "mutable", value: { ...mutableFields, ...change } });
}

function badProvider(
  name: string,
  error: Refusal,
  change: Partial<typeof providerFields> & { withdrawn?: boolean },
): Case {
  return refused(name, error, { case: "provider", value: { ...providerFields, ...change } });
}

function badAddresses(name: string, ...addresses: string[]): Case {
  return badProvider(name, "record_invalid", { provider: { id: keys.id.bytes, addresses } });
}

/** The provider's record, signed over an address as it is spelt here. */
function respelt(name: string, spelling: string): Case {
  const length = Buffer.from([spelling.length]);
  const head = providerSignedBytes({ ...signedProvider, provider: { id: keys.id, addresses: [] } });
  const signature = sign(Buffer.concat([head, length, Buffer.from(spelling)]), keys);
  return badProvider(name, "record_forged", {
    provider: { id: keys.id.bytes, addresses: [spelling] },
    signature,
  });
}

function refusals(): Case[] {
  const signatureOf = (domain: string): Uint8Array => {
    const rest = Buffer.from(mutableSignedBytes(signedMutable)).subarray(domain.length + 1);
    return sign(Buffer.concat([Buffer.from("dswarm-mutable-v2\0"), rest]), keys);
  };
  const long = new Uint8Array(65_537).fill(0x61);
  return [
    refused("a record of no kind is refused", "record_invalid", undefined),
    refused("an immutable value of 65537 bytes is refused", "record_too_large", {
      case: "immutable",
      value: { value: long },
    }),
    badMutable("a mutable value of 65537 bytes is refused", "record_too_large", { value: long }),
    badMutable("a salt of 65 bytes is refused", "record_invalid", { salt: new Uint8Array(65) }),
    badMutable("a deleted record with a value is refused", "record_invalid", { deleted: true }),
    badMutable("a signature of 63 bytes is refused", "record_invalid", {
      signature: signedMutable.signature.subarray(1),
    }),
    badMutable("a public key of 31 bytes is refused", "record_invalid", { publicKey: keys.id.bytes.subarray(1) }),
    badMutable("a public key of small order is refused", "record_invalid", { publicKey: new Uint8Array(32) }),
    badMutable("another value under the signature is refused", "record_forged", { value: Buffer.from("hellO") }),
    badMutable("another sequence under the signature is refused", "record_forged", { sequence: 8n }),
    badMutable("another salt under the signature is refused", "record_forged", { salt: Buffer.from("sal") }),
    badMutable("deleted under the signature of a value is refused", "record_forged", {
      deleted: true,
      value: new Uint8Array(),
    }),
    badMutable("a signature of another key is refused", "record_forged", { publicKey: other.id.bytes }),
    badMutable("a signature over another domain is refused", "record_forged", {
      signature: signatureOf("dswarm-mutable-v1"),
    }),
    badProvider("a key of 31 bytes is refused", "record_invalid", { key: echo.bytes.subarray(1) }),
    refused("a provider record without a provider is refused", "record_invalid", {
      case: "provider",
      value: { key: echo.bytes, sequence: 7n, signature: signedProvider.signature },
    }),
    badAddresses("a provider without an address is refused"),
    badAddresses("a provider with five addresses is refused", text, text, text, text, text),
    badAddresses("a provider at a host name is refused", "localhost:4000"),
    badAddresses("a provider at the unspecified address is refused", "0.0.0.0:4000"),
    badAddresses("a provider at a multicast address is refused", "239.255.255.19:4000"),
    badAddresses("a provider at port 0 is refused", "192.0.2.7:0"),
    badAddresses("a provider's address without a port is refused", "192.0.2.7"),
    badProvider("a provider's id of small order is refused", "record_invalid", {
      provider: { id: new Uint8Array(32), addresses: [text] },
    }),
    badProvider("another address under the signature is refused", "record_forged", {
      provider: { id: keys.id.bytes, addresses: ["192.0.2.8:4000"] },
    }),
    badProvider("another provider under the signature is refused", "record_forged", {
      provider: { id: other.id.bytes, addresses: [text] },
    }),
    badProvider("another key under the signature is refused", "record_forged", {
      key: RecordKey.ofName("something else").bytes,
    }),
    badProvider("withdrawn under another signature is refused", "record_forged", { withdrawn: true }),
    respelt("an IPv6 address that is not in its canonical form is refused", "[2001:DB8:0::7]:4000"),
    respelt("an IPv4 address mapped to IPv6 is refused", "[::ffff:192.0.2.7]:4000"),
  ];
}

/** The file. */
export function makeRecords(): VectorFile {
  return {
    description: `Encoded dswarm.v1.Record messages (record), as Store is sent them. A good one has its fields; of a signed one also the bytes that are signed, with the key that seed makes. One with error is refused with that code of docs/errors.md, whose gRPC status is status. sequence is a decimal number of 64 bits. ${bytesNote}`,
    source: "scripts/vectors.ts",
    cases: [
      immutable("an immutable record is under the sha256 of its value", hello),
      immutable("an empty immutable record is a record", new Uint8Array()),
      immutable("an immutable value may have 65536 bytes", new Uint8Array(65_536).fill(0x61)),
      mutable("a mutable record with a salt", { salt: Buffer.from("salt"), sequence: 7n, value: hello }),
      mutable("a mutable record without a salt", { sequence: 0n, value: hello }),
      mutable("a mutable record with the largest sequence and salt", {
        salt: new Uint8Array(64).fill(1),
        sequence: maxSequence,
        value: hello,
      }),
      mutable("a mutable record with an empty value is not deleted", { sequence: 1n, value: new Uint8Array() }),
      mutable("a deleted record has no value and is kept as a tombstone", {
        salt: Buffer.from("salt"),
        sequence: 8n,
        value: new Uint8Array(),
        isDeleted: true,
      }),
      provider("a provider with one address", { addresses: [address], sequence: 7n }),
      provider("a provider with four addresses, in the order that it gives", {
        addresses: [
          address,
          { host: "2001:db8::7", port: 4000 },
          { host: "127.0.0.1", port: 1 },
          { host: "10.0.0.1", port: 65_535 },
        ],
        sequence: 1_700_000_000_000n,
      }),
      provider("a provider that has withdrawn", { addresses: [address], sequence: 8n, isWithdrawn: true }),
      ...refusals(),
    ],
  };
}
