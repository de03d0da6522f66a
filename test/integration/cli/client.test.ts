// `ping` and `peers` against running nodes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { suite, type TestContext, test } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { CliRig } from "./cli-rig.ts";

async function pair(t: TestContext) {
  const rig = new CliRig(t);
  const a = await rig.startNode();
  const b = await rig.startNode();
  await Promise.all([a.run.event("peer"), b.run.event("peer")]);
  return { rig, a, b };
}

/** The process number of a node that is gone has gone to a process that lives. */
function giveAway(rig: CliRig, pid: number): void {
  const path = rig.runtimeFiles().find((name) => readFileSync(name, "utf8").includes(`"pid":${pid},`));
  assert(path !== undefined);
  writeFileSync(path, readFileSync(path, "utf8").replace(`"pid":${pid},`, `"pid":${process.pid},`));
}

suite("client", { concurrency: 3 }, () => {
  test("ping asks the node that was started first, and shows how it went", async (t) => {
    const { rig, a, b } = await pair(t);
    const { code, stdout, stderr } = await rig.result(["ping"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const [title, head, row, ...rest] = stdout.split("\n");
    assert.equal(title, `Node ${a.node.id} on port ${a.node.port}, the first of 2 here: --node chooses another`);
    assert.match(head ?? "", /^PEER +ADDRESS +MS$/);
    const shown = `${b.node.id}  127.0.0.1:${b.node.port}  `;
    assert.equal(row?.slice(0, shown.length), shown);
    assert.match(row?.slice(shown.length) ?? "", /^\d+\.\d\d$/);
    assert.deepEqual(rest, [""]);
  });

  test("ping --json prints the answer of /api as one line", async (t) => {
    const { rig, a, b } = await pair(t);
    for (const selector of ["2", `${b.node.port}`, b.node.url, `https://127.0.0.1:${b.node.port}`]) {
      const { code, stdout, stderr } = await rig.result(["ping", "--json", "--node", selector, a.node.id]);
      assert.deepEqual([code, stderr, stdout.split("\n").length], [0, "", 2], selector);
      const { rttMs, ...result } = JSON.parse(stdout).results[0];
      assert.deepEqual(result, { id: a.node.id, address: `127.0.0.1:${a.node.port}`, ok: true });
      assert.equal(typeof rttMs, "number");
    }
  });

  test("ping exits with 1 when a peer does not answer, and shows why", async (t) => {
    const { rig, b } = await pair(t);
    const stranger = generateKeyPair().id;
    const { code, stdout, stderr } = await rig.result(["ping", b.node.id, stranger.toHex()]);
    assert.deepEqual([code, stderr], [1, ""]);
    const rows = stdout.split("\n").map((line) => line.replaceAll(/ +/g, " "));
    assert.ok(rows.includes(`${stranger.toString()} - no address is known for the peer`), stdout);
    assert.ok(
      rows.some((row) => row.startsWith(`${b.node.id} 127.0.0.1:${b.node.port} `)),
      stdout,
    );
  });

  test("ping exits with 1 when there is nobody to ping", async (t) => {
    const rig = new CliRig(t);
    await rig.startNode("--no-discovery");
    const { code, stdout } = await rig.result(["ping"]);
    assert.equal(code, 1);
    assert.match(stdout, /\nNo peers are known yet\.\n$/);
  });

  test("what the node refuses is told as it says it", async (t) => {
    const rig = new CliRig(t);
    const { node } = await rig.startNode("--no-discovery");
    const { code, stdout, stderr } = await rig.result(["ping", node.id]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.equal(stderr, "dswarm: a node does not connect to itself; name another peer\n");
  });

  test("peers shows a table, or the answer of /api as one line", async (t) => {
    const { rig, a, b } = await pair(t);
    await rig.result(["ping"]);
    const { code, stdout, stderr } = await rig.result(["peers"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const [, head, row, count, ...rest] = stdout.split("\n");
    assert.match(head ?? "", /^PEER +ADDRESS +BITS +LINK +PING MS +HEARD +FOUND BY$/);
    const cells = (row ?? "").split(/ {2,}/);
    assert.deepEqual(
      [cells[0], cells[1], cells[3], cells[6]],
      [b.node.id, `127.0.0.1:${b.node.port}`, "open", "announce"],
    );
    assert.match(cells[2] ?? "", /^\d+$/);
    assert.match(cells[4] ?? "", /^\d+\.\d\d$/);
    assert.match(cells[5] ?? "", /^\d+\.\d s ago$/);
    assert.deepEqual([count, rest], ["1 peer", [""]]);
    const json = await rig.result(["peers", "--json", "--limit", "1", "--node", `${b.node.port}`]);
    assert.deepEqual([json.code, json.stdout.split("\n").length], [0, 2]);
    assert.equal(JSON.parse(json.stdout).peers[0].id, a.node.id);
  });

  test("peers of a node that knows nobody is no failure", async (t) => {
    const rig = new CliRig(t);
    await rig.startNode("--no-discovery");
    const { code, stdout } = await rig.result(["peers"]);
    assert.equal(code, 0);
    assert.match(stdout, /\nNo peers are known yet\.\n$/);
  });

  test("without a node they say how to start one; files of nodes that were killed do not count", async (t) => {
    const rig = new CliRig(t);
    const { run } = await rig.startNode("--no-discovery");
    await run.stop("SIGKILL");
    assert.equal(rig.runtimeFiles().length, 1);
    for (const command of ["ping", "peers", "status"]) {
      const { code, stdout, stderr } = await rig.result([command]);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(
        stderr,
        /^dswarm: no node of yours runs on this machine; start one with ".* start", or name one with --node\n$/,
      );
    }
    assert.deepEqual(rig.runtimeFiles(), []);
  });

  test("a node without a file is reached by its port", async (t) => {
    const rig = new CliRig(t);
    const { node } = await new CliRig(t).startNode("--no-discovery");
    const { code, stdout } = await rig.result(["peers", "--node", `${node.port}`]);
    assert.equal(code, 0);
    assert.ok(stdout.startsWith(`Node at https://localhost:${node.port}\n`));
  });

  test("another certificate than that of the file is refused", async (t) => {
    const rig = new CliRig(t);
    const { node } = await rig.startNode("--no-discovery");
    const [path = ""] = rig.runtimeFiles();
    const file = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...file, certificateSha256: "00".repeat(32) }));
    const { code, stdout, stderr } = await rig.result(["peers"]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, new RegExp(`^dswarm: ${node.url}: what answers there has another certificate than the node`));
  });

  test("beyond this machine a self-signed certificate is refused", async (t) => {
    const rig = new CliRig(t);
    const { node } = await new CliRig(t).startNode("--no-discovery");
    // A name of this machine that is not one of loopback, as far as can be told without resolving it.
    const preload = `data:text/javascript,import dns from "node:dns";
    const { lookup } = dns;
    dns.lookup = (name, options, done) => lookup(name === "node.example" ? "127.0.0.1" : name, options, done);`;
    const { code, stderr } = await rig.result(["peers", "--node", `https://node.example:${node.port}`], {
      NODE_OPTIONS: `--import=${encodeURI(preload)}`,
    });
    assert.equal(code, 1);
    assert.match(stderr, /^dswarm: https:\/\/node\.example:\d+: its certificate is not trusted \(\w+\); .*\n$/);
  });

  test("says what is wrong when nothing listens, or what listens is no node", async (t) => {
    const rig = new CliRig(t);
    const greeter = createServer(
      (socket) =>
        void socket
          .on("error", () => undefined)
          .resume()
          .end("220 hello\r\n"),
    );
    const silent = createServer((socket) => void socket.on("error", () => undefined).resume());
    for (const server of [greeter, silent]) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    t.after(() => {
      greeter.close();
      silent.close();
    });
    const portOf = (server: typeof greeter): string => `${(server.address() as AddressInfo).port}`;
    const other = await rig.result(["ping", "--node", portOf(greeter)]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /^dswarm: https:\/\/localhost:\d+: .*\n$/);
    const mute = await rig.result(["ping", "--timeout", "1", "--node", portOf(silent)]);
    assert.equal(mute.code, 1);
    assert.match(mute.stderr, /^dswarm: .*\n$/);
    const port = portOf(greeter);
    await new Promise((resolve) => greeter.close(resolve));
    const nobody = await rig.result(["ping", "--node", port]);
    assert.equal(nobody.code, 1);
    assert.equal(
      nobody.stderr,
      `dswarm: https://localhost:${port}: nothing listens there; "ls" lists your nodes that run here\n`,
    );
  });

  test("ls shows the nodes that run here, and removes the files of those that are gone", async (t) => {
    const { rig, a, b } = await pair(t);
    const table = await rig.result(["ls"]);
    assert.deepEqual([table.code, table.stderr], [0, ""]);
    const [head, ...lines] = table.stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
    assert.deepEqual(head, ["#", "NODE", "PORT", "PID", "NETWORK", "PEERS", "RECORDS", "UP"]);
    assert.deepEqual(
      lines.slice(0, 2).map((cells) => cells.slice(0, 6)),
      [a, b].map(({ run, node }, i) => [`${i + 1}`, node.id, `${node.port}`, `${run.pid}`, "dev", "1"]),
    );
    await b.run.stop("SIGKILL");
    giveAway(rig, b.run.pid);
    const json = await rig.result(["ls", "--json"]);
    assert.deepEqual([json.code, json.stderr], [0, ""]);
    const { id, port, ok, network, peers } = JSON.parse(json.stdout);
    assert.deepEqual([id, port, ok, network], [a.node.id, a.node.port, true, "dev"]);
    assert.equal(typeof peers, "number");
    assert.equal(rig.runtimeFiles().length, 1);
    await a.run.stop();
    const none = await rig.result(["ls"]);
    assert.equal(none.code, 0);
    assert.match(none.stdout, /^No node of yours runs on this machine\. To start one: .* start\n$/);
  });

  test("the file of a first node that is gone does not stand in the way of the second", async (t) => {
    const { rig, a, b } = await pair(t);
    await a.run.stop("SIGKILL");
    giveAway(rig, a.run.pid);
    const { code, stdout, stderr } = await rig.result(["status", "--json"]);
    assert.deepEqual([code, stderr, JSON.parse(stdout).id], [0, "", b.node.id]);
    assert.equal(rig.runtimeFiles().length, 1);
  });

  test("status shows who the node is, and its counters", async (t) => {
    const { rig, a } = await pair(t);
    const { code, stdout, stderr } = await rig.result(["status", "--counters"]);
    assert.deepEqual([code, stderr], [0, ""]);
    for (const text of [`id           ${a.node.id}\n`, a.node.address, "\nnetwork      dev\n", "\nCOUNT  OF\n"]) {
      assert.ok(stdout.includes(text), `${text} in ${stdout}`);
    }
    assert.match(stdout, /\n +\d+ {2}api\.requests\n/);
  });

  test("a peer is named by the first characters of its id, or its number", async (t) => {
    const { rig, b } = await pair(t);
    const { id } = b.node;
    const base64url = id.slice(1, 9).replaceAll("+", "-").replaceAll("/", "_");
    for (const name of [id.slice(0, 9), base64url, "2"]) {
      const { stdout } = await rig.result(["ping", "--json", name]);
      assert.equal(JSON.parse(stdout).results[0].id, id, name);
    }
    const unknown = await rig.result(["ping", "@0000zzzz"]);
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stderr,
      /^dswarm: @0000zzzz: no peer that the node knows has such an id; "peers" lists them\n$/,
    );
    const missing = await rig.result(["ping", "3"]);
    assert.match(missing.stderr, /^dswarm: no node 3: there are 1 to 2\n$/);
  });

  for (const columns of [60, 80, 140]) {
    test(`on a terminal of ${columns} columns no line is wider`, async (t) => {
      const { rig, b } = await pair(t);
      for (const args of [["ls"], ["ping"], ["peers"], ["buckets"], ["status"], ["lookup", b.node.id]]) {
        const { code, stdout } = await rig.result(args, { COLUMNS: `${columns}` });
        assert.equal(code, 0, args.join(" "));
        for (const line of stdout.split("\n")) assert.ok(line.length <= columns, `${args.join(" ")}: ${line}`);
        const json = await rig.result([...args, "--json"], { COLUMNS: `${columns}` });
        assert.ok(json.stdout.includes(b.node.id) || args[0] === "buckets" || args[0] === "status", json.stdout);
      }
    });
  }

  const hasPty = spawnSync("script", ["--version"]).error === undefined;
  test("colours show on a terminal, unless NO_COLOR is set", { skip: !hasPty }, async (t) => {
    const { rig } = await pair(t);
    const shownWith = (environment: NodeJS.ProcessEnv): string => {
      const command = `"${process.execPath}" bin/dswarm.mjs peers`;
      // Where CI is set, Node takes a terminal for one without colours.
      const own = { TERM: "xterm-256color", FORCE_COLOR: undefined, CI: undefined };
      const env = { ...process.env, XDG_RUNTIME_DIR: rig.directory, ...own };
      const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
        env: { ...env, ...environment },
        encoding: "utf8",
      });
      assert.match(stdout, /1 peer/);
      return stdout;
    };
    assert.ok(shownWith({ NO_COLOR: undefined }).includes("\u001b["));
    assert.ok(!shownWith({ NO_COLOR: "1" }).includes("\u001b["));
  });

  test("ls --node lists the nodes that were started together with one", async (t) => {
    const { rig, b } = await pair(t);
    const { code, stdout } = await rig.result(["ls", "--node", "2", "--json"]);
    assert.equal(code, 0);
    const [{ id, self, port }, ...others] = JSON.parse(stdout).nodes;
    assert.deepEqual([id, self, port, others], [b.node.id, true, b.node.port, []]);
  });

  test("a reader that has gone is no failure", async (t) => {
    const { rig } = await pair(t);
    const run = rig.run(["peers"]);
    run.child.stdout?.destroy();
    assert.deepEqual(await run.ended, { code: 0, signal: null });
    assert.equal(run.stderr, "");
  });
});
