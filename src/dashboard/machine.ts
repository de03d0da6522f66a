// The nodes of this machine.

/** A node that runs on this machine for the same user. */
export interface LocalNode {
  readonly id: string;
  readonly port: number;
  /** Which node of its swarm it is, from 1. */
  readonly index: number;
  /** Whether it is the node that serves the page. */
  readonly self: boolean;
}
