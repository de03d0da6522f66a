// The gateway: calls of services that the calling node has never seen, on a peer in another process that it knows by key.
import assert from "node:assert/strict";
import { request } from "node:https";
import { test } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { startChild } from "./child-node.ts";
import { knows, send, startNode, testNetwork } from "./rig.ts";

const echo = "dswarm.example.v1.EchoService";

test("any method of a peer is called by the peer's key alone, with JSON in and out", async (t) => {
  const network = await testNetwork();
  const node = await startNode(t, network);
  const child = await startChild(t, network);
  const peer = NodeId.parse(child.id);
  await knows(node, peer);
  const call = (path: string, body: string, headers: Record<string, string> = {}) =>
    send(
      node.port,
      `/api/peers/${path}`,
      { method: "POST", headers: { "Content-Type": "application/json", ...headers } },
      body,
    );
  const to = peer.toBase64url();
  const answer = await call(`${to}/${echo}/Echo`, `{"payload":"aGk="}`);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(JSON.parse(answer.text), { payload: "aGk=" });

  const faults: [path: string, body: string, status: number, code: string, headers?: Record<string, string>][] = [
    [`${to}/${echo}/Nope`, "{}", 501, "unimplemented"],
    [`${to}/no.such.Service/Echo`, "{}", 404, "not_found"],
    [`${to}/..%2f/Echo`, "{}", 400, "invalid_argument"],
    [`${to}/${echo}/Echo`, `{"nope":1}`, 400, "invalid_argument"],
    [`${to}/${echo}/Echo`, `{"payload":1}`, 400, "invalid_argument"],
    [`${to}/${echo}/Echo`, "{", 400, "invalid_argument"],
    [`${to}/${echo}/Echo`, "[".repeat(50_000) + "]".repeat(50_000), 400, "invalid_argument"],
    [`${to}/${echo}/Echo`, " ".repeat(2 ** 20 + 1), 413, "resource_exhausted"],
    [`${to}/${echo}/Echo`, "{}", 400, "invalid_argument", { "Connect-Timeout-Ms": "-1" }],
    [`${to}/${echo}/Echo`, "{}", 415, "invalid_argument", { "Content-Type": "text/plain" }],
    [`${to}/${echo}/Repeat`, `{"count":1}`, 501, "unimplemented"],
    [`${to}/${echo}/Collect`, `[{},{}]`, 501, "unimplemented"],
    [`nonsense/${echo}/Echo`, "{}", 400, "invalid_argument"],
    [`${generateKeyPair().id.toBase64url()}/${echo}/Echo`, "{}", 404, "not_found"],
  ];
  for (const [path, body, status, code, headers] of faults) {
    const refused = await call(path, body, headers);
    assert.equal(refused.status, status, `${path} ${body.slice(0, 40)}: ${refused.text}`);
    assert.equal(JSON.parse(refused.text).code, code);
  }
  const health = await call(`${to}/grpc.health.v1.Health/Check`, "{}");
  assert.deepEqual(JSON.parse(health.text), { status: "SERVING" });
});

test("what a peer streams comes as lines, and ends when the client goes", async (t) => {
  const network = await testNetwork();
  const node = await startNode(t, network);
  const child = await startChild(t, network);
  const peer = NodeId.parse(child.id);
  await knows(node, peer);
  const path = `/api/peers/${peer.toBase64url()}/grpc.health.v1.Health/Watch`;
  const headers = { "Content-Type": "application/json" };
  const options = { host: "127.0.0.1", port: node.port, path, method: "POST", headers, rejectUnauthorized: false };
  const line = await new Promise<string>((resolve, reject) => {
    const outgoing = request({ ...options, agent: false }, (incoming) => {
      incoming.setEncoding("utf8").once("data", (text: string) => {
        outgoing.destroy();
        resolve(text);
      });
    });
    outgoing.on("error", reject);
    outgoing.end("{}");
  });
  assert.deepEqual(JSON.parse(line), { result: { status: "SERVING" } });
});
