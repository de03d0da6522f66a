// A flood of small frames on several connections, as fast as they can.
import type { AttackLink } from "../lib/attack-link.ts";
import type { Attacker } from "../lib/attacker.ts";

/** Bytes of frames that make one websocket message of nearly 1 MiB. */
export const floodBytes = 1_000_000;

/**
 * Floods until the attack is over. A connection that the node ends is made again, by a new key.
 * @param fill adds frames to a link's encoder until it has `floodBytes`; `next` is the link's next stream id
 */
export async function flood(
  attacker: Attacker,
  connections: number,
  fill: (link: AttackLink, next: number) => number,
): Promise<void> {
  const floodOne = async (): Promise<void> => {
    while (!attacker.isOver) {
      const link = await attacker.dial().catch(() => undefined);
      if (link === undefined) {
        await attacker.pause(100);
        continue;
      }
      link.read();
      let next = 1;
      while (!attacker.isOver && !link.isClosed) {
        next = fill(link, next);
        await link.flush();
      }
      link.close();
      await attacker.pause(10);
    }
  };
  await Promise.all(Array.from({ length: connections }, floodOne));
}
