// How calls end and how long they take, by method. A call pays two looks at the clock and three additions for it.
import type { DescMethod } from "@bufbuild/protobuf";

/** Upper bounds of the classes of duration, in seconds; one more class is for what takes longer. */
export const durationBounds: readonly number[] = Object.freeze([
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]);

const codes = 17;
// More than any program has of its own.
const maxMethods = 1000;

/** What is known of the calls of one method that have ended. */
export class CallStats {
  /** "package.Service", or "other". */
  readonly service: string;
  readonly method: string;
  /** Calls by gRPC status code, 17 numbers. */
  readonly byCode = new Float64Array(codes);
  /** Calls by class of duration, one number more than `durationBounds`. */
  readonly byDuration = new Float64Array(durationBounds.length + 1);
  /** Sum of all durations. */
  seconds = 0;

  constructor(service: string, method: string) {
    this.service = service;
    this.method = method;
  }

  /**
   * Notes the end of a call.
   * @param code gRPC status code; one that there is none of counts as unknown
   */
  add(code: number, ms: number): void {
    const seconds = ms / 1000;
    const known = code >= 0 && code < codes ? code : 2;
    this.byCode[known] = (this.byCode[known] ?? 0) + 1;
    let index = 0;
    for (const bound of durationBounds) {
      if (seconds <= bound) break;
      index += 1;
    }
    this.byDuration[index] = (this.byDuration[index] ?? 0) + 1;
    this.seconds += seconds;
  }
}

/** Measures the calls of one side. Bounded: by 1000 methods, each of a descriptor that the program has; the rest is "other". */
export class CallMeter {
  readonly #byName = new Map<string, CallStats>();
  readonly #byMethod = new WeakMap<DescMethod, CallStats>();
  readonly #other = new CallStats("other", "other");

  /** Where to note the calls of a method. */
  of(method: DescMethod): CallStats {
    const known = this.#byMethod.get(method);
    if (known !== undefined) return known;
    const name = `${method.parent.typeName}/${method.name}`;
    let stats = this.#byName.get(name);
    if (stats === undefined) {
      if (this.#byName.size >= maxMethods) return this.#other;
      stats = new CallStats(method.parent.typeName, method.name);
      this.#byName.set(name, stats);
    }
    this.#byMethod.set(method, stats);
    return stats;
  }

  /** All methods of which calls may have been noted. */
  get all(): readonly CallStats[] {
    return [...this.#byName.values(), this.#other];
  }
}

/** The calls of a node, by side. */
export type MeasuredCalls = Readonly<Record<"served" | "made", CallMeter>>;
