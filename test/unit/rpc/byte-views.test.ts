import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ownedBytes, plainView } from "../../../src/rpc/byte-views.ts";

suite("views of bytes", () => {
  test("that are a small part of a larger memory are copied out of it", () => {
    const chunk = new Uint8Array(1000).fill(7);
    for (const length of [0, 1, 499]) {
      const owned = ownedBytes(chunk.subarray(10, 10 + length));
      assert.equal(owned.buffer.byteLength, length);
      assert.deepEqual(owned, new Uint8Array(length).fill(7));
    }
    for (const length of [500, 1000]) {
      const view = chunk.subarray(0, length);
      assert.equal(ownedBytes(view), view);
    }
  });

  test("stay where they are in a memory that may be kept alive", () => {
    const view = new Uint8Array(1000).subarray(0, 1);
    assert.equal(ownedBytes(view, 1000), view);
    assert.notEqual(ownedBytes(view, 999), view);
  });

  test("are no Buffers afterwards, of the same memory", () => {
    const buffer = Buffer.from([1, 2, 3, 4]).subarray(1, 3);
    const view = plainView(buffer);
    assert.equal(view.constructor, Uint8Array);
    assert.deepEqual([view.buffer, view.byteOffset, view.length], [buffer.buffer, buffer.byteOffset, 2]);
    const plain = new Uint8Array(3);
    assert.equal(plainView(plain), plain);
  });
});
