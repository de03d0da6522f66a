// Slow readers of the gateway hold up nobody else: their streams wait, those of others do not.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request } from "node:https";
import { test } from "node:test";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { send, startNode, testNetwork, until } from "./rig.ts";

const slowReaders = 110;

function body(payloadBytes: number, count?: number): string {
  const payload = Buffer.alloc(payloadBytes).toString("base64");
  return JSON.stringify({ payload, ...(count && { count }) });
}

test("110 slow readers of the gateway hold up neither calls nor streams of another client", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const peer = await startNode(t, { network, discovery: false });
  peer.serve(EchoService, {
    echo: ({ payload }) => ({ payload }),
    async *repeat({ payload, count }) {
      for (let index = 0; index < count; index++) yield { payload, index };
    },
  });
  await node.ping(peer.address);
  const path = (method: string): string =>
    `/api/peers/${peer.id.toBase64url()}/dswarm.example.v1.EchoService/${method}`;
  assert.equal((await send(node.port, path("Echo"), { method: "POST" }, body(10))).status, 200);
  const requests: ClientRequest[] = [];
  t.after(() => {
    for (const each of requests) each.destroy();
  });
  const repeated = body(60_000, 1000);
  const readSlowly = async (): Promise<void> => {
    const outgoing = request({
      host: "127.0.0.1",
      port: node.port,
      path: path("Repeat"),
      method: "POST",
      agent: false,
      rejectUnauthorized: false,
      headers: { "Content-Type": "application/json" },
    });
    outgoing.on("error", () => undefined);
    requests.push(outgoing);
    outgoing.end(repeated);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    incoming.on("error", () => undefined);
    incoming.pause();
    assert.equal(incoming.statusCode, 200);
  };
  for (let i = 0; i < slowReaders; i += 10) await Promise.all(Array.from({ length: 10 }, readSlowly));
  let before = -1;
  await until("nothing more comes to the slow readers", async () => {
    const { unreadBytes } = node.load;
    const isSettled = unreadBytes === before && unreadBytes > (slowReaders / 2) * 60_000;
    before = unreadBytes;
    await new Promise((go) => setTimeout(go, 200));
    return isSettled;
  });
  const { unreadBytes } = node.load;
  assert.ok(unreadBytes > (slowReaders / 2) * 60_000, `${unreadBytes} bytes wait for slow readers`);
  const echoed = await send(node.port, path("Echo"), { method: "POST" }, body(100_000));
  assert.equal(echoed.status, 200, echoed.text.slice(0, 200));
  const streamed = await send(node.port, path("Repeat"), { method: "POST" }, body(60_000, 5));
  assert.equal(streamed.status, 200);
  assert.equal(streamed.text.trim().split("\n").length, 5);
});
