// The nodes of a swarm, by their runtime files: those that were started at the same moment, whatever process runs them.
import type { SwarmDirectory } from "../node/swarm-directory.ts";
import { PinnedAgent } from "./pinned-agent.ts";
import type { RuntimeFiles } from "./runtime-files.ts";

type Members = Awaited<ReturnType<SwarmDirectory["list"]>>;

const keptMs = 1000;

/** Tells the nodes of a swarm. Files are read at most once a second. */
export class RuntimeSwarm implements SwarmDirectory {
  readonly #files: RuntimeFiles;
  readonly #startedAt: string;
  #members: Members = [];
  #readAtMs = -Infinity;

  /** @param startedAtMs when the swarm was started, milliseconds since 1970 */
  constructor(files: RuntimeFiles, startedAtMs: number) {
    this.#files = files;
    this.#startedAt = new Date(startedAtMs).toISOString();
  }

  async list(): Promise<Members> {
    if (performance.now() - this.#readAtMs > keptMs) {
      const nodes = this.#files.list().filter(({ startedAt }) => startedAt === this.#startedAt);
      this.#members = nodes.map(({ id, port, index, pid, url, certificateSha256 }) => {
        return { id, port, index, pid, url, agent: () => new PinnedAgent(certificateSha256) };
      });
      this.#readAtMs = performance.now();
    }
    return this.#members;
  }

  async find(id: string): Promise<Members[number] | undefined> {
    return (await this.list()).find((member) => member.id === id);
  }
}
