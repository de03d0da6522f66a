// Shares the thread among connections that bring more work than fits in one turn of the event loop.
//
//     bytes of a connection ─► small: at once, within the turn that read them
//                           └► more than a slice: the rest waits in the queue, and its connection reads no further
//     queue ─► each turn a slice of the first, of the second, … for a few milliseconds; who has more left goes to the end
import type { Clock } from "./clock.ts";

/** Has work to do in slices. */
export interface Worker {
  /** Does one slice of the work. If more is left, it calls `wait` again. Must not throw. */
  takeTurn(): void;
}

// Of a turn, for the work that waits, and for work on what the turn itself has read. Together they bound how long other parts of
// the process, such as the owner's HTTP requests, wait for their turn.
const waitingMs = 4;
const directMs = 4;
// Less than this does not bring about a turn of its own.
const noticedMs = 1;

/** By clock: the nodes of a process share its thread. */
const queues = new WeakMap<Clock, TurnQueue>();

/** A queue of workers that take turns. Bounded by the workers, each of which is in it once. */
export class TurnQueue {
  readonly #clock: Clock;
  readonly #waiting = new Set<Worker>();
  #directMs = 0;
  #turn = 0;
  #isPlanned = false;

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The queue of all that lives on a clock. */
  static of(clock: Clock): TurnQueue {
    let queue = queues.get(clock);
    if (queue === undefined) {
      queue = new TurnQueue(clock);
      queues.set(clock, queue);
    }
    return queue;
  }

  /** Whether there is time left in this turn for work that does not wait. */
  get hasTime(): boolean {
    return this.#directMs < directMs;
  }

  /** Counts the turns in which there was much to do. */
  get turn(): number {
    return this.#turn;
  }

  /** Notes the time that such work has taken, in milliseconds. */
  spend(ms: number): void {
    this.#directMs += ms;
    if (this.#directMs >= noticedMs) this.#plan();
  }

  /** Gives a worker a turn, after those that wait already. */
  wait(worker: Worker): void {
    this.#waiting.add(worker);
    this.#plan();
  }

  /** The worker has nothing left to do. */
  leave(worker: Worker): void {
    this.#waiting.delete(worker);
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#clock.nextTurn(() => this.#run());
  }

  #run(): void {
    this.#isPlanned = false;
    this.#turn += 1;
    this.#directMs = 0;
    // Those that wait again while this runs have had their slice of this turn.
    let left = this.#waiting.size;
    const startedAt = this.#clock.now();
    for (const worker of this.#waiting) {
      this.#waiting.delete(worker);
      worker.takeTurn();
      left -= 1;
      if (left === 0 || this.#clock.now() - startedAt >= waitingMs) break;
    }
    if (this.#waiting.size > 0) this.#plan();
  }
}
