import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Fault, FaultReporter } from "../../../src/api/fault.ts";
import { Counters } from "../../../src/util/counters.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";

test("an error of dswarm's own keeps its name", () => {
  const own = new DswarmError("unreachable", "127.0.0.1:1");
  for (const thrown of [
    own,
    own.toConnectError(),
    new ConnectError("x", Code.Unavailable, undefined, undefined, own),
  ]) {
    const fault = Fault.from(thrown);
    assert.equal(fault?.status, 503);
    assert.equal(fault.reason, "unreachable");
  }
  assert.deepEqual(JSON.parse(JSON.stringify(Fault.from(own))), {
    code: "unavailable",
    message: "nothing answers at the address: 127.0.0.1:1",
    reason: "unreachable",
  });
});

test("that a peer breaks the protocol is no fault of this node", () => {
  for (const code of ["frame_invalid", "frame_too_large", "credit_exceeded"] as const)
    assert.equal(Fault.from(new DswarmError(code).toConnectError())?.status, 502);
  assert.equal(Fault.from(new DswarmError("storage_failed"))?.status, 500);
});

test("a ConnectError keeps its code, message and details, and loses its metadata", () => {
  const thrown = new ConnectError("no such thing", Code.NotFound, { "set-cookie": "a=b" });
  thrown.details = [{ type: "a.B", value: new Uint8Array([1]) }];
  const fault = Fault.from(thrown);
  assert.deepEqual(JSON.parse(JSON.stringify(fault)), {
    code: "not_found",
    message: "no such thing",
    details: [{ type: "a.B", value: "AQ" }],
  });
  assert.deepEqual([...(fault?.toConnectError().metadata ?? ["?"])], []);
});

test("an abort is a cancellation", () => {
  assert.equal(Fault.from(new DOMException("This operation was aborted", "AbortError"))?.code, Code.Canceled);
});

test("a bug is logged, counted, and tells the client nothing", () => {
  const logged: LogFields[] = [];
  const counters = new Counters();
  const reporter = new FaultReporter(counters, { ...silentLogger, error: (fields) => void logged.push(fields) });
  const thrown = new TypeError("secret of /home/x");
  for (const bug of [thrown, "secret", undefined, null, { code: 5, message: "secret" }]) {
    const fault = reporter.report(bug, undefined);
    assert.equal(fault.status, 500);
    assert.equal(JSON.stringify(fault), `{"code":"internal","message":"internal error"}`);
  }
  assert.equal(logged.length, 5);
  assert.equal(logged[0]?.["err"], thrown);
  assert.equal(counters.get("api.errors.internal"), 5);
});

test("what is meant for the client is counted and not logged", () => {
  const counters = new Counters();
  const reporter = new FaultReporter(counters, { ...silentLogger, error: () => assert.fail("logged") });
  reporter.report(new ConnectError("x", Code.NotFound), undefined);
  reporter.report(new Fault(Code.NotFound, "x"), undefined);
  assert.equal(counters.get("api.errors.not_found"), 2);
});
