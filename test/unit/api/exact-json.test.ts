import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { NumberText, parseExactJson, roundedJson } from "../../../src/api/exact-json.ts";

test("keeps the text of numbers that JavaScript would round or print otherwise", () => {
  const json = parseExactJson('{"a":9007199254740993,"b":[1e3,1.0,-0,7],"c":12.5}');
  assert.deepEqual(json, {
    a: new NumberText("9007199254740993"),
    b: [new NumberText("1e3"), new NumberText("1.0"), new NumberText("-0"), 7],
    c: 12.5,
  });
});

test("rounds to what JSON.parse gives", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const plain: unknown = JSON.parse(text);
      assert.equal(JSON.stringify(roundedJson(parseExactJson(text))), JSON.stringify(plain));
    }),
  );
});

test("refuses a key that is there twice, at any depth and in any spelling", () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":{"b":1,"b":2}}',
    '[{"a":[],"b":"}","a":{}}]',
    '{"a":1,"\\u0061":2}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
  ]) {
    assert.throws(() => parseExactJson(text), SyntaxError, text);
  }
  for (const text of [
    '{"a":"a","b":"a"}',
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '["a","a"]',
    '{"a":",","b":"{"}',
  ]) {
    parseExactJson(text);
  }
});

test("refuses what is no JSON by a SyntaxError", () => {
  for (const text of ["", "{", "01", "-", "nul", '"', '"\\"', '{"a', '{"\\u12":1}', "]", '{"a":1,}', '{"a"\\:1}']) {
    assert.throws(() => parseExactJson(text), SyntaxError, text);
  }
});

const nested = (levels: number): string => `${'[{"a":'.repeat(levels / 2)}1${"}]".repeat(levels / 2)}`;

test("takes 100 levels and refuses more, however many they are", () => {
  parseExactJson(nested(100));
  for (const text of [nested(102), "[".repeat(1_000_000), "[".repeat(200_000) + "]".repeat(200_000)]) {
    assert.throws(() => parseExactJson(text), /SyntaxError: the JSON has more than 100 levels/);
  }
});

test("finds the ends of strings, whatever they hold", () => {
  const strings = fc.array(fc.string({ unit: fc.constantFrom("\\", '"', "{", "[", ",", "}", "a", "1") }));
  fc.assert(
    fc.property(strings, (values) => {
      assert.deepEqual(parseExactJson(JSON.stringify(values)), values);
      const object = Object.fromEntries(values.map((value) => [value, value]));
      assert.deepEqual(parseExactJson(JSON.stringify(object)), object);
    }),
  );
});
