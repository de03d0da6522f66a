import assert from "node:assert/strict";
import { test } from "node:test";
import { Boxer, Unboxer } from "../../../src/channel/box-stream.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { bytesOf, type VectorBytes } from "../../vectors/make/vector-file.ts";
import { loadCases } from "./load-cases.ts";

interface BoxCase {
  readonly key: string;
  readonly nonce: string;
  readonly plain: readonly VectorBytes[];
  readonly boxes: string;
  readonly goodbye: boolean;
  readonly truncated?: true;
  readonly error?: string;
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");

/** What a receiver gets of the boxes when they come in chunks of that many bytes. */
function open(vector: BoxCase, chunkBytes: number): { plain: Buffer; goodbye: boolean; error: string | undefined } {
  const unboxer = new Unboxer(hex(vector.key), hex(vector.nonce));
  const boxes = hex(vector.boxes);
  const plain: Uint8Array[] = [];
  let error: string | undefined;
  try {
    for (let at = 0; at < boxes.length; at += chunkBytes) {
      unboxer.push(Buffer.from(boxes.subarray(at, at + chunkBytes)), plain);
    }
  } catch (thrown) {
    assert.ok(thrown instanceof DswarmError);
    error = thrown.code;
  }
  return { plain: Buffer.concat(plain), goodbye: unboxer.saidGoodbye, error };
}

for (const vector of loadCases<BoxCase>("box-streams.json")) {
  const expected = Buffer.concat(vector.plain.map(bytesOf));

  test(`box-streams.json: ${vector.name}, received in any pieces`, () => {
    for (const chunkBytes of [1, 33, 4096, 1_000_000]) {
      const { plain, goodbye, error } = open(vector, chunkBytes);
      assert.deepEqual(plain, expected);
      assert.equal(error, vector.error);
      if (error === undefined) assert.equal(goodbye, vector.goodbye);
    }
  });

  if (vector.error !== undefined || vector.truncated === true) continue;
  test(`box-streams.json: ${vector.name}, sent`, () => {
    const boxer = new Boxer(hex(vector.key), hex(vector.nonce));
    const boxes = vector.plain.map((piece) => Buffer.from(boxer.box(bytesOf(piece))));
    if (vector.goodbye) boxes.push(Buffer.from(boxer.goodbye()));
    assert.equal(Buffer.concat(boxes).toString("hex"), vector.boxes);
  });
}
