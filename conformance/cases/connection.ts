// Keepalive, go-away and the end of connections.
import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { type CaseContext, group } from "../case.ts";
import { type Body, frameBytes, type HostileConnection } from "../hostile-listener.ts";
import { until } from "../until.ts";

const lastStreamId = 2 ** 31 - 1;

/** A whole unary call, of EchoService. */
function open(method: string, words: string): Body {
  const message = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: Buffer.from(words) }));
  return { case: "open", value: { method: `dswarm.example.v1.EchoService/${method}`, message, halfClose: true } };
}

/** A program that closes its connection while its handler of stream 2 runs, and waits for a pong. */
async function closingWithCall(context: CaseContext) {
  const { raw, connection } = await context.hostilePair({ serve: true });
  raw.pongs = false;
  raw.send(2, open("Echo", "hang"));
  await until("the handler runs", async () => (await connection.stats()).running === 1);
  const closing = connection.close();
  assert.equal((await raw.next("goAway")).lastStreamId, lastStreamId);
  return { raw, connection, closing };
}

/** Lets what was sent leave, so that it does not pile up here. */
async function settledSoon(raw: HostileConnection): Promise<void> {
  await until("it leaves", () => raw.closeCode !== undefined || raw.socket.bufferedAmount < 1_000_000);
}

/** Cases of connections as such. */
export const connectionCases = [
  ...group("connection", ["calls"], {
    pong: async (context) => {
      const { raw } = await context.hostilePair();
      for (const id of [0, 1, 2 ** 32 - 1]) {
        raw.send(0, { case: "ping", value: { id } });
        assert.equal((await raw.next("pong")).id, id);
      }
    },
    "pong-unasked": async (context) => {
      const { raw } = await context.hostilePair();
      raw.send(0, { case: "pong", value: { id: 12_345 } });
      await raw.assertWorks();
    },
    close: async (context) => {
      const { raw, connection } = await context.hostilePair();
      raw.pongs = false;
      const closing = connection.close();
      assert.deepEqual((await raw.next("goAway")).lastStreamId, lastStreamId);
      const { id } = await raw.next("ping");
      assert.equal(raw.saidGoodbye, false, "goodbye before the pong");
      raw.send(0, { case: "pong", value: { id } });
      await until("the program says goodbye", () => raw.saidGoodbye);
      raw.goodbye();
      await closing;
      await raw.closed();
      assert.equal(raw.closeCode, 1000, "the close code of the websocket after both goodbyes");
      await connection.endsBy("goodbye");
    },
    "close-without-pong": async (context) => {
      const { raw, connection } = await context.hostilePair();
      raw.pongs = false;
      const closing = connection.close();
      await until("the program says goodbye all the same", () => raw.saidGoodbye);
      raw.goodbye();
      await closing;
    },
    "close-without-goodbye": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const closing = connection.close();
      await until("the program says goodbye", () => raw.saidGoodbye);
      await closing;
      await raw.closed();
      // Who does not wait for the other goodbye cannot tell it from one that was never said.
      await connection.endsBy("link_truncated");
    },
    "close-finishes-calls": async (context) => {
      const { raw, connection, call, stream } = await context.hostileCall();
      const closing = connection.close();
      await raw.next("goAway");
      assert.equal(raw.saidGoodbye, false, "goodbye while a call is in flight");
      raw.send(stream, { case: "end", value: { response: Buffer.alloc(0) } });
      await call.succeeds();
      await until("the program says goodbye", () => raw.saidGoodbye);
      raw.goodbye();
      await closing;
    },
    "close-with-node": async (context) => {
      const { connection, node } = await context.connected();
      await connection.call("Echo").succeeds();
      await connection.close();
      await connection.endsBy("goodbye");
      await until("the node has no connection", () => node.connections === 0);
    },
    "node-closes": async (context) => {
      const { connection, node, handlers } = await context.connected();
      const call = connection.call("Converse", { requests: [{ size: 10 }], hold: true });
      await until("the handler runs", () => handlers.answers === 1);
      const closing = node.close();
      // In flight: it may finish.
      await call.finish();
      await call.succeeds();
      await closing;
      await connection.endsBy("goodbye");
    },
    "too-many-faults": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const pongs = Buffer.concat(
        Array.from({ length: 1000 }, () => frameBytes(0, { case: "pong", value: { id: 99_999 } })),
      );
      // Far more than 20,000 at once and 5,000 a second of the time that they take.
      let sent = 0;
      await until("the program has had enough", async () => {
        if (raw.closeCode !== undefined || sent >= 1_000_000) return true;
        for (let i = 0; i < 20; i++) raw.sendBytes(pongs);
        sent += 20_000;
        await settledSoon(raw);
        return false;
      });
      assert.equal((await raw.next("goAway")).code, 8);
      await connection.endsBy("too_many_faults");
    },
    "faults-that-are-borne": async (context) => {
      const { raw } = await context.hostilePair();
      for (let id = 0; id < 10_000; id++) raw.send(0, { case: "pong", value: { id: 99_999 } });
      await raw.assertWorks();
    },
    "go-away-turns-away": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const kept = connection.call("Echo");
      const stream = await raw.opened("Echo");
      const lost = connection.call("Echo");
      const last = await raw.opened("Echo");
      raw.send(0, { case: "goAway", value: { lastStreamId: last - 1 } });
      await lost.fails(14);
      raw.send(stream, { case: "end", value: { response: Buffer.alloc(0) } });
      await kept.succeeds();
    },
    "go-away-no-new-calls": async (context) => {
      const { raw, connection } = await context.hostilePair();
      raw.send(0, { case: "goAway", value: { lastStreamId } });
      await raw.assertWorks();
      // It fails, or takes another connection: none of this listener's answers.
      const call = connection.call("Echo", { timeoutMs: 300 });
      await call.outcome.then(
        ({ code }) => assert.ok(code === 14 || code === 4, `status ${code}`),
        () => undefined,
      );
      assert.equal(raw.count("open", 0), 0);
      for (let stream = 1; stream < 40; stream += 2) assert.equal(raw.count("open", stream), 0, "a call after go-away");
    },
  }),
  ...group("connection", ["calls", "serve"], {
    "close-refuses-calls": async (context) => {
      const { raw, connection, closing } = await closingWithCall(context);
      const { id } = await raw.next("ping");
      raw.send(0, { case: "pong", value: { id } });
      // After the pong what is opened is ignored: it had the go-away before.
      raw.send(4, open("Echo", "one more"));
      raw.send(2, { case: "cancel", value: {} });
      await until("the program says goodbye", () => raw.saidGoodbye);
      raw.goodbye();
      await closing;
      assert.equal(raw.count("end", 4), 0, "a call is answered that was opened after the go-away");
      await connection.endsBy("goodbye");
    },
    "close-turns-away": async (context) => {
      const { raw, closing } = await closingWithCall(context);
      await raw.next("ping");
      // Before the pong it may not know of the go-away.
      raw.send(4, open("Echo", "under way"));
      assert.equal((await raw.next("end", 4)).code, 0);
      // No pong comes: calls are turned away all the same, and that is said.
      assert.equal((await raw.next("goAway")).lastStreamId, 4);
      raw.send(6, open("Echo", "too late"));
      raw.send(2, { case: "cancel", value: {} });
      await until("the program says goodbye", () => raw.saidGoodbye);
      raw.goodbye();
      await closing;
      assert.equal(raw.count("end", 6), 0, "a call is answered that was turned away");
    },
  }),
  ...group("connection", ["calls", "options"], {
    "keepalive-asks": async (context) => {
      const { raw } = await context.hostilePair({ options: { keepaliveIntervalMs: 200, keepaliveTimeoutMs: 5000 } });
      for (let i = 0; i < 3; i++) await raw.next("ping");
      await raw.assertWorks();
    },
    "keepalive-gives-up": async (context) => {
      const options = { keepaliveIntervalMs: 200, keepaliveTimeoutMs: 200 };
      const { raw, connection } = await context.hostilePair({ options });
      raw.pongs = false;
      await connection.endsBy("keepalive_timeout");
      await raw.closed();
    },
    // Any byte is a sign of life: this end answers no ping, and sends something else each time.
    "keepalive-any-byte": async (context) => {
      const { raw } = await context.hostilePair({ options: { keepaliveIntervalMs: 200, keepaliveTimeoutMs: 300 } });
      raw.pongs = false;
      for (let i = 0; i < 5; i++) {
        await raw.next("ping");
        raw.send(0, { case: "credit", value: { bytes: 64 } });
      }
      assert.equal(raw.closeCode, undefined, "only a pong counts as a sign of life");
    },
    "drain-is-bounded": async (context) => {
      const { raw, connection, call } = await context.hostileCall("Echo", {}, { options: { drainTimeoutMs: 200 } });
      const closing = connection.close();
      await until("the program says goodbye with a call in flight", () => raw.saidGoodbye);
      raw.goodbye();
      await closing;
      await call.fails(14, 1);
    },
  }),
];
