// How much is read of one peer before the others have their turn.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { floodBucket, resolveChannelOptions } from "../../../src/channel/options.ts";
import { WebSocketDuplex } from "../../../src/channel/websocket.ts";
import { type Clock, systemClock } from "../../../src/util/clock.ts";

const messageBytes = 16_384;
const messages = 256;

/** A clock whose turns begin when the test says so. */
function heldTurns() {
  const waiting: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    nextTurn(callback) {
      waiting.push(callback);
      return () => undefined;
    },
  };
  return { clock, turn: () => waiting.splice(0).forEach((callback) => callback()) };
}

async function openPair(t: TestContext, clock: Clock) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sender = new WebSocket(`ws://127.0.0.1:${port}`);
  t.after(() => {
    sender.terminate();
    for (const client of server.clients) client.terminate();
    server.close();
  });
  const [socket] = (await once(server, "connection")) as [WebSocket];
  await once(sender, "open");
  const config = resolveChannelOptions();
  return { sender, duplex: new WebSocketDuplex(socket, config, floodBucket(clock, config), clock) };
}

test("a peer that sends as fast as it can is read some hundred KiB a turn, and whole in the end", async (t) => {
  const { clock, turn } = heldTurns();
  const { sender, duplex } = await openPair(t, clock);
  const seen = { bytes: 0, isPaused: false };
  duplex.attach({
    bytes: (chunk) => {
      assert.ok(!seen.isPaused);
      seen.bytes += chunk.length;
    },
    ended: () => undefined,
  });
  for (let i = 0; i < messages; i++) sender.send(Buffer.alloc(messageBytes, i));
  let turns = 0;
  let read = 0;
  while (seen.bytes < messages * messageBytes) {
    // All that comes without a turn has come when nothing came for a while: more would be a fault, and is found then or later.
    for (let quiet = 0; quiet < 20; quiet++) {
      const before = seen.bytes;
      await nextTurn();
      if (seen.bytes > before) quiet = 0;
    }
    assert.ok(seen.bytes - read <= 4 * 131_072, `${seen.bytes - read} bytes in a turn`);
    read = seen.bytes;
    turns += 1;
    turn();
  }
  assert.ok(turns >= 8, `${turns} turns`);
  // Paused by its owner, it does not read on with the turn.
  duplex.pause();
  seen.isPaused = true;
  sender.send(Buffer.alloc(messageBytes));
  turn();
  for (let i = 0; i < 20; i++) await nextTurn();
  seen.isPaused = false;
  duplex.resume();
  while (seen.bytes === read) {
    turn();
    await nextTurn();
  }
});
