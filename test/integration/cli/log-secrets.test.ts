// What nodes write while much happens to them, at the most talkative level, and what must never be in it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { CliRig } from "./cli-rig.ts";

const token = "token-of-the-owner-0123456789";
const wrongToken = "token-of-a-stranger-0123456789";
const payload = "the payload that nobody is to read";

/** The ways in which bytes might be written. */
function formsOf(bytes: Buffer): string[] {
  return [bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url"), bytes.toString("hex")];
}

/** Something that is no websocket, on the path of websockets. */
async function badUpgrade(port: number): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  socket.write("GET /dht HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  socket.resume();
  await once(socket, "close");
}

test("log lines hold no private key, token, value or message of a call", async (t) => {
  const rig = new CliRig(t);
  const tokenFile = join(rig.directory, "token");
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const directories = ["a", "b"].map((name) => join(rig.directory, name));
  const started = await Promise.all(
    directories.map((dir) =>
      rig.startNode("--log-level", "debug", "--token-file", tokenFile, "--data-dir", dir, "--http-port", "0"),
    ),
  );
  const [a, b] = started;
  assert.ok(a !== undefined && b !== undefined);
  await Promise.all([
    a.run.event("peer", ({ peer }) => peer === b.node.id),
    b.run.event("peer", ({ peer }) => peer === a.node.id),
  ]);
  const ask = (...args: string[]) => rig.result([...args, "--json", "--node", a.node.url, "--token-file", tokenFile]);
  const put = await ask("put", payload);
  const updated = await ask("update", payload, "--salt", "salt");
  const got = await ask("get", JSON.parse(put.stdout).key);
  const called = await ask("call", b.node.id, "grpc.health.v1.Health/Check", JSON.stringify({ service: payload }));
  assert.deepEqual([put.code, updated.code, got.code], [0, 0, 0]);
  assert.match(called.stderr, /not_found/);
  const refused = await fetch(`${a.node.httpUrl}/api/status`, { headers: { Authorization: `Bearer ${wrongToken}` } });
  assert.equal(refused.status, 401);
  await badUpgrade(a.node.port);
  // That the log was on, and told of what went wrong.
  await a.run.until(() => /"event":"api_refused"/.test(a.run.stderr), "the refused request in the log");
  await a.run.until(() => /"event":"handshake_failed"/.test(a.run.stderr), "the bad upgrade in the log");
  await Promise.all([a.run.stop(), b.run.stop()]);

  const keys = directories.map((dir) => readFileSync(join(dir, "key"), "utf8").trim());
  assert.ok(keys.every((key) => /^[0-9a-f]{64}$/.test(key)));
  const secrets = [
    ...keys.flatMap((key) => formsOf(Buffer.from(key, "hex"))),
    ...[token, wrongToken, payload].flatMap((text) => [text].concat(formsOf(Buffer.from(text)))),
    "PRIVATE KEY",
  ];
  for (const { run } of started) {
    for (const secret of secrets) assert.ok(!`${run.stdout}${run.stderr}`.includes(secret), `${secret} was written`);
  }
});
