// Many nodes at once, in one process and in one each.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { CliRig, isGone, until } from "./cli-rig.ts";

const closed = { code: 0, signal: null };
const forms = [
  { name: "in one process", flags: [] },
  { name: "in a process each", flags: ["--processes"] },
] as const;

/**
 * The first of `count` TCP ports in a row that nothing uses: below those that the system gives to whoever asks for any, which
 * may be taken by anybody at any time.
 */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = randomInt(10_000, 32_000);
    if ((await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)))).every(Boolean)) return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

async function apiOf(port: number, path: string, headers: Record<string, string> = {}) {
  const outgoing = get({ host: "127.0.0.1", port, path, headers, agent: false, rejectUnauthorized: false });
  const [incoming]: IncomingMessage[] = await once(outgoing, "response");
  assert(incoming !== undefined);
  return JSON.parse(await text(incoming));
}

suite("swarm", { concurrency: 3 }, () => {
  for (const { name, flags } of forms) {
    test(`${name}: the API of each node is reached through any of them`, async (t) => {
      const rig = new CliRig(t);
      const run = rig.run(["swarm", "--json", "-n", "2", `--udp-port=${rig.udpPort}`, ...flags]);
      await run.event("complete");
      const [first, second] = rig.runningNodes();
      assert(first !== undefined && second !== undefined);
      const { nodes } = await apiOf(first.port, "/api/swarm");
      assert.deepEqual(
        nodes.map(({ id, self }: { id: string; self: boolean }) => [id, self]),
        [
          [first.id, true],
          [second.id, false],
        ],
      );
      const path = `/api/nodes/${encodeURIComponent(second.id)}`;
      assert.equal((await apiOf(first.port, `${path}/status`)).id, second.id);
      assert.equal((await apiOf(first.port, `${path}/status?x=1`)).code, "invalid_argument");
      assert.equal((await apiOf(first.port, `${path}/nodes/x/status`)).code, "invalid_argument");
      assert.equal((await apiOf(first.port, "/api/nodes/x/status")).code, "invalid_argument");
      assert.equal(
        (await apiOf(first.port, `${path}/status`, { Origin: "https://a.example" })).code,
        "permission_denied",
      );
      assert.deepEqual(await run.stop(), closed);
    });

    test(`${name}: all nodes listen, come to know one another, tell their closest, and close on Ctrl-C`, async (t) => {
      const rig = new CliRig(t);
      const run = rig.run(["swarm", "--json", "-n", "3", `--udp-port=${rig.udpPort}`, ...flags]);
      const { nodes, ms } = await run.event("complete");
      assert.equal(nodes, 3);
      assert.ok(ms > 0);
      const ids = run.eventsOf("listening").map(({ id }) => id);
      assert.equal(new Set(ids).size, 3);
      const pairs = run.eventsOf("peer").map(({ id, peer }) => `${id} ${peer}`);
      assert.deepEqual(
        pairs.toSorted(),
        ids.flatMap((a) => ids.filter((b) => b !== a).map((b) => `${a} ${b}`)).toSorted(),
      );
      const running = rig.runningNodes();
      const pids = running.map(({ pid }) => pid);
      assert.equal(new Set(pids).size, flags.length === 0 ? 1 : 3);
      for (const id of ids) {
        const { peers } = await run.event("closest", (event) => event.id === id && event.peers.length === 2);
        assert.deepEqual(new Set(peers.map((peer) => peer.id)), new Set(ids.filter((other) => other !== id)));
      }
      // The number of a node is its place in the list, too.
      for (const [i, { id }] of running.entries()) {
        const { stdout } = await rig.result(["ping", "--node", `${i + 1}`]);
        assert.ok(stdout.startsWith(`Node ${id} `));
      }
      assert.deepEqual(await run.stop(), closed);
      assert.deepEqual(new Set(run.eventsOf("closing").map(({ id }) => id)), new Set(ids));
      assert.equal(run.stderr, "");
      assert.deepEqual(rig.runtimeFiles(), []);
      for (const pid of pids) assert.ok(isGone(pid));
    });

    test(`${name}: ports one after the other and a key for each node`, async (t) => {
      const rig = new CliRig(t);
      const port = await freePorts(2);
      const directory = join(rig.directory, "data");
      const args = ["swarm", "-n", "2", `--udp-port=${rig.udpPort}`, "--port", `${port}`, "--data-dir", directory];
      const run = rig.run([...args, ...flags]);
      await run.output(/2 nodes know one another after \d+\.\d s\n/);
      assert.deepEqual(
        rig.runningNodes().map((node) => node.port),
        [port, port + 1],
      );
      for (const index of ["1", "2"]) assert.ok(existsSync(join(directory, index, "key")));
      assert.deepEqual(await run.stop("SIGTERM"), closed);
      assert.match(run.stdout, /Closing 2 nodes\.\n$/);
      assert.equal(run.stderr, "");
    });

    test(`${name}: a port that is taken ends all, with exit code 1 and what to do`, async (t) => {
      const rig = new CliRig(t);
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      t.after(() => server.close());
      // The second node wants it.
      const port = (server.address() as AddressInfo).port - 1;
      const run = await rig.result(["swarm", "-n", "3", `--udp-port=${rig.udpPort}`, "--port", `${port}`, ...flags]);
      assert.equal(run.code, 1);
      assert.match(run.stderr, /^dswarm: cannot listen on the address: .*choose another port.*\n$/);
      assert.deepEqual(rig.runtimeFiles(), []);
    });

    test(`${name}: ends quietly when nobody reads stdout any more`, async (t) => {
      const rig = new CliRig(t);
      const run = rig.run(["swarm", "-n", "2", `--udp-port=${rig.udpPort}`, ...flags]);
      await run.output(/know one another/);
      const pids = rig.runningNodes().map(({ pid }) => pid);
      run.child.stdout?.destroy();
      assert.deepEqual(await run.ended, closed);
      assert.equal(run.stderr, "");
      for (const pid of pids) assert.ok(isGone(pid));
    });
  }

  test("a process that dies is told of and the others go on; when all have died it is a failure", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["swarm", "--json", "-n", "3", "--processes", `--udp-port=${rig.udpPort}`]);
    await run.event("complete");
    const [first, second, third] = rig.runningNodes();
    assert.ok(first && second && third);
    process.kill(second.pid, "SIGKILL");
    const died = { event: "died", id: second.id, pid: second.pid, code: null, signal: "SIGKILL" };
    assert.deepEqual(await run.event("died"), died);
    const { code, stdout } = await rig.result(["ping", "--json", "--node", "1", third.id]);
    assert.equal(code, 0, stdout);
    assert.equal(rig.runtimeFiles().length, 2);
    process.kill(first.pid, "SIGKILL");
    process.kill(third.pid, "SIGKILL");
    assert.deepEqual(await run.ended, { code: 1, signal: null });
    const { event, message } = JSON.parse(run.stderr);
    assert.deepEqual([event, message], ["failed", "the processes of all nodes have ended"]);
  });

  test("processes do not outlive a swarm that was killed, and take leave", async (t) => {
    const rig = new CliRig(t);
    const { run: witness } = await rig.startNode();
    const run = rig.run(["swarm", "--json", "-n", "2", "--processes", `--udp-port=${rig.udpPort}`]);
    const { nodes } = await run.event("complete");
    assert.equal(nodes, 2);
    const members = rig.runningNodes().filter(({ pid }) => pid !== witness.pid);
    assert.equal(members.length, 2);
    for (const { id } of members) await witness.event("peer", ({ peer }) => peer === id);
    assert.deepEqual(await run.stop("SIGKILL"), { code: null, signal: "SIGKILL" });
    for (const { pid } of members) await until(() => isGone(pid), `the end of ${pid}`);
    for (const { id } of members) {
      assert.equal((await witness.event("peer_lost", ({ peer }) => peer === id)).reason, "left");
    }
    assert.equal(rig.runtimeFiles().length, 1);
    await witness.stop();
  });

  test("Ctrl-C that reaches the processes of the nodes as well, as in a terminal, is one Ctrl-C", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["swarm", "--json", "-n", "2", "--processes", `--udp-port=${rig.udpPort}`]);
    await run.event("complete");
    for (const { pid } of rig.runningNodes()) process.kill(pid, "SIGINT");
    run.child.kill("SIGINT");
    assert.deepEqual(await run.stop(), closed);
    assert.equal(run.eventsOf("closing").length, 2);
    assert.deepEqual(run.eventsOf("died"), []);
    assert.equal(run.stderr, "");
  });

  test("Ctrl-C while nodes start ends all that have", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["swarm", "--json", "-n", "50", "--processes", `--udp-port=${rig.udpPort}`]);
    await run.event("listening");
    const pids = rig.runningNodes().map(({ pid }) => pid);
    assert.deepEqual(await run.stop(), closed);
    assert.ok(run.eventsOf("listening").length < 50);
    assert.deepEqual(rig.runtimeFiles(), []);
    for (const pid of pids) assert.ok(isGone(pid));
  });

  test("nodes from outside are told of once for all", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["swarm", "-n", "3", `--udp-port=${rig.udpPort}`]);
    await run.output(/3 nodes know one another/);
    const { run: other, node } = await rig.startNode();
    await other.until(() => other.eventsOf("peer").length === 3, "3 peers");
    await run.output(/New peer/);
    await other.stop();
    await run.output(/Lost peer/);
    await run.stop();
    const lines = run.stdout.split("\n").filter((line) => /(New|Lost) peer/.test(line));
    assert.deepEqual(
      lines.map((line) => line.slice("00:00:00  ".length)),
      [`New peer ${node.id} 127.0.0.1:${node.port}`, `Lost peer ${node.id} has left`],
    );
  });
});
