// The process of the attacker: runs one attack when it is told, and answers what it has spent and found.
import { attacks } from "../attacks.ts";
import { Attacker, type AttackOrder, type Check, type Spent } from "./attacker.ts";
import { answerCommands } from "./child-process.ts";

/** What came of an attack. */
export interface AttackResult {
  readonly spent: Spent;
  readonly checks: readonly Check[];
}

answerCommands({
  ready: () => undefined,
  async run(value): Promise<AttackResult> {
    const order = value as AttackOrder;
    const attack = attacks.find(({ name }) => name === order.attack);
    if (attack === undefined) throw new Error(`no attack is called ${order.attack}`);
    await using attacker = new Attacker(order, attack.spends);
    try {
      await attack.run(attacker);
    } catch (error) {
      // The end of the time also ends whatever the attack waits for.
      if (!attacker.isOver) throw error;
    }
    return { spent: attacker.spent, checks: attacker.checks };
  },
});
