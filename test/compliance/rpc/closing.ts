// The end of connections: planned, aborted, cut; and what it means for calls.
import assert from "node:assert/strict";
import { Code, type ConnectError } from "@connectrpc/connect";
import { DswarmError, dswarmErrorOf } from "../../../src/util/errors.ts";
import { echo } from "./call-kinds.ts";
import { aborted, all, assertFails, bytesOf, each, failureOf, type RpcEnd, type RpcPair, until } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

const ends = ["dialer", "listener"] as const;

function assertLost(error: ConnectError): void {
  assert.equal(error.code, Code.Unavailable, error.message);
  assert.equal(dswarmErrorOf(error)?.retryable, true);
}

async function* endless(): AsyncIterable<{ payload: Uint8Array }> {
  for (;;) yield { payload: bytesOf(1000) };
}

/** Opens calls of every kind that never end by themselves; returns their failures. */
async function openEveryKind(from: RpcEnd, to: RpcEnd): Promise<Promise<ConnectError>[]> {
  to.serve({
    echo: (_, { signal }) => aborted(signal),
    async *repeat() {
      for (;;) yield { payload: bytesOf(1000) };
    },
    async collect(requests) {
      for await (const _ of requests);
      return {};
    },
    async *converse(requests) {
      for await (const { payload } of requests) yield { payload };
    },
  });
  const client = from.client();
  const failures = [
    failureOf(client.echo({})),
    failureOf(client.repeat({})),
    failureOf(client.collect(endless())),
    failureOf(client.converse(endless())),
  ];
  const before = from.connection.streams;
  await until("all four run", () => to.connection.running >= 4 && from.connection.streams >= before);
  return failures;
}

async function bothEnded({ dialer, listener }: RpcPair): Promise<void> {
  await until("both ends have ended", () => dialer.ended !== undefined && listener.ended !== undefined);
}

export function closingTests(rpcTest: RpcTest): void {
  for (const closer of ends) {
    rpcTest(`close() of the ${closer} lets calls of both ends finish, and takes no new ones`, async (pair) => {
      const gate = Promise.withResolvers<void>();
      const slow = async ({ payload }: { payload: Uint8Array }): Promise<{ payload: Uint8Array }> => {
        await gate.promise;
        return { payload };
      };
      pair.dialer.serve({ ...echo, echo: slow });
      pair.listener.serve({ ...echo, echo: slow });
      const calls = [pair.dialer, pair.listener].map((end) => end.client().echo({ payload: bytesOf(50_000) }));
      await until("both run", () => pair.dialer.connection.running + pair.listener.connection.running === 2);
      const closing = pair[closer].connection.close();
      const other = closer === "dialer" ? pair.listener : pair.dialer;
      assert.equal(pair[closer].connection.usable, false);
      assertLost(await failureOf(pair[closer].client().echo({})));
      assertLost(await failureOf(pair[closer].client().repeat({})));
      await until("the other end knows", () => !other.connection.usable);
      assertLost(await failureOf(other.client().echo({})));
      assertLost(await failureOf(other.client().collect(each([{}]))));
      gate.resolve();
      for (const { payload } of await Promise.all(calls)) assert.deepEqual(payload, bytesOf(50_000));
      await closing;
      await bothEnded(pair);
      assert.equal(pair.dialer.ended?.reason, undefined);
      assert.equal(pair.listener.ended?.reason, undefined);
    });
  }

  rpcTest("close() may be called again, by both ends at once, and with nothing to do", async (pair) => {
    const { dialer, listener } = pair;
    const [first, second] = [dialer.connection.close(), dialer.connection.close()];
    await Promise.all([first, second, listener.connection.close()]);
    await dialer.connection.close();
    await bothEnded(pair);
    assert.equal(dialer.ended?.reason, undefined);
    assert.equal(listener.ended?.reason, undefined);
    assert.ok(dialer.connection.closed && listener.connection.closed);
  });

  rpcTest(
    "close() waits for calls no longer than drainTimeoutMs",
    async (pair) => {
      const failures = await openEveryKind(pair.dialer, pair.listener);
      await pair.listener.connection.close();
      for (const failure of failures) assertLost(await failure);
      await bothEnded(pair);
      assert.equal(pair.dialer.ended?.reason, undefined);
    },
    { listener: { drainTimeoutMs: 30 } },
  );

  rpcTest("a handler may close or abort its own connection", async (pair) => {
    const { dialer, listener } = pair;
    let closing: Promise<void> | undefined;
    listener.serve({
      echo: ({ payload }) => {
        closing = listener.connection.close();
        return { payload };
      },
    });
    assert.equal((await dialer.client().echo({ payload: bytesOf(1) })).payload.length, 1);
    await closing;
    await bothEnded(pair);
  });

  rpcTest("an abort within a handler fails the calls that come in the same turn too", async (pair) => {
    const { dialer, listener } = pair;
    let served = 0;
    listener.serve({
      ...echo,
      echo: ({ payload }) => {
        served++;
        listener.connection.abort(new DswarmError("node_closed"));
        listener.connection.abort(new DswarmError("link_closed"));
        return { payload };
      },
    });
    const client = dialer.client();
    const calls = [client.echo({}), client.echo({}), all(client.repeat({ count: 3 })), client.echo({})];
    for (const call of calls) assertLost(await failureOf(call));
    assert.equal(served, 1);
    await bothEnded(pair);
    assert.equal(listener.ended?.reason?.code, "node_closed");
  });

  rpcTest("listeners of signals, producers and readers may end the connection from within", async (pair) => {
    const { dialer, listener } = pair;
    const reason = new DswarmError("node_closed");
    listener.serve({
      echo: (_, { signal }) => {
        // Told within the abort of the connection, of whose end it knows nothing yet.
        signal.addEventListener("abort", () => {
          listener.connection.abort(reason);
          void listener.connection.close();
          failureOf(listener.client().echo({})).then(assertLost, assert.fail);
        });
        return aborted(signal);
      },
      async *converse(requests, { signal }) {
        signal.addEventListener("abort", () => listener.connection.abort(reason));
        for await (const { payload } of requests) yield { payload };
      },
    });
    async function* ending(): AsyncIterable<object> {
      yield {};
      await until("both run", () => listener.connection.running === 2);
      dialer.connection.abort(reason);
      yield {};
    }
    const client = dialer.client();
    const calls = [failureOf(client.echo({})), failureOf(client.converse(ending()))];
    for (const error of await Promise.all(calls)) assert.equal(error.code, Code.Unavailable);
    await bothEnded(pair);
  });

  for (const [how, end] of [
    ["an abort of the dialer", (pair: RpcPair) => pair.dialer.connection.abort(new DswarmError("keepalive_timeout"))],
    ["an abort of the listener", (pair: RpcPair) => pair.listener.connection.abort(new DswarmError("peer_too_slow"))],
    ["a cut", (pair: RpcPair) => pair.cut()],
  ] as const) {
    rpcTest(`${how} fails all calls of both ends with unavailable`, async (pair) => {
      const { dialer, listener } = pair;
      const failures = [...(await openEveryKind(dialer, listener)), ...(await openEveryKind(listener, dialer))];
      end(pair);
      for (const failure of failures) assertLost(await failure);
      await bothEnded(pair);
      for (const side of [dialer, listener]) {
        assertLost(await failureOf(side.client().echo({})));
        assertLost(await failureOf(side.client().repeat({})));
        assert.equal(side.connection.usable, false);
        await until("nothing is left", () => side.isQuiet);
      }
    });
  }

  rpcTest("close() after an abort, and an abort after close(), do nothing more", async (pair) => {
    const { dialer, listener } = pair;
    dialer.connection.abort(new DswarmError("keepalive_timeout"));
    await dialer.connection.close();
    dialer.connection.abort(new DswarmError("node_closed"));
    await bothEnded(pair);
    await listener.connection.close();
    assert.equal(dialer.ended?.reason?.code, "keepalive_timeout");
  });

  rpcTest(
    "a connection without calls is closed after idleTimeoutMs, one with calls is not",
    async (pair) => {
      const { dialer, listener } = pair;
      const gate = Promise.withResolvers<void>();
      const started = performance.now();
      listener.serve({
        async echo({ payload }) {
          await gate.promise;
          return { payload };
        },
      });
      const call = dialer.client().echo({});
      await until("some idle times have passed", () => performance.now() - started > 1000);
      assert.equal(dialer.connection.usable, true);
      gate.resolve();
      await call;
      await bothEnded(pair);
      assert.equal(dialer.ended?.reason, undefined);
      assert.equal(listener.ended?.reason, undefined);
    },
    { dialer: { idleTimeoutMs: 250 } },
  );

  rpcTest(
    "probes are answered: a silent connection stays",
    async ({ dialer, listener }) => {
      listener.serve(echo);
      const started = performance.now();
      await until("many probes have gone", () => performance.now() - started > 150);
      await dialer.client().echo({});
      assert.equal(dialer.ended, undefined);
    },
    { dialer: { keepaliveIntervalMs: 5, keepaliveTimeoutMs: 60_000 }, listener: { keepaliveIntervalMs: 7 } },
  );

  rpcTest("connecting that fails fails the call with its error", async ({ dialer }) => {
    const refused = dialer.client({ connect: () => Promise.reject(new DswarmError("unreachable")) });
    assertLost(await failureOf(refused.echo({})));
    assertLost(await failureOf(refused.repeat({})));
    const throwing = dialer.client({
      connect: () => {
        throw new DswarmError("peer_unknown");
      },
    });
    await assertFails(throwing.echo({}), Code.NotFound);
    await assertFails(throwing.converse(each([])), Code.NotFound);
  });
}
