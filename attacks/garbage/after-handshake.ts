// Garbage behind a proven key: boxes, frames, messages, records.
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { FrameSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Attack } from "../attack.ts";
import type { AttackLink } from "../lib/attack-link.ts";
import { echo, findValue, store } from "../lib/methods.ts";

const rounds = 150;

/** Some genuine bytes, with some of them changed. */
function garbled(bytes: Uint8Array, changes: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let i = 0; i < changes; i++) copy[Math.floor(Math.random() * copy.length)] = Math.floor(Math.random() * 256);
  return copy;
}

const acts: readonly ((link: AttackLink) => unknown)[] = [
  (link) => link.sendRaw(randomBytes(5000)),
  (link) => link.sendRaw(garbled(link.boxer.box(new Uint8Array(4096)), 3)),
  (link) => link.send(randomBytes(20_000)),
  (link) => link.send(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f])),
  (link) => {
    const frame = create(FrameSchema, {
      streamId: 1,
      body: {
        case: "open",
        value: { method: "dswarm.v1.DhtService/Store", message: randomBytes(300), halfClose: true },
      },
    });
    return link.send(garbled(sizeDelimitedEncode(FrameSchema, frame), 4));
  },
  (link) => {
    for (const [i, method] of [echo, store, findValue].entries()) {
      link.encoder.open(2 * i + 1, method, 0, randomBytes(500), true);
    }
    return link.flush();
  },
  (link) => {
    link.encoder.credit(0, 4_294_967_295);
    link.encoder.halfClose(8);
    return link.flush();
  },
  (link) => link.send(new Uint8Array(1_000_000)),
];

export const garbageAfterHandshake: Attack = {
  name: "garbage-after-handshake",
  does: "150 proven connections send garbage, or genuine bytes with some changed, as boxes, frames, messages and records.",
  promise: "A fault ends its stream or its connection, never the node.",
  spends: { megabytes: 100, connections: 200, seconds: 20 },
  testScale: 0.3,
  async run(attacker) {
    for (let i = 0; i < attacker.scaled(rounds) && !attacker.isOver; i++) {
      const link = (await attacker.dial()).read();
      await acts[i % acts.length]?.(link);
      await attacker.pause(20);
      link.close();
    }
    const { status } = await attacker.owner("/api/status");
    attacker.check("status afterwards", status, { most: 200 });
  },
};
