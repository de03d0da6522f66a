// Bytes and their text forms.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { asBuffer, equalBytes, parse32Bytes, toBase64, toBase64url, toHex } from "../../../src/util/bytes.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

test("equalBytes compares length and content", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.equal(equalBytes(a, b), a.length === b.length && a.every((byte, i) => byte === b[i]));
      assert.ok(equalBytes(a, Uint8Array.from(a)));
    }),
  );
  assert.ok(!equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2)));
});

test("asBuffer shares the memory of its argument, at its offset", () => {
  const view = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
  const buffer = asBuffer(view);
  assert.deepEqual([...buffer], [2, 3]);
  view[0] = 9;
  assert.equal(buffer[0], 9);
  assert.equal(asBuffer(buffer), buffer);
});

test("the text forms are those of RFC 4648", () => {
  const bytes = Uint8Array.of(0xfb, 0xff, 0xbf, 0x0a);
  assert.equal(toBase64(bytes), "+/+/Cg==");
  assert.equal(toBase64url(bytes), "-_-_Cg");
  assert.equal(toHex(bytes), "fbffbf0a");
});

test("parse32Bytes reads back every text form", () => {
  fc.assert(
    fc.property(bytes32, (bytes) => {
      const base64 = toBase64(bytes);
      const forms = [base64, base64.slice(0, -1), toBase64url(bytes), `${toBase64url(bytes)}=`];
      for (const text of [...forms, toHex(bytes), toHex(bytes).toUpperCase()]) {
        assert.deepEqual(parse32Bytes(text), bytes, text);
      }
    }),
  );
});

test("parse32Bytes gives memory of its own", () => {
  const parsed = parse32Bytes("00".repeat(32));
  assert.equal(parsed?.buffer.byteLength, 32);
});

test("parse32Bytes refuses stray bits in the last character", () => {
  // 43 characters carry 258 bits: the last two must be zero, so only each fourth letter may stand last.
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const [i, last] of Array.from(alphabet).entries()) {
    const parsed = parse32Bytes("A".repeat(42) + last);
    assert.equal(parsed !== undefined, i % 4 === 0, last);
  }
});

test("parse32Bytes refuses mixed alphabets, other lengths and other characters", () => {
  const base64 = "+/".repeat(21) + "8";
  const bad = [
    base64.replace("/", "_"),
    base64.replace("+", "-"),
    base64.slice(1),
    `A${base64}`,
    `${base64}==`,
    `=${base64}`,
    `${base64} `,
    `${base64}\n`,
    `${base64}=\n`,
    ` ${base64}`,
    base64.replace("+", " "),
    base64.replace("+", "é"),
    "",
    "=",
    "0".repeat(63),
    "0".repeat(65),
    `${"0".repeat(63)}g`,
    `${"0".repeat(64)}=`,
    `0x${"0".repeat(64)}`,
    "A".repeat(1 << 20),
  ];
  assert.ok(parse32Bytes(base64));
  for (const text of bad) assert.equal(parse32Bytes(text), undefined, JSON.stringify(text.slice(0, 80)));
});

test("parse32Bytes accepts only what it would print, whatever the text", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.stringMatching(/^[\w+/=-]{43,44}$/)), (text) => {
      const bytes = parse32Bytes(text);
      if (bytes === undefined) return;
      const forms = new Set([toBase64(bytes), toBase64url(bytes), toHex(bytes)].map((form) => form.replace("=", "")));
      const given = text.replace(/=$/, "");
      assert.ok(forms.has(given) || forms.has(given.toLowerCase()), text);
    }),
  );
});
