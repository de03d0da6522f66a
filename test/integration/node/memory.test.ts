// What strangers can make a node hold, on real sockets: never more than its budget, and in the end nothing. Limits are small, so
// that little traffic reaches them.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { FindValueRequestSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import { FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import type { RpcOptions } from "../../../src/rpc/params.ts";
import { openRaw, type RawLink, type RawPeer } from "../channel/rig.ts";
import { apiJson, send, startNode, testNetwork, until } from "./rig.ts";

const mebibyte = 1 << 20;
const limits = {
  maxHeldBytes: 8 * mebibyte,
  maxHeldBytesPerConnection: 2 * mebibyte,
  // Much longer than the attackers take to send, on a busy machine too.
  requestTimeoutMs: 5000,
  writeTimeoutMs: 1500,
} satisfies RpcOptions;
/** What one read of a socket may add before the budget is looked at. */
const slackBytes = mebibyte;

const ping = "dswarm.v1.DhtService/Ping";
const findValue = "dswarm.v1.DhtService/FindValue";
const message = randomBytes(60_000);

type Frame = MessageInitShape<typeof FrameSchema>;

function frames(list: readonly Frame[]): Buffer {
  return Buffer.concat(list.map((each) => sizeDelimitedEncode(FrameSchema, create(FrameSchema, each))));
}

/** A peer that has proven its key and then sends what it likes. */
class Attacker {
  readonly peer: RawPeer;
  readonly #link: RawLink;

  constructor(peer: RawPeer, link: RawLink) {
    this.peer = peer;
    this.#link = link;
  }

  send(...list: readonly Frame[]): void {
    const plain = frames(list);
    const output = Buffer.alloc(plain.length + (Math.ceil(plain.length / 4096) + 1) * 34);
    this.peer.send(this.#link.boxer.box(plain, output));
  }
}

async function attacker(t: TestContext, node: DswarmNode): Promise<Attacker> {
  const peer = await openRaw(node.port);
  t.after(() => peer.socket.terminate());
  const keys = { ...generateKeyPair(), id: node.id };
  const link = await peer.shakeAsDialer({ keys, networkKey: networkKeyOf(node.config.network) });
  return new Attacker(peer, link);
}

function attackers(t: TestContext, node: DswarmNode, count: number): Promise<Attacker[]> {
  return Promise.all(Array.from({ length: count }, () => attacker(t, node)));
}

interface Watched {
  readonly node: DswarmNode;
  /** The most that the node has held. */
  readonly most: () => number;
  /** Fails unless an honest peer is served. */
  readonly serves: () => Promise<void>;
}

async function victim(t: TestContext, rpc: RpcOptions = limits): Promise<Watched> {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false, rpc });
  const honest = await startNode(t, { network, discovery: false });
  await honest.ping(node.address);
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, node.load.heldBytes);
  }, 2);
  t.after(() => clearInterval(timer));
  return { node, most: () => most, serves: async () => void (await honest.ping(node.address)) };
}

function counted(node: DswarmNode, name: string): number {
  return node.counters.get(name);
}

test("requests that never become complete are refused over a peer's share, ended when the node is full, and time out", async (t) => {
  const { node, most, serves } = await victim(t);
  const few = await attackers(t, node, 3);
  for (let i = 0; i < 60; i++) {
    const open = { method: ping, message };
    for (const each of few) each.send({ streamId: 2 * i + 1, body: { case: "open", value: open } });
    if (i % 10 === 0) await serves();
  }
  await until("calls are refused", () => counted(node, "rpc.refused.memory") >= 3 * 20);
  assert.ok(most() <= 3 * limits.maxHeldBytesPerConnection + slackBytes, `${most()} bytes`);
  assert.equal(counted(node, "rpc.ended.memory_exhausted"), 0);
  assert.equal(few.filter(({ peer }) => peer.isClosed).length, 0);
  await until("they time out", () => node.load.heldBytes === 0);
  assert.ok(counted(node, "rpc.request_timeouts") >= 3 * 30);
  assert.equal(few.filter(({ peer }) => peer.isClosed).length, 0, "the connections are good for other calls");
  const many = await attackers(t, node, 8);
  for (let i = 0; i < 40; i++) {
    for (const each of many)
      each.send({ streamId: 2 * i + 1, body: { case: "open", value: { method: ping, message } } });
    if (i % 10 === 0) await serves();
  }
  await until("connections are ended", () => counted(node, "rpc.ended.memory_exhausted") > 0);
  await serves();
  assert.ok(most() <= limits.maxHeldBytes + slackBytes, `${most()} bytes`);
  await until("nothing is held any more", () => node.load.heldBytes === 0);
});

test("pieces of messages count like whole messages", async (t) => {
  const { node, most, serves } = await victim(t);
  const list = await attackers(t, node, 4);
  for (let i = 0; i < 60; i++) {
    const streamId = 2 * i + 1;
    for (const each of list) {
      each.send(
        { streamId, body: { case: "open", value: { method: ping } } },
        { streamId, body: { case: "data", value: { payload: message, more: true } } },
      );
    }
    if (i % 10 === 0) await serves();
  }
  await until("calls are refused", () => counted(node, "rpc.refused.memory") > 0);
  const { unreadBytes, heldBytes } = node.load;
  assert.ok(unreadBytes > mebibyte && unreadBytes <= heldBytes, `${unreadBytes} of ${heldBytes} bytes`);
  await serves();
  assert.ok(most() <= limits.maxHeldBytes + slackBytes, `${most()} bytes`);
  await until("nothing is held any more", () => node.load.heldBytes === 0);
});

test("answers that nobody takes are held within the budget, and their connections end", async (t) => {
  const { node, most, serves } = await victim(t);
  const { key } = await node.dht.put(message).catch((error: unknown) => assert.fail(String(error)));
  const request = toBinary(FindValueRequestSchema, create(FindValueRequestSchema, { key: key.bytes }));
  const list = await attackers(t, node, 8);
  for (const each of list) each.peer.socket.pause();
  for (let i = 0; i < 500; i++) {
    const open = { method: findValue, message: request, halfClose: true };
    // Flow control of the attacker is what he likes.
    const credit = { bytes: 1_000_000 };
    for (const each of list) {
      if (each.peer.isClosed) continue;
      each.send(
        { streamId: 2 * i + 1, body: { case: "open", value: open } },
        { streamId: 0, body: { case: "credit", value: credit } },
      );
    }
    if (i % 100 === 0) await serves();
  }
  await until("the node holds answers", () => most() > mebibyte);
  await serves();
  const ended = (): number => counted(node, "rpc.ended.memory_exhausted") + counted(node, "rpc.ended.peer_too_slow");
  // They go on sending, which is no sign that they read.
  const pings = setInterval(() => {
    for (const each of list) each.send({ streamId: 0, body: { case: "ping", value: { id: 1 } } });
  }, 50);
  t.after(() => clearInterval(pings));
  await until("all are ended", () => ended() === list.length);
  await serves();
  assert.ok(most() <= limits.maxHeldBytes + slackBytes, `${most()} bytes`);
  await until("nothing is held any more", () => node.load.heldBytes === 0);
});

test("parts of websocket messages count from their arrival on", async (t) => {
  const { node, most, serves } = await victim(t);
  const list = await attackers(t, node, 12);
  const part = Buffer.alloc(100_000);
  for (let i = 0; i < 9; i++) for (const { peer } of list) if (!peer.isClosed) peer.socket.send(part, { fin: false });
  await until("connections are ended", () => counted(node, "rpc.ended.memory_exhausted") > 0);
  await serves();
  assert.ok(node.load.heldBytes > mebibyte);
  assert.ok(most() <= limits.maxHeldBytes + slackBytes, `${most()} bytes`);
  for (const { peer } of list) peer.socket.terminate();
  await until("nothing is held any more", () => node.load.heldBytes === 0);
});

test("what is held, what is refused and what is ended is to be seen", async (t) => {
  const { node } = await victim(t);
  const [one] = await attackers(t, node, 1);
  assert.ok(one);
  for (let i = 0; i < 40; i++)
    one.send({ streamId: 2 * i + 1, body: { case: "open", value: { method: ping, message } } });
  await until("calls are refused", () => counted(node, "rpc.refused.memory") > 0);
  const { text } = await send(node.port, "/metrics");
  const held = Number(/^dswarm_held_bytes (\d+)$/m.exec(text)?.[1]);
  // Parts of a frame counted, too, when the call was refused.
  assert.ok(held >= limits.maxHeldBytesPerConnection - 131_072, `${held} bytes`);
  assert.match(text, /^dswarm_events_total\{event="rpc\.refused\.memory"\} \d+$/m);
  const status = await apiJson(node.port, "/api/status");
  assert.ok(status.counters["rpc.refused.memory"] > 0);
});
