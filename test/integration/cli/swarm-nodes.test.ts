// `add` and `stop` change a swarm that runs, and `keepers` shows which of its nodes keep a record.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { until } from "../node/rig.ts";
import { CliRig, type CliRun } from "./cli-rig.ts";

/** A swarm that has formed. */
async function swarmOf(t: TestContext, nodes: number, ...flags: string[]) {
  const rig = new CliRig(t);
  const run = rig.run(["swarm", "--json", "-n", `${nodes}`, `--udp-port=${rig.udpPort}`, ...flags]);
  await run.event("complete");
  return { rig, run, ids: rig.runningNodes().map(({ id }) => id) };
}

/** A number that "ls" shows for a node. */
async function numberOf(rig: CliRig, id: string): Promise<string> {
  const { stdout } = await rig.result(["ls", "--json"]);
  const lines = stdout.trimEnd().split("\n");
  const { number } = lines.map((line) => JSON.parse(line)).find((line) => line.id === id) ?? assert.fail(stdout);
  return `${number}`;
}

function assertDone({ code, stderr }: Pick<CliRun, "stderr"> & { readonly code: number | null }): void {
  assert.deepEqual([code, stderr], [0, ""]);
}

suite("nodes of a swarm", { concurrency: 2 }, () => {
  for (const flags of [[], ["--processes"]]) {
    test(`are added and stopped by commands: swarm ${flags.join(" ")}`, async (t) => {
      const { rig, run, ids } = await swarmOf(t, 2, ...flags);
      const [first = "", second = ""] = ids;
      const json = await rig.result(["add", "--json"]);
      assertDone(json);
      const { node } = JSON.parse(json.stdout);
      await run.event("listening", ({ id }) => id === node.id);
      assert.deepEqual([node.index, node.self], [3, false]);
      const shown = await rig.result(["add", "--node", node.id]);
      assertDone(shown);
      const [title, fourth = "", where] = shown.stdout.split("\n");
      assert.equal(title, `Node ${node.id} on port ${node.port}`);
      const { port } = await run.event("listening", ({ id }) => id === fourth);
      assert.match(where ?? "", new RegExp(`^on port ${port}, number 4 of its swarm, in process \\d+$`));

      // It is the one that would be asked without a name, too.
      const stopped = await rig.result(["stop", await numberOf(rig, first)]);
      assertDone(stopped);
      assert.match(stopped.stdout, /^Node @\S+ on port \d+\nstopped; 3 nodes of its swarm go on\n$/);
      await run.event("stopped", ({ id }) => id === first);
      const again = await rig.result(["stop", first]);
      assert.equal(again.code, 1);
      const byId = await rig.result(["stop", second.slice(0, 20), "--json"]);
      assertDone(byId);
      assert.deepEqual(JSON.parse(byId.stdout), {});
      await run.event("stopped", ({ id }) => id === second);
      assertDone(await rig.result(["stop", `127.0.0.1:${node.port}`]));
      await run.event("stopped", ({ id }) => id === node.id);
      const last = await rig.result(["stop", fourth]);
      assert.equal(last.code, 1);
      assert.equal(last.stderr, "dswarm: it is the last node of its swarm; Ctrl-C or SIGTERM ends that\n");
      assert.deepEqual(await run.stop(), { code: 0, signal: null });
      assert.equal(run.stderr, "");
    });
  }

  test("a node that was started alone is no swarm", async (t) => {
    const rig = new CliRig(t);
    const { node } = await rig.startNode("--no-discovery");
    for (const command of [["add"], ["stop", `${node.port}`]]) {
      const { code, stdout, stderr } = await rig.result(command);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^dswarm: this node was started alone; nodes of `dswarm swarm` can be added and stopped\n$/);
      const failed = await rig.result([...command, "--json"]);
      assert.equal(JSON.parse(failed.stderr).code, "failed_precondition");
    }
  });

  test("of one with a token are added and stopped by whoever has it", async (t) => {
    const file = join(new CliRig(t).directory, "token");
    writeFileSync(file, "a-token-of-many-letters\n", { mode: 0o600 });
    const { rig, run, ids } = await swarmOf(t, 2, `--token-file=${file}`);
    const [first = ""] = ids;
    for (const command of [["add"], ["stop", first]]) {
      assert.equal((await rig.result(command)).code, 1);
      assertDone(await rig.result([...command, "--token-file", file]));
    }
    await run.event("stopped", ({ id }) => id === first);
    assert.deepEqual(await run.stop(), { code: 0, signal: null });
  });
});

test("keepers shows the closest nodes, and which of them keep a record", async (t) => {
  const { rig, run, ids } = await swarmOf(t, 3);
  await until("all are contacts of one another", async () => {
    const { stdout } = await rig.result(["buckets", "--json"]);
    return ids.slice(1).every((id) => stdout.includes(id));
  });
  const put = await rig.result(["put", "kept", "--json"]);
  assertDone(put);
  const { key } = JSON.parse(put.stdout);
  const table = await rig.result(["keepers", key.slice(0, 12)]);
  assertDone(table);
  const [, head = "", ...rows] = table.stdout.trimEnd().split("\n");
  assert.match(head, /^NODE +BITS +RECORDS +SEQUENCE +KEPT FOR +ADDRESS$/);
  assert.equal(rows.pop(), "3 of the 3 closest nodes keep it");
  assert.deepEqual(new Set(rows.map((row) => row.split(" ")[0])), new Set(ids));
  assert.equal(rows.filter((row) => row.endsWith(" the node that answers")).length, 1);
  const json = await rig.result(["keepers", key, "--json", "--node", "2"]);
  assertDone(json);
  const { nodes } = JSON.parse(json.stdout);
  assert.deepEqual(
    nodes.map(({ records, sequence, self, id }: Record<string, unknown>) => [
      records,
      sequence,
      self === (id === ids[1]),
    ]),
    [1, 2, 3].map(() => [1, "0", true]),
  );
  const none = await rig.result(["keepers", `&${Buffer.alloc(32, 7).toString("base64")}`]);
  assert.deepEqual([none.code, none.stderr], [1, ""]);
  assert.match(none.stdout, /\n0 of the 3 closest nodes keep it\n$/);
  assert.equal((await rig.result(["keepers", "no key"])).code, 2);
  assert.deepEqual(await run.stop(), { code: 0, signal: null });
});
