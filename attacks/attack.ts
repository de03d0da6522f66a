// An attack: what it does, what it may spend, what the node must stand. Each file of attacks/ holds one.
import type { Attacker, Spending } from "./lib/attacker.ts";
import type { NodeSetup } from "./lib/node-under-attack.ts";

/** Limits that a node must hold during an attack. */
export interface Limits {
  /** MiB that the peak of a node's resident memory may lie above that of the quiet run. */
  readonly grownMiB: number;
  /** Milliseconds that the event loop may stall. */
  readonly stallMs: number;
  /** Milliseconds that the owner's GET /healthz may take. */
  readonly ownerMs: number;
  /** Calls of the honest client, and requests of the owner, that may fail. */
  readonly failed: number;
  /** How many times the p99 of the quiet run the p99 of honest calls may be. */
  readonly slowdown: number;
  /** Milliseconds of p99 that are always held: below them the machine's scheduler decides. */
  readonly p99FloorMs: number;
}

/** Limits of an attack that states no others. */
export const usualLimits: Limits = Object.freeze({
  grownMiB: 192,
  stallMs: 500,
  ownerMs: 500,
  failed: 0,
  slowdown: 10,
  p99FloorMs: 50,
});

/** One attack. */
export interface Attack {
  /** In kebab-case, as the file. */
  readonly name: string;
  /** The attacker's acts, in one sentence. */
  readonly does: string;
  /** The node's promise, in one sentence. */
  readonly promise: string;
  readonly spends: Spending;
  /** Limits that differ from the usual ones. */
  readonly limits?: Partial<Limits>;
  /** The nodes that are attacked; the honest client calls the first. @default one node with the defaults */
  readonly nodes?: readonly NodeSetup[];
  /** Whether the honest client and the owner are there. @default true */
  readonly hasWitnesses?: boolean;
  /** Part of the whole attack that `npm test` runs; 0 is none. @default 0.05 */
  readonly testScale?: number;
  /** Attacks. Resolves when the attack is over; rejects where it could not be made. */
  readonly run: (attacker: Attacker) => Promise<void>;
}
