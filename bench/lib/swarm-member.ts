// A process of a swarm, as the benchmark sees it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const processPath = join(import.meta.dirname, "swarm-process.ts");
const cacheDir = join(tmpdir(), `dswarm-bench-${process.pid}`);
process.on("exit", () => rmSync(cacheDir, { recursive: true, force: true }));
const deadlineMs = 60_000;

/** A process of the swarm, running from the start. Ended by `end`. */
export class SwarmMember {
  readonly #child: ChildProcess;
  readonly #events = new Map<string, PromiseWithResolvers<string[]>>([
    ["listening", Promise.withResolvers()],
    ["complete", Promise.withResolvers()],
  ]);

  /** @param ownNodes that it runs, of `allNodes` in the swarm */
  constructor(ownNodes: number, allNodes: number, udpPort: number) {
    const args = [ownNodes, allNodes, udpPort].map(String);
    // As bin/dswarm.mjs starts a node: with a small young generation, and compiled code kept from the start before.
    const child = spawn(process.execPath, ["--max-semi-space-size=4", processPath, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NODE_COMPILE_CACHE: cacheDir },
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { event, urls } = JSON.parse(line) as { event: string; urls: string[] };
      this.#events.get(event)?.resolve(urls);
    });
    const fail = (why: string): void => {
      for (const { promise, reject } of this.#events.values()) {
        promise.catch(() => undefined);
        reject(new Error(why));
      }
    };
    child.on("exit", (code) => fail(`a process of the swarm ended with ${code}`));
    const timer = setTimeout(() => fail("the swarm did not come together in time"), deadlineMs);
    child.on("exit", () => clearTimeout(timer));
  }

  /** Resolves with the URLs of the nodes. */
  get listening(): Promise<string[]> {
    return this.#event("listening");
  }

  /** Resolves when the nodes know all others. */
  get complete(): Promise<string[]> {
    return this.#event("complete");
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    // An exit in order keeps the compiled code.
    this.#child.stdin?.end();
    await once(this.#child, "exit");
  }

  #event(name: string): Promise<string[]> {
    return this.#events.get(name)?.promise ?? Promise.reject(new Error(`no event ${name}`));
  }
}
