// Which X25519 keys are of low order, found by the curve's own arithmetic and by OpenSSL.
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, diffieHellman, randomBytes } from "node:crypto";
import { test } from "node:test";
import { isLowOrder } from "../../../src/channel/low-order.ts";

const p = 2n ** 255n - 19n;
const curveA = 486662n;

function modulo(value: bigint): bigint {
  return ((value % p) + p) % p;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = modulo(base), e = exponent; e > 0n; e >>= 1n, b = modulo(b * b)) {
    if (e & 1n) result = modulo(result * b);
  }
  return result;
}

/** Doubles a point given by X and Z alone (RFC 7748, section 5, without the twist's name). */
function double([x, z]: readonly [bigint, bigint]): readonly [bigint, bigint] {
  const xx = modulo(x * x);
  const zz = modulo(z * z);
  const xz = modulo(x * z);
  return [modulo((xx - zz) ** 2n), modulo(4n * xz * (xx + curveA * xz + zz))];
}

function encode(value: bigint): Buffer {
  return Buffer.from(Buffer.from(value.toString(16).padStart(64, "0"), "hex").toReversed());
}

/** Every number below p whose point goes to infinity (or to 0) in three doublings, by solving for it. */
function lowOrderCoordinates(): bigint[] {
  const found = [0n];
  // Order 4: u = 1 and u = -1, the points whose double is (0, 0).
  found.push(1n, p - 1n);
  // Order 8: the double is (1, …): (u² − 1)² = 4u(u² + Au + 1), that is u⁴ − 4u³ − (2 + 4A)u² − 4u + 1 = 0. With
  // w = u + 1/u: w² − 4w − (4 + 4A) = 0.
  const root = power(modulo(4n + 4n + 4n * curveA), (p + 3n) / 8n);
  const sqrtMinusOne = power(2n, (p - 1n) / 4n);
  for (const s of [root, modulo(root * sqrtMinusOne)]) {
    if (modulo(s * s) !== modulo(8n + 4n * curveA)) continue;
    for (const w of [modulo(2n + s), modulo(2n - s)]) {
      const discriminant = modulo(w * w - 4n);
      const r = power(discriminant, (p + 3n) / 8n);
      for (const t of [r, modulo(r * sqrtMinusOne)]) {
        if (modulo(t * t) !== discriminant) continue;
        const half = power(2n, p - 2n);
        found.push(modulo((w + t) * half), modulo((w - t) * half));
      }
    }
  }
  return [...new Set(found)];
}

test("the coordinates of low order are refused in every encoding, and no neighbour of theirs is", () => {
  const coordinates = lowOrderCoordinates();
  assert.equal(coordinates.length, 5);
  for (const u of coordinates) {
    const [, z] = double(double(double([u, 1n])));
    assert.equal(z, 0n, "eight times the point is infinity");
    for (let encoding = u; encoding < 2n ** 256n; encoding += p) assert.ok(isLowOrder(encode(encoding)));
    assert.ok(isLowOrder(encode(u + 2n ** 255n)), "with the top bit set");
    if (u + p < 2n ** 255n) assert.ok(isLowOrder(encode(u + p + 2n ** 255n)));
    assert.equal(isLowOrder(encode(modulo(u + 3n))), false);
  }
});

test("OpenSSL, which refuses a shared secret of zeros, agrees", () => {
  const secret = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), randomBytes(32)]),
    format: "der",
    type: "pkcs8",
  });
  const isRefused = (key: Buffer): boolean => {
    const spki = Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), key]);
    const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
    try {
      diffieHellman({ privateKey: secret, publicKey });
      return false;
    } catch {
      return true;
    }
  };
  for (const u of lowOrderCoordinates()) {
    assert.ok(isRefused(encode(u)));
    assert.ok(isRefused(encode(u + 2n ** 255n)));
  }
  for (let i = 0; i < 50; i++) {
    const key = randomBytes(32);
    assert.equal(isLowOrder(key), isRefused(key));
  }
});
