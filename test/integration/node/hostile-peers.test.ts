// What a peer can do to a node that has proven its key: nothing more than a stranger. Victims are processes of their own.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { dial } from "../../../src/channel/dial.ts";
import { networkKeyOf, resolveChannelOptions } from "../../../src/channel/options.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { OpenLink } from "../channel/rig.ts";
import { apiJson, until } from "./rig.ts";
import { assertUnharmed, startVictim, type Victim } from "./victim.ts";

const pingMethod = "dswarm.v1.DhtService/Ping";

async function openLink({ id, port, options }: Victim, keys: KeyPair = generateKeyPair()): Promise<OpenLink> {
  const networkKey = networkKeyOf(options.network);
  const address = { id, host: "127.0.0.1", port };
  return new OpenLink(await dial({ address, keys, networkKey, config: resolveChannelOptions(), clock: systemClock }));
}

function frame(init: MessageInitShape<typeof FrameSchema>): Uint8Array {
  return sizeDelimitedEncode(FrameSchema, create(FrameSchema, init));
}

function open(streamId: number, fields: { message?: Uint8Array; halfClose?: boolean } = {}): Uint8Array {
  return frame({ streamId, body: { case: "open", value: { method: pingMethod, ...fields } } });
}

test("a flood of calls, finished or never, harms no node", async (t) => {
  const victim = await startVictim(t);
  const flooder = await openLink(victim);
  for (let i = 0; i < 20_000 && !flooder.isClosed; i++) {
    const isWhole = i % 2 === 0;
    flooder.link.write(open(2 * i + 1, isWhole ? { message: randomBytes(4), halfClose: true } : {}));
    if (i % 500 === 0) await new Promise(setImmediate);
  }
  // The victim answers each call or refuses it; nothing is left out.
  await until("the flood is answered", () => flooder.isClosed || flooder.receivedBytes > 20_000 * 10);
  await assertUnharmed(t, victim);
  flooder.link.abort(new DswarmError("link_closed"));
});

test("peers that send no frames, or such as are not allowed, lose their connection and harm no node", async (t) => {
  const victim = await startVictim(t);
  const broken = await openLink(victim);
  broken.link.write(randomBytes(100_000));
  assert.match(await broken.end(), /^(?:link_truncated|goodbye)$/);
  const liar = await openLink(victim);
  liar.link.write(frame({ streamId: 2, body: { case: "halfClose", value: {} } }));
  assert.match(await liar.end(), /^(?:link_truncated|goodbye)$/);
  await assertUnharmed(t, victim);
});

test("a peer that dials again and again with one key keeps a few connections, and one that counts", async (t) => {
  const victim = await startVictim(t);
  const keys = generateKeyPair();
  const links: OpenLink[] = [];
  for (let i = 0; i < 60; i++) links.push(...(await Promise.all([openLink(victim, keys), openLink(victim, keys)])));
  await until("those that were replaced are closed", () => links.filter(({ isClosed }) => !isClosed).length <= 1);
  const status = await apiJson(victim.port, "/api/status");
  assert.equal(status.connections, 1);
  assert.equal(status.peers, 1);
  assert.equal(victim.child.all("connected").length, 1);
  assert.equal(victim.child.all("disconnected").length, 0);
  await Promise.all(links.map(({ link }) => link.close()));
  await victim.child.told("peerLost", { id: keys.id.toString() });
  assert.equal((await apiJson(victim.port, "/api/status")).connections, 0);
  await assertUnharmed(t, victim);
});

test("peers with fresh keys do not keep out those that announce themselves", async (t) => {
  const victim = await startVictim(t, { maxPeers: 4 });
  const flood = await Promise.all(Array.from({ length: 20 }, () => openLink(victim)));
  assert.equal((await apiJson(victim.port, "/api/peers")).peers.length, flood.length);
  await assertUnharmed(t, victim);
  await Promise.all(flood.map(({ link }) => link.close()));
  // What is left is the newcomer of `assertUnharmed`.
  await until("they are forgotten", async () => (await apiJson(victim.port, "/api/peers")).peers.length === 1);
});
