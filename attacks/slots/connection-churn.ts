// Peers that connect, call and are gone, with a new key each time.
import type { Attack } from "../attack.ts";
import { dhtPing } from "../lib/methods.ts";

const atOnce = 24;

export const connectionChurn: Attack = {
  name: "connection-churn",
  does: "24 peers connect, call once and cut the connection, each time with a new key, as fast as they can.",
  promise: "What a connection has left behind is bounded, and honest calls go on.",
  spends: { megabytes: 50, connections: 20_000, seconds: 10 },
  // A handshake takes more of the node than most calls; this is about what is left of it.
  limits: { slowdown: 50, p99FloorMs: 400, ownerMs: 1000 },
  async run(attacker) {
    const churn = async (): Promise<void> => {
      while (!attacker.isOver) {
        const link = await attacker.dial().catch(() => undefined);
        if (link === undefined) {
          await attacker.pause(50);
          continue;
        }
        const answered = Promise.withResolvers<void>();
        link.read(() => answered.resolve());
        link.encoder.open(1, dhtPing, 0, new Uint8Array(), true);
        await link.flush();
        await Promise.race([answered.promise, link.closed(), attacker.pause(2000)]);
        link.close();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, churn));
  },
};
