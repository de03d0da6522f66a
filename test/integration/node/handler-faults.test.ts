// What a handler throws is seen by the owner of its node, and not by its caller.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { LogKeeper, startNode } from "./rig.ts";

const implementation = {
  echo: () => {
    throw new TypeError("a mistake in the handler");
  },
};

test("without a logger, what a handler throws is on the console with its stack", async (t) => {
  const node = await startNode(t, { discovery: false });
  node.serve(EchoService, implementation);
  const { mock } = t.mock.method(console, "error", () => undefined);
  await assert.rejects(node.client(EchoService, node.id).echo({}), {
    code: Code.Internal,
    rawMessage: "internal error",
  });
  assert.equal(mock.callCount(), 1);
  const line = String(mock.calls[0]?.arguments[0]);
  assert.match(line, /^dswarm: handler_fault: /);
  assert.match(line, /rpc: 'dswarm\.example\.v1\.EchoService\/Echo'/);
  assert.match(line, /TypeError: a mistake in the handler\n +at .*handler-faults\.test\.ts/);
});

test("a logger of the program gets what a handler throws, and the console does not", async (t) => {
  const logger = new LogKeeper();
  const node = await startNode(t, { discovery: false, logger });
  node.serve(EchoService, implementation);
  const { mock } = t.mock.method(console, "error", () => undefined);
  await assert.rejects(node.client(EchoService, node.id).echo({}), { code: Code.Internal });
  assert.equal(mock.callCount(), 0);
  const fault = logger.lines.find(({ fields }) => fields.event === "handler_fault");
  assert.equal(fault?.level, "error");
  assert.equal(fault?.fields["rpc"], "dswarm.example.v1.EchoService/Echo");
});
