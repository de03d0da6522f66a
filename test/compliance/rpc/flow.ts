// Backpressure and fairness: a reader paces its producer, and holds up nobody else.
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { protocol, rpcDefaults } from "../../../src/rpc/params.ts";
import { echo } from "./call-kinds.ts";
import { all, bytesOf, each, failureOf, type RpcEnd, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

const mebibyte = 1 << 20;
const gibibyte = 1 << 30;
const chunk = bytesOf(16_384);
/** What may be under way or in queues of one stream: its window, and what links and encoders hold. */
const maxAheadBytes = rpcDefaults.streamWindowBytes + mebibyte;

/** Windows as small as they may be. */
const smallest = { streamWindowBytes: protocol.initialStreamCredit, maxAssemblingBytes: protocol.initialStreamCredit };

/** Waits until a number has not changed for many turns. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1, calm = 0; ; ) {
    const now = read();
    calm = now === last ? calm + 1 : 0;
    if (calm > 40) return now;
    last = now;
    await new Promise((go) => setTimeout(go, 1));
    await nextTurn();
  }
}

/** Makes sure that other calls of both ends go on. */
async function assertServes(from: RpcEnd): Promise<void> {
  const client = from.client();
  const payload = bytesOf(100_000);
  for (let i = 0; i < 5; i++) {
    assert.equal((await client.echo({ payload })).payload.length, payload.length);
    assert.equal((await all(client.repeat({ payload, count: 4 }))).length, 4);
  }
}

export function flowTests(rpcTest: RpcTest): void {
  rpcTest("a server that produces 1 GiB for a reader that stalls is paused", async ({ dialer, listener }) => {
    let made = 0;
    listener.serve({
      ...echo,
      async *repeat({ count }) {
        if (count === 4) {
          yield* Array.from({ length: 4 }, () => ({}));
          return;
        }
        for (let index = 0; index < gibibyte / chunk.length; index++) {
          made++;
          yield { payload: chunk, index };
        }
      },
    });
    const controller = new AbortController();
    const answers = dialer.client().repeat({}, { signal: controller.signal })[Symbol.asyncIterator]();
    await answers.next();
    const ahead = await settled(() => made);
    assert.ok(ahead * chunk.length <= maxAheadBytes, `${ahead} messages were asked for`);
    const { unconsumedBytes } = dialer.connection;
    assert.ok(unconsumedBytes > 0 && unconsumedBytes <= rpcDefaults.streamWindowBytes, `${unconsumedBytes} bytes`);
    assert.ok(listener.connection.link.bufferedBytes < mebibyte);
    await assertServes(dialer);
    assert.equal(made, ahead);
    // The reader goes on: so does the producer.
    for (let i = 0; i < 200; i++) assert.equal((await answers.next()).done, false);
    assert.ok(made > ahead);
    controller.abort();
    await failureOf({ [Symbol.asyncIterator]: () => answers });
  });

  rpcTest("a caller that produces 1 GiB for a handler that stalls is paused", async ({ dialer, listener }) => {
    let made = 0;
    const gate = Promise.withResolvers<void>();
    listener.serve({
      ...echo,
      async collect(received) {
        const reading = received[Symbol.asyncIterator]();
        await reading.next();
        await gate.promise;
        for (let i = 0; i < 200; i++) await reading.next();
        return { count: 201 };
      },
    });
    async function* requests(): AsyncIterable<{ payload: Uint8Array }> {
      for (let i = 0; i < gibibyte / chunk.length; i++) {
        made++;
        yield { payload: chunk };
      }
    }
    const call = dialer.client().collect(requests());
    await until("the handler runs", () => listener.connection.running === 1);
    const ahead = await settled(() => made);
    assert.ok(ahead * chunk.length <= maxAheadBytes, `${ahead} messages were asked for`);
    const { unconsumedBytes } = listener.connection;
    assert.ok(unconsumedBytes > 0 && unconsumedBytes <= rpcDefaults.streamWindowBytes, `${unconsumedBytes} bytes`);
    assert.ok(dialer.connection.link.bufferedBytes < mebibyte);
    await assertServes(dialer);
    assert.equal(made, ahead);
    gate.resolve();
    assert.equal((await call).count, 201);
    assert.ok(made >= 201 && made < 1000, `${made} messages were asked for`);
  });

  rpcTest("many stalled streams leave room for others", async ({ dialer, listener }) => {
    const gate = Promise.withResolvers<void>();
    listener.serve({
      ...echo,
      async collect(requests) {
        await gate.promise;
        return { count: (await all(requests)).length };
      },
    });
    const requests = Array.from({ length: 20 }, () => ({ payload: bytesOf(10_000) }));
    const stalled = 150;
    const calls = Array.from({ length: stalled }, () => dialer.client().collect(each(requests)));
    await settled(() => listener.connection.unconsumedBytes);
    const { unconsumedBytes } = listener.connection;
    assert.ok(unconsumedBytes > 8 * mebibyte, `${unconsumedBytes} bytes`);
    assert.ok(unconsumedBytes <= stalled * protocol.initialStreamCredit, `${unconsumedBytes} bytes`);
    await assertServes(dialer);
    gate.resolve();
    for (const { count } of await Promise.all(calls)) assert.equal(count, 20);
  });

  rpcTest("a thousand unread streams leave room for others", async ({ dialer, listener }) => {
    listener.serve(echo);
    const streams = 1000;
    const controller = new AbortController();
    const client = dialer.client();
    const unread = Array.from({ length: streams }, () =>
      client.repeat({ payload: bytesOf(9000), count: 1000 }, { signal: controller.signal })[Symbol.asyncIterator](),
    );
    for (const answers of unread) assert.equal((await answers.next()).done, false);
    await settled(() => dialer.connection.unconsumedBytes);
    const { unconsumedBytes } = dialer.connection;
    assert.ok(unconsumedBytes > (streams * protocol.initialStreamCredit) / 2, `${unconsumedBytes} bytes`);
    const bound = streams * rpcDefaults.streamWindowBytes;
    assert.ok(unconsumedBytes <= bound, `${unconsumedBytes} bytes`);
    await assertServes(dialer);
    controller.abort();
    for (const answers of unread) await failureOf({ [Symbol.asyncIterator]: () => answers });
  });

  rpcTest("readers that call the same peer for each message come to their end", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    const payload = bytesOf(100_000);
    const readers = Array.from({ length: 40 }, async () => {
      let count = 0;
      for await (const _ of client.repeat({ payload: bytesOf(60_000), count: 20 })) {
        assert.equal((await client.echo({ payload })).payload.length, payload.length);
        count += 1;
      }
      return count;
    });
    for (const count of await Promise.all(readers)) assert.equal(count, 20);
  });

  rpcTest("streams without a reader hold up neither a new stream nor a large answer", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    const controller = new AbortController();
    const unread = Array.from({ length: 36 }, () =>
      client.repeat({ payload: bytesOf(60_000), count: 1000 }, { signal: controller.signal })[Symbol.asyncIterator](),
    );
    for (const answers of unread) assert.equal((await answers.next()).done, false);
    await settled(() => dialer.connection.unconsumedBytes);
    assert.equal((await all(client.repeat({ payload: bytesOf(1), count: 1 }))).length, 1);
    assert.equal((await client.echo({ payload: bytesOf(100_000) })).payload.length, 100_000);
    controller.abort();
    for (const answers of unread) await failureOf({ [Symbol.asyncIterator]: () => answers });
  });

  rpcTest("floods of empty messages are bounded by credit", async ({ dialer, listener }) => {
    let made = 0;
    const gate = Promise.withResolvers<void>();
    listener.serve({
      async collect(requests) {
        await gate.promise;
        return { count: (await all(requests)).length };
      },
    });
    async function* flood(): AsyncIterable<object> {
      for (let i = 0; i < 20_000; i++) {
        made++;
        yield {};
      }
    }
    const call = dialer.client().collect(flood());
    await until("the handler runs", () => listener.connection.running === 1);
    const ahead = await settled(() => made);
    assert.ok(ahead <= protocol.initialStreamCredit / protocol.dataFrameCost + 1, `${ahead} were asked for`);
    gate.resolve();
    assert.equal((await call).count, 20_000);
  });

  rpcTest("small calls go on while 10 MiB answers are under way", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    const payload = bytesOf(10 * mebibyte);
    const done = new Set<number>();
    const answers = [1, 2, 3].map(async (i) => {
      assert.equal((await client.echo({ payload })).payload.length, payload.length);
      done.add(i);
    });
    let small = 0;
    for (; done.size === 0; small++) await client.echo({ payload: bytesOf(10) });
    await Promise.all(answers);
    assert.ok(small >= 20, `${small} small calls before the first large one was done`);
  });

  rpcTest("streams take turns: none waits for the end of another", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    const order: number[] = [];
    const streams = Array.from({ length: 8 }, async (_, stream) => {
      for await (const { index } of client.repeat({ payload: chunk, count: 100 })) {
        assert.equal(order.filter((one) => one === stream).length, index);
        order.push(stream);
      }
    });
    await Promise.all(streams);
    assert.equal(order.length, 800);
    const ofFirstHalf = new Set(order.slice(0, 400));
    assert.equal(ofFirstHalf.size, 8);
    for (let stream = 0; stream < 8; stream++) {
      const share = order.slice(0, 400).filter((one) => one === stream).length;
      assert.ok(share >= 20, `stream ${stream} had ${share} of the first 400 messages`);
    }
  });

  rpcTest("many large messages at once, whole or not at all", async ({ dialer, listener }) => {
    listener.serve(echo);
    dialer.serve(echo);
    const payload = bytesOf(2 * mebibyte);
    const calls = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? dialer : listener).client().echo({ payload }));
    const kinds = [
      dialer.client().collect(each([{ payload }, { payload }])),
      all(listener.client().repeat({ payload, count: 2 })),
    ];
    for (const answer of await Promise.all(calls)) assert.equal(answer.payload.length, payload.length);
    await Promise.all(kinds);
  });

  rpcTest("a thousand calls at once of messages that fit into a frame", async ({ dialer, listener }) => {
    listener.serve(echo);
    const payload = bytesOf(30_000);
    const answers = await Promise.all(Array.from({ length: 1000 }, () => dialer.client().echo({ payload })));
    for (const answer of answers) assert.equal(answer.payload.length, payload.length);
  });

  rpcTest(
    "twenty thousand calls at once of small messages",
    async ({ dialer, listener }) => {
      listener.serve(echo);
      const client = dialer.client();
      const payload = bytesOf(1000);
      const answers = Array.from({ length: 20_000 }, () => client.echo({ payload }));
      for (const answer of await Promise.all(answers)) assert.equal(answer.payload.length, payload.length);
    },
    {
      listener: {
        maxConcurrentStreams: 100_000,
        maxHeldBytes: 256 * mebibyte,
        maxHeldBytesPerAddress: 256 * mebibyte,
        maxHeldBytesPerConnection: 256 * mebibyte,
      },
    },
  );

  rpcTest(
    "messages far larger than the smallest window and budget arrive, many at once too",
    async ({ dialer, listener }) => {
      listener.serve(echo);
      const payload = bytesOf(mebibyte);
      const client = dialer.client();
      const calls = Array.from({ length: 10 }, () => client.echo({ payload }));
      for (const answer of await Promise.all(calls)) assert.equal(answer.payload.length, payload.length);
      assert.equal((await client.collect(each([{ payload }, {}, { payload }]))).count, 3);
      assert.equal((await all(client.converse(each([{ payload }, { payload }])))).length, 2);
    },
    {
      dialer: smallest,
      listener: smallest,
    },
  );
}
