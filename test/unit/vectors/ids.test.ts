import assert from "node:assert/strict";
import { test } from "node:test";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { networkIdOf } from "../../../src/discovery/announce.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { compareDistance, distance, NodeId, sharedBits } from "../../../src/identity/node-id.ts";
import { formatPeerAddress, parsePeerAddress } from "../../../src/identity/peer-address.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { loadCases } from "./load-cases.ts";

interface IdCase {
  readonly kind: string;
  readonly text: string;
  readonly bytes: string;
  readonly seed: string;
  readonly error?: string;
}

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

type Reader = (vector: Record<string, string>) => Record<string, unknown>;

/** What our code makes of the inputs of a case of each kind. */
const readers: Readonly<Record<string, Reader>> = {
  key_pair: ({ seed = "" }) => ({ bytes: keyPairFromSeed(fromHex(seed)).id.toHex() }),
  node_id: ({ text = "" }) => ({ bytes: NodeId.parse(text).toHex() }),
  address: ({ text = "" }) => {
    const address = parsePeerAddress(text);
    const { id, host, port } = address;
    return { key: id.toHex(), host, port, printed: formatPeerAddress(address) };
  },
  network: ({ text = "" }) => {
    const key = networkKeyOf(text);
    return { network_key: toHex(key), network_id: toHex(networkIdOf(key)) };
  },
  record_key: ({ text = "" }) => ({ bytes: RecordKey.parse(text).toHex() }),
  key_of_value: ({ value = "" }) => ({ bytes: RecordKey.ofValue(fromHex(value)).toHex() }),
  key_of_signer: ({ public_key: key = "", salt = "" }) => ({
    bytes: RecordKey.ofSigner(NodeId.fromBytes(fromHex(key)), fromHex(salt)).toHex(),
  }),
  key_of_name: ({ text = "" }) => ({ bytes: RecordKey.ofName(text).toHex() }),
};

for (const vector of loadCases<IdCase>("ids.json")) {
  test(`ids.json: ${vector.name}`, () => {
    const read = readers[vector.kind];
    assert.ok(read !== undefined, vector.kind);
    const inputs = { ...vector } as unknown as Record<string, string>;
    if (vector.error === undefined) {
      const results = read(inputs);
      for (const [field, value] of Object.entries(results)) assert.equal(value, inputs[field], field);
    } else {
      assert.throws(
        () => read(inputs),
        (error) => error instanceof DswarmError && error.code === vector.error,
      );
    }
  });
}

test("ids.json: the text forms printed are among those read", () => {
  const [pair] = loadCases<IdCase>("ids.json");
  assert.ok(pair !== undefined);
  const { id } = keyPairFromSeed(fromHex(pair.seed));
  const good = loadCases<IdCase>("ids.json").filter(({ kind, error }) => kind === "node_id" && error === undefined);
  const texts = new Set(good.map(({ text }) => text));
  for (const text of [id.toString(), id.toBase64url(), id.toHex()]) assert.ok(texts.has(text), text);
});

interface DistanceCase {
  readonly a: string;
  readonly b: string;
  readonly distance: string;
  readonly shared_bits: number;
  readonly bucket?: number;
  readonly target?: string;
  readonly keys: readonly string[];
  readonly closest_first: readonly string[];
}

for (const vector of loadCases<DistanceCase>("distances.json")) {
  test(`distances.json: ${vector.name}`, () => {
    if (vector.target === undefined) {
      const [a, b] = [fromHex(vector.a), fromHex(vector.b)];
      assert.equal(toHex(distance(a, b)), vector.distance);
      assert.equal(sharedBits(a, b), vector.shared_bits);
      // The index by the paper's definition: i for distances from 2^i to 2^(i+1) - 1.
      const number = BigInt(`0x${vector.distance}`);
      assert.equal(number === 0n ? undefined : number.toString(2).length - 1, vector.bucket);
      return;
    }
    const target = fromHex(vector.target);
    const sorted = vector.keys.map(fromHex).sort((a, b) => compareDistance(target, a, b));
    assert.deepEqual(sorted.map(toHex), vector.closest_first);
    const distances = vector.closest_first.map((key) => toHex(distance(target, fromHex(key))));
    assert.deepEqual(distances, distances.toSorted());
  });
}
