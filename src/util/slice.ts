// How much a connection may do before the others have their turn.
import type { Clock } from "./clock.ts";

// Each is checked: time, as units differ in what they cost, and units, as work may leave more of it for later in the same turn.
const sliceMs = 2;
const sliceUnits = 2048;
// To ask the clock for each unit would cost too much.
const unitsBetweenLooks = 32;

/** One slice after the other of the work of a connection. */
export class Slice {
  readonly #clock: Clock;
  #startedAt = 0;
  #units = 0;
  #lookAt = 0;
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When it was begun, on the clock's `now`. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Whether no more of the work is to be done now. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @param isOver whether there is no time for any of it */
  begin(isOver = false): void {
    this.#startedAt = this.#clock.now();
    this.#units = 0;
    this.#lookAt = unitsBetweenLooks;
    this.#isOver = isOver;
  }

  /** Notes work. Returns whether the slice is over. */
  add(units: number): boolean {
    this.#units += units;
    if (this.#units >= this.#lookAt) this.look();
    return this.#isOver;
  }

  /** Looks at the clock. Returns the milliseconds since the begin. */
  look(): number {
    this.#lookAt = this.#units + unitsBetweenLooks;
    const tookMs = this.#clock.now() - this.#startedAt;
    if (this.#units >= sliceUnits || tookMs >= sliceMs) this.#isOver = true;
    return tookMs;
  }
}
