// NodeId: its text forms and the keys it refuses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Point } from "@noble/ed25519";
import * as fc from "fast-check";
import { generateKeyPair, keyPairFromSeed } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { encodingsOf, fieldPrime, littleEndian, smallOrderPoints } from "./edwards-points.ts";

const invalid = { name: "DswarmError", code: "node_id_invalid" };
// A key whose base64 has both "+" and "/", so that its forms differ.
const id = NodeId.parse("@fb+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");

function formsOf(nodeId: NodeId): string[] {
  const base64 = nodeId.toString().slice(1);
  const bare = [base64, base64.slice(0, 43), nodeId.toBase64url(), `${nodeId.toBase64url()}=`, nodeId.toHex()];
  return [...bare, nodeId.toHex().toUpperCase()].flatMap((text) => [text, `@${text}`]);
}

function isAccepted(bytes: Uint8Array): boolean {
  try {
    return Buffer.compare(NodeId.fromBytes(bytes).bytes, bytes) === 0;
  } catch (error) {
    assert.ok(error instanceof DswarmError && error.code === "node_id_invalid");
    return false;
  }
}

test("prints as @base64, base64url, hex and JSON", () => {
  assert.equal(id.toString(), "@fb+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  assert.equal(id.toBase64url(), "fb-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  assert.equal(id.toHex(), `7dbfbffbf0${"00".repeat(27)}`);
  assert.equal(JSON.stringify({ id }), `{"id":"${id.toString()}"}`);
});

test("parses every form that it prints, with or without @ and =", () => {
  for (const text of formsOf(id)) assert.ok(NodeId.parse(text).equals(id), text);
});

test("1000 honest keys are accepted in every form", () => {
  for (let i = 0; i < 1000; i++) {
    const honest = generateKeyPair().id;
    for (const text of formsOf(honest)) assert.ok(NodeId.parse(text).equals(honest), text);
  }
});

test("refuses mixed alphabets, stray bits, other lengths, white space and other texts", () => {
  const base64 = id.toString().slice(1);
  const bad = [
    base64.replace("+", "-"),
    base64.replace("/", "_"),
    base64.replace(/A=$/, "B="),
    base64.replace(/A=$/, "B"),
    base64.slice(1),
    `A${base64}`,
    `${base64}=`,
    `@@${base64}`,
    `&${base64}`,
    `@ ${base64}`,
    ` @${base64}`,
    `@${base64} `,
    `@${base64}\n`,
    `@${base64}\0`,
    `${base64}@`,
    id.toHex().slice(2),
    `${id.toHex()}00`,
    `0x${id.toHex()}`,
    id.toHex().replace("0", "g"),
    "",
    "@",
    "@=",
    "null",
    "dswarm://",
    "@".repeat(1 << 16),
  ];
  for (const text of bad) assert.throws(() => NodeId.parse(text), invalid, JSON.stringify(text.slice(0, 80)));
});

test("any text is parsed or refused as node_id_invalid, and what is parsed prints as one of its own forms", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^@?[\w+/-]{43}=?$/)), (text) => {
      let parsed: NodeId;
      try {
        parsed = NodeId.parse(text);
      } catch (error) {
        assert.ok(error instanceof DswarmError && error.code === "node_id_invalid");
        return;
      }
      assert.ok(formsOf(parsed).includes(text));
    }),
  );
});

test("refuses every length but 32 bytes", () => {
  for (const length of [0, 1, 31, 33, 64, 1 << 16]) {
    assert.throws(() => NodeId.fromBytes(new Uint8Array(length).fill(7)), invalid);
  }
});

test("refuses every y that is not below the field prime, with both sign bits", () => {
  for (let y = fieldPrime; y < 1n << 255n; y++) {
    for (const sign of [0n, 1n << 255n]) assert.throws(() => NodeId.fromBytes(littleEndian(y | sign)), invalid);
  }
});

test("refuses all 14 encodings of the eight points of small order", () => {
  const points = smallOrderPoints();
  assert.equal(new Set(points.map((point) => point.toHex())).size, 8);
  const encodings = points.flatMap((point) => {
    assert.ok(point.isSmallOrder());
    for (const bytes of encodingsOf(point)) assert.ok(Point.fromBytes(bytes, true).equals(point));
    return encodingsOf(point);
  });
  assert.equal(new Set(encodings.map((bytes) => Buffer.from(bytes).toString("hex"))).size, 14);
  for (const bytes of encodings) {
    assert.throws(() => NodeId.fromBytes(bytes), invalid);
    assert.throws(() => NodeId.parse(Buffer.from(bytes).toString("base64")), invalid);
  }
});

test("refuses a y of small order under the wrong sign bit too", () => {
  for (const point of smallOrderPoints()) {
    const bytes = point.toBytes();
    bytes[31] = (bytes[31] ?? 0) ^ 0x80;
    assert.throws(() => NodeId.fromBytes(bytes), invalid);
  }
});

test("accepts exactly the canonical y that are not of small order", () => {
  const smallYs = smallOrderPoints().map((point) => point.y);
  const nearEdges = [0n, fieldPrime, 1n << 255n, ...smallYs].flatMap((y) =>
    [-2n, -1n, 0n, 1n, 2n].map((step) => (y + step + (1n << 256n)) % (1n << 256n)),
  );
  const numbers = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), fc.constantFrom(...nearEdges));
  fc.assert(
    fc.property(numbers, (number) => {
      const y = number % (1n << 255n);
      assert.equal(isAccepted(littleEndian(number)), y < fieldPrime && !smallYs.includes(y));
    }),
    { numRuns: 1000 },
  );
});

test("holds bytes of its own", () => {
  const bytes = Uint8Array.from(id.bytes);
  const copy = NodeId.fromBytes(bytes);
  bytes.fill(0);
  assert.ok(copy.equals(id));
});

test("equals compares the keys, not the objects", () => {
  const { id: other } = keyPairFromSeed(new Uint8Array(32));
  assert.ok(id.equals(id));
  assert.ok(id.equals(NodeId.fromBytes(id.bytes)));
  assert.ok(!id.equals(other));
});
