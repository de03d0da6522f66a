// A node in a process of its own, as the runner and the attacker see it.
import { request } from "node:https";
import type { CreateNodeOptions } from "../../src/create-node.ts";
import { Child } from "./child-process.ts";
import { forgetPeak, residentMiB } from "./memory.ts";

/** Options of a node that is attacked: those of createNode that travel between processes as JSON. */
export interface NodeSetup extends Omit<CreateNodeOptions, "keys" | "networkKey" | "authorize" | "logger" | "clock"> {
  /** 64 hex digits: the seed of the node's key. @default a new key */
  readonly seed?: string;
  /** Arguments for Node beside those that every node gets. @default none */
  readonly execArgv?: readonly string[];
  /** File descriptors that the process may have, as `ulimit -n`. @default those of this process */
  readonly descriptors?: number;
}

/** The key and the addresses of a node. */
export interface NodeFacts {
  readonly id: string;
  readonly port: number;
  /** "dswarm://…" */
  readonly address: string;
  readonly pid: number;
}

/** Figures that a node's process measures of itself. */
export interface NodeFigures {
  /** The longest time since the reset that the event loop worked without a look at anything else. */
  readonly stallMs: number;
  /** Most bytes that `node.load` said were held for peers, since the reset. */
  readonly heldBytes: number;
  readonly contacts: number;
}

/** The damage to a node in one phase. */
export interface Suffered extends NodeFigures {
  readonly peakMiB: number;
}

/** An answer to an HTTP request. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

// As `npm start` runs it. The heap's bound keeps a node that does not hold its limits from taking the machine's memory.
const execArgv = ["--max-semi-space-size=4", "--max-old-space-size=1536", "--disable-warning=ExperimentalWarning"];
const mostMiB = 2500;
const watchEveryMs = 100;
const requestMs = 30_000;

/** A node in a process of its own. */
export class NodeUnderAttack implements AsyncDisposable {
  readonly facts: NodeFacts;
  readonly #child: Child;
  readonly #watch: NodeJS.Timeout;
  #wasTooLarge = false;

  private constructor(child: Child, facts: NodeFacts) {
    this.#child = child;
    this.facts = facts;
    this.#watch = setInterval(() => {
      if ((residentMiB(facts.pid)?.now ?? 0) < mostMiB) return;
      this.#wasTooLarge = true;
      void child.kill();
    }, watchEveryMs);
  }

  /** Starts a node. @throws Error with what the process said where it does not start */
  static async start({ execArgv: more = [], descriptors, ...setup }: NodeSetup): Promise<NodeUnderAttack> {
    const child = new Child("node-process.ts", [JSON.stringify(setup)], [...execArgv, ...more], descriptors);
    try {
      return new NodeUnderAttack(child, (await child.tell("facts")) as NodeFacts);
    } catch (error) {
      await child.kill();
      throw error;
    }
  }

  /** Why the node is not there any more; undefined while it runs. */
  get ending(): string | undefined {
    if (this.#wasTooLarge) return `killed at ${mostMiB} MiB`;
    return this.#child.ending;
  }

  /** Begins a phase. */
  async reset(): Promise<void> {
    await this.#child.tell("reset");
    forgetPeak(this.facts.pid);
  }

  /** Returns the damage since the reset. Of a node that is gone, it returns what is still known. */
  async suffered(): Promise<Suffered> {
    const peakMiB = residentMiB(this.facts.pid)?.peak ?? mostMiB;
    try {
      return { peakMiB, ...((await this.#child.tell("figures")) as NodeFigures) };
    } catch {
      return { peakMiB, stallMs: requestMs, heldBytes: Number.NaN, contacts: 0 };
    }
  }

  tell(command: "provide" | "callProviders" | "close", ms?: number): Promise<unknown> {
    return this.#child.tell(command, undefined, ms);
  }

  /** Crashes the node. */
  async kill(): Promise<void> {
    clearInterval(this.#watch);
    await this.#child.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/**
 * Sends a request of the owner, on a connection of its own.
 * @throws Error where no whole answer comes within the time
 */
export function ownerRequest(
  port: number,
  path: string,
  { method = "GET", body, ms = requestMs }: { method?: string; body?: unknown; ms?: number } = {},
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const outgoing = request({
    host: "127.0.0.1",
    port,
    path,
    method,
    agent: false,
    rejectUnauthorized: false,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    signal: AbortSignal.timeout(ms),
  });
  outgoing.on("error", reject);
  outgoing.on("response", (incoming) => {
    let text = "";
    incoming.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    incoming.on("error", reject);
    incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
  });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
