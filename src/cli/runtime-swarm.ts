// The nodes of a swarm, by their runtime files: those that were started at the same moment, whatever process runs them.
import type { SwarmControl, SwarmDirectory } from "../node/swarm-directory.ts";
import { PinnedAgent } from "./pinned-agent.ts";
import type { RuntimeFiles } from "./runtime-files.ts";

type Members = Awaited<ReturnType<SwarmDirectory["list"]>>;

const keptMs = 1000;

/** Tells the nodes of a swarm. Files are read at most once a second. */
export class RuntimeSwarm implements SwarmDirectory {
  readonly #files: RuntimeFiles;
  readonly #startedAt: string;
  readonly control: SwarmControl | undefined;
  #members: Members = [];
  #readAtMs = -Infinity;

  /**
   * @param startedAtMs when the swarm was started, milliseconds since 1970
   * @param control starts and stops its nodes, where something does
   */
  constructor(files: RuntimeFiles, startedAtMs: number, control?: SwarmControl) {
    this.#files = files;
    this.#startedAt = new Date(startedAtMs).toISOString();
    this.control = control && {
      add: () => control.add().finally(() => this.#forget()),
      stop: (id) => control.stop(id).finally(() => this.#forget()),
    };
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

  /** The next question is answered from the files. */
  #forget(): void {
    this.#readAtMs = -Infinity;
  }
}
