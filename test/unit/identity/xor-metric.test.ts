// The XOR metric (Maymounkov and Mazières 2002, section 2.1), held to BigInt arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { compareDistance, distance, sharedBits } from "../../../src/identity/node-id.ts";

const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 });
// Random keys differ in the first byte nearly always: pairs that share a prefix of any length reach the rest.
const keyPair = fc.tuple(anyKey, anyKey, fc.integer({ min: 0, max: 256 })).map(([a, b, shared]) => {
  const mask = shared === 256 ? 0n : (1n << BigInt(256 - shared)) - 1n;
  return [a, fromNumber((toNumber(a) & ~mask) | (toNumber(b) & mask))] as const;
});

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function fromNumber(number: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(number.toString(16).padStart(64, "0"), "hex"));
}

function numberDistance(a: Uint8Array, b: Uint8Array): bigint {
  return toNumber(a) ^ toNumber(b);
}

test("distance is the XOR, most significant byte first", () => {
  fc.assert(
    fc.property(keyPair, ([a, b]) => {
      assert.deepEqual(distance(a, b), fromNumber(numberDistance(a, b)));
    }),
  );
});

test("the distance is 0 to itself and to no other (identity)", () => {
  fc.assert(
    fc.property(keyPair, ([a, b]) => {
      assert.equal(toNumber(distance(a, Uint8Array.from(a))), 0n);
      assert.equal(toNumber(distance(a, b)) === 0n, Buffer.compare(a, b) === 0);
    }),
  );
});

test("the distance is the same both ways (symmetry)", () => {
  fc.assert(
    fc.property(keyPair, ([a, b]) => {
      assert.deepEqual(distance(a, b), distance(b, a));
    }),
  );
});

test("no way round is shorter (triangle inequality)", () => {
  fc.assert(
    fc.property(keyPair, anyKey, ([a, b], c) => {
      const [ab, bc, ac] = [distance(a, b), distance(b, c), distance(a, c)].map(toNumber) as [bigint, bigint, bigint];
      assert.ok(ac <= ab + bc);
      assert.equal(ac, ab ^ bc);
    }),
  );
});

test("from a key there is exactly one other at each distance (unidirectionality)", () => {
  fc.assert(
    fc.property(anyKey, anyKey, (from, away) => {
      const there = distance(from, away);
      assert.deepEqual(distance(from, there), away);
    }),
  );
});

test("compareDistance orders as the distances do as numbers, 0 only for equal keys", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyKey,
        keyPair.map(([a]) => a),
      ),
      keyPair,
      (target, [a, b]) => {
        const [toA, toB] = [numberDistance(target, a), numberDistance(target, b)];
        const order = compareDistance(target, a, b);
        assert.equal(Math.sign(order), toA < toB ? -1 : toA > toB ? 1 : 0);
        assert.equal(Math.sign(compareDistance(target, b, a)), -Math.sign(order) + 0);
        assert.equal(order === 0, Buffer.compare(a, b) === 0);
      },
    ),
  );
});

test("sorting by compareDistance sorts by distance, the target first", () => {
  fc.assert(
    fc.property(anyKey, fc.array(anyKey, { maxLength: 50 }), (target, keys) => {
      const sorted = [...keys, target].sort((a, b) => compareDistance(target, a, b));
      assert.deepEqual(sorted[0], target);
      const distances = sorted.map((key) => numberDistance(target, key));
      for (let i = 1; i < distances.length; i++) assert.ok((distances[i - 1] ?? 0n) <= (distances[i] ?? 0n));
    }),
  );
});

test("sharedBits is 256 less the bit length of the distance", () => {
  fc.assert(
    fc.property(keyPair, ([a, b]) => {
      const number = numberDistance(a, b);
      const bitLength = number === 0n ? 0 : number.toString(2).length;
      assert.equal(sharedBits(a, b), 256 - bitLength);
      assert.equal(sharedBits(b, a), sharedBits(a, b));
    }),
    { numRuns: 1000 },
  );
});

test("sharedBits is right at each of its 257 values", () => {
  const zero = new Uint8Array(32);
  assert.equal(sharedBits(zero, zero), 256);
  for (let bits = 0; bits < 256; bits++) {
    assert.equal(sharedBits(zero, fromNumber(1n << BigInt(255 - bits))), bits);
    assert.equal(sharedBits(zero, fromNumber((1n << BigInt(256 - bits)) - 1n)), bits);
  }
});
