// Honest handshakes in the midst of an attack on the listener.
import type { Attacker } from "../lib/attacker.ts";

/** Longer than a handshake takes on a busy machine. */
const patienceMs = 5000;

/** Connects so many times one after the other, each by a new key, and checks that all are let in. */
export async function checkHandshakes(attacker: Attacker, count: number, pauseMs = 200): Promise<void> {
  let [tried, letIn] = [0, 0];
  for (; tried < attacker.scaled(count) && !attacker.isOver; tried++) {
    const startedAt = performance.now();
    try {
      const link = await attacker.dial();
      letIn += 1;
      link.close();
    } catch {
      // The end of the attack cuts off handshakes that began shortly before: those do not count. All others count as not let in.
      if (attacker.isOver && performance.now() - startedAt < patienceMs) break;
    }
    await attacker.pause(pauseMs);
  }
  attacker.check("honest handshakes refused", tried - letIn, { most: 0 });
  attacker.check("let in", letIn, { least: 1 }, { isTimed: true });
}
