// Signatures that lenient verifiers accept: the published vectors of "Taming the many EdDSAs" (Chalkias, Garillot,
// Nikolaenko 2020), and signatures forged here by arithmetic for every small-order encoding.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { verify as nobleVerify, Point } from "@noble/ed25519";
import { generateKeyPair, keyPairFromSeed, sign, verify } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import speccheck from "../../vectors/ed25519-speccheck.json" with { type: "json" };
import {
  encodingsOf,
  fieldPrime,
  fromLittleEndian,
  groupOrder,
  littleEndian,
  pointOfOrder8,
  smallOrderPoints,
} from "./edwards-points.ts";

const seed = new Uint8Array(32).fill(42);
const keys = keyPairFromSeed(seed);
const secretScalar = scalarOf(seed);

function scalarOf(seedBytes: Uint8Array): bigint {
  const hash = createHash("sha512").update(seedBytes).digest().subarray(0, 32);
  hash[0] = (hash[0] ?? 0) & 248;
  hash[31] = ((hash[31] ?? 0) & 127) | 64;
  return fromLittleEndian(hash) % groupOrder;
}

function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  const hash = createHash("sha512").update(r).update(publicKey).update(message).digest();
  return fromLittleEndian(hash) % groupOrder;
}

/** A signature whose R is given as it is: [S]B = [nonce]B + [k]A, so that it holds up to the small-order part of R. */
function forge(r: Uint8Array, nonce: bigint, publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const s = (nonce + challenge(r, publicKey, message) * secretScalar) % groupOrder;
  return Buffer.concat([r, littleEndian(s)]);
}

function isCanonical(encoding: Uint8Array): boolean {
  const point = Point.fromBytes(encoding, true);
  return Buffer.compare(point.toBytes(), encoding) === 0;
}

/** How our rule takes the signature: the key refused at parse, the signature refused, or both accepted. */
function judge(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): "key" | "signature" | "accepted" {
  let id: NodeId;
  try {
    id = NodeId.fromBytes(publicKey);
  } catch (error) {
    assert.ok(error instanceof DswarmError && error.code === "node_id_invalid");
    return "key";
  }
  return verify(signature, message, id) ? "accepted" : "signature";
}

/** What is wrong with the parts of a vector, found by arithmetic. */
function faultsOf(publicKey: Uint8Array, signature: Uint8Array): string[] {
  const r = signature.subarray(0, 32);
  return [
    Point.fromBytes(publicKey, true).isSmallOrder() ? "small A" : undefined,
    isCanonical(publicKey) ? undefined : "non-canonical A",
    Point.fromBytes(r, true).isSmallOrder() ? "small R" : undefined,
    isCanonical(r) ? undefined : "non-canonical R",
    fromLittleEndian(signature.subarray(32)) >= groupOrder ? "S >= L" : undefined,
  ].filter((fault) => fault !== undefined);
}

// Vector 3 holds in every equation; its key has a small-order part, which only its owner can have given it.
const expectations: readonly (readonly [judgement: string, faults: readonly string[]])[] = [
  ["key", ["small A", "small R"]],
  ["key", ["small A"]],
  ["signature", ["small R"]],
  ["accepted", []],
  ["signature", []],
  ["signature", []],
  ["signature", ["S >= L"]],
  ["signature", ["S >= L"]],
  ["signature", ["small R", "non-canonical R"]],
  ["signature", ["small R", "non-canonical R"]],
  ["key", ["small A", "non-canonical A"]],
  ["key", ["small A", "non-canonical A"]],
];

for (const [i, vector] of speccheck.vectors.entries()) {
  test(`vector ${i} of "Taming the many EdDSAs" (${vector.name})`, () => {
    const [publicKey, message, signature] = [vector.publicKey, vector.message, vector.signature].map((hex) =>
      Uint8Array.from(Buffer.from(hex, "hex")),
    ) as [Uint8Array, Uint8Array, Uint8Array];
    assert.deepEqual([judge(publicKey, message, signature), faultsOf(publicKey, signature)], expectations[i]);
  });
}

test("the forging of these tests is right: with an honest R it gives signatures that verify", () => {
  const message = Buffer.from("honest");
  assert.equal(Point.BASE.multiply(secretScalar).toHex(), keys.id.toHex());
  const signature = forge(Point.BASE.multiply(1234n).toBytes(), 1234n, keys.id.bytes, message);
  assert.equal(verify(signature, message, keys.id), true);
});

test("S + L, S + 2L and so on do not verify for as long as they fit in 32 bytes", () => {
  const message = Buffer.from("malleable");
  const signature = sign(message, keys);
  const s = fromLittleEndian(signature.subarray(32));
  let tried = 0;
  for (let other = s + groupOrder; other < 1n << 256n; other += groupOrder) {
    assert.equal(verify(Buffer.concat([signature.subarray(0, 32), littleEndian(other)]), message, keys.id), false);
    tried++;
  }
  assert.ok(tried >= 15);
});

test("a small-order R does not verify in any of its 14 encodings, though the cofactored equation holds", () => {
  const message = Buffer.from("no nonce");
  const encodings = smallOrderPoints().flatMap(encodingsOf);
  assert.equal(encodings.length, 14);
  for (const r of encodings) {
    const signature = forge(r, 0n, keys.id.bytes, message);
    assert.equal(nobleVerify(signature, message, keys.id.bytes), true);
    assert.equal(verify(signature, message, keys.id), false, Buffer.from(r).toString("hex"));
  }
});

test("an R with a small-order part does not verify, though the cofactored equation holds", () => {
  const message = Buffer.from("mixed R");
  for (const torsion of smallOrderPoints().filter((point) => !point.is0())) {
    const r = Point.BASE.multiply(99n).add(torsion).toBytes();
    const signature = forge(r, 99n, keys.id.bytes, message);
    assert.equal(nobleVerify(signature, message, keys.id.bytes), true);
    assert.equal(verify(signature, message, keys.id), false);
  }
});

test("an R whose y is not below the field prime does not verify", () => {
  const message = Buffer.from("non-canonical R");
  for (let y = fieldPrime; y < 1n << 255n; y++) {
    for (const signBit of [0n, 1n << 255n]) {
      assert.equal(verify(forge(littleEndian(y | signBit), 0n, keys.id.bytes, message), message, keys.id), false);
    }
  }
});

test("the constant signature that fits any message under the identity point meets no key", () => {
  const signature = Buffer.concat([Point.ZERO.toBytes(), littleEndian(0n)]);
  for (const encoding of encodingsOf(Point.ZERO)) {
    assert.equal(nobleVerify(signature, Buffer.from("any"), encoding), true);
    assert.equal(judge(encoding, Buffer.from("any"), signature), "key");
  }
});

test("under a key with a small-order part only signatures verify that need no cofactor", () => {
  const publicKey = Point.BASE.multiply(secretScalar).add(pointOfOrder8()).toBytes();
  const r = Point.BASE.multiply(7n).toBytes();
  const seen = new Set<string>();
  for (let i = 0; i < 64; i++) {
    const message = Uint8Array.of(i);
    const signature = forge(r, 7n, publicKey, message);
    const needsCofactor = challenge(r, publicKey, message) % 8n !== 0n;
    assert.equal(nobleVerify(signature, message, publicKey), true);
    assert.equal(judge(publicKey, message, signature), needsCofactor ? "signature" : "accepted");
    seen.add(String(needsCofactor));
  }
  assert.equal(seen.size, 2);
});

test("a key that is no point of the curve verifies nothing", () => {
  const { id } = generateKeyPair();
  const message = Buffer.from("message");
  const signature = sign(message, keys);
  let tried = 0;
  for (let y = 2n; tried < 20; y++) {
    let isPoint = true;
    try {
      Point.fromBytes(littleEndian(y));
    } catch {
      isPoint = false;
    }
    if (isPoint) continue;
    assert.equal(judge(littleEndian(y), message, signature), "signature");
    tried++;
  }
  assert.equal(verify(signature, message, id), false);
});
