// Peers that are gone, connections that nobody uses, and the two steps of going away, on a virtual clock.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { createMemoryLink, type MemoryLinkPair } from "../../../src/link/memory-link.ts";
import { RpcConnection } from "../../../src/rpc/mux.ts";
import { type RpcOptions, resolveRpcOptions, rpcDefaults } from "../../../src/rpc/params.ts";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { Counters } from "../../../src/util/counters.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { echoBytes, echoMethod, RawPeer } from "./raw-peer.ts";

const { keepaliveIntervalMs, keepaliveTimeoutMs, idleTimeoutMs } = rpcDefaults;
const second = 1000;

interface Pair {
  readonly clock: VirtualClock;
  readonly links: MemoryLinkPair;
  readonly dialer: RpcConnection;
  readonly listener: RpcConnection;
  /** How the ends have ended, in the order in which they did. */
  readonly ends: string[];
  readonly echo: () => Promise<unknown>;
}

/** @param keepInUse what the dialer does where there was no call for a while */
function makePair(options: RpcOptions = {}, keepInUse: (pair: Pair) => void = () => undefined): Pair {
  const clock = new VirtualClock();
  const [a, b] = [1, 2].map((byte) => keyPairFromSeed(new Uint8Array(32).fill(byte)).id);
  assert.ok(a && b);
  const links = createMemoryLink(a, b, { clock, delayMs: () => 5 });
  const ends: string[] = [];
  const [dialer, listener] = [links.dialer, links.listener].map((link) => {
    const acceptor = new ServiceRegistry({ clock, logger: silentLogger, counters: new Counters() });
    acceptor.serve(EchoService, {
      echo: ({ payload }) => (payload.length === 0 ? new Promise<never>(() => undefined) : { payload }),
    });
    const onClosed = (reason: { code: string } | undefined): void => void ends.push(`${link.role} ${reason?.code}`);
    const keep = link.role === "dialer" ? { keepInUse: () => keepInUse(pair) } : {};
    return new RpcConnection(link, { config: resolveRpcOptions(options), clock, acceptor, onClosed, ...keep });
  });
  assert.ok(dialer && listener);
  const transport = createRpcTransport({ connect: () => dialer, clock, authority: "peer" });
  const client = createClient(EchoService, transport);
  const pair = { clock, links, dialer, listener, ends, echo: () => client.echo({ payload: Uint8Array.of(1) }) };
  return pair;
}

suite("keepalive", () => {
  test("finds a peer that is cut off, and fails its calls with unavailable", async () => {
    const { clock, links, dialer, ends } = makePair();
    const client = createClient(EchoService, createRpcTransport({ connect: () => dialer, clock, authority: "peer" }));
    const failure = client.echo({}).then(
      () => assert.fail("it was answered"),
      (error: unknown) => error,
    );
    await clock.advance(second);
    links.setPartitioned(true);
    await clock.advance(keepaliveIntervalMs + keepaliveTimeoutMs - 2 * second);
    assert.deepEqual(ends, []);
    await clock.advance(2 * second);
    assert.deepEqual(new Set(ends), new Set(["dialer keepalive_timeout", "listener keepalive_timeout"]));
    const error = await failure;
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.Unavailable);
    assert.ok(dialer.closed && !dialer.usable);
  });

  test("finds a peer that is frozen after the interval and the timeout, whenever it was heard last", async () => {
    for (let heardAt = 0; heardAt < 2 * keepaliveIntervalMs; heardAt += 1370) {
      const { clock, links, ends, echo } = makePair();
      await clock.advance(heardAt);
      const call = echo();
      await clock.advance(20);
      await call;
      links.setPartitioned(true);
      await clock.advance(keepaliveIntervalMs + keepaliveTimeoutMs - 30);
      assert.deepEqual(ends, [], `heard after ${heardAt} ms`);
      await clock.advance(30);
      assert.deepEqual(
        new Set(ends),
        new Set(["dialer keepalive_timeout", "listener keepalive_timeout"]),
        `heard after ${heardAt} ms`,
      );
    }
  });

  test("leaves a peer alone that is silent but there, for as long as there is a call", async () => {
    const { clock, dialer, listener, ends } = makePair();
    const client = createClient(EchoService, createRpcTransport({ connect: () => dialer, clock, authority: "peer" }));
    const call = client.echo({});
    call.catch(() => undefined);
    await clock.advance(10 * idleTimeoutMs);
    assert.deepEqual(ends, []);
    assert.equal(listener.running, 1);
    const closing = dialer.close(0);
    await clock.advance(second);
    await closing;
    await assert.rejects(call, (error: unknown) => error instanceof ConnectError && error.code === Code.Unavailable);
  });

  test("survives a partition that is shorter than its patience", async () => {
    const { clock, links, ends, echo } = makePair();
    for (let i = 0; i < 5; i++) {
      links.setPartitioned(true);
      await clock.advance(keepaliveTimeoutMs - second);
      links.setPartitioned(false);
      await clock.advance(second);
    }
    const call = echo();
    await clock.advance(second);
    await call;
    assert.deepEqual(ends, []);
  });

  test("closes a connection that nobody uses, with a goodbye", async () => {
    const { clock, dialer, ends, echo } = makePair();
    for (let i = 0; i < 3; i++) {
      await clock.advance(idleTimeoutMs - 20 * second);
      const call = echo();
      await clock.advance(second);
      await call;
    }
    assert.equal(dialer.usable, true);
    await clock.advance(idleTimeoutMs + 20 * second);
    assert.deepEqual(new Set(ends), new Set(["dialer undefined", "listener undefined"]));
  });

  test("asks for a call after a third of the time, and leaves a connection open on which one is made", async () => {
    for (const idleMs of [idleTimeoutMs, 300, 50]) {
      let calls = 0;
      let isToStay = true;
      const { clock, ends } = makePair({ idleTimeoutMs: idleMs }, ({ echo }) => {
        calls += 1;
        if (isToStay) void echo();
      });
      await clock.advance(20 * idleMs);
      assert.deepEqual(ends, []);
      assert.ok(calls >= 20 && calls <= 60, `${calls} calls`);
      isToStay = false;
      await clock.advance(2 * idleMs);
      assert.deepEqual(new Set(ends), new Set(["dialer undefined", "listener undefined"]));
    }
  });

  test("leaves connections open that are not to be closed when idle", async () => {
    const { clock, ends } = makePair({ idleTimeoutMs: 0 });
    await clock.advance(20 * idleTimeoutMs);
    assert.deepEqual(ends, []);
  });
});

suite("going away", () => {
  const open = { method: echoMethod("Echo"), message: echoBytes(1), halfClose: true };

  /** A connection under test that is closing. */
  async function closingPeer(): Promise<{ peer: RawPeer; closing: Promise<void> }> {
    const peer = new RawPeer("listener");
    peer.registry.serve(EchoService, {
      echo: ({ payload }, { signal }) =>
        payload.length > 0
          ? { payload }
          : new Promise<never>((_, reject) => {
              signal.addEventListener("abort", () => reject(signal.reason));
            }),
    });
    await peer.exchange(1, { case: "open", value: { ...open, message: new Uint8Array(0) } });
    const closing = peer.connection.close();
    await peer.turn();
    return { peer, closing };
  }

  test("turns no call away that was under way: only after the pong, or a second without one", async () => {
    for (const isAnswered of [true, false]) {
      const { peer, closing } = await closingPeer();
      const said = peer.frames.splice(0);
      assert.deepEqual(
        said.map(({ body }) => body.case),
        ["goAway", "ping"],
      );
      const [first, ping] = said.map(({ body }) => body.value);
      assert.ok(first?.$typeName === "dswarm.v1.GoAway" && ping?.$typeName === "dswarm.v1.Ping");
      assert.deepEqual([first.lastStreamId, first.code], [2 ** 31 - 1, 0]);
      const [answer] = await peer.exchange(3, { case: "open", value: open });
      assert.ok(answer?.body.case === "end" && answer.body.value.code === 0, "sent before the go-away was read");
      if (isAnswered) {
        assert.deepEqual(await peer.exchange(0, { case: "pong", value: { id: ping.id } }), []);
      } else {
        await peer.clock.advance(second);
        const [goAway] = peer.frames.splice(0);
        assert.ok(goAway?.body.case === "goAway");
        assert.equal(goAway.body.value.lastStreamId, 3);
      }
      assert.deepEqual(await peer.exchange(5, { case: "open", value: open }), [], "a call after the go-away");
      assert.deepEqual(await peer.exchange(5, { case: "cancel", value: {} }), []);
      assert.equal(peer.ended, undefined, "the first call still runs");
      await peer.exchange(1, { case: "cancel", value: {} });
      peer.cut();
      await closing;
    }
  });

  test("of the peer fails the calls that it did not handle, and lets the others finish", async () => {
    const peer = new RawPeer("dialer");
    const { connection, clock } = peer;
    const transport = createRpcTransport({ connect: () => connection, clock, authority: "peer" });
    const client = createClient(EchoService, transport);
    const calls = [1, 2, 3].map(() => client.echo({ payload: Uint8Array.of(1) }));
    const failed = calls.slice(1).map((call) => assert.rejects(call, { code: Code.Unavailable }));
    await peer.turn();
    await peer.exchange(0, { case: "goAway", value: { lastStreamId: 1 } });
    await Promise.all(failed);
    assert.equal(connection.usable, false);
    await assert.rejects(client.echo({}), { code: Code.Unavailable });
    await peer.exchange(1, { case: "end", value: { response: echoBytes(5) } });
    assert.equal((await calls[0])?.payload.length, 5);
    peer.cut();
  });

  test("tells the peer what it did wrong, in the table's words", async () => {
    const peer = new RawPeer("listener");
    peer.sendBytes(Uint8Array.of(2, 0xff, 0xff));
    await peer.turn();
    assert.equal(peer.ended?.reason?.code, "frame_invalid");
    const [goAway] = peer.frames;
    assert.ok(goAway?.body.case === "goAway");
    assert.deepEqual([goAway.body.value.code, goAway.body.value.lastStreamId], [Code.Internal, 0]);
    assert.match(goAway.body.value.message, /^a frame that breaks the protocol/);
  });
});
