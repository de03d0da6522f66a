// A request that never becomes complete, as large as one frame may be, as often as streams are allowed.
import type { Attack } from "../attack.ts";
import type { AttackLink } from "../lib/attack-link.ts";
import type { Attacker } from "../lib/attacker.ts";
import { echo } from "../lib/methods.ts";

const connections = 20;
const streams = 1024;
const messageBytes = 69_600;

/** Opens calls whose first message is inline and whose half-close never comes. */
export async function hoardInline(attacker: Attacker, link: AttackLink, count: number): Promise<void> {
  const message = Buffer.alloc(messageBytes, 0x2a);
  // A valid EchoRequest: the field's tag, its length in three bytes, the payload.
  message.set([0x0a, ...varint3(messageBytes - 4)]);
  for (let i = 0; i < count && !attacker.isOver; i++) {
    link.encoder.open(2 * i + 1, echo, 0, message, false);
    if (!(await link.flush())) return;
  }
}

function varint3(value: number): number[] {
  return [(value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14];
}

export const inlineOpens: Attack = {
  name: "inline-opens",
  does: "20 connections open 1,024 unary calls each with 69,600 bytes inline, send no half-close and stay.",
  promise: "One budget bounds all bytes that a node holds for peers, inline or not.",
  spends: { megabytes: 1600, connections: 20, seconds: 25 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const links = await attacker.dialAll(attacker.scaled(connections));
    for (const link of links) link.read();
    await Promise.all(links.map((link) => hoardInline(attacker, link, streams)));
    await attacker.pause(attacker.scaledMs(2000));
  },
};
