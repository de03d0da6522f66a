// Answers of nodes that break a rule in one place: they count as none, and contacts that are none are not dialed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createImmutable, createMutable, createProvider, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { mutableSignedBytes } from "../../src/dht/record-signature.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import { base64, type CaseContext, group } from "../case.ts";
import { signWithSmallOrderR } from "../forged-proofs.ts";
import { amongLiars, answering, ProgramDht, text, value } from "../program-dht.ts";

const key = RecordKey.ofName("something");
const maxRecords = 130;
const maxContacts = 30;
const good = recordToMessage(createImmutable(value), 60);
const valueKey = RecordKey.ofValue(value);

function provider(keys = generateKeyPair(), sequence = 1n, port = 4000, isWithdrawn = false) {
  const addresses = [{ host: "127.0.0.1", port }];
  return recordToMessage(createProvider({ keys, key, addresses, sequence, isWithdrawn }), 60);
}

/** Fails unless answers with these records count as none, whether a value is asked for or providers are. */
function countsAsNone(...records: readonly object[]) {
  return async (context: CaseContext): Promise<void> => {
    const dht = await amongLiars(context, ...records);
    await dht.assertNothing(valueKey);
    assert.deepEqual(await dht.providers(key), []);
  };
}

/** Counts the connections to a TCP port of this machine, at which nothing is served. */
async function listener(context: CaseContext) {
  const seen = { count: 0, port: 0 };
  const server = createServer((socket) => {
    seen.count += 1;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(async () => void server.close());
  seen.port = (server.address() as AddressInfo).port;
  return seen;
}

interface ToldContact {
  readonly id: Uint8Array;
  readonly addresses: readonly string[];
}

/** How often a program dials the contacts that the only node that it knows tells it of. */
async function dialsOf(context: CaseContext, contactsAt: (port: number) => readonly ToldContact[]): Promise<number> {
  const seen = await listener(context);
  const contacts = contactsAt(seen.port).map(({ id, addresses }) => ({ id, addresses: [...addresses] }));
  const node = await answering(context, {
    findNode: () => ({ contacts }),
    findValue: () => ({ records: [], contacts }),
  });
  const dht = await ProgramDht.join(context, [node]);
  await dht.assertNothing(key);
  assert.deepEqual(await dht.providers(key), []);
  return seen.count;
}

/** A contact that breaks a rule: the program does not dial it. */
function notDialed(contactAt: (port: number) => ToldContact) {
  return async (context: CaseContext): Promise<void> => {
    assert.equal(await dialsOf(context, (port) => [contactAt(port)]), 0, "a bad contact is dialed");
  };
}

const stranger = (): Uint8Array => generateKeyPair().id.bytes;
/** A point of order 8, with the sign bit. */
const smallOrderKey = Buffer.from("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "hex");

/** Cases of answers. */
export const dhtAnswerCases = group("dht", ["dht"], {
  "130-records": async (context) => {
    const dht = await amongLiars(context, ...Array.from({ length: maxRecords }, () => good));
    assert.equal(text((await dht.get(valueKey))["value"]), value.toString());
  },
  "131-records": async (context) => {
    const dht = await amongLiars(context, ...Array.from({ length: maxRecords + 1 }, () => good));
    await dht.assertNothing(valueKey);
  },
  "131-providers": async (context) => {
    const dht = await amongLiars(context, ...Array.from({ length: maxRecords + 1 }, () => provider()));
    assert.deepEqual(await dht.providers(key), []);
  },
  "too-large-an-answer": async (context) => {
    // Each takes two bytes on the wire and a hundred in memory.
    const contacts = Array.from({ length: 150_000 }, () => ({}));
    const node = await answering(context, {
      findNode: () => ({ contacts }),
      findValue: () => ({ records: [good], contacts }),
    });
    await (await ProgramDht.join(context, [node])).assertNothing(valueKey);
  },
  "as-large-an-answer-as-may-be": async (context) => {
    const contacts = Array.from({ length: 130_000 }, () => ({}));
    const node = await answering(context, {
      findNode: () => ({ contacts: [] }),
      findValue: () => ({ records: [good], contacts }),
    });
    const dht = await ProgramDht.join(context, [node]);
    assert.equal(text((await dht.get(valueKey))["value"]), value.toString());
  },
  "a-bad-record-behind-a-good-one": countsAsNone(good, { ttlS: 60 }),
  "a-bad-record-before-a-good-one": countsAsNone({ ttlS: 60 }, good),
  "a-record-of-another-key-beside-a-good-one": async (context) => {
    const another = recordToMessage(createImmutable(Buffer.from("another")), 60);
    for (const records of [
      [good, another],
      [another, good],
    ]) {
      await (await amongLiars(context, ...records)).assertNothing(valueKey);
    }
  },
  "a-forged-provider-among-good-ones": async (context) => {
    const forged = provider();
    const kind = { case: "provider", value: { ...(forged.kind?.value as object), sequence: 2n } };
    const dht = await amongLiars(context, provider(), { kind, ttlS: 60 }, provider());
    assert.deepEqual(await dht.providers(key), []);
  },
  "r-of-small-order": async (context) => {
    const keys = generateKeyPair();
    const record = createMutable({ keys, sequence: 7n, value });
    const signed = mutableSignedBytes(record);
    const { kind } = recordToMessage(record, 60);
    const forged = { ...(kind?.value as object), signature: signWithSmallOrderR(signed, keys) };
    const dht = await amongLiars(context, { kind: { case: "mutable", value: forged }, ttlS: 60 });
    await dht.assertNothing(record.key);
  },
  "provider-with-smaller-sequence": async (context) => {
    const keys = generateKeyPair();
    const [old, young] = [provider(keys, 1n, 4001), provider(keys, 2n, 4002)];
    // In both orders, so that neither the first nor the last wins for its place.
    for (const records of [
      [old, young],
      [young, old],
    ]) {
      const dht = await amongLiars(context, ...records);
      const { providers } = await dht.request("findProviders", { key: base64(key.bytes) });
      assert.deepEqual(
        (providers as { addresses: string[] }[]).map(({ addresses }) => addresses),
        [["127.0.0.1:4002"]],
      );
    }
  },
  "withdrawn-by-larger-sequence": async (context) => {
    const keys = generateKeyPair();
    const [old, withdrawn] = [provider(keys, 1n), provider(keys, 2n, 4000, true)];
    assert.deepEqual(await (await amongLiars(context, old, withdrawn)).providers(key), []);
    assert.deepEqual(await (await amongLiars(context, withdrawn, old)).providers(key), []);
    const again = await amongLiars(context, provider(keys, 3n), withdrawn);
    assert.equal((await again.providers(key)).length, 1);
  },
  // The cases of bad contacts below it mean something only if a good one is dialed.
  "good-contact": async (context) => {
    const dials = await dialsOf(context, (port) => [{ id: stranger(), addresses: [`127.0.0.1:${port}`] }]);
    assert.ok(dials > 0, "a contact is not dialed");
  },
  "contact-of-small-order": notDialed((port) => ({ id: smallOrderKey, addresses: [`127.0.0.1:${port}`] })),
  "contact-of-31-bytes": notDialed((port) => ({
    id: stranger().subarray(1),
    addresses: [`127.0.0.1:${port}`],
  })),
  "contact-with-host-name": notDialed((port) => ({ id: stranger(), addresses: [`localhost:${port}`] })),
  "contact-with-unspecified-address": notDialed((port) => ({ id: stranger(), addresses: [`0.0.0.0:${port}`] })),
  "contact-with-a-bad-address-behind-a-good-one": notDialed((port) => ({
    id: stranger(),
    addresses: [`127.0.0.1:${port}`, "224.0.0.1:4000"],
  })),
  "contact-with-five-addresses": notDialed((port) => ({
    id: stranger(),
    addresses: [1, 2, 3, 4, 5].map((host) => `127.0.0.${host}:${port}`),
  })),
  "contact-with-long-address": notDialed((port) => ({
    id: stranger(),
    // IPv4 in IPv6, which some parsers take at any length.
    addresses: [`[${"0".repeat(40)}:0000:0000:0000:0000:ffff:127.0.0.1]:${port}`],
  })),
  "31st-contact": async (context) => {
    // A program that takes the contact asks it, as it is the closest one to the key.
    const dials = await dialsOf(context, (port) => {
      const dead = Array.from({ length: maxContacts }, () => ({ id: stranger(), addresses: ["127.0.0.1:1"] }));
      return [...dead, { id: closestOf(key.bytes), addresses: [`127.0.0.1:${port}`] }];
    });
    assert.equal(dials, 0, "more than 30 contacts of an answer are heeded");
  },
});

/** Of some ids the one closest to a target. */
function closestOf(target: Uint8Array): Uint8Array {
  const distance = (id: Uint8Array): Buffer => Buffer.from(id.map((byte, at) => byte ^ (target[at] ?? 0)));
  const ids = Array.from({ length: 1000 }, stranger);
  return ids.reduce((best, id) => (Buffer.compare(distance(id), distance(best)) < 0 ? id : best));
}
