// Cancellation by AbortSignal: it frees the work of both ends.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import type { RpcConnection } from "../../../src/rpc/mux.ts";
import { echo } from "./call-kinds.ts";
import { aborted, all, assertFails, bytesOf, each, failureOf, type RpcPair, transparent, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

interface Seen {
  readonly reasons: unknown[];
  finallies: number;
}

/** Serves handlers that run until their signal aborts; tells what they saw. */
function serveEndless({ listener }: RpcPair): Seen {
  const seen: Seen = { reasons: [], finallies: 0 };
  const note = (signal: AbortSignal): void => {
    signal.addEventListener("abort", () => seen.reasons.push(signal.reason), { once: true });
  };
  listener.serve({
    async echo(_, { signal }) {
      note(signal);
      try {
        return await aborted(signal);
      } finally {
        seen.finallies++;
      }
    },
    async *repeat({ payload }, { signal }) {
      note(signal);
      try {
        for (let index = 0; ; index++) yield { payload, index };
      } finally {
        seen.finallies++;
      }
    },
    async collect(requests, { signal }) {
      note(signal);
      try {
        for await (const _ of requests);
        return {};
      } finally {
        seen.finallies++;
      }
    },
    async *converse(requests, { signal }) {
      note(signal);
      try {
        for await (const { payload } of requests) yield { payload };
      } finally {
        seen.finallies++;
      }
    },
  });
  return seen;
}

async function* untilReturned(onReturn: () => void): AsyncIterable<{ payload: Uint8Array }> {
  try {
    for (;;) yield { payload: bytesOf(100) };
  } finally {
    onReturn();
  }
}

async function* throwing(): AsyncIterable<object> {
  yield {};
  throw new ConnectError("out of data", Code.DataLoss);
}

export function cancellationTests(rpcTest: RpcTest): void {
  rpcTest("a signal that has aborted before makes no call", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    const options = { signal: AbortSignal.abort() };
    await assertFails(client.echo({}, options), Code.Canceled);
    await assertFails(client.repeat({}, options), Code.Canceled);
    await assertFails(client.collect(each([]), options), Code.Canceled);
    await assertFails(client.converse(each([]), options), Code.Canceled);
    assert.equal(listener.counters.get("rpc.served"), 0);
  });

  rpcTest("an abort cancels calls of every kind and frees their handlers", async (pair) => {
    const seen = serveEndless(pair);
    const client = pair.dialer.client();
    const controller = new AbortController();
    const options = { signal: controller.signal };
    let producersEnded = 0;
    const requests = (): AsyncIterable<{ payload: Uint8Array }> => untilReturned(() => producersEnded++);
    const calls = [
      client.echo({}, options),
      all(client.repeat({ payload: bytesOf(10) }, options)),
      client.collect(requests(), options),
      all(client.converse(requests(), options)),
    ].map((call) => assertFails(call, Code.Canceled));
    await until("all four run", () => pair.listener.connection.running === 4);
    controller.abort();
    await Promise.all(calls);
    await pair.quiet();
    assert.equal(seen.finallies, 4);
    assert.equal(producersEnded, 2);
    assert.equal(seen.reasons.length, 4);
    for (const reason of seen.reasons) {
      assert.ok(reason instanceof ConnectError);
      assert.equal(reason.code, Code.Canceled);
    }
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });

  rpcTest("one signal for 100 calls warns of nothing and keeps no listener", async (pair) => {
    serveEndless(pair);
    for (const interceptors of [[], [transparent]]) {
      const controller = new AbortController();
      const { signal } = controller;
      const client = pair.dialer.client({ interceptors });
      const calls = Array.from({ length: 100 }, (_, i) =>
        failureOf(i % 2 === 0 ? client.echo({}, { signal }) : client.repeat({}, { signal })),
      );
      await until("all run", () => pair.listener.connection.running === 100);
      controller.abort();
      for (const error of await Promise.all(calls)) assert.equal(error.code, Code.Canceled);
      await until("no listener is left", () => getEventListeners(signal, "abort").length === 0);
      await until("all have stopped", () => pair.listener.connection.running === 0);
    }
  });

  rpcTest("an abort after the end does nothing, and ended calls keep no listener", async ({ dialer, listener }) => {
    listener.serve(echo);
    const controller = new AbortController();
    const { signal } = controller;
    const client = dialer.client();
    const { payload } = await client.echo({ payload: bytesOf(5) }, { signal });
    assert.equal((await all(client.repeat({ count: 4 }, { signal }))).length, 4);
    assert.equal((await client.collect(each([{}]), { signal })).count, 1);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    controller.abort();
    assert.deepEqual(payload, bytesOf(5));
  });

  rpcTest("the reason of the abort is told where it is one for callers", async (pair) => {
    serveEndless(pair);
    const client = pair.dialer.client();
    const own = new ConnectError("changed my mind", Code.Aborted);
    const cases = [
      [own, Code.Aborted],
      [new DOMException("late", "TimeoutError"), Code.DeadlineExceeded],
      [new Error("whatever"), Code.Canceled],
      ["text", Code.Canceled],
    ] as const;
    for (const [reason, code] of cases) {
      const controller = new AbortController();
      const call = failureOf(client.echo({}, { signal: controller.signal }));
      await until("it runs", () => pair.listener.connection.running > 0);
      controller.abort(reason);
      const error = await call;
      assert.equal(error.code, code);
      if (code === Code.Canceled) assert.equal(error.cause, reason);
      await until("it has stopped", () => pair.listener.connection.running === 0);
    }
  });

  rpcTest("an abort while the connection is made, or just when it is there, cancels", async ({ dialer, listener }) => {
    listener.serve(echo);
    for (const settleFirst of [false, true]) {
      for (const kind of ["echo", "repeat"] as const) {
        const connecting = Promise.withResolvers<RpcConnection>();
        const client = dialer.client({ connect: () => connecting.promise });
        const controller = new AbortController();
        const { signal } = controller;
        const call = kind === "echo" ? client.echo({}, { signal }) : all(client.repeat({}, { signal }));
        const failure = failureOf(call);
        if (settleFirst) connecting.resolve(dialer.connection);
        await Promise.resolve();
        await Promise.resolve();
        controller.abort();
        assert.equal((await failure).code, Code.Canceled);
        assert.equal(getEventListeners(signal, "abort").length, 0);
        connecting.resolve(dialer.connection);
      }
    }
  });

  rpcTest("an abort at any microtask of the start cancels or is too late, but never hangs", async (pair) => {
    serveEndless(pair);
    for (let ticks = 0; ticks < 12; ticks++) {
      const client = pair.dialer.client({ connect: async () => pair.dialer.connection });
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [
        client.echo({}, { signal }),
        all(client.repeat({}, { signal })),
        client.collect(each([{}]), { signal }),
      ];
      const failures = calls.slice(0, 2).map((call) => failureOf(call));
      const collected = calls[2]?.catch(() => undefined);
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      controller.abort();
      for (const error of await Promise.all(failures)) assert.equal(error.code, Code.Canceled);
      await collected;
    }
  });

  rpcTest(
    "a handler that ignores the cancellation counts as running until it is done",
    async ({ dialer, listener }) => {
      const gate = Promise.withResolvers<void>();
      listener.serve({
        echo: async ({ payload }) => {
          await gate.promise;
          return { payload };
        },
        async *repeat({ payload }) {
          try {
            yield { payload };
            yield { payload };
          } finally {
            await gate.promise;
          }
        },
      });
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [
        failureOf(dialer.client().echo({}, { signal })),
        failureOf(dialer.client().repeat({ payload: bytesOf(40_000) }, { signal })),
      ];
      await until("both run", () => listener.connection.running === 2);
      controller.abort();
      await Promise.all(calls);
      await until("the streams are closed", () => listener.connection.streams === 0);
      assert.equal(listener.connection.running, 2);
      gate.resolve();
    },
  );

  rpcTest("the requests of a cancelled call end with an error, never as if all had come", async (pair) => {
    const ends: string[] = [];
    const gate = Promise.withResolvers<void>();
    const isCancelled = Promise.withResolvers<void>();
    pair.listener.serve({
      async collect(requests, { signal }) {
        signal.addEventListener("abort", () => isCancelled.resolve());
        await gate.promise;
        try {
          for await (const _ of requests) ends.push("message");
          ends.push("end");
        } catch (error) {
          ends.push(Code[(error as ConnectError).code]);
        }
        return {};
      },
    });
    const controller = new AbortController();
    // All requests, and the half-close after them, have come before the cancellation.
    const call = failureOf(pair.dialer.client().collect(each([{}, {}, {}]), { signal: controller.signal }));
    await until("it runs", () => pair.listener.connection.running === 1);
    await until("the requests are there", () => pair.listener.connection.unconsumedBytes >= 3 * 64);
    controller.abort();
    await call;
    await isCancelled.promise;
    gate.resolve();
    await until("the handler is done", () => ends.length > 0);
    assert.deepEqual(ends, ["Canceled"]);
  });

  rpcTest("answers that wait unread are dropped by an abort", async ({ dialer, listener }) => {
    listener.serve(echo);
    const controller = new AbortController();
    const { signal } = controller;
    const repeated = dialer.client().repeat({ payload: bytesOf(10), count: 100_000 }, { signal });
    const answers = repeated[Symbol.asyncIterator]();
    await answers.next();
    controller.abort();
    await assertFails(answers.next() as Promise<unknown>, Code.Canceled);
  });

  rpcTest("iterators of handlers that hang or throw in `return` hold nothing up", async ({ dialer, listener }) => {
    let returned = 0;
    const awkward = (onReturn: () => Promise<never>): AsyncIterable<{ index: number }> => ({
      [Symbol.asyncIterator]() {
        let wake: (() => void) | undefined;
        return {
          next: () =>
            new Promise((resolve) => {
              wake = () => resolve({ done: true, value: undefined });
            }),
          return() {
            returned++;
            wake?.();
            return onReturn();
          },
        };
      },
    });
    const kinds = [
      () => awkward(() => Promise.reject(new Error("no"))),
      () =>
        awkward(() => {
          throw new Error("no");
        }),
      () => awkward(() => undefined as never),
      async function* () {
        try {
          for (;;) yield {};
        } finally {
          returned++;
          await Promise.reject(new Error("no"));
        }
      },
    ];
    let kind = 0;
    listener.serve({ repeat: () => (kinds[kind++] as (typeof kinds)[0])() });
    for (let i = 1; i <= kinds.length; i++) {
      const controller = new AbortController();
      const call = failureOf(dialer.client().repeat({}, { signal: controller.signal }));
      await until("it runs", () => listener.connection.running === 1);
      controller.abort();
      assert.equal((await call).code, Code.Canceled);
      await until("it has ended", () => listener.connection.running === 0);
      assert.ok(returned >= i, `${returned} returns after ${i} calls`);
    }
    assert.deepEqual(listener.faults, []);
  });

  rpcTest("iterables of callers that throw or misbehave fail their call only", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    await assertFails(client.collect(throwing()), Code.DataLoss, /out of data/);
    await assertFails(client.converse(throwing()), Code.DataLoss);
    const noIterator = {
      [Symbol.asyncIterator]() {
        throw new Error("no iterator");
      },
    };
    await failureOf(client.collect(noIterator as never));
    const throwingReturn = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return() {
          throw new Error("no");
        },
      }),
    };
    const controller = new AbortController();
    const call = assertFails(client.collect(throwingReturn, { signal: controller.signal }), Code.Canceled);
    await until("it runs", () => listener.connection.running === 1);
    controller.abort();
    await call;
    assert.equal((await client.collect(each([{}]))).count, 1);
  });
}
