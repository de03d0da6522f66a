// The nodes that were started together with a node, as whoever started them tells.
import type { Agent } from "node:https";

/** A node of a swarm. */
export interface SwarmMember {
  /** "@" and base64 of its key. */
  readonly id: string;
  /** Port of /dht and /api. */
  readonly port: number;
  /** Which of the swarm it is, from 1. */
  readonly index: number;
  /** Process that runs it. */
  readonly pid: number;
  /** "https://host:port" of its API. */
  readonly url: string;
  /** An agent for requests to it, which connects only where its certificate is. */
  readonly agent: () => Agent;
}

/** Tells which nodes belong to the swarm of a node. */
export interface SwarmDirectory {
  /** All of them, the node itself included, by index. */
  list(): Promise<readonly SwarmMember[]>;
  /** The one with an id in its full form, "@" and base64. */
  find(id: string): Promise<SwarmMember | undefined>;
  /** Undefined where whoever started them starts and stops none on request. */
  readonly control?: SwarmControl | undefined;
}

/** Starts and stops nodes of a swarm, as its owner asks. */
export interface SwarmControl {
  /**
   * Starts one more node. Resolves to its id, "@" and base64, once it listens.
   * @throws ConnectError `resource_exhausted` where there are enough, `unavailable` when it does not come up
   */
  add(): Promise<string>;
  /** Stops the node with an id in its full form. Resolves when it has ended. @throws ConnectError `not_found` */
  stop(id: string): Promise<void>;
}
