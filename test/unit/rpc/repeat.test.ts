// Which calls are made again unasked: those that the peer says it has not handled, and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { createRpcClient } from "../../../src/rpc/client.ts";
import type { RpcConnection } from "../../../src/rpc/mux.ts";
import { isNeverSeen } from "../../../src/rpc/never-seen.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { type Body, echoBytes, RawPeer } from "./raw-peer.ts";

type Echo = ReturnType<typeof createRpcClient<typeof EchoService>>;

const goAway: Body = { case: "goAway", value: { lastStreamId: 0 } };

/** Peers, of which the next one is connected to when the one before takes no calls. */
function peersOf(count: number): { peers: RawPeer[]; client: Echo } {
  const peers = Array.from({ length: count }, () => new RawPeer("dialer"));
  const connect = (): RpcConnection => {
    const usable = peers.find(({ connection }) => connection.usable) ?? peers.at(-1);
    return usable?.connection ?? assert.fail();
  };
  const clock = peers[0]?.clock ?? assert.fail();
  return { peers, client: createRpcClient(EchoService, createRpcTransport({ connect, clock, authority: "peer" })) };
}

async function opened(peer: RawPeer | undefined): Promise<number> {
  await peer?.turn();
  return peer?.frames.splice(0).filter(({ body }) => body.case === "open").length ?? 0;
}

async function* requests(taken: { count: number }): AsyncIterable<object> {
  for (;;) {
    taken.count += 1;
    yield {};
  }
}

async function read(messages: AsyncIterable<{ payload: Uint8Array }>): Promise<number[]> {
  const lengths: number[] = [];
  for await (const { payload } of messages) lengths.push(payload.length);
  return lengths;
}

test("a unary and a server-streaming call that the peer has not handled are made again on the next connection", async () => {
  const kinds = [
    (client: Echo) => client.echo({ payload: new Uint8Array(3) }).then(({ payload }) => [payload.length]),
    (client: Echo) => read(client.repeat({ payload: new Uint8Array(3) })),
  ];
  for (const call of kinds) {
    const { peers, client } = peersOf(2);
    const answer = call(client);
    assert.equal(await opened(peers[0]), 1);
    peers[0]?.send(0, goAway);
    await peers[0]?.turn();
    assert.equal(await opened(peers[1]), 1);
    peers[1]?.send(1, { case: "end", value: { response: echoBytes(5) } });
    await peers[1]?.turn();
    assert.deepEqual(await answer, [5]);
  }
});

test("a call is made again twice at most", async () => {
  const { peers, client } = peersOf(5);
  const answer = client.echo({}).catch((error: unknown) => error);
  const attempts: number[] = [];
  for (const peer of peers) {
    attempts.push(await opened(peer));
    peer.send(0, goAway);
    await peer.turn();
  }
  assert.deepEqual(attempts, [1, 1, 1, 0, 0]);
  const error = await answer;
  assert.ok(error instanceof ConnectError && error.code === Code.Unavailable && isNeverSeen(error));
});

test("a call whose requests were taken, or that the peer may have handled, is not made again", async () => {
  const taken = { count: 0 };
  const cases: readonly [(client: Echo) => Promise<unknown>, (peer: RawPeer) => void][] = [
    [(client) => client.collect(requests(taken)), (peer) => peer.send(0, goAway)],
    [(client) => read(client.converse(requests(taken))), (peer) => peer.send(0, goAway)],
    [(client) => client.echo({}), (peer) => peer.cut()],
    [(client) => client.echo({}), (peer) => peer.send(1, { case: "end", value: { code: Code.Unavailable } })],
    [(client) => read(client.repeat({})), (peer) => peer.cut()],
    [
      (client) => client.echo({}),
      (peer) => {
        peer.send(0, { case: "goAway", value: { lastStreamId: 1 } });
        peer.cut();
      },
    ],
  ];
  for (const [call, end] of cases) {
    const { peers, client } = peersOf(2);
    const failure = call(client).catch((error: unknown) => error);
    assert.equal(await opened(peers[0]), 1);
    end(peers[0] ?? assert.fail());
    await peers[0]?.turn();
    const error = await failure;
    assert.ok(error instanceof ConnectError && error.code === Code.Unavailable, String(error));
    assert.equal(isNeverSeen(error), false);
    assert.equal(await opened(peers[1]), 0);
  }
  assert.ok(taken.count > 0);
});

test("connecting that fails says that nobody has seen the call, and shares no mark with other errors", async () => {
  const { clock } = new RawPeer("dialer");
  const shared = new DswarmError("unreachable");
  const connect = (): never => {
    throw shared;
  };
  const client = createRpcClient(EchoService, createRpcTransport({ connect, clock, authority: "peer" }));
  const error: unknown = await client.echo({}).catch((thrown: unknown) => thrown);
  assert.ok(isNeverSeen(error));
  assert.equal(isNeverSeen(shared), false);
  assert.equal(isNeverSeen(shared.toConnectError()), false);
});
