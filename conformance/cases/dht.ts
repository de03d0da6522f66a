// The DHT as a client that serves none: values, signed values, providers; and nodes that lie.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createMutable, createProvider, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { generateKeyPair, keyPairFromSeed } from "../../src/identity/keys.ts";
import type { NodeId } from "../../src/identity/node-id.ts";
import { formatPeerAddress } from "../../src/identity/peer-address.ts";
import type { DswarmNode } from "../../src/node/node.ts";
import { base64, group } from "../case.ts";
import { amongLiars, answering, keepers, liar, nodes, ProgramDht, text, value } from "../program-dht.ts";

function isIn(node: DswarmNode, id: NodeId): boolean {
  return node.dht.table.closest(id.bytes, 1).some((contact) => contact.id.equals(id));
}

/** Cases of the DHT. */
export const dhtCases = [
  ...group("dht", ["dht"], {
    put: async (context) => {
      const all = await nodes(context);
      const dht = await ProgramDht.join(context, all.slice(0, 1));
      const key = await dht.put(value);
      assert.ok(createHash("sha256").update(value).digest().equals(key.bytes), "another key than the sha256");
      for (const node of all) {
        const record = await node.dht.get(key);
        assert.ok(record !== undefined && Buffer.from(record.value).equals(value));
      }
      assert.ok(
        all.every(({ dht: { store } }) => store.has(key)),
        "not all of the closest keep it",
      );
    },
    "replicas-are-counted": async (context) => {
      const dht = await ProgramDht.join(context, await nodes(context, 3));
      assert.equal((await dht.request("put", { value: base64(value) }))["replicas"], 3);
      assert.equal((await dht.request("update", { value: base64(value) }))["replicas"], 3);
    },
    "kept-by-nobody": async (context) => {
      const full = { dht: { store: { maxPeerRecords: 1 } } };
      const dht = await ProgramDht.join(context, [await context.node(full), await context.node(full)]);
      await dht.put(value);
      assert.equal(await dht.fails("put", { value: base64(Buffer.from("more")) }), "quota_exceeded");
      assert.equal(await dht.fails("update", { value: base64(value) }), "quota_exceeded");
    },
    "passed-on-by-nobody": async (context) => {
      const kept = new Set<DswarmNode>();
      const all = await keepers(context, 8, kept);
      const dht = await ProgramDht.join(context, all.slice(0, 1));
      await dht.put(value);
      assert.equal(kept.size, all.length, "a put relies on those that do not pass it on");
    },
    get: async (context) => {
      const all = await nodes(context);
      const { key } = await (all[3] as DswarmNode).dht.put(value);
      const dht = await ProgramDht.join(context, all.slice(0, 1));
      const found = await dht.get(key);
      assert.equal(found["found"], true);
      assert.equal(text(found["value"]), "a value");
    },
    "get-nothing": async (context) => {
      const dht = await ProgramDht.join(context, await nodes(context, 2));
      await dht.assertNothing(RecordKey.ofName("nothing"));
    },
    sizes: async (context) => {
      const dht = await ProgramDht.join(context, await nodes(context, 2));
      for (const size of [0, 1, 65_536]) {
        const found = await dht.get(await dht.put(Buffer.alloc(size, 1)));
        assert.equal(Buffer.from(String(found["value"]), "base64").length, size);
      }
    },
    "too-large": async (context) => {
      const dht = await ProgramDht.join(context, await nodes(context, 2));
      assert.equal(await dht.fails("put", { value: base64(Buffer.alloc(65_537)) }), "record_too_large");
    },
    "client-mode": async (context) => {
      const { id, seed } = context.identity();
      const all = await nodes(context, 2);
      const dht = await ProgramDht.join(context, all, seed);
      await dht.put(value);
      for (const node of all) assert.equal(isIn(node, id), false, "a client is in a routing table");
    },
    "client-ping": async (context) => {
      const ports: number[] = [];
      const askers = [1, 2].map(() =>
        answering(context, {
          ping: ({ nonce, port }) => {
            ports.push(port);
            return { nonce };
          },
        }),
      );
      const dht = await ProgramDht.join(context, await Promise.all(askers));
      await dht.put(value);
      await dht.assertNothing(RecordKey.ofName("nothing"));
      assert.ok(
        ports.every((port) => port === 0),
        `a client that serves no DHT names a port in its Ping: ${ports.join(", ")}`,
      );
    },
    update: async (context) => {
      const { id, seed } = context.identity();
      const all = await nodes(context);
      const dht = await ProgramDht.join(context, all.slice(0, 1), seed);
      const first = await dht.request("update", { value: base64(Buffer.from("one")) });
      const second = await dht.request("update", { value: base64(Buffer.from("two")) });
      assert.ok(BigInt(String(second["sequence"])) > BigInt(String(first["sequence"])));
      const key = RecordKey.ofSigner(id, new Uint8Array());
      assert.equal(second["key"], base64(key.bytes));
      const record = await (all[2] as DswarmNode).dht.get(key);
      assert.equal(Buffer.from(record?.value ?? []).toString(), "two");
      const found = await dht.get(key);
      assert.deepEqual([text(found["value"]), found["sequence"]], ["two", second["sequence"]]);
    },
    salts: async (context) => {
      const { id, seed } = context.identity();
      const dht = await ProgramDht.join(context, await nodes(context, 2), seed);
      for (const salt of ["a", "b"]) {
        await dht.request("update", { value: base64(Buffer.from(salt)), salt: base64(Buffer.from(salt)) });
      }
      for (const salt of ["a", "b"]) {
        assert.equal(text((await dht.get(RecordKey.ofSigner(id, Buffer.from(salt))))["value"]), salt);
      }
    },
    "newest-wins": async (context) => {
      const all = await nodes(context, 2);
      const keys = generateKeyPair();
      const old = createMutable({ keys, sequence: 1n, value: Buffer.from("old") });
      const young = createMutable({ keys, sequence: 2n, value: Buffer.from("young") });
      await (all[0] as DswarmNode).dht.store.put(old, { ttlS: 3600, from: keys.id });
      await (all[1] as DswarmNode).dht.store.put(young, { ttlS: 3600, from: keys.id });
      const dht = await ProgramDht.join(context, all);
      assert.equal(text((await dht.get(old.key))["value"]), "young");
    },
    deleted: async (context) => {
      const all = await nodes(context, 3);
      const [first] = all as [DswarmNode];
      const { key } = await first.dht.update(value);
      const dht = await ProgramDht.join(context, all);
      assert.equal((await dht.get(key))["found"], true);
      await first.dht.delete();
      await dht.assertNothing(key);
    },
    "find-providers": async (context) => {
      const all = await nodes(context);
      const key = RecordKey.ofName("something");
      await Promise.all(all.slice(1).map((node) => node.dht.provide(key)));
      const dht = await ProgramDht.join(context, all.slice(0, 1));
      const ids = all.slice(1).map(({ id }) => base64(id.bytes));
      assert.deepEqual((await dht.providers(key)).sort(), ids.sort());
    },
    "providers-among-strangers": async (context) => {
      const all = await nodes(context, 3);
      const key = RecordKey.ofName("something");
      await all[1]?.dht.provide(key);
      const addresses = [{ host: "127.0.0.1", port: 9 }];
      const strangers = Array.from({ length: 100 }, () => {
        const record = createProvider({ keys: generateKeyPair(), key, addresses, sequence: 1n });
        return recordToMessage(record, 60);
      });
      const dht = await ProgramDht.join(context, [await liar(context, strangers), ...all]);
      const found = await dht.providers(key);
      assert.ok(found.length <= 64 && found.includes(base64(all[1]?.id.bytes ?? new Uint8Array())));
    },
    "withdrawn-provider": async (context) => {
      const all = await nodes(context, 3);
      const [, second] = all as [DswarmNode, DswarmNode];
      const key = RecordKey.ofName("something");
      await second.dht.provide(key);
      const dht = await ProgramDht.join(context, all);
      assert.equal((await dht.providers(key)).length, 1);
      await second.dht.unprovide(key);
      assert.deepEqual(await dht.providers(key), []);
    },
    "forged-value": async (context) => {
      const key = RecordKey.ofValue(value);
      const other = { kind: { case: "immutable", value: { value: Buffer.from("another") } }, ttlS: 60 };
      await (await amongLiars(context, other)).assertNothing(key);
    },
    "forged-signature": async (context) => {
      const keys = generateKeyPair();
      const record = createMutable({ keys, sequence: 7n, value });
      const { kind } = recordToMessage(record, 60);
      const forged = {
        kind: { ...kind, value: { ...(kind?.value as object), value: Buffer.from("forged") } },
        ttlS: 60,
      };
      await (await amongLiars(context, forged)).assertNothing(record.key);
    },
    "record-of-another-key": async (context) => {
      const [keys, others] = [generateKeyPair(), generateKeyPair()];
      const record = createMutable({ keys, sequence: 7n, value });
      await (await amongLiars(context, recordToMessage(record, 60))).assertNothing(
        RecordKey.ofSigner(others.id, new Uint8Array()),
      );
    },
    "record-without-kind": async (context) => {
      await (await amongLiars(context, { ttlS: 60 })).assertNothing(RecordKey.ofValue(value));
    },
    "forged-provider": async (context) => {
      const key = RecordKey.ofName("something");
      const addresses = [{ host: "127.0.0.1", port: 4000 }];
      const { kind } = recordToMessage(createProvider({ keys: generateKeyPair(), key, addresses, sequence: 1n }), 60);
      const { id } = generateKeyPair();
      const provider = { id: id.bytes, addresses: ["127.0.0.1:4000"] };
      const forged = { kind: { ...kind, value: { ...(kind?.value as object), provider } }, ttlS: 60 };
      assert.deepEqual(await (await amongLiars(context, forged)).providers(key), []);
    },
    "provider-of-another-key": async (context) => {
      const [key, other] = [RecordKey.ofName("something"), RecordKey.ofName("another")];
      const addresses = [{ host: "127.0.0.1", port: 4000 }];
      const record = createProvider({ keys: generateKeyPair(), key: other, addresses, sequence: 1n });
      assert.deepEqual(await (await amongLiars(context, recordToMessage(record, 60))).providers(key), []);
    },
    "truth-among-lies": async (context) => {
      const honest = await nodes(context, 2);
      const { key } = await (honest[0] as DswarmNode).dht.put(value);
      const other = { kind: { case: "immutable", value: { value: Buffer.from("another") } }, ttlS: 60 };
      const liars = [await liar(context, [other]), await liar(context, [other])];
      const dht = await ProgramDht.join(context, [...liars, ...honest]);
      assert.equal(text((await dht.get(key))["value"]), "a value");
    },
    // That nobody answers says nothing of what there is.
    unreachable: async (context) => {
      const dead = formatPeerAddress({ id: context.strangerId(), host: "127.0.0.1", port: 1 });
      const dht = await ProgramDht.joinAt(context, [dead]);
      const key = base64(RecordKey.ofName("nothing").bytes);
      assert.equal(await dht.fails("get", { key }), "unreachable");
      assert.equal(await dht.fails("findProviders", { key }), "unreachable");
    },
    "dead-acquaintance": async (context) => {
      const all = await nodes(context, 3);
      const { key } = await (all[0] as DswarmNode).dht.put(value);
      const dht = await ProgramDht.join(context, all);
      await (all[2] as DswarmNode).close();
      assert.equal(text((await dht.get(key))["value"]), "a value");
    },
  }),
  ...group("dht", ["dht", "provide"], {
    provide: async (context) => {
      const { id, seed } = context.identity();
      const all = await nodes(context);
      // A client that does not listen provides what a node with its key serves.
      const own = await context.node({ keys: keyPairFromSeed(Buffer.from(seed, "base64")), dht: { isClient: true } });
      const dht = await ProgramDht.join(context, all.slice(0, 1), seed);
      const key = RecordKey.ofName("something");
      await dht.request("provide", { key: base64(key.bytes), address: `127.0.0.1:${own.port}` });
      for (const node of all) {
        const found = await node.dht.findProviders(key);
        assert.deepEqual(
          found.map(({ provider }) => provider.id.toString()),
          [id.toString()],
        );
      }
    },
    "provide-without-listener": async (context) => {
      const { seed } = context.identity();
      const all = await nodes(context, 2);
      const dht = await ProgramDht.join(context, all, seed);
      const key = RecordKey.ofName("something");
      // At the first address nobody listens, at the second somebody else.
      for (const port of [1, all[0]?.port]) {
        const address = `127.0.0.1:${port}`;
        // It refuses, or provides at an address of its own where it listens.
        const failing = dht.request("provide", { key: base64(key.bytes), address });
        await failing.catch((error: unknown) => assert.match(String(error), /unreachable|authentication_failed/));
        for (const { provider } of (await all[1]?.dht.findProviders(key)) ?? []) {
          const told = provider.addresses.map(({ host, port: at }) => `${host}:${at}`);
          assert.ok(!told.includes(address), "it publishes an address at which nobody has its key");
        }
      }
    },
  }),
];
