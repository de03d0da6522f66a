// Drives a VirtualClock: one timer after the other, each when all that the one before set off has settled, so that a run
// depends on its seed and on nothing else.
import type { VirtualClock } from "../util/virtual-clock.ts";
import { SimulationError } from "./simulation-error.ts";

/** Bounds of a run. */
export interface RunOptions {
  /** Simulated milliseconds at most, from now on. @default Infinity */
  readonly maxMs?: number;
  /** Its abort ends the run with the reason. It is the one thing from outside of the simulation. */
  readonly signal?: AbortSignal | undefined;
}

// Node runs the microtasks and ticks that one immediate leaves before it runs the next, and polls for nothing between them:
// a third of the cost of a turn of the event loop for each timer, and as exact. After so many there is such a turn.
const timersPerTurn = 256;
// With nothing to do, what the machine itself owes (a file being opened) has so many turns to come.
const maxIdleTurns = 100;

/**
 * Runs timers until a promise settles or a predicate holds, which is asked before each timer. What the simulated code does must
 * settle by promises and ticks: what waits for sockets or files finds that time has moved on.
 * @returns what the promise resolves with
 * @throws SimulationError when `maxMs` are over, nothing is left to happen, or a timer throws; what the promise rejects with; the
 *   reason of `signal`
 */
export function runUntil<T>(clock: VirtualClock, goal: Promise<T>, options?: RunOptions): Promise<T>;
export function runUntil(clock: VirtualClock, goal: () => boolean, options?: RunOptions): Promise<void>;
export function runUntil<T>(
  clock: VirtualClock,
  goal: Promise<T> | (() => boolean),
  { maxMs = Infinity, signal }: RunOptions = {},
): Promise<T | void> {
  const { promise, resolve, reject } = Promise.withResolvers<T | void>();
  const until = clock.now() + maxMs;
  const isReached = typeof goal === "function" ? goal : () => false;
  let isOver = false;
  let isIdle = false;
  let idleTurns = 0;
  if (typeof goal !== "function") {
    const over = (): void => {
      isOver = true;
    };
    // Settles in the microtasks behind the timer that settles it: no other one runs in between.
    goal.then(over, over);
    goal.then(resolve, reject);
  }
  const fail = (detail: string): void => {
    isOver = true;
    reject(new SimulationError(clock, detail));
  };
  const step = (): void => {
    if (isOver) return;
    try {
      if (isReached()) {
        isOver = true;
        resolve();
      } else if (clock.nextAt > until && clock.nextAt < Infinity) fail(`it is not done after ${maxMs} ms`);
      else if (!clock.step()) isIdle = true;
    } catch (error) {
      isOver = true;
      reject(SimulationError.from(clock, error));
    }
  };
  const turn = (): void => {
    idleTurns = isIdle ? idleTurns + 1 : 0;
    isIdle = false;
    if (isOver) return;
    if (signal?.aborted === true) {
      isOver = true;
      reject(signal.reason);
    } else if (idleTurns > maxIdleTurns) fail("nothing is left to happen");
    else {
      const count = idleTurns > 0 ? 1 : timersPerTurn;
      for (let i = 0; i < count; i++) setImmediate(step);
      setImmediate(turn);
    }
  };
  setImmediate(turn);
  return promise;
}

/** Resolves when so many simulated milliseconds are over. */
export function sleep(clock: VirtualClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, ms));
}

/** Does `count` tasks, `limit` at once at most, begun in order. Rejects with the first that fails; no more are begun then. */
export async function inParallel(count: number, limit: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    try {
      while (next < count) await task(next++);
    } catch (error) {
      next = count;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, limit) }, worker));
}
