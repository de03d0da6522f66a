// The four kinds of calls, in both directions, one at a time and many at once.
import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { all, bytesOf, each, type RpcEnd, type RpcPair, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

/** All four methods, as their comments in echo.proto say. */
export const echo: ServiceImpl<typeof EchoService> = {
  echo: ({ payload }) => ({ payload }),
  async *repeat({ payload, count }) {
    for (let index = 0; index < count; index++) yield { payload, index };
  },
  async collect(requests) {
    let [count, bytes] = [0, 0n];
    for await (const { payload } of requests) {
      count++;
      bytes += BigInt(payload.length);
    }
    return { count, bytes };
  },
  async *converse(requests) {
    for await (const { payload } of requests) yield { payload };
  },
};

const directions = ["dialer", "listener"] as const;
// Around the bounds of an inline message, a piece, and a stream's first credit. Fields around the payload take some bytes.
const { maxPieceBytes, initialStreamCredit } = protocol;
const fewSizes = [0, 1, maxPieceBytes + 100];
const sizes = [
  ...fewSizes,
  ...[-8, -5, -4, -3, 0, 1].map((more) => maxPieceBytes + more),
  ...[-140, -136, -64, 0, 5000].map((more) => initialStreamCredit + more),
];

function endsOf(pair: RpcPair, caller: (typeof directions)[number]): readonly [RpcEnd, RpcEnd] {
  return caller === "dialer" ? [pair.dialer, pair.listener] : [pair.listener, pair.dialer];
}

/** Runs one call of a kind chosen by `i`, and checks its result. */
async function mixedCall(end: RpcEnd, i: number, maxBytes: number): Promise<void> {
  const client = end.client();
  const payload = bytesOf((i * 37) % maxBytes);
  switch (i % 4) {
    case 0:
      assert.deepEqual((await client.echo({ payload })).payload, payload);
      break;
    case 1: {
      const answers = await all(client.repeat({ payload, count: i % 9 }));
      assert.deepEqual(
        answers.map(({ index }) => index),
        Array.from({ length: i % 9 }, (_, index) => index),
      );
      for (const answer of answers) assert.deepEqual(answer.payload, payload);
      break;
    }
    case 2: {
      const requests = Array.from({ length: i % 7 }, () => ({ payload }));
      const { count, bytes } = await client.collect(each(requests));
      assert.deepEqual([count, bytes], [requests.length, BigInt(requests.length * payload.length)]);
      break;
    }
    default: {
      const requests = Array.from({ length: i % 11 }, (_, n) => ({ payload: bytesOf((n * 100) % maxBytes) }));
      const answers = await all(client.converse(each(requests)));
      assert.deepEqual(
        answers.map((answer) => answer.payload),
        requests.map((request) => request.payload),
      );
    }
  }
}

/** Calls back with one byte less until none is left. */
function bounce(end: RpcEnd): Pick<ServiceImpl<typeof EchoService>, "echo"> {
  return {
    async echo({ payload }) {
      if (payload.length === 0) return { payload };
      const { payload: below } = await end.client().echo({ payload: payload.subarray(1) });
      return { payload: Uint8Array.of(...below, payload.length) };
    },
  };
}

export function callKindTests(rpcTest: RpcTest, isFast: boolean): void {
  for (const caller of directions) {
    rpcTest(`the ${caller} calls all four kinds, with messages of any size`, async (pair) => {
      const [from, to] = endsOf(pair, caller);
      to.serve(echo);
      const client = from.client();
      for (const size of isFast ? sizes : fewSizes) {
        const payload = bytesOf(size);
        assert.deepEqual((await client.echo({ payload })).payload, payload);
        const [first, second] = await all(client.repeat({ payload, count: 2 }));
        assert.deepEqual([first?.payload, second?.payload], [payload, payload]);
        assert.deepEqual([first?.index, second?.index], [0, 1]);
        const { count, bytes } = await client.collect(each([{ payload }, {}, { payload }]));
        assert.deepEqual([count, bytes], [3, BigInt(2 * size)]);
        const answers = await all(client.converse(each([{ payload }, { payload: bytesOf(1) }])));
        assert.deepEqual(
          answers.map((answer) => answer.payload),
          [payload, bytesOf(1)],
        );
      }
    });
  }

  rpcTest("streams of no message end", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    assert.deepEqual(await all(client.repeat({ count: 0 })), []);
    assert.equal((await client.collect(each([]))).count, 0);
    assert.deepEqual(await all(client.converse(each([]))), []);
  });

  rpcTest("200 calls of mixed kinds at once from each end", async (pair) => {
    const maxBytes = isFast ? 3000 : 30;
    pair.dialer.serve(echo);
    pair.listener.serve(echo);
    const calls = Array.from({ length: 200 }, (_, i) => [
      mixedCall(pair.dialer, i, maxBytes),
      mixedCall(pair.listener, i + 1, maxBytes),
    ]);
    await Promise.all(calls.flat());
    assert.equal(pair.listener.counters.get("rpc.served"), 200);
    assert.equal(pair.dialer.counters.get("rpc.served"), 200);
  });

  rpcTest("a conversation answers each message before the next is sent", async ({ dialer, listener }) => {
    listener.serve(echo);
    const answered = new Map<number, () => void>();
    async function* requests(): AsyncIterable<{ payload: Uint8Array }> {
      for (let i = 0; i < 20; i++) {
        const heard = Promise.withResolvers<void>();
        answered.set(i, heard.resolve);
        yield { payload: Uint8Array.of(i) };
        await heard.promise;
      }
    }
    const order: number[] = [];
    for await (const { payload } of dialer.client().converse(requests())) {
      order.push(payload[0] ?? -1);
      answered.get(payload[0] ?? -1)?.();
    }
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  rpcTest("handlers call back the end that called them, again and again", async ({ dialer, listener }) => {
    dialer.serve(bounce(dialer));
    listener.serve(bounce(listener));
    const { payload } = await dialer.client().echo({ payload: new Uint8Array(30) });
    assert.deepEqual(
      [...payload],
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  rpcTest("a handler of client streams may answer before it has read, and the producer is ended", async (pair) => {
    let [made, isEnded] = [0, false];
    async function* requests(): AsyncIterable<{ payload: Uint8Array }> {
      try {
        for (; made < 10_000; made++) yield { payload: bytesOf(8000) };
      } finally {
        isEnded = true;
      }
    }
    pair.listener.serve({ collect: () => Promise.resolve({ count: 77 }) });
    // The producer waits for credit that never comes when the answer arrives: the answer is not lost to that.
    assert.equal((await pair.dialer.client().collect(requests())).count, 77);
    await until("the producer is ended", () => isEnded);
    assert.ok(made < 100, `${made} messages were asked for`);
  });

  rpcTest("a server may end a conversation before the half-close: what it has sent is all read", async (pair) => {
    let isEnded = false;
    async function* requests(): AsyncIterable<{ payload: Uint8Array }> {
      try {
        for (;;) yield { payload: bytesOf(8000) };
      } finally {
        isEnded = true;
      }
    }
    pair.listener.serve({
      async *converse(messages) {
        const first = await messages[Symbol.asyncIterator]().next();
        assert.equal(first.done, false);
        for (let i = 0; i < 5; i++) yield { payload: bytesOf(i) };
      },
    });
    const answers = pair.dialer.client().converse(requests())[Symbol.asyncIterator]();
    assert.equal((await answers.next()).done, false);
    // All the rest has come, and the end too, before it is read.
    await until("the producer is ended", () => isEnded);
    for (let i = 1; i < 5; i++) assert.equal((await answers.next()).value?.payload.length, i);
    assert.equal((await answers.next()).done, true);
  });

  rpcTest("a handler may leave requests unread", async ({ dialer, listener }) => {
    listener.serve({
      async *converse(requests) {
        for await (const { payload } of requests) {
          yield { payload };
          return;
        }
      },
      async collect(requests) {
        for await (const _ of requests) break;
        return { count: 1 };
      },
    });
    const many = Array.from({ length: 50 }, () => ({ payload: bytesOf(5000) }));
    assert.equal((await all(dialer.client().converse(each(many)))).length, 1);
    assert.equal((await dialer.client().collect(each(many))).count, 1);
  });

  rpcTest("an implementation keeps its `this`, and may answer without a promise", async ({ dialer, listener }) => {
    class Shouter {
      readonly #mark = 33;
      echo({ payload }: { payload: Uint8Array }): { payload: Uint8Array } {
        return { payload: Uint8Array.of(...payload, this.#mark) };
      }
    }
    listener.serve(new Shouter());
    assert.deepEqual([...(await dialer.client().echo({ payload: Uint8Array.of(1) })).payload], [1, 33]);
  });
}
