import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { PieceBuffer } from "../../../src/rpc/piece-buffer.ts";

suite("the piece buffer", () => {
  test("joins pieces of any sizes in order", () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 4000, max: 4200 }), fc.nat(70_000));
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 60, size: "max" }), fc.nat(100), (sizes, lastBytes) => {
        const buffer = new PieceBuffer();
        const pieces = [...sizes, lastBytes].map((length, i) => new Uint8Array(length).fill(i));
        for (const piece of pieces.slice(0, -1)) buffer.add(piece);
        assert.equal(
          buffer.bytes,
          sizes.reduce((sum, length) => sum + length, 0),
        );
        const joined = buffer.join(pieces.at(-1) ?? assert.fail());
        assert.equal(joined.constructor, Uint8Array);
        assert.ok(Buffer.concat(pieces).equals(joined));
      }),
      { numRuns: 300 },
    );
  });

  test("holds little more than its bytes, for single bytes too, each in a chunk of its own", () => {
    const buffer = new PieceBuffer();
    const mebibyte = 1 << 20;
    const chunk = new Uint8Array(10_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < mebibyte; i++) buffer.add(chunk.subarray(i % 10_000, (i % 10_000) + 1));
    const heldBytes = process.memoryUsage().arrayBuffers - before;
    assert.ok(heldBytes < 4 * mebibyte, `${heldBytes} bytes`);
    assert.equal(buffer.join(new Uint8Array(0)).length, mebibyte);
  });
});
