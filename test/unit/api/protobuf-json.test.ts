import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { AnySchema, DoubleValueSchema, Int64ValueSchema, StructSchema } from "@bufbuild/protobuf/wkt";
import { RecordSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import { parseExactJson } from "../../../src/api/exact-json.ts";
import { protobufJson } from "../../../src/api/protobuf-json.ts";
import { sampleRpc } from "./sample-service.ts";

const { input } = sampleRpc("Try", { get: "/api/a" }).method;
const read = (text: string, allowNull?: boolean) =>
  protobufJson(input, parseExactJson(text), allowNull === undefined ? {} : { allowNull });

test("64-bit numbers are exact, in each form that JSON has for a whole number", () => {
  for (const [given, exact] of [
    ["9007199254740993", "9007199254740993"],
    ["-9223372036854775808", "-9223372036854775808"],
    ["1e3", 1000],
    ["5.0", 5],
    ["1.5e1", 15],
    ["12e-1e", undefined],
    ["0", 0],
    ['"9007199254740993"', "9007199254740993"],
    ['"1e18"', "1000000000000000000"],
  ]) {
    if (exact === undefined) assert.throws(() => read(`{"big":${given}}`), SyntaxError);
    else assert.deepEqual({ ...(read(`{"big":${given}}`) as object) }, { big: exact }, `${given}`);
  }
});

test("numbers that are not whole, and texts that JSON would not take for a number, are refused with the field's name", () => {
  for (const value of [
    "1.5",
    "1e-1",
    '"0x10"',
    '"+5"',
    '" 5"',
    '"5 "',
    '"01"',
    '""',
    '"1_000"',
    '"NaN"',
    "1e401",
    '"5."',
  ]) {
    assert.throws(() => read(`{"big":${value}}`), /Sample\.big /, value);
    assert.throws(() => read(`{"inner":{"size":${value}}}`), /Inner\.size /, value);
  }
  for (const value of ['"0x10"', '"+5"', '".5"', '"1e999"', "1e999"]) {
    assert.throws(() => read(`{"ratio":${value}}`), /Sample\.ratio /, value);
  }
});

test("fractions keep what a double can hold, and their names", () => {
  for (const [given, expected] of [
    ["1e-3", 0.001],
    ['"2.5"', 2.5],
    ['"-Infinity"', "-Infinity"],
    ["18446744073709551615", 2 ** 64],
  ] as const) {
    assert.deepEqual({ ...(read(`{"ratio":${given}}`) as object) }, { ratio: expected });
  }
});

test("null is refused where the caller says so, and taken otherwise", () => {
  assert.throws(() => read('{"text":null}', false), /Sample\.text .*null/);
  assert.throws(() => read('{"inner":{"name":null}}', false), /Inner\.name .*null/);
  fromJson(input, read('{"text":null}'));
});

test("numbers in wrappers are those of their scalar; without a schema they are JavaScript's", () => {
  assert.equal(protobufJson(Int64ValueSchema, parseExactJson("9007199254740993")), "9007199254740993");
  assert.equal(protobufJson(DoubleValueSchema, parseExactJson("1e2")), 100);
  assert.equal(JSON.stringify(protobufJson(StructSchema, parseExactJson('{"a":[1e2]}'))), '{"a":[100]}');
  assert.equal(
    JSON.stringify(protobufJson(AnySchema, parseExactJson('{"@type":"x/y","a":1e2}'))),
    '{"@type":"x/y","a":100}',
  );
});

test("more than 100 levels are refused, known or unknown", () => {
  const deep = `${"[".repeat(200)}${"]".repeat(200)}`;
  assert.throws(() => read(`{"nothing":${deep}}`), SyntaxError);
  assert.throws(() => protobufJson(StructSchema, parseExactJson(`{"a":${deep}}`)), SyntaxError);
  assert.throws(() => protobufJson(RecordSchema, parseExactJson(`{"immutable":${deep}}`)), SyntaxError);
});
