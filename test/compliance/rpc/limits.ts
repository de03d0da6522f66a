// What is not served, and what is too much: at the edge and one past it.
import assert from "node:assert/strict";
import { toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { EchoRequestSchema, EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { echo } from "./call-kinds.ts";
import { aborted, all, assertFails, bytesOf, each, failureOf, type RpcPair, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

/** A payload that makes an EchoRequest (and every message that has it alone) so many bytes long. */
function payloadFor(messageBytes: number): Uint8Array {
  for (let length = messageBytes; length >= 0; length--) {
    const payload = bytesOf(length);
    const bytes = toBinary(EchoRequestSchema, { $typeName: "dswarm.example.v1.EchoRequest", payload });
    if (bytes.length === messageBytes) return payload;
  }
  throw new RangeError(`no payload makes ${messageBytes} bytes`);
}

async function assertEdge(pair: RpcPair, limit: number, past: "request" | "answer"): Promise<void> {
  const fits = payloadFor(limit);
  const tooLong = payloadFor(limit + 1);
  const answer = past === "answer" ? tooLong : bytesOf(1);
  const request = past === "request" ? tooLong : bytesOf(1);
  pair.listener.serve({
    echo: ({ payload }) => ({ payload: payload.length === 1 ? answer : payload }),
    async *repeat({ payload }) {
      yield { payload: fits.subarray(0, -8) };
      yield { payload: payload.length === 1 ? answer : payload };
    },
    collect: async (requests) => ({ count: (await all(requests)).length }),
    async *converse(requests) {
      for await (const { payload } of requests) yield { payload: payload.length === 1 ? answer : payload };
    },
  });
  const client = pair.dialer.client();
  assert.deepEqual((await client.echo({ payload: fits })).payload, fits);
  assert.equal((await client.collect(each([{ payload: fits }, { payload: fits }]))).count, 2);
  const [conversed] = await all(client.converse(each([{ payload: fits }])));
  assert.deepEqual(conversed?.payload, fits);
  const both = new RegExp(`a message over the size limit: (at least )?\\d+ bytes, the limit is ${limit}$`);
  await assertFails(client.echo({ payload: request }), Code.ResourceExhausted, both);
  await assertFails(client.repeat({ payload: request }), Code.ResourceExhausted, both);
  await assertFails(client.converse(each([{ payload: fits }, { payload: request }])), Code.ResourceExhausted, both);
  if (past === "request") {
    await assertFails(client.collect(each([{ payload: fits }, { payload: request }])), Code.ResourceExhausted, both);
  }
}

export function limitTests(rpcTest: RpcTest): void {
  rpcTest("services and methods that are not served are unimplemented", async ({ dialer, listener }) => {
    const client = dialer.client();
    await assertFails(client.echo({}), Code.Unimplemented, /EchoService\/Echo" is not served here/);
    await assertFails(client.repeat({}), Code.Unimplemented);
    await assertFails(client.collect(each([{}])), Code.Unimplemented);
    await assertFails(client.converse(each([{}])), Code.Unimplemented);
    const withdraw = listener.serve({ echo: echo.echo });
    assert.equal((await client.echo({ payload: bytesOf(2) })).payload.length, 2);
    await assertFails(client.repeat({}), Code.Unimplemented, /Repeat is not implemented/);
    await assertFails(client.collect(each([{}])), Code.Unimplemented);
    await assertFails(client.converse(each([{}])), Code.Unimplemented);
    assert.throws(() => listener.serve(echo), RangeError);
    assert.deepEqual(listener.registry.services, [EchoService]);
    withdraw();
    await assertFails(client.echo({}), Code.Unimplemented);
    const again = listener.serve(echo);
    // What is served now is not the first one's to withdraw.
    withdraw();
    assert.equal((await all(client.repeat({ count: 2 }))).length, 2);
    again();
    assert.deepEqual(listener.registry.services, []);
    assert.deepEqual(listener.faults, []);
  });

  for (const limit of [1000, protocol.maxPieceBytes + 5000]) {
    for (const past of ["request", "answer"] as const) {
      for (const who of ["sender", "receiver", "both"] as const) {
        const fact = `a ${past} one byte past ${limit} bytes is refused by the ${who}, one byte less passes`;
        const small = { maxMessageBytes: limit };
        const isAtDialer = who === "both" || (past === "request") === (who === "sender");
        const isAtListener = who === "both" || (past === "request") === (who === "receiver");
        rpcTest(fact, (pair) => assertEdge(pair, limit, past), {
          ...(isAtDialer && { dialer: small }),
          ...(isAtListener && { listener: small }),
        });
      }
    }
  }

  rpcTest(
    "the call past maxConcurrentStreams is refused; each that ends makes room for one",
    async ({ dialer, listener }) => {
      const gates: PromiseWithResolvers<void>[] = [];
      listener.serve({
        async echo({ payload }) {
          const gate = Promise.withResolvers<void>();
          gates.push(gate);
          await gate.promise;
          return { payload };
        },
        async *converse(requests) {
          for await (const { payload } of requests) yield { payload };
        },
      });
      const client = dialer.client();
      const running = Array.from({ length: 3 }, () => client.echo({}));
      // A call of any kind counts from its opening, also while its requests are to come.
      const stop = Promise.withResolvers<void>();
      const open = all(
        client.converse(
          (async function* () {
            await stop.promise;
            yield* [] as object[];
          })(),
        ),
      );
      await until("four calls run", () => listener.connection.running === 4 && gates.length === 3);
      await assertFails(client.echo({}), Code.ResourceExhausted, /too many calls/);
      await assertFails(client.repeat({}), Code.ResourceExhausted);
      await assertFails(client.collect(each([{}])), Code.ResourceExhausted);
      gates[0]?.resolve();
      await running[0];
      const next = client.echo({});
      await until("there is room for one", () => gates.length === 4);
      await assertFails(client.echo({}), Code.ResourceExhausted);
      stop.resolve();
      await open;
      for (const gate of gates) gate.resolve();
      await Promise.all([...running, next]);
      assert.deepEqual(await all(client.converse(each([]))), []);
    },
    { listener: { maxConcurrentStreams: 4 } },
  );

  rpcTest(
    "calls that are cancelled make room only when their handlers are done",
    async ({ dialer, listener }) => {
      const gate = Promise.withResolvers<void>();
      listener.serve({
        async echo({ payload }) {
          if (payload.length > 0) await gate.promise;
          return { payload };
        },
      });
      const client = dialer.client();
      for (let i = 0; i < 3; i++) {
        const controller = new AbortController();
        const call = failureOf(client.echo({ payload: bytesOf(1) }, { signal: controller.signal }));
        await until("it runs", () => listener.connection.running === i + 1);
        controller.abort();
        await call;
      }
      await until("the streams are closed", () => listener.connection.streams === 0);
      await assertFails(client.echo({}), Code.ResourceExhausted);
      gate.resolve();
      await until("the handlers are done", () => listener.connection.running === 0);
      await client.echo({});
    },
    { listener: { maxConcurrentStreams: 3 } },
  );

  rpcTest(
    "the limit of one end does not bind its own calls",
    async ({ dialer, listener }) => {
      listener.serve({
        echo: async (_, { signal }) => aborted(signal),
      });
      dialer.serve(echo);
      const controller = new AbortController();
      const { signal } = controller;
      const calls = Array.from({ length: 10 }, () => failureOf(dialer.client().echo({}, { signal })));
      await until("all ten run", () => listener.connection.running === 10);
      assert.equal((await listener.client().echo({ payload: bytesOf(3) })).payload.length, 3);
      controller.abort();
      await Promise.all(calls);
    },
    { dialer: { maxConcurrentStreams: 1 } },
  );
}
