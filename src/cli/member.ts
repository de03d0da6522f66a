// A node of a swarm, wherever it runs.

/** A node that can be started once and closed. What it does it tells as events. */
export interface Member {
  /** "@" and base64 of its key. Undefined until it listens, and once it is closed. */
  readonly id: string | undefined;
  /** Resolves when it listens. */
  start(): Promise<void>;
  /** Tells its closest peers, unless it does so by itself. */
  reportClosest(): void;
  /** Takes leave and ends it, whether it has started, or is just starting, or not. To be called once. */
  close(): Promise<void>;
}
