// Pages that follow the node's events and do not read them, while strangers make events.
import type { Attack } from "../attack.ts";
import { dhtPing } from "../lib/methods.ts";

const followers = 64;
const atOnce = 8;

export const unreadEvents: Attack = {
  name: "unread-events",
  does: "64 HTTP clients follow /api/events and do not read, while peers with new keys connect and go.",
  promise: "What waits for a client of the API is bounded.",
  spends: { megabytes: 20, connections: 20_000, seconds: 12 },
  limits: { slowdown: 50, p99FloorMs: 400, ownerMs: 1000 },
  async run(attacker) {
    for (let i = 0; i < attacker.scaled(followers); i++) {
      const socket = await attacker.tls();
      socket.pause();
      socket.write("GET /api/events?ratesMs=250&past=256 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    const churn = async (): Promise<void> => {
      while (!attacker.isOver) {
        const link = await attacker.dial().catch(() => undefined);
        link?.encoder.open(1, dhtPing, 0, new Uint8Array(), true);
        await link?.flush();
        link?.close();
        await attacker.pause(10);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, churn));
  },
};
