// Credit and backpressure: who does not read stops the sender, and nobody else.
import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoResponseSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol } from "../../src/rpc/params.ts";
import { digestOf, group, payloadOf } from "../case.ts";
import type { HostileConnection } from "../hostile-listener.ts";
import { settled, until } from "../until.ts";

const messageBytes = 10_000;
const many = 5000; // 50 MB: far above any window and queue

/** Far above what a window and the queues below it hold, far below all that is to be sent. */
const boundBytes = 8_000_000;

function message(size: number): Uint8Array {
  return toBinary(EchoResponseSchema, create(EchoResponseSchema, { payload: payloadOf(size) }));
}

/** Sends a data frame as soon as the credit allows. */
async function sendWithinCredit(raw: HostileConnection, stream: number, payload: Uint8Array): Promise<void> {
  const cost = payload.length + protocol.dataFrameCost;
  await until("there is credit", () => Math.min(raw.creditOf(0), raw.creditOf(stream)) >= cost);
  raw.send(stream, { case: "data", value: { payload } });
}

/** Cases of flow control. */
export const flowCases = [
  ...group("flow", ["calls"], {
    "stalled-reader": async (context) => {
      const { connection, handlers } = await context.connected();
      const call = connection.call("Repeat", { requests: [{ size: messageBytes }], count: many, paused: true });
      await until("the node answers", () => handlers.answers > 0);
      const answers = await settled("what the node sends", () => handlers.answers);
      assert.ok(answers * messageBytes < boundBytes, `the node has sent ${answers} messages to one who reads none`);
      await connection.call("Echo", { requests: [{ size: 200_000 }] }).succeeds();
      await call.resume();
      assert.equal((await call.succeeds()).messages, many);
    },
    "stalled-node": async (context) => {
      const { connection, handlers } = await context.connected();
      const call = connection.call("Collect", { requests: [{ text: "stall" }, { size: messageBytes, times: many }] });
      await until("the handler runs", () => handlers.messages > 0);
      const sent = await settled("what the program sends", () => call.sent());
      assert.ok(sent > 1, "the program sends nothing ahead");
      assert.ok(sent * messageBytes < boundBytes, `the program has sent ${sent} messages to one who reads none`);
      await connection.call("Echo", { requests: [{ size: 200_000 }] }).succeeds();
      handlers.release();
      const { collected } = await call.succeeds();
      assert.equal(collected?.count, many + 1);
    },
    "many-stalled-readers": async (context) => {
      const { connection, handlers } = await context.connected();
      const spec = { requests: [{ size: messageBytes }], count: 200, paused: true };
      const calls = Array.from({ length: 30 }, () => connection.call("Repeat", spec));
      await until("all handlers run", () => handlers.running === 30);
      await settled("what the node sends", () => handlers.answers);
      await connection.call("Echo", { requests: [{ size: 1_000_000 }] }).succeeds();
      for (const call of calls) await call.resume();
      for (const call of calls) assert.equal((await call.succeeds()).messages, 200);
    },
    "stalled-both": async (context) => {
      // Neither end reads: both stop, and go on.
      const { connection, handlers } = await context.connected();
      const requests = [{ size: messageBytes, times: 2000 }];
      const call = connection.call("Converse", { requests, paused: true });
      await until("the node answers", () => handlers.answers > 0);
      const sent = await settled("what the program sends", () => call.sent());
      assert.ok(sent * messageBytes < boundBytes, `the program has sent ${sent} messages`);
      await call.resume();
      assert.equal((await call.succeeds()).messages, 2000);
    },
    "large-messages": async (context) => {
      // Far larger than the window of a stream.
      const { connection } = await context.connected();
      const outcome = await connection.call("Echo", { requests: [{ size: 10_000_000 }] }).succeeds();
      assert.equal(outcome.sha256, digestOf([payloadOf(10_000_000)]));
      const streamed = await connection.call("Converse", { requests: [{ size: 5_000_000, times: 3 }] }).succeeds();
      assert.equal(streamed.bytes, 15_000_000);
    },
    "large-at-once": async (context) => {
      const { connection } = await context.connected();
      const calls = [1, 2, 3, 4].map((n) => connection.call("Echo", { requests: [{ size: 3_000_000 + n }] }));
      for (const call of calls) await call.succeeds();
    },
    "small-beside-large": async (context) => {
      const { connection } = await context.connected();
      const large = connection.call("Converse", { requests: [{ size: 10_000_000, times: 2 }] });
      let isLargeDone = false;
      const done = large.succeeds().finally(() => {
        isLargeDone = true;
      });
      await connection.call("Echo", { requests: [{ size: 100 }] }).succeeds();
      assert.equal(isLargeDone, false, "a small call waits for a large one");
      await done;
    },
    "no-credit-no-data": async (context) => {
      // The other end gives none: no more comes than the first credit allows.
      const { raw, stream } = await context.hostileCall("Collect", { requests: [{ size: 1000, times: 2000 }] });
      const cost = await settled("what the program sends", () => raw.costOf(stream));
      assert.ok(cost > 60_000, `only ${cost} bytes of the first credit are used`);
      assert.ok(cost <= protocol.initialStreamCredit, `${cost} bytes for a credit of ${protocol.initialStreamCredit}`);
      raw.send(stream, { case: "credit", value: { bytes: 50_000 } });
      const more = await settled("what the program sends", () => raw.costOf(stream));
      assert.ok(more > cost && more <= protocol.initialStreamCredit + 50_000, `${more} bytes`);
    },
    "no-credit-of-the-connection": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const streams: number[] = [];
      for (let i = 0; i < 3; i++) {
        connection.call("Collect", { requests: [{ size: 10_000, times: 200 }] });
        const stream = await raw.opened("Collect");
        raw.send(stream, { case: "credit", value: { bytes: 10_000_000 } });
        streams.push(stream);
      }
      const total = (): number => streams.reduce((sum, stream) => sum + raw.costOf(stream), 0);
      const cost = await settled("what the program sends", total);
      assert.ok(cost > 1_000_000, `only ${cost} bytes of the first credit are used`);
      assert.ok(cost <= protocol.initialConnectionCredit, `${cost} bytes for ${protocol.initialConnectionCredit}`);
    },
    "credit-comes-back": async (context) => {
      const { raw, call, stream } = await context.hostileCall("Repeat", { count: 1 });
      for (let i = 0; i < 300; i++) await sendWithinCredit(raw, stream, message(messageBytes));
      raw.send(stream, { case: "end", value: {} });
      assert.equal((await call.succeeds()).messages, 300);
    },
    "credit-of-large-message": async (context) => {
      const { raw, call, stream } = await context.hostileCall();
      const bytes = message(2_000_000);
      for (let at = 0; at < bytes.length; at += 20_000) {
        const payload = bytes.subarray(at, at + 20_000);
        const cost = payload.length + protocol.dataFrameCost;
        await until("there is credit", () => Math.min(raw.creditOf(0), raw.creditOf(stream)) >= cost);
        raw.send(stream, { case: "data", value: { payload, more: at + 20_000 < bytes.length } });
      }
      raw.send(stream, { case: "end", value: {} });
      assert.equal((await call.succeeds()).sha256, digestOf([payloadOf(2_000_000)]));
    },
    "no-credit-for-unread": async (context) => {
      const { raw, call, stream } = await context.hostileCall("Repeat", { count: 1, paused: true });
      let sent = 0;
      const payload = message(messageBytes);
      const cost = payload.length + protocol.dataFrameCost;
      const fill = (): number => {
        while (Math.min(raw.creditOf(0), raw.creditOf(stream)) >= cost && sent < many) {
          raw.send(stream, { case: "data", value: { payload } });
          sent += 1;
        }
        return sent;
      };
      await settled("the credit", fill);
      assert.ok(sent * messageBytes < boundBytes, `credit for ${sent} messages that nobody reads`);
      assert.ok(raw.creditOf(0) >= cost, "a reader that stalls holds up the connection");
      await call.resume();
      const before = sent;
      await until("credit comes when it is read", () => fill() > before);
      raw.send(stream, { case: "end", value: {} });
      await call.succeeds();
    },
    "credit-of-closed-stream": async (context) => {
      // What was under way to calls that are cancelled is paid back to the connection, as if it were consumed: 10 MB in all.
      const { raw, connection } = await context.hostilePair();
      const cost = 60_000 + protocol.dataFrameCost;
      for (let i = 0; i < 90; i++) {
        const call = connection.call("Repeat", { count: 1 });
        const stream = await raw.opened("Repeat");
        await call.cancel();
        await raw.next("cancel", stream);
        for (let sent = 0; sent < 2; sent++) {
          await until("the connection has credit", () => raw.creditOf(0) >= cost);
          raw.send(stream, { case: "data", value: { payload: Buffer.alloc(60_000), more: true } });
        }
      }
      await raw.assertWorks();
    },
  }),
  ...group("flow", ["calls", "serve"], {
    "stalled-handler": async (context) => {
      const { client, connection } = await context.calledBack();
      let sent = 0;
      async function* requests() {
        yield { payload: new TextEncoder().encode("stall") };
        for (; sent < many; sent++) yield { payload: payloadOf(messageBytes) };
      }
      const call = client.collect(requests());
      await until("the handler runs", async () => (await connection.stats()).running === 1);
      await settled("what the node sends", () => sent);
      assert.ok(sent * messageBytes < boundBytes, `the program takes ${sent} messages that its handler does not read`);
      await client.echo({ payload: payloadOf(200_000) });
      await connection.release();
      assert.equal((await call).count, many + 1);
    },
    "handler-waits": async (context) => {
      // The node does not read: the program's handler stops producing.
      const { client, connection } = await context.calledBack();
      const answers = client.repeat({ payload: payloadOf(100_000), count: 200 })[Symbol.asyncIterator]();
      await answers.next();
      await until("the handler runs", async () => (await connection.stats()).running === 1);
      await client.echo({ payload: payloadOf(200_000) });
      assert.equal((await connection.stats()).running, 1, "the handler has sent 20 MB to one who does not read");
      let count = 1;
      while ((await answers.next()).done !== true) count += 1;
      assert.equal(count, 200);
    },
    "large-messages-back": async (context) => {
      const { client } = await context.calledBack();
      const { payload } = await client.echo({ payload: payloadOf(10_000_000) });
      assert.equal(payload.length, 10_000_000);
    },
  }),
];
