// A server process and a client process of one stack, and what is measured on them.
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadCell, MemoryCell } from "./cells.ts";
import { Child } from "./child.ts";
import type { Ability, LoadResult } from "./commands.ts";
import { pssKiB } from "./memory.ts";

/** What a cell gives: numbers whose names tell the unit. */
export interface Figures {
  /** Calls, messages or connections. */
  readonly perSecond?: number;
  /** CPU of the client and of the server for one of them. */
  readonly clientUs?: number;
  readonly serverUs?: number;
  /** Time of one. */
  readonly p50Us?: number;
  readonly p99Us?: number;
  /** Payload one way; an echo carries it both ways. */
  readonly mbPerSecond?: number;
  /** Memory of one idle connection at either end. */
  readonly serverKiB?: number;
  readonly clientKiB?: number;
  /** Memory that both processes hold, beyond that before, while a reader stalls. */
  readonly serverGrowthMiB?: number;
  readonly clientGrowthMiB?: number;
  /** Small calls meanwhile on the same connection, and before. */
  readonly stalledP50Us?: number;
  readonly stalledP99Us?: number;
  readonly freeP50Us?: number;
  readonly freeP99Us?: number;
}

/** Connections that are there before memory is first looked at, so that what only the first ones cost is left out. */
const warmConnections = 50;
const holdMs = 60_000;
const settleMs = 500;
const stallMs = 3000;

/** The two processes, connected. */
export class Pair {
  readonly #server: Child;
  readonly #client: Child;
  #can: readonly Ability[] = [];

  private constructor(server: Child, client: Child) {
    this.#server = server;
    this.#client = client;
  }

  /** Starts both. */
  static async start(stack: string): Promise<Pair> {
    const pair = new Pair(new Child(stack, "server"), new Child(stack, "client"));
    try {
      const address = await pair.#server.tell("serve");
      pair.#can = (await pair.#client.tell("connect", address)).can;
      return pair;
    } catch (error) {
      pair.kill();
      throw error;
    }
  }

  can(ability: Ability | undefined): boolean {
    return ability === undefined || this.#can.includes(ability);
  }

  /**
   * Runs a load, unmeasured for half as long at first.
   * @param profile gives the path for a CPU profile of each process @default none are made
   */
  async measureLoad({ load }: LoadCell, ms: number, profile?: (what: "server" | "client") => string): Promise<Figures> {
    await this.#gc();
    await this.#client.tell("load", { ...load, ms: ms / 2 }, ms);
    if (profile !== undefined) await this.#profile(() => undefined);
    const before = await this.#server.tell("cpu");
    const { count, elapsedMs, cpuUs, p50Us, p99Us } = await this.#client.tell("load", { ...load, ms }, ms);
    const after = await this.#server.tell("cpu");
    if (profile !== undefined) await this.#profile(profile);
    const perSecond = (count / elapsedMs) * 1000;
    return {
      perSecond,
      clientUs: cpuUs / count,
      serverUs: (after.us - before.us) / count,
      ...(p50Us !== undefined && { p50Us }),
      ...(p99Us !== undefined && { p99Us }),
      ...(load.kind === "echo" && { mbPerSecond: (perSecond * load.payloadBytes) / 1e6 }),
    };
  }

  /** Looks at memory. The pair is of no further use. */
  measureMemory(cell: MemoryCell): Promise<Figures> {
    return cell.kind === "idle" ? this.#measureIdle(cell.connections) : this.#measureStall(cell);
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#server.close();
  }

  kill(): void {
    this.#client.kill();
    this.#server.kill();
  }

  async #measureIdle(connections: number): Promise<Figures> {
    await this.#client.tell("hold", { count: warmConnections }, holdMs);
    const before = await this.#restingKiB();
    await this.#client.tell("hold", { count: connections }, holdMs);
    const after = await this.#restingKiB();
    return {
      serverKiB: (after.server - before.server) / connections,
      clientKiB: (after.client - before.client) / connections,
    };
  }

  async #measureStall({ messages, messageBytes }: MemoryCell & { kind: "stall" }): Promise<Figures> {
    await this.#smallCalls();
    const free = await this.#smallCalls();
    const before = await this.#restingKiB();
    await this.#client.tell("stall", { count: messages, payloadBytes: messageBytes });
    const stalled = await this.#smallCalls();
    const after = await this.#restingKiB();
    await this.#client.tell("unstall");
    return {
      serverGrowthMiB: Math.max(0, after.server - before.server) / 1024,
      clientGrowthMiB: Math.max(0, after.client - before.client) / 1024,
      ...(free.p50Us !== undefined && { freeP50Us: free.p50Us }),
      ...(free.p99Us !== undefined && { freeP99Us: free.p99Us }),
      ...(stalled.p50Us !== undefined && { stalledP50Us: stalled.p50Us }),
      ...(stalled.p99Us !== undefined && { stalledP99Us: stalled.p99Us }),
    };
  }

  /** One small call after the other. */
  #smallCalls(): Promise<LoadResult> {
    return this.#client.tell("load", { kind: "echo", payloadBytes: 32, concurrency: 1, ms: stallMs }, stallMs);
  }

  async #restingKiB(): Promise<{ server: number; client: number }> {
    await sleep(settleMs);
    await this.#gc();
    return { server: pssKiB(this.#server.pid), client: pssKiB(this.#client.pid) };
  }

  async #profile(file: (what: "server" | "client") => string | undefined): Promise<void> {
    await Promise.all([
      this.#server.tell("profile", { file: file("server") }),
      this.#client.tell("profile", { file: file("client") }),
    ]);
  }

  async #gc(): Promise<void> {
    await Promise.all([this.#server.tell("gc"), this.#client.tell("gc")]);
  }
}
