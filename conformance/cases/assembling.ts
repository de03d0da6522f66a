// Messages that come in pieces: which of them get credit beyond the window of their stream, and how much a program holds of them.
import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoResponseSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol } from "../../src/rpc/params.ts";
import { group, payloadOf } from "../case.ts";
import type { HostileConnection } from "../hostile-listener.ts";
import { settled, until } from "../until.ts";

const service = "dswarm.example.v1.EchoService";
const pieceBytes = 20_000;
const messageBytes = 4_000_000;
/** The pieces of messages that are waited for, above which the oldest alone goes on. */
const maxAssemblingBytes = 8_388_608;
/** Bytes of credit that a stream in use may have beyond its initial credit. */
const windowBytes = 262_144;
/** Far above the window of a stream, far below the message. */
const unreadBoundBytes = 1_000_000;
/** Bytes that each of the programs holds for one peer, at most. */
const maxHeldBytes = 67_108_864;
const resourceExhausted = 8;

/** A message that is sent in pieces, as far as there is credit. */
class Pieces {
  readonly stream: number;
  sent = 0;
  readonly #raw: HostileConnection;
  readonly #bytes: Uint8Array;

  constructor(raw: HostileConnection, stream: number, bytes: Uint8Array) {
    this.#raw = raw;
    this.stream = stream;
    this.#bytes = bytes;
  }

  get isWhole(): boolean {
    return this.sent === this.#bytes.length;
  }

  /** Sends one piece if there is credit for it. */
  sendOne(): boolean {
    const payload = this.#bytes.subarray(this.sent, this.sent + pieceBytes);
    const cost = payload.length + protocol.dataFrameCost;
    if (this.isWhole || Math.min(this.#raw.creditOf(0), this.#raw.creditOf(this.stream)) < cost) return false;
    this.sent += payload.length;
    this.#raw.send(this.stream, { case: "data", value: { payload, more: !this.isWhole } });
    return true;
  }
}

function sumOf(messages: readonly Pieces[]): number {
  return messages.reduce((sum, { sent }) => sum + sent, 0);
}

/** Sends pieces of all messages in turn, until no credit comes any more. Returns how many bytes were sent. */
function sendInTurn(messages: readonly Pieces[]): Promise<number> {
  return settled("the credit", () => {
    let goesOn = true;
    while (goesOn) {
      goesOn = false;
      for (const each of messages) goesOn = each.sendOne() || goesOn;
    }
    return sumOf(messages);
  });
}

function answerOf(size: number): Uint8Array {
  return toBinary(EchoResponseSchema, create(EchoResponseSchema, { payload: payloadOf(size) }));
}

/** Cases of messages in pieces. */
export const assemblingCases = [
  ...group("assembling", ["calls"], {
    "oldest-alone-goes-on": async (context) => {
      const { raw, connection } = await context.hostilePair();
      const calls: ReturnType<typeof connection.call>[] = [];
      const messages: Pieces[] = [];
      for (let i = 0; i < 8; i++) {
        calls.push(connection.call("Echo"));
        messages.push(new Pieces(raw, await raw.opened("Echo"), answerOf(messageBytes)));
      }
      // The oldest message is the one whose first piece came first.
      const [oldest, ...others] = messages as [Pieces, ...Pieces[]];
      oldest.sendOne();
      await raw.assertWorks();
      await sendInTurn(others);
      const held = sumOf(others);
      const bound = maxAssemblingBytes + messages.length * windowBytes;
      assert.ok(held <= bound, `credit for ${held} bytes of messages that are not the oldest`);
      assert.ok(held > maxAssemblingBytes / 2, `credit for only ${held} bytes of messages that are waited for`);
      // The oldest goes on all the same, then the next, to the last.
      await until("the oldest message is through", () => {
        while (oldest.sendOne());
        return oldest.isWhole;
      });
      raw.send(oldest.stream, { case: "end", value: {} });
      await until("all messages are through", () => {
        for (const each of others) {
          while (each.sendOne());
        }
        return others.every(({ isWhole }) => isWhole);
      });
      for (const { stream } of others) raw.send(stream, { case: "end", value: {} });
      for (const call of calls) assert.equal((await call.succeeds()).bytes, messageBytes);
    },
    "unread-message-waits": async (context) => {
      const { raw, call, stream } = await context.hostileCall("Repeat", { count: 2, paused: true });
      // The first is always waited for.
      raw.send(stream, { case: "data", value: { payload: answerOf(5) } });
      const message = new Pieces(raw, stream, answerOf(messageBytes));
      const sent = await sendInTurn([message]);
      assert.ok(sent <= unreadBoundBytes, `credit for ${sent} bytes of a message that nobody waits for`);
      await call.resume();
      await until("credit comes when it is waited for", () => {
        while (message.sendOne());
        return message.isWhole;
      });
      raw.send(stream, { case: "end", value: {} });
      assert.equal((await call.succeeds()).bytes, 5 + messageBytes);
    },
  }),
  ...group("assembling", ["calls", "serve"], {
    "unread-request-waits": async (context) => {
      const { raw, connection } = await context.hostilePair({ serve: true });
      const message = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: Buffer.from("stall") }));
      raw.send(2, { case: "open", value: { method: `${service}/Collect`, message } });
      await until("the handler runs", async () => (await connection.stats()).messages === 1);
      const request = new Pieces(raw, 2, answerOf(messageBytes));
      const sent = await sendInTurn([request]);
      assert.ok(sent <= unreadBoundBytes, `credit for ${sent} bytes of a message that no handler waits for`);
      await connection.release();
      await until("credit comes when it is waited for", () => {
        while (request.sendOne());
        return request.isWhole;
      });
      raw.send(2, { case: "halfClose", value: {} });
      assert.equal((await raw.next("end", 2)).code, 0);
    },
    // Messages in open frames cost no credit: without a bound of their own, calls that stay incomplete hold any number of bytes.
    "held-bytes-are-bounded": async (context) => {
      const { raw } = await context.hostilePair({ serve: true });
      const message = Buffer.alloc(protocol.maxPieceBytes);
      const streams = Array.from({ length: 1000 }, (_, at) => 2 * at + 2);
      for (const stream of streams) raw.send(stream, { case: "open", value: { method: `${service}/Echo`, message } });
      await raw.assertWorks();
      const refused = streams.filter((stream) => raw.count("end", stream) > 0);
      const held = (streams.length - refused.length) * message.length;
      assert.ok(held <= maxHeldBytes, `calls that hold ${held} bytes are taken`);
      assert.ok(refused.length < streams.length / 2 + 100, `${refused.length} calls are refused`);
      for (const stream of refused) assert.equal((await raw.next("end", stream)).code, resourceExhausted);
      // When they are given up there is room again.
      for (const stream of streams) if (!refused.includes(stream)) raw.send(stream, { case: "cancel", value: {} });
      const whole = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: payloadOf(5) }));
      const last = (streams.at(-1) ?? 0) + 2;
      raw.send(last, { case: "open", value: { method: `${service}/Echo`, message: whole, halfClose: true } });
      assert.equal((await raw.next("end", last)).code, 0);
    },
  }),
];
