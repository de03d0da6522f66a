// The box stream on its websocket: split and joined in all ways, forged, and ended.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import sodium from "sodium-native";
import { group } from "../case.ts";
import { frameBytes, type HostileConnection } from "../hostile-listener.ts";
import { until } from "../until.ts";

const ping = (id: number): Buffer => frameBytes(0, { case: "ping", value: { id } });

/** Sends bytes in messages of the lengths that are given one after the other. */
function sendSplit(raw: HostileConnection, bytes: Uint8Array, length: () => number): void {
  for (let at = 0; at < bytes.length; ) {
    const end = at + length();
    raw.socket.send(bytes.subarray(at, end));
    at = end;
  }
}

/** Boxes of some pings with ids from 1, and what answers them. */
async function assertPongs(raw: HostileConnection, count: number): Promise<void> {
  for (let id = 1; id <= count; id++) assert.equal((await raw.next("pong")).id, id);
}

/** A header that opens, of a length of our choice. */
function header(raw: HostileConnection, length: number, mac = Buffer.alloc(16)): Buffer {
  const plain = Buffer.concat([Buffer.alloc(2), mac]);
  plain.writeUInt16BE(length, 0);
  const box = Buffer.alloc(34);
  sodium.crypto_secretbox_easy(box, plain, raw.boxNonce, raw.boxKey);
  return box;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Cases of the box stream. */
export const boxStreamCases = group("box", ["calls"], {
  "split-in-bytes": async (context) => {
    const { raw } = await context.hostilePair();
    sendSplit(raw, Buffer.concat([1, 2, 3].map((id) => raw.box(ping(id)))), () => 1);
    await assertPongs(raw, 3);
  },
  "split-at-random": async (context) => {
    const { raw } = await context.hostilePair();
    const boxes = Array.from({ length: 50 }, (_, at) => raw.box(ping(at + 1)));
    sendSplit(raw, Buffer.concat(boxes), () => randomInt(1, 100));
    await assertPongs(raw, 50);
  },
  joined: async (context) => {
    const { raw } = await context.hostilePair();
    raw.socket.send(Buffer.concat(Array.from({ length: 50 }, (_, at) => raw.box(ping(at + 1)))));
    await assertPongs(raw, 50);
  },
  "bodies-of-a-byte": async (context) => {
    const { raw } = await context.hostilePair();
    for (const byte of Buffer.concat([ping(1), ping(2)])) raw.socket.send(raw.box(Buffer.of(byte)));
    await assertPongs(raw, 2);
  },
  "full-bodies": async (context) => {
    const { raw } = await context.hostilePair();
    const pings = Buffer.concat(Array.from({ length: 3000 }, (_, at) => ping(at + 1)));
    assert.ok(pings.length > 3 * 4096);
    raw.socket.send(raw.box(pings));
    await assertPongs(raw, 3000);
  },
  "fragmented-message": async (context) => {
    const { raw } = await context.hostilePair();
    const bytes = raw.box(ping(1));
    raw.socket.send(bytes.subarray(0, 10), { fin: false });
    raw.socket.send(bytes.subarray(10, 20), { fin: false });
    raw.socket.send(bytes.subarray(20), { fin: true });
    await assertPongs(raw, 1);
  },
  "empty-message": async (context) => {
    const { raw } = await context.hostilePair();
    raw.socket.send(Buffer.alloc(0));
    await raw.assertWorks();
  },
  "websocket-ping": async (context) => {
    const { raw } = await context.hostilePair();
    let answer: string | undefined;
    raw.socket.on("pong", (data: Buffer) => {
      answer = data.toString();
    });
    raw.socket.ping("are you there");
    await until("the websocket's ping is answered", () => answer === "are you there");
    await raw.assertWorks();
  },
  "flipped-header": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.socket.send(flipped(raw.box(ping(1)), 20));
    await connection.endsBy("box_invalid");
    await raw.closed();
    assert.equal(raw.count("pong", 0), 0);
  },
  "flipped-body": async (context) => {
    const { raw, connection } = await context.hostilePair();
    const bytes = raw.box(ping(1));
    raw.socket.send(flipped(bytes, bytes.length - 1));
    await connection.endsBy("box_invalid");
    await raw.closed();
    assert.equal(raw.count("pong", 0), 0);
  },
  repeated: async (context) => {
    const { raw, connection } = await context.hostilePair();
    const bytes = raw.box(ping(1));
    raw.socket.send(bytes);
    await assertPongs(raw, 1);
    raw.socket.send(bytes);
    await connection.endsBy("box_invalid");
    assert.equal(raw.count("pong", 0), 0);
  },
  "left-out": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.box(ping(1));
    raw.socket.send(raw.box(ping(2)));
    await connection.endsBy("box_invalid");
  },
  "oversize-header": async (context) => {
    const { raw, connection } = await context.hostilePair();
    // Without the body: it must not be waited for.
    raw.socket.send(header(raw, 4097));
    await connection.endsBy("box_too_large");
    await raw.closed();
  },
  "empty-body": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.socket.send(header(raw, 0, Buffer.alloc(16, 1)));
    await connection.endsBy("box_invalid");
    await raw.closed();
  },
  goodbye: async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.goodbye();
    await until("the program says goodbye too", () => raw.saidGoodbye);
    await connection.endsBy("goodbye");
    await raw.closed();
    assert.equal(raw.closeCode, 1000, "the close code of the websocket after both goodbyes");
  },
  "after-goodbye": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.socket.send(Buffer.concat([raw.boxer?.goodbye() ?? Buffer.alloc(0), Buffer.of(1)]));
    await connection.endsBy("box_after_goodbye");
  },
  truncated: async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.cut();
    await connection.endsBy("link_truncated");
  },
  "truncated-in-body": async (context) => {
    const { raw, connection } = await context.hostilePair();
    const bytes = raw.box(ping(1));
    raw.socket.send(bytes.subarray(0, bytes.length - 1));
    raw.socket.close(1000);
    await connection.endsBy("link_truncated");
  },
  "closed-without-goodbye": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.socket.close(1000);
    await connection.endsBy("link_truncated");
  },
  "call-on-truncated": async (context) => {
    const { raw, call } = await context.hostileCall();
    raw.cut();
    await call.fails(14);
  },
  "text-message": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.socket.send("text");
    await connection.endsBy("websocket_text");
    await raw.closed();
  },
  "oversize-message": async (context) => {
    const { raw, connection } = await context.hostilePair();
    raw.socket.send(Buffer.alloc(1_048_577));
    await connection.endsBy("websocket_too_large", "websocket_invalid");
    await raw.closed();
  },
  "endless-fragments": async (context) => {
    const { raw, connection } = await context.hostilePair();
    for (let i = 0; i < 1100; i++) raw.socket.send(Buffer.alloc(0), { fin: false });
    await connection.endsBy("websocket_invalid");
    await raw.closed();
  },
});
