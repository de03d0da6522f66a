// What the command line shows of a peer's errors, of its many services, and of metadata that comes twice.
import assert from "node:assert/strict";
import { suite, type TestContext, test } from "node:test";
import { createFileRegistry, fromJson, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { NodeId } from "../../../src/identity/node-id.ts";
import { dialIn, filesOf, implementation, serviceIn, tell } from "../node/dialed-peer.ts";
import { CliRig } from "./cli-rig.ts";

const names = Array.from({ length: 70 }, (_, i) => `Ask${String(i).padStart(2, "0")}Service`);
const last = "ask.v1.Ask69Service";
const field = { number: 1, label: "LABEL_OPTIONAL" };
const schema = filesOf({
  name: "ask.proto",
  package: "ask.v1",
  syntax: "proto2",
  messageType: [
    { name: "Ask", field: [{ ...field, name: "n", type: "TYPE_INT32", jsonName: "n", label: "LABEL_REQUIRED" }] },
    { name: "Why", field: [{ ...field, name: "text", type: "TYPE_STRING", jsonName: "text" }] },
  ],
  service: names.map((name) => ({
    name,
    method: [{ name: "Do", inputType: ".ask.v1.Ask", outputType: ".ask.v1.Ask" }],
  })),
});

/** A node by command, and a peer of it that serves all of them and answers so. */
async function withPeer(t: TestContext, answer: (context: HandlerContext) => object) {
  const rig = new CliRig(t);
  const { run, node } = await rig.startNode("--no-discovery");
  const peer = await dialIn(t, { id: NodeId.parse(node.id), port: node.port }, "dev");
  await run.event("peer");
  const all = names.map((name) => `ask.v1.${name}`);
  tell(peer, () => schema, all);
  peer.registry.serve(
    serviceIn(schema, last),
    implementation({ do: (_: object, context: HandlerContext) => answer(context) }),
  );
  return { rig, id: peer.id.toString() };
}

suite("what peers answer", { concurrency: 2 }, () => {
  test("call shows the details of an error, decoded where the schema has their types", async (t) => {
    const why = createFileRegistry(schema).getMessage("ask.v1.Why") ?? assert.fail();
    const { rig, id } = await withPeer(t, () => {
      const error = new ConnectError("no", Code.FailedPrecondition);
      error.details = [
        { type: "ask.v1.Why", value: toBinary(why, fromJson(why, { text: "be\u202ecause" })) },
        { type: "no.such.Type", value: Buffer.from([8, 1]) },
      ];
      throw error;
    });
    const failed = await rig.result(["call", id, `${last}/Do`, '{"n":1}']);
    assert.equal(failed.code, 1);
    assert.deepEqual(failed.stderr.trimEnd().split("\n"), [
      "dswarm: the peer answers failed_precondition: no",
      '  ask.v1.Why: {"text":"be\ufffdcause"}',
      "  no.such.Type: CAE= (base64)",
    ]);
    const json = JSON.parse((await rig.result(["call", id, `${last}/Do`, '{"n":1}', "--json"])).stderr);
    assert.deepEqual(
      json.details.map(({ type, debug }: { type: string; debug?: object }) => [type, debug]),
      [
        ["ask.v1.Why", { text: "be\u202ecause" }],
        ["no.such.Type", undefined],
      ],
    );
    assert.equal(json.details[1].value, "CAE=");
    const missing = await rig.result(["call", id, `${last}/Do`, "{}"]);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /^dswarm: not a ask\.v1\.Ask: .*ask\.v1\.Ask\.n/);
    // What the node itself says has none.
    const own = await rig.result(["get", "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="]);
    assert.match(own.stderr, /^dswarm: [^\n]*\n$/);
  });

  test("services says that it leaves some out; call and services reach those, too", async (t) => {
    const { rig, id } = await withPeer(t, ({ responseHeader }) => {
      for (const cookie of ["a=1", "b=2"]) responseHeader.append("set-cookie", cookie);
      return { n: 2 };
    });
    const list = await rig.result(["services", id]);
    assert.match(list.stdout, /\nask\.v1\.Ask63Service +Do\n64 services; 6 more are not shown: name one to see it\n$/);
    assert.equal(JSON.parse((await rig.result(["services", id, "--json"])).stdout).leftOut, 6);
    const one = await rig.result(["services", id, last]);
    assert.match(one.stdout, /\nservice ask\.v1\.Ask69Service \{\n {2}rpc Do\(ask\.v1\.Ask\)/);
    const called = await rig.result(["call", id, `${last}/Do`, '{"n":1}', "-v"]);
    assert.deepEqual([called.stdout, called.stderr], ['{"n":2}\n', "set-cookie: a=1\nset-cookie: b=2\n"]);
  });
});
