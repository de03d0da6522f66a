// The attacker's part of a run.
import type { Attack } from "../attack.ts";
import { Attacker, type AttackOrder, type Check, type Spent } from "./attacker.ts";

/** The result of an attack. */
export interface AttackResult {
  readonly spent: Spent;
  readonly checks: readonly Check[];
}

/** Attacks. @throws Error where the attack could not be made */
export async function performAttack(attack: Attack, order: AttackOrder): Promise<AttackResult> {
  await using attacker = new Attacker(order, attack.spends);
  try {
    await attack.run(attacker);
  } catch (error) {
    // The end of the time also ends whatever the attack waits for.
    if (!attacker.isOver) throw error;
  }
  return { spent: attacker.spent, checks: attacker.checks };
}
