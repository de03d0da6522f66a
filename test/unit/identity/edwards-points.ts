// Points of edwards25519 that no honest key has, computed with the arithmetic of @noble/ed25519 rather than listed.
import { Point } from "@noble/ed25519";

/** The field prime, 2^255 - 19. */
export const fieldPrime = Point.CURVE().p;
/** The order of the prime-order subgroup. */
export const groupOrder = Point.CURVE().n;

const signBit = 1n << 255n;

/** 32 bytes, little-endian. */
export function littleEndian(number: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(number.toString(16).padStart(64, "0"), "hex").toReversed());
}

/** The number of little-endian bytes. */
export function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`);
}

/** A point of order 8: what is left of some point when its prime-order part is multiplied away. */
export function pointOfOrder8(): Point {
  for (let y = 2n; ; y++) {
    let point: Point;
    try {
      point = Point.fromBytes(littleEndian(y));
    } catch {
      continue; // no point has this y
    }
    const torsion = point.multiply(groupOrder - 1n).add(point);
    if (!torsion.double().double().is0()) return torsion;
  }
}

/** The eight points whose order divides 8. */
export function smallOrderPoints(): Point[] {
  const generator = pointOfOrder8();
  const points = [Point.ZERO];
  for (let i = 1; i < 8; i++) points.push((points.at(-1) ?? Point.ZERO).add(generator));
  return points;
}

/** Every 32-byte string that lenient decoders take for the point: with y or y + p, and for x = 0 with either sign bit. */
export function encodingsOf(point: Point): Uint8Array[] {
  const { x, y } = point.toAffine();
  const sign = (x & 1n) === 1n ? signBit : 0n;
  const ys = y + fieldPrime < signBit ? [y, y + fieldPrime] : [y];
  const signs = x === 0n ? [0n, signBit] : [sign];
  return ys.flatMap((spelled) => signs.map((bit) => littleEndian(spelled | bit)));
}
