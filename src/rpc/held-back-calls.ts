// Calls that wait because their peer has not taken enough of the answers to others. A peer that asks for more than it reads is
// answered as fast as it reads, and nobody is refused for it.
import type { Open } from "../../gen/dswarm/v1/frame_pb.ts";
import type { Clock } from "../util/clock.ts";
import { ownedBytes } from "./byte-views.ts";
import type { ConnectionMemory } from "./memory-budget.ts";
import type { Stream } from "./stream.ts";

/** What becomes of calls that waited. */
export interface HeldBackActions {
  start(stream: Stream, open: Open): void;
  /** It was given up meanwhile. */
  drop(stream: Stream): void;
}

interface HeldBack {
  readonly stream: Stream;
  readonly open: Open;
}

// Started together, before it is seen what they answer.
const startedAtOnce = 16;
const cutAt = 256;

/** The calls of one connection that wait, in order. Bounded by `maxConcurrentStreams`, and counted as calls that run. */
export class HeldBackCalls {
  readonly #clock: Clock;
  readonly #memory: ConnectionMemory;
  readonly #actions: HeldBackActions;
  #calls: HeldBack[] = [];
  #at = 0;
  #stopTurn: (() => void) | undefined;

  constructor(clock: Clock, memory: ConnectionMemory, actions: HeldBackActions) {
    this.#clock = clock;
    this.#memory = memory;
    this.#actions = actions;
  }

  /** Whether calls are to wait here. */
  get isClosed(): boolean {
    return this.#calls.length > 0 || this.#memory.isUnsentFull;
  }

  /** Takes a call whose request is complete. */
  add(stream: Stream, open: Open): void {
    // Kept for a while, it must not keep a whole chunk alive.
    if (open.message !== undefined) open.message = ownedBytes(open.message);
    this.#memory.holdMessage(open.message?.length ?? 0);
    this.#calls.push({ stream, open });
  }

  /** Starts some, in the next turn, if there is room for their answers. */
  resume(): void {
    if (this.#calls.length === 0 || this.#stopTurn !== undefined || this.#memory.isUnsentFull) return;
    this.#stopTurn = this.#clock.nextTurn(() => {
      this.#stopTurn = undefined;
      this.#startSome();
    });
  }

  /** Drops all: the connection has ended. */
  close(): void {
    this.#stopTurn?.();
    for (const { stream } of this.#takeUpTo(this.#calls.length)) this.#actions.drop(stream);
  }

  #startSome(): void {
    for (const { stream, open } of this.#takeUpTo(startedAtOnce)) {
      if (stream.closed) this.#actions.drop(stream);
      else this.#actions.start(stream, open);
    }
    this.resume();
  }

  #takeUpTo(count: number): readonly HeldBack[] {
    const taken = this.#calls.slice(this.#at, this.#at + count);
    this.#at += taken.length;
    for (const { open } of taken) this.#memory.holdMessage(-(open.message?.length ?? 0));
    // Cut off in steps: shifting an array one by one costs its length each time.
    if (this.#at === this.#calls.length || this.#at >= cutAt) {
      this.#calls = this.#calls.slice(this.#at);
      this.#at = 0;
    }
    return taken;
  }
}
