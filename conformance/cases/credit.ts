// Credit that a program gives and uses: of new streams exactly what is fixed, of the connection whether or not anybody reads.
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  EchoRequestSchema,
  EchoResponseSchema,
  RepeatRequestSchema,
  RepeatResponseSchema,
} from "../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol } from "../../src/rpc/params.ts";
import { type CaseContext, group, payloadOf } from "../case.ts";
import type { HostileConnection } from "../hostile-listener.ts";
import { settled, until } from "../until.ts";

const { dataFrameCost, initialStreamCredit } = protocol;
const service = "dswarm.example.v1.EchoService";
const unreadBytes = 60_000;
/** So many unread messages are above 9 MB, where some receivers of old gave no credit any more. */
const unreadStreams = 160;
/** A sender may wait for so much before it sends a piece. */
const leastWaitBytes = 4161;

const answer = toBinary(RepeatResponseSchema, create(RepeatResponseSchema, { payload: payloadOf(unreadBytes) }));
const stall = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: new TextEncoder().encode("stall") }));

function hasCredit(raw: HostileConnection, stream: number, cost: number): boolean {
  return Math.min(raw.creditOf(0), raw.creditOf(stream)) >= cost;
}

/** Sends a data frame as soon as the credit allows. */
async function sendWithinCredit(
  raw: HostileConnection,
  stream: number,
  payload: Uint8Array,
  more = false,
): Promise<void> {
  await until("there is credit", () => hasCredit(raw, stream, payload.length + dataFrameCost));
  raw.send(stream, { case: "data", value: { payload, more } });
}

/** Uses the credit of a stream to the last byte, in whole messages. */
function exhaust(raw: HostileConnection, stream: number): number {
  const before = raw.creditOf(stream);
  for (let left = before; left > 0; left = raw.creditOf(stream)) {
    // Nothing is to be left that no frame can cost.
    const cost = left > protocol.maxPieceBytes ? 10_000 : left;
    raw.send(stream, { case: "data", value: { payload: Buffer.alloc(cost - dataFrameCost) } });
  }
  return before;
}

/** Fails unless a stream of which nothing is read takes its credit to the last byte, and not one frame more. */
async function assertCredit(raw: HostileConnection, stream: number): Promise<void> {
  assert.equal(exhaust(raw, stream), initialStreamCredit);
  await raw.assertWorks();
  // A program may read one message ahead, and give credit for it.
  for (let turn = 0; turn < 50 && raw.creditOf(stream) > 0; turn++) {
    exhaust(raw, stream);
    await raw.assertWorks();
  }
  raw.send(stream, { case: "data", value: { payload: Buffer.alloc(0) } });
  const { code } = await raw.next("goAway");
  assert.equal(code, 13);
}

/** Fails unless a stream and a large call come through beside streams that nobody reads. */
async function besideUnread(context: CaseContext, unread: number): Promise<void> {
  const { connection, handlers } = await context.connected();
  const spec = { requests: [{ size: unreadBytes }], count: 1000, paused: true };
  const calls = Array.from({ length: unread }, () => connection.call("Repeat", spec));
  await until("all handlers run", () => handlers.running === unread);
  await settled("what the node sends", () => handlers.answers);
  await connection.call("Repeat", { requests: [{ size: 1 }], count: 1 }).succeeds();
  await connection.call("Echo", { requests: [{ size: 100_000 }] }).succeeds();
  for (const call of calls) await call.cancel();
  await until("no handler runs", () => handlers.running === 0);
  await connection.call("Echo").succeeds();
}

/** Cases of credit. */
export const creditCases = [
  ...group("credit", ["calls"], {
    "of-connection-unread": async (context) => {
      const { raw, connection } = await context.hostilePair();
      for (let i = 0; i < unreadStreams; i++) {
        connection.call("Repeat", { count: 1, paused: true });
        await sendWithinCredit(raw, await raw.opened("Repeat"), answer);
      }
      // Others go on beside them.
      const read = connection.call("Repeat", { count: 1 });
      const stream = await raw.opened("Repeat");
      await sendWithinCredit(raw, stream, answer);
      raw.send(stream, { case: "end", value: {} });
      assert.equal((await read.succeeds()).messages, 1);
      const echo = connection.call("Echo");
      const large = await raw.opened("Echo");
      const bytes = toBinary(EchoResponseSchema, create(EchoResponseSchema, { payload: payloadOf(1_000_000) }));
      for (let at = 0; at < bytes.length; at += 50_000) {
        await sendWithinCredit(raw, large, bytes.subarray(at, at + 50_000), at + 50_000 < bytes.length);
      }
      raw.send(large, { case: "end", value: {} });
      assert.equal((await echo.succeeds()).bytes, 1_000_000);
    },
    "of-new-stream-for-answers": async (context) => {
      const { raw, connection, stream } = await context.hostileCall("Repeat", { count: 1, paused: true });
      await assertCredit(raw, stream);
      await connection.endsBy("credit_exceeded");
    },
    "of-new-stream-for-own-requests": async (context) => {
      const { raw, stream } = await context.hostileCall("Collect", { requests: [{ size: 1000, times: 2000 }] });
      const cost = await settled("what the program sends", () => raw.costOf(stream));
      assert.ok(cost > initialStreamCredit - leastWaitBytes, `only ${cost} bytes of the first credit are used`);
      assert.ok(cost <= initialStreamCredit, `${cost} bytes for a credit of ${initialStreamCredit}`);
    },
    "beside-36-unread-streams": (context) => besideUnread(context, 36),
    "beside-300-unread-streams": (context) => besideUnread(context, 300),
    "of-unread-streams-is-bounded": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const streams: number[] = [];
      for (let i = 0; i < 100; i++) {
        connection.call("Repeat", { count: 1, paused: true });
        streams.push(await raw.opened("Repeat"));
      }
      let sent = 0;
      const fill = (): number => {
        for (const stream of streams) {
          while (hasCredit(raw, stream, answer.length + dataFrameCost) && sent < 1_000_000_000) {
            raw.send(stream, { case: "data", value: { payload: answer } });
            sent += answer.length;
          }
        }
        return sent;
      };
      await settled("the credit", fill);
      assert.ok(sent >= streams.length * answer.length, "a stream has no first credit");
      assert.ok(sent < 32_000_000, `credit for ${sent} bytes that nobody reads`);
      await raw.assertWorks();
    },
  }),
  ...group("credit", ["calls", "serve"], {
    "of-connection-stalled-handlers": async (context) => {
      const { raw } = await context.hostilePair({ serve: true });
      for (let i = 1; i <= unreadStreams; i++) {
        raw.send(2 * i, { case: "open", value: { method: `${service}/Collect`, message: stall } });
        await sendWithinCredit(raw, 2 * i, answer);
      }
      const stream = 2 * unreadStreams + 2;
      const message = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: payloadOf(200_000) }));
      raw.send(0, { case: "credit", value: { bytes: 1_000_000 } });
      raw.send(stream, { case: "open", value: { method: `${service}/Echo` } });
      raw.send(stream, { case: "credit", value: { bytes: 1_000_000 } });
      for (let at = 0; at < message.length; at += 50_000) {
        await sendWithinCredit(raw, stream, message.subarray(at, at + 50_000), at + 50_000 < message.length);
      }
      raw.send(stream, { case: "halfClose", value: {} });
      assert.equal((await raw.next("end", stream)).code, 0);
    },
    "of-new-stream-for-requests": async (context) => {
      const { raw, connection } = await context.hostilePair({ serve: true });
      raw.send(2, { case: "open", value: { method: `${service}/Collect`, message: stall } });
      // At once: a program that reads the message may give credit for it.
      await assertCredit(raw, 2);
      await connection.endsBy("credit_exceeded");
    },
    "of-new-stream-for-own-answers": async (context) => {
      const { raw } = await context.hostilePair({ serve: true });
      const request = create(RepeatRequestSchema, { payload: payloadOf(1000), count: 2000 });
      const message = toBinary(RepeatRequestSchema, request);
      raw.send(2, { case: "open", value: { method: `${service}/Repeat`, message, halfClose: true } });
      const cost = await settled("what the program sends", () => raw.costOf(2));
      assert.ok(cost > initialStreamCredit - leastWaitBytes, `only ${cost} bytes of the first credit are used`);
      assert.ok(cost <= initialStreamCredit, `${cost} bytes for a credit of ${initialStreamCredit}`);
      const { payload } = await raw.next("data", 2);
      assert.equal(fromBinary(RepeatResponseSchema, payload).payload.length, 1000);
    },
  }),
];
