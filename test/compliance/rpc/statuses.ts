// gRPC status: what callers learn of failures, and what they do not.
import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoRequestSchema } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { echo } from "./call-kinds.ts";
import { all, assertFails, bytesOf, each, failureOf, type RpcPair } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

const codes = Object.values(Code).filter((code): code is Code => typeof code === "number");
const secret = "the password is 12345";

/** Fails calls of every kind with what `make` makes; returns the four errors that the caller gets. */
async function failEveryKind({ dialer, listener }: RpcPair, make: () => unknown): Promise<ConnectError[]> {
  const withdraw = listener.serve({
    echo: () => {
      throw make();
    },
    async *repeat({ payload, count }) {
      for (let index = 0; index < count; index++) yield { payload, index };
      throw make();
    },
    collect: () => Promise.reject(make()),
    converse: () => {
      throw make();
    },
  });
  const client = dialer.client();
  try {
    return await Promise.all([
      failureOf(client.echo({})),
      failureOf(client.repeat({ count: 2 })),
      failureOf(client.collect(each([{}]))),
      failureOf(client.converse(each([{}]))),
    ]);
  } finally {
    withdraw();
  }
}

export function statusTests(rpcTest: RpcTest): void {
  rpcTest("every status code comes with its message, details and metadata", async (pair) => {
    assert.equal(codes.length, 16);
    for (const code of codes) {
      const detail = create(EchoRequestSchema, { payload: bytesOf(code) });
      const message = code === Code.Aborted ? "" : `grüße ✓ ${code}`;
      const make = (): ConnectError => {
        const metadata = { "x-why": "because", "x-raw-bin": "AAEC" };
        return new ConnectError(message, code, metadata, [{ desc: EchoRequestSchema, value: detail }]);
      };
      for (const error of await failEveryKind(pair, make)) {
        assert.equal(error.code, code);
        assert.equal(error.rawMessage, message);
        assert.equal(error.metadata.get("x-why"), "because");
        assert.equal(error.metadata.get("x-raw-bin"), "AAEC");
        assert.deepEqual(
          error.findDetails(EchoRequestSchema).map(({ payload }) => payload),
          [bytesOf(code)],
        );
      }
    }
    assert.deepEqual(pair.listener.faults, []);
  });

  rpcTest("a stream's answers are read before its error", async ({ dialer, listener }) => {
    listener.serve({
      async *repeat() {
        yield { index: 0 };
        yield { index: 1 };
        throw new ConnectError("enough", Code.OutOfRange);
      },
    });
    let count = 0;
    const reading = (async () => {
      for await (const { index } of dialer.client().repeat({})) assert.equal(index, count++);
    })();
    await assertFails(reading, Code.OutOfRange, /^enough$/);
    assert.equal(count, 2);
  });

  rpcTest("whatever else a handler throws is `internal error` for callers and logged here", async (pair) => {
    const thrown = [new TypeError(secret), secret, undefined, null, 0, { message: secret }];
    for (const value of thrown) {
      for (const error of await failEveryKind(pair, () => value)) {
        assert.equal(error.code, Code.Internal);
        assert.equal(error.rawMessage, "internal error");
        assert.deepEqual(error.details, []);
        assert.ok(!JSON.stringify([...error.metadata]).includes("12345"));
        assert.equal(error.cause, undefined);
      }
      const faults = pair.listener.faults.splice(0);
      assert.equal(faults.length, 4);
      for (const { event, err } of faults) {
        assert.equal(event, "handler_fault");
        assert.equal(err, value);
      }
    }
    assert.equal(pair.listener.counters.get("rpc.handler_faults"), 4 * thrown.length);
  });

  rpcTest("dswarm's own errors cross the wire with the code of the table", async (pair) => {
    for (const error of await failEveryKind(pair, () => new DswarmError("peer_unknown"))) {
      assert.equal(error.code, Code.NotFound);
    }
    for (const error of await failEveryKind(pair, () => new DOMException("stop", "AbortError"))) {
      assert.equal(error.code, Code.Canceled);
    }
    assert.deepEqual(pair.listener.faults, []);
  });

  rpcTest("response metadata of a failed call comes with the error", async ({ dialer, listener }) => {
    listener.serve({
      echo: (_, { responseHeader, responseTrailer }) => {
        responseHeader.set("x-head", "1");
        responseTrailer.set("x-trail", "2");
        throw new ConnectError("no", Code.NotFound, { "x-error": "3" });
      },
      async *repeat(_, { responseHeader, responseTrailer }) {
        responseHeader.set("x-head", "1");
        responseTrailer.set("x-trail", "2");
        yield {};
        throw new ConnectError("no", Code.NotFound, { "x-error": "3" });
      },
    });
    const client = dialer.client();
    for (const error of [await failureOf(client.echo({})), await failureOf(client.repeat({}))]) {
      const { metadata } = error;
      assert.deepEqual([metadata.get("x-head"), metadata.get("x-trail"), metadata.get("x-error")], ["1", "2", "3"]);
    }
  });

  rpcTest("errors that do not fit are cut, and harm no other call", async (pair) => {
    const large = { desc: EchoRequestSchema, value: { payload: bytesOf(15_000) } };
    const bad = { desc: EchoRequestSchema, value: { payload: "not bytes" as never } };
    const longMessage = "é".repeat(5000);
    const makes: (() => ConnectError)[] = [
      () => new ConnectError(longMessage, Code.DataLoss),
      () => new ConnectError("details", Code.DataLoss, undefined, [large, large, large]),
      () => new ConnectError("bad detail", Code.DataLoss, undefined, [bad, large]),
      () => new ConnectError("metadata", Code.DataLoss, { "x-large": "m".repeat(20_000) }),
      () => new ConnectError("bad metadata", Code.DataLoss, { "x-bad": "grüße" }),
      () => new ConnectError("lone \ud800 surrogate", Code.DataLoss),
    ];
    const errors: ConnectError[] = [];
    for (const make of makes) {
      const ofKinds = await failEveryKind(pair, make);
      for (const error of ofKinds) assert.equal(error.code, Code.DataLoss);
      errors.push(...ofKinds.slice(0, 1));
    }
    const [long, details, badDetail, , , surrogate] = errors;
    assert.ok(long !== undefined && Buffer.byteLength(long.rawMessage) <= 4096);
    assert.match(long.rawMessage, /^é{2000,}…$/);
    assert.equal(details?.findDetails(EchoRequestSchema).length, 1);
    assert.equal(badDetail?.findDetails(EchoRequestSchema).length, 1);
    assert.match(surrogate?.rawMessage ?? "", /^lone . surrogate$/u);
  });

  rpcTest("the largest error with the largest metadata still is one frame", async ({ dialer, listener }) => {
    const block = "m".repeat(16_000);
    listener.serve({
      echo: (_, { responseHeader, responseTrailer }) => {
        for (let i = 0; i < 120; i++) responseHeader.set(`h${i}`, "");
        responseHeader.set("x-head", block);
        responseTrailer.set("x-trail", block);
        const details = Array.from({ length: 2000 }, () => ({ type: "a.B", value: bytesOf(20) }));
        const error = new ConnectError("é".repeat(5000), Code.DataLoss, { "x-error": block });
        error.details = details;
        throw error;
      },
    });
    const error = await failureOf(dialer.client().echo({}));
    assert.equal(error.code, Code.DataLoss);
    assert.equal(error.metadata.get("x-head"), block);
    assert.equal(error.metadata.get("x-trail"), block);
    assert.ok(error.details.length > 100);
  });

  rpcTest("codes out of their range become `unknown`", async (pair) => {
    for (const code of [0, 17, -1, 1.5, Number.NaN]) {
      const make = (): ConnectError => Object.assign(new ConnectError("odd"), { code });
      for (const error of await failEveryKind(pair, make)) {
        assert.equal(error.code, Code.Unknown);
      }
    }
  });

  rpcTest("an answer that its schema does not allow is an internal error", async ({ dialer, listener }) => {
    listener.serve({
      echo: () => ({ payload: 5 as never }),
      async *repeat() {
        yield { index: -1 };
      },
      collect: () => undefined as never,
      converse: () => undefined as never,
    });
    const client = dialer.client();
    await assertFails(client.echo({}), Code.Internal, /^internal error$/);
    await assertFails(client.repeat({}), Code.Internal, /^internal error$/);
    await assertFails(client.converse(each([])), Code.Internal, /^internal error$/);
    assert.equal((await client.collect(each([]))).count, 0, "nothing given is an empty message");
    assert.equal(listener.faults.length, 3);
  });

  rpcTest("a request that its schema does not allow fails at the caller", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client();
    await assertFails(client.echo({ payload: 5 as never }), Code.Internal, /does not encode/);
    await assertFails(client.repeat({ count: -1 }), Code.Internal, /does not encode/);
    await assertFails(client.collect(each([{}, { payload: 5 as never }])), Code.Internal, /does not encode/);
    assert.equal((await all(client.repeat({ count: 3 }))).length, 3);
  });

  rpcTest("a generator that fails to send still runs its finally", async ({ dialer, listener }) => {
    let finallies = 0;
    listener.serve({
      async *repeat() {
        try {
          for (;;) yield { index: -1 };
        } finally {
          finallies++;
        }
      },
    });
    await assertFails(dialer.client().repeat({}), Code.Internal);
    assert.equal(finallies, 1);
  });
}
