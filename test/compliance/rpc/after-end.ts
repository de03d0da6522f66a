// What ends a call whose end has come, and what its reader has not read yet.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { all, assertFails, failureOf, type RpcPair, transparent, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

const count = 100;

function serveMany({ listener }: RpcPair, error?: ConnectError): void {
  listener.serve({
    async *repeat(_, { responseHeader }) {
      responseHeader.set("from", "handler");
      for (let index = 0; index < count; index++) yield { index };
      if (error !== undefined) throw error;
    },
  });
}

async function* failing({ responseHeader }: HandlerContext): AsyncGenerator<object> {
  responseHeader.set("from", "handler");
  yield* await Promise.reject<object[]>(new ConnectError("no", Code.DataLoss));
}

export function afterEndTests(rpcTest: RpcTest): void {
  for (const interceptors of [[], [transparent]]) {
    const among = interceptors.length === 0 ? "without interceptors" : "with interceptors";

    rpcTest(`an abort drops what waits to be read, though the end has come, ${among}`, async (pair) => {
      for (const error of [undefined, new ConnectError("late", Code.DataLoss)]) {
        const withdraw = pair.listener.serve({
          async *repeat() {
            for (let index = 0; index < count; index++) yield { index };
            if (error !== undefined) throw error;
          },
        });
        const controller = new AbortController();
        let read = 0;
        const reading = (async () => {
          for await (const _ of pair.dialer.client({ interceptors }).repeat({}, { signal: controller.signal })) {
            read += 1;
            await until("the end has come", () => pair.dialer.connection.streams === 0);
            controller.abort();
          }
        })();
        await assertFails(reading, Code.Canceled);
        assert.equal(read, 1);
        await until("no listener is left", () => getEventListeners(controller.signal, "abort").length === 0);
        withdraw();
      }
    });

    rpcTest(`streams that are read to their end or their error keep no listener, ${among}`, async (pair) => {
      const { signal } = new AbortController();
      const options = { signal, timeoutMs: 3_600_000 };
      const client = pair.dialer.client({ interceptors });
      await assertFails(client.repeat({}, options), Code.Unimplemented);
      serveMany(pair, new ConnectError("late", Code.DataLoss));
      await assertFails(client.repeat({}, options), Code.DataLoss);
      await until("no listener is left", () => getEventListeners(signal, "abort").length === 0);
    });

    rpcTest(`the header of a stream that fails before its first message is told, ${among}`, async (pair) => {
      pair.listener.serve({
        repeat: (_, context) => failing(context),
        converse: (_, context) => failing(context),
        collect: async (_, context) => ({ count: (await all(failing(context))).length }),
      });
      const client = pair.dialer.client({ interceptors });
      const told: (string | null)[] = [];
      const options = { onHeader: (header: Headers) => void told.push(header.get("from")) };
      const none = (async function* () {})();
      const calls = [
        () => client.repeat({}, options),
        () => client.converse(none, options),
        () => client.collect(none, options),
      ];
      for (const call of calls) {
        const error = await failureOf(call());
        assert.equal(error.code, Code.DataLoss);
        assert.equal(error.metadata.get("from"), "handler");
      }
      assert.deepEqual(told, ["handler", "handler", "handler"]);
    });
  }

  rpcTest("a deadline drops what waits to be read, though the end has come", async (pair) => {
    serveMany(pair);
    const clock = new VirtualClock();
    const client = pair.dialer.client({ clock });
    const answers = client.repeat({}, { timeoutMs: 1000 })[Symbol.asyncIterator]();
    await answers.next();
    await until("the end has come", () => pair.dialer.connection.streams === 0);
    await clock.advance(1000);
    await assertFails(answers.next() as Promise<unknown>, Code.DeadlineExceeded);
    // One that is read in time is whole.
    const inTime = await all(client.repeat({}, { timeoutMs: 1000 }));
    await clock.advance(5000);
    assert.equal(inTime.length, count);
  });
}
