// The same bytes in the smallest boxes, and the smallest websocket messages: work per byte on every layer below the frames.
import type { Attack } from "../attack.ts";
import type { AttackLink } from "../lib/attack-link.ts";
import type { Attacker } from "../lib/attacker.ts";

const connections = 4;
const boxesAMessage = 20_000;

async function sendTinyBoxes(attacker: Attacker, link: AttackLink, joined: boolean): Promise<void> {
  link.read();
  // Frames of no bytes, which a receiver skips: only the layers below them work.
  const nothing = Uint8Array.of(0);
  while (!attacker.isOver && !link.isClosed) {
    if (joined) {
      const boxes = Array.from({ length: boxesAMessage }, () => link.boxer.box(nothing));
      link.sendRaw(Buffer.concat(boxes));
    } else {
      for (let i = 0; i < 500; i++) link.sendRaw(link.boxer.box(nothing));
    }
    await link.room();
  }
}

export const tinyBoxes: Attack = {
  name: "tiny-boxes",
  does: "4 connections send boxes of one byte, half of them each in a websocket message of its own.",
  promise: "A node does bounded work per turn and connection, on every layer.",
  spends: { megabytes: 2000, connections: 200, seconds: 8 },
  async run(attacker) {
    const attackWith = async (i: number): Promise<void> => {
      while (!attacker.isOver) {
        const link = await attacker.dial().catch(() => undefined);
        if (link !== undefined) await sendTinyBoxes(attacker, link, i % 2 === 0);
        await attacker.pause(100);
      }
    };
    await Promise.all(Array.from({ length: connections }, (_, i) => attackWith(i)));
  },
};
