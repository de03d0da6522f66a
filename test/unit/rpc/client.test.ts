import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { suite } from "node:test";
import { Code, type Interceptor } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { createRpcClient } from "../../../src/rpc/client.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { echo } from "../../compliance/rpc/call-kinds.ts";
import { memoryLinks } from "../../compliance/rpc/memory-links.ts";
import { all, assertFails, bytesOf, each, type RpcPair, transparent, until } from "../../compliance/rpc/rpc-pair.ts";
import { rpcTestOn } from "../../compliance/rpc/rpc-test.ts";

const rpcTest = rpcTestOn(memoryLinks());

/** An interceptor that wraps streams, as those that log or count messages do. */
const wrapping: Interceptor = (next) => async (request) => {
  const response = await next(request);
  return response.stream ? { ...response, message: wrapped(response.message) } : response;
};

async function* wrapped<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  for await (const message of messages) yield message;
}

const interceptorLists: readonly (readonly Interceptor[])[] = [[], [transparent], [wrapping, transparent]];

function serveEndless({ listener }: RpcPair): { readonly finallies: () => number } {
  let finallies = 0;
  listener.serve({
    async *repeat() {
      try {
        for (let index = 0; ; index++) yield { index };
      } finally {
        finallies++;
      }
    },
    async *converse(requests) {
      try {
        for await (const { payload } of requests) yield { payload };
      } finally {
        finallies++;
      }
    },
  });
  return { finallies: () => finallies };
}

suite("a client", () => {
  rpcTest("leaves a loop over responses: the call is cancelled, whatever interceptors there are", async (pair) => {
    const { finallies } = serveEndless(pair);
    const { connection, clock } = pair.dialer;
    let left = 0;
    for (const interceptors of interceptorLists) {
      const transport = createRpcTransport({ connect: () => connection, clock, authority: "peer", interceptors });
      const client = createRpcClient(EchoService, transport);
      const { signal } = new AbortController();
      const options = { signal, timeoutMs: 3_600_000 };
      for await (const { index } of client.repeat({}, options)) if (index === 3) break;
      await assert.rejects(async () => {
        for await (const _ of client.repeat({}, options)) throw new Error("mine");
      }, /mine/);
      let isEnded = false;
      async function* requests(): AsyncIterable<object> {
        try {
          for (;;) yield {};
        } finally {
          isEnded = true;
        }
      }
      for await (const _ of client.converse(requests(), options)) break;
      left += 3;
      await until("the handlers have ended", () => finallies() === left && pair.listener.connection.running === 0);
      await until("the producer has ended", () => isEnded);
      assert.equal(getEventListeners(signal, "abort").length, 0);
    }
  });

  rpcTest("tells header and trailer of streams once each", async ({ dialer, listener }) => {
    listener.serve({
      async *repeat({ count }, { responseHeader, responseTrailer }) {
        responseHeader.set("x-head", "1");
        for (let index = 0; index < count; index++) yield { index };
        responseTrailer.set("x-trail", "2");
      },
    });
    const { connection, clock } = dialer;
    const transport = createRpcTransport({ connect: () => connection, clock, authority: "peer" });
    const client = createRpcClient(EchoService, transport);
    for (const count of [0, 1, 5]) {
      const told: (string | null)[] = [];
      const onHeader = (headers: Headers): void => void told.push(headers.get("x-head"));
      const onTrailer = (headers: Headers): void => void told.push(headers.get("x-trail"));
      const answers = client.repeat({ count }, { onHeader, onTrailer });
      assert.equal((await all(answers)).length, count);
      assert.deepEqual(told, ["1", "2"]);
    }
  });

  rpcTest("calls all kinds, and rejects where nobody listens without harm", async ({ dialer, listener }) => {
    listener.serve(echo);
    const { connection, clock } = dialer;
    const client = createRpcClient(
      EchoService,
      createRpcTransport({ connect: () => connection, clock, authority: "peer" }),
    );
    const payload = bytesOf(10);
    assert.deepEqual((await client.echo({ payload })).payload, payload);
    assert.equal((await all(client.repeat({ payload, count: 2 }))).length, 2);
    assert.equal((await client.collect(each([{}, {}]))).count, 2);
    assert.equal((await all(client.converse(each([{}, {}, {}])))).length, 3);
    await assertFails(client.repeat({ count: -1 }), Code.Internal);
    client.repeat({ count: -1 });
    client.converse(each([{ payload: 1 as never }]));
  });
});
