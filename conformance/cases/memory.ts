// What a program holds for its peer comes to an end: refused calls, requests that stay incomplete, peers that do not read.
import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoResponseSchema, RepeatRequestSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { group, payloadOf } from "../case.ts";
import { until } from "../until.ts";

const service = "dswarm.example.v1.EchoService";
const resourceExhausted = 8;
const deadlineExceeded = 4;

const request = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: payloadOf(1000) }));
const response = toBinary(EchoResponseSchema, create(EchoResponseSchema, { payload: payloadOf(5) }));

/** Cases of what is held. */
export const memoryCases = [
  ...group("memory", ["calls"], {
    "refused-call": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const refused = connection.call("Collect", { requests: [{ size: 60_000, times: 50 }] });
      const others = [1, 2].map(() => connection.call("Echo"));
      const [first, second] = [await raw.opened("Echo"), await raw.opened("Echo")];
      const stream = await raw.opened("Collect");
      await raw.next("data", stream);
      raw.send(stream, { case: "end", value: { code: resourceExhausted, message: "no room" } });
      raw.send(second, { case: "end", value: { code: resourceExhausted } });
      await refused.fails(resourceExhausted);
      raw.send(first, { case: "end", value: { response } });
      const codes = await Promise.all(others.map(async ({ outcome }) => (await outcome).code));
      assert.deepEqual(
        codes.toSorted((a, b) => a - b),
        [0, resourceExhausted],
      );
      // The same call may be made again, on the same connection.
      const again = connection.call("Echo");
      raw.send(await raw.opened("Echo"), { case: "end", value: { response } });
      await again.succeeds();
      await raw.assertWorks();
    },
  }),
  ...group("memory", ["calls", "serve"], {
    "large-calls-at-once": async (context) => {
      // 30 MB of requests, and as much of answers: who reads what it is sent is refused none of it.
      const { client } = await context.calledBack();
      const payload = payloadOf(60_000);
      const answers = await Promise.all(Array.from({ length: 500 }, () => client.echo({ payload })));
      for (const answer of answers) assert.equal(answer.payload.length, payload.length);
    },
  }),
  ...group("memory", ["calls", "serve", "timeouts"], {
    "incomplete-request": async (context) => {
      const { raw, connection } = await context.hostilePair({ serve: true, options: { requestTimeoutMs: 300 } });
      const open = (stream: number, method: string, message?: Uint8Array): void =>
        raw.send(stream, { case: "open", value: { method: `${service}/${method}`, ...(message && { message }) } });
      open(2, "Converse", request);
      await until("the handler runs", async () => (await connection.stats()).messages === 1);
      open(4, "Echo");
      open(6, "Echo", request);
      open(8, "Repeat");
      open(10, "Collect");
      open(12, "Echo");
      for (const stream of [8, 10]) raw.send(stream, { case: "data", value: { payload: Buffer.of(10), more: true } });
      raw.send(12, { case: "data", value: { payload: request } });
      for (const stream of [4, 6, 8, 10, 12]) {
        assert.equal((await raw.next("end", stream)).code, deadlineExceeded, `stream ${stream}`);
      }
      // Between whole messages a stream of requests may pause for as long as it likes.
      assert.equal(raw.count("end", 2), 0);
      raw.send(2, { case: "data", value: { payload: request } });
      raw.send(2, { case: "halfClose", value: {} });
      assert.equal((await raw.next("end", 2)).code, 0);
      await until("no handler runs", async () => (await connection.stats()).running === 0);
    },
    "peer-that-does-not-read": async (context) => {
      const { raw, connection } = await context.hostilePair({ serve: true, options: { writeTimeoutMs: 500 } });
      const message = toBinary(
        RepeatRequestSchema,
        create(RepeatRequestSchema, { payload: payloadOf(60_000), count: 10_000 }),
      );
      raw.socket.pause();
      raw.send(0, { case: "credit", value: { bytes: 1_000_000_000 } });
      for (let stream = 2; stream <= 20; stream += 2) {
        raw.send(stream, { case: "open", value: { method: `${service}/Repeat`, message, halfClose: true } });
        raw.send(stream, { case: "credit", value: { bytes: 1_000_000_000 } });
      }
      // What it sends meanwhile is no sign that it reads.
      const pings = setInterval(() => raw.send(0, { case: "ping", value: { id: 1 } }), 50);
      context.after(async () => clearInterval(pings));
      await connection.endsBy("peer_too_slow");
      await until("no handler runs", async () => (await connection.stats()).running === 0);
    },
    "peer-that-gives-no-credit": async (context) => {
      const { raw, connection } = await context.hostilePair({ serve: true, options: { writeTimeoutMs: 500 } });
      const message = toBinary(
        RepeatRequestSchema,
        create(RepeatRequestSchema, { payload: payloadOf(60_000), count: 2 }),
      );
      // 2.4 MB of answers for a credit of 1 MiB on the connection; the streams have enough.
      for (let stream = 2; stream <= 40; stream += 2) {
        raw.send(stream, { case: "open", value: { method: `${service}/Repeat`, message, halfClose: true } });
        raw.send(stream, { case: "credit", value: { bytes: 1_000_000 } });
      }
      const pings = setInterval(() => raw.send(0, { case: "ping", value: { id: 1 } }), 50);
      context.after(async () => clearInterval(pings));
      await connection.endsBy("peer_too_slow");
      await until("no handler runs", async () => (await connection.stats()).running === 0);
    },
  }),
];
