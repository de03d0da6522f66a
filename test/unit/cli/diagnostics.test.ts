// Log lines and failures on stderr.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { FailureSchema } from "../../../gen/dswarm/v1/node_pb.ts";
import { CliError, exitCodes } from "../../../src/cli/cli-error.ts";
import { createCliLogger, prettyLogLine } from "../../../src/cli/cli-logger.ts";
import { reportFailure } from "../../../src/cli/failure.ts";
import { DswarmError, type ErrorCode } from "../../../src/util/errors.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

const terminal = recordedTerminal();

test("a log line for people has time, level, node, event, text and fields", () => {
  const logger = createCliLogger({ logLevel: "info" }, terminal, { node: 3 });
  logger.warn({ event: "handshake_failed", code: "hello_invalid", remoteAddress: "127.0.0.1:5" }, "the hello is bad");
  logger.info({ event: "quiet" });
  logger.debug({ event: "not_told" }, "below the level");
  const [warning, info, ...rest] = terminal.takeLines();
  assert.match(
    warning ?? "",
    /^\d\d:\d\d:\d\d warn node 3 handshake_failed: the hello is bad code=hello_invalid remoteAddress=127\.0\.0\.1:5$/,
  );
  assert.match(info ?? "", /^\d\d:\d\d:\d\d info node 3 quiet$/);
  assert.deepEqual(rest, []);
});

test("with --json a log line is one JSON object with the level's name and the time in ISO 8601", () => {
  createCliLogger({ logLevel: "warn", json: true }, terminal).error({ event: "x", more: { a: 1 } }, "text");
  const [line, ...rest] = terminal.takeLines();
  const { time, ...fields } = JSON.parse(line ?? "");
  assert.deepEqual(fields, { level: "error", event: "x", more: { a: 1 }, msg: "text" });
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual(rest, []);
});

test("errors are logged without their stack, but at debug level", () => {
  const err = new DswarmError("bind_failed", "here");
  for (const name of ["err", "error"]) {
    createCliLogger({ logLevel: "warn", json: true }, terminal).error({ event: "x", [name]: err });
    assert.deepEqual(JSON.parse(terminal.takeLines()[0] ?? "")[name], { message: err.message, code: "bind_failed" });
    createCliLogger({ logLevel: "debug", json: true }, terminal).error({ event: "x", [name]: err });
    assert.equal(JSON.parse(terminal.takeLines()[0] ?? "")[name].stack, err.stack);
  }
});

test("silent tells nothing", () => {
  createCliLogger({ logLevel: "silent" }, terminal).error({ event: "x" });
  assert.deepEqual(terminal.takeLines(), []);
});

test("nothing in a log line acts on the terminal", () => {
  const fields = {
    level: "warn",
    time: 1,
    event: "a\u001b[2J",
    msg: "b\u0007",
    "c\u001b": "d\u009b",
    e: { f: "\u001b" },
  };
  const line = prettyLogLine(JSON.stringify(fields), terminal);
  assert.doesNotMatch(line, /\p{Cc}/u);
  assert.doesNotMatch(prettyLogLine("no json \u001b[2J\n", terminal), /\p{Cc}/u);
});

test("what is no log line is shown as it is", () => {
  for (const text of ["plain", "1", "null", "[]", "{}", '{"event":"x"}'])
    assert.equal(prettyLogLine(text, terminal), text);
});

const failures: readonly (readonly [unknown, string, string, number])[] = [
  [new CliError("do this"), "failed", "do this", exitCodes.failure],
  [new CliError("wrong flag", exitCodes.usage), "usage", "wrong flag", exitCodes.usage],
  [new DswarmError("bind_failed", "x"), "bind_failed", "cannot listen on the address: x", exitCodes.failure],
  answered("unreachable", 'nothing answers at the address; "ping" shows which peers answer'),
  answered("peer_unknown", 'no address is known for the peer; "peers" lists those that are known'),
  answered("provider_not_found", 'no provider is found; "provide" makes a node one'),
  answered("quota_exceeded", 'no room for more records; wait until some expire: "records" shows when'),
  answered("store_refused", 'no peer has kept the record; "ping" shows whether any peer answers'),
  [
    new ConnectError("the operation timed out", Code.DeadlineExceeded),
    "deadline_exceeded",
    "the operation timed out; try again, or call with a longer --timeout",
    exitCodes.failure,
  ],
  [new ConnectError("no\u001b", Code.PermissionDenied), "permission_denied", "no\ufffd", exitCodes.failure],
  [new RangeError("odd"), "internal", "odd", exitCodes.failure],
  ["a text", "internal", "a text", exitCodes.failure],
];

/** An error of dswarm's own as a node answers it. */
function answered(code: ErrorCode, message: string): readonly [unknown, string, string, number] {
  return [new DswarmError(code).toConnectError(), code, message, exitCodes.failure];
}

for (const [thrown, code, message, exitCode] of failures) {
  test(`a failure is one line: ${code}, ${JSON.stringify(message)}`, () => {
    assert.equal(reportFailure(thrown, {}, terminal), exitCode);
    assert.deepEqual(terminal.takeLines(), [`dswarm: ${message}`]);
    assert.equal(reportFailure(thrown, { json: true }, terminal), exitCode);
    assert.deepEqual(
      terminal.takeLines().map((line) => JSON.parse(line)),
      [{ event: "failed", code, message }],
    );
  });
}

test("what a peer answers is told as the peer's, with no advice, whatever the peer adds to it", () => {
  for (const reason of ["", "peer_unknown"]) {
    const error = new ConnectError("who is it?", Code.Unauthenticated);
    // Only the last one is of the node that was asked.
    error.details.push({ desc: FailureSchema, value: { reason: "record_conflict" } });
    error.details.push({ desc: FailureSchema, value: { reason, fromPeer: true } });
    assert.equal(reportFailure(error, {}, terminal), exitCodes.failure);
    assert.deepEqual(terminal.takeLines(), ["dswarm: the peer answers unauthenticated: who is it?"]);
  }
  const silent = new ConnectError("", Code.DeadlineExceeded);
  silent.details.push({ desc: FailureSchema, value: { fromPeer: true } });
  reportFailure(silent, { json: true }, terminal);
  assert.deepEqual(JSON.parse(terminal.takeLines()[0] ?? ""), {
    event: "failed",
    code: "deadline_exceeded",
    message: "the peer answers deadline_exceeded",
  });
});

test("the stack of a failure is told at debug level only, and the line says so where it helps", () => {
  const thrown = new RangeError("odd");
  reportFailure(thrown, { logLevel: "warn" }, terminal);
  assert.deepEqual(terminal.takeLines(), ["dswarm: odd (--log-level debug shows where)"]);
  reportFailure(thrown, { logLevel: "debug" }, terminal);
  assert.deepEqual(terminal.takeLines().slice(1), [thrown.stack]);
});
