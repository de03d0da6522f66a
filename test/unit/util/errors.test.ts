// The error table and DswarmError.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { DswarmError, dswarmErrorOf, type ErrorCode, errorTable, messageOf } from "../../../src/util/errors.ts";

const codes = Object.keys(errorTable) as ErrorCode[];
const connectCodes = new Set(Object.values(Code).filter((value) => typeof value === "number"));

test("every entry of the table has a message, a gRPC status code and says whether to try again", () => {
  for (const code of codes) {
    const { message, connect, retryable } = errorTable[code];
    assert.match(code, /^[a-z]+(?:_[a-z]+)*$/);
    assert.match(message, /^[a-z].*[^.\s]$/, code);
    assert.ok(connectCodes.has(connect), code);
    assert.equal(typeof retryable, "boolean", code);
  }
});

test("no two codes share a message", () => {
  assert.equal(new Set(codes.map((code) => errorTable[code].message)).size, codes.length);
});

test("a DswarmError carries code, message, detail, cause and retryable", () => {
  const cause = new Error("below");
  for (const code of codes) {
    const plain = new DswarmError(code);
    assert.ok(plain instanceof Error);
    assert.equal(plain.name, "DswarmError");
    assert.equal(plain.code, code);
    assert.equal(plain.message, errorTable[code].message);
    assert.equal(plain.retryable, errorTable[code].retryable);
    assert.ok(!("cause" in plain));
    const detailed = new DswarmError(code, "in particular", { cause });
    assert.equal(detailed.message, `${errorTable[code].message}: in particular`);
    assert.equal(detailed.cause, cause);
  }
});

test("toConnectError keeps message and code of the table and the error itself as cause", () => {
  for (const code of codes) {
    const error = new DswarmError(code, "detail");
    const connectError = error.toConnectError();
    assert.ok(connectError instanceof ConnectError);
    assert.equal(connectError.code, errorTable[code].connect);
    assert.equal(connectError.rawMessage, error.message);
    assert.equal(connectError.cause, error);
  }
});

test("dswarmErrorOf finds the error itself and the one below any depth of ConnectErrors", () => {
  const error = new DswarmError("peer_unknown");
  const once = error.toConnectError();
  const twice = new ConnectError("again", Code.Internal, undefined, undefined, once);
  for (const thrown of [error, once, twice, ConnectError.from(error), ConnectError.from(once)]) {
    assert.equal(dswarmErrorOf(thrown), error);
  }
});

test("dswarmErrorOf finds nothing in what carries no DswarmError", () => {
  const wrapped = new Error("other", { cause: new DswarmError("peer_unknown") });
  for (const thrown of [
    undefined,
    null,
    "text",
    1,
    {},
    wrapped,
    new ConnectError("x"),
    new ConnectError("x", Code.Internal),
  ]) {
    assert.equal(dswarmErrorOf(thrown), undefined);
  }
});

test("messageOf gives the text of anything thrown and never throws", () => {
  assert.equal(messageOf(new TypeError("wrong")), "wrong");
  assert.equal(messageOf(new DswarmError("node_closed")), errorTable.node_closed.message);
  assert.equal(messageOf("text"), "text");
  assert.equal(messageOf(undefined), "undefined");
  assert.equal(messageOf(Symbol("s")), "Symbol(s)");
  const hostile = {
    toString() {
      throw new Error("no text");
    },
  };
  for (const thrown of [Object.create(null), hostile, Object.assign(new Error("x"), { message: hostile })]) {
    assert.equal(typeof messageOf(thrown), "string");
  }
});
