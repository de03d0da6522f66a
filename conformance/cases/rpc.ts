// Calls of the program's to a node.
import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { base64, byKey, digestOf, group, payloadOf } from "../case.ts";
import { until } from "../until.ts";

const sizes = [0, 1, 4096, 69_628, 69_632, 70_000, 262_144, 1_000_000];

/** Cases of calls. */
export const rpcCases = [
  ...group("rpc", ["calls"], {
    echo: async (context) => {
      const { connection } = await context.connected();
      for (const size of sizes) {
        const outcome = await connection.call("Echo", { requests: [{ size }] }).succeeds();
        assert.equal(outcome.sha256, digestOf([payloadOf(size)]), `${size} bytes`);
      }
    },
    repeat: async (context) => {
      const { connection } = await context.connected();
      const outcome = await connection.call("Repeat", { requests: [{ size: 50_000 }], count: 40 }).succeeds();
      assert.deepEqual([outcome.messages, outcome.bytes], [40, 2_000_000]);
      assert.equal(outcome.sha256, digestOf(Array.from({ length: 40 }, () => payloadOf(50_000))));
    },
    "repeat-nothing": async (context) => {
      const { connection } = await context.connected();
      assert.equal((await connection.call("Repeat", { count: 0 }).succeeds()).messages, 0);
    },
    collect: async (context) => {
      const { connection } = await context.connected();
      const { collected } = await connection.call("Collect", { requests: sizes.map((size) => ({ size })) }).succeeds();
      assert.deepEqual({ ...collected }, { count: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) });
    },
    "collect-nothing": async (context) => {
      const { connection } = await context.connected();
      const { collected } = await connection.call("Collect", { requests: [] }).succeeds();
      assert.deepEqual({ ...collected }, { count: 0, bytes: 0 });
    },
    converse: async (context) => {
      const { connection } = await context.connected();
      const outcome = await connection.call("Converse", { requests: sizes.map((size) => ({ size })) }).succeeds();
      assert.equal(outcome.messages, sizes.length);
      assert.equal(outcome.sha256, digestOf(sizes.map(payloadOf)));
    },
    "converse-in-turn": async (context) => {
      const { connection } = await context.connected();
      // The answers come while the requests have not ended.
      const call = connection.call("Converse", { requests: [{ size: 3, times: 3 }], hold: true });
      await until("three answers have come", async () => (await call.received()) === 3);
      await call.finish();
      assert.equal((await call.succeeds()).messages, 3);
    },
    "many-messages": async (context) => {
      const { connection } = await context.connected();
      const requests = [{ size: 10, times: 5000 }];
      const { collected } = await connection.call("Collect", { requests }).succeeds();
      assert.deepEqual({ ...collected }, { count: 5000, bytes: 50_000 });
    },
    concurrent: async (context) => {
      const { connection } = await context.connected();
      const calls = Array.from({ length: 200 }, (_, size) => connection.call("Echo", { requests: [{ size }] }));
      for (const [size, call] of calls.entries()) {
        assert.equal((await call.succeeds()).sha256, digestOf([payloadOf(size)]));
      }
    },
    mixed: async (context) => {
      const { connection } = await context.connected();
      const requests = [{ size: 100_000, times: 10 }];
      const calls = Array.from({ length: 5 }, () => [
        connection.call("Converse", { requests }),
        connection.call("Collect", { requests }),
        connection.call("Repeat", { requests: [{ size: 100_000 }], count: 10 }),
        connection.call("Echo", { requests: [{ size: 1_000_000 }] }),
      ]).flat();
      for (const call of calls) await call.succeeds();
    },
    unimplemented: async (context) => {
      const node = await context.node();
      node.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
      const connection = await context.dial(node.address);
      await connection.call("Repeat", { count: 1 }).fails(12);
      await connection.call("Echo").succeeds();
    },
    statuses: async (context) => {
      const { connection } = await context.connected();
      for (let code = 1; code <= 16; code++) {
        const requests = [{ text: `fail ${code} as asked: ${code}` }];
        for (const method of ["Echo", "Repeat", "Collect", "Converse"]) {
          const outcome = await connection.call(method, { requests, count: 1 }).fails(code);
          assert.equal(outcome.message, `as asked: ${code}`, method);
        }
      }
    },
    "status-details": async (context) => {
      const { connection } = await context.connected();
      const { details } = await connection.call("Echo", { requests: [{ text: "fail 5 grüße" }] }).fails(5);
      assert.equal(details.length, 1);
      assert.equal(details[0]?.type, "dswarm.example.v1.EchoRequest");
      const { payload } = fromBinary(EchoRequestSchema, Buffer.from(details[0]?.value ?? "", "base64"));
      assert.equal(Buffer.from(payload).toString(), "grüße");
    },
    "handler-fault": async (context) => {
      const { connection } = await context.connected();
      await connection.call("Echo", { requests: [{ text: "fault" }] }).fails(13);
      await connection.call("Echo").succeeds();
    },
    "fails-before-half-close": async (context) => {
      const { connection } = await context.connected();
      const requests = [{ text: "fail 9 enough" }, { size: 100, times: 3 }];
      await connection.call("Collect", { requests, hold: true }).fails(9);
    },
    metadata: async (context) => {
      const { connection } = await context.connected();
      for (const method of ["Echo", "Repeat", "Collect", "Converse"]) {
        const metadata = [
          ["x-a", "one value"],
          ["x-b.c_d", "!~ printable"],
          ["not-answered", "y"],
        ] as const;
        const outcome = await connection.call(method, { metadata, count: 1 }).succeeds();
        for (const list of [outcome.header, outcome.trailer]) {
          assert.deepEqual(byKey(list), { "x-a": "one value", "x-b.c_d": "!~ printable" }, method);
        }
      }
    },
    "metadata-repeated": async (context) => {
      const { connection } = await context.connected();
      const metadata = [
        ["x-a", "1"],
        ["x-a", "2"],
      ] as const;
      const outcome = await connection.call("Echo", { metadata }).succeeds();
      assert.equal(byKey(outcome.header)["x-a"], "1, 2");
    },
    "metadata-binary": async (context) => {
      const { connection } = await context.connected();
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const outcome = await connection.call("Repeat", { metadata: [["x-a-bin", base64(bytes)]], count: 1 }).succeeds();
      assert.equal(byKey(outcome.header)["x-a-bin"], bytes.toString("hex"));
      assert.equal(byKey(outcome.trailer)["x-a-bin"], bytes.toString("hex"));
    },
    "metadata-with-error": async (context) => {
      const { connection } = await context.connected();
      const requests = [{ text: "fail 7 no" }];
      const outcome = await connection.call("Echo", { requests, metadata: [["x-a", "b"]] }).fails(7);
      assert.match(byKey([...outcome.header, ...outcome.trailer])["x-a"] ?? "", /^b(, b)*$/);
    },
    "metadata-too-large": async (context) => {
      const { connection } = await context.connected();
      const metadata = [["x-a", "v".repeat(16_382)]] as const;
      await connection.call("Echo", { metadata }).fails(8);
      await connection.call("Echo", { metadata: [["x-a", "v".repeat(16_000)]] }).succeeds();
    },
    "metadata-invalid": async (context) => {
      const { connection } = await context.connected();
      await connection.call("Echo", { metadata: [["x-ä", "v"]] }).outcome.then(
        ({ code }) => assert.notEqual(code, 0),
        () => undefined, // or the client's own types refuse it
      );
      await connection.call("Echo").succeeds();
    },
    deadline: async (context) => {
      const { connection, handlers } = await context.connected();
      for (const method of ["Echo", "Repeat", "Collect", "Converse"]) {
        await connection.call(method, { requests: [{ text: "hang" }], count: 1, timeoutMs: 150 }).fails(4);
      }
      await until("no handler runs", () => handlers.running === 0);
    },
    "deadline-not-reached": async (context) => {
      const { connection } = await context.connected();
      await connection.call("Echo", { timeoutMs: 10_000 }).succeeds();
    },
    cancel: async (context) => {
      const { connection, handlers } = await context.connected();
      for (const method of ["Echo", "Repeat", "Collect", "Converse"]) {
        const call = connection.call(method, { requests: [{ text: "hang" }], count: 1 });
        await until("the handler runs", () => handlers.running === 1);
        await call.cancel();
        await call.fails(1);
        await until("the handler has stopped", () => handlers.running === 0);
      }
      assert.equal(handlers.cancelled, 4);
    },
    "cancel-after": async (context) => {
      const { connection, handlers } = await context.connected();
      const call = connection.call("Repeat", { requests: [{ size: 1000 }], count: 1_000_000, cancelAfter: 10 });
      const { messages } = await call.fails(1);
      assert.ok(messages >= 10 && messages < 100_000, `${messages} answers`);
      await until("the handler has stopped", () => handlers.running === 0);
      assert.ok(handlers.answers < 100_000, "the node goes on after the cancel");
    },
    "connection-lost": async (context) => {
      const { connection, node, handlers } = await context.connected({ rpc: { drainTimeoutMs: 0 } });
      const call = connection.call("Echo", { requests: [{ text: "hang" }] });
      await until("the handler runs", () => handlers.running === 1);
      await node.close();
      await call.fails(14, 1);
    },
    "message-over-limit": async (context) => {
      const { connection } = await context.connected({ rpc: { maxMessageBytes: 1_000_000 } });
      await connection.call("Echo", { requests: [{ size: 1_000_001 }] }).fails(8);
      await connection.call("Echo", { requests: [{ size: 900_000 }] }).succeeds();
    },
    "too-many-streams": async (context) => {
      const { connection, handlers } = await context.connected({ rpc: { maxConcurrentStreams: 5 } });
      // The client's own calls count, too.
      const calls = Array.from({ length: 5 }, () => connection.call("Echo", { requests: [{ text: "hang" }] }));
      await until("five handlers run", () => handlers.running === 5);
      await connection.call("Echo").fails(8);
      for (const call of calls) await call.cancel();
      await until("no handler runs", () => handlers.running === 0);
      await connection.call("Echo").succeeds();
    },
  }),
  ...group("rpc", ["calls", "options"], {
    "answer-over-limit": async (context) => {
      const { connection } = await context.connected({}, { options: { maxMessageBytes: 200_000 } });
      await connection.call("Repeat", { requests: [{ size: 150_000 }], count: 1 }).succeeds();
      const { raw, call, stream } = await context.hostileCall("Echo", {}, { options: { maxMessageBytes: 200_000 } });
      for (let i = 0; i < 4; i++) {
        await until("there is credit", () => Math.min(raw.creditOf(stream), raw.creditOf(0)) > 60_064);
        raw.send(stream, { case: "data", value: { payload: Buffer.alloc(60_000), more: true } });
      }
      await call.fails(8);
      await raw.assertWorks();
    },
  }),
];
