// Keys and signatures, held to RFC 8032 section 7.1 and to node:crypto.
import assert from "node:assert/strict";
import { createPrivateKey, sign as nodeSign, verify as nodeVerify } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { generateKeyPair, keyPairFromSeed, sign, verify } from "../../../src/identity/keys.ts";
import rfc8032 from "../../vectors/ed25519-rfc8032.json" with { type: "json" };

const anySeed = fc.uint8Array({ minLength: 32, maxLength: 32 });
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

for (const vector of rfc8032.vectors) {
  test(`${vector.name} of RFC 8032: the seed gives the public key and the signature, which verifies`, () => {
    const message = fromHex(vector.message);
    const keys = keyPairFromSeed(fromHex(vector.seed));
    assert.equal(keys.id.toHex(), vector.publicKey);
    assert.deepEqual(keys.secretKey, fromHex(vector.seed + vector.publicKey));
    assert.deepEqual(Uint8Array.from(sign(message, keys)), fromHex(vector.signature));
    assert.equal(verify(fromHex(vector.signature), message, keys.id), true);
  });
}

test("signs like node:crypto, and each verifies what the other signed", () => {
  fc.assert(
    fc.property(anySeed, fc.uint8Array({ maxLength: 2000 }), (seed, message) => {
      const keys = keyPairFromSeed(seed);
      const nodeKey = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
      const signature = sign(message, keys);
      assert.deepEqual(Uint8Array.from(signature), Uint8Array.from(nodeSign(null, message, nodeKey)));
      assert.ok(verify(signature, message, keys.id));
      assert.ok(nodeVerify(null, message, { key: nodeKey.export({ format: "jwk" }), format: "jwk" }, signature));
    }),
    { numRuns: 50 },
  );
});

test("a signature with any bit turned does not verify", () => {
  const keys = keyPairFromSeed(new Uint8Array(32).fill(1));
  const message = Buffer.from("message");
  const signature = sign(message, keys);
  for (let bit = 0; bit < 512; bit++) {
    const turned = Uint8Array.from(signature);
    turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(verify(turned, message, keys.id), false, `bit ${bit}`);
  }
});

test("a signature does not verify for another message or another key", () => {
  fc.assert(
    fc.property(anySeed, anySeed, fc.uint8Array(), fc.uint8Array(), (seed, otherSeed, message, otherMessage) => {
      fc.pre(Buffer.compare(seed, otherSeed) !== 0 && Buffer.compare(message, otherMessage) !== 0);
      const keys = keyPairFromSeed(seed);
      const signature = sign(message, keys);
      assert.equal(verify(signature, otherMessage, keys.id), false);
      assert.equal(verify(signature, message, keyPairFromSeed(otherSeed).id), false);
    }),
    { numRuns: 50 },
  );
});

test("a signature of another length than 64 bytes does not verify", () => {
  const keys = generateKeyPair();
  const message = new Uint8Array(10);
  const signature = sign(message, keys);
  for (const length of [0, 1, 32, 63]) assert.equal(verify(signature.subarray(0, length), message, keys.id), false);
  assert.equal(verify(Buffer.concat([signature, Uint8Array.of(0)]), message, keys.id), false);
});

test("views into larger memory sign and verify as copies do", () => {
  const keys = generateKeyPair();
  const memory = new Uint8Array(300).fill(3);
  const message = memory.subarray(7, 107);
  memory.set(sign(message, keys), 201);
  assert.ok(verify(memory.subarray(201, 265), message, keys.id));
});

test("a seed of another length than 32 bytes is a RangeError", () => {
  for (const length of [0, 31, 33, 64]) assert.throws(() => keyPairFromSeed(new Uint8Array(length)), RangeError);
});

test("the key pair keeps a copy of the seed", () => {
  const seed = new Uint8Array(32).fill(9);
  const keys = keyPairFromSeed(seed);
  seed.fill(0);
  assert.deepEqual(keys.secretKey.subarray(0, 32), new Uint8Array(32).fill(9));
});

test("generated key pairs differ", () => {
  const ids = Array.from({ length: 100 }, () => generateKeyPair().id.toHex());
  assert.equal(new Set(ids).size, 100);
});
