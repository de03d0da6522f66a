// distances.json: the XOR metric.
import { compareDistance, distance, sharedBits } from "../../../src/identity/node-id.ts";
import { bytesFor, hex, type VectorFile } from "./vector-file.ts";

const first = bytesFor("dswarm vectors: a key");

/** The key with one bit flipped, bit 0 being the most significant. */
function flipped(key: Uint8Array, bit: number): Uint8Array {
  const bytes = Uint8Array.from(key);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return bytes;
}

function pair(name: string, a: Uint8Array, b: Uint8Array): VectorFile["cases"][number] {
  const bits = sharedBits(a, b);
  return {
    name,
    a: hex(a),
    b: hex(b),
    distance: hex(distance(a, b)),
    shared_bits: bits,
    bucket: bits === 256 ? undefined : 255 - bits,
  };
}

function order(name: string, target: Uint8Array, keys: readonly Uint8Array[]): VectorFile["cases"][number] {
  const closestFirst = [...keys].sort((a, b) => compareDistance(target, a, b));
  return { name, target: hex(target), keys: keys.map(hex), closest_first: closestFirst.map(hex) };
}

/** The file. */
export function makeDistances(): VectorFile {
  const bits = [0, 1, 7, 8, 9, 127, 128, 254, 255];
  const keys = ["1", "2", "3", "4", "5", "6", "7", "8"].map((text) => bytesFor(`dswarm vectors: key ${text}`));
  return {
    description:
      "The distance of a and b is their XOR, as 32 bytes, most significant first. shared_bits are the leading bits that a and b share; bucket is the index of the k-bucket of the Kademlia paper, i for distances from 2^i to 2^(i+1) - 1, which is 255 - shared_bits; equal keys have none. closest_first are the keys by their distance to the target.",
    source: "scripts/vectors.ts",
    cases: [
      pair("a key has distance 0 to itself and shares all 256 bits", first, first),
      pair(
        "a key and its complement share no bit",
        first,
        first.map((byte) => byte ^ 0xff),
      ),
      ...bits.map((bit) => pair(`keys that differ in bit ${bit} alone share ${bit} bits`, first, flipped(first, bit))),
      ...keys.slice(1).map((key, i) => pair(`hashed key ${i + 2} against hashed key 1`, keys[0] ?? key, key)),
      order("keys are ordered by their distance, not by their value", first, keys),
      order("a target that is among the keys comes first", keys[4] ?? first, keys),
      order("the first bit that differs decides, whatever follows", Buffer.alloc(32), [
        Buffer.from(`80${"00".repeat(31)}`, "hex"),
        Buffer.from(`7f${"ff".repeat(31)}`, "hex"),
        Buffer.alloc(32, 1),
      ]),
    ],
  };
}
