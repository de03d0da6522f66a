// The nodes of a swarm, whatever runs them: started together, and then one by one as their owner asks.
import { availableParallelism } from "node:os";
import { Code, ConnectError } from "@connectrpc/connect";
import type { SwarmControl } from "../node/swarm-directory.ts";
import { messageOf } from "../util/errors.ts";
import type { Member } from "./member.ts";

/** Nodes of one swarm at most. */
const maxSwarmNodes = 1000;

// More at once would only make each of them slower to come up.
const startsAtOnce = 2 * availableParallelism();

/** What the members need. */
export interface SwarmMembersInit {
  /** Makes the member with an index, which is not started yet. */
  readonly make: (index: number) => Member;
  /** One more than at the start is about to be started. */
  readonly onAdding: () => void;
  /** One of those that `onAdding` was called for has not come up. */
  readonly onAddFailed: () => void;
  /** A member is about to be stopped alone. */
  readonly onStopping: (id: string) => void;
}

/** Starts and stops members. */
export class SwarmMembers implements SwarmControl {
  readonly #init: SwarmMembersInit;
  /** By index. Bounded by `maxSwarmNodes`. */
  readonly #members = new Map<number, Member>();
  #lastIndex = 0;
  /** What was asked for last: one node comes or goes after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosing = false;

  constructor(init: SwarmMembersInit) {
    this.#init = init;
  }

  /** Those with the lowest indexes. */
  first(count: number): Member[] {
    return [...this.#members.values()].slice(0, count);
  }

  /** Starts the first members, a few at a time. @throws what the start of one throws */
  startAll(count: number, stop: AbortSignal): Promise<void> {
    const members = Array.from({ length: count }, () => this.#make());
    const queue = members.values();
    let hasFailed = false;
    const startSome = async (): Promise<void> => {
      for (const member of queue) {
        if (stop.aborted || hasFailed) return;
        try {
          await member.start();
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      }
    };
    const all = Promise.all(Array.from({ length: startsAtOnce }, startSome)).then(() => undefined);
    this.#last = all;
    return all;
  }

  /** @throws ConnectError `resource_exhausted` at 1,000 nodes, `unavailable` when the node does not come up */
  add(): Promise<string> {
    return this.#inTurn(async () => {
      if (this.#members.size >= maxSwarmNodes) {
        throw new ConnectError(`a swarm has at most ${maxSwarmNodes} nodes`, Code.ResourceExhausted);
      }
      const member = this.#make();
      const index = this.#lastIndex;
      this.#init.onAdding();
      try {
        await member.start();
      } catch (error) {
        this.#members.delete(index);
        this.#init.onAddFailed();
        await member.close();
        throw new ConnectError(`the node has not started: ${messageOf(error)}`, Code.Unavailable);
      }
      return member.id ?? "";
    });
  }

  /** @throws ConnectError `not_found` where no member that runs has the id */
  stop(id: string): Promise<void> {
    return this.#inTurn(async () => {
      const found = [...this.#members].find(([, member]) => member.id === id);
      if (found === undefined) throw new ConnectError("no such node was started with this one", Code.NotFound);
      const [index, member] = found;
      this.#members.delete(index);
      this.#init.onStopping(id);
      await member.close();
    });
  }

  /** A member has ended by itself. */
  died(id: string): void {
    for (const [index, member] of this.#members) if (member.id === id) this.#members.delete(index);
  }

  /** Closes all of them, those that are just starting too. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#members.values()].map((member) => member.close()));
  }

  #make(): Member {
    this.#lastIndex += 1;
    const member = this.#init.make(this.#lastIndex);
    this.#members.set(this.#lastIndex, member);
    return member;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const done = (async () => {
      // Why the one before has failed was said to whoever asked for it.
      await before.catch(() => undefined);
      if (this.#isClosing) throw new ConnectError("the swarm is closing", Code.Unavailable);
      return await work();
    })();
    this.#last = done;
    return await done;
  }
}
