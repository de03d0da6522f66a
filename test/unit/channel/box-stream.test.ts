// The box stream, held to npm pull-box-stream byte for byte.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as fc from "fast-check";
import sodium from "sodium-native";
import { Boxer, maxBodyBytes, overheadBytes, Unboxer } from "../../../src/channel/box-stream.ts";
import type { ErrorCode } from "../../../src/util/errors.ts";

type PullSource = unknown;
interface PullStream {
  (...streams: unknown[]): void;
  values(values: readonly Buffer[]): PullSource;
  collect(done: (error: unknown, chunks: Buffer[]) => void): unknown;
}
interface PullBoxStream {
  createBoxStream(key: Buffer, nonce: Buffer): unknown;
  createUnboxStream(key: Buffer, nonce: Buffer): unknown;
}

// The reference comes with secret-handshake, so it is resolved from there.
const requireReference = createRequire(createRequire(import.meta.url).resolve("secret-handshake"));
const pull = requireReference("pull-stream") as PullStream;
const reference = requireReference("pull-box-stream") as PullBoxStream;

const key = Buffer.alloc(32, 0x6b);
// The last bytes carry over within a few boxes.
const nonce = Buffer.from(`${"00".repeat(21)}fffffd`, "hex");
const newBoxer = (): Boxer => new Boxer(Buffer.from(key), nonce);
const newUnboxer = (): Unboxer => new Unboxer(Buffer.from(key), nonce);

async function referenceRun(transform: unknown, chunks: readonly Buffer[]): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  pull(
    pull.values(chunks),
    transform,
    pull.collect((error, output) => {
      if (error) reject(error instanceof Error ? error : new Error("the reference failed"));
      else resolve(Buffer.concat(output));
    }),
  );
  return promise;
}

/** Pieces of `bytes`, whose lengths are taken from `lengths` again and again. */
function split(bytes: Uint8Array, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    pieces.push(Buffer.from(bytes.subarray(at, at + length)));
    at += length;
  }
  return pieces;
}

function unboxAll(unboxer: Unboxer, pieces: readonly Uint8Array[]): Buffer {
  const plain: Uint8Array[] = [];
  for (const piece of pieces) unboxer.push(piece, plain);
  return Buffer.concat(plain);
}

/** A header box and a body as given, whatever rule they break. */
function forge(length: number, body: Uint8Array, headerMac?: Uint8Array): Buffer {
  const bodyNonce = Buffer.from(nonce);
  bodyNonce[23] = (bodyNonce[23] ?? 0) + 1;
  const cipher = Buffer.alloc(body.length);
  const mac = Buffer.alloc(16);
  sodium.crypto_secretbox_detached(cipher, mac, body, bodyNonce, key);
  const header = Buffer.alloc(18);
  header.writeUInt16BE(length);
  header.set(headerMac ?? mac, 2);
  const headerBox = Buffer.alloc(overheadBytes);
  sodium.crypto_secretbox_easy(headerBox, header, nonce, key);
  return Buffer.concat([headerBox, cipher]);
}

function assertRefused(bytes: Uint8Array, code: ErrorCode, plainBefore = Buffer.alloc(0)): void {
  for (const lengths of [[1], [bytes.length], [17, 40]]) {
    const plain: Uint8Array[] = [];
    const unboxer = newUnboxer();
    assert.throws(
      () => {
        for (const piece of split(bytes, lengths)) unboxer.push(piece, plain);
      },
      { code },
    );
    assert.deepEqual(Buffer.concat(plain), plainBefore);
  }
}

const flushes = fc.array(fc.integer({ min: 0, max: 3 * maxBodyBytes }), { maxLength: 6 });
const lengths = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 });

test("boxes are byte for byte those of pull-box-stream", async () => {
  await fc.assert(
    fc.asyncProperty(flushes, async (flushLengths) => {
      const plains = flushLengths.map((length) => randomBytes(length));
      const boxer = newBoxer();
      const boxed = Buffer.concat([...plains.map((plain) => boxer.box(plain)), boxer.goodbye()]);
      assert.deepEqual(boxed, await referenceRun(reference.createBoxStream(key, nonce), plains));
    }),
    { numRuns: 50 },
  );
});

test("pull-box-stream opens our boxes, and we open those of pull-box-stream", async () => {
  await fc.assert(
    fc.asyncProperty(flushes, lengths, async (flushLengths, pieceLengths) => {
      const plains = flushLengths.map((length) => randomBytes(length));
      const expected = Buffer.concat(plains);
      const boxer = newBoxer();
      const ours = Buffer.concat([...plains.map((plain) => boxer.box(plain)), boxer.goodbye()]);
      // The reference recurses for each piece, so it gets few.
      const pieces = split(
        ours,
        pieceLengths.map((length) => length + 100),
      );
      const opened = await referenceRun(reference.createUnboxStream(key, nonce), pieces);
      assert.deepEqual(opened, expected);
      const theirs = await referenceRun(reference.createBoxStream(key, nonce), plains);
      const unboxer = newUnboxer();
      assert.deepEqual(unboxAll(unboxer, split(theirs, pieceLengths)), expected);
      assert.ok(unboxer.saidGoodbye);
    }),
    { numRuns: 50 },
  );
});

test("any sequence of flushes survives any splitting", () => {
  fc.assert(
    fc.property(flushes, lengths, (flushLengths, pieceLengths) => {
      const plains = flushLengths.map((length) => randomBytes(length));
      const boxer = newBoxer();
      const boxed = Buffer.concat(plains.map((plain) => boxer.box(plain)));
      const unboxer = newUnboxer();
      assert.deepEqual(unboxAll(unboxer, split(boxed, pieceLengths)), Buffer.concat(plains));
      assert.equal(unboxer.saidGoodbye, false);
    }),
  );
});

test("boxes split into single bytes open", () => {
  const plain = randomBytes(maxBodyBytes + 100);
  assert.deepEqual(unboxAll(newUnboxer(), split(newBoxer().box(plain), [1])), plain);
});

test("a flush of many boxes opens into one chunk of the memory it came in", () => {
  const plain = randomBytes(5 * maxBodyBytes + 7);
  const boxed = newBoxer().box(plain);
  const chunks: Uint8Array[] = [];
  newUnboxer().push(boxed, chunks);
  assert.equal(chunks.length, 1);
  assert.deepEqual(Buffer.from(chunks[0] ?? []), plain);
  assert.equal(chunks[0]?.buffer, boxed.buffer);
});

test("boxing does not change the plaintext, and nothing is boxed into no bytes", () => {
  const plain = randomBytes(5000);
  const copy = Buffer.from(plain);
  const boxer = newBoxer();
  assert.equal(boxer.box(plain).length, 5000 + 2 * overheadBytes);
  assert.deepEqual(plain, copy);
  assert.equal(boxer.box(new Uint8Array()).length, 0);
});

test("the constructors copy the nonce", () => {
  const shared = Buffer.from(nonce);
  const boxer = new Boxer(Buffer.from(key), shared);
  const unboxer = new Unboxer(Buffer.from(key), shared);
  const first = boxer.box(Buffer.from("one"));
  assert.deepEqual(shared, nonce);
  assert.deepEqual(unboxAll(unboxer, [first, boxer.box(Buffer.from("two"))]), Buffer.from("onetwo"));
});

test("nonces carry over all their bytes", () => {
  const last = Buffer.alloc(24, 0xff);
  const boxer = new Boxer(Buffer.from(key), last);
  const unboxer = new Unboxer(Buffer.from(key), last);
  const plain = randomBytes(10_000);
  assert.deepEqual(unboxAll(unboxer, [boxer.box(plain)]), plain);
});

test("a flipped bit anywhere is refused, and what came before it is kept", () => {
  const before = Buffer.from("before");
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (position, bit) => {
      const boxer = newBoxer();
      const first = boxer.box(before);
      const second = boxer.box(randomBytes(200));
      const at = position % second.length;
      second[at] = (second[at] ?? 0) ^ (1 << bit);
      assertRefused(Buffer.concat([first, second]), "box_invalid", before);
    }),
    { numRuns: 50 },
  );
});

test("a repeated, left out or reordered box is refused", () => {
  const boxer = newBoxer();
  const [a, b] = [boxer.box(Buffer.from("a")), boxer.box(Buffer.from("b"))];
  assertRefused(Buffer.concat([a, a]), "box_invalid", Buffer.from("a"));
  assertRefused(Buffer.concat([b, a]), "box_invalid");
});

test("a body over 4096 bytes is refused by its header", () => {
  assert.deepEqual(unboxAll(newUnboxer(), [forge(4096, Buffer.alloc(4096, 1))]), Buffer.alloc(4096, 1));
  assertRefused(forge(4097, Buffer.alloc(4097)).subarray(0, overheadBytes), "box_too_large");
  assertRefused(forge(65_535, Buffer.alloc(1)), "box_too_large");
  assert.throws(() => newUnboxer().push(forge(5000, Buffer.alloc(1)), []), {
    message: "a box over 4096 bytes: 5000 bytes, the limit is 4096",
  });
});

test("an empty body is refused: only eighteen zero bytes are a goodbye", () => {
  assertRefused(forge(0, Buffer.alloc(0)), "box_invalid");
  const goodbye = newUnboxer();
  goodbye.push(forge(0, Buffer.alloc(0), Buffer.alloc(16)), []);
  assert.ok(goodbye.saidGoodbye);
});

test("whatever follows the goodbye is refused", () => {
  const boxer = newBoxer();
  const plain = Buffer.from("last words");
  assertRefused(Buffer.concat([boxer.box(plain), boxer.goodbye(), Buffer.of(0)]), "box_after_goodbye", plain);
});

test("wiping zeroes the key", () => {
  const own = Buffer.from(key);
  new Boxer(own, nonce).wipe();
  assert.deepEqual(own, Buffer.alloc(32));
  const other = Buffer.from(key);
  new Unboxer(other, nonce).wipe();
  assert.deepEqual(other, Buffer.alloc(32));
});

test("the unboxer stops after as many boxes as it is told, and goes on where it stopped", () => {
  const boxer = newBoxer();
  const boxed = Buffer.concat(Array.from({ length: 10 }, (_, i) => boxer.box(Buffer.alloc(5, i))));
  const unboxer = newUnboxer();
  const plain: Uint8Array[] = [];
  let pushes = 0;
  for (let rest: Uint8Array = boxed; rest.length > 0; pushes++) rest = rest.subarray(unboxer.push(rest, plain, 3));
  assert.equal(pushes, 4);
  assert.deepEqual(Buffer.concat(plain), Buffer.concat(Array.from({ length: 10 }, (_, i) => Buffer.alloc(5, i))));
});
