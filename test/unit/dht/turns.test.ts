// Contacts that were heard of are connected to in turns; those to whom there is a connection are pinged at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { PingResponseSchema } from "../../../gen/dswarm/v1/dht_pb.ts";
import type { Contact } from "../../../src/dht/contact.ts";
import { openDatabase } from "../../../src/dht/database.ts";
import { Dht } from "../../../src/dht/dht.ts";
import type { DhtPeers } from "../../../src/dht/dht-peers.ts";
import { resolveDhtOptions } from "../../../src/dht/options.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const unused = (): never => assert.fail("nothing is looked for here");

test("a candidate waits for its turn, unless it is connected", async (t) => {
  const clock = new VirtualClock(1);
  const keys = generateKeyPair();
  const config = resolveDhtOptions();
  const store = await RecordStore.open({
    self: keys.id,
    database: await openDatabase(undefined),
    config: config.store,
    clock,
  });
  const connected = contact();
  const pinged: Contact[] = [];
  const peers: DhtPeers = {
    isConnected: (other) => other === connected,
    ping(other) {
      pinged.push(other);
      return Promise.resolve(create(PingResponseSchema));
    },
    findNode: unused,
    findValue: unused,
    store: unused,
  };
  const turns: (() => void)[] = [];
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    await new Promise<void>((come) => turns.push(come));
    return work();
  };
  const dht = new Dht({ keys, clock, config, peers, store, inTurn, addresses: () => [] });
  t.after(() => dht.close());
  const stranger = contact();
  dht.candidate(stranger);
  dht.candidate(connected);
  await new Promise(setImmediate);
  assert.deepEqual([pinged, turns.length, dht.table.size], [[connected], 1, 1]);
  turns[0]?.();
  await new Promise(setImmediate);
  assert.deepEqual([pinged, dht.table.size], [[connected, stranger], 2]);
});

function contact(): Contact {
  return { id: generateKeyPair().id, addresses: [{ host: "127.0.0.1", port: 4000 }] };
}
