// The three ways to make a node hold bytes, at once.
import type { Attack } from "../attack.ts";
import { hoardInline } from "./inline-opens.ts";
import { sendPieces } from "./pieces-of-incomplete.ts";
import { askWithoutReading, storeLargeValue } from "./unread-answers.ts";

const streams = 1024;

export const sixteenAttackers: Attack = {
  name: "sixteen-attackers",
  does: "16 keys at once: 6 with inline opens, 5 with pieces of incomplete messages, 5 that never read their answers.",
  promise: "The node grows by at most 192 MiB and answers its owner.",
  spends: { megabytes: 1500, connections: 17, seconds: 25 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const key = await storeLargeValue(attacker);
    const links = await attacker.dialAll(16);
    const count = attacker.scaled(streams);
    await Promise.all(
      links.map(async (link, i) => {
        if (i % 3 === 0) {
          link.read();
          await hoardInline(attacker, link, count);
        } else if (i % 3 === 1) {
          await hoardInline(attacker, link, Math.min(count, 64));
          await sendPieces(attacker, link, Math.min(count, 64));
        } else {
          await askWithoutReading(link, key, count);
        }
      }),
    );
    await attacker.pause(attacker.scaledMs(10_000));
  },
};
