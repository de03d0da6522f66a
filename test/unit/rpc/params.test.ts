import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { protocol, type RpcOptions, resolveRpcOptions, rpcDefaults } from "../../../src/rpc/params.ts";

/** Each option with its least and its largest value. */
const ranges: Readonly<Record<keyof RpcOptions, readonly [number, number]>> = {
  maxMessageBytes: [1, 2 ** 30],
  maxConcurrentStreams: [1, 2 ** 20],
  streamWindowBytes: [protocol.initialStreamCredit, 2 ** 30],
  maxAssemblingBytes: [protocol.initialStreamCredit, 2 ** 31],
  windowPoolBytes: [0, 2 ** 31],
  maxHeldBytes: [protocol.initialConnectionCredit, 2 ** 40],
  maxHeldBytesPerAddress: [protocol.maxFrameBytes, 2 ** 40],
  maxHeldBytesPerConnection: [protocol.maxFrameBytes, 2 ** 40],
  requestTimeoutMs: [1, 2 ** 31 - 1],
  writeTimeoutMs: [1, 2 ** 31 - 1],
  maxTimeoutMs: [1, 2 ** 31 - 1],
  keepaliveIntervalMs: [1, 2 ** 31 - 1],
  keepaliveTimeoutMs: [1, 2 ** 31 - 1],
  idleTimeoutMs: [0, 2 ** 31 - 1],
  maxFaults: [1, 2 ** 30],
  faultsPerSecond: [1, 2 ** 30],
  drainTimeoutMs: [0, 2 ** 31 - 1],
};

suite("options of the RPC layer", () => {
  test("default to rpcDefaults, also where they are undefined", () => {
    assert.deepEqual(resolveRpcOptions(), rpcDefaults);
    const empty = Object.fromEntries(Object.keys(ranges).map((name) => [name, undefined])) as RpcOptions;
    assert.deepEqual(resolveRpcOptions(empty), rpcDefaults);
    assert.deepEqual(Object.keys(rpcDefaults).sort(), Object.keys(ranges).sort());
  });

  test("are frozen, and no other than given", () => {
    const config = resolveRpcOptions({ maxMessageBytes: 1000 });
    assert.deepEqual(config, { ...rpcDefaults, maxMessageBytes: 1000 });
    assert.ok(Object.isFrozen(config));
  });

  for (const [name, [low, high]] of Object.entries(ranges)) {
    test(`${name} is a whole number from ${low} to ${high}`, () => {
      for (const value of [low, high]) {
        assert.equal((resolveRpcOptions({ [name]: value }) as Record<string, unknown>)[name], value);
      }
      for (const value of [low - 1, high + 1, low + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.throws(
          () => resolveRpcOptions({ [name]: value }),
          (error: unknown) => error instanceof RangeError && error.message.startsWith(`${name} `),
        );
      }
      for (const value of [`${low}`, null]) assert.throws(() => resolveRpcOptions({ [name]: value }), TypeError);
    });
  }
});
