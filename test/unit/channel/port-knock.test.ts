// Tokens that come to a port as server names.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PortTokens } from "../../../src/channel/port-knock.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

function nameOf(token: Uint8Array, id: NodeId): string {
  const hex = id.toHex();
  return `${Buffer.from(token).toString("hex")}.${hex.slice(0, 32)}.${hex.slice(32)}.dswarm.invalid`;
}

test("the last four tokens of an id are told, the latest first, for thirty seconds, and to no other id", async () => {
  const clock = new VirtualClock(1);
  const tokens = new PortTokens(clock);
  const { id } = generateKeyPair();
  const other = generateKeyPair().id;
  const sent = Array.from({ length: 6 }, () => clock.randomBytes(16));
  for (const token of sent) assert.equal(tokens.note(nameOf(token, id)), true);
  assert.deepEqual(tokens.of(id), sent.slice(2).toReversed());
  assert.deepEqual(tokens.of(other), []);
  await clock.advance(20_000);
  const late = clock.randomBytes(16);
  tokens.note(nameOf(late, id));
  await clock.advance(10_001);
  assert.deepEqual(tokens.of(id), [late]);
});

test("any other server name is none of a token", () => {
  const tokens = new PortTokens(new VirtualClock(1));
  const { id } = generateKeyPair();
  const name = nameOf(new Uint8Array(16), id);
  for (const one of [
    "",
    "localhost",
    "dswarm.invalid",
    name.slice(1),
    `a${name}`,
    `${name}.`,
    name.toUpperCase(),
    name.replace("invalid", "example"),
  ]) {
    assert.equal(tokens.note(one), false, one);
  }
  assert.deepEqual(tokens.of(id), []);
});

test("ids that nobody has push out what came longest ago, and no more is held", () => {
  const clock = new VirtualClock(1);
  const tokens = new PortTokens(clock);
  const { id } = generateKeyPair();
  tokens.note(nameOf(new Uint8Array(16), id));
  for (let i = 0; i < 4096; i++) {
    const hex = Buffer.from(clock.randomBytes(32)).toString("hex");
    tokens.note(`${"0".repeat(32)}.${hex.slice(0, 32)}.${hex.slice(32)}.dswarm.invalid`);
  }
  assert.deepEqual(tokens.of(id), []);
});
