// One node on the command line, in a process of its own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parsePeerAddress } from "../../../src/identity/peer-address.ts";
import { createNode } from "../../../src/index.ts";
import { version } from "../../../src/util/version.ts";
import { CliRig } from "./cli-rig.ts";

const closed = { code: 0, signal: null };

suite("start", { concurrency: 3 }, () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    test(`tells what it is as JSON, leaves a file to be found by, and ends cleanly on ${signal}`, async (t) => {
      const rig = new CliRig(t);
      const { run, node } = await rig.startNode();
      const { id, port, url, address, ...rest } = node;
      assert.deepEqual(rest, { event: "listening" });
      assert.equal(url, `https://localhost:${port}`);
      assert.deepEqual({ ...parsePeerAddress(address), id }, { id, host: "127.0.0.1", port });
      const [path = "", ...others] = rig.runtimeFiles();
      assert.deepEqual(others, []);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const { certificateSha256, startedAt, ...file } = JSON.parse(readFileSync(path, "utf8"));
      assert.deepEqual(file, { pid: run.pid, id, port, url, address, index: 1 });
      assert.match(certificateSha256, /^[0-9a-f]{64}$/);
      assert.equal(new Date(startedAt).toISOString(), startedAt);
      assert.deepEqual(await run.stop(signal), closed);
      assert.deepEqual(run.events.at(-1), { event: "closing", id });
      assert.equal(run.stderr, "");
      assert.deepEqual(rig.runtimeFiles(), []);
    });
  }

  test("with a data directory, prints a curl line that trusts the certificate", async (t) => {
    const rig = new CliRig(t);
    const dataDir = join(rig.directory, "it's data");
    const run = rig.run(["start", "--no-discovery", "--data-dir", dataDir]);
    await run.output("Ctrl-C ends it.");
    const certificate = join(dataDir, "certificate.pem");
    assert.ok(run.stdout.includes(`certificate  ${certificate}\n`));
    const [line = ""] = /curl --cacert .*/.exec(run.stdout) ?? [];
    const curl = spawnSync("sh", ["-c", line.replace("curl ", "curl -sS --noproxy '*' ")], { encoding: "utf8" });
    // Who has no curl has it tried by the tests of the certificate, with Node's client.
    if (curl.status !== 127) assert.deepEqual(JSON.parse(curl.stdout || curl.stderr), { results: [] });
    await run.stop();
  });

  test("asks for the token of a file that nobody else may read, and the commands send it", async (t) => {
    const rig = new CliRig(t);
    const path = join(rig.directory, "token");
    writeFileSync(path, "s3cret-0123456789\n", { mode: 0o644 });
    const refused = await rig.result(["start", "--no-discovery", "--token-file", path]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /others may read or change .*; run: chmod 600/);
    chmodSync(path, 0o600);
    const { run, node } = await rig.startNode("--no-discovery", "--token-file", path, "--http-port", "0");
    assert.match(node.httpUrl ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await fetch(`${node.httpUrl}/api/status`)).status, 401);
    const [without, named, byEnvironment] = await Promise.all([
      rig.result(["status", "--json"]),
      rig.result(["status", "--json", "--token-file", path]),
      rig.result(["status", "--json"], { DSWARM_TOKEN_FILE: path }),
    ]);
    assert.notEqual(without.code, 0);
    assert.match(without.stderr, /^\{"event":"failed","code":"unauthenticated",.*--token-file or DSWARM_TOKEN_FILE/);
    for (const answer of [named, byEnvironment]) assert.equal(JSON.parse(answer.stdout || "null")?.id, node.id);
    const listed = await rig.result(["ls", "--json"], { DSWARM_TOKEN_FILE: path });
    assert.deepEqual([listed.code, JSON.parse(listed.stdout).ok], [0, true]);
    await using peer = await createNode({ discovery: false, api: false, bootstrap: [node.address] });
    await run.event("peer");
    const call = ["call", peer.id.toString(), "grpc.health.v1.Health/Check"];
    const called = await rig.result([...call, "--token-file", path]);
    assert.deepEqual([called.stderr, called.stdout, called.code], ["", '{"status":"SERVING"}\n', 0]);
    await run.stop();
    for (const { stdout, stderr } of [run, without, named, called]) assert.ok(!`${stdout}${stderr}`.includes("s3cret"));
  });

  test("tells the closest peers every few seconds, none at first", async (t) => {
    const { run, node } = await new CliRig(t).startNode("--no-discovery");
    assert.deepEqual(await run.event("closest"), { event: "closest", id: node.id, peers: [] });
    await run.stop();
  });

  test("two nodes find each other, and each hears when the other leaves", async (t) => {
    const rig = new CliRig(t);
    const [a, b] = await Promise.all([rig.startNode(), rig.startNode()]);
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const address = `127.0.0.1:${other.node.port}`;
      const peer = await one.run.event("peer");
      assert.deepEqual(peer, { event: "peer", id: one.node.id, peer: other.node.id, address });
      const { peers } = await one.run.event("closest", (event) => event.peers.length > 0);
      assert.deepEqual(peers, [{ id: other.node.id, address }]);
    }
    assert.deepEqual(await a.run.stop(), closed);
    const lost = await b.run.event("peer_lost");
    assert.deepEqual(lost, { event: "peer_lost", id: b.node.id, peer: a.node.id, reason: "left" });
    assert.deepEqual(await b.run.stop(), closed);
  });

  test("a node of another network is not seen", async (t) => {
    const rig = new CliRig(t);
    const other = await rig.startNode("--network", "other");
    const [a, b] = await Promise.all([rig.startNode(), rig.startNode()]);
    assert.equal((await a.run.event("peer")).peer, b.node.id);
    assert.equal((await b.run.event("peer")).peer, a.node.id);
    assert.deepEqual(other.run.eventsOf("peer"), []);
    await Promise.all([a, b, other].map(({ run }) => run.stop()));
  });

  test("without discovery a node comes by a bootstrap address", async (t) => {
    const rig = new CliRig(t);
    const a = await rig.startNode("--no-discovery");
    const b = await rig.startNode("--no-discovery", "--bootstrap", a.node.address);
    assert.equal((await a.run.event("peer")).peer, b.node.id);
    assert.deepEqual(await b.run.stop(), closed);
    assert.deepEqual(await a.run.stop(), closed);
  });

  test("a bootstrap address that nobody answers at is told of on stderr, and the node runs on", async (t) => {
    const rig = new CliRig(t);
    const gone = await rig.startNode("--no-discovery");
    await gone.run.stop();
    const { run } = await rig.startNode("--no-discovery", "--bootstrap", gone.node.address);
    await run.until(() => run.stderr.includes("\n"), "a line on stderr");
    const { level, event } = JSON.parse(run.stderr.split("\n")[0] ?? "");
    assert.deepEqual([level, event], ["warn", "bootstrap_failed"]);
    assert.deepEqual(await run.stop(), closed);
  });

  test("with a data directory it is the same node again", async (t) => {
    const rig = new CliRig(t);
    const directory = join(rig.directory, "data");
    const first = await rig.startNode("--no-discovery", "--data-dir", directory);
    await first.run.stop();
    const second = await rig.startNode("--no-discovery", "--data-dir", directory);
    assert.equal(second.node.id, first.node.id);
    assert.equal(statSync(join(directory, "key")).mode & 0o777, 0o600);
    await second.run.stop();
  });

  test("for people it shows a curl line that works, and its peers with their ports", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["start", `--udp-port=${rig.udpPort}`]);
    await run.output(/Ctrl-C ends it\.\n/);
    assert.ok(run.stdout.startsWith(`dswarm ${version}, network dev, on 127.0.0.1\n`));
    const url = / {2}curl -k (https:\S+)$/m.exec(run.stdout)?.[1] ?? assert.fail(run.stdout);
    const [response] = await once(get(url, { rejectUnauthorized: false, agent: false }), "response");
    response.resume();
    assert.equal(response.statusCode, 200);
    const { run: other, node } = await rig.startNode();
    await run.output(`New peer ${node.id} 127.0.0.1:${node.port}\n`);
    await run.output(`  Closest peers\n          ${node.id}  127.0.0.1:${node.port}\n`);
    await other.stop();
    await run.output(/Lost peer \S+ has left\n/);
    assert.deepEqual(await run.stop(), closed);
    assert.match(run.stdout, /Closing: taking leave of the peers\.\n$/);
    assert.ok(!run.stdout.includes("\u001b"));
    assert.equal(run.stderr, "");
  });

  test("ends at the end of stdin where that is asked for", async (t) => {
    const { run } = await new CliRig(t).startNode("--until-eof");
    run.child.stdin?.end();
    assert.deepEqual(await run.ended, closed);
  });

  for (const form of [["--json"], []]) {
    test(`ends quietly when nobody reads stdout any more (${form[0] ?? "for people"})`, async (t) => {
      const rig = new CliRig(t);
      const run = rig.run(["start", "--no-discovery", ...form]);
      await run.output(/\n/);
      run.child.stdout?.destroy();
      assert.deepEqual(await run.ended, closed);
      assert.equal(run.stderr, "");
      assert.deepEqual(rig.runtimeFiles(), []);
    });
  }

  test("a second Ctrl-C ends it at once, with exit code 130 and without its file", async (t) => {
    const rig = new CliRig(t);
    const [a, b] = await Promise.all([rig.startNode(), rig.startNode()]);
    await a.run.event("peer");
    assert.equal((await rig.result(["ping", "--node", `${a.node.port}`])).code, 0);
    // A peer that stands still does not answer the goodbye, and closing waits for it.
    b.run.child.kill("SIGSTOP");
    const ticks = setInterval(() => a.run.child.kill("SIGINT"), 50);
    t.after(() => clearInterval(ticks));
    assert.deepEqual(await a.run.ended, { code: 130, signal: null });
    b.run.child.kill("SIGCONT");
    await b.run.stop();
    assert.deepEqual(rig.runtimeFiles(), []);
  });

  test("a port that is taken: exit code 1, and what to do", async (t) => {
    const rig = new CliRig(t);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const { code, stdout, stderr } = await rig.result(["start", "--no-discovery", "--port", `${port}`]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      new RegExp(`^dswarm: cannot listen on the address: 127.0.0.1:${port}: .*choose another port.*\\n$`),
    );
  });

  const faults: readonly (readonly [what: string, args: readonly string[], code: string, message: RegExp])[] = [
    ["no such interface", ["--host", "nonexistent0"], "interface_unknown", /nonexistent0; there are .*lo/],
    ["an address of another machine", ["--host", "192.0.2.1"], "bind_failed", /192\.0\.2\.1/],
  ];
  for (const [what, args, expected, message] of faults) {
    test(`${what}: exit code 1, with --json as JSON on stderr`, async (t) => {
      const { code, stdout, stderr } = await new CliRig(t).result(["start", "--json", "--no-discovery", ...args]);
      assert.deepEqual([code, stdout], [1, ""]);
      const failure = JSON.parse(stderr);
      assert.deepEqual([failure.event, failure.code], ["failed", expected]);
      assert.match(failure.message, message);
    });
  }

  test("a key file that is none: exit code 1, and the stack at debug level only", async (t) => {
    const rig = new CliRig(t);
    const directory = join(rig.directory, "data");
    mkdirSync(directory);
    writeFileSync(join(directory, "key"), "not a key", { mode: 0o600 });
    const args = ["start", "--no-discovery", "--data-dir", directory];
    const plain = await rig.result(args);
    assert.equal(plain.code, 1);
    assert.match(plain.stderr, /^dswarm: the key file is not usable: .*move it away to get a new key\n$/);
    const debug = await rig.result([...args, "--log-level", "debug"]);
    assert.equal(debug.code, 1);
    assert.match(debug.stderr, /\n {4}at /);
  });

  test("without a directory for its file a node runs as well, and says what does not work", async (t) => {
    const rig = new CliRig(t);
    const none = join(rig.directory, "none");
    const run = rig.run(["start", "--no-discovery"], { XDG_RUNTIME_DIR: none, TMPDIR: none });
    await run.output(/listening on port/);
    assert.match(run.stderr, /^\d\d:\d\d:\d\d warn runtime_file_failed: ping and peers will not find the node: .*\n$/);
    assert.deepEqual(await run.stop(), closed);
  });

  test("Ctrl-C while it starts ends it as cleanly", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["start", "--json", "--no-discovery"]);
    // Whenever it comes: before the handler is there it ends the process as any other.
    const { code, signal } = await run.stop();
    assert.ok(code === 0 || signal === "SIGINT", `${code} ${signal}`);
    assert.equal(run.stderr, "");
  });
});
