import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { AnnounceSchema, SignedAnnounceSchema } from "../../../gen/dswarm/v1/announce_pb.ts";
import {
  type AnnounceContent,
  decodeAnnounce,
  encodeAnnounce,
  maxPacketBytes,
  networkIdOf,
  verifyAnnounce,
} from "../../../src/discovery/announce.ts";
import { keyPairFromSeed, sign } from "../../../src/identity/keys.ts";
import { toHex } from "../../../src/util/bytes.ts";

const keys = keyPairFromSeed(new Uint8Array(32).fill(7));
const networkId = networkIdOf(new Uint8Array(32).fill(1));
const networks = new Set([toHex(networkId)]);
const content: AnnounceContent = {
  port: 4000,
  addresses: ["192.0.2.7", "2001:db8::7"],
  certificateSha256: new Uint8Array(32).fill(9),
  epochMs: 1_700_000_000_000,
  leaving: false,
};

function outcomeOf(packet: Uint8Array): string {
  const decoded = decodeAnnounce(packet, networks);
  if ("drop" in decoded) return decoded.drop;
  return verifyAnnounce(decoded) ? "ok" : "signature";
}

/** A packet with any fields, soundly signed. */
function packetOf(fields: MessageInitShape<typeof AnnounceSchema>, domain = "dswarm-announce-v1\0"): Uint8Array {
  const base = { version: 1, networkId, publicKey: keys.id.bytes, port: 4000, epochMs: 1n };
  const announce = toBinary(AnnounceSchema, create(AnnounceSchema, { ...base, ...fields }));
  return wrap(announce, sign(Buffer.concat([Buffer.from(domain), announce]), keys));
}

function wrap(announce: Uint8Array, signature: Uint8Array): Uint8Array {
  return toBinary(SignedAnnounceSchema, create(SignedAnnounceSchema, { announce, signature }));
}

/** The announce with an unknown field that makes it that long. */
function padded(announce: Uint8Array, length: number): Uint8Array {
  const padding = length - announce.length - 3;
  return Buffer.concat([announce, Buffer.from([0x7a, (padding & 0x7f) | 0x80, padding >> 7]), Buffer.alloc(padding)]);
}

const contents: fc.Arbitrary<AnnounceContent> = fc.record(
  {
    port: fc.integer({ min: 1, max: 65_535 }),
    addresses: fc.array(fc.oneof(fc.ipV4().filter(isUnicast), fc.constant("2001:db8::1")), { maxLength: 4 }),
    certificateSha256: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined }),
    epochMs: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    leaving: fc.boolean(),
  },
  { noNullPrototype: true },
);

function isUnicast(address: string): boolean {
  const first = Number(address.split(".")[0]);
  return first > 0 && first < 224;
}

describe("encodeAnnounce and decodeAnnounce", () => {
  it("give back what was announced", () => {
    fc.assert(
      fc.property(contents, (given) => {
        const packet = encodeAnnounce(given, networkId, keys);
        const decoded = decodeAnnounce(packet, networks);
        assert.ok("announce" in decoded);
        const { id, networkId: network, ...rest } = decoded.announce;
        assert.ok(id.equals(keys.id));
        assert.equal(network, toHex(networkId));
        assert.deepEqual(rest, given);
        assert.ok(verifyAnnounce(decoded));
      }),
      { numRuns: 100 },
    );
  });

  it("keep to 512 bytes with the largest content", () => {
    const addresses = Array.from({ length: 4 }, (_, i) => `2001:0db8:85a3:0000:0000:8a2e:255.255.255.25${i}`);
    const packet = encodeAnnounce(
      { ...content, port: 65_535, addresses, epochMs: Number.MAX_SAFE_INTEGER, leaving: true },
      networkId,
      keys,
    );
    assert.equal(addresses[0]?.length, 45);
    assert.ok(packet.length <= maxPacketBytes);
    assert.equal(outcomeOf(packet), "ok");
  });

  it("keep the wire format, which any other ed25519 verifies", () => {
    const packet = encodeAnnounce({ ...content, leaving: true }, networkId, keys);
    assert.equal(
      toHex(packet),
      "0a7408011208a48ec2dffdf966561a20ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c" +
        "20a01f2a093139322e302e322e372a0b323030313a6462383a3a37322009090909090909090909090909090909090909" +
        "090909090909090909090909093880d095ffbc3140011240bd45a0fb8a2605f64b2957f6947a58b61d4beb07a16c2011" +
        "89cd7eabd03eed3d19bb823187248da04e9b410b1ff36493f6393b3f4ebca8b213dfa369a9c08505",
    );
    const x = keys.id.toBase64url();
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const signed = Buffer.concat([Buffer.from("dswarm-announce-v1\0"), packet.subarray(2, packet.length - 66)]);
    assert.ok(verify(null, signed, key, packet.subarray(-64)));
  });

  it("refuse to encode what would be dropped", () => {
    for (const wrong of [
      { port: 0 },
      { port: 65_536 },
      { epochMs: 0 },
      { addresses: ["224.0.0.1"] },
      { addresses: ["localhost"] },
      { addresses: Array.from({ length: 5 }, () => "192.0.2.1") },
      { certificateSha256: new Uint8Array(31) },
    ]) {
      assert.throws(() => encodeAnnounce({ ...content, ...wrong }, networkId, keys), RangeError, JSON.stringify(wrong));
    }
    assert.throws(() => encodeAnnounce(content, new Uint8Array(7), keys), RangeError);
  });
});

describe("networkIdOf", () => {
  it("is the start of a hash of the key", () => {
    assert.equal(toHex(networkIdOf(new Uint8Array(32))), "f8b5a7a9183b9e5e");
  });

  it("refuses a key of another length", () => {
    assert.throws(() => networkIdOf(new Uint8Array(31)), RangeError);
  });
});

describe("decodeAnnounce drops", () => {
  const packet = encodeAnnounce(content, networkId, keys);
  const announce = packet.subarray(2, packet.length - 66);
  const signature = packet.subarray(packet.length - 64);
  assert.ok(announce.length < 128);

  it("a packet of more than 512 bytes, for its size", () => {
    assert.equal(outcomeOf(new Uint8Array(513)), "size");
    assert.equal(outcomeOf(new Uint8Array(512)), "structure");
    assert.equal(outcomeOf(new Uint8Array(60_000)), "size");
  });

  it("an empty or truncated packet, for its structure", () => {
    for (let length = 0; length < packet.length; length++) {
      assert.equal(outcomeOf(packet.subarray(0, length)), "structure", `${length} bytes`);
    }
  });

  it("every other form of the same message, for its structure", () => {
    assert.equal(outcomeOf(wrap(announce, signature)), "ok");
    const first = packet.subarray(0, packet.length - 66);
    const second = packet.subarray(packet.length - 66);
    const forms = {
      "a field appended": Buffer.concat([packet, Buffer.from([0x18, 0x01])]),
      "fields in another order": Buffer.concat([second, first]),
      "a field twice": Buffer.concat([first, first, second]),
      "no signature": first,
      "a length in more bytes than it takes": Buffer.concat([
        Buffer.from([0x0a, announce.length | 0x80, 0x00]),
        announce,
        second,
      ]),
      "a shorter signature": wrap(announce, signature.subarray(1)),
    };
    for (const [name, form] of Object.entries(forms)) assert.equal(outcomeOf(form), "structure", name);
  });

  it("what does not decode, and an announce of more than 420 bytes, for their structure", () => {
    assert.equal(outcomeOf(wrap(new Uint8Array(100).fill(0xff), signature)), "structure");
    assert.equal(outcomeOf(wrap(padded(announce, 420), signature)), "signature");
    assert.equal(outcomeOf(wrap(padded(announce, 421), signature)), "structure");
  });

  it("another version", () => {
    assert.equal(outcomeOf(packetOf({ version: 2 })), "version");
    assert.equal(outcomeOf(packetOf({ version: 0 })), "version");
  });

  it("an unknown network", () => {
    assert.equal(outcomeOf(packetOf({ networkId: networkIdOf(new Uint8Array(32)) })), "network");
    assert.equal(outcomeOf(packetOf({ networkId: networkId.subarray(1) })), "network");
  });

  it("a port out of range", () => {
    for (const port of [0, 65_536, 2 ** 32 - 1]) assert.equal(outcomeOf(packetOf({ port })), "port");
  });

  it("an epoch that is missing or beyond 2^53", () => {
    for (const epochMs of [0n, 2n ** 53n, 2n ** 64n - 1n]) assert.equal(outcomeOf(packetOf({ epochMs })), "epoch");
  });

  it("a certificate fingerprint of another length", () => {
    for (const length of [1, 31, 33]) {
      assert.equal(outcomeOf(packetOf({ certificateSha256: new Uint8Array(length) })), "certificate");
    }
  });

  it("addresses that nobody can be reached at, and too many", () => {
    const wrong = [
      "",
      "x",
      "localhost",
      "1.2.3",
      "0.0.0.0",
      "0.1.2.3",
      "224.0.0.1",
      "239.255.255.19",
      "255.255.255.255",
    ];
    const wrong6 = [
      "::",
      "ff02::1",
      "fe80::1%eth0",
      "::ffff:224.0.0.1",
      "[2001:db8::1]",
      `2001:db8::${"0".repeat(45)}`,
    ];
    for (const address of [...wrong, ...wrong6]) {
      assert.equal(outcomeOf(packetOf({ addresses: [address] })), "address", address);
    }
    assert.equal(outcomeOf(packetOf({ addresses: Array.from({ length: 5 }, () => "192.0.2.1") })), "address");
  });

  it("a key of another length, of small order, or not canonical", () => {
    for (const publicKey of [
      keys.id.bytes.subarray(1),
      new Uint8Array(32),
      Uint8Array.from([1, ...new Uint8Array(31)]),
      new Uint8Array(32).fill(0xff),
    ]) {
      assert.equal(outcomeOf(packetOf({ publicKey })), "key");
    }
  });

  it("a signature of another key, or without the domain in front", () => {
    const other = keyPairFromSeed(new Uint8Array(32).fill(8));
    assert.equal(outcomeOf(packetOf({ publicKey: other.id.bytes })), "signature");
    assert.equal(outcomeOf(packetOf({}, "")), "signature");
    assert.equal(outcomeOf(packetOf({})), "ok");
  });
});

describe("hostile packets", () => {
  it("of random bytes never throw and never pass", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        assert.notEqual(outcomeOf(bytes), "ok");
      }),
    );
  });

  it("with random bytes for an announce never throw and never pass", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 420 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), (inner, end) => {
        assert.notEqual(outcomeOf(wrap(inner, end)), "ok");
      }),
    );
  });

  it("that differ from a sound one anywhere never throw and never pass", () => {
    const packet = encodeAnnounce(content, networkId, keys);
    const mutation = fc.record({
      at: fc.nat({ max: packet.length }),
      remove: fc.nat({ max: 4 }),
      insert: fc.uint8Array({ maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        let mutated = Buffer.from(packet);
        for (const { at, remove, insert } of mutations) {
          mutated = Buffer.concat([mutated.subarray(0, at), insert, mutated.subarray(at + remove)]);
        }
        assert.equal(outcomeOf(mutated) === "ok", mutated.equals(packet));
      }),
      { numRuns: 500 },
    );
  });

  it("with any single bit flipped never pass", () => {
    const packet = encodeAnnounce(content, networkId, keys);
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const flipped = Uint8Array.from(packet);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.notEqual(outcomeOf(flipped), "ok", `bit ${bit}`);
    }
  });
});
