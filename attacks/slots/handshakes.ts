// Honest handshakes in the midst of an attack on the listener.
import type { Attacker } from "../lib/attacker.ts";

/** Connects so many times one after the other, each by a new key, and checks that all are let in. */
export async function checkHandshakes(attacker: Attacker, count: number, pauseMs = 200): Promise<void> {
  let [tried, letIn] = [0, 0];
  for (; tried < attacker.scaled(count) && !attacker.isOver; tried++) {
    try {
      const link = await attacker.dial();
      letIn += 1;
      link.close();
    } catch {
      // It counts as not let in.
    }
    await attacker.pause(pauseMs);
  }
  attacker.check("honest handshakes refused", tried - letIn, { most: 0 });
}
