// Deadlines: who enforces them, and what they leave behind.
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import type { RpcConnection } from "../../../src/rpc/mux.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { echo } from "./call-kinds.ts";
import { aborted, all, assertFails, bytesOf, type RpcPair, transparent, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

/** Serves handlers that wait for their signal; returns the reasons that they got. */
function serveWaiting({ listener }: RpcPair): unknown[] {
  const reasons: unknown[] = [];
  const wait = async (signal: AbortSignal): Promise<never> => {
    try {
      return await aborted(signal);
    } catch (reason) {
      reasons.push(reason);
      throw reason;
    }
  };
  listener.serve({
    echo: (_, { signal }) => wait(signal),
    async *repeat({ payload, count }, { signal }) {
      for (let index = 0; index < count; index++) yield { payload, index };
      await wait(signal);
    },
    collect: (_, { signal }) => wait(signal),
    async *converse(requests, { signal }) {
      for await (const { payload } of requests) yield { payload };
      await wait(signal);
    },
  });
  return reasons;
}

async function* endless(): AsyncIterable<{ payload: Uint8Array }> {
  for (;;) yield { payload: bytesOf(100) };
}

export function deadlineTests(rpcTest: RpcTest): void {
  rpcTest("a deadline ends calls of every kind at both ends", async (pair) => {
    const reasons = serveWaiting(pair);
    const client = pair.dialer.client();
    const limit = { timeoutMs: 30 };
    await Promise.all([
      assertFails(client.echo({}, limit), Code.DeadlineExceeded),
      assertFails(client.repeat({ count: 3 }, limit), Code.DeadlineExceeded),
      assertFails(client.collect(endless(), limit), Code.DeadlineExceeded),
      assertFails(client.converse(endless(), limit), Code.DeadlineExceeded),
    ]);
    await until("all handlers have stopped", () => pair.listener.connection.running === 0);
    for (const reason of reasons) {
      assert.ok(reason instanceof ConnectError, String(reason));
      assert.equal(reason.code, Code.DeadlineExceeded);
    }
  });

  rpcTest("a handler learns of a deadline that passes at the caller first", async (pair) => {
    const reasons = serveWaiting(pair);
    const clock = new VirtualClock();
    const client = pair.dialer.client({ clock });
    const failing = [
      assertFails(client.echo({}, { timeoutMs: 3_600_000 }), Code.DeadlineExceeded),
      assertFails(client.repeat({ count: 0 }, { timeoutMs: 3_600_000 }), Code.DeadlineExceeded),
    ];
    await until("both handlers run", () => pair.listener.connection.running === 2);
    await clock.advance(3_600_000);
    await Promise.all(failing);
    await until("both handlers have the reason", () => reasons.length === 2);
    for (const reason of reasons) assert.equal(ConnectError.from(reason).code, Code.DeadlineExceeded);
  });

  rpcTest("a deadline that passes during a stream leaves what came before", async (pair) => {
    serveWaiting(pair);
    const clock = new VirtualClock();
    let count = 0;
    const answers = pair.dialer.client({ clock }).repeat({ count: 3 }, { timeoutMs: 3_600_000 });
    const reading = (async () => {
      for await (const _ of answers) count++;
    })();
    const failing = assertFails(reading, Code.DeadlineExceeded);
    await until("all answers are read", () => count === 3);
    await clock.advance(3_600_000);
    await failing;
    assert.equal(count, 3);
  });

  rpcTest("the callee enforces the deadline of a caller whose clock stands still", async (pair) => {
    const reasons = serveWaiting(pair);
    const client = pair.dialer.client({ clock: new VirtualClock() });
    await assertFails(client.echo({}, { timeoutMs: 20 }), Code.DeadlineExceeded, /deadline has passed/);
    await assertFails(client.repeat({ count: 1 }, { timeoutMs: 20 }), Code.DeadlineExceeded);
    await until("both handlers have the reason", () => reasons.length === 2);
    for (const reason of reasons) assert.equal((reason as ConnectError).code, Code.DeadlineExceeded);
  });

  rpcTest(
    "the callee clamps deadlines to maxTimeoutMs",
    async (pair) => {
      serveWaiting(pair);
      const client = pair.dialer.client();
      await assertFails(client.echo({}, { timeoutMs: 3_600_000 }), Code.DeadlineExceeded);
    },
    { listener: { maxTimeoutMs: 20 } },
  );

  rpcTest("a handler knows the time that is left, if there is a limit", async ({ dialer, listener }) => {
    const left: (number | undefined)[] = [];
    listener.serve({
      echo: ({ payload }, context) => {
        left.push(context.timeoutMs());
        return { payload };
      },
    });
    await dialer.client().echo({}, { timeoutMs: 60_000 });
    await dialer.client().echo({});
    assert.ok(left[0] !== undefined && left[0] > 0 && left[0] <= 60_000, String(left[0]));
    assert.equal(left[1], undefined);
  });

  rpcTest("a time that is not above 0 is no limit, whatever the default", async ({ dialer, listener }) => {
    const left: (number | undefined)[] = [];
    listener.serve({
      echo: ({ payload }, context) => {
        left.push(context.timeoutMs());
        return { payload };
      },
    });
    for (const interceptors of [[], [transparent]]) {
      const client = dialer.client({ defaultTimeoutMs: 60_000, interceptors });
      await client.echo({});
      await client.echo({}, { timeoutMs: 0 });
      await client.echo({}, { timeoutMs: -1 });
      assert.ok((left[0] ?? 0) > 0);
      assert.deepEqual(left.splice(0).slice(1), [undefined, undefined]);
    }
  });

  rpcTest("times of any length are served; NaN is refused", async ({ dialer, listener }) => {
    listener.serve(echo);
    for (const interceptors of [[], [transparent]]) {
      const client = dialer.client({ interceptors });
      for (const timeoutMs of [2 ** 31, 2 ** 45, Number.POSITIVE_INFINITY, 1e4 + 0.5]) {
        await client.echo({}, { timeoutMs });
        await all(client.repeat({ count: 2 }, { timeoutMs }));
      }
      await assertFails(client.echo({}, { timeoutMs: Number.NaN }), Code.InvalidArgument, /not a number/);
    }
  });

  rpcTest("a time that has passed before the call makes no call", async ({ dialer, listener }) => {
    listener.serve(echo);
    const signal = AbortSignal.timeout(0);
    await until("the time has passed", () => signal.aborted);
    const client = dialer.client();
    await assertFails(client.echo({}, { signal }), Code.DeadlineExceeded);
    await assertFails(client.repeat({ count: 1 }, { signal }), Code.DeadlineExceeded);
    assert.equal(listener.counters.get("rpc.served"), 0);
  });

  rpcTest("a deadline that passes while the connection is made ends the call", async ({ dialer, listener }) => {
    listener.serve(echo);
    const never = Promise.withResolvers<RpcConnection>();
    const client = dialer.client({ connect: () => never.promise });
    await assertFails(client.echo({}, { timeoutMs: 5 }), Code.DeadlineExceeded);
    await assertFails(client.repeat({}, { timeoutMs: 5 }), Code.DeadlineExceeded);
    never.reject(new Error("too late to tell anyone"));
  });

  rpcTest("the time that connecting takes is taken off the callee's", async ({ dialer, listener }) => {
    const left: number[] = [];
    listener.serve({
      echo: ({ payload }, context) => {
        left.push(context.timeoutMs() ?? 0);
        return { payload };
      },
    });
    const clock = new VirtualClock();
    const connecting = Promise.withResolvers<RpcConnection>();
    const client = dialer.client({ clock, connect: () => connecting.promise });
    const call = client.echo({}, { timeoutMs: 100_000 });
    await clock.advance(40_000);
    connecting.resolve(dialer.connection);
    await call;
    assert.ok(left[0] !== undefined && left[0] > 50_000 && left[0] <= 60_000, String(left[0]));
  });

  rpcTest("calls that are over leave no timer", async ({ dialer, listener, clock }) => {
    listener.serve({ ...echo, echo: () => Promise.reject(new ConnectError("no", Code.Aborted)) });
    const client = dialer.client();
    const limit = { timeoutMs: 3_600_000 };
    await assertFails(client.echo({}, limit), Code.Aborted);
    await all(client.repeat({ count: 3 }, limit));
    await all(client.converse(endlessFor(3), limit));
    await until("both ends have ended the calls", () => clock.waiting <= 2);
  });
}

async function* endlessFor(count: number): AsyncIterable<{ payload: Uint8Array }> {
  for (let i = 0; i < count; i++) yield { payload: bytesOf(10) };
}
