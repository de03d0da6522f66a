// The channel's settings.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { channelDefaults, networkKeyOf, resolveChannelOptions } from "../../../src/channel/options.ts";

test("all options have their defaults, and the result is frozen", () => {
  const config = resolveChannelOptions();
  assert.deepEqual(config, channelDefaults);
  assert.ok(Object.isFrozen(config));
  assert.deepEqual(resolveChannelOptions({ maxHalfOpen: 3 }), { ...channelDefaults, maxHalfOpen: 3 });
});

test("the documented defaults are the real ones", () => {
  const source = readFileSync(new URL("../../../src/channel/options.ts", import.meta.url), "utf8");
  const documented = [...source.matchAll(/@default (\d+)\s*(?:\*\/\s*)+readonly (\w+)\?/g)];
  assert.deepEqual(Object.fromEntries(documented.map(([, value, name]) => [name, Number(value)])), channelDefaults);
});

test("options outside their ranges are refused by name", () => {
  for (const name of Object.keys(channelDefaults)) {
    const tooLow = name === "loopbackReserve" ? [] : [0];
    for (const value of [...tooLow, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => resolveChannelOptions({ [name]: value }), {
        name: "RangeError",
        message: new RegExp(`^${name} `),
      });
    }
  }
  assert.throws(() => resolveChannelOptions({ maxMessageBytes: 4129 }), RangeError);
  assert.equal(resolveChannelOptions({ maxMessageBytes: 4130 }).maxMessageBytes, 4130);
  assert.throws(() => resolveChannelOptions({ maxBufferedBytes: 10, highWaterMarkBytes: 11 }), RangeError);
});

test("a network key is the sha256 of the name, which is dev by default", () => {
  assert.deepEqual(Buffer.from(networkKeyOf("a network")), createHash("sha256").update("a network").digest());
  assert.deepEqual(networkKeyOf(), networkKeyOf("dev"));
  assert.equal(networkKeyOf().length, 32);
});
