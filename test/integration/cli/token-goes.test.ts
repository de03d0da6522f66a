// The token goes to nodes that are known to be the user's, and to nothing else that listens.
import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createCertificate } from "../../../src/channel/tls.ts";
import { CliRig } from "./cli-rig.ts";

const token = "token-of-the-owner-0123456789";

/** A program of another user that answers everything on a port of loopback. Returns the port and what it was told. */
async function listenAsStranger(t: TestContext): Promise<{ port: number; heard: string[] }> {
  const heard: string[] = [];
  const server = createServer(await createCertificate(), (incoming, response) => {
    heard.push(`${incoming.method} ${incoming.url} ${incoming.headers.authorization ?? "without a token"}`);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { port: address.port, heard };
}

test("a token goes to no program that is not known to be a node of the user", { timeout: 120_000 }, async (t) => {
  const rig = new CliRig(t);
  const tokenFile = join(rig.directory, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const { port, heard } = await listenAsStranger(t);
  for (const args of [
    ["status", "--node", `${port}`],
    ["status", "--node", `https://localhost:${port}`],
    [
      "call",
      "@yyHmJUZRNS3L8YoeXrxs7qNHzR3C7uHY3lZgVK8rtVE=",
      "grpc.health.v1.Health/Check",
      "--node",
      `https://127.0.0.1:${port}`,
    ],
    ["ls", "--node", `${port}`],
  ]) {
    const { code, stderr } = await rig.result(args, { DSWARM_TOKEN_FILE: tokenFile });
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      /none of your running nodes, and any program may listen there.*--cacert DIR\/certificate\.pem/,
    );
  }
  assert.equal(heard.length, 0);
  // Without a token there is nothing to lose.
  await rig.result(["status", "--node", `${port}`]);
  assert.ok(heard.length > 0 && heard.every((line) => line.endsWith("without a token")));
});

test("a node that no file lists gets the token if its certificate is given, and a program with another certificate does not", {
  timeout: 120_000,
}, async (t) => {
  const rig = new CliRig(t);
  const tokenFile = join(rig.directory, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const dataDir = join(rig.directory, "data");
  const { node, run } = await rig.startNode("--no-discovery", "--token-file", tokenFile, "--data-dir", dataDir);
  assert.ok(node.certificate !== undefined);
  for (const path of rig.runtimeFiles()) rmSync(path);
  const access = ["--token-file", tokenFile, "--cacert", node.certificate];
  const answered = await rig.result(["status", "--json", "--node", `${node.port}`, ...access]);
  assert.equal(JSON.parse(answered.stdout || "null")?.id, node.id, answered.stderr);
  const { port, heard } = await listenAsStranger(t);
  const refused = await rig.result(["status", "--node", `${port}`, ...access]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /another certificate than the node has; nothing was sent to it/);
  assert.equal(heard.length, 0);
  for (const [file, reason] of [
    ["/dev/zero", /is not a file/],
    [tokenFile, /holds no certificate/],
    [join(rig.directory, "none"), /no such file/],
  ] as const) {
    const { code, stderr } = await rig.result(["status", "--cacert", file]);
    assert.equal(code, 2);
    assert.match(stderr, reason);
    assert.ok(!stderr.includes(token));
  }
  await run.stop();
});

test("a program on the port of a listed node that was killed does not get the token", {
  timeout: 120_000,
}, async (t) => {
  const rig = new CliRig(t);
  const tokenFile = join(rig.directory, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const { port, heard } = await listenAsStranger(t);
  const { node, run } = await rig.startNode("--no-discovery", "--token-file", tokenFile);
  // As if the node's port, and then its number of a process, had gone to others: this process is alive.
  const [file = assert.fail()] = rig.runtimeFiles();
  const [running = assert.fail()] = rig.runningNodes();
  writeFileSync(file, JSON.stringify({ ...running, port, url: `https://localhost:${port}`, pid: process.pid }));
  for (const args of [["status"], ["status", "--node", `${port}`], ["ls"]]) {
    const { code } = await rig.result([...args, "--token-file", tokenFile]);
    assert.equal(code, 1);
  }
  assert.equal(heard.length, 0);
  assert.notEqual(node.port, port);
  await run.stop();
});
