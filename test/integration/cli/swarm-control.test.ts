// Starting and stopping nodes of a swarm that runs, through the API of any of them.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { send, until as untilTrue } from "../node/rig.ts";
import { CliRig, isGone, until } from "./cli-rig.ts";

const forms = [
  { name: "in one process", flags: [] },
  { name: "in a process each", flags: ["--processes"] },
] as const;

interface ApiAnswer {
  readonly status: number;
  readonly body: ReturnType<typeof JSON.parse>;
}

async function api(port: number, method: string, path: string, headers: Record<string, string> = {}) {
  const body = method === "POST" ? "{}" : undefined;
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const { status, text } = await send(port, path, { method, headers: { ...type, ...headers } }, body);
  return { status, body: JSON.parse(text) } satisfies ApiAnswer;
}

function inPath(id: string): string {
  return Buffer.from(id.slice(1), "base64").toString("base64url");
}

suite("a swarm that runs", { concurrency: 2 }, () => {
  for (const { name, flags } of forms) {
    test(`${name}: a node is added and another is stopped, and the others go on`, async (t) => {
      const rig = new CliRig(t);
      const run = rig.run(["swarm", "--json", "-n", "2", `--udp-port=${rig.udpPort}`, ...flags]);
      await run.event("complete");
      const [first, second] = rig.runningNodes();
      assert(first !== undefined && second !== undefined);
      const idsOf = async (port: number): Promise<string[]> => {
        const { body } = await api(port, "GET", "/api/swarm");
        assert.equal(body.managed, true);
        return body.nodes.map(({ id }: { readonly id: string }) => id);
      };
      const added = await api(first.port, "POST", "/api/swarm");
      assert.equal(added.status, 200, JSON.stringify(added.body));
      const { id: third, index, port: thirdPort } = added.body.node;
      assert.equal(index, 3);
      assert.deepEqual(await idsOf(first.port), [first.id, second.id, third]);
      await run.event("listening", (event) => event.id === third);
      // It is a node like the others, and has come to know them.
      await run.event("peer", (event) => event.id === third && event.peer === first.id);
      const status = await api(first.port, "GET", `/api/nodes/${inPath(third)}/status`);
      assert.equal(status.body.id, third);

      const stopped = await api(first.port, "DELETE", `/api/swarm/${inPath(second.id)}`);
      assert.equal(stopped.status, 200, JSON.stringify(stopped.body));
      await run.event("stopped", (event) => event.id === second.id);
      assert.deepEqual(run.eventsOf("closing"), []);
      assert.deepEqual(run.eventsOf("died"), []);
      assert.deepEqual(await idsOf(first.port), [first.id, third]);
      if (flags.length > 0) await until(() => isGone(second.pid), "the end of its process");
      // The one that was added can stop the one that it was added through.
      assert.equal((await api(thirdPort, "DELETE", `/api/swarm/${inPath(first.id)}`)).status, 200);
      await run.event("stopped", (event) => event.id === first.id);
      assert.deepEqual(await idsOf(thirdPort), [third]);
      // An index is given once: what a node has kept is not another's.
      assert.equal((await api(thirdPort, "POST", "/api/swarm")).body.node.index, 4);
      assert.deepEqual(await run.stop(), { code: 0, signal: null });
      assert.equal(run.stderr, "");
      assert.deepEqual(rig.runtimeFiles(), []);
    });

    test(`${name}: refuses what cannot be, and whoever is not its owner`, async (t) => {
      const rig = new CliRig(t);
      const run = rig.run(["swarm", "--json", "-n", "2", `--udp-port=${rig.udpPort}`, ...flags]);
      await run.event("complete");
      const [first, second] = rig.runningNodes();
      assert(first !== undefined && second !== undefined);
      const own = await api(first.port, "DELETE", `/api/swarm/${inPath(first.id)}`);
      assert.equal(own.body.code, "failed_precondition");
      const unknown = await api(first.port, "DELETE", `/api/swarm/${Buffer.alloc(32, 1).toString("base64url")}`);
      assert.ok(["not_found", "invalid_argument"].includes(unknown.body.code), unknown.body.code);
      const stranger = rig.run(["start", "--json", `--udp-port=${rig.udpPort}`]);
      const { id: strangerId, port: strangerPort } = await stranger.event("listening");
      assert.equal((await api(first.port, "DELETE", `/api/swarm/${inPath(strangerId)}`)).body.code, "not_found");
      assert.equal((await api(strangerPort, "GET", "/api/swarm")).body.managed, false);
      assert.equal((await api(strangerPort, "POST", "/api/swarm")).body.code, "failed_precondition");
      const foreign = { Origin: "https://a.example" };
      for (const [method, path] of [
        ["POST", "/api/swarm"],
        ["DELETE", `/api/swarm/${inPath(second.id)}`],
        ["POST", `/api/nodes/${inPath(second.id)}/swarm`],
      ] as const) {
        assert.equal(
          (await api(first.port, method, path, foreign)).body.code,
          "permission_denied",
          `${method} ${path}`,
        );
      }
      // A link or a picture on a page is a GET, which changes nothing.
      await api(first.port, "GET", `/api/swarm/${inPath(second.id)}`);
      const { body } = await api(first.port, "GET", "/api/swarm");
      assert.deepEqual(
        body.nodes.map(({ id }: { readonly id: string }) => id),
        [first.id, second.id],
      );
      assert.deepEqual(await stranger.stop(), { code: 0, signal: null });
      assert.deepEqual(await run.stop(), { code: 0, signal: null });
    });
  }
});

test("a swarm with a token starts and stops nodes for whoever has it", async (t) => {
  const rig = new CliRig(t);
  const token = "a-token-of-many-letters";
  const file = join(rig.directory, "token");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const run = rig.run(["swarm", "--json", "-n", "2", `--udp-port=${rig.udpPort}`, `--token-file=${file}`]);
  await run.event("complete");
  const [first, second] = rig.runningNodes();
  assert(first !== undefined && second !== undefined);
  assert.equal((await api(first.port, "POST", "/api/swarm")).status, 401);
  assert.equal((await api(first.port, "DELETE", `/api/swarm/${inPath(second.id)}`)).status, 401);
  const owner = { Authorization: `Bearer ${token}` };
  assert.equal((await api(first.port, "POST", "/api/swarm", owner)).body.node.index, 3);
  assert.equal((await api(first.port, "DELETE", `/api/swarm/${inPath(second.id)}`, owner)).status, 200);
  assert.deepEqual(await run.stop(), { code: 0, signal: null });
});

test("tells which of the closest nodes keep what is under a key", async (t) => {
  const rig = new CliRig(t);
  const run = rig.run(["swarm", "--json", "-n", "3", `--udp-port=${rig.udpPort}`]);
  await run.event("complete");
  const nodes = rig.runningNodes();
  const [first] = nodes;
  assert(first !== undefined);
  // Nodes that have met come to be contacts a moment later.
  for (const { port } of nodes) {
    await untilTrue("all are contacts", async () => (await api(port, "GET", "/api/status")).body.contacts === 2);
  }
  const value = Buffer.from("kept").toString("base64");
  const headers = { "Content-Type": "application/json" };
  const put = await send(first.port, "/api/update", { method: "POST", headers }, JSON.stringify({ value }));
  const { key, replicas } = JSON.parse(put.text);
  assert.equal(replicas, 2);
  for (const { port, id } of nodes) {
    const { body } = await api(port, "GET", `/api/keepers/${inPath(key)}`);
    assert.equal(body.key, key);
    assert.deepEqual(
      body.nodes.map((node: { readonly id: string }) => node.id).toSorted(),
      nodes.map((node) => node.id).toSorted(),
    );
    for (const node of body.nodes) {
      assert.deepEqual([node.records, node.sequence, node.self], [1, "1", node.id === id]);
      assert.ok(node.ttlS > 0 && node.ttlS <= 86_400);
    }
    const bits = body.nodes.map(({ distanceBits }: { readonly distanceBits: number }) => distanceBits);
    assert.deepEqual(
      bits,
      bits.toSorted((a: number, b: number) => a - b),
    );
    const none = await api(port, "GET", `/api/keepers/${Buffer.alloc(32, 7).toString("base64url")}`);
    assert.deepEqual(
      none.body.nodes.map(({ records, ttlS }: { readonly records: number; readonly ttlS?: number }) => [records, ttlS]),
      Array.from({ length: 3 }, () => [0, undefined]),
    );
  }
  assert.equal((await api(first.port, "GET", "/api/keepers/short")).body.code, "invalid_argument");
  assert.deepEqual(await run.stop(), { code: 0, signal: null });
});
