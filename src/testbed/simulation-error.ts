// What ends a simulation that goes wrong: it tells what is needed to see the same again.
import { messageOf } from "../util/errors.ts";
import type { VirtualClock } from "../util/virtual-clock.ts";

/** A simulation has failed. The message begins with its seed and the simulated time. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly seed: number;
  /** Simulated milliseconds. */
  readonly atMs: number;

  constructor(clock: VirtualClock, detail: string, options?: { cause?: unknown }) {
    super(`seed ${clock.seed}, at ${clock.now()} ms: ${detail}`, options);
    this.seed = clock.seed;
    this.atMs = clock.now();
  }

  /** Anything thrown within a simulation, with its seed and time; a SimulationError stays what it is. */
  static from(clock: VirtualClock, thrown: unknown): SimulationError {
    return thrown instanceof SimulationError
      ? thrown
      : new SimulationError(clock, messageOf(thrown), { cause: thrown });
  }
}
