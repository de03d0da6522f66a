import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { freeUdpPort, type Scope, TestNode, until } from "./rig.ts";

const program = fileURLToPath(new URL("node-process.ts", import.meta.url));

/** A node in another process, as it reports of itself. */
class RemoteNode {
  id = "";
  known: readonly string[] = [];
  readonly #process: ChildProcess;

  constructor(t: Scope, udpPort: number) {
    this.#process = fork(program, [String(udpPort)]);
    this.#process.on("message", (message: { id?: string; known?: string[] }) => {
      this.id = message.id ?? this.id;
      this.known = message.known ?? this.known;
    });
    t.after(() => void this.#process.kill());
  }

  /** Lets it take leave. Resolves with the exit status. */
  async leave(): Promise<unknown> {
    const exited = once(this.#process, "exit");
    this.#process.send("leave");
    const [status] = await exited;
    return status;
  }
}

describe("discovery between processes", () => {
  it("finds everybody, and notes who leaves", async (t) => {
    const udpPort = await freeUdpPort();
    const local = await TestNode.start(t, { udpPort });
    const remotes = Array.from({ length: 3 }, () => new RemoteNode(t, udpPort));
    const [first, ...others] = remotes;
    await until(() => local.peers.size === 3 && remotes.every(({ known }) => known.length === 3));
    const ids = [local.id, ...remotes.map(({ id }) => id)].toSorted();
    for (const { id, known } of [...remotes, { id: local.id, known: [...local.peers.keys()].toSorted() }]) {
      assert.deepEqual(
        known,
        ids.filter((other) => other !== id),
      );
    }
    assert.equal(await first?.leave(), 0);
    await until(() => local.peers.size === 2 && others.every(({ known }) => known.length === 2));
    assert.deepEqual(local.left, [[first?.id, "left"]]);
    for (const other of others) assert.equal(await other.leave(), 0);
    await until(() => local.peers.size === 0);
  });
});
