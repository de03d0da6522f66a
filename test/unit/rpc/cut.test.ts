// A connection that breaks at any byte of an exchange: every call has its result or fails, and nothing is left.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { createMemoryLink } from "../../../src/link/memory-link.ts";
import { RpcConnection } from "../../../src/rpc/mux.ts";
import { resolveRpcOptions } from "../../../src/rpc/params.ts";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { Counters } from "../../../src/util/counters.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const [dialerId, listenerId] = [
  keyPairFromSeed(new Uint8Array(32).fill(1)).id,
  keyPairFromSeed(new Uint8Array(32).fill(2)).id,
];

const echo: ServiceImpl<typeof EchoService> = {
  echo({ payload }, { responseHeader, responseTrailer }) {
    if (payload.length === 0) throw new ConnectError("empty", Code.InvalidArgument, { "x-why": "length" });
    responseHeader.set("x-head", "1");
    responseTrailer.set("x-trail", "2");
    return { payload };
  },
  async *repeat({ payload, count }) {
    for (let index = 0; index < count; index++) yield { payload, index };
  },
  async collect(requests) {
    let count = 0;
    for await (const _ of requests) count++;
    return { count };
  },
  async *converse(requests) {
    for await (const { payload } of requests) yield { payload };
  },
};

async function* each(count: number): AsyncIterable<{ payload: Uint8Array }> {
  for (let i = 1; i <= count; i++) yield { payload: new Uint8Array(i) };
}

async function countOf(messages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of messages) count++;
  return count;
}

/** Calls of every kind, with what they give when all goes well. */
function calls(connection: RpcConnection, clock: VirtualClock): { result: Promise<unknown>; expected: unknown }[] {
  const client = createClient(EchoService, createRpcTransport({ connect: () => connection, clock, authority: "peer" }));
  const payload = new Uint8Array(9);
  return [
    { result: client.echo({ payload }).then((answer) => answer.payload.length), expected: 9 },
    { result: client.echo({}, { headers: { "x-head": "1" }, timeoutMs: 5000 }), expected: Code.InvalidArgument },
    { result: countOf(client.repeat({ payload, count: 3 })), expected: 3 },
    { result: client.collect(each(3)).then(({ count }) => count), expected: 3 },
    { result: countOf(client.converse(each(2))), expected: 2 },
  ];
}

/** What a call gave, or the code that it failed with. */
async function outcomeOf(result: Promise<unknown>): Promise<unknown> {
  try {
    return await result;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return error.code;
  }
}

/** Runs the exchange on a link that breaks. Returns how many calls failed for it, and how many bytes it took. */
async function exchange(cutAfterBytes: number): Promise<{ lost: number; bytes: number }> {
  const clock = new VirtualClock();
  const links = createMemoryLink(dialerId, listenerId, { clock, cutAfterBytes });
  let bytes = 0;
  const [dialer, listener] = [links.dialer, links.listener].map((link) => {
    const acceptor = new ServiceRegistry({ clock, logger: silentLogger, counters: new Counters() });
    acceptor.serve(EchoService, echo);
    const write = link.write.bind(link);
    let written = 0;
    link.write = (frames) => {
      written += frames.length;
      bytes = Math.max(bytes, written);
      return write(frames);
    };
    return new RpcConnection(link, { config: resolveRpcOptions(), clock, acceptor });
  });
  assert.ok(dialer !== undefined && listener !== undefined);
  let lost = 0;
  // One end after the other: where a connection breaks late, the first calls are over.
  for (const connection of [dialer, listener]) {
    const made = calls(connection, clock);
    const outcomes = new Map<number, unknown>();
    for (const [i, { result }] of made.entries()) void outcomeOf(result).then((outcome) => outcomes.set(i, outcome));
    for (let i = 0; i < 30; i++) await clock.advance(0);
    assert.equal(outcomes.size, made.length, `a call hangs when the link is cut after ${cutAfterBytes} bytes`);
    for (const [i, { expected }] of made.entries()) {
      if (outcomes.get(i) === Code.Unavailable) lost++;
      else assert.equal(outcomes.get(i), expected);
    }
  }
  for (const { streams, running, unconsumedBytes } of [dialer, listener]) {
    assert.deepEqual({ streams, running, unconsumedBytes }, { streams: 0, running: 0, unconsumedBytes: 0 });
  }
  links.cut();
  return { lost, bytes };
}

suite("a connection that is cut", () => {
  test("at any byte of an exchange settles every call and leaves nothing", async () => {
    const whole = await exchange(Number.POSITIVE_INFINITY);
    assert.equal(whole.lost, 0);
    assert.ok(whole.bytes > 300);
    let lostLast = 10;
    for (let cutAfterBytes = 1; cutAfterBytes < whole.bytes; cutAfterBytes++) {
      const { lost } = await exchange(cutAfterBytes);
      assert.ok(lost > 0, `nothing was lost after ${cutAfterBytes} of ${whole.bytes} bytes`);
      lostLast = lost;
    }
    assert.ok(lostLast <= 5, "the calls of one end are over before the others");
  });
});
