// What the benchmark tells its child processes, and what they answer.

/** Commands by name: what they take and what they give. */
export interface Commands {
  /** Starts the stack's server. */
  serve: { take: undefined; give: { address: string } };
  /** Starts the stack's client. */
  connect: { take: { address: string }; give: { can: Ability[] } };
  /** Runs a load on the client. */
  load: { take: Load & { ms: number }; give: LoadResult };
  /** Opens connections and keeps them. */
  hold: { take: { count: number }; give: undefined };
  /** Starts a stream of answers and stops reading after the first. */
  stall: { take: { count: number; payloadBytes: number }; give: undefined };
  /** Cancels that stream. */
  unstall: { take: undefined; give: undefined };
  /** Microseconds of CPU, user and system, that the process has used. */
  cpu: { take: undefined; give: { us: number } };
  /** Starts a CPU profile, or ends it and writes it. */
  profile: { take: { file: string | undefined }; give: undefined };
  /** Collects garbage. */
  gc: { take: undefined; give: undefined };
  /** Closes and exits. */
  close: { take: undefined; give: undefined };
}

/** What only some stacks can do. */
export type Ability = "stream" | "connect" | "stall";

/** A load: what the client does again and again. */
export type Load =
  | { readonly kind: "echo"; readonly payloadBytes: number; readonly concurrency: number }
  | { readonly kind: "stream"; readonly payloadBytes: number }
  | { readonly kind: "connect"; readonly concurrency: number };

/** How a load went. */
export interface LoadResult {
  /** Calls, messages or connections. */
  readonly count: number;
  readonly elapsedMs: number;
  /** CPU of the client in microseconds, in all. */
  readonly cpuUs: number;
  /** Time of one call or connection in microseconds; undefined for a stream. */
  readonly p50Us?: number;
  readonly p99Us?: number;
}

/** A command on its way to a child. */
export interface Request {
  readonly id: number;
  readonly name: keyof Commands;
  readonly take: unknown;
}

/** Its answer. */
export interface Answer {
  readonly id: number;
  readonly give?: unknown;
  readonly error?: string;
}
