// The process of the attacker: runs one attack when it is told, and answers what it has spent and found.
import { attacks } from "../attacks.ts";
import type { AttackOrder } from "./attacker.ts";
import { answerCommands } from "./child-process.ts";
import { type AttackResult, performAttack } from "./perform-attack.ts";

answerCommands({
  ready: () => undefined,
  async run(value): Promise<AttackResult> {
    const order = value as AttackOrder;
    const attack = attacks.find(({ name }) => name === order.attack);
    if (attack === undefined) throw new Error(`no attack is called ${order.attack}`);
    return performAttack(attack, order);
  },
});
