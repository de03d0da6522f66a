// Values in and out of the terminal, and what commands do when their output cannot be written or their user stops them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CliRig } from "./cli-rig.ts";

const mainPath = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const missingKey = "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const awkward = Buffer.from("a\nb\tc\r\n\u0000\u001b[2J\u202e\xff", "latin1");

/** Runs a command with a file as its standard output. */
async function intoFile(rig: CliRig, args: readonly string[], path: string): Promise<{ code: number; stderr: string }> {
  const file = openSync(path, "w");
  const environment = { ...process.env, XDG_RUNTIME_DIR: rig.directory };
  const child = spawn(process.execPath, [mainPath, ...args], { env: environment, stdio: ["ignore", file, "pipe"] });
  closeSync(file);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, stderr };
}

suite("values", { concurrency: 2 }, () => {
  test("a value comes out of a pipe, into a file and with --out byte for byte as it went in", async (t) => {
    const rig = new CliRig(t);
    await rig.startNode();
    const source = join(rig.directory, "source");
    writeFileSync(source, awkward);
    const byFile = JSON.parse((await rig.result(["put", "--file", source, "--json"])).stdout);
    const byStdin = rig.run(["put", "-", "--json"]);
    byStdin.child.stdin?.end(awkward);
    await byStdin.ended;
    assert.equal(JSON.parse(byStdin.stdout).key, byFile.key);

    const target = join(rig.directory, "target");
    assert.deepEqual(await intoFile(rig, ["get", byFile.key], target), { code: 0, stderr: "" });
    assert.deepEqual(readFileSync(target), awkward);
    const out = join(rig.directory, "out");
    assert.equal((await rig.result(["get", byFile.key, "--out", out])).code, 0);
    assert.deepEqual(readFileSync(out), awkward);
    assert.deepEqual(await intoFile(rig, ["get", byFile.key, "--out", "-"], target), { code: 0, stderr: "" });
    const refused = await rig.result(["get", byFile.key, "--out", rig.directory]);
    assert.deepEqual(
      [refused.code, refused.stdout, refused.stderr],
      [2, "", `dswarm: --out ${rig.directory}: it is a directory; give a file\n`],
    );
    assert.deepEqual(readFileSync(target), awkward);
  });

  test("watch writes each value byte for byte into a pipe, and its title beside it", async (t) => {
    const rig = new CliRig(t);
    await rig.startNode();
    const { key } = JSON.parse((await rig.result(["update", "a\nb\t", "--json"])).stdout);
    const run = rig.run(["watch", key, "--interval", "250"]);
    await run.output("a\nb\t");
    await rig.result(["update", "c"]);
    await run.output("c");
    assert.deepEqual(await run.stop(), { code: 0, signal: null });
    assert.equal(run.stdout, "a\nb\tc");
    assert.match(run.stderr, /^Node @/);
  });

  test("a value of neither or both sources, or of more than 65536 bytes, exits with 2", async (t) => {
    const rig = new CliRig(t);
    const large = join(rig.directory, "large");
    writeFileSync(large, new Uint8Array(65_537));
    for (const args of [["put"], ["put", "a", "--file", large], ["put", "--file", large], ["update"]]) {
      assert.equal((await rig.result(args)).code, 2, args.join(" "));
    }
    assert.equal((await rig.result(["put", "--file", join(rig.directory, "nope")])).code, 2);
  });

  test("a full disk under standard output is a failure", { skip: !existsSync("/dev/full") }, async (t) => {
    const rig = new CliRig(t);
    await rig.startNode();
    for (const args of [["status"], ["ls", "--json"], ["keygen", "--help"]]) {
      const { code, stderr } = await intoFile(rig, args, "/dev/full");
      assert.equal(code, 1, args.join(" "));
      assert.match(stderr, /output is lost/);
    }
  });

  test("what goes on and on ends when its output is lost, unless it is a node", {
    skip: !existsSync("/dev/full"),
  }, async (t) => {
    const rig = new CliRig(t);
    await rig.startNode();
    for (const args of [
      ["watch", "--past", "256"],
      ["watch", "--rates", "--interval", "250", "--json"],
      ["trace", missingKey],
    ]) {
      const { code, stderr } = await intoFile(rig, args, "/dev/full");
      assert.equal(code, 1, args.join(" "));
      assert.match(stderr, /output is lost/);
    }
  });

  test("a reader that has gone is no failure, for commands that end and those that go on", async (t) => {
    const rig = new CliRig(t);
    const { run: first } = await rig.startNode();
    await rig.startNode();
    await first.event("peer");
    for (const args of [["trace", missingKey], ["watch", "--past", "256"], ["status"]]) {
      const run = rig.run(args);
      run.child.stdout?.destroy();
      assert.deepEqual(await run.ended, { code: 0, signal: null }, `${args.join(" ")}: ${run.stderr}`);
    }
  });

  test("what is refused as invalid exits with 2 and its code, in JSON too", async (t) => {
    const rig = new CliRig(t);
    await rig.startNode();
    for (const [args, code] of [
      // By the command itself, and by the node.
      [["get", "nonsense"], "record_key_invalid"],
      [["find", "nonsense!"], "node_id_invalid"],
      [["ping", "dswarm://nonsense"], "address_invalid"],
      [["update", "a", "--salt", "s".repeat(65)], "record_invalid"],
      [["delete", "--salt", "s".repeat(65)], "record_invalid"],
    ] as const) {
      const ended = await rig.result([...args, "--json"]);
      assert.deepEqual([ended.code, JSON.parse(ended.stderr).code], [2, code], args.join(" "));
    }
  });

  test("services --json is about the service that was named", async (t) => {
    const rig = new CliRig(t);
    const { node } = await rig.startNode();
    const one = await rig.result(["services", node.id, "grpc.health.v1.Health/Check", "--json"]);
    const { services } = JSON.parse(one.stdout);
    assert.deepEqual(
      services.map(({ name, methods }: { name: string; methods: { name: string }[] }) => [
        name,
        methods.map((method) => method.name),
      ]),
      [["grpc.health.v1.Health", ["Check"]]],
    );
    assert.equal((await rig.result(["services", node.id, "no.Such", "--json"])).code, 1);
  });

  test("url prints where the node answers, and ls says that a node asks for a token", async (t) => {
    const rig = new CliRig(t);
    const token = join(rig.directory, "token");
    writeFileSync(token, `${"t".repeat(32)}\n`, { mode: 0o600 });
    const { node } = await rig.startNode("--token-file", token);
    assert.match((await rig.result(["url"])).stdout, new RegExp(`^https://[^/]+:${node.port}\n$`));
    const { code, stdout } = await rig.result(["ls"]);
    assert.equal(code, 1);
    assert.match(stdout, /asks for a token/);
    assert.match(stdout, /--token-file/);
  });
});
